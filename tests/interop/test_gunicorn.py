"""pyrollbar under Flask and gunicorn: workers of two kinds, replaced every few requests or killed.
What a request said is at Rollbar once, and no request waited for Rollbar."""

import concurrent.futures
import http.client
import os
import re
import signal
import subprocess
import sys
import time
import unittest

from rig import CLIENTS, TOKEN, SdkCase, towbar

N = 24
SYNC = ("--worker-class", "sync")
THREADS = ("--worker-class", "gthread", "--threads", "4")
REPLACED = ("--max-requests", "5")


def name(occurrence):
    return occurrence.data["request"]["url"].rsplit("/", 1)[1]


class Gunicorn:
    def __init__(self, case, endpoint_port, handler, *flags, **env):
        base = f"http://127.0.0.1:{endpoint_port}/api/1/"
        app = f'gunicorn_app:make("{TOKEN}", "{base}", "{handler}")'
        self.log_path = case.path("gunicorn.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-B", "-m", "gunicorn", "--bind", "127.0.0.1:0", *flags, app],
                cwd=CLIENTS, env=dict(case.client_env(), **env), stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        case.addCleanup(self.kill)
        self.port = int(self.wait_log(r"http://127\.0\.0\.1:(\d+)").group(1))
        self.wait_up()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_log(self, pattern):
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            found = re.search(pattern, self.log())
            if found:
                return found
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"no {pattern!r} in:\n{self.log()}")
            time.sleep(0.02)

    def wait_up(self):
        """Until a worker answers; returns which."""
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            try:
                status, body = self.get("/worker")
                assert status == 200, status
                return int(body)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > end:
                    raise AssertionError(self.log()) from None
                time.sleep(0.02)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def fail(self, name):
        return self.get(f"/feeds/{name}")[0]

    def stop(self):
        self.process.terminate()
        return self.process.wait(towbar.DEADLINE_S)

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class GunicornTest(SdkCase):
    def setUp(self):
        super().setUp()
        self.start_agent()

    def start(self, handler, *flags):
        return Gunicorn(self, self.tap.port, handler, *flags)

    def arrived(self, n):
        self.fake.wait_for(lambda fake: len(fake.occurrences) >= n, towbar.DEADLINE_S)
        self.wait_status(lambda status: status["queued"] == 0)
        self.assertEqual([request.status for request in self.fake.requests], [200] * n)
        return sorted(map(name, self.fake.occurrences))

    def check(self, handler, *flags):
        server = self.start(handler, "--preload", "--workers", "3", *REPLACED, *flags)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(server.fail, range(N))), [500] * N)
        self.assertEqual(server.stop(), 0, server.log())
        self.assertEqual(self.arrived(N), sorted(map(str, range(N))))
        workers = {occurrence.data["server"]["pid"] for occurrence in self.fake.occurrences}
        self.assertGreater(len(workers), 3, "no worker was replaced")
        for masked, added in self.compare_bytes(N):
            self.assertEqual((masked, added), ({}, {}))

    def test_workers_that_send_by_themselves(self):
        self.check("blocking", *SYNC)

    def test_workers_that_start_a_thread_for_each_error(self):
        self.check("thread", *SYNC)

    def test_workers_with_a_pool_of_threads(self):
        self.check("thread_pool", *SYNC)

    def test_workers_of_threads_that_send_by_themselves(self):
        self.check("blocking", *THREADS)

    def test_workers_of_threads_that_start_a_thread_for_each_error(self):
        self.check("thread", *THREADS)

    def test_workers_of_threads_with_a_pool_of_threads(self):
        self.check("thread_pool", *THREADS)

    # ---- kill -9 of a worker ----

    def test_a_worker_that_is_killed_loses_nothing_that_was_answered(self):
        """With the handler "blocking" the item is in the spool before the request is answered."""
        server = self.start("blocking", "--workers", "1", *SYNC)
        names = []
        for turn in range(3):
            worker = server.wait_up()
            for i in range(4):
                names.append(f"{turn}-{i}")
                self.assertEqual(server.fail(names[-1]), 500)
            os.kill(worker, signal.SIGKILL)
        self.assertEqual(self.arrived(len(names)), sorted(names))

    def check_killed(self, handler):
        """With threads what was not sent yet goes with the worker; what the agent has, it has."""
        server = self.start(handler, "--workers", "1", *THREADS)
        worker = server.wait_up()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(server.fail, range(8))), [500] * 8)
        os.kill(worker, signal.SIGKILL)
        self.assertNotEqual(server.wait_up(), worker)
        self.assertEqual(server.fail("after"), 500)
        self.fake.wait_for(lambda fake: any(name(o) == "after" for o in fake.occurrences))
        self.wait_status(lambda status: status["sent"] == status["received"])
        arrived = [name(occurrence) for occurrence in self.fake.occurrences]
        self.assertEqual(len(set(arrived)), len(arrived))
        self.assertLessEqual(set(arrived), {*map(str, range(8)), "after"})
        self.assertEqual(self.fake.duplicates, [])

    def test_with_threads_what_the_agent_took_of_a_killed_worker_arrives_once(self):
        self.check_killed("thread")

    def test_with_a_pool_what_the_agent_took_of_a_killed_worker_arrives_once(self):
        self.check_killed("thread_pool")


class WaitingTest(SdkCase):
    """Who waits for a Rollbar that holds its answers: told by the order of events."""

    def setUp(self):
        super().setUp()
        self.fake.script([{"hold": True, "repeat": -1}])

    def let_go(self):
        self.fake.script([])
        self.fake.release()

    def check(self, *flags):
        self.start_agent()
        server = Gunicorn(self, self.tap.port, "blocking", "--workers", "1", *flags)
        self.assertEqual(server.fail("first"), 500)
        self.fake.wait_for(lambda fake: fake.held > 0)  # the agent waits for Rollbar
        for i in range(4):
            self.assertEqual(server.fail(i), 500)
        # All requests are answered, and pyrollbar had its 200 before; Rollbar said nothing yet.
        self.assertEqual([status for _, _, _, status in self.tap.exchanges()], [200] * 5)
        self.assertEqual(self.fake.requests, [])
        self.let_go()
        self.fake.wait_for(lambda fake: len(fake.occurrences) == 5)

    def test_no_request_of_a_sync_worker_waits_for_rollbar(self):
        self.check(*SYNC)

    def test_no_request_of_a_worker_with_threads_waits_for_rollbar(self):
        self.check(*THREADS)

    def test_without_the_agent_a_request_waits_for_rollbar(self):
        """So that the tests above can fail."""
        server = Gunicorn(self, self.fake.port, "blocking", "--workers", "1", *SYNC)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            request = pool.submit(server.fail, "first")
            self.fake.wait_for(lambda fake: fake.held > 0)
            self.assertFalse(request.done())
            self.let_go()
            self.assertEqual(request.result(towbar.DEADLINE_S), 500)


if __name__ == "__main__":
    unittest.main()
