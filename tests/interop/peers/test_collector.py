"""The OpenTelemetry collector, unmodified (receiver otlp, exporter file): it takes what the agent
sends, and what is in its file is found by the trace ID."""

import json
import os
import re
import subprocess
import sys
import time
import unittest
import uuid as uuids

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))

import otlp_schema  # noqa: E402
import towbar  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from peers import BUILT  # noqa: E402

COLLECTOR = os.path.join(BUILT, "collector", "collector")
FEEDS = os.path.join(towbar.SOURCE, "samples", "cruddur", "feeds")
TRACE_ID = "6b02b58de0617ecba70ed68ac9552d48"
MESSAGE = "Žluťoučký 馬 🧨 \u2028"
SPAN_ID = "53995c3f42cd8ad8"
SETTINGS = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}
exporters:
  file: {{path: '{path}', flush_interval: 10ms, append: true}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs: {{receivers: [otlp], exporters: [file]}}
    traces: {{receivers: [otlp], exporters: [file]}}
"""


class Collector:
    def __init__(self, case, port=0):
        self.path = case.path("collected.json")
        settings = case.path("collector.yaml")
        with open(settings, "w", encoding="ascii") as file:
            file.write(SETTINGS.format(port=port, path=self.path))
        self.process = subprocess.Popen(
            [COLLECTOR, "--config", settings], stderr=subprocess.PIPE, text=True,
            env=towbar.clean_environment(case.path("home")),
        )  # fmt: skip
        case.addCleanup(self.end)
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            if "Starting HTTP server" in line:
                self.port = int(re.search(r'127\.0\.0\.1:(\d+)"', line).group(1))
            if "Everything is ready" in line:
                return
        raise AssertionError("".join(self.log))

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=towbar.DEADLINE_S)
        self.process.stderr.close()

    def records(self):
        """Those that it wrote, in its own words, which are OTLP's again."""
        try:
            with open(self.path, encoding="utf-8") as file:
                lines = [line for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [record for line in lines for record in otlp_schema.records(json.loads(line))]


def item(n):
    return {
        "uuid": str(uuids.uuid4()), "environment": "test", "level": "error",
        "timestamp": int(time.time()),
        "body": {
            "trace": {
                "frames": [{"filename": "app.py", "lineno": n, "method": "data_home"}],
                "exception": {"class": "FeedUnavailable", "message": MESSAGE},
            }
        },
        "custom": {"service": "backend-flask", "trace_id": TRACE_ID, "span_id": SPAN_ID},
    }  # fmt: skip


class CollectorTest(towbar.Case):
    def settings(self, collector, form):
        self.write_config(
            f"otlp: {{endpoint: 'http://127.0.0.1:{collector.port}/v1/logs', form: {form}}}\n"
        )

    def post(self, agent, *items):
        for data in items:
            reply = agent.request("POST", "/api/1/item/", json.dumps({"data": data}))
            self.assertEqual(reply[0], 200, reply)
        return sorted(data["uuid"] for data in items)

    def wait_all(self, collector, uuids_, kinds=1):
        self.wait_status(
            lambda status: status["queued"] == 0
            and len(collector.records()) >= kinds * len(uuids_)
        )
        found = collector.records()
        self.assertEqual(sorted(r.uuid for r in found), sorted(uuids_ * kinds))
        return found

    def test_an_error_is_in_its_file_by_the_trace_id(self):
        collector = Collector(self)
        self.settings(collector, "both")
        with self.agent() as agent:
            feedd = self.start(towbar.binary("feedd"), "0", FEEDS)
            port = re.search(r"127\.0\.0\.1:(\d+)", feedd.stdout.readline()).group(1)
            request = f"GET /feed?user=missing HTTP/1.0\r\ntraceparent: 00-{TRACE_ID}-{SPAN_ID}-01\r\n\r\n"
            with towbar.socket.create_connection(("127.0.0.1", int(port)), 10) as connection:
                connection.sendall(request.encode())
                self.assertIn(b"500", connection.recv(100))
            self.post(agent, item(1))
            self.wait_status(lambda status: len(collector.records()) == 4)
        for service in ("feedd", "backend-flask"):
            found = [r for r in collector.records() if r.resource["service.name"] == service]
            record, span = sorted(found, key=lambda r: r.is_span)
            self.assertEqual((record.is_span, span.is_span), (False, True))
            self.assertEqual((record.trace_id, record.span_id), (TRACE_ID, SPAN_ID))
            self.assertEqual((span.trace_id, span.raw["parentSpanId"]), (TRACE_ID, SPAN_ID))
            self.assertIn("exception.stacktrace", record.attributes)

    def test_what_it_wrote_is_what_was_sent(self):
        """The same items to it and to a fake that keeps what came: none lost a member."""
        collector = Collector(self)
        items = [item(n) for n in range(20)]
        self.settings(collector, "log")
        with self.agent() as agent:
            self.post(agent, *items)
            through = self.wait_all(collector, [data["uuid"] for data in items])
        for record in through:
            self.assertEqual(record.attributes["exception.message"], MESSAGE)
        straight = FakeOtlp().start()
        self.addCleanup(straight.stop)
        self.write_config(f"otlp: {{endpoint: '{straight.logs_url}'}}\n")
        self.state = self.path("state of another agent")
        with self.agent() as agent:
            self.post(agent, *items)
            straight.wait_for(lambda fake: len(fake.records) == len(items))
        by_uuid = {record.uuid: record for record in straight.records}
        for record in through:
            sent = by_uuid[record.uuid]
            self.assertEqual(record.attributes, sent.attributes)
            for name in ("severityNumber", "severityText", "eventName", "body", "timeUnixNano"):
                self.assertEqual(record.raw.get(name), sent.raw.get(name), name)

    def test_what_came_while_it_was_away_is_there_later_once(self):
        collector = Collector(self)
        self.settings(collector, "log")
        with self.agent() as agent:
            sent = self.post(agent, item(1))
            self.wait_all(collector, sent)
            port = collector.port
            collector.end()
            sent += self.post(agent, *(item(n) for n in range(5)))
            collector = Collector(self, port)
            self.wait_all(collector, sent)


if __name__ == "__main__":
    unittest.main()
