"""Who sends what no sink expects, and servers that repeat what they were sent: every item is taken by
every sink, and no secret comes out anywhere."""

import copy
import json
import os
import re
import select
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402
from raw_server import OK, RawServer, reply  # noqa: E402

BASE = "rollbar: {retry_min_ms: 20, retry_max_ms: 100}\nlimits: {item_per_minute: 0}\n"
JSON = {"Content-Type": "application/json"}
TRACE = "6b02b58de0617ecba70ed68ac9552d48"

ODD = [
    None, True, False, 0, -1, 1e308, -1e-308, 10**23, 9.99e99, -(2**63), "", "\0", "a\0b",
    "\U0001f600" * 50, "x" * 5000, [], {}, [[]], [{}], {"a": {"b": [1, {"c": None}]}}, "\r\nX-A: 1",
    "\u202e\u2028", "%0d%0a", "1-6b02b58d-e0617ecba70ed68ac9552d48", "0" * 32, "f" * 32,
]  # fmt: skip
PLACES = """
    context fingerprint framework language platform code_version server.host server.root server.pid
    person.username person.email request.url request.method request.user_ip request.headers
    request.headers.traceparent request.headers.Host request.headers.User-Agent
    custom.service custom.trace_id custom.span_id custom.xray_trace_id custom.trace
    custom.trace.flags custom.trace.state custom.trace.xray_parent_id custom.trace.xray_is_local
    custom.trace.xray_sampled custom.trace.xray_cause_id custom.trace.xray_lineage
    custom.trace.started_at custom.native custom.native.kind custom.native.signal custom.native.pid
    custom.native.thread custom.native.thread.tid custom.native.errno custom.native.frames_omitted
    custom.native.executable custom.http_status custom.occurred_at custom.scope custom.scope.a
    attributes body.trace.exception.class body.trace.exception.message body.trace.frames
    notifier notifier.name
""".split()
TWICE = [
    '"custom":{"scope":{"a":"1","a":"2","":"e","\\u0061":"3","a\\u0000b":"4"},"service":"s",'
    '"service":"t","trace":{"state":"a=b","state":"c=d","flags":"01","flags":"00"}}',
    '"attributes":[{"key":"session_id","value":"1"},{"key":"session_id","value":"2"}]',
    f'"custom":{{"trace_id":"{TRACE}","trace_id":"{TRACE[::-1]}","trace_id":7}}',
    '"request":{"url":"a","url":"b","headers":{"Host":"a","host":"b","User-Agent":1}}',
    '"level":"error","level":"critical"',
    '"custom":{"http_status":"404","http_status":500}',
    '"timestamp":1,"timestamp":99999999999999999999',
    '"timestamp":253402300800',
    '"custom":{"occurred_at":"9999-12-31T23:59:59Z"}',
    '"custom":{"native":{"pid":99999999999999999999,"tid":-1,"frames_omitted":1e300,'
    '"kind":"crash","signal":"SIGSEGV\\u0000","thread":{"tid":1e30,"name":["x"]}}}',
]

KEY = "hcaik_01keykeykeyabcdefgh"
BEARER = "bearerTokenOfACollector0123"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLESECRET"
SESSION = "IQoJb3JpZ2luX2VjSESSION/////wEaDGNhLWNlbnRyYWwtMSJHMEUC=="
PASSWORD = "passwordOfAnAddress"
QUERY = "keyInAQuery0123456789"


def item():
    return {
        "uuid": str(uuid.uuid4()),
        "level": "error",
        "environment": "test",
        "custom": {"service": "feedd", "trace_id": TRACE},
        "body": {
            "trace": {
                "exception": {"class": "ValueError", "message": "m"},
                "frames": [{"filename": "feed.py", "lineno": 7, "method": "read"}],
            }
        },
    }


def put(data, place, value):
    *folders, last = place.split(".")
    for name in folders:
        if not isinstance(data.get(name), dict):
            data[name] = {}
        data = data[name]
    data[last] = copy.deepcopy(value)


class HostileSinksTest(towbar.Case):
    def post(self, agent, data):
        text = data if isinstance(data, str) else json.dumps(data)
        body = f'{{"access_token":"{towbar.TOKEN}","data":{text}}}'
        return agent.request("POST", "/api/1/item/", body, JSON)[0]

    def wait_sinks(self, agent, predicate):
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            sinks = json.loads(agent.get("/status")[1])["sinks"]
            if all(predicate(sink) for sink in sinks):
                return sinks
            self.assertLess(time.monotonic(), end, sinks)
            select.select([], [], [], 0.05)

    def test_what_rollbar_takes_every_sink_takes(self):
        rollbar = self.enterContext(FakeRollbar())
        aws = self.enterContext(FakeAws())
        otlp = self.enterContext(FakeOtlp())
        self.write_config(
            BASE + f"otlp: {{endpoint: '{otlp.logs_url}', form: both}}\n"
            "xray: {mode: api, unsampled: send, name_pattern: '*'}\n"
            "cloudwatch: {log_group: g, metrics: true}\n"
        )
        with self.agent(rollbar, **aws.env) as agent:
            taken = 0
            for place in PLACES:
                for value in ODD:
                    data = item()
                    put(data, place, value)
                    taken += self.post(agent, data) == 200
            for members in TWICE:
                text = f'"uuid":"{uuid.uuid4()}","environment":"t","body":{{"message":{{"body":"m"}}}}'
                self.assertEqual(self.post(agent, f"{{{text},{members}}}"), 200, members)
            taken += len(TWICE)
            self.assertGreater(taken, len(PLACES) * len(ODD) // 2)
            # What the agent has answered for may still be on its way to the queues.
            for sink in self.wait_sinks(
                agent, lambda sink: sink["received"] >= taken and sink["queued"] == 0
            ):
                said = sink["name"], sink.get("last_error")
                self.assertEqual((sink["sent"], sink["quarantined"]), (taken, 0), said)
        self.assertEqual(aws.unprocessed, [])

    def test_what_a_server_repeats_comes_out_nowhere(self):
        turn = {}
        own = {"/v1/": [KEY, BEARER], "/x": [SECRET, SESSION], "/g": [SECRET, SESSION]}

        def behave(connection, request):
            path = request.split(b" ", 2)[1].decode()
            words = next((w for start, w in own.items() if path.startswith(start)), None)
            if words is None:
                connection.sendall(reply(body=OK))
                return True
            said = " ".join(words)
            ids = re.findall(rb'\\"id\\":\\"([0-9a-f]{16})', request)
            forms = [  # the last one parks what waits
                (200, {
                    "partialSuccess": {"rejectedLogRecords": "-5", "errorMessage": said},
                    "UnprocessedTraceSegments": [
                        {"Id": id.decode(), "ErrorCode": said, "Message": said} for id in ids
                    ],
                }),
                (500, {"message": said}),
                (400, {"message": said}),
                (400, {"__type": words[-1], "error": {"message": said}}),
                (403, {"__type": "SignatureDoesNotMatch", "message": said}),
            ]  # fmt: skip
            turn[path] = turn.get(path, -1) + 1
            status, body = forms[turn[path] % len(forms)]
            connection.sendall(reply(status, json.dumps(body).encode()))
            return True

        with RawServer(behave) as server:
            at = f"u:{PASSWORD}@127.0.0.1:{server.port}"
            self.write_config(
                BASE + f"otlp: {{endpoint: 'http://{at}/v1/logs?key={QUERY}', form: both,\n"
                f"  traces_endpoint: 'http://{at}/v1/traces', headers: ['authorization: {BEARER}']}}\n"
                f"xray: {{mode: api, unsampled: send, endpoint: 'http://{at}/x'}}\n"
                f"cloudwatch: {{log_group: g, endpoint: 'http://{at}/g'}}\n"
            )
            env = {
                "HONEYCOMB_API_KEY": KEY, "AWS_ACCESS_KEY_ID": "AKID", "AWS_REGION": "eu-west-1",
                "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": SESSION,
                "ROLLBAR_ENDPOINT": server.url(), "ROLLBAR_ACCESS_TOKEN": towbar.TOKEN,
            }  # fmt: skip
            with self.agent(None, None, **env) as agent:
                for _ in range(12):
                    self.assertEqual(self.post(agent, item()), 200)
                    seen = len(server.heads)
                    end = time.monotonic() + 1
                    while len(server.heads) < seen + 3 and time.monotonic() < end:
                        select.select([], [], [], 0.01)
                check = ("check", "--config", self.config, "--state-dir", self.state)
                shown = {
                    "check": self.towbar(*check, check=None, env=self.agent_env(**env)).stdout,
                    "towbar status": self.towbar("status", "--state-dir", self.state, check=None).stdout,
                    **{page: agent.get(page)[1].decode() for page in
                       ("/status", "/metrics", "/", "/items/1")},
                    "log": agent.log,
                }  # fmt: skip
                for folder, _, names in os.walk(self.state):
                    for name in names:
                        with open(os.path.join(folder, name), "rb") as file:
                            shown[name] = file.read().decode("latin-1")
        self.assertIn("(secret)", shown["log"])
        self.assertIn("(key)", shown["log"])
        for where, text in shown.items():
            for secret in (KEY, BEARER, SECRET, SESSION, PASSWORD, QUERY):
                for at in range(len(secret) - 12):
                    self.assertNotIn(secret[at : at + 12], text, where)

    def test_the_login_of_a_proxy_that_cannot_be_read_is_not_quoted(self):
        at = "https://127.0.0.1:9"
        self.write_config(
            BASE + f"otlp: {{endpoint: '{at}/v1/logs'}}\n"
            f"cloudwatch: {{log_group: g, endpoint: '{at}'}}\n"
        )
        env = {
            "https_proxy": f"http://someone:{PASSWORD}#1@127.0.0.1:3128", "no_proxy": "",
            "NO_PROXY": "", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "eu-west-1", "ROLLBAR_ENDPOINT": at + "/api/1/item/",
            "ROLLBAR_ACCESS_TOKEN": towbar.TOKEN,
        }  # fmt: skip
        with self.agent(None, None, **env) as agent:
            self.assertEqual(self.post(agent, item()), 200)
            for sink in self.wait_sinks(agent, lambda sink: sink.get("last_error")):
                self.assertIn("the proxy's address cannot be read", sink["last_error"])
            check = ("check", "--config", self.config, "--state-dir", self.state)
            said = self.towbar(*check, check=None, env=self.agent_env(**env)).stdout
        self.assertIn("the proxy's address cannot be read", said)
        self.assertNotIn(PASSWORD, said + agent.log)


if __name__ == "__main__":
    unittest.main()
