"""AWS' own X-Ray daemon between towbard and moto. It comes in no registry: TOWBAR_XRAY_DAEMON names a
program that was built of its source, else nothing is run. tests/support/fake_xray_daemon.py takes
datagrams as it does, and always runs."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
import xray_documents  # noqa: E402
from test_cruddur import REGION, Systems  # noqa: E402

DAEMON = os.environ.get("TOWBAR_XRAY_DAEMON", "")
ROOT = "1-%08x-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"


def free_port():
    """Free for UDP and TCP alike: the daemon has one number for both."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


@unittest.skipUnless(DAEMON, "TOWBAR_XRAY_DAEMON names no program")
class RealDaemon(Systems):
    def start_daemon(self):
        config = self.path("daemon.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"Version: 2\nEndpoint: {self.aws_url}\n")
        self.address = f"127.0.0.1:{free_port()}"
        command = [DAEMON, "-o", "-n", REGION, "-b", self.address, "-t", self.address, "-c", config]
        log = open(self.path("daemon.log"), "wb")
        self.addCleanup(log.close)
        env = {"PATH": os.environ["PATH"], **self.aws_env()}
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.await_port(process)

    def await_port(self, process):
        host, port = self.address.split(":")
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            try:
                return socket.create_connection((host, int(port)), 1).close()
            except OSError:
                self.assertIsNone(process.poll())
                self.assertLess(time.monotonic(), end)

    def send(self, agent, header):
        data = {
            "uuid": str(uuid.uuid4()), "environment": "test", "level": "error",
            "custom": {"service": "backend-flask"},
            "request": {"url": "http://api.cruddur.com/api/activities/home", "method": "GET",
                        "headers": {"X-Amzn-Trace-Id": header}},
            "body": {"trace": {"exception": {"class": "ValueError", "message": "no"},
                               "frames": [{"filename": "app.py", "lineno": 7, "method": "home"}]}},
        }  # fmt: skip
        status, reply = agent.request("POST", "/api/1/item/", json.dumps({"data": data}))
        self.assertEqual(status, 200, reply)

    def crash(self, header):
        feedd, address = self.start_feedd()
        connection = http.client.HTTPConnection(address, timeout=towbar.DEADLINE_S)
        self.addCleanup(connection.close)
        try:
            connection.request("GET", "/feed?user=crash", headers={"X-Amzn-Trace-Id": header})
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            pass  # it died over it
        self.assertEqual(feedd.wait(towbar.DEADLINE_S), -signal.SIGSEGV)

    def test_what_it_passes_on_is_found_by_the_trace(self):
        self.start_daemon()
        xray_id = ROOT % int(time.time())
        header = f"Root={xray_id};Parent={PARENT};Sampled=1"
        self.write_config(f"xray: {{mode: daemon, address: '{self.address}'}}\n")
        with self.agent(self.fake, **self.aws_env()) as agent:
            self.send(agent, header)
            self.crash(header)
            end = time.monotonic() + towbar.DEADLINE_S
            while len(documents := self.in_xray(xray_id)) < 2:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)  # moto tells nobody
        self.assertEqual([xray_documents.check(d.text) for d in documents], [None, None])
        (native,) = [d for d in documents if d.name == "feedd"]
        self.assertTrue(native.raw["fault"])
        self.assertIn("queue.c", str(native.exceptions[0]["stack"][0]))
        self.assertEqual({d.raw.get("parent_id") for d in documents}, {PARENT})
        with open(self.path("daemon.log"), encoding="utf-8") as log:
            text = log.read()
        self.assertNotIn("[Error]", text)
        self.assertIn("Successfully sent batch of", text)


if __name__ == "__main__":
    unittest.main()
