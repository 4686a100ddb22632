#!/usr/bin/env python3
"""A strict OTLP receiver for tests, as a collector or Honeycomb is one: http/json, logs and traces.

    with FakeOtlp(headers={"x-honeycomb-team": "key"}) as fake:
        run(OTEL_EXPORTER_OTLP_ENDPOINT=fake.url)
        fake.wait_for(lambda f: len(f.records) == 2)

1. POST /v1/logs and /v1/traces, application/json, plain or gzip; else 404, 405, 415.
2. A body that is not what the specification says (otlp_schema.py) is 400, whole.
3. headers: those that every request must have; else 401.
4. .records are the log records and .spans the spans that were taken, in order of arrival, each
   once; those whose uuid came before are in .duplicates too.
5. .events are the events that Honeycomb makes of them (honeycomb_events.py).
6. Its script is that of every fake (fake_http.py), "op" is "logs" or "traces", and also
   {"partial": 2}  the first two of a request are refused, the answer says so, the rest is taken
   {"warning": "text"}  all is taken, and the answer has that text

As a program: fake_otlp.py [--port 0] prints its address and serves until it is told to stop.
"""

import argparse
import signal
import urllib.parse
import zlib

import honeycomb_events
import otlp_schema as schema
from fake_http import Scripted, strict_json

BODY_MAX_BYTES = 64 << 20
KINDS = {"/v1/logs": ("logs", schema.LOGS), "/v1/traces": ("traces", schema.TRACES)}


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class FakeOtlp(Scripted):
    def __init__(self, headers=None, port=0, host="127.0.0.1"):
        super().__init__(port, host)
        self.headers = headers or {}
        self.records = []
        self.spans = []
        self.refused = []  # those of partial success
        self.duplicates = []  # uuids of records that came again
        self.events = []  # what Honeycomb makes of all of them, as often as they came
        self._seen = set()

    @property
    def url(self):
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://{self.host}:{self.port}"

    @property
    def logs_url(self):
        return self.url + "/v1/logs"

    def operation(self, request):
        return KINDS.get(urllib.parse.urlsplit(request.path).path, ("other", None))[0]

    def refusal(self, request, status, message):
        return {"code": 3 if status == 400 else 14, "message": message}, {}

    def take(self, request):
        with self.changed:
            try:
                return 200, self._take(request), {}
            except Refusal as refusal:
                reply, headers = self.refusal(request, refusal.status, str(refusal))
                return refusal.status, reply, headers

    def _take(self, request):
        path = urllib.parse.urlsplit(request.path).path
        if path not in KINDS:
            raise Refusal(404, "404 page not found")
        if request.method != "POST":
            raise Refusal(405, "405 method not allowed, supported: [POST]")
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind != "application/json":
            raise Refusal(415, f"415 unsupported media type {kind!r}")
        for name, value in self.headers.items():
            if request.headers.get(name) != value:
                raise Refusal(401, f"unknown API key - check your credentials ({name})")
        try:
            value = strict_json(inflate(request))
        except ValueError as err:
            raise Refusal(400, f"not JSON: {err}") from None
        complaint = schema.check(KINDS[path][1], value)
        if complaint:
            raise Refusal(400, complaint)
        key, header = (request.headers.get(f"x-honeycomb-{n}", "") for n in ("team", "dataset"))
        self.events.extend(honeycomb_events.events(value, key, header))
        return self._keep(list(schema.records(value)), request)

    def _keep(self, found, request):
        n = request.step.get("partial", 0)
        self.refused.extend(found[:n])
        for record in found[n:]:
            key = (record.is_span, record.uuid)
            if record.uuid and key in self._seen:
                self.duplicates.append(record.uuid)
                continue
            self._seen.add(key)
            (self.spans if record.is_span else self.records).append(record)
        if not n and "warning" not in request.step:
            return {"partialSuccess": {}} if len(found) % 2 else {}  # both are allowed
        name = "rejectedLogRecords" if request.op == "logs" else "rejectedSpans"
        text = request.step.get("warning", "as the script says")
        return {"partialSuccess": {name: str(n), "errorMessage": text}}

    # ---- for tests ----

    def of_trace(self, trace_id):
        return [r for r in self.records + self.spans if r.trace_id == trace_id]

    def summary(self):
        return (
            f"{super().summary()}, {len(self.records)} records, {len(self.spans)} spans, "
            f"{len(self.duplicates)} duplicates"
        )


def inflate(request):
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding in ("", "identity"):
        return request.body
    if encoding != "gzip":
        raise Refusal(415, f"unsupported Content-Encoding {encoding}")
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        body = stream.decompress(request.body, BODY_MAX_BYTES + 1)
    except zlib.error as err:
        raise Refusal(400, f"not gzip: {err}") from None
    if len(body) > BODY_MAX_BYTES:
        raise Refusal(413, "request body too large")
    if not stream.eof or stream.unused_data:
        raise Refusal(400, "not gzip: it does not end where the body does")
    return body


def main():
    parser = argparse.ArgumentParser(description="A strict OTLP receiver for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # Before threads: they inherit it.
    with FakeOtlp(port=options.port) as fake:
        print(fake.url, flush=True)
        signal.sigwait(stop)
        print(fake.summary())


if __name__ == "__main__":
    main()
