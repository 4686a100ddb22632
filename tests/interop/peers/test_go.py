"""rollbar-go, unmodified: what it sends to the agent arrives whole. It names no uuid: the agent
does."""

import os
import unittest

from peers import (
    BUILT, HARD, HEADER, IDS, SECRET, TOKEN, PeerCase, item_url, last_names, towbar,
)  # fmt: skip

CLIENT = os.path.join(BUILT, "go", "client")


class GoTest(PeerCase):
    def setUp(self):
        super().setUp()
        self.running = self.start_agent()

    def client(self, port):
        return [CLIENT, TOKEN, item_url(port), HARD]

    def test_errors_chains_messages_people_and_panics_arrive_unchanged(self):
        found = self.run_both("error", "chain", "message", "person", "panic")
        for number, (masked, added) in enumerate(found):
            self.assertEqual(list(added), ["data.uuid"])
            if number != 2:
                self.assertEqual(masked, {})
        chain = self.one(lambda data: data["level"] == "critical" and "outer" in data["title"])
        classes = [t["exception"]["class"] for t in chain.data["body"]["trace_chain"]]
        self.assertEqual(classes, ["fmt.wrapError", "fmt.wrapError", "main.feedError"])
        message = self.one(lambda data: data["level"] == "warning")
        self.assertIn(b'"big":9007199254740993,', message.raw)
        self.assertNotIn(SECRET, message.raw)
        person = self.one(lambda data: data["level"] == "info").data["person"]
        self.assertEqual(person["username"], "žofie")

    def test_telemetry_arrives_with_its_secret_masked(self):
        ((masked, added),) = self.run_both("telemetry")
        self.assertEqual((last_names(masked), list(added)), ({"password"}, ["data.uuid"]))
        (event,) = self.fake.occurrences[0].data["body"]["telemetry"]
        self.assertEqual(event["body"]["message"], "an event: 馬")

    def test_a_request_arrives_with_its_trace(self):
        ((masked, added),) = self.run_both("request")
        arrived = self.fake.occurrences[0]
        self.assertNotIn(SECRET, arrived.raw)
        self.assertTrue(all(path.startswith("data.request.") for path in masked), masked)
        self.assertIsInstance(added.pop("data.uuid"), str)
        self.assertEqual(arrived.data["custom"], {**IDS, "trace": HEADER})
        self.assertEqual(towbar.attributes(arrived.data), IDS)
        self.assertEqual(set(added), {"data.attributes", "data.custom"})

    def test_5_mib_are_taken_and_arrive_shortened(self):
        self.run_client(*self.client(self.tap.port), "large5")
        self.arrived(1)
        (occurrence,) = self.fake.occurrences
        self.assertLessEqual(len(occurrence.raw), 512 << 10)
        self.assertEqual(occurrence.data["body"]["message"]["body"], "5 MiB of log")
        self.assertEqual(occurrence.data["custom"]["n"], 7)

    def test_9_mib_are_refused_once_and_that_is_all(self):
        self.run_client(*self.client(self.tap.port), "large9", "error")
        self.arrived(1)
        self.assertEqual([status for _, _, _, status in self.tap.exchanges()], [413, 200])

    # ---- bad times ----

    def test_what_was_sent_while_rollbar_was_away_arrives_once(self):
        self.fake.close_port()
        self.run_client(*self.client(self.tap.port), "error", "chain", "many")
        self.running.kill9()
        with self.start_agent():
            self.fake.open_port()
            self.arrived(10)

    def test_the_agent_makes_up_for_a_rollbar_that_says_429(self):
        """rollbar-go by itself sends four times at once and gives up."""
        soon = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Remaining-Seconds": "1"}
        self.fake.script([{"status": 429, "headers": soon}, {"status": 500, "repeat": 2}])
        self.run_client(*self.client(self.tap.port), "error")
        self.arrived(1)
        self.assertEqual([status for _, _, _, status in self.tap.exchanges()], [200])
        self.fake.script([{"status": 429, "repeat": 8}])
        before = len(self.fake.requests)
        self.run_client(*self.client(self.fake.port), "error", "wait")
        self.assertEqual(len(self.fake.requests) - before, 4)
        self.assertEqual(len(self.fake.occurrences), 1)

    def test_it_loses_what_it_sends_while_the_agent_is_away(self):
        """It tries once. Before and after, nothing is lost."""
        cases = ("error", "pause", "chain", "pause", "message")
        client = self.start_paused(*self.client(self.tap.port), *cases)
        self.running.kill9()
        self.resume(client)
        with self.start_agent():
            self.resume(client)
            self.arrived(2)
        levels = sorted(occurrence.data["level"] for occurrence in self.fake.occurrences)
        self.assertEqual(levels, ["error", "warning"])


if __name__ == "__main__":
    unittest.main()
