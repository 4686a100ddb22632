"""Groups and filter expressions from the settings to the outbox, the page and the command line
(docs/filter.md)."""

import json
import os
import signal
import sqlite3
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

OTHER_TOKEN = "fedcba9876543210fedcba9876543210"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GROUPS = """groups:
  - { name: Cruddur, filter: 'service("backend-flask") {fault OR error}' }
  - { name: crashes, filter: 'annotation.crash' }
"""
# Nobody listens there: the rows wait.
SINKS = """otlp: { endpoint: "http://127.0.0.1:9/v1/logs", form: both, group: Cruddur }
projects: [ { group: Cruddur, access_token: %s } ]
""" % OTHER_TOKEN
SETTINGS = "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n  timeout_ms: 5000\n"


def item(title, service, level="error", **custom):
    trace = {"exception": {"class": title, "message": "m"}, "frames": []}
    return json.dumps({
        "data": {
            "environment": "test", "level": level, "body": {"trace": trace},
            "custom": {"service": service, **custom},
        }
    })  # fmt: skip


class FilterTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=[towbar.TOKEN, OTHER_TOKEN])
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def post(self, agent, *args, **custom):
        self.assertEqual(agent.request("POST", "/api/1/item/", item(*args, **custom))[0], 200)

    def page(self, agent, search):
        status, body = agent.get("/?q=" + urllib.parse.quote(search))[:2]
        self.assertEqual(status, 200)
        return body.decode() if isinstance(body, bytes) else body

    def ask(self, sql):
        database = sqlite3.connect(f"file:{self.state}/towbar.db?mode=ro", uri=True)
        try:
            return dict(database.execute(sql).fetchall())
        finally:
            database.close()

    def fill(self, agent):
        self.post(agent, "UpstreamError", "backend-flask", trace_id=TRACE)
        self.post(agent, "Slow", "backend-flask", "warning")
        self.post(agent, "Broken", "cruddur-feedd", trace_id=TRACE)
        self.post(agent, "Broken2", "cruddur-maild")
        self.wait_status(lambda status: status["occurrences"] == 4)

    def test_a_group_chooses_sink_and_project(self):
        self.write_config(SETTINGS + GROUPS + SINKS)
        with self.agent(self.fake) as agent:
            self.fill(agent)
            self.fake.wait_for(lambda f: len(f.occurrences) == 4, towbar.DEADLINE_S)
            received = self.ask("SELECT sink, received FROM delivery")
            counters = self.ask("SELECT name, value FROM counters WHERE name LIKE 'not_routed%'")
            self.wait_status(lambda status: status["occurrences"] == 4)
            status, metrics = self.towbar("status", "--socket", self.socket, "--state-dir", self.state).stdout, agent.request("GET", "/metrics")[1]
        self.assertEqual(received, {"rollbar": 4, "otlp": 1, "otlp-spans": 1})
        self.assertEqual(counters, {"not_routed.otlp": 3})
        self.assertRegex(status, r"otlp .*, 3 not in its group")
        self.assertIn('towbard_sink_left_out_total{sink="otlp",reason="not_routed"} 3', str(metrics))
        tokens = {
            o.data["body"]["trace"]["exception"]["class"]: o.token for o in self.fake.occurrences
        }
        self.assertEqual(tokens.pop("UpstreamError"), OTHER_TOKEN)
        self.assertEqual(set(tokens.values()), {towbar.TOKEN})

    def test_what_is_stored_is_found_by_page_and_command(self):
        self.write_config(SETTINGS + GROUPS)
        with self.agent() as agent:
            self.fill(agent)
            page = self.page(agent, "filter:Cruddur")
            self.assertIn("UpstreamError", page)
            self.assertIn("Broken:", page)  # of the same trace
            self.assertNotIn("Slow", page)
            self.assertNotIn("Broken2", page)
            self.assertIn("column 27: ", self.page(agent, 'service("backend-flask") {faults}'))
            # Other groups count after a reload; what does not parse is refused as a whole.
            self.write_config(SETTINGS + GROUPS.replace("fault OR error", "ok"))
            agent.process.send_signal(signal.SIGHUP)
            agent.wait_log("the settings were read again and count now")
            self.assertIn("Slow", self.page(agent, "filter:Cruddur"))
            self.assertNotIn("UpstreamError", self.page(agent, "filter:Cruddur"))
            self.write_config(SETTINGS + GROUPS.replace("fault OR", "fault OF"))
            agent.process.send_signal(signal.SIGHUP)
            agent.wait_log("column 33: expected AND, OR, a keyword, or = or != behind fault, not")
            self.assertIn("Slow", self.page(agent, "filter:Cruddur"))
        self.write_config(SETTINGS + GROUPS)
        places = ("--config", self.config, "--state-dir", self.state)
        shown = self.towbar("items", "--filter", "Cruddur", *places).stdout
        self.assertIn("UpstreamError", shown)
        self.assertNotIn("Slow", shown)
        shown = self.towbar(
            "occurrences", "--json", "--filter", "!service(\"backend-flask\")", *places
        ).stdout
        self.assertEqual(len(shown.splitlines()), 1)
        self.assertIn("Broken2", shown)
        done = self.towbar("items", "--filter", 'service("x', *places, check=2)
        self.assertIn("column 9: expected a closing quote", done.stderr)


if __name__ == "__main__":
    unittest.main()
