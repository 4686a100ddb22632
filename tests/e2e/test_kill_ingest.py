"""The running agent, killed at the system calls of taking in and sending: strace lists the distinct
places (thread, call and stack) of a run, then sends SIGKILL at one after the other. What was answered with
200 arrives exactly once; what was not is sent again by its sender, and arrives once too. All places
in the long form (TOWBAR_LONG=1), else as many as SHORT_S allow, drawn from a seed."""

import collections
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

LONG = os.environ.get("TOWBAR_LONG") == "1"
SHORT_S = 12
LONG_S = 240
SHORT_MIN = 2  # on a machine so slow that SHORT_S are over before
SEED = 20261126
N_TCP = 4
N_UNIX = 2
CALLS = [
    "accept4", "bind", "close", "connect", "epoll_ctl", "fallocate", "fcntl", "fdatasync", "fstat",
    "fsync", "ftruncate", "getpeername", "getsockopt", "ioctl", "listen", "lseek", "newfstatat",
    "openat", "openat2", "poll", "pread64", "pwrite64", "pwritev", "read", "readv", "recvfrom",
    "recvmsg", "rename", "renameat", "renameat2", "sendmsg", "sendto", "setsockopt", "socket",
    "unlink", "unlinkat", "write", "writev",
]  # fmt: skip
# The rooms whose calls are meant; what is called at the start alone is e2e.test_kill_sites's.
OURS = re.compile(
    r"\((tb_(http|serve|post|ingest|writer|pipeline|spool|acklog|inflight|store|deliver|transport|"
    r"watch|refuse|jobs)\w*|event_base_loop|curl_\w+|sqlite3_\w+)\+"
)


class KillIngestTest(towbar.Case):
    def setUp(self):
        super().setUp()
        if not shutil.which("strace"):
            self.skipTest("strace is not installed (package strace)")
        if towbar.SANITIZE:
            self.skipTest("a sanitizer's own calls are none of these places")
        self.round = 0

    def start_round(self):
        self.round += 1
        self.spool = self.path(f"spool{self.round}")
        self.state = self.path(f"state{self.round}")
        self.socket = self.path(f"s{self.round}")

    def end_round(self):
        shutil.rmtree(self.spool, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)

    # ---- strace ----

    @staticmethod
    def threads(agent):
        """In the order in which they were made."""
        return sorted(int(name) for name in os.listdir(f"/proc/{agent.process.pid}/task"))

    def trace(self, threads, log, *flags):
        """strace, attached to those threads."""
        argv = ["strace", "-o", log, *flags]
        for thread in threads:
            argv += ["-p", str(thread)]
        tracer = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, errors="replace")

        def end():
            tracer.kill()
            tracer.wait()
            tracer.stderr.close()

        self.addCleanup(end)
        for _ in threads:
            said = tracer.stderr.readline()
            if "attached" not in said:
                self.skipTest("this machine does not let strace trace: " + said)
        return tracer

    @staticmethod
    def address(agent):
        agent.wait_log("http://127.0.0.1:")
        return "127.0.0.1", int(re.search(r"http://127\.0\.0\.1:(\d+)", agent.log).group(1))

    # ---- the senders ----

    @staticmethod
    def items():
        """Bodies by uuid."""
        made = {}
        for n in range(N_TCP + N_UNIX):
            name = str(uuid.UUID(int=random.getrandbits(128), version=4))
            data = {
                "uuid": name, "environment": "test", "level": "error",
                "body": {"message": {"body": f"item {n}"}},
            }  # fmt: skip
            made[name] = json.dumps({"data": data}).encode()
        return made

    def send(self, where, bodies):
        """The uuids that were answered with 200."""
        taken = set()
        tcp = http.client.HTTPConnection(*where, timeout=towbar.DEADLINE_S)
        local = towbar.UnixConnection(self.socket, towbar.DEADLINE_S)
        for n, (name, body) in enumerate(bodies.items()):
            connection = tcp if n < N_TCP else local
            try:
                connection.request("POST", "/api/1/item/", body)
                reply = connection.getresponse()
                reply.read()
                if reply.status == 200:
                    taken.add(name)
            except (OSError, http.client.HTTPException):
                connection.close()
        tcp.close()
        local.close()
        return taken

    def wait_sent(self, agent, fake, n):
        """Until the fake has so many, or the agent is gone."""
        end = time.monotonic() + towbar.DEADLINE_S
        while agent.process.poll() is None and time.monotonic() < end:
            if len(fake.occurrences) >= n and self.all_settled():
                return
            time.sleep(0.005)  # there is nothing to wait on: the agent may be killed any moment

    def all_settled(self):
        """Nothing is left in the spool, and every verdict is stored."""
        connection = towbar.UnixConnection(self.socket, 2)
        try:
            connection.request("GET", "/status")
            status = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return status["counts"]["sent"] == N_TCP + N_UNIX and status["spool"]["pending"] == 0

    # ---- one run ----

    def places(self):
        """{ (thread, call, stack): the first n at which it makes that call with that stack }; a
        thread is told by its place in the order in which they were made."""
        self.start_round()
        log = self.path("places.log")
        with FakeRollbar(token=towbar.TOKEN) as fake:
            known = [c for c in CALLS if self.knows(c)]
            with self.agent(fake) as agent:
                threads = self.threads(agent)
                tracer = self.trace(threads, log, "-k", "-e", "trace=" + ",".join(known))
                bodies = self.items()
                self.assertEqual(self.send(self.address(agent), bodies), set(bodies))
                self.wait_sent(agent, fake, len(bodies))
                tracer.terminate()
                tracer.wait(towbar.DEADLINE_S)
        self.end_round()
        found = {}
        for thread, call, n, stack in self.calls_of(log):
            if OURS.search(stack):
                found.setdefault((threads.index(thread), call, self.signature(stack)), n)
        return found

    @staticmethod
    def knows(call):
        """Not every machine has every call."""
        argv = ["strace", "-qq", "-e", "trace=" + call, "true"]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    @staticmethod
    def signature(stack):
        return tuple(re.findall(r"\((\w+\+0x[0-9a-f]+)\)", stack))

    @staticmethod
    def calls_of(log):
        """Each call of the log: thread (0 where only one is traced), name, its number among that
        thread's calls of the name, stack."""
        counts = collections.Counter()
        current, stack = None, []
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(" > "):
                    stack.append(line)
                    continue
                if current:
                    yield (*current, "".join(stack))
                current, stack = None, []
                match = re.match(r"(\d+)? *(\w+)\(", line)
                if match:
                    counts[match.groups()] += 1
                    thread = int(match.group(1) or 0)
                    current = (thread, match.group(2), counts[match.groups()])
        if current:
            yield (*current, "".join(stack))

    def kill_at(self, thread, call, n):
        """Whether the agent was killed there; all has arrived in any case."""
        self.start_round()
        with FakeRollbar(token=towbar.TOKEN) as fake:
            agent = self.agent(fake).wait_ready()
            inject = f"inject={call}:signal=SIGKILL:when={n}"
            threads = [self.threads(agent)[thread]]
            self.trace(threads, os.devnull, "-e", f"trace={call}", "-e", inject)
            bodies = self.items()
            taken = self.send(self.address(agent), bodies)
            if len(taken) == len(bodies):
                self.wait_sent(agent, fake, len(bodies))
            killed = agent.process.poll() is not None
            agent.kill9()
            with self.agent(fake) as again:
                left = {name: body for name, body in bodies.items() if name not in taken}
                self.assertEqual(self.send(self.address(again), left), set(left), (call, n))
                fake.wait_for(lambda f: len(f.occurrences) == len(bodies), towbar.DEADLINE_S)
                self.wait_sent(again, fake, len(bodies))
            arrived = [occurrence.data["uuid"] for occurrence in fake.occurrences]
            where = f"killed at {call} {n}: {self.status()}"
            self.assertEqual(sorted(arrived), sorted(bodies), where)
            self.assert_identity(self.status(), len(bodies), where)
            self.assertEqual(fake.warnings, [], where)
        self.end_round()
        return killed

    def assert_identity(self, status, n, where):
        self.assertEqual(status["received"], n, where)
        out = sum(status[name] for name in ("sent", "dropped", "quarantined", "queued"))
        self.assertEqual(status["received"], out, where)
        self.assertEqual(status["sent"], n, where)

    def test_killed_at_any_place_it_loses_nothing_that_it_took(self):
        random.seed(SEED)
        places = self.places()
        self.assertGreater(len(places), 60, places)
        order = list(places.items())
        random.shuffle(order)
        end = time.monotonic() + (LONG_S if LONG else SHORT_S)
        n_kills = n_tried = 0
        for (thread, call, _), n in order:
            if time.monotonic() > end and n_kills >= SHORT_MIN:
                break
            n_tried += 1
            n_kills += self.kill_at(thread, call, n)
        print(f"{len(places)} places, {n_tried} tried: {n_kills} kills, "
              f"{n_tried * (N_TCP + N_UNIX)} items, 0 lost, 0 doubled")  # fmt: skip
        self.assertGreaterEqual(n_kills, min(n_tried, SHORT_MIN))


if __name__ == "__main__":
    unittest.main()
