"""All sinks of one agent at once: each gets each error once, one that is down delays no other, none
keeps towbard --once from ending, and a reload turns one off and on."""

import json
import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402
from fake_xray_daemon import FakeXrayDaemon  # noqa: E402

N = 5
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
BASE = "rollbar: {retry_min_ms: 20, retry_max_ms: 100, timeout_ms: 3000}\n"
OTLP = "otlp: {endpoint: %s, timeout_ms: 3000}\n"


class SinksTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.rollbar = self.enterContext(FakeRollbar())
        self.aws = self.enterContext(FakeAws())
        self.otlp = self.enterContext(FakeOtlp())
        self.xray = self.enterContext(FakeXrayDaemon())
        self.fakes = {
            "rollbar": self.rollbar, "otlp": self.otlp, "xray": self.xray, "cloudwatch": self.aws,
        }  # fmt: skip
        self.settle()
        self.job = self.compile("job.c", "-O1")

    def settle(self, without=()):
        parts = {
            "otlp": OTLP % self.otlp.logs_url,
            "xray": "xray: {mode: daemon, unsampled: send, address: '%s'}\n" % self.xray.address,
            "cloudwatch": "cloudwatch: {log_group: cruddur, timeout_ms: 3000}\n",
        }
        self.write_config(BASE + "".join(t for name, t in parts.items() if name not in without))

    def fail_some(self):
        traceparent = f"00-{TRACE}-00f067aa0ba902b7-01"
        self.run_program(
            self.job, "error", str(N), env=self.program_env(TRACEPARENT=traceparent), check=0
        )

    def taken(self):
        return {
            "rollbar": len(self.rollbar.occurrences),
            "otlp": len(self.otlp.records),
            "xray": len(self.xray.documents),
            "cloudwatch": len(self.aws.logs.events),
        }

    def assert_taken(self, expected, said=None):
        # A datagram is sent when it is in the kernel; the daemon may read it later.
        self.xray.wait_for(lambda fake: len(fake.documents) >= expected["xray"], towbar.DEADLINE_S)
        self.assertEqual(self.taken(), expected, said)

    def test_each_gets_each_error_once(self):
        self.fail_some()
        done = self.once(self.rollbar, **self.aws.env)
        self.assert_taken(dict.fromkeys(self.fakes, N), done.stdout + done.stderr)
        for name in ("otlp", "xray", "cloudwatch"):
            self.assertIn(f"; {name}: sent {N}, 0 wait", done.stdout)
        self.once(self.rollbar, **self.aws.env)
        self.assert_taken(dict.fromkeys(self.fakes, N))

    def test_one_that_is_down_neither_delays_nor_loses(self):
        for n, (name, fake) in enumerate(self.fakes.items(), 1):
            with self.subTest(down=name):
                fake.close_port()
                self.fail_some()
                done = self.once(self.rollbar, **self.aws.env)
                expected = dict.fromkeys(self.fakes, n * N)
                expected[name] -= N
                self.assert_taken(expected, done.stdout + done.stderr)
                fake.open_port()
                # A rest of the endpoint outlives the process, as the items do: 100 ms at most.
                self.wait_once(lambda: self.taken()[name] == expected[name] + N)
        self.assert_taken(dict.fromkeys(self.fakes, 4 * N))

    def test_one_that_hangs_ends_all_the_same_when_nothing_moves(self):
        both = "otlp: {endpoint: %s, traces_endpoint: %s/v1/traces, form: both, timeout_ms: 500}\n"
        self.write_config(BASE + both % (self.otlp.logs_url, self.otlp.url))
        self.otlp.script([{"hang": True, "repeat": -1}])
        self.run_program(self.compile("many.c"), "150", check=0)
        held_before = []

        def note_held():
            self.rollbar.wait_for(lambda fake: len(fake.occurrences) == 150)
            held_before.append(self.otlp.held)

        watcher = threading.Thread(target=note_held)
        watcher.start()
        done = self.once(self.rollbar)
        watcher.join()
        self.assertEqual(len(self.rollbar.occurrences), 150)
        self.assertRegex(done.stdout, "; otlp: sent 0, 150 wait: .*timed out.*; otlp-spans: sent 0")
        # When Rollbar had the last one it waits for the longest timeout and 5 s: so long two sinks have
        # four requests of half a second each. It does not go on until all were refused a rest.
        self.assertLess(self.otlp.held - held_before[0], 2 * 4 * 12)

    def wait_once(self, predicate):
        for _ in range(50):
            if predicate():
                return
            self.once(self.rollbar, **self.aws.env)
        self.fail("it was not sent")

    def test_without_credentials_only_that_sink_waits(self):
        self.fail_some()
        env = dict(self.aws.env, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
        done = self.once(self.rollbar, **env)
        expected = dict.fromkeys(self.fakes, N)
        expected["cloudwatch"] = 0
        self.assert_taken(expected)
        self.assertIn(f"; cloudwatch: sent 0, {N} wait: ", done.stdout)
        self.once(self.rollbar, **self.aws.env)
        self.assert_taken(dict.fromkeys(self.fakes, N))

    def sink(self, agent, name):
        sinks = self.read_status(agent)["sinks"]
        return next((one for one in sinks if one["name"] == name), None)

    def read_status(self, agent):
        return json.loads(agent.get("/status")[1])

    def test_a_sink_goes_off_and_on_by_a_reload(self):
        with self.agent(self.rollbar, **self.aws.env) as agent:
            self.otlp.close_port()
            self.fail_some()
            self.xray.wait_for(lambda fake: len(fake.documents) == N)
            self.aws.wait_for(lambda fake: len(fake.logs.events) == N)
            self.settle(without=("otlp",))
            agent.process.send_signal(signal.SIGHUP)
            agent.wait_log("delivery to otlp is off; what is queued for it stays")
            agent.wait_log("count now")
            self.otlp.open_port()
            self.fail_some()
            self.xray.wait_for(lambda fake: len(fake.documents) == 2 * N)
            off = self.sink(agent, "otlp")
            self.assertEqual((off["state"], off["queued"]), ("off", N))
            self.settle()
            agent.process.send_signal(signal.SIGHUP)
            self.otlp.wait_for(lambda fake: len(fake.records) == N)
            words = self.towbar("status", "--state-dir", self.state, check=None).stdout
            self.assertRegex(words, r"xray +sent 10\n")
        self.assertEqual(len(self.otlp.records), N)  # what came meanwhile is not for it

    def test_a_clock_that_is_wrong_is_put_right(self):
        self.aws.clock_ahead_s = 3600
        self.fail_some()
        done = self.once(self.rollbar, **self.aws.env)
        self.assertEqual(self.taken()["cloudwatch"], N, done.stdout + done.stderr)

    def test_a_key_that_nobody_knows_loses_nothing(self):
        self.fail_some()
        env = dict(self.aws.env, AWS_ACCESS_KEY_ID="AKIDUNKNOWN")
        done = self.once(self.rollbar, **env)
        self.assertIn(f"; cloudwatch: sent 0, {N} wait: ", done.stdout)
        self.wait_once(lambda: self.taken()["cloudwatch"] == N)


if __name__ == "__main__":
    unittest.main()
