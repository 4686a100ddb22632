"""What the OTLP and X-Ray sinks make of random items, before other readers: protobuf by
opentelemetry-proto, the names of opentelemetry-semantic-conventions, and X-Ray's documentation."""

import ast
import glob
import json
import os
import random
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import opentelemetry.semconv  # noqa: E402
import otlp_protobuf  # noqa: E402
import otlp_schema  # noqa: E402
import towbar  # noqa: E402
import xray_documents  # noqa: E402
from fake_http import strict_json  # noqa: E402

PROGRAM = os.path.join(towbar.BUILD, "tests", "programs", "encode")
ROUNDS = int(os.environ.get("TOWBAR_ROUNDS", "400"))
SEED = int(os.environ.get("TOWBAR_SEED", "20261126"))
# Ours, and those that Honeycomb and AWS look for: no convention has them.
OURS = re.compile(r"rollbar\..+|error|name|message|aws\.xray\.trace_id")
SCHEMAS = {"logs": otlp_schema.LOGS, "traces": otlp_schema.TRACES}


class Random(random.Random):
    def hexes(self, n):
        return "".join(self.choice("0123456789abcdef") for _ in range(n))

    def text(self):
        return self.choice(
            (
                "",
                "x",
                "backend-flask",
                "bad \x00\x1b\x7f\u2028 \U0001f40d \"\\/ 'q' <&>\r\n\t",
                "a;b?c(d)$e!f~g^h*i",
                "\u00e9" * self.choice((1, 199, 250, 1000)),
                "w" * self.choice((200, 201, 250, 251, 9000, 70000)),
                "7",
            )
        )

    def junk(self):
        return self.choice(
            (None, True, False, 0, -1, 1.5, 2**53 + 1, -(2**63), 1e300, [], {}, [1, "a"], {"a": []})
        )

    def some(self, usual):
        """Mostly what is meant to be there, sometimes a text, seldom what is none."""
        dice = self.random()
        return usual if dice < 0.75 else self.text() if dice < 0.93 else self.junk()

    def time(self):
        return self.choice(
            (1795339661, 1795339661.123456, 0, -1, 1e12, 4e9, "2026-11-22T09:27:41Z")
        )

    def frame(self):
        made = {
            "filename": self.some("src/feed.c"),
            "lineno": self.some(self.choice((0, 1, 4711, 2**31, 2**40))),
            "colno": self.some(self.randint(0, 90)),
            "method": self.some(self.choice(("feed_handle", "<unknown>", "main"))),
            "code": self.some("    return *p;"),
            "module": self.some("/usr/bin/feedd"),
            "address": self.some("0x55d0c0ffee00"),
            "module_offset": self.some("0x1a2b"),
            "build_id": self.some(self.hexes(40)),
            "in_app": self.some(self.choice((True, False))),
            "trust": self.some("cfi"),
        }
        return {name: value for name, value in made.items() if self.random() < 0.8}

    def trace(self):
        frames = [self.some(self.frame()) for _ in range(self.choice((0, 1, 2, 3, 30, 60)))]
        exception = {
            "class": self.some("ZeroDivisionError"),
            "message": self.some("division by zero"),
            "description": self.text(),
        }
        return {"frames": self.some(frames), "exception": self.some(exception)}

    def body(self):
        return self.choice(
            (
                {"trace": self.trace()},
                {"trace_chain": [self.trace() for _ in range(self.choice((0, 1, 2, 20)))]},
                {"message": {"body": self.some("it broke"), "extra": self.junk()}},
                {"crash_report": {"raw": self.text()}},
            )
        )

    def context(self):
        whole = self.hexes(32)
        made = {
            "flags": self.choice(("00", "01", "03", "ff")),
            "state": "a=1,b=2",
            "source": "traceparent",
            "xray_parent_id": self.hexes(16),
            "xray_is_local": self.choice((True, False)),
            "xray_sampled": self.choice(("0", "1", "?")),
            "xray_cause_id": self.hexes(16),
            "xray_lineage": "a:1",
            "started_at": self.time(),
        }
        kept = {name: self.some(value) for name, value in made.items() if self.random() < 0.6}
        return whole, kept

    def native(self):
        signal = {"name": "SIGSEGV", "number": 11, "code": "SEGV_MAPERR", "address": "0x0"}
        return {
            "kind": self.choice(("crash", "report")),
            "signal": self.some(signal),
            "thread": self.some({"id": 4711, "name": "worker"}),
            "frames_omitted": self.some(3),
        }

    def request(self):
        return {
            "url": self.some("http://api.cruddur.com/api/activities/home?x=1"),
            "method": self.some("GET"),
            "headers": self.some({"User-Agent": self.text(), "Host": "api.cruddur.com"}),
            "user_ip": self.some("203.0.113.9"),
            "GET": self.junk(),
        }

    def item(self):
        trace_id, context = self.context()
        custom = {
            "trace_id": self.some(trace_id),
            "span_id": self.some(self.hexes(16)),
            "xray_trace_id": self.some(f"1-{trace_id[:8]}-{trace_id[8:]}"),
            "trace": self.some(context),
            "native": self.some(self.native()),
            "service": self.some("cruddur-feedd"),
            "occurred_at": self.some(self.time()),
            "http_status": self.some(self.choice((200, 404, 429, 500, 999))),
            "process": self.some({"pid": 4711, "executable": "/usr/bin/feedd"}),
            "user_key": self.text(),
        }
        made = {
            "uuid": self.hexes(32),
            "timestamp": self.some(self.time()),
            "level": self.some(self.choice(("debug", "info", "warning", "error", "critical"))),
            "environment": self.some("production"),
            "platform": self.some("linux"),
            "language": self.some(self.choice(("c", "python"))),
            "code_version": self.some("1.2.3"),
            "server": self.some({"host": self.text(), "root": "/srv", "pid": self.some(4711)}),
            "person": self.some({"id": self.some("42"), "email": "a@b"}),
            "request": self.some(self.request()),
            "context": self.some("feed"),
            "title": self.text(),
            "fingerprint": self.some(self.hexes(40)),
            "attributes": self.some([{"key": "session_id", "value": "s1"}]),
            "custom": self.some({n: v for n, v in custom.items() if self.random() < 0.7}),
            "body": self.some(self.body()),
        }
        return {name: value for name, value in made.items() if self.random() < 0.85}


def conventions():
    """{name of an attribute: is it deprecated}, of all modules of the package."""
    found = {}
    for folder in opentelemetry.semconv.__path__:
        for path in glob.glob(os.path.join(folder, "**", "*_attributes.py"), recursive=True):
            with open(path, encoding="utf-8") as source:
                body = ast.parse(source.read()).body
            for constant, comment in zip(body, body[1:] + [None]):
                value = getattr(constant, "value", None)
                if not isinstance(constant, (ast.Assign, ast.AnnAssign)):
                    continue
                if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
                    continue
                words = getattr(getattr(comment, "value", None), "value", "")
                is_old = isinstance(words, str) and words.strip().startswith("Deprecated")
                found[value.value] = found.get(value.value, True) and is_old
    return found


def keys_of(value):
    """The keys of all lists of attributes."""
    if isinstance(value, list):
        for one in value:
            yield from keys_of(one)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == "attributes":
                yield from (one["key"] for one in inner)
            yield from keys_of(inner)


class DocumentsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.items = [Random(SEED * 1_000_003 + i).item() for i in range(ROUNDS)]
        uuid = "d4c7acef-55bf-4c9e-a95e-4fe9428a8287"
        ran = subprocess.run(
            [PROGRAM],
            input="".join(f"{uuid}\t{json.dumps(item)}\n" for item in cls.items).encode(),
            stdout=subprocess.PIPE,
            check=True,
            timeout=120,
        )
        # In strict UTF-8.
        cls.made = [line.split("\t") for line in ran.stdout.decode("utf-8").split("\n")[:-1]]
        assert len(cls.made) == ROUNDS

    def test_otlp_comes_back_from_protobuf_as_it_went_in(self):
        for item, (logs, spans, _) in zip(self.items, self.made):
            for kind, text in (("logs", logs), ("traces", spans)):
                value = strict_json(text)
                self.assertIsNone(otlp_schema.check(SCHEMAS[kind], value), item)
                message = otlp_protobuf.to_message(kind, value)
                again = otlp_protobuf.to_object(
                    type(message).FromString(message.SerializeToString())
                )
                self.compare(value, again, "")

    def compare(self, sent, again, path):
        """All that was sent comes back, of the same type; what is a default may be left out."""
        if isinstance(sent, dict) and isinstance(again, dict):
            self.assertLessEqual(set(again), set(sent), path)
            for name, value in sent.items():
                if name in again:
                    self.compare(value, again[name], f"{path}.{name}")
                else:
                    self.assertIn(value, (0, "0", "", [], False), f"{path}.{name}")
        elif isinstance(sent, list) and isinstance(again, list):
            self.assertEqual(len(sent), len(again), path)
            for i, value in enumerate(sent):
                self.compare(value, again[i], f"{path}.{i}")
        else:
            self.assertEqual((type(sent), sent), (type(again), again), path)

    def test_the_trace_of_an_item_is_that_of_its_record(self):
        n = 0
        for item, (logs, spans, document) in zip(self.items, self.made):
            custom = item.get("custom")
            trace_id = custom.get("trace_id") if isinstance(custom, dict) else None
            if not re.fullmatch("[0-9a-f]{32}", str(trace_id)):
                continue
            n += 1
            (record,) = json.loads(logs)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
            (span,) = json.loads(spans)["resourceSpans"][0]["scopeSpans"][0]["spans"]
            self.assertEqual(record["traceId"], trace_id, item)
            self.assertEqual(span["traceId"], trace_id, item)
            span_id = custom.get("span_id")
            if isinstance(span_id, str) and re.fullmatch("[0-9a-f]{16}", span_id):
                self.assertEqual(record.get("spanId"), span_id, item)
                self.assertEqual(span["parentSpanId"], span_id)
            whole = custom.get("xray_trace_id")
            if whole is None:
                whole = f"1-{trace_id[:8]}-{trace_id[8:]}"
            if re.fullmatch("1-[0-9a-f]{8}-[0-9a-f]{24}", str(whole)):
                self.assertEqual(json.loads(document)["trace_id"], whole, item)
        self.assertGreater(n, ROUNDS // 8)

    def test_attributes_have_names_of_the_conventions_that_are_not_deprecated(self):
        known = conventions()
        self.assertGreater(len(known), 500)
        self.assertTrue(known["code.lineno"])  # deprecated
        self.assertFalse(known["exception.stacktrace"])
        used = set()
        for logs, spans, _ in self.made:
            used |= set(keys_of(json.loads(logs))) | set(keys_of(json.loads(spans)))
        names = {name for name in used if not OURS.fullmatch(name)}
        wrong = {name: known.get(name, "unknown") for name in names if known.get(name, True)}
        self.assertEqual(wrong, {})
        self.assertGreater(len(names), 20, names)

    def test_xray_documents_are_as_documented(self):
        for item, (_, _, document) in zip(self.items, self.made):
            self.assertIsNone(xray_documents.check(document), item)


if __name__ == "__main__":
    unittest.main()
