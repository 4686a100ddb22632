"""One trace ID in four systems: an error of a C daemon and one that was forwarded are found by it in
Rollbar, OTLP, X-Ray and CloudWatch Logs. Any of the four may be away, hang or fail: it gets all
later, each item as often as its protocol forces, and the others do not wait for it.

"Do not wait" is told by order, not by time: the others have everything while this one is still away.
"""

import collections
import http.client
import json
import os
import re
import signal
import sys
import unittest
import uuid as uuids

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402
from fake_xray_daemon import FakeXrayDaemon  # noqa: E402

FEEDS = os.path.join(towbar.SOURCE, "samples", "cruddur", "feeds")
ROLLBAR, OTLP, XRAY, LOGS = SINKS = "rollbar", "otlp", "xray", "cloudwatch"
GROUP = "cruddur"
SETTINGS = {
    ROLLBAR: "rollbar: {{endpoint: '{rollbar}', access_token: {token}, retry_min_ms: 20, retry_max_ms: 100}}\n",
    OTLP: "otlp: {{endpoint: '{otlp}/v1/logs'}}\n",
    XRAY: "xray: {{mode: {mode}, address: '{daemon}', endpoint: '{xray}'}}\n",
    LOGS: f"cloudwatch: {{{{log_group: {GROUP}, endpoint: '{{logs}}'}}}}\n",
}


def nothing_waits(status):
    """Not in Rollbar's queue, nor in that of another sink that is on."""
    return all(sink.get("queued", 0) == 0 for sink in status["sinks"] if sink["state"] != "off")


class Trace:
    """A request's two IDs, which may be one."""

    def __init__(self, is_one=True):
        self.id = f"{0x6B02B58D:08x}" + uuids.uuid4().hex[:24]
        other = self.id if is_one else f"{0x6B02B58E:08x}" + uuids.uuid4().hex[:24]
        self.xray_id = f"1-{other[:8]}-{other[8:]}"
        self.span = uuids.uuid4().hex[:16]
        self.segment = uuids.uuid4().hex[:16]

    def headers(self):
        return {
            "traceparent": f"00-{self.id}-{self.span}-01",
            "X-Amzn-Trace-Id": f"Root={self.xray_id};Parent={self.segment};Sampled=1",
        }

    def forwarded(self, message="in Flask"):
        """What pyrollbar sends with the IDs of both SDKs, read inside the request."""
        frame = {"filename": "app.py", "lineno": 34, "method": "data_home"}
        return {
            "uuid": str(uuids.uuid4()), "environment": "test", "level": "error",
            "language": "python 3.13", "framework": "flask",
            "body": {
                "trace": {
                    "frames": [frame],
                    "exception": {"class": "FeedUnavailable", "message": message},
                }
            },
            "custom": {
                "service": "backend-flask", "trace_id": self.id, "span_id": self.span,
                "xray_trace_id": self.xray_id,
                "trace": {
                    "flags": "01", "xray_parent_id": self.segment, "xray_is_local": True,
                    "xray_sampled": "1",
                },
            },
        }  # fmt: skip


class FourSystems(towbar.Case):
    def setUp(self):
        super().setUp()
        self.rollbar = self.begin(FakeRollbar(token=towbar.TOKEN))
        self.otlp = self.begin(FakeOtlp())
        self.xray = self.begin(FakeAws())
        self.logs = self.begin(FakeAws())
        self.daemon = self.begin(FakeXrayDaemon())
        self.fakes = dict(zip(SINKS, (self.rollbar, self.otlp, self.xray, self.logs)))

    def begin(self, fake):
        fake.start()
        self.addCleanup(fake.stop)
        return fake

    def write_sinks(self, sinks=SINKS, mode="api", more=""):
        places = {
            "rollbar": self.rollbar.url, "otlp": self.otlp.url, "xray": self.xray.url,
            "logs": self.logs.url, "daemon": self.daemon.address, "token": towbar.TOKEN, "mode": mode,
        }  # fmt: skip
        self.write_config("".join(SETTINGS[sink].format(**places) for sink in sinks) + more)

    def aws_agent(self):
        env = self.logs.env
        del env["AWS_ENDPOINT_URL"]
        return self.agent(**env)

    def feedd(self):
        feedd = self.start(towbar.binary("feedd"), "0", FEEDS)
        port = int(re.search(r"127\.0\.0\.1:(\d+)", feedd.stdout.readline()).group(1))
        return feedd, port

    def ask(self, port, user, trace):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", f"/feed?user={user}", headers=trace.headers())
            return connection.getresponse().status
        except (ConnectionError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def post(self, agent, *items):
        for data in items:
            body = json.dumps({"data": data})
            status, reply = agent.request("POST", "/api/1/item/", body)
            self.assertEqual(status, 200, reply)
        return [data["uuid"] for data in items]

    # ---- what came to each ----

    def came_to(self, sink):
        """uuid: how often it came."""
        if sink == ROLLBAR:
            found = [o.uuid for o in self.rollbar.occurrences] + self.rollbar.duplicates
        elif sink == OTLP:
            found = [r.uuid for r in self.otlp.records] + self.otlp.duplicates
        elif sink == XRAY:
            whole = [*self.xray.documents, *self.xray.repeated]
            whole += [*self.daemon.documents, *self.daemon.repeated]
            found = [d.annotations["rollbar_uuid"] for d in whole]
        else:
            found = [json.loads(event.message)["rollbar_uuid"] for event in self.logs.logs.events]
        return collections.Counter(uuid.replace("-", "") for uuid in found)

    def wait_all(self, sinks, wanted, fake=None):
        """Until each of those has them all; told by the fakes, which are woken by what comes."""
        wanted = {uuid.replace("-", "") for uuid in wanted}
        for sink in sinks:
            (fake or self.fakes[sink]).wait_for(
                lambda _, sink=sink: wanted <= set(self.came_to(sink)), towbar.DEADLINE_S
            )

    def assert_once(self, sink, uuids_):
        wanted = collections.Counter(uuid.replace("-", "") for uuid in uuids_)
        self.assertEqual(self.came_to(sink), wanted, sink)

    def assert_nothing_odd(self):
        self.assertEqual(self.rollbar.warnings, [])
        self.assertEqual(self.daemon.rejected + self.daemon.refused, [])
        self.assertEqual(self.xray.unprocessed, [])
        self.assertEqual(self.logs.logs.rejected, [])

    def document(self, xray_id, uuid):
        documents = self.daemon.documents + self.xray.documents
        (found,) = [
            d for d in documents
            if d.trace_id == xray_id and d.annotations["rollbar_uuid"].replace("-", "") == uuid
        ]  # fmt: skip
        return found

    def find(self, trace, uuid):
        """The same error in the four systems, by the trace ID that each has."""
        uuid = uuid.replace("-", "")
        (item,) = [
            o.data for o in self.rollbar.occurrences
            if o.data["custom"]["trace_id"] == trace.id and o.uuid.replace("-", "") == uuid
        ]  # fmt: skip
        (record,) = [r for r in self.otlp.of_trace(trace.id) if r.uuid.replace("-", "") == uuid]
        _, lines = self.logs.of_trace(trace.xray_id)
        (line,) = [
            line for line in (json.loads(event.message) for event in lines)
            if line["rollbar_uuid"].replace("-", "") == uuid
        ]  # fmt: skip
        return item, record, self.document(trace.xray_id, uuid), line


class OneError(FourSystems):
    def check(self, mode, trace):
        self.write_sinks(mode=mode)
        with self.aws_agent() as agent:
            feedd, port = self.feedd()
            (forwarded,) = self.post(agent, trace.forwarded())
            self.assertIsNone(self.ask(port, "crash", trace))
            self.assertEqual(feedd.wait(towbar.DEADLINE_S), -signal.SIGSEGV)
            self.rollbar.wait_for(lambda fake: len(fake.occurrences) == 2, towbar.DEADLINE_S)
            crash = next(o.uuid for o in self.rollbar.occurrences if o.uuid != forwarded)
            self.wait_all((OTLP, LOGS), [forwarded, crash])
            place = self.daemon if mode == "daemon" else self.xray
            self.wait_all((XRAY,), [forwarded, crash], place)
            self.wait_status(nothing_waits)
        for sink in SINKS:
            self.assert_once(sink, [forwarded, crash])
        self.assert_nothing_odd()
        self.check_crash(trace, *self.find(trace, crash))
        self.check_forwarded(trace, *self.find(trace, forwarded))
        self.check_columns(trace, crash, "feedd")
        self.check_columns(trace, forwarded, "backend-flask")

    def check_columns(self, trace, uuid, service):
        """What a person at Honeycomb sees: an event of the span that was active."""
        (event,) = [e for e in self.otlp.events if e["data"]["rollbar.occurrence.uuid"] == uuid]
        data = event["data"]
        self.assertEqual((event["dataset"], data["service.name"]), (service, service))
        self.assertEqual(
            (data["trace.trace_id"], data["trace.parent_id"], data["meta.annotation_type"]),
            (trace.id, trace.span, "span_event"),
        )
        self.assertIs(data["error"], True)
        self.assertEqual(data["name"], "exception")
        self.assertLessEqual(
            {"exception.type", "exception.message", "exception.stacktrace", "severity"}, set(data)
        )

    def check_crash(self, trace, item, record, document, line):
        self.assertEqual(item["custom"]["xray_trace_id"], trace.xray_id)
        self.assertEqual(item["body"]["trace"]["frames"][-1]["method"], "queue_push")
        self.assertEqual(record.resource["service.name"], "feedd")
        self.assertEqual(record.span_id, trace.span)
        self.assertIn("queue_push", record.attributes["exception.stacktrace"])
        # A segment of its own, below the caller's, that names the log group.
        self.assertFalse(document.is_subsegment)
        self.assertEqual((document.name, document.raw["parent_id"]), ("feedd", trace.segment))
        self.assertEqual(document.raw["aws"]["cloudwatch_logs"], [{"log_group": GROUP}])
        self.assertEqual(document.exceptions[0]["stack"][0]["label"], "queue_push")
        self.assertTrue(document.raw["fault"])
        self.assertEqual((line["trace_id"], line["xray_trace_id"]), (trace.id, trace.xray_id))
        self.assertEqual((line["service"], line["function"]), ("feedd", "queue_push"))

    def check_forwarded(self, trace, item, record, document, line):
        self.assertEqual(record.resource["service.name"], "backend-flask")
        self.assertEqual(record.attributes["exception.type"], "FeedUnavailable")
        self.assertEqual(record.span_id, trace.span)
        # Below the open segment of the same process, so no node of its own.
        self.assertTrue(document.is_subsegment)
        self.assertEqual(document.raw["parent_id"], trace.segment)
        self.assertEqual((line["service"], line["error_class"]), ("backend-flask", "FeedUnavailable"))

    def test_one_id_by_the_daemon(self):
        self.check("daemon", Trace())

    def test_two_ids_by_the_api(self):
        self.check("api", Trace(is_one=False))


class OneIsDown(FourSystems):
    """Three ways to be away, for each of the four in turn, in one life of the agent."""

    OPS = {XRAY: "PutTraceSegments", LOGS: "PutLogEvents"}

    def refuse(self, sink):
        self.fakes[sink].close_port()
        return self.fakes[sink].open_port

    def hang(self, sink):
        self.fakes[sink].script([{"hang": True, "repeat": -1}])

        def mend():
            self.fakes[sink].script([])
            self.fakes[sink].release()

        return mend

    def fail(self, sink):
        status = {"status": 503, "repeat": -1}
        self.fakes[sink].script([{**status, "error": "ServiceUnavailableException"}])
        return lambda: self.fakes[sink].script([])

    def test_the_others_have_all_while_one_is_away_and_it_has_all_later(self):
        self.write_sinks()
        sent = []
        with self.aws_agent() as agent:
            sent += self.post(agent, Trace().forwarded())
            self.wait_all(SINKS, sent)
            for sink in SINKS:
                for way in (self.refuse, self.hang, self.fail):
                    with self.subTest(f"{sink} {way.__name__}"):
                        sent += self.one(agent, sink, way, sent)
            self.wait_status(nothing_waits)
        for sink in SINKS:
            self.assert_once(sink, sent)
        self.assert_nothing_odd()

    def one(self, agent, sink, way, before):
        mend = way(sink)
        try:
            new = self.post(agent, *(Trace().forwarded() for _ in range(3)))
            self.wait_all([other for other in SINKS if other != sink], before + new)
            self.assertFalse(set(self.came_to(sink)) & {uuid.replace("-", "") for uuid in new})
        finally:
            mend()
        self.wait_all([sink], before + new)
        return new


class DaemonIsDown(FourSystems):
    """X-Ray's daemon answers nothing, so that what it did not hear is lost. A port that is closed
    refuses, which is told of the datagram before: then the others wait."""

    def test_a_closed_port_loses_one_error_at_most_and_holds_up_nobody(self):
        self.write_sinks(mode="daemon")
        others = (ROLLBAR, OTLP, LOGS)
        with self.aws_agent() as agent:
            sent = self.post(agent, Trace().forwarded())
            self.wait_all((XRAY,), sent, self.daemon)
            self.daemon.close_port()
            away = []
            for _ in range(4):
                away += self.post(agent, Trace().forwarded())
                self.wait_all(others, sent + away)
            self.daemon.open_port()
            after = self.post(agent, Trace().forwarded())
            self.wait_all((XRAY,), after, self.daemon)
            least = len(sent + away + after) - 1
            self.daemon.wait_for(lambda _: len(self.came_to(XRAY)) >= least, towbar.DEADLINE_S)
        self.assertEqual(set(self.came_to(XRAY).values()), {1})
        self.assert_nothing_odd()


class Killed(FourSystems):
    def test_nothing_is_lost_when_the_agent_dies_while_all_are_away(self):
        self.write_sinks()
        for fake in self.fakes.values():
            fake.close_port()
        agent = self.aws_agent().wait_ready()
        sent = self.post(agent, *(Trace().forwarded() for _ in range(5)))
        agent.kill9()
        agent = self.aws_agent().wait_ready()
        sent += self.post(agent, Trace().forwarded())
        agent.kill9()
        for fake in self.fakes.values():
            fake.open_port()
        with self.aws_agent():
            self.wait_all(SINKS, sent)
            self.wait_status(nothing_waits)
        for sink in SINKS:
            self.assert_once(sink, sent)
        self.assert_nothing_odd()

    def test_what_came_twice_is_what_was_under_way(self):
        """Each took it and died before its answer: so did the agent."""
        self.write_sinks()
        agent = self.aws_agent().wait_ready()
        before = self.post(agent, Trace().forwarded())
        self.wait_all(SINKS, before)
        self.wait_status(nothing_waits)
        for fake in self.fakes.values():
            fake.script([{"cut": "before-reply"}])
        sent = self.post(agent, Trace().forwarded())
        self.wait_all(SINKS, sent)
        agent.kill9()
        with self.aws_agent() as agent:
            self.wait_status(nothing_waits)
        for sink in SINKS:
            came = self.came_to(sink)
            self.assertEqual(came[before[0].replace("-", "")], 1, sink)
            # Once, again as the first answer was lost, and again as the agent died over the next.
            self.assertIn(came[sent[0].replace("-", "")], (1, 2, 3), sink)
        self.assertEqual(len(self.rollbar.occurrences), 2)  # told apart by uuid
        self.assertEqual(len(self.xray.documents), 2)  # the same ID


class Reload(FourSystems):
    def test_a_sink_is_turned_off_and_on_without_a_restart(self):
        self.write_sinks((ROLLBAR, LOGS))
        with self.aws_agent() as agent:
            first = self.post(agent, Trace().forwarded())
            self.wait_all((ROLLBAR, LOGS), first)
            self.write_sinks()
            self.reload(agent)
            second = self.post(agent, Trace().forwarded())
            self.wait_all(SINKS[1:3], second)
            self.wait_all((ROLLBAR, LOGS), first + second)
            self.write_sinks((ROLLBAR, OTLP))
            self.reload(agent)
            third = self.post(agent, Trace().forwarded())
            self.wait_all((ROLLBAR,), first + second + third)
            self.wait_all((OTLP,), second + third)
            self.wait_status(nothing_waits)
        self.assert_once(ROLLBAR, first + second + third)
        self.assert_once(OTLP, second + third)
        self.assert_once(XRAY, second)
        self.assert_once(LOGS, first + second)
        self.assert_nothing_odd()

    def reload(self, agent):
        before = self.status().get("reload")
        agent.process.send_signal(signal.SIGHUP)
        self.wait_status(lambda status: status.get("reload") != before)


if __name__ == "__main__":
    unittest.main()
