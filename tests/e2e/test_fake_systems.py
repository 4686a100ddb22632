"""The fake OTLP receiver, AWS and X-Ray daemon take the vectors, refuse what the real ones refuse, and
misbehave as they say."""

import copy
import gzip
import http.client
import json
import os
import socket
import sys
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import aws_sigv4 as sigv4  # noqa: E402
import honeycomb_events  # noqa: E402
import otlp_schema  # noqa: E402
import xray_documents  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from fake_xray_daemon import FakeXrayDaemon  # noqa: E402

DATA = os.path.join(HERE, "..", "data", "vectors")  # of the payloads what they hold is told below
VECTORS = os.environ.get("TOWBAR_VECTORS") or DATA
JSON = {"Content-Type": "application/json"}


def raw_payload(name):
    with open(os.path.join(DATA, "payloads", name), "rb") as file:
        return file.read()


def payload(name):
    return json.loads(raw_payload(name))


class FakeCase(unittest.TestCase):
    def start(self, fake):
        fake.start()
        self.addCleanup(fake.stop)
        return fake

    def ask(self, fake, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers
        finally:
            connection.close()


class Otlp(FakeCase):
    def setUp(self):
        self.fake = self.start(FakeOtlp(headers={"x-honeycomb-team": "key"}))

    def post(self, value, path="/v1/logs", **headers):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask(self.fake, "POST", path, body, {**JSON, "x-honeycomb-team": "key", **headers})

    def test_the_vectors_are_taken_plain_and_gzipped(self):
        logs, traces = payload("otlp_logs.json"), payload("otlp_traces.json")
        self.assertEqual(self.post(logs)[0], 200)
        packed = gzip.compress(json.dumps(traces).encode())
        self.assertEqual(self.post(packed, "/v1/traces", **{"Content-Encoding": "gzip"})[0], 200)
        trace = "6b02b58de0617ecba70ed68ac9552d48"
        record, span = self.fake.of_trace(trace)
        self.assertEqual(record.resource["service.name"], "cruddur-feedd")
        self.assertEqual(record.attributes["code.line.number"], 212)
        self.assertTrue(span.is_span)
        self.assertEqual(self.post(logs)[0], 200)
        self.assertEqual(len(self.fake.records), 1)
        self.assertEqual(self.fake.duplicates, ["d4c7acef55bf4c9ea95e4fe9428a8287"])

    def test_what_no_receiver_takes_is_refused(self):
        def changed(change):
            value = copy.deepcopy(payload("otlp_logs.json"))
            change(value["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0])
            return value

        def twice(record):
            record["attributes"].append(record["attributes"][0])

        cases = [
            lambda r: r.update(trace_id=r.pop("traceId")),
            lambda r: r.update(traceId=r["traceId"].upper()),
            lambda r: r.update(traceId="0" * 32),
            lambda r: r.update(traceId=""),
            lambda r: r.update(timeUnixNano=1),
            lambda r: r.update(timeUnixNano="0"),
            lambda r: r.update(severityNumber="SEVERITY_NUMBER_FATAL"),
            lambda r: r.update(severityNumber=25),
            lambda r: r.update(body={"stringValue": "a", "intValue": "1"}),
            lambda r: r.update(body={"intValue": 1}),
            lambda r: r.update(body={"stringValue": "\ud800"}),
            lambda r: r.update(more=1),
            twice,
        ]
        for number, change in enumerate(cases):
            with self.subTest(number):
                self.assertEqual(self.post(changed(change))[0], 400)
        self.assertEqual(self.post(b'{"resourceLogs":[],"resourceLogs":[]}')[0], 400)
        self.assertEqual(self.post(b"{", **{"Content-Encoding": "gzip"})[0], 400)
        self.assertEqual(self.post({}, **{"Content-Type": "application/x-protobuf"})[0], 415)
        self.assertEqual(self.post({"resourceLogs": []}, **{"x-honeycomb-team": "no"})[0], 401)
        self.assertEqual(self.post({}, "/v2/logs")[0], 404)
        self.assertEqual(self.fake.records, [])

    def test_it_refuses_a_part_and_has_a_script_for_each_signal(self):
        self.fake.script(
            [
                {"op": "traces", "status": 503, "headers": {"Retry-After": "7"}},
                {"op": "logs", "partial": 1},
                {"op": "logs", "cut": "reset"},
                {"op": "logs", "hang": True},
            ]
        )
        status, body, _ = self.post(payload("otlp_logs.json"))
        partial = json.loads(body)["partialSuccess"]
        self.assertEqual((status, partial["rejectedLogRecords"]), (200, "1"))
        self.assertEqual((len(self.fake.records), len(self.fake.refused)), (0, 1))
        status, _, headers = self.post(payload("otlp_traces.json"), "/v1/traces")
        self.assertEqual((status, headers["Retry-After"]), (503, "7"))
        with self.assertRaises(ConnectionResetError):
            self.post(payload("otlp_logs.json"))
        connection = http.client.HTTPConnection("127.0.0.1", self.fake.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request("POST", "/v1/logs", b"{}", JSON)
        self.fake.wait_for(lambda fake: fake.held == 1)
        self.fake.release()
        with self.assertRaises(http.client.RemoteDisconnected):
            connection.getresponse()
        self.assertEqual(self.fake.records, [])

    def test_the_schema_has_what_the_specification_has(self):
        for name, kind in (("otlp_logs", otlp_schema.LOGS), ("otlp_traces", otlp_schema.TRACES)):
            self.assertIsNone(otlp_schema.check(kind, payload(name + ".json")))


CLASSIC = "0123456789abcdef" * 2


class Honeycomb(unittest.TestCase):
    def test_events_are_what_honeycombs_translator_makes(self):
        expected = payload("honeycomb_event_from_otlp_logs.json")
        (event,) = honeycomb_events.events(payload("otlp_logs.json"))
        self.assertEqual(event["dataset"], expected["dataset"])
        self.assertEqual(event["time_unix_nano"], expected["time_unix_nano"])
        self.assertEqual(event["data"], expected["data"])

    def test_of_a_span_there_are_its_events_and_it_with_the_exception(self):
        inner, span = honeycomb_events.events(payload("otlp_traces.json"))
        self.assertEqual(inner["data"]["trace.parent_id"], span["data"]["trace.span_id"])
        self.assertEqual(inner["data"]["parent_name"], span["data"]["name"])
        for name in ("trace.trace_id", "error", "exception.type", "exception.stacktrace"):
            self.assertEqual(inner["data"][name], span["data"][name])
        (event,) = honeycomb_events.events(payload("otlp_logs.json"), CLASSIC, "errors")
        self.assertEqual((event["dataset"], span["dataset"]), ("cruddur-feedd", "cruddur-feedd"))
        for event in honeycomb_events.events(payload("otlp_traces.json"), CLASSIC, "errors"):
            self.assertEqual(event["dataset"], "errors")

    def test_names_and_values_that_are_odd(self):
        self.assertEqual(honeycomb_events.dataset({"service.name": "unknown_service:x"}), "unknown_log_source")
        self.assertEqual(honeycomb_events.dataset({}, "errors"), "errors")
        data = {}
        honeycomb_events.put(data, "a", {"b": {"c": 1}, "d": ["x", 2]})
        self.assertEqual(data, {"a.b.c": 1, "a.d": '["x",2]\n'})
        honeycomb_events.put(data, "long", "ž" * 65535)
        self.assertEqual(len(data["long"].encode()), 65534)


class Aws(FakeCase):
    def setUp(self):
        self.fake = self.start(FakeAws())
        self.key = "AKIDEXAMPLE"

    def signed(self, service, path, headers, body, key=None, date=None, secret=None):
        key = key or self.key
        known = self.fake.keys.get(key, sigv4.Key("x"))
        date = date or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.fake.now()))
        headers = {**headers, "Host": f"127.0.0.1:{self.fake.port}", "X-Amz-Date": date}
        if known.session:
            headers["X-Amz-Security-Token"] = known.session
        names = sorted(name.lower() for name in headers)
        canonical = sigv4.canonical_request("POST", path, list(headers.items()), names, body)
        signature = sigv4.sign(
            secret or known.secret, date, self.fake.region, service, canonical
        )
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key}/{date[:8]}/{self.fake.region}/{service}/"
            f"aws4_request, SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return headers

    def call(self, op, fields, **how):
        body = json.dumps(fields).encode()
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"Logs_20140328.{op}",
        }
        status, reply, _ = self.ask(
            self.fake, "POST", "/", body, self.signed("logs", "/", headers, body, **how)
        )
        reply = json.loads(reply)
        return status, reply.get("__type", reply)

    def put(self, *times, message="m", **more):
        events = [{"timestamp": t, "message": message} for t in times]
        fields = {"logGroupName": "cruddur", "logStreamName": "s", "logEvents": events}
        return self.call("PutLogEvents", {**fields, **more})

    def create(self):
        self.assertEqual(self.call("CreateLogGroup", {"logGroupName": "cruddur"}), (200, {}))
        stream = {"logGroupName": "cruddur", "logStreamName": "s"}
        self.assertEqual(self.call("CreateLogStream", stream), (200, {}))
        return int(self.fake.now() * 1000)

    def segments(self, documents, **how):
        body = json.dumps({"TraceSegmentDocuments": documents}).encode()
        headers = self.signed("xray", "/TraceSegments", dict(JSON), body, **how)
        status, reply, headers = self.ask(self.fake, "POST", "/TraceSegments", body, headers)
        return status, json.loads(reply), headers["x-amzn-ErrorType"]

    def test_signatures_are_those_of_the_vectors(self):
        with open(os.path.join(VECTORS, "sigv4.json"), encoding="utf-8") as file:
            cases = json.load(file)["cases"]
        self.assertTrue(cases)
        for case in cases:
            headers = {**case["headers"], "Host": case["host"], "X-Amz-Date": case["x_amz_date"]}
            names = sorted(name.lower() for name in headers)
            path = case["path"] + ("?" + case["query"] if case.get("query") else "")
            canonical = sigv4.canonical_request(
                case["method"], path, list(headers.items()), names, case["body"].encode()
            )
            self.assertEqual(canonical, case["canonical_request"])
            signature = sigv4.sign(
                case["secret_key"], case["x_amz_date"], case["region"], case["service"], canonical
            )
            self.assertEqual(signature, case["signature"])

    def test_credentials_clock_and_signature_must_be_right(self):
        self.create()
        now = int(self.fake.now() * 1000)
        self.assertEqual(self.put(now)[0], 200)
        refused = {
            "UnrecognizedClientException": {"key": "AKIANOBODY"},
            "InvalidSignatureException": {"secret": "wrong"},
        }
        for name, how in refused.items():
            self.assertEqual(self.call("CreateLogGroup", {"logGroupName": "g"}, **how), (400, name))
        self.fake.clock_ahead_s = 301
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        found = self.call("CreateLogGroup", {"logGroupName": "g"}, date=date)
        self.assertEqual(found, (400, "InvalidSignatureException"))
        self.fake.clock_ahead_s = 0
        self.fake.add_key("ASIA1", "secret", "session")
        self.assertEqual(self.call("CreateLogGroup", {"logGroupName": "g"}, key="ASIA1")[0], 200)
        self.fake.expire("ASIA1")
        found = self.call("CreateLogGroup", {"logGroupName": "g"}, key="ASIA1")
        self.assertEqual(found, (400, "ExpiredTokenException"))
        self.assertEqual(self.segments(["{}"], key="ASIA1")[::2], (403, "ExpiredTokenException"))
        status, reply, _ = self.ask(
            self.fake, "POST", "/", b"{}",
            {"X-Amz-Target": "Logs_20140328.PutLogEvents"},
        )  # fmt: skip
        self.assertEqual(json.loads(reply)["__type"], "MissingAuthenticationTokenException")

    def test_a_batch_must_keep_to_all_limits(self):
        now = int(self.fake.now() * 1000)
        self.assertEqual(self.put(now), (400, "ResourceNotFoundException"))
        self.create()
        again = self.call("CreateLogGroup", {"logGroupName": "cruddur"})
        self.assertEqual(again, (400, "ResourceAlreadyExistsException"))
        bad = "InvalidParameterException"
        self.assertEqual(self.put(now, now - 1), (400, bad))
        self.assertEqual(self.put(now - 24 * 3600 * 1000 - 1, now), (400, bad))
        self.assertEqual(self.put(now, message=""), (400, bad))
        self.assertEqual(self.put(now, message="x" * 1048551), (400, bad))
        self.assertEqual(self.put(*[now] * 2, message="x" * 524263), (400, bad))
        self.assertEqual(self.put(now, message="x" * 1048550)[0], 200)
        self.assertEqual(self.put(), (400, bad))
        self.assertEqual(self.put(now, more=1), (400, "SerializationException"))
        events = [{"timestamp": str(now), "message": "m"}]
        self.assertEqual(self.put(logEvents=events), (400, "SerializationException"))

    def test_what_is_too_old_or_too_new_is_left_out_and_counted(self):
        now = self.create()
        hour = 3600 * 1000
        old = now - 14 * 24 * hour - 1000
        self.assertEqual(
            self.put(old, old + 1, old + hour)[1]["rejectedLogEventsInfo"],
            {"tooOldLogEventEndIndex": 2},
        )
        self.assertEqual(
            self.put(now, now + 3 * hour)[1]["rejectedLogEventsInfo"],
            {"tooNewLogEventStartIndex": 1},
        )
        self.call("PutRetentionPolicy", {"logGroupName": "cruddur", "retentionInDays": 1})
        self.assertEqual(
            self.put(now - 25 * hour, now - 2 * hour)[1]["rejectedLogEventsInfo"],
            {"expiredLogEventEndIndex": 1},
        )
        self.assertEqual((len(self.fake.logs.events), len(self.fake.logs.rejected)), (3, 4))

    def test_documents_are_refused_one_by_one(self):
        good = raw_payload("xray_segment.json").decode().strip()
        sub = raw_payload("xray_subsegment.json").decode().strip()
        status, reply, _ = self.segments([good, sub, good, "{}"])
        self.assertEqual(status, 200)
        self.assertEqual([one["Id"] for one in reply["UnprocessedTraceSegments"]], [None])
        self.assertEqual((len(self.fake.documents), len(self.fake.repeated)), (2, 1))
        self.fake.script([{"unprocessed": {0: "InvalidTraceId"}}])
        _, reply, _ = self.segments([good])
        (one,) = reply["UnprocessedTraceSegments"]
        self.assertEqual((one["Id"], one["ErrorCode"]), ("b2aabed575d8de4b", "InvalidTraceId"))
        self.fake.script([{"status": 429, "error": "ThrottledException"}])
        self.assertEqual(self.segments([good])[::2], (429, "ThrottledException"))
        self.assertEqual(self.segments([good] * 51)[::2], (400, "InvalidRequestException"))

    def test_credentials_are_given_by_imds_container_and_sts(self):
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
        self.assertEqual(self.ask(self.fake, "GET", "/latest/api/token", headers=ttl)[0], 400)
        token = self.ask(self.fake, "PUT", "/latest/api/token", headers=ttl)[1].decode()
        folder = "/latest/meta-data/iam/security-credentials/"
        self.assertEqual(self.ask(self.fake, "GET", folder)[0], 401)
        headers = {"X-aws-ec2-metadata-token": token}
        role = self.ask(self.fake, "GET", folder, headers=headers)[1].decode()
        given = json.loads(self.ask(self.fake, "GET", folder + role, headers=headers)[1])
        found = self.call("CreateLogGroup", {"logGroupName": "g"}, key=given["AccessKeyId"])
        self.assertEqual(found, (200, {}))
        self.assertEqual(self.ask(self.fake, "GET", "/container")[0], 401)
        headers = {"Authorization": self.fake.container_token}
        self.assertEqual(self.ask(self.fake, "GET", "/container", headers=headers)[0], 200)
        query = urllib.parse.urlencode(
            {
                "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15",
                "RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "s",
                "WebIdentityToken": self.fake.web_token,
            }
        )  # fmt: skip
        status, reply, _ = self.ask(self.fake, "GET", "/?" + query)
        self.assertEqual(status, 200)
        self.assertIn(b"<AccessKeyId>ASIA0000000000000003</AccessKeyId>", reply)
        self.assertEqual(self.ask(self.fake, "POST", "/", query[:-1].encode())[0], 400)


class XrayDaemon(FakeCase):
    def setUp(self):
        self.fake = self.start(FakeXrayDaemon())

    def send(self, *datagrams):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for datagram in datagrams:
                udp.sendto(datagram, ("127.0.0.1", self.fake.port))

    def test_it_drops_what_the_daemon_drops_and_refuses_what_x_ray_refuses(self):
        good = raw_payload("xray_udp_datagram.bin")
        document = good.partition(b"\n")[2]
        self.send(
            good,
            b"",
            document,
            b'{"format":"json","version":1}\n',
            b'{"format":"json","version":2}\n' + document,
            b'{"format": "JSON", "version": 1}\n{"id": "1"}',
            b'{"format":"json","version":1}\n' + document,
        )
        fake = self.fake.wait_for(lambda f: f if f.repeated else None)
        self.assertEqual([len(fake.documents), len(fake.rejected), len(fake.refused)], [1, 4, 1])
        self.assertEqual(fake.of_trace("1-6b02b58d-e0617ecba70ed68ac9552d48")[0].name, "cruddur-feedd crash SIGSEGV")

    def test_documents_that_x_ray_or_a_reader_would_trip_over(self):
        good = json.loads(raw_payload("xray_segment.json"))
        compact = {"separators": (",", ":")}
        self.assertIsNone(xray_documents.check(json.dumps(good, **compact)))
        cases = [
            {"id": "B2AABED575D8DE4B"}, {"trace_id": "6b02b58de0617ecba70ed68ac9552d48"},
            {"name": "a|b"}, {"name": "x" * 201}, {"start_time": "1"}, {"end_time": 1.0},
            {"in_progress": True}, {"fault": False}, {"type": "segment"}, {"cause": "no"},
            {"annotations": {"a-b": 1}}, {"annotations": {"a": None}}, {"more": 1},
            {"metadata": {"AWS.x": {}}}, {"cause": {"exceptions": [{"message": "m"}]}},
            {"start_time": 1e300}, {"aws": {"cloudwatch_logs": {"log_group": "g"}}},
            {"annotations": {"a": "x" * 65536}},
        ]  # fmt: skip
        for case in cases:
            with self.subTest(str(case)[:60]):
                self.assertIsNotNone(xray_documents.check(json.dumps({**good, **case}, **compact)))
        later_id = {"annotations": {}, **good}
        later_id = {"cause": good["cause"], **{k: v for k, v in good.items() if k != "cause"}}
        self.assertIn("daemon", xray_documents.check(json.dumps(later_id, **compact)))
        self.assertIn("daemon", xray_documents.check(json.dumps(good)))

    def test_sampling_rules_come_in_pages_and_targets_for_what_was_told(self):
        self.fake.sampling_rules = [{"RuleName": "a"}, {"RuleName": "b"}, {"RuleName": "c"}]
        self.fake.sampling_targets = [{"RuleName": "a", "FixedRate": 0.1}]
        first = json.loads(self.ask(self.fake, "POST", "/GetSamplingRules", b"{}", JSON)[1])
        second = json.loads(
            self.ask(
                self.fake, "POST", "/GetSamplingRules",
                json.dumps({"NextToken": first["NextToken"]}), JSON,
            )[1]
        )  # fmt: skip
        pages = first["SamplingRuleRecords"] + second["SamplingRuleRecords"]
        self.assertEqual([r["SamplingRule"]["RuleName"] for r in pages], ["a", "b", "c"])
        document = {
            "RuleName": "a", "ClientID": "0" * 24, "Timestamp": 1, "RequestCount": 1,
            "SampledCount": 1, "BorrowCount": 0,
        }  # fmt: skip
        body = json.dumps({"SamplingStatisticsDocuments": [document]})
        status, reply, _ = self.ask(self.fake, "POST", "/SamplingTargets", body, JSON)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(reply)["SamplingTargetDocuments"][0]["FixedRate"], 0.1)
        self.assertEqual(len(self.fake.sampling_statistics), 1)

    def test_a_closed_port_refuses_and_comes_back(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect(("127.0.0.1", self.fake.port))
            self.fake.close_port()
            udp.send(b"x")
            with self.assertRaises(ConnectionRefusedError):
                udp.send(b"x")
            self.fake.open_port()
            udp.send(raw_payload("xray_udp_datagram.bin"))
            self.fake.wait_for(lambda f: len(f.documents) == 1)


if __name__ == "__main__":
    unittest.main()
