"""Headers for test_propagators.py, and what the propagators of PyPI and npm read of them."""

import base64
import json
import logging
import os
import random
import subprocess
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import towbar  # noqa: E402
from aws_xray_sdk.core.models.trace_header import TraceHeader  # noqa: E402
from opentelemetry import baggage, trace  # noqa: E402
from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: E402
from opentelemetry.context import Context  # noqa: E402
from opentelemetry.propagators.aws import AwsXRayPropagator  # noqa: E402
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat  # noqa: E402
from opentelemetry.propagators.textmap import Getter  # noqa: E402
from opentelemetry.trace.propagation.tracecontext import (  # noqa: E402
    TraceContextTextMapPropagator,
)

PROGRAM = os.path.join(towbar.BUILD, "tests", "programs", "context")
MARK = "\x1f"
for name in ("opentelemetry", "aws_xray_sdk", "ddtrace"):
    logging.getLogger(name).setLevel(logging.CRITICAL)


class Random(random.Random):
    """Well-formed headers, and what they become when a character or a part changes."""

    def word(self, letters, least, most):
        return "".join(self.choice(letters) for _ in range(self.randint(least, most)))

    def often(self, usual, *others):
        return usual if self.random() < 0.9 else self.choice(others)

    def digits(self, n):
        made = self.often(self.word("0123456789abcdef", n, n), "0" * n, "f" * n)
        return self.often(made, made.upper(), made[:-1], made + "0", made[: n // 2], "")

    def mutated(self, text):
        for _ in range(self.choice((0, 0, 0, 0, 0, 0, 1, 1, 2, 4))):
            at = self.randint(0, len(text))
            cut = self.choice((0, 0, 1, 1, self.randint(0, 8)))
            new = self.choice(
                ("", self.choice(' \t-;=,%01aA?d_+./@{"\\\x7f\xe9'), text[at : at + 9])
            )
            text = text[:at] + new + text[at + cut :]
        return self.often("", " ", "\t ") + text + self.often("", " ", " \t")

    def traceparent(self):
        version = self.often("00", "01", "cc", "fe", "ff", "0", "0A")
        flags = self.often(self.choice(("00", "01", "02", "03")), "ff", "09", "1", "0X")
        more = self.often("", "-", "-what", ".x", "-a,b")
        parts = (version, self.digits(32), self.digits(16), flags)
        return self.mutated("-".join(parts) + more)

    def member(self):
        key = self.often(
            self.word("abcz019_-*/", 1, 9), "a" * 256, "a" * 257, "t@v", "@v", "", "0x"
        )
        value = self.often(
            self.word("aZ09 !~-+;:", 0, 12) + "x", "v" * 256, "v" * 257, "v" * 120, ""
        )
        return self.often("", " ", "\t") + key + "=" + value + self.often("", " ", "\t ")

    def tracestate(self):
        n = self.choice((0, 1, 2, 3, 5, 8, 31, 32, 33))
        return self.mutated(",".join(self.often(self.member(), "", " ") for _ in range(n)))

    def xray(self):
        sampled = self.choice(("0", "1", "1", "?", "", "2", "true"))
        root = self.often("1-", "2-", "1") + self.digits(8) + self.often("-", "") + self.digits(24)
        parts = ["Root=" + root]
        parts += ["Parent=" + self.digits(16)] if self.random() < 0.8 else []
        parts += ["Sampled=" + sampled] if self.random() < 0.8 else []
        parts += ["Self=1-1-1"] if self.random() < 0.2 else []
        parts += ["Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2"] if self.random() < 0.2 else []
        parts += ["key=" + self.word("ab= ", 0, 120)] if self.random() < 0.2 else []
        parts += [self.choice(parts)] if self.random() < 0.05 else []
        if self.random() < 0.3:
            self.shuffle(parts)
        between = self.often(";", "; ", " ;", ";;")
        text = between.join(parts)
        return self.mutated(self.often(text, text.lower(), text.upper()))

    def b3(self):
        parts = [self.digits(self.choice((16, 32))), self.digits(16)]
        parts += [self.often(self.choice("01d"), "true", "", "D")] if self.random() < 0.8 else []
        parts += [self.digits(16)] if self.random() < 0.3 else []
        return self.mutated(self.often("-".join(parts), self.choice("01d2")))

    def b3multi(self):
        made = {
            "x-b3-traceid": self.digits(self.choice((16, 32))),
            "x-b3-spanid": self.digits(16),
            "x-b3-parentspanid": self.digits(16),
            "x-b3-sampled": self.often(self.choice("01"), "true", "false", "True", "d", "x"),
            "x-b3-flags": self.often("0", "1", "2"),
        }
        kept = {name: value for name, value in made.items() if self.random() < 0.85}
        return {name: self.often(value, self.mutated(value)) for name, value in kept.items()}

    def honeycomb(self):
        known = self.choice(
            ({}, {"a": 1}, {"user": "\u00e9", "n": [1, {"b": None}]}, {"k": "v" * 50})
        )
        context = base64.b64encode(json.dumps(known).encode()).decode()
        parts = [
            "trace_id=" + self.often(self.digits(32), self.digits(16), "opaque", "b2c-4d"),
            "parent_id=" + self.often(self.digits(16), "opaque"),
        ]
        dataset = urllib.parse.quote(self.word("ab /\u00e9+", 1, 8))
        parts += ["dataset=" + dataset] if self.random() < 0.3 else []
        parts += ["context=" + self.often(context, "bnVsbA==", "e30", "WzFd", "")]
        parts += ["more=1"] if self.random() < 0.1 else []
        if self.random() < 0.2:
            self.shuffle(parts)
        return self.mutated(self.often("1;", "2;", "1") + ",".join(parts))

    def number(self):
        usual = str(self.randint(1, 1 << 64))
        return self.often(usual, "0", str(1 << 64), str((1 << 64) - 1), "-1", "007", "1e3", "")

    def datadog(self):
        tid = "_dd.p.tid=" + self.digits(16)
        made = {
            "x-datadog-trace-id": self.number(),
            "x-datadog-parent-id": self.number(),
            "x-datadog-sampling-priority": self.choice(("-1", "0", "1", "2", "3", "x")),
            "x-datadog-tags": self.often(tid, "_dd.p.dm=-4," + tid, tid + ",_dd.p.dm=-4", "x"),
            "x-datadog-origin": self.choice(("rum", "synthetics", "a b")),
        }
        kept = {name: value for name, value in made.items() if self.random() < 0.85}
        return {name: self.often(value, self.mutated(value)) for name, value in kept.items()}

    def baggage(self):
        def one():
            key = self.often(self.word("abz.-", 1, 6), "rollbar.session.id", "", "a b", "a%20")
            value = self.often(
                self.word("aZ09!-", 0, 8), "%41%c3%a9", "a+b", "%zz", "%ff", "a b", '"'
            )
            more = self.often("", ";p", ";p=1;q", "; p = 1", ";", ";a b")
            return key + self.often("=", " = ", "") + value + more

        return self.mutated(",".join(one() for _ in range(self.choice((0, 1, 2, 4, 9)))))

    def headers(self):
        """One kind, mostly alone: {name: [value, ..]}."""
        kind = self.choice(("w3c", "xray", "b3", "b3multi", "honeycomb", "datadog", "baggage"))
        if kind == "w3c":
            made = {"traceparent": [self.traceparent()]}
            if self.random() < 0.7:
                made["tracestate"] = [self.tracestate() for _ in range(self.choice((1, 1, 2)))]
            if self.random() < 0.03:
                made["traceparent"].append(self.traceparent())
            return kind, made
        if kind in ("b3multi", "datadog"):
            made = {name: [value] for name, value in getattr(self, kind)().items()}
            return kind, made
        name = {"xray": "x-amzn-trace-id", "honeycomb": "x-honeycomb-trace"}.get(kind, kind)
        return kind, {name: [getattr(self, kind)() for _ in range(self.often(1, 2))]}


class Lower(Getter):
    def get(self, carrier, key):
        return carrier.get(key.lower())

    def keys(self, carrier):
        return list(carrier)


def span_of(propagator, headers):
    """What a propagator of OpenTelemetry reads, in the form of propagators.js."""
    context = propagator.extract(headers, Context(), Lower())
    found = trace.get_current_span(context).get_span_context()
    if not found.is_valid:
        return None
    sent = {}
    propagator.inject(sent, context)
    return {
        "trace_id": f"{found.trace_id:032x}",
        "span_id": f"{found.span_id:016x}",
        "flags": int(found.trace_flags),
        "state": found.trace_state.to_header(),
        "sent": {name.lower(): value for name, value in sent.items()},
    }


def in_python(kind, headers):
    if kind == "w3c":
        return span_of(TraceContextTextMapPropagator(), headers)
    if kind == "xray":
        return span_of(AwsXRayPropagator(), headers)
    if kind == "b3":
        return span_of(B3SingleFormat(), headers)
    if kind == "b3multi":
        return span_of(B3MultiFormat(), headers)
    if kind == "baggage":
        context = W3CBaggagePropagator().extract(headers, Context(), Lower())
        return list(baggage.get_all(context).items())
    return None


def of_the_sdk(headers):
    found = TraceHeader.from_header_str(headers["x-amzn-trace-id"][0])
    return {
        "root": found.root,
        "parent": found.parent,
        "sampled": found.sampled,
        "data": found.data,
    }


def in_node(all_headers):
    """The answers of propagators.js, one for each."""
    ran = subprocess.run(
        ["node", os.path.join(HERE, "propagators.js")],
        input="".join(json.dumps(headers) + "\n" for headers in all_headers),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def ours(requests):
    """requests: (propagators to read by, to write by, {name: [value]}); or a list of NAME=VALUE
    for an environment. Of each {name: value}, "other" and what is sent ("> name") among them."""
    rows = []
    for reading, writing, given in requests:
        if isinstance(given, dict):
            fields = [f"{name}:{value}" for name, values in given.items() for value in values]
            rows.append(MARK.join(["h", reading, writing, *fields]))
        else:
            rows.append(MARK.join(["e", reading, writing, *given]))
    ran = subprocess.run(
        [PROGRAM],
        input="".join(row + "\n" for row in rows).encode("latin-1"),
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    answers = ran.stdout.decode("latin-1").split("\n")[:-1]
    return [dict(f.split(":", 1) for f in line.split(MARK) if f) for line in answers]
