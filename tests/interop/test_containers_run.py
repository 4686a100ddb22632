"""The steps of Cruddur's Dockerfiles and compose file, done in a folder instead of by an engine: RUN
really runs, the three services start by their own commands, and only ports and places differ."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import containers  # noqa: E402
import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402
from test_flask import traceparent, trace_id  # noqa: E402

CRUDDUR = os.path.join(towbar.SOURCE, "samples", "cruddur")
BUILD_S = 900


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Composed(towbar.Case):
    def setUp(self):
        super().setUp()
        self.services = containers.read_yaml(os.path.join(CRUDDUR, "docker-compose.yml"))["services"]
        self.ports = {port: str(free_port()) for port in ("4567", "4568", "7070")}
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def with_ports(self, text):
        return re.sub(r"\b(?:4567|4568|7070)\b", lambda match: self.ports[match.group()], text)

    def build_image(self, dockerfile, context, name, path):
        folder = self.path(name)
        os.mkdir(folder)

        def run(line):
            env = dict(os.environ, PATH=path + os.pathsep + os.environ["PATH"])
            done = subprocess.run(
                ["/bin/sh", "-c", line], cwd=folder, env=env, timeout=BUILD_S,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            self.assertEqual(done.returncode, 0, f"{line}: {done.stdout}{done.stderr}")

        dockerfile.build(context, folder, run)
        return folder

    def start_service(self, name, dockerfile, folder, path):
        service = self.services[name]
        command = [self.with_ports(word) for word in service.get("command", dockerfile.command)]
        env = towbar.clean_environment(self.path("home"))
        given = {"ROLLBAR_ACCESS_TOKEN": towbar.TOKEN}
        for key, value in service["environment"].items():
            env[key] = self.with_ports(containers.fill(value, given))
        # What the volumes and the network are for containers.
        env.update(
            TOWBAR_SPOOL=self.spool, TOWBAR_SOCKET=self.socket, ROLLBAR_ENDPOINT=self.fake.url,
            PATH=path + os.pathsep + os.environ["PATH"], PYTHONDONTWRITEBYTECODE="1",
        )  # fmt: skip
        if name == "towbard":
            command += ["--state-dir", self.state, "--listen", f"127.0.0.1:{self.ports['7070']}"]
        program = next(
            os.path.join(part, command[0]) for part in env["PATH"].split(os.pathsep)
            if os.access(os.path.join(part, command[0]), os.X_OK)
        )  # fmt: skip
        with open(self.path(f"{name}.log"), "wb") as log:
            process = subprocess.Popen(
                [program, *command[1:]], cwd=folder, env=env, stdout=log, stderr=log
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_port(self, port):
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(self.ports[port])), 5).close()
                return
            except OSError:
                if time.monotonic() > end:
                    self.fail(f"nobody listens on {port}: {os.listdir(self.folder)}")
                time.sleep(0.05)

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", int(self.ports["4567"]), timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def test_the_three_services_work_together(self):
        backend = containers.Dockerfile(os.path.join(CRUDDUR, "backend-flask", "Dockerfile"))
        daemons = containers.Dockerfile(os.path.join(CRUDDUR, "Dockerfile.daemons"))
        subprocess.run([sys.executable, "-m", "venv", self.path("venv")], check=True)
        python = self.path("venv", "bin")
        backend_folder = self.build_image(
            backend, os.path.dirname(backend.path), "backend-flask", python
        )
        folder = self.build_image(daemons, towbar.SOURCE, "towbar", "/nowhere")
        path = daemons.env["PATH"].split(":")[0].replace(daemons.workdir, folder)

        self.start_service("towbard", daemons, folder, path)
        self.wait_port("7070")
        feedd = self.start_service("feedd", daemons, folder, path)
        self.wait_port("4568")
        self.start_service("backend-flask", backend, backend_folder, python)
        self.wait_port("4567")
        self.assertEqual(self.get("/api/activities/home"), 200)
        self.assertEqual(self.get("/rollbar/test"), 200)
        crash = "/api/activities/home?user=crash"
        self.assertEqual(self.get(crash, traceparent=traceparent(3)), 500)
        self.assertEqual(feedd.wait(towbar.DEADLINE_S), -signal.SIGSEGV)
        self.fake.wait_for(lambda fake: len(fake.occurrences) == 3)
        self.assert_clean(self.fake)
        found = [occurrence.data for occurrence in self.fake.occurrences]
        traced = [d for d in found if d["custom"].get("trace_id") == trace_id(3)]
        self.assertEqual(
            sorted(d["custom"]["service"] for d in traced), ["backend-flask", "feedd"]
        )
        self.assertEqual({d["environment"] for d in found}, {"development"})
        (native,) = [d for d in traced if d["custom"]["service"] == "feedd"]
        frame = native["body"]["trace"]["frames"][-1]
        self.assertEqual(frame["filename"], "samples/cruddur/queue.c")
        self.assertTrue(frame.get("code"), "the image has the sources beside the program")


if __name__ == "__main__":
    unittest.main()
