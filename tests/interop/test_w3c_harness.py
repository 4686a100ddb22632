"""The W3C's own conformance harness for Trace Context, against a service whose headers are read and
written by src/trace. The harness comes in no registry: TOWBAR_W3C_HARNESS names a folder that has
its test.py, else nothing is run. Its cases are told again in tests/trace/test_w3c.c, which always
runs."""

import glob
import http.client
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
HARNESS = os.environ.get("TOWBAR_W3C_HARNESS", "")
LIMIT_S = 240


def build(folder):
    program = os.path.join(folder, "w3c_service")
    sources = glob.glob(f"{SOURCE}/src/trace/*.c")
    sources += [f"{SOURCE}/src/base/{name}.c" for name in ("id", "utf8", "clock")]
    command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O1", f"-I{SOURCE}/src"]
    subprocess.run([*command, "-o", program, f"{HERE}/w3c_service.c", *sources], check=True)
    return program


class Headers:
    """The C program: the headers of a request in, those of a call out."""

    def __init__(self, program):
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def of_call(self, lines):
        with self.lock:
            self.process.stdin.write("".join(f"{line}\n" for line in lines) + "\n")
            self.process.stdin.flush()
            found = []
            while line := self.process.stdout.readline().rstrip("\n"):
                found.append(line.split(":", 1))
            return found

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Service(socketserver.StreamRequestHandler):
    """Each request asks for calls: [{"url":..,"arguments":..}]. Headers are taken as they came."""

    def handle(self):
        self.rfile.readline()
        lines = []
        while line := self.rfile.readline().decode("latin-1").rstrip("\r\n"):
            lines.append(line)
        fields = {name.lower(): value for name, value in (line.split(":", 1) for line in lines)}
        actions = json.loads(self.rfile.read(int(fields["content-length"])))
        for action in actions:
            self.call(action, self.server.headers.of_call(lines))
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         b"Content-Length: 2\r\nConnection: close\r\n\r\n[]")  # fmt: skip

    def call(self, action, headers):
        url = urllib.parse.urlsplit(action["url"])
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
        connection.putrequest("POST", url.path)
        body = json.dumps(action["arguments"]).encode()
        for name, value in [*headers, ("Content-Type", "application/json")]:
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        connection.getresponse().read()
        connection.close()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def free_port():
    with socketserver.TCPServer(("127.0.0.1", 0), None) as server:
        return server.server_address[1]


@unittest.skipUnless(HARNESS, "TOWBAR_W3C_HARNESS names no folder")
class W3CHarness(unittest.TestCase):
    def test_all_cases_of_level_2_pass(self):
        with tempfile.TemporaryDirectory() as folder, Server(("127.0.0.1", 0), Service) as server:
            server.headers = Headers(build(folder))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            environment = {
                **os.environ,
                "SPEC_LEVEL": "2",
                "STRICT_LEVEL": "2",
                "HARNESS_HOST": "127.0.0.1",
                "HARNESS_PORT": str(free_port()),
            }
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            done = subprocess.run([sys.executable, "test.py", url], cwd=HARNESS, env=environment,
                                  timeout=LIMIT_S, capture_output=True, text=True)  # fmt: skip
            server.shutdown()
            server.headers.close()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
