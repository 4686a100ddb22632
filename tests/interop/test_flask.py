"""Cruddur's backend with real Flask, gunicorn, pyrollbar, OpenTelemetry and X-Ray SDKs, in front of
feedd: every error arrives exactly once, with the trace of the crash it was part of."""

import concurrent.futures
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

BACKEND = os.path.join(towbar.SOURCE, "samples", "cruddur", "backend-flask")
FEEDS = os.path.join(towbar.SOURCE, "samples", "cruddur", "feeds")
TOKEN = towbar.TOKEN
N_TRACES = 40


def trace_id(n):
    return f"{n + 1:032x}"


def traceparent(n):
    return f"00-{trace_id(n)}-00f067aa0ba902b7-01"


class Backend:
    """flask run or gunicorn; the port is the kernel's, handed down or read from what it says."""

    def __init__(self, case, *command, **env):
        self.log_path = case.path(f"backend-{time.monotonic_ns()}.log")
        self.process = None
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-B", "-m", *command], cwd=BACKEND, env=env, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        case.addCleanup(self.kill)
        self.port = int(self.wait_log(r"http://127\.0\.0\.1:(\d+)").group(1))
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            try:
                assert self.get("/api/health")[0] == 200
                return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise AssertionError(self.log()) from None
                time.sleep(0.05)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_log(self, pattern):
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            found = re.search(pattern, self.log())
            if found:
                return found
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"no {pattern!r} in:\n{self.log()}")
            time.sleep(0.05)

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(towbar.DEADLINE_S)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class CruddurCase(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def start_feedd(self):
        feedd = self.start(towbar.binary("feedd"), "0", FEEDS)
        return feedd, re.search(r"127\.0\.0\.1:\d+", feedd.stdout.readline()).group()

    def env(self, agent, reporter, feedd="127.0.0.1:1"):
        agent.wait_log("is up: http://127.0.0.1:")
        address = re.search(r"is up: (http://127\.0\.0\.1:\d+)", agent.log).group(1)
        return dict(
            self.program_env(TOWBAR_SERVICE="backend-flask", TOWBAR_ROOT=BACKEND),
            REPORTER=reporter, TOWBAR_ENDPOINT=address + "/api/1/", FEEDD_URL=f"http://{feedd}",
            ROLLBAR_ENVIRONMENT="test",
        )  # fmt: skip

    def flask(self, env):
        return Backend(self, "flask", "run", "--port", "0", **env)

    def gunicorn(self, env, *flags, app="app:app"):
        return Backend(
            self, "gunicorn", "--preload", "--workers", "3", "--bind", "127.0.0.1:0", *flags, app,
            **env,
        )  # fmt: skip

    def arrived(self, n):
        self.fake.wait_for(lambda fake: len(fake.occurrences) >= n)
        self.assert_clean(self.fake)
        self.assertEqual(len(self.fake.occurrences), n)
        return [occurrence.data for occurrence in self.fake.occurrences]

    @staticmethod
    def of(found, service):
        return [d for d in found if d["custom"].get("service") == service]


class OneRequest(CruddurCase):
    """What one request makes of feedd's crash, by both clients and both servers."""

    def check(self, reporter, start):
        with self.agent(self.fake) as agent:
            feedd, address = self.start_feedd()
            backend = start(self.env(agent, reporter, address))
            status, body = backend.get("/api/activities/home")
            self.assertEqual((status, json.loads(body)[0]["handle"]), (200, "andrew"))
            self.assertEqual(backend.get("/rollbar/test"), (200, b"Hello World!"))
            crash = backend.get("/api/activities/home?user=crash", traceparent=traceparent(1))
            self.assertEqual(crash[0], 500)
            self.assertEqual(feedd.wait(towbar.DEADLINE_S), -signal.SIGSEGV)
            found = self.arrived(3)
            backend.stop()
        (native,) = self.of(found, "feedd")
        self.assertEqual(native["custom"]["trace_id"], trace_id(1))
        message, error = sorted(
            self.of(found, "backend-flask"), key=lambda d: "message" not in d["body"]
        )
        self.assertEqual(message["body"]["message"]["body"], "Hello World!")
        self.assertEqual(message["level"], "warning")
        self.assertEqual(error["custom"]["trace_id"], trace_id(1))
        self.assertEqual(error["environment"], "test")
        self.assertEqual(error["context"], "/api/activities/home")
        self.assertEqual(error["framework"], "flask")
        self.assertEqual(
            [t["exception"]["class"] for t in error["body"]["trace_chain"]],
            ["FeedUnavailable", "RemoteDisconnected"],
        )
        # feedd's span is its own, not that of whoever called the backend.
        spans = {towbar.attributes(d)["span_id"] for d in (native, error)}
        self.assertEqual(len(spans), 2)

    def test_pyrollbar_under_flask_run(self):
        self.check("pyrollbar", self.flask)

    def test_towbar_under_flask_run(self):
        self.check("towbar", self.flask)

    def test_pyrollbar_under_gunicorn(self):
        self.check("pyrollbar", self.gunicorn)

    def test_towbar_under_gunicorn(self):
        self.check("towbar", self.gunicorn)

    def test_a_request_without_a_trace_gets_one(self):
        for reporter in ("pyrollbar", "towbar"):
            with self.subTest(reporter):
                self.fake.occurrences.clear()
                with self.agent(self.fake) as agent:
                    _, address = self.start_feedd()
                    backend = self.flask(self.env(agent, reporter, address))
                    self.assertEqual(backend.get("/api/activities/home?user=missing")[0], 500)
                    found = self.arrived(2)
                    backend.stop()
                self.assertEqual(len({d["custom"]["trace_id"] for d in found}), 1)

    def test_an_x_ray_header_is_passed_on(self):
        header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
        for reporter in ("pyrollbar", "towbar"):
            with self.subTest(reporter):
                self.fake.occurrences.clear()
                with self.agent(self.fake) as agent:
                    _, address = self.start_feedd()
                    backend = self.flask(self.env(agent, reporter, address))
                    backend.get(
                        "/api/activities/home?user=missing", **{"X-Amzn-Trace-Id": header}
                    )
                    found = self.arrived(2)
                    backend.stop()
                for data in found:
                    self.assertEqual(data["custom"]["trace_id"], "5759e988bd862e3fe1be46a994272793")
                    self.assertEqual(
                        data["custom"]["xray_trace_id"], "1-5759e988-bd862e3fe1be46a994272793"
                    )


class ManyRequests(CruddurCase):
    """gunicorn with --preload, whose workers are replaced every few requests."""

    def ask_all(self, backend):
        def ask(n):
            return backend.get("/api/activities/home", traceparent=traceparent(n))[0]

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(ask, range(N_TRACES))), [500] * N_TRACES)

    def assert_all(self, found):
        self.assertEqual(
            sorted(d["custom"]["trace_id"] for d in found), [trace_id(n) for n in range(N_TRACES)]
        )

    def check(self, reporter):
        with self.agent(self.fake) as agent:
            backend = self.gunicorn(self.env(agent, reporter), "--max-requests", "5")
            self.ask_all(backend)
            self.assertEqual(backend.stop(), 0)
            found = self.arrived(N_TRACES)
        self.assert_all(found)
        workers = {d["server"]["pid"] for d in found}
        self.assertGreater(len(workers), 3, "no worker was replaced")

    def test_pyrollbar_loses_nothing_when_workers_are_replaced(self):
        self.check("pyrollbar")

    def test_towbar_loses_nothing_when_workers_are_replaced(self):
        self.check("towbar")

    def test_towbar_loses_nothing_when_the_agent_is_killed(self):
        agent = self.agent(self.fake).wait_ready()
        backend = self.gunicorn(self.env(agent, "towbar"), "--max-requests", "5")

        def ask(n):
            if n == N_TRACES // 2:
                agent.kill9()
            return backend.get("/api/activities/home", traceparent=traceparent(n))[0]

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(ask, range(N_TRACES))), [500] * N_TRACES)
        self.assertEqual(backend.stop(), 0)
        self.assertNotEqual(os.listdir(os.path.join(self.spool, "in")), [])
        with self.agent(self.fake):
            found = self.arrived(N_TRACES)
        self.assert_all(found)


APP = """
from flask import Flask
import towbar
app = Flask(__name__)
towbar.init_app(app)
"""

OTEL = APP + """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
tracer = trace.get_tracer("test")

class Middleware:
    def __init__(self, app): self.app = app
    def __call__(self, environ, start_response):
        with tracer.start_as_current_span("request") as span:
            context = span.get_span_context()
            environ["ids"] = f"{context.trace_id:032x} {context.span_id:016x}"
            return self.app(environ, start_response)
app.wsgi_app = Middleware(app.wsgi_app)
"""

XRAY = """
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
xray_recorder.configure(service="backend-flask", daemon_address="127.0.0.1:1", sampling=False)
XRayMiddleware(app, xray_recorder)
"""

# A part of the request that the X-Ray SDK watches: it records the exception on its way out. The
# segment of the request is current again when the error is reported.
CAPTURED = """
from flask import got_request_exception, request
@app.before_request
def captured():
    if request.path != "/fail": return
    segment = xray_recorder.current_segment()
    try:
        with xray_recorder.in_subsegment("inner"):
            raise ValueError("of a request")
    except ValueError as err:
        print("ids", segment.id, err._cause_id, flush=True)
        raise
"""

ROUTES = """
from flask import request
@app.route("/fail")
def fail():
    print("ids", request.environ.get("ids"), flush=True)
    raise ValueError("of a request")
@app.route("/out")
def out():
    return towbar.traceparent()
@app.route("/api/health")
def health():
    return "ok"
"""


class RealSdks(CruddurCase):
    """The trace of the SDK that the program really has."""

    def run_app(self, source, **headers):
        with open(self.path("traced.py"), "w", encoding="ascii") as file:
            file.write(source + ROUTES)
        with self.agent(self.fake) as agent:
            env = self.env(agent, "towbar")
            env["PYTHONPATH"] = os.pathsep.join((self.folder, BACKEND))
            backend = self.gunicorn(env, app="traced:app")
            out = backend.get("/out", **headers)[1].decode()
            self.assertEqual(backend.get("/fail", **headers)[0], 500)
            (data,) = self.arrived(1)
            backend.stop()
        ids = re.search(r"ids (\w+) (\w+)", backend.log())
        return data, ids.groups() if ids else None, out

    def test_opentelemetry_s_span_is_reported(self):
        data, (trace, span), out = self.run_app(OTEL, traceparent=traceparent(7))
        self.assertEqual(towbar.attributes(data), {"trace_id": trace, "span_id": span})
        self.assertNotEqual(trace, trace_id(7))
        self.assertNotEqual(out.split("-")[1], trace_id(7))

    def test_x_ray_s_segment_is_reported(self):
        root = "1-5759e988-bd862e3fe1be46a994272793"
        data, _, out = self.run_app(
            APP + XRAY, traceparent=traceparent(7), **{"X-Amzn-Trace-Id": f"Root={root};Sampled=1"}
        )
        self.assertEqual(data["custom"]["xray_trace_id"], root)
        self.assertEqual(data["custom"]["trace_id"], root.replace("-", "")[1:])
        self.assertRegex(towbar.attributes(data)["span_id"], "^[0-9a-f]{16}$")
        self.assertEqual(out.split("-")[1], root.replace("-", "")[1:])
        trace = data["custom"]["trace"]
        self.assertEqual(trace["xray_parent_id"], towbar.attributes(data)["span_id"])
        self.assertIs(trace["xray_is_local"], True)
        self.assertEqual((trace["xray_sampled"], trace["flags"]), ("1", "01"))
        self.assertLess(data["timestamp"] - trace["started_at"], 60)
        self.assertGreaterEqual(data["timestamp"] + 1, trace["started_at"])
        self.assertNotIn("xray_cause_id", trace)

    def test_x_ray_s_subsegment_and_recorded_exception_are_named(self):
        lineage = "a87bd80c:1|68fd508a:5"
        header = f"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage={lineage}"
        data, ids, _ = self.run_app(APP + XRAY + CAPTURED, **{"X-Amzn-Trace-Id": header})
        trace = data["custom"]["trace"]
        self.assertEqual(trace["xray_parent_id"], ids[0])
        self.assertEqual(trace["xray_cause_id"], ids[1])
        self.assertEqual(trace["xray_lineage"], lineage)

    def test_both_are_kept_where_both_are(self):
        data, (trace, _), _ = self.run_app(OTEL + XRAY)
        self.assertEqual(data["custom"]["trace_id"], trace)
        self.assertIs(data["custom"]["trace"]["xray_is_local"], True)
        self.assertEqual(data["custom"]["trace"]["source"], "api")
        self.assertRegex(data["custom"]["xray_trace_id"], "^1-[0-9a-f]{8}-[0-9a-f]{24}$")


if __name__ == "__main__":
    unittest.main()
