"""rollbar-java, unmodified: what it sends to the agent arrives whole. It names no uuid, its times
have a fraction, and unless it is told otherwise ("plain") it compresses with gzip."""

import os
import unittest

from peers import (
    BUILT, HEADER, IDS, SECRET, TOKEN, PeerCase, item_url, last_names, towbar,
)  # fmt: skip

TARGET = os.path.join(BUILT, "java", "target")
CLASSES = os.pathsep.join(
    (os.path.join(TARGET, "client-1.jar"), os.path.join(TARGET, "dependency", "*"))
)


class JavaTest(PeerCase):
    def setUp(self):
        super().setUp()
        self.running = self.start_agent()

    def client(self, port):
        return ["java", "-Xshare:auto", "-cp", CLASSES, "towbar.Client", TOKEN, item_url(port)]

    def test_errors_chains_messages_and_threads_arrive_unchanged(self):
        found = self.run_both("plain", "error", "chain", "message", "thread")
        for number, (masked, added) in enumerate(found):
            self.assertEqual(list(added), ["data.uuid"])
            self.assertEqual(last_names(masked), {"password"} if number == 2 else set())
        chain = self.one(lambda data: data["level"] == "critical").data["body"]
        classes = [trace["exception"]["class"] for trace in chain["trace_chain"]]
        failure = "towbar.Client$FeedException"
        self.assertEqual(classes, [failure, failure, "java.lang.IllegalStateException"])
        self.assertEqual(chain["trace_chain"][0]["exception"]["description"], "said by hand")
        message = self.one(lambda data: data["level"] == "warning")
        for number in (b'"big":9007199254740993', b'"huge":18446744073709551615'):
            self.assertIn(number, message.raw)
        self.assertNotIn(SECRET, message.raw)

    def test_what_it_compresses_arrives_unchanged(self):
        """As it does unless it is told otherwise."""
        found = self.run_both("error", "chain", "message")
        for number, (masked, added) in enumerate(found):
            self.assertEqual(list(added), ["data.uuid"])
            self.assertEqual(last_names(masked), {"password"} if number == 2 else set())
        for _, head, body, _ in self.tap.exchanges():
            self.assertIn(b"Content-Encoding: gzip", head)
            self.assertEqual(body[:2], b"\x1f\x8b")

    def test_people_telemetry_and_requests_arrive_unchanged(self):
        found = self.run_both("plain", "person", "telemetry", "request")
        self.assertEqual([last_names(masked) for masked, _ in found[:1]], [set()])
        person = {"id": "9007199254740993", "username": "žofie", "email": "z@example.org"}
        for occurrence in self.fake.occurrences:
            self.assertEqual(occurrence.data["person"], person)
            self.assertNotIn(SECRET, occurrence.raw)
        requested = self.one(lambda data: "request" in data).data
        self.assertEqual(requested["custom"], {**IDS, "trace": HEADER})
        self.assertEqual(towbar.attributes(requested), IDS)
        events = requested["body"]["telemetry"]
        self.assertEqual([event["type"] for event in events], ["log", "network"])

    def test_what_was_sent_while_rollbar_was_away_arrives_once(self):
        self.fake.close_port()
        self.run_client(*self.client(self.tap.port), "plain", "error", "chain", "message")
        self.running.kill9()
        with self.start_agent():
            self.fake.open_port()
            self.arrived(3)

    def test_the_agent_makes_up_for_a_rollbar_that_fails(self):
        """rollbar-java by itself sends once and gives up."""
        soon = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Remaining-Seconds": "1"}
        self.fake.script([{"status": 429, "headers": soon}, {"status": 500, "repeat": 2}])
        self.run_client(*self.client(self.tap.port), "plain", "error")
        self.arrived(1)
        self.assertEqual([status for _, _, _, status in self.tap.exchanges()], [200])
        self.straight.script([{"status": 500}])
        self.run_client(*self.client(self.straight.port), "plain", "error")
        self.assertEqual([request.status for request in self.straight.requests], [500])

    def test_it_loses_what_it_sends_while_the_agent_is_away(self):
        """It tries once. Before and after, nothing is lost."""
        cases = ("plain", "error", "pause", "chain", "pause", "message")
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
