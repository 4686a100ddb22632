"""Very many at once, idle, busy, slow and hostile: memory stays bounded, and others are served.

Long form (TOWBAR_LONG=1): 10,000 idle connections and 1,000 busy ones, half of them on each socket.
"""

import json
import os
import re
import resource
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

IS_LONG = os.environ.get("TOWBAR_LONG") == "1"
N_IDLE = 10000 if IS_LONG else 600
N_BUSY = 1000 if IS_LONG else 200
ROUNDS = 5 if IS_LONG else 2
KIB = 1024
PATH = "/api/1/item/"
IDLE_KIB = 8  # of memory, for an idle connection


def item(text="hi", **data):
    return {"data": {"environment": "test", "body": {"message": {"body": text}}, **data}}


def post(body, *headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (f"POST {PATH} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body


def hostile():
    """What strangers send, and the statuses that it may get."""
    good = json.dumps(item("x"))
    return [
        (b"\x16\x03\x01\x02\x00\r\n", (400,)),
        (os.urandom(3000) + b"\r\n", (400, 431)),
        (b"GET / HTTP/1.1\nHost: a\n\n", (400,)),
        (post(b"{}", "Transfer-Encoding: chunked"), (400,)),
        (post(b"{}", "X: a\0b"), (400,)),
        (post(good.replace('"x"', "[" * 60000 + "]" * 60000).encode()), (422, 400)),
        (post(b"[" * 1000000), (400, 422, 503)),
        (post(item(custom={f"k{n}": n for n in range(50001)})), (200, 503)),
        (post(item(custom={"k" * 60000: 1})), (200,)),
        (post(good.replace('"x"', '"\0"').encode()), (400,)),
        (post(good.replace('"x"', '"\xff\xfe"').encode("latin-1")), (400,)),
        (post(good.replace('"x"', '"x","n":1e999999,"m":' + "9" * 40000).encode()), (200,)),
        (post(good.replace('"x"', '"x","n":-' + "0" * 1000).encode()), (400,)),
        (post(item("\ud800")), (200,)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", (413,)),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n", (431,)),
    ]


class LoadTest(towbar.Case):
    def setUp(self):
        super().setUp()
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if most < N_IDLE + 2 * N_BUSY + 100:
            self.skipTest(f"{most} open files are too few for {N_IDLE} connections")

    def start_agent(self):
        agent = self.agent(token=None).wait_ready()
        agent.wait_log("http://127.0.0.1:")
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", agent.log).group(1))
        return agent

    def connect(self, unix):
        sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        sock.settimeout(towbar.DEADLINE_S)
        end = time.monotonic() + towbar.DEADLINE_S
        while True:  # the queue of a Unix socket may be full: EAGAIN
            try:
                sock.connect(self.socket if unix else ("127.0.0.1", self.port))
                self.addCleanup(sock.close)
                return sock
            except BlockingIOError:
                self.assertLess(time.monotonic(), end)

    def status_of(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            self.assertTrue(piece, head)
            head += piece
        return int(head.split()[1])

    def resident_kib(self, agent):
        with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as lines:
            (line,) = [text for text in lines if text.startswith("VmRSS")]
        return int(line.split()[1])

    def assert_served(self):
        for unix in (False, True):
            sock = self.connect(unix)
            sock.sendall(post(item()))
            self.assertEqual(self.status_of(sock), 200)
            sock.close()

    def test_idle_and_busy_ones_are_served_together(self):
        with self.start_agent() as agent:
            before = self.resident_kib(agent)
            idle = [self.connect(n % 2 == 0) for n in range(N_IDLE)]
            self.assert_served()
            if not towbar.SANITIZE:
                self.assertLess(self.resident_kib(agent) - before, IDLE_KIB * N_IDLE + 10000)
            busy = [self.connect(n % 2 == 0) for n in range(N_BUSY)]
            for _ in range(ROUNDS):
                for sock in busy:
                    sock.sendall(post(item()))
                self.assert_served()
                for sock in busy:
                    self.assertEqual(self.status_of(sock), 200)
            for sock in idle[-100:]:  # if any had to make room, then older ones
                sock.sendall(post(item()))
                self.assertEqual(self.status_of(sock), 200)

    def nices(self, pid):
        """Of the loop's thread, and of all others."""
        nices = {}
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as file:
                nices[int(thread)] = int(file.read().rpartition(")")[2].split()[16])
        return nices.pop(pid), sorted(nices.values())

    def test_the_pipeline_gives_way_to_the_loop(self):
        with self.start_agent() as agent:
            deadline = time.monotonic() + towbar.DEADLINE_S
            loop, others = self.nices(agent.process.pid)
            while max(others) == loop < 19 and time.monotonic() < deadline:
                time.sleep(0.01)  # the thread may not have run yet
                loop, others = self.nices(agent.process.pid)
            self.assertEqual(max(others), min(loop + 5, 19), others)
            self.assertEqual(set(others[:-1]), {loop}, others)

    def test_hostile_ones_are_answered_and_cost_little(self):
        slow = post(item("slow"))
        with self.start_agent() as agent:
            strangers = []
            for n in range(N_BUSY):
                sock = self.connect(n % 2 == 0)
                sock.sendall(slow[: 1 + n % (len(slow) - 1)])
                strangers.append(sock)
            for n, (data, statuses) in enumerate(hostile() * ROUNDS):
                with self.subTest(n=n, data=data[:60]):
                    sock = self.connect(n % 2 == 0)
                    sock.sendall(data)
                    self.assertIn(self.status_of(sock), statuses)
                    sock.close()
                    self.assert_served()
            for n, sock in enumerate(strangers):
                sock.sendall(slow[1 + n % (len(slow) - 1) :])
                self.assertEqual(self.status_of(sock), 200)
            if not towbar.SANITIZE:
                self.assertLess(self.resident_kib(agent), 150 * KIB)


if __name__ == "__main__":
    unittest.main()
