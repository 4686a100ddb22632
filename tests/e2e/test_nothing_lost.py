"""What was acknowledged arrives, once, whatever happens to the agent and to Rollbar."""

import os
import random
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

N_KILLS = 45
N_KILLS_MIN = 5  # on a machine so slow that KILLS_MAX_S are over before
KILLS_MAX_S = 15
SEED = 20261122
SHORT_WAITS = "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n  timeout_ms: 5000\n"


class NothingLostTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)
        self.many = self.compile("many.c")

    def report(self, n):
        """n reports, each of them acknowledged; their texts."""
        done = self.run_program(self.many, str(n), check=0)
        texts = [f"report {i}" for i in range(n)]
        self.assertEqual(done.stdout.splitlines(), [f"ok {i}" for i in range(n)])
        return texts

    def texts(self):
        return [o.data["body"]["trace"]["exception"]["message"] for o in self.fake.occurrences]

    def assert_counts(self, **expected):
        """The counters add up, and those named have the given value."""
        status = self.status()
        total = sum(status[name] for name in ("sent", "dropped", "quarantined", "queued"))
        self.assertEqual(status["received"], total, status)
        for name, value in expected.items():
            self.assertEqual(status[name], value, status)
        return status

    def wait_sent(self, n):
        """Until the verdicts on n items are in the database."""
        self.fake.wait_for(lambda fake: len(fake.occurrences) >= n, towbar.DEADLINE_S)
        self.wait_status(lambda status: status["sent"] >= n)

    def once_until(self, n):
        """towbard --once, again until the back-offs have passed and n items are sent."""
        end = time.monotonic() + towbar.DEADLINE_S
        self.once(self.fake)
        while self.status()["sent"] < n and time.monotonic() < end:
            self.once(self.fake)

    # ---- kill -9 ----

    def test_kills_lose_and_double_nothing(self):
        dice = random.Random(SEED)
        # Without the debug files of libc a record takes little time, and more can go wrong.
        self.write_config(SHORT_WAITS + "symbols:\n  debug_dirs: [/nonexistent]\n")
        reporter = self.start(self.many, "100000", "paced", stdin=subprocess.PIPE)
        acknowledged = []
        began = time.monotonic()
        with self.agent(self.fake):
            start_s = time.monotonic() - began
        end = time.monotonic() + KILLS_MAX_S
        for kill in range(N_KILLS):
            if time.monotonic() > end:
                self.assertGreaterEqual(kill, N_KILLS_MIN)
                break
            cuts = [{"cut": "before-reply"}, {"status": 500}, {"cut": "mid-reply"}, {}, {}, {}]
            self.fake.script(dice.sample(cuts, 6))
            seen = len(self.fake.requests)
            agent = self.agent(self.fake)
            acknowledged += self.step(reporter, dice.randrange(2, 13))
            if kill % 5 == 4:  # now and then one that has begun to send
                self.fake.wait_for(lambda fake, n=seen: len(fake.requests) > n, towbar.DEADLINE_S)
            time.sleep(dice.uniform(0.3, 4) * start_s)  # Waits for nothing: at any moment.
            agent.kill9()
        acknowledged += self.step(reporter, 5)
        reporter.stdin.close()
        self.assertEqual(reporter.wait(towbar.DEADLINE_S), 0)
        self.fake.script([])
        self.once_until(len(acknowledged))
        self.assertEqual(sorted(self.texts()), sorted(acknowledged))
        self.assert_counts(received=len(acknowledged), sent=len(acknowledged), queued=0)
        self.assertEqual(self.fake.warnings, [])

    def step(self, reporter, n):
        """Lets the reporter make n reports; the texts of those that were acknowledged."""
        reporter.stdin.write("go\n" * n)
        reporter.stdin.flush()
        said = [reporter.stdout.readline().split() for _ in range(n)]
        self.assertEqual([words[0] for words in said], ["ok"] * n, said)
        return [f"report {words[1]}" for words in said]

    # ---- Rollbar is away, slow or odd ----

    def test_rollbar_is_down_and_comes_back(self):
        self.fake.close_port()
        with self.agent(self.fake):
            texts = self.report(10)
            self.wait_status(lambda status: status["queued"] == 10)
            self.assert_counts(received=10, sent=0)
            self.fake.open_port()
            self.wait_sent(10)
        self.assertEqual(sorted(self.texts()), sorted(texts))
        self.assert_counts(received=10, sent=10, queued=0)

    def test_once_while_rollbar_is_down_keeps_and_a_later_once_sends(self):
        texts = self.report(3)
        self.fake.close_port()
        self.once(self.fake, check=None)
        self.assert_counts(received=3, queued=3, sent=0)
        self.fake.open_port()
        self.once_until(3)
        self.assertEqual(sorted(self.texts()), sorted(texts))
        self.assert_counts(received=3, queued=0, sent=3)

    def test_answers_500_are_tried_again(self):
        self.fake.script([{"status": 500, "repeat": 4}, {"status": 502, "body": "<html>"}])
        with self.agent(self.fake):
            texts = self.report(3)
            self.wait_sent(3)
        self.assertEqual(sorted(self.texts()), sorted(texts))
        self.assert_counts(received=3, sent=3)

    def test_429_waits_as_long_as_the_header_says(self):
        wait_s = 1
        slow = {"X-Rate-Limit-Remaining": 0, "X-Rate-Limit-Remaining-Seconds": wait_s}
        self.fake.script([{"status": 429, "headers": slow}])
        with self.agent(self.fake):
            texts = self.report(1)
            self.wait_sent(1)
        first, second = self.fake.requests[:2]
        self.assertEqual((first.status, second.status), (429, 200))
        self.assertGreaterEqual(second.time - first.time, wait_s * 0.95)
        self.assertEqual(self.texts(), texts)

    def test_after_a_429_nothing_of_that_token_is_sent(self):
        slow = {"X-Rate-Limit-Remaining": 0, "X-Rate-Limit-Remaining-Seconds": 600}
        self.fake.script([{"status": 429, "headers": slow, "repeat": -1}])
        with self.agent(self.fake):
            self.report(1)
            self.fake.wait_for(lambda fake: fake.requests)
            self.report(20)
            self.wait_status(lambda status: status["queued"] == 21)
        self.assertEqual(len(self.fake.requests), 1)
        self.assert_counts(received=21, queued=21)

    def test_a_repeated_uuid_is_one_occurrence(self):
        self.fake.script([{"cut": "before-reply"}, {"cut": "mid-reply"}])
        with self.agent(self.fake):
            texts = self.report(1)
            self.wait_sent(1)
        self.assertEqual(self.texts(), texts)
        self.assertEqual(len(self.fake.requests), 3)
        self.assertEqual(len(self.fake.duplicates), 2)
        self.assert_counts(received=1, sent=1)

    # ---- Rollbar says no ----

    def test_a_refused_token_parks_its_queue(self):
        self.write_config("rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 60000\n")
        for status_code in (401, 403):
            with self.subTest(status_code):
                refusal = {"status": status_code, "message": "access token not found", "repeat": -1}
                self.fake.script([refusal])
                before = len(self.fake.requests)
                with self.agent(self.fake):
                    self.report(3)
                    status = self.wait_status(
                        lambda s, n=status_code: s["parked"] == 3 and s["queued"] == 3
                    )
                    self.assertIn("token", self.status_text())
                    self.assertIn(str(status_code), self.status_text())
                    self.assertEqual(status["sent"], 0)
                # One request for each that was under way; the next try is a minute away.
                self.assertLessEqual(len(self.fake.requests) - before, 3)
                self.fake.script([])
                self.once(self.fake)
                self.assert_counts(queued=0, parked=0, sent=3)
                self.forget()

    def status_text(self):
        return self.towbar("status", "--state-dir", self.state, check=None).stdout

    def forget(self):
        """Spool and state for the next subtest."""
        self.spool += "x"
        self.state += "x"
        self.fake.occurrences.clear()

    def test_422_goes_to_quarantine_with_the_reason(self):
        why = "Invalid format. data.context object value found, but a null is required."
        self.fake.script([{"status": 422, "message": why}])
        with self.agent(self.fake):
            texts = self.report(3)
            self.wait_sent(2)
            self.wait_status(lambda status: status["quarantined"] == 1)
        self.assertEqual(len(self.texts()), 2)
        self.assertLess(set(self.texts()), set(texts))
        self.assert_counts(received=3, sent=2, quarantined=1)
        self.assertIn("data.context object value found", self.status_text())


if __name__ == "__main__":
    unittest.main()
