"""What becomes of an SDK's items when Rollbar refuses them, when the agent is killed, and which
project they go to. What is lost is told as it is: docs/sdks.md has the table that these tests hold up."""

import json
import sys
import time
import unittest

from rig import TOKEN, SdkCase, towbar

SOON = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Remaining-Seconds": "1"}
RETRY_INTERVAL_MS = "50"
OTHER = "fedcba9876543210fedcba9876543210"
OF_PROJECT = "00112233445566778899aabbccddeeff"
PROJECT = f"""projects:
  - environment: elsewhere
    access_token: 0000000000000000000000000000dead
  - environment: inter*
    access_token: {OF_PROJECT}
"""


class BadTimes(SdkCase):
    def python(self, *cases, handler="blocking", token=TOKEN):
        base = f"http://127.0.0.1:{self.tap.port}/api/1/"
        return (sys.executable, "pyrollbar_script.py", token, base, handler, *cases)

    def node(self, *cases, token=TOKEN):
        item = f"http://127.0.0.1:{self.tap.port}/api/1/item/"
        return ("node", "rollbar_script.js", token, item, *cases)

    def arrived(self, n):
        self.fake.wait_for(lambda fake: len(fake.occurrences) >= n, towbar.DEADLINE_S)
        self.wait_status(lambda status: status["queued"] == 0)
        self.assertEqual(len(self.fake.occurrences), n, self.fake.summary())
        self.assertEqual(self.fake.duplicates, [])
        return sorted(occurrence.data["level"] for occurrence in self.fake.occurrences)

    def answers(self):
        return [status for _, _, _, status in self.tap.exchanges()]

    def assert_accounted(self, n):
        """Nothing is forgotten; returns the status."""
        status = self.wait_status(lambda status: status["received"] == n)
        places = ("sent", "dropped", "quarantined", "queued", "in_flight")
        self.assertEqual(sum(status.get(place) or 0 for place in places), n, status)
        return status


class RollbarRefuses(BadTimes):
    """The SDK has its 200, once for each item; the agent deals with the rest."""

    def setUp(self):
        super().setUp()
        self.start_agent()

    def check(self, *steps):
        self.fake.script(steps)
        self.run_client(*self.python("error", "chain"))
        self.run_client(*self.node("message"))
        self.assertEqual(self.answers(), [200] * 3)
        self.assertEqual(self.arrived(3), ["critical", "error", "warning"])
        self.assert_accounted(3)

    def test_429_is_waited_out(self):
        self.check({"status": 429, "headers": SOON, "repeat": 2})

    def test_5xx_are_tried_again(self):
        self.check({"status": 500}, {"status": 502, "body": "<html>"}, {"status": 503})

    def test_connections_that_are_cut_are_tried_again(self):
        self.check({"cut": "before-read"}, {"cut": "before-read"})

    def test_an_item_that_is_taken_without_an_answer_is_there_once(self):
        """It is sent again, and Rollbar knows it by its uuid."""
        self.fake.script([{"cut": "before-reply"}, {"cut": "mid-reply"}])
        self.run_client(*self.python("error"))
        self.wait_status(lambda status: status["sent"] == 1)
        self.assertEqual(len(self.fake.occurrences), 1)

    def test_a_413_of_rollbar_never_gets_to_the_sdk(self):
        """pyrollbar answers each 413 with an item of its own, again and again."""
        self.fake.script([{"status": 413, "repeat": -1}])
        self.run_client(*self.python("error"))
        self.assertEqual(self.answers(), [200])
        status = self.wait_status(lambda status: status["queued"] == 0)
        self.assertEqual((status["received"], status["sent"]), (1, 0))
        self.assert_accounted(1)
        self.assertLessEqual(len(self.fake.requests), 2)

    def test_without_the_agent_a_413_is_a_storm(self):
        """What the test above is about."""
        self.straight.script([{"status": 413, "repeat": -1}])
        self.pyrollbar(self.straight.port, "blocking", "error")
        self.assertGreater(len(self.straight.requests), 50)

    def test_403_parks_what_is_for_that_token(self):
        self.fake.script([{"status": 403, "repeat": -1}])
        self.run_client(*self.python("error", "chain"))
        self.assertEqual(self.answers(), [200] * 2)
        self.fake.wait_for(lambda fake: fake.requests)
        self.wait_status(lambda status: status["parked"] == 2)
        self.assert_accounted(2)


class AgentIsKilled(BadTimes):
    """kill -9, and another one in its place."""

    def setUp(self):
        super().setUp()
        self.running = self.start_agent()

    def kill_around(self, command):
        """One item before, one while it is away, one after it is back."""
        client = self.start_paused(*command)
        self.arrived(1)
        self.running.kill9()
        self.resume(client)
        with self.start_agent():
            self.resume(client)
            return self.arrived(2)

    CASES = ("error", "pause", "chain", "pause", "message")

    def test_pyrollbar_loses_what_it_sends_meanwhile(self):
        self.assertEqual(self.kill_around(self.python(*self.CASES)), ["error", "warning"])

    def test_pyrollbar_with_threads_loses_what_it_sends_meanwhile(self):
        command = self.python(*self.CASES, handler="thread")
        self.assertEqual(self.kill_around(command), ["error", "warning"])

    def test_rollbar_js_loses_what_it_sends_meanwhile(self):
        self.assertEqual(self.kill_around(self.node(*self.CASES)), ["error", "warning"])

    def test_rollbar_js_with_a_retry_interval_loses_nothing(self):
        client = self.start_paused(
            *self.node("error", "pause", "chain", "message"), RETRY_INTERVAL_MS=RETRY_INTERVAL_MS
        )
        self.arrived(1)
        before = len(self.tap.connections)
        self.running.kill9()
        client.stdin.write("\n")
        client.stdin.flush()
        while len(self.tap.connections) < before + 3:  # it tries again
            self.assertIsNone(client.poll())
            time.sleep(0.01)
        with self.start_agent():
            self.assertEqual(client.wait(towbar.DEADLINE_S), 0)
            self.assertEqual(self.arrived(3), ["critical", "error", "warning"])

    def check_restarted(self, command):
        """What a kept connection costs: nothing."""
        client = self.start_paused(*command)
        self.arrived(1)
        self.running.kill9()
        with self.start_agent():
            self.resume(client)
            self.assertEqual(self.arrived(2), ["critical", "error"])

    def test_pyrollbar_loses_nothing_when_the_agent_is_back_before_the_next_item(self):
        self.check_restarted(self.python("error", "pause", "chain"))

    def test_rollbar_js_loses_nothing_when_the_agent_is_back_before_the_next_item(self):
        self.check_restarted(self.node("error", "pause", "chain"))

    def test_what_an_answer_was_given_for_outlives_the_agent(self):
        """Also when it is killed at once, and Rollbar was away all the time."""
        self.fake.close_port()
        client = self.start_paused(*self.python("error", "chain", "message", "pause"))
        self.running.kill9()
        self.assertEqual(self.answers(), [200] * 3)
        self.resume(client)
        self.fake.open_port()
        with self.start_agent():
            self.assertEqual(self.arrived(3), ["critical", "error", "warning"])


class Tokens(BadTimes):
    """Which project an item goes to. The agent's own token is TOKEN."""

    def tokens(self):
        """The token that each of three items went out with: two of an SDK with a token of its own,
        one of an SDK that was given the word "towbar"."""
        self.fake.tokens = {TOKEN, OTHER, OF_PROJECT}
        self.start_agent()
        self.run_client(*self.python("error", token=OTHER))
        self.run_client(*self.node("chain", token=OTHER))
        self.run_client(*self.python("message", token="towbar"))
        self.arrived(3)
        for request in self.fake.requests:
            self.assertNotIn("access_token", json.loads(request.body))
        return {occurrence.data["level"]: occurrence.token for occurrence in self.fake.occurrences}

    def settings(self, rollbar="", rest=""):
        """The usual ones with more in them."""
        with open(self.config, encoding="utf-8") as file:
            usual = file.read()
        self.write_config(usual.replace("rollbar:\n", "rollbar:\n" + rollbar, 1) + rest)

    def test_an_sdk_s_own_token_is_kept_and_towbar_is_the_agent_s(self):
        self.assertEqual(self.tokens(), {"error": OTHER, "critical": OTHER, "warning": TOKEN})

    def test_the_agent_s_token_can_be_forced(self):
        self.settings(rollbar="  force_token: true\n")
        self.assertEqual(set(self.tokens().values()), {TOKEN})

    def test_a_project_s_token_stands_for_towbar(self):
        self.settings(rest=PROJECT)
        self.assertEqual(self.tokens(), {"error": OTHER, "critical": OTHER, "warning": OF_PROJECT})

    def test_a_project_s_token_can_be_forced(self):
        self.settings(rollbar="  force_token: true\n", rest=PROJECT)
        self.assertEqual(set(self.tokens().values()), {OF_PROJECT})


if __name__ == "__main__":
    unittest.main()
