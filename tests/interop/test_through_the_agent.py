"""Real SDKs, unmodified, pointed at the agent: all they send arrives, unchanged but for secrets and
the trace. See rig.py for how that is compared."""

import json
import os
import unittest

from rig import CLIENTS, MASK, SdkCase, towbar

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
JS_ITEMS_PER_MINUTE = 60
XRAY_ID = "1-5759e988-bd862e3fe1be46a994272793"
HEADERS = {
    "Content-Type": "application/json",
    "traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01",
    "X-Amzn-Trace-Id": f"Root={XRAY_ID};Parent=53995c3f42cd8ad8;Sampled=1",
    "baggage": "rollbar.session.id=8f0a1b2c3d4e5f60718293a4b5c6d7e8",
    "Authorization": "Bearer hunter2",
    "Cookie": "sid=hunter2",
    "X-User": "andrew",
    "X-Author": "kept",
}
BODY = json.dumps({"n": 9007199254740993, "text": "馬", "none": None, "list": [], "pin": "kept"})
# Of clients/hard.json: what the agent masks whole, and the texts with a secret in them.
HARD_SECRETS = {"password", "db-Password", "apiKey", "X-Rollbar-Access-Token", "session_id"}
HARD_TEXTS = {"link", "nested"}
HARD_SECRET = b"hunter2"


def names_below(masked, below):
    """The paths of what was masked below one of them."""
    return {path[len(below) + 1 :] for path in masked if path.startswith(below + ".")}


class ThroughTheAgent(SdkCase):
    def setUp(self):
        super().setUp()
        self.start_agent()

    # ---- errors, chains, messages ----

    def check_message(self, masked, added, places):
        """The message with clients/hard.json: nothing but its secrets was touched."""
        parents, names = zip(*(path.rsplit(".", 1) for path in masked))
        self.assertEqual(set(parents), places)
        self.assertLessEqual(set(names), HARD_SECRETS | HARD_TEXTS)
        self.assertEqual(added, {})
        (message,) = [o for o in self.fake.occurrences if o.data["level"] == "warning"]
        for key in HARD_SECRETS:
            self.assertEqual(message.data["custom"][key], MASK, key)
        self.assertNotIn(HARD_SECRET, message.raw)
        return message

    def check_chain(self, *classes):
        (chain,) = [o.data for o in self.fake.occurrences if o.data["level"] == "critical"]
        traces = chain["body"]["trace_chain"]
        self.assertEqual([trace["exception"]["class"] for trace in traces], list(classes))

    def check_pyrollbar(self, handler):
        for port in (self.tap.port, self.straight.port):
            self.pyrollbar(port, handler, "error", "chain", "message")
        self.compare_values(3)
        error, chain, message = sorted(self.compare_bytes(3), key=lambda pair: len(pair[0]))
        # The argument "secret", which pyrollbar had masked with as many stars as it liked.
        self.assertLessEqual({path.rsplit(".", 1)[1] for path in error[0] | chain[0]}, {"secret"})
        self.assertEqual(error[1] | chain[1], {"data.attributes": [trace_pair()]})
        self.check_chain("RuntimeError", "KeyError", "ValueError")
        sent = self.check_message(*message, {"data.custom", "data.body.message"})
        self.check_hard_values(sent)

    def check_hard_values(self, message):
        with open(os.path.join(CLIENTS, "hard.json"), encoding="utf-8") as file:
            hard = json.load(file)
        # Half of a pair is what pyrollbar itself cannot carry.
        for key in set(hard) - HARD_SECRETS - HARD_TEXTS - {"half"}:
            self.assertEqual(message.data["custom"][key], hard[key], key)
        for number in (b'"big": 9007199254740993,', b'"huge": 18446744073709551615,'):
            self.assertEqual(message.raw.count(number), 2, number)

    def test_pyrollbar_blocking_arrives_unchanged(self):
        self.check_pyrollbar("blocking")

    def test_pyrollbar_thread_arrives_unchanged(self):
        self.check_pyrollbar("thread")

    def test_pyrollbar_thread_pool_arrives_unchanged(self):
        self.check_pyrollbar("thread_pool")

    def test_people_titles_and_logging_of_pyrollbar_arrive_unchanged(self):
        for port in (self.tap.port, self.straight.port):
            self.pyrollbar(port, "blocking", "person", "logged")
        self.compare_values(2)
        (masked, added), (of_the_log, _) = self.compare_bytes(2)
        self.assertEqual((masked, added), ({}, {}))
        self.assertLessEqual({path.rsplit(".", 1)[1] for path in of_the_log}, {"secret"})
        self.check_person()
        (logged,) = [o.data for o in self.fake.occurrences if o.data["level"] == "error"]
        self.assertEqual(logged["body"]["trace"]["exception"]["class"], "ValueError")
        self.assertEqual(logged["custom"]["record"]["name"], "interop")

    def check_person(self):
        (said,) = [o.data for o in self.fake.occurrences if o.data["level"] == "info"]
        person = {"id": "9007199254740993", "username": "žofie", "email": "z@example.org"}
        self.assertEqual(said["person"], person)
        self.assertEqual((said["fingerprint"], said["title"]), ("ours", "A title"))

    def test_rollbar_js_arrives_unchanged(self):
        for port in (self.tap.port, self.straight.port):
            self.rollbar_js(port, "error", "chain", "message")
        self.compare_values(3)
        error, chain, message = self.compare_bytes(3)
        self.assertEqual(error, ({}, {"data.attributes.0": trace_pair()}))
        self.assertEqual(chain, ({}, {}))
        self.check_chain("RangeError", "TypeError")
        sent = self.check_message(*message, {"data.custom", "data"})
        self.assertIn(b'"half of a pair: \\ud83d"', sent.raw)

    def test_causes_people_and_telemetry_of_rollbar_js_arrive_unchanged(self):
        for port in (self.tap.port, self.straight.port):
            self.rollbar_js(port, "cause", "person", "telemetry")
        self.compare_values(3)
        self.assertEqual(self.compare_bytes(3), [({}, {})] * 3)
        self.check_person()
        chain, _, after = [occurrence.data for occurrence in self.fake.occurrences]
        classes = [trace["exception"]["class"] for trace in chain["body"]["trace_chain"]]
        self.assertEqual(classes, ["Error", "RangeError", "TypeError"])
        events = after["body"]["telemetry"]
        self.assertEqual([event["type"] for event in events], ["manual", "manual"])
        self.assertEqual(events[0]["body"]["message"], "a log: 馬")
        self.assertNotIn(HARD_SECRET.decode(), json.dumps(events))

    def test_what_nobody_catches_in_node_arrives_unchanged(self):
        for port in (self.tap.port, self.straight.port):
            self.rollbar_js(port, "uncaught", "rejection")
        self.compare_values(2)
        self.assertEqual(self.compare_bytes(2), [({}, {})] * 2)
        for occurrence in self.fake.occurrences:
            self.assertEqual(towbar.attributes(occurrence.data), {"is_uncaught": "true"})
            self.assertEqual(occurrence.data["level"], "debug")  # as node_rollbar 3.1 has it

    # ---- requests and people ----

    def fail_requests(self, start, requests):
        """The same requests to two apps: one reports to the agent, the other straight."""
        for port in (self.tap.port, self.straight.port):
            app = start(port)
            for method, path, body in requests:
                self.assertEqual(self.ask(app, method, path, body, HEADERS), 500)

    def check_requests(self, n):
        self.compare_values(n)
        for occurrence in self.fake.occurrences:
            person = {"id": "9007199254740993", "username": "andrew", "email": "andrew@example.org"}
            self.assertEqual(occurrence.data["person"], person)
            self.assertNotIn(HARD_SECRET, occurrence.raw)
        return self.compare_bytes(n)

    def check_trace(self, added, attributes_before):
        """All of it is from the request's headers."""
        wanted = {
            f"data.attributes.{attributes_before}": trace_pair(),
            f"data.attributes.{attributes_before + 1}": {"key": "span_id", "value": SPAN_ID},
            "data.custom": {
                "trace_id": TRACE_ID,
                "span_id": SPAN_ID,
                "xray_trace_id": XRAY_ID,
                "trace": {
                    "flags": "01",
                    "source": "traceparent",
                    "xray_parent_id": "53995c3f42cd8ad8",
                    "xray_sampled": "1",
                },
            },
        }
        self.assertEqual(added, wanted)

    def check_flask(self, handler):
        query = "/feeds/%C5%BElu%C5%A5?password=hunter2&page=2&page=3"
        requests = [("GET", query, None), ("POST", "/feeds/bob", BODY)]
        self.fail_requests(lambda port: self.flask(port, handler), requests)
        found = self.check_requests(2)
        for _, added in found:
            self.check_trace(added, 2)
        # The header that pyrollbar left, and a URL it masked in its own way. What it masked with
        # stars has as many as it liked at that moment, now and then as many as ours.
        masked = [names_below(masked, "data.request") for masked, _ in found]
        stars = {"headers.Authorization", "GET.password"}
        left = sorted((names - stars for names in masked), key=len)
        self.assertEqual(left, [{"headers.Cookie"}, {"headers.Cookie", "url"}])

    def test_requests_of_flask_arrive_unchanged(self):
        self.check_flask("blocking")

    def test_requests_of_flask_with_threads_arrive_unchanged(self):
        self.check_flask("thread")

    def test_requests_of_flask_with_a_pool_of_threads_arrive_unchanged(self):
        self.check_flask("thread_pool")

    def test_requests_of_express_arrive_unchanged(self):
        path = "/feeds/andrew?password=hunter2&page=2"
        requests = [("GET", path, None), ("POST", "/handled/bob", BODY)]
        self.fail_requests(self.express, requests)
        for masked, added in self.check_requests(2):
            self.assertEqual(masked, {})  # rollbar.js had the same mask
            self.check_trace(added, 0)

    # ---- rollbar.js and its connections ----

    def test_the_notice_of_rollbar_js_on_its_own_limit_arrives(self):
        for port in (self.tap.port, self.straight.port):
            self.rollbar_js(port, "many")
        n = JS_ITEMS_PER_MINUTE + 1
        self.wait_both(n)
        found = self.compare_bytes(n)
        self.assertEqual(found[:-1], [({}, {})] * (n - 1))
        masked, added = found[-1]  # the notice has neither, and no level
        self.assertEqual((masked, set(added)), ({}, {"data.uuid", "data.timestamp"}))
        (notice,) = [o.data for o in self.fake.occurrences if "level" not in o.data]
        self.assertIn("item per minute limit reached", notice["body"]["message"]["body"])

    def test_rollbar_js_keeps_its_connections_as_it_does_to_rollbar(self):
        for port in (self.tap.port, self.straight.port):
            self.rollbar_js(port, "error", "chain", "message")
        self.wait_both(3)
        straight = {request.connection for request in self.straight.requests}
        self.assertEqual(len(self.tap.connections), len(straight))


def trace_pair():
    return {"key": "trace_id", "value": TRACE_ID}


if __name__ == "__main__":
    unittest.main()
