"""Requests that run at the same time in one process: each error and each crash has the trace of its
own request. Both ways of C daemons: samples/threadpool and samples/eventloop."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

N_FAILING = 10  # one place in the code reports ten at once
N_REQUESTS = 40
LINEAGE = "Lineage=a87bd80c:1|68fd508a:5"


class Request:
    def __init__(self, what):
        self.what = what
        self.trace_id = f"{random.getrandbits(128) | 1:032x}"
        self.span_id = f"{random.getrandbits(64) | 1:016x}"
        self.traceparent = f"00-{self.trace_id}-{self.span_id}-01"
        self.state = f"towbar={self.span_id}"
        self.xray_id = f"1-65f00000-{random.getrandbits(96) | 1:024x}"
        self.xray = f"Root={self.xray_id};Parent={self.span_id};Sampled=1;{LINEAGE}"


def shuffled(*whats):
    requests = [Request(what) for what in whats]
    random.shuffle(requests)
    return requests


class ThreadsCase(towbar.Case):
    def assert_own_traces(self, requests):
        """Each failing request has one occurrence with its IDs, and nobody else's."""
        self.once()
        found = {}
        for data in self.occurrences():
            kind = data["custom"]["native"]["kind"]
            trace_id = data["custom"].get("trace_id")
            self.assertNotIn(trace_id, found, "two reports of one request")
            found[trace_id] = kind, data
        wanted = {r.trace_id: r for r in requests if r.what in ("fail", "crash")}
        self.assertEqual(set(found), set(wanted))
        for trace_id, (kind, data) in found.items():
            request = wanted[trace_id]
            self.assertEqual(kind, "crash" if request.what == "crash" else "report")
            self.assertEqual(
                towbar.attributes(data), {"trace_id": trace_id, "span_id": request.span_id}
            )
            trace = data["custom"]["trace"]
            self.assertEqual((trace["flags"], trace["source"]), ("01", "traceparent"))
            self.assertLessEqual(trace["started_at"], data["timestamp"] + 1)
            self.assertGreater(trace["started_at"], data["timestamp"] - 120)
        return {trace_id: data for trace_id, (_, data) in found.items()}


class Samples(towbar.Case):
    def test_they_compile_as_they_say(self):
        for name in ("threadpool", "eventloop"):
            source = os.path.join(towbar.SOURCE, "samples", name, name + ".c")
            compiler = (os.environ.get("CC") or "cc").split()
            command = [*compiler, "-Wall", "-Werror", "-fsyntax-only", source]
            done = subprocess.run(
                [*command, "-I", os.path.join(towbar.SOURCE, "include")],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stderr)


class ThreadPool(ThreadsCase):
    def run_pool(self, requests, threads, status):
        lines = "".join(f"{r.traceparent} {r.what}\n" for r in requests)
        program = [towbar.binary("threadpool"), str(threads)]
        self.run_program(*program, input=lines, check=status)

    def test_each_failing_job_has_its_own_trace(self):
        requests = shuffled(*["fail"] * N_FAILING, *["work"] * N_REQUESTS)
        self.run_pool(requests, 8, 0)
        self.assert_own_traces(requests)

    def test_a_crash_has_the_trace_of_the_job_that_crashed(self):
        # The crashing job comes last, so that all others were begun.
        requests = [*shuffled(*["work"] * N_REQUESTS), Request("crash")]
        self.run_pool(requests, 8, -signal.SIGSEGV)
        self.assert_own_traces(requests)

    def test_errors_and_a_crash_of_one_process_keep_theirs(self):
        # With one thread the order is known; with two the last error and the crash race.
        requests = [*shuffled(*["fail"] * (N_FAILING - 1)), Request("crash")]
        self.run_pool(requests, 1, -signal.SIGSEGV)
        self.assert_own_traces(requests)


class Loop:
    """eventloop, and a connection for each request."""

    def __init__(self, case):
        self.path = case.path("loop.sock")
        self.process = subprocess.Popen(
            [towbar.binary("eventloop"), self.path], env=case.program_env(),
            stdin=subprocess.DEVNULL, cwd=case.folder,
        )  # fmt: skip
        case.addCleanup(self.end)
        self.streams = []

    def begin(self, request):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(towbar.DEADLINE_S)
        for _ in range(towbar.DEADLINE_S * 100):
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                connection.connect(self.path)
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise RuntimeError(f"eventloop ended: {self.process.wait(0.01)}")
        stream = connection.makefile("rw", newline="\n")
        connection.close()  # the stream keeps it
        self.streams.append(stream)
        stream.write(
            f"TraceParent: {request.traceparent}\ntracestate: {request.state}\n"
            f"X-AMZN-Trace-Id: {request.xray}\n\nwork\n"
        )
        stream.flush()
        assert stream.readline() == "work\n"
        return stream

    def say(self, stream, what):
        stream.write(what + "\n")
        stream.flush()

    def end(self):
        for stream in self.streams:
            with contextlib.suppress(OSError):
                stream.close()
        self.process.kill()
        self.process.wait(towbar.DEADLINE_S)


class EventLoop(ThreadsCase):
    def begin_all(self, requests):
        loop = Loop(self)
        return loop, [(request, loop.begin(request)) for request in requests]

    def step_all(self, loop, open_requests, what):
        """One step of each, in any order, so that no two steps of one stand together."""
        random.shuffle(open_requests)
        for request, stream in open_requests:
            said = request.what if what == "own" else what
            loop.say(stream, said)
            if said not in ("crash", "headers"):
                self.assertEqual(stream.readline(), said + "\n")

    def assert_both_ids(self, found, requests):
        for request in requests:
            if request.what not in ("fail", "crash"):
                continue
            custom = found[request.trace_id]["custom"]
            self.assertEqual(custom["xray_trace_id"], request.xray_id)
            self.assertEqual(custom["trace"]["xray_parent_id"], request.span_id)
            self.assertEqual(custom["trace"]["xray_sampled"], "1")
            self.assertEqual(custom["trace"]["xray_lineage"], LINEAGE.partition("=")[2])
            self.assertEqual(custom["trace"]["state"], request.state)

    def test_interleaved_requests_fail_under_their_own_ids(self):
        requests = shuffled(*["fail"] * N_FAILING, *["work"] * N_REQUESTS)
        loop, open_requests = self.begin_all(requests)
        for what in ("work", "own", "work"):
            self.step_all(loop, open_requests, what)
        found = self.assert_own_traces(requests)
        self.assert_both_ids(found, requests)

    def test_a_crash_is_that_of_the_request_whose_step_it_was(self):
        requests = shuffled(*["fail"] * (N_FAILING - 1), *["work"] * N_REQUESTS)
        loop, open_requests = self.begin_all(requests)
        crashing = Request("crash")
        stream = loop.begin(crashing)
        self.step_all(loop, open_requests, "own")
        loop.say(stream, "crash")
        self.assertEqual(loop.process.wait(towbar.DEADLINE_S), -signal.SIGSEGV)
        found = self.assert_own_traces([*requests, crashing])
        self.assert_both_ids(found, [*requests, crashing])

    def test_calls_to_others_have_the_headers_of_their_request(self):
        requests = shuffled(*["work"] * 5)
        loop, open_requests = self.begin_all(requests)
        self.step_all(loop, open_requests, "headers")
        for request, stream in open_requests:
            headers = {}
            while (line := stream.readline().rstrip("\n")) != "headers":
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            self.assertEqual(headers["traceparent"], request.traceparent)
            self.assertEqual(headers["tracestate"], request.state)
            xray = headers["x-amzn-trace-id"].split(";")
            self.assertEqual(sorted(xray), sorted(request.xray.split(";")))


if __name__ == "__main__":
    unittest.main()
