"""Errors go to OTLP: with a Honeycomb key alone, as log records and as spans; what is refused is not
sent again, what was not taken is."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402

KEY = "hcaik_0123456789abcdef"
TRACE = "6b02b58de0617ecba70ed68ac9552d48"


def item(n, **more):
    data = {
        "uuid": f"{n:032x}",
        "level": "error",
        "environment": "test",
        "custom": {"service": "backend-flask", "trace_id": TRACE.upper(), "span_id": "53995c3f42cd8ad8"},
        "body": {"trace": {"exception": {"class": "KeyError", "message": f"no {n}"},
                           "frames": [{"filename": "app.py", "lineno": n + 1, "method": "home"}]}},
    }  # fmt: skip
    data.update(more)
    return json.dumps({"data": data})


class Otlp(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeOtlp(headers={"x-honeycomb-team": KEY})
        self.fake.start()
        self.addCleanup(self.fake.stop)
        self.settings("")

    def settings(self, text):
        self.write_config("rollbar: {retry_min_ms: 20, retry_max_ms: 200}\n" + text)

    def run_agent(self, **env):
        env = {"HONEYCOMB_API_ENDPOINT": self.fake.url, "HONEYCOMB_API_KEY": KEY, **env}
        return self.agent(None, None, **env)

    def post(self, agent, *items):
        for body in items:
            headers = {"Content-Type": "application/json"}
            self.assertEqual(agent.request("POST", "/api/1/item/", body, headers)[0], 200)

    def wait_logs(self, n):
        self.fake.wait_for(lambda fake: len(fake.records) >= n)

    def test_a_key_is_enough(self):
        with self.run_agent() as agent:
            self.post(agent, item(1))
            self.wait_logs(1)
        (record,) = self.fake.records
        self.assertEqual((record.trace_id, record.span_id), (TRACE, "53995c3f42cd8ad8"))
        found = record.attributes
        self.assertEqual(found["exception.type"], "KeyError")
        self.assertEqual(found["exception.stacktrace"], "KeyError: no 1\n#0  home () at app.py:2\n")
        self.assertEqual(found["log.record.uid"], f"{1:032x}")
        self.assertEqual(self.fake.requests[0].headers["Content-Encoding"], "gzip")
        self.assertEqual(self.fake.spans, [])
        # Why it is on: such variables may be there for other programs.
        self.assertIn(f"delivery to otlp is on, by HONEYCOMB_API_ENDPOINT: {self.fake.url}", agent.log)

    def test_both_forms_and_a_child_of_the_active_span(self):
        self.settings("otlp: {form: both, compression: none}\n")
        with self.run_agent() as agent:
            self.post(agent, item(1))
            self.wait_logs(1)
            self.fake.wait_for(lambda fake: fake.spans)
        (span,) = self.fake.spans
        self.assertEqual(span.raw["parentSpanId"], "53995c3f42cd8ad8")
        self.assertEqual(span.raw["name"], "exception KeyError")
        self.assertNotIn("Content-Encoding", self.fake.requests[0].headers)

    def test_what_is_refused_is_not_sent_again(self):
        self.fake.script([{"status": 500}, {"partial": 1, "op": "logs"}])
        with self.run_agent() as agent:
            self.post(agent, item(1))
            agent.wait_log("refused for good")
            self.post(agent, item(2))
            self.fake.wait_for(lambda fake: fake.refused)
            self.post(agent, item(3))
            self.wait_logs(1)
            self.assertEqual(self.fake.records[0].uuid, f"{3:032x}")
            self.assertNotIn(KEY, agent.log)
        self.assertEqual([r.status for r in self.fake.requests], [500, 200, 200])

    def test_what_was_not_taken_is_sent_again(self):
        self.fake.script([{"status": 503}, {"status": 429, "headers": {"Retry-After": "1"}},
                          {"cut": "reset"}])  # fmt: skip
        with self.run_agent() as agent:
            self.post(agent, item(1))
            self.wait_logs(1)
        self.assertEqual([r.status for r in self.fake.requests], [503, 429, 0, 200])
        self.assertGreaterEqual(self.fake.requests[2].time - self.fake.requests[1].time, 0.9)
        self.assertEqual(self.fake.duplicates, [])

    def test_a_wrong_key_parks_all_until_it_is_right(self):
        with self.run_agent(HONEYCOMB_API_KEY="hcaik_wrong") as agent:
            self.post(agent, item(1))
            agent.wait_log("refused, all for it waits")
            self.assertNotIn("hcaik_wrong", agent.log)
        with self.run_agent() as agent:
            self.wait_logs(1)

    def test_a_wrong_path_loses_nothing(self):
        wrong = self.fake.url + "/v1/wrong"
        with self.run_agent(OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=wrong) as agent:
            self.post(agent, item(1), item(2))
            agent.wait_log("refused, all for it waits")
            self.assertIn("is otlp.endpoint right", agent.log)
        with self.run_agent() as agent:
            self.wait_logs(2)


if __name__ == "__main__":
    unittest.main()
