"""Items larger than Rollbar takes: pyrollbar shortens nothing, and answers each 413 with an item
that says so, as long as there are 413s."""

import json
import re
import unittest

from rig import SdkCase

ITEM_MAX_BYTES = 512 << 10
REQUESTS_MAX = 3


class LargeTest(SdkCase):
    def send(self, case):
        """What pyrollbar sent, with the answers to it."""
        self.start_agent()
        self.pyrollbar(self.tap.port, "blocking", case)
        return [(head, body, status) for _, head, body, status in self.tap.exchanges()]

    def wait_one(self):
        self.fake.wait_for(lambda fake: fake.occurrences)
        self.assertEqual([request.status for request in self.fake.requests], [200])
        return self.fake.occurrences[0]

    def test_1_mib_is_taken_and_arrives_shortened(self):
        self.check_shortened(1)

    def test_2_mib_are_taken_and_arrive_shortened(self):
        self.check_shortened(2)

    def test_5_mib_are_taken_and_arrive_shortened(self):
        self.check_shortened(5)

    def check_shortened(self, mib):
        ((_, body, status),) = self.send(f"large{mib}")
        self.assertGreater(len(body), mib << 20)
        self.assertEqual(status, 200)
        arrived = self.wait_one()
        self.assertLessEqual(len(arrived.raw), ITEM_MAX_BYTES)
        sent = json.loads(body)["data"]
        for key in ("uuid", "level", "environment", "language", "timestamp", "server"):
            self.assertEqual(arrived.data[key], sent[key])
        message = arrived.data["body"]["message"]
        self.assertEqual(message["body"], f"{mib} MiB of log")
        self.assertEqual(message["n"], 7)
        log = message["log"]
        self.assertTrue(log and sent["body"]["message"]["log"].startswith(log[:100]), log[:200])

    def test_rollbar_js_shortens_by_itself_and_that_arrives_unchanged(self):
        self.start_agent()
        self.rollbar_js(self.tap.port, "large")
        self.wait_one()
        self.assertEqual(self.compare_bytes(1), [({}, {})])

    def check_refused(self, case, mib):
        sent = self.send(case)
        self.assertLessEqual(len(sent), REQUESTS_MAX)
        self.assertEqual([status for _, _, status in sent], [413, 200])
        head, body, _ = sent[0]  # the body as far as it was sent before the answer
        length = re.search(rb"content-length: (\d+)", head, re.I).group(1)
        self.assertGreater(int(length), mib << 20)
        failsafe = self.wait_one().data
        self.assertIs(failsafe["failsafe"], True)
        uuid = re.search(rb'"uuid": "([^"]+)"', body).group(1).decode()
        self.assertEqual(failsafe["custom"]["orig_uuid"], uuid)
        self.assertIn("payload too large", failsafe["body"]["message"]["body"])

    def test_9_mib_are_refused_once_and_the_failsafe_arrives(self):
        self.check_refused("large9", 8)

    def test_20_mib_are_refused_once_and_the_failsafe_arrives(self):
        self.check_refused("large20", 19)


if __name__ == "__main__":
    unittest.main()
