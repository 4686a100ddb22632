"""The whole of Cruddur, and one trace ID in four systems: real Flask with OpenTelemetry, the X-Ray SDK
and watchtower, real feedd and towbard; the fake Rollbar, moto's X-Ray and CloudWatch Logs, an OTLP
receiver that reads protobuf. An error is looked up in each by the trace ID alone."""

import logging
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import boto3  # noqa: E402
import towbar  # noqa: E402
import xray_documents  # noqa: E402
from fake_xray_daemon import FakeXrayDaemon  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402
from otlp_protobuf import OtlpReceiver  # noqa: E402
from test_flask import CruddurCase  # noqa: E402

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's requests
REGION = "ca-central-1"
KEY = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
SEEN_BY_ALL = {  # Cruddur's rule file, at a rate at which every request is seen
    "RuleName": "Cruddur", "RuleARN": "arn:aws:xray:ca-central-1:1:sampling-rule/Cruddur",
    "ResourceARN": "*", "Priority": 9000, "FixedRate": 1.0, "ReservoirSize": 5,
    "ServiceName": "backend-flask", "ServiceType": "*", "Host": "*", "HTTPMethod": "*",
    "URLPath": "*", "Version": 1, "Attributes": {},
}  # fmt: skip


class Relay(FakeXrayDaemon):
    """A daemon that passes on what comes in to moto, as the real one does to AWS."""

    def __init__(self, xray):
        super().__init__()
        self.xray = xray

    def complaint(self, text):
        reply = self.xray.put_trace_segments(TraceSegmentDocuments=[text])
        return reply["UnprocessedTraceSegments"] or None


class Systems(CruddurCase):
    """What runs beside Cruddur, and how a person finds an error there."""

    @classmethod
    def setUpClass(cls):
        cls.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.moto.start()
        cls.addClassCleanup(cls.moto.stop)
        host, port = cls.moto.get_host_and_port()
        cls.aws_url = f"http://{host}:{port}"

    def setUp(self):
        super().setUp()
        self.group = "cruddur-" + os.path.basename(self.folder)[-8:].replace("_", "-")
        self.xray = self.client("xray")
        self.logs = self.client("logs")
        self.otlp = OtlpReceiver(headers={"x-honeycomb-team": "the-key"}).start()
        self.addCleanup(self.otlp.stop)
        self.relay = Relay(self.xray)
        self.relay.sampling_rules = [SEEN_BY_ALL]
        self.relay.start()
        self.addCleanup(self.relay.stop)

    def client(self, service):
        client = boto3.client(service, region_name=REGION, endpoint_url=self.aws_url, **KEY)
        self.addCleanup(client.close)
        return client

    # ---- Cruddur ----

    def aws_env(self):
        return {
            "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-honeycomb-team=the-key",
        }  # fmt: skip

    def agent_for(self, mode, **env):
        text = f"cloudwatch: {{log_group: {self.group}}}\nxray: {{mode: {mode}, address: '{self.relay.address}'}}\n"
        self.write_config(text + "rollbar: {retry_min_ms: 20, retry_max_ms: 200}\n")
        return self.agent(self.fake, **self.aws_env(), **env)

    def cruddur(self, agent, reporter, **env):
        """feedd, and backend-flask with all that Cruddur has."""
        feedd, address = self.start_feedd()
        env = dict(
            self.env(agent, reporter, address), **self.aws_env(),
            AWS_XRAY_DAEMON_ADDRESS=self.relay.address, CLOUDWATCH_LOG_GROUP=self.group,
            OTEL_SERVICE_NAME="backend-flask", OTEL_BSP_SCHEDULE_DELAY="50", **env,
        )  # fmt: skip
        backend = self.flask(env)
        # Until the X-Ray SDK has the daemon's rules it goes by its own: one a second, then 5 %.
        end = time.monotonic() + towbar.DEADLINE_S
        while not any('"sampling_rule_name": "Cruddur"' in d.text for d in self.relay.documents):
            self.assertLess(time.monotonic(), end, self.relay.summary())
            backend.get("/api/health")
        return feedd, backend

    def end(self, backend):
        """Its SDKs send what they still hold."""
        backend.process.send_signal(signal.SIGINT)
        self.assertEqual(backend.process.wait(towbar.DEADLINE_S), 0, backend.log())

    # ---- what a person finds ----

    def in_rollbar(self, trace_id):
        found = [o.data for o in self.fake.occurrences]
        return [d for d in found if d["custom"].get("trace_id") == trace_id]

    def in_xray(self, xray_id):
        """The documents of a trace, by BatchGetTraces."""
        reply = self.xray.batch_get_traces(TraceIds=[xray_id])
        segments = [s for trace in reply["Traces"] for s in trace["Segments"]]
        return [xray_documents.Document(segment["Document"]) for segment in segments]

    def in_logs(self, xray_id):
        """The lines that the X-Ray console shows beside a trace."""
        try:
            reply = self.logs.filter_log_events(
                logGroupName=self.group, filterPattern=f'"{xray_id}"'
            )
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in reply["events"]]

    def wait_sent(self, agent, n):
        """Until nothing waits for any sink, and Rollbar has n."""
        self.fake.wait_for(lambda fake: len(fake.occurrences) >= n)
        self.wait_status(lambda status: all(s.get("queued", 0) == 0 for s in status["sinks"]))
        self.assertEqual(self.otlp.differ, [])

    def uuids(self, documents):
        return sorted(d.annotations["rollbar_uuid"] for d in documents if "rollbar_uuid" in d.annotations)

    def assert_found(self, data, trace_id, xray_id):
        """One error in X-Ray, CloudWatch Logs and OTLP, by the ID that each of them has."""
        uuid = data["uuid"]
        (document,) = [
            d for d in self.in_xray(xray_id) if d.annotations.get("rollbar_uuid") == uuid
        ]
        self.assertIsNone(xray_documents.check(document.text))
        lines = [line for line in self.in_logs(xray_id) if f'"rollbar_uuid":"{uuid}"' in line]
        self.assertEqual(len(lines), 1)
        records = [r for r in self.otlp.of_trace(trace_id) if r.uuid == uuid]
        self.assertEqual(len(records), 1)
        return document, lines[0], records[0]


class OneTraceId(Systems):
    def check(self, mode, reporter):
        with self.agent_for(mode) as agent:
            feedd, backend = self.cruddur(agent, reporter, OTEL_PYTHON_ID_GENERATOR="xray")
            self.assertEqual(backend.get("/api/activities/home?user=crash")[0], 500)
            self.assertEqual(feedd.wait(towbar.DEADLINE_S), -signal.SIGSEGV)
            self.end(backend)
            self.wait_sent(agent, 2)
        found = [o.data for o in self.fake.occurrences]
        (native,), (flask,) = self.of(found, "feedd"), self.of(found, "backend-flask")
        trace_id = native["custom"]["trace_id"]
        xray_id = f"1-{trace_id[:8]}-{trace_id[8:]}"
        self.assertEqual(flask["custom"]["trace_id"], trace_id)
        self.assertEqual(len(self.in_rollbar(trace_id)), 2)
        self.check_crash(native, trace_id, xray_id)
        self.check_flask(flask, trace_id, xray_id)
        # The SDKs' own: a segment, a span, and a line of the log.
        segments = self.in_xray(xray_id)
        self.assertIn("backend-flask", [d.name for d in segments])
        self.assertTrue([s for s in self.otlp.of_trace(trace_id) if s.is_span])
        self.assertTrue([line for line in self.in_logs(xray_id) if "GET /api/activities" in line])

    def check_crash(self, data, trace_id, xray_id):
        document, line, record = self.assert_found(data, trace_id, xray_id)
        self.assertEqual((document.name, document.is_subsegment), ("feedd", False))
        self.assertTrue(document.raw["fault"])
        self.assertIn("queue.c", str(document.exceptions[0]["stack"][0]))
        groups = document.raw["aws"]["cloudwatch_logs"]
        self.assertEqual(groups, [{"log_group": self.group}])
        self.assertIn("SIGSEGV", line)
        self.assertEqual(record.resource["service.name"], "feedd")
        self.assertEqual(record.attributes["exception.type"], data["body"]["trace"]["exception"]["class"])
        self.assertEqual(record.raw["severityNumber"], 21)
        self.assertIn(document.raw["parent_id"], self.segment_ids(xray_id))

    def segment_ids(self, xray_id):
        return [d.id for d in self.in_xray(xray_id) if d.name == "backend-flask"]

    def check_flask(self, data, trace_id, xray_id):
        document, _, record = self.assert_found(data, trace_id, xray_id)
        self.assertTrue(document.is_subsegment)
        self.assertIn(document.raw["parent_id"], self.segment_ids(xray_id))
        # Within its segment: Rollbar's SDKs tell whole seconds, which began before the request.
        (segment,) = [d for d in self.in_xray(xray_id) if d.id == document.raw["parent_id"]]
        began, ended = segment.raw["start_time"], segment.raw["end_time"]
        self.assertAlmostEqual(document.raw["start_time"], began, 2)
        self.assertLessEqual(document.raw["end_time"], ended)
        self.assertEqual(record.resource["service.name"], "backend-flask")
        self.assertEqual(record.attributes["exception.type"], "FeedUnavailable")
        spans = [s.span_id for s in self.otlp.of_trace(trace_id) if s.is_span]
        self.assertIn(record.span_id, spans)  # a span event of a span that is there

    def test_by_the_api_with_pyrollbar(self):
        self.check("api", "pyrollbar")

    def test_by_the_daemon_with_towbar_py(self):
        self.check("daemon", "towbar")


class TwoTraceIds(Systems):
    """Without a common generator each SDK has an ID of its own: each system is given its own."""

    def check(self, reporter):
        with self.agent_for("api") as agent:
            _, backend = self.cruddur(agent, reporter)
            self.assertEqual(backend.get("/api/activities/home?user=missing")[0], 500)
            self.end(backend)
            self.wait_sent(agent, 2)
        found = [o.data for o in self.fake.occurrences]
        for data in (*self.of(found, "feedd"), *self.of(found, "backend-flask")):
            trace_id, xray_id = data["custom"]["trace_id"], data["custom"]["xray_trace_id"]
            self.assertNotEqual(xray_id.replace("-", "")[1:], trace_id)
            self.assert_found(data, trace_id, xray_id)
        self.assertEqual(len({d["custom"]["trace_id"] for d in found}), 1)
        self.assertEqual(len({d["custom"]["xray_trace_id"] for d in found}), 1)

    def test_with_pyrollbar(self):
        self.check("pyrollbar")

    def test_with_towbar_py(self):
        self.check("towbar")


class Unsampled(Systems):
    """X-Ray is not told of a trace that its SDK does not record; the others are."""

    def test_an_unsampled_trace_is_in_three_systems(self):
        with self.agent_for("api") as agent:
            _, backend = self.cruddur(agent, "pyrollbar")
            header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"
            backend.get("/api/activities/home?user=missing", **{"X-Amzn-Trace-Id": header})
            self.end(backend)
            self.wait_sent(agent, 2)
        for data in [o.data for o in self.fake.occurrences]:
            xray_id = data["custom"]["xray_trace_id"]
            self.assertEqual(xray_id, "1-5759e988-bd862e3fe1be46a994272793")
            self.assertEqual(self.uuids(self.in_xray(xray_id)), [])
            self.assertTrue([line for line in self.in_logs(xray_id) if data["uuid"] in line])
            uuids = [r.uuid for r in self.otlp.of_trace(data["custom"]["trace_id"])]
            self.assertIn(data["uuid"], uuids)

    def test_what_the_sdk_itself_does_not_record_is_passed_on_as_that(self):
        """One a second, then 5 %: most requests of the bootcamp's app are not recorded."""
        from aws_xray_sdk.core import xray_recorder

        sys.path.insert(0, os.path.join(towbar.SOURCE, "samples", "cruddur", "backend-flask"))
        self.addCleanup(sys.path.pop, 0)
        import tracing

        root = "1-5759e988-bd862e3fe1be46a994272793"
        environ = {"HTTP_X_AMZN_TRACE_ID": f"Root={root};Parent={'1' * 16};Sampled=?"}
        xray_recorder.begin_segment("backend-flask", sampling=0)
        try:
            data = {}
            tracing.describe(data)
            self.assertEqual(data["custom"], {"trace": {"xray_sampled": "0"}})
            header = tracing.outgoing(environ)["X-Amzn-Trace-Id"]
            self.assertEqual(header, f"Root={root};Sampled=0")
            self.assertNotIn("X-Amzn-Trace-Id", tracing.outgoing({}))
        finally:
            xray_recorder.end_segment()


if __name__ == "__main__":
    unittest.main()
