"""Honeycomb's own refinery between towbard and an API as Honeycomb has one. It comes in no registry:
TOWBAR_REFINERY names a program that was built of its source, else nothing is run.

Whatever is sent, the columns that come out are those that tests/support/honeycomb_events.py, which
always runs, says that a person finds there."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
import uuid as uuids

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from honeycomb_api import HoneycombApi  # noqa: E402
from test_flask import CruddurCase  # noqa: E402

REFINERY = os.environ.get("TOWBAR_REFINERY", "")
KEY = "hcaik_" + "0123456789abcdef" * 3
CLASSIC = "0123456789abcdef" * 2
TRACE, SPAN = "6b02b58de0617ecba70ed68ac9552d48", "53995c3f42cd8ad8"
SINKS = os.path.join(towbar.SOURCE, "tests", "data", "sinks")
HARD = os.path.join(towbar.SOURCE, "tests", "interop", "clients", "hard.json")
SETTINGS = """
General: {{ConfigurationVersion: 2, MinRefineryVersion: v2.0}}
Network: {{ListenAddr: '127.0.0.1:{0}', PeerListenAddr: '127.0.0.1:{1}', HoneycombAPI: '{2}'}}
GRPCServerParameters: {{Enabled: false}}
Traces: {{SendDelay: 100ms, TraceTimeout: 1s, SendTicker: 20ms, BatchTimeout: 40ms}}
"""
NOWHERE = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
ALL = "DeterministicSampler: {SampleRate: 1}"
ERRORS = """RulesBasedSampler:
      Rules:
        - {Name: errors, SampleRate: 1, Conditions: [{Field: error, Operator: '=', Value: true}]}
        - {Name: others, Drop: true}"""


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Tap(FakeOtlp):
    """Takes what towbard sends as strictly as always, and passes it on byte for byte."""

    def __init__(self, port):
        super().__init__()
        self.upstream = port

    def take(self, request):
        status, reply, headers = super().take(request)
        if status != 200:
            return status, reply, headers
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=30)
        try:
            connection.request("POST", request.path, request.body, dict(request.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"]}
        finally:
            connection.close()


ADDED = ("meta.refinery.", "meta.trace_id", "meta.span_count")
IDS = ("trace.trace_id", "trace.span_id", "trace.parent_id")


def columns(data):
    """Those that are not of refinery itself, with the IDs as they were sent: those of spans in JSON
    husky 0.43 takes for base64 (docs/how-to/honeycomb.md)."""
    found = {name: value for name, value in data.items() if not name.startswith(ADDED)}
    for name in IDS:
        if len(found.get(name, "")) in (24, 48):
            found[name] = base64.b64encode(bytes.fromhex(found[name])).decode()
    return found


def comparable(dataset, time_unix_nano, data):
    return dataset, int(time_unix_nano), json.dumps(columns(data), sort_keys=True)


def item(n=0, **more):
    data = {
        "uuid": str(uuids.uuid4()), "environment": "test", "level": "error",
        "timestamp": int(time.time()), "code_version": "1.2", "server": {"host": "web-1"},
        "custom": {"service": "backend-flask", "trace_id": TRACE, "span_id": SPAN},
        "body": {"trace": {"exception": {"class": "KeyError", "message": f"no {n}"},
                           "frames": [{"filename": "app.py", "lineno": n + 1, "method": "home"}]}},
    }  # fmt: skip
    return {**data, **more}


def message(text, **more):
    return item(body={"message": {"body": text}}, **more)


def vector(name):
    with open(os.path.join(SINKS, name + ".json"), encoding="utf-8") as file:
        return {**item(), **json.load(file), "uuid": str(uuids.uuid4())}


def corpus():
    """Of everything that an item may be, one."""
    with open(HARD, encoding="utf-8") as file:
        hard = json.load(file)
    long = "Žluť\u0000\u2028\U0001f9e8\\\"\n" * 9000
    chain = [
        {"exception": {"class": f"Error{n}", "message": f"cause {n}"},
         "frames": [{"filename": f"/srv/a{n}.py", "lineno": n + 1, "method": "run", "colno": 3}]}
        for n in range(3)
    ]  # fmt: skip
    custom = {"service": "backend-flask"}
    frames = [{"filename": "/srv/" + "d/" * 60, "lineno": n, "method": "f" * 300} for n in range(400)]
    found = [vector(name) for name in ("crash", "flask", "message")]
    found += [message("plain", level=level) for level in ("debug", "info", "warning", "critical")]
    found += [
        item(1), item(2, level="critical"), item(3, body={"trace_chain": chain}),
        item(4, custom=custom), message("outside of all traces", custom=custom),
        item(5, custom={}), message("of no service, of no trace", custom={}),
        item(6, custom={"service": " unknown_service:x ", "trace_id": TRACE}),
        item(7, custom={"service": "příliš/žluťoučký kůň %2F?#", "trace_id": TRACE}),
        item(8, custom={**custom, "trace_id": "0" * 16 + SPAN, "span_id": SPAN}),
        item(9, custom={**custom, "xray_trace_id": "1-6b02b58d-e0617ecba70ed68ac9552d48"}),
        item(10, custom={**custom, **hard}), message(long),
        item(11, body={"trace": {"exception": {"class": "E", "message": long}, "frames": frames}}),
        item(12, custom={**custom, "scope": {"sampleRate": "7", "name": "x", "": "empty", "a.b": "<&>"}}),
        item(13, request={"url": "https://a.example/?q=\u00e9", "method": "POST", "user_ip": "::1",
                          "headers": {"User-Agent": "curl/7"}}, person={"id": "1", "email": "a@b"}),
        item(14, custom={**custom, "trace_id": TRACE, "trace": {"state": "ot=th:c;rv:1,x=1"}}),
    ]  # fmt: skip
    return found


@unittest.skipUnless(REFINERY, "TOWBAR_REFINERY names no program")
class Refinery(CruddurCase):
    sampler = ALL
    access = ""

    def setUp(self):
        super().setUp()
        self.api = HoneycombApi({KEY: "production", CLASSIC: ""}).start()
        self.addCleanup(self.api.stop)
        self.start_refinery()
        self.tap = Tap(self.port).start()
        self.addCleanup(self.tap.stop)

    def start_refinery(self, port=0):
        free, peer = free_ports(2)
        self.port = port or free
        for name, text in (
            ("config.yaml", SETTINGS.format(self.port, peer, self.api.url) + self.access),
            ("rules.yaml", f"RulesVersion: 2\nSamplers:\n  __default__:\n    {self.sampler}\n"),
        ):
            with open(self.path(name), "w", encoding="ascii") as file:
                file.write(text)
        argv = [REFINERY, "-c", self.path("config.yaml"), "-r", self.path("rules.yaml")]
        self.log = open(self.path("refinery.log"), "w+", encoding="utf-8")
        self.addCleanup(self.log.close)
        env = towbar.clean_environment(self.path("home"))
        self.refinery = subprocess.Popen(argv, env=env, stdout=self.log, stderr=self.log)
        self.addCleanup(self.refinery.wait)
        self.addCleanup(self.refinery.kill)
        end = time.monotonic() + towbar.DEADLINE_S
        while not self.is_ready():
            self.assertIsNone(self.refinery.poll(), self.words())
            self.assertLess(time.monotonic(), end, self.words())
            time.sleep(0.02)  # it tells nobody

    def is_ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def words(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def sends_to(self, url, form="log", key=KEY, more="", **env):
        """A running agent that takes url for Honeycomb."""
        self.write_config(
            f"otlp: {{form: {form}, honeycomb_key: '{key}'}}\n{more}"
            "rollbar: {retry_min_ms: 20, retry_max_ms: 200}\n"
        )
        return self.agent(None, None, OTEL_EXPORTER_OTLP_ENDPOINT=url, **env)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def post(self, agent, *items):
        for data in items:
            reply = agent.request("POST", "/api/1/item/", json.dumps({"data": data}))
            self.assertEqual(reply[0], 200, reply)

    def all_sent(self):
        return self.wait_status(
            lambda status: all(s["queued"] == 0 for s in status["sinks"] if "otlp" in s["name"])
        )

    def check_all(self, n):
        """What the API has is what was predicted of what was sent: n events."""
        self.tap.wait_for(lambda tap: len(tap.events) >= n)
        self.api.wait_for(lambda api: len(api.events) >= n)
        self.all_sent()
        real = [comparable(e.dataset, e.time_unix_nano, e.data) for e in self.api.events]
        fake = [comparable(*event.values()) for event in self.tap.events]
        extra = sorted(event for event in real if event not in fake)
        lacking = sorted(event for event in fake if event not in real)
        for found, predicted in zip(extra, lacking):
            self.assertEqual(found[:2], predicted[:2])
            self.assertEqual(json.loads(found[2]), json.loads(predicted[2]))
        self.assertEqual(sorted(real), sorted(fake))
        self.assertEqual({event.sample_rate for event in self.api.events}, {1})
        self.assertEqual({request.status for request in self.tap.requests}, {200})
        self.assertEqual([r.status for r in self.api.requests if r.status != 200], [])


class Columns(Refinery):
    def check(self, form, per_item, **how):
        items = corpus()
        with self.sends_to(self.tap.url, form, **how) as agent:
            self.post(agent, *items)
            self.check_all(per_item * len(items))

    def test_of_log_records(self):
        """With the one column that is a list."""
        self.check("log", 1, more="cloudwatch: {log_group: /cruddur/errors}\n", **NOWHERE)
        lists = {event.data["aws.log.group.names"] for event in self.api.events}
        self.assertEqual(lists, {'["/cruddur/errors"]\n'})

    def test_of_spans(self):
        self.check("span", 2)

    def test_of_both_with_a_classic_key_plainly(self):
        self.check(
            "both", 3, key=CLASSIC, HONEYCOMB_DATASET="cruddur", OTEL_EXPORTER_OTLP_COMPRESSION="none"
        )
        services = {e.dataset for e in self.api.events if e.data["meta.signal_type"] == "log"}
        self.assertIn("backend-flask", services)
        spans = {e.dataset for e in self.api.events if e.data["meta.signal_type"] == "trace"}
        self.assertEqual(spans, {"cruddur"})

    def test_of_items_without_a_service(self):
        with self.sends_to(self.tap.url, HONEYCOMB_DATASET="lost and found") as agent:
            self.post(agent, item(custom={}), message("no", custom={"service": "backend-flask"}))
            self.check_all(2)
        found = sorted(event.dataset for event in self.api.events)
        self.assertEqual(found, ["backend-flask", "lost and found"])


class Cruddur(Refinery):
    """Straight, with nothing between."""

    def test_the_error_is_found_by_its_trace_id(self):
        headers = f"x-honeycomb-team={KEY}"
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_EXPORTER_OTLP_HEADERS": headers}
        with self.agent(self.fake, **env) as agent:
            feedd, address = self.start_feedd()
            backend = self.flask(self.env(agent, "pyrollbar", address))
            header = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
            self.assertEqual(backend.get("/api/activities/home?user=crash", **header)[0], 500)
            self.assertEqual(feedd.wait(towbar.DEADLINE_S), -signal.SIGSEGV)
            self.api.wait_for(lambda api: len(api.of_trace(TRACE)) >= 2)
            self.all_sent()
        by_dataset = {event.dataset: event.data for event in self.api.of_trace(TRACE)}
        self.assertEqual(len(self.api.events), 2)
        crash, flask = by_dataset["feedd"], by_dataset["backend-flask"]
        for data in (crash, flask):
            self.assertEqual((data["name"], data["error"]), ("exception", True))
            self.assertEqual(data["meta.annotation_type"], "span_event")
            self.assertRegex(data["meta.refinery.incoming_user_agent"], "^towbar")
        self.assertEqual((crash["severity"], flask["severity"]), ("fatal", "error"))
        self.assertEqual(crash["exception.type"], "SIGSEGV")
        self.assertIn("queue.c", crash["exception.stacktrace"])
        self.assertEqual(flask["exception.type"], "FeedUnavailable")


class Sampled(Refinery):
    sampler = ERRORS

    def test_a_rule_on_error_keeps_traces_with_errors(self):
        other = "0af7651916cd43dd8448eb211c80319c"
        with self.sends_to(self.url) as agent:
            self.post(agent, message("dropped", level="info", custom={"trace_id": other}), item(1))
            self.post(agent, message("kept with the error", level="info"))
            self.api.wait_for(lambda api: len(api.events) >= 2)
            self.all_sent()
        self.assertEqual({e.data["trace.trace_id"] for e in self.api.events}, {TRACE})
        self.assertEqual({e.data["meta.signal_type"] for e in self.api.events}, {"log"})


class Answers(Refinery):
    access = f"AccessKeys: {{ReceiveKeys: ['{KEY}', '{CLASSIC}'], AcceptOnlyListedKeys: true}}"

    def test_a_key_that_it_does_not_take_parks_all_until_it_does(self):
        with self.sends_to(self.url, key="hcaik_" + "f" * 52) as agent:
            self.post(agent, item(1))
            agent.wait_log("refused, all for it waits")
            self.write_config(f"otlp: {{honeycomb_key: '{KEY}'}}\n")
            agent.process.send_signal(signal.SIGHUP)
            self.api.wait_for(lambda api: api.events)
            self.all_sent()
        self.assertEqual(len(self.api.events), 1)

    def test_spans_of_a_classic_key_wait_for_a_dataset(self):
        with self.sends_to(self.url, "both", CLASSIC) as agent:
            self.post(agent, item(1))
            agent.wait_log("missing 'x-honeycomb-dataset' header")
            self.api.wait_for(lambda api: api.events)  # the log record goes by its service
            self.write_config(f"otlp: {{form: both, honeycomb_key: '{CLASSIC}', dataset: app}}\n")
            agent.process.send_signal(signal.SIGHUP)
            self.api.wait_for(lambda api: len(api.events) == 3)
            self.all_sent()
        found = sorted((event.dataset, event.data["name"]) for event in self.api.events)
        expected = [("app", "exception"), ("app", "exception KeyError"), ("backend-flask", "exception")]
        self.assertEqual(found, expected)

    def test_while_it_is_away_all_waits(self):
        with self.sends_to(self.url) as agent:
            self.refinery.kill()
            self.refinery.wait()
            self.post(agent, *(item(n) for n in range(5)))
            self.wait_status(lambda status: any(s["queued"] == 5 for s in status["sinks"]))
            self.start_refinery(self.port)
            self.api.wait_for(lambda api: len(api.events) >= 5)
            self.all_sent()
        uuids = {event.data["rollbar.occurrence.uuid"] for event in self.api.events}
        self.assertEqual((len(self.api.events), len(uuids)), (5, 5))


class Silent(Refinery):
    """Of its 200 nothing follows: docs/how-to/honeycomb.md says so."""

    def test_it_takes_what_honeycomb_does_not_let_it_pass_on(self):
        with self.sends_to(self.url, key="hcaik_" + "f" * 52) as agent:
            self.post(agent, item(1))
            self.api.wait_for(lambda api: [r for r in api.requests if r.status == 401])
            (sink,) = [s for s in self.all_sent()["sinks"] if s["sent"]]
        self.assertEqual((sink["name"], sink["sent"]), ("otlp", 1))
        self.assertEqual(self.api.events, [])

    def test_it_gives_up_when_honeycomb_has_refused_twice(self):
        step = {"op": "batch", "status": 429, "headers": {"Retry-After": "0.05"}, "repeat": 2}
        self.api.script([step])
        with self.sends_to(self.url) as agent:
            self.post(agent, message("lost", custom={}))
            self.api.wait_for(lambda api: [r.status for r in api.requests].count(429) == 2)
            self.post(agent, message("here", custom={}))
            self.api.wait_for(lambda api: api.events)
            self.all_sent()
        self.assertEqual([event.data["body"] for event in self.api.events], ["here"])


if __name__ == "__main__":
    unittest.main()
