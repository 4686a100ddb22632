"""OTEL_PROPAGATORS, what is sent for a trace in all formats, and environments: ours, and those of
OpenTelemetry and of the SDKs that read them."""

import importlib
import importlib.util
import os
import unittest

os.environ.update({"DD_TRACE_ENABLED": "false", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false"})
os.environ.update({"DD_TRACE_PROPAGATION_STYLE": "datadog", "DD_REMOTE_CONFIGURATION_ENABLED": "0"})

import beeline.propagation.honeycomb  # noqa: E402
import opentelemetry.propagate  # noqa: E402
import propagators as p  # noqa: E402
from ddtrace.propagation.http import HTTPPropagator  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.context import Context  # noqa: E402

ROUNDS = int(os.environ.get("TOWBAR_ROUNDS", "1000"))
SEED = int(os.environ.get("TOWBAR_SEED", "20261126"))
KNOWN = ("tracecontext", "baggage", "b3", "b3multi", "xray")


def composite(names):
    """OpenTelemetry's, of these OTEL_PROPAGATORS; None where it does not start."""
    os.environ["OTEL_PROPAGATORS"] = names
    try:
        return importlib.reload(opentelemetry.propagate).get_global_textmap()
    except ValueError:
        return None
    finally:
        del os.environ["OTEL_PROPAGATORS"]


class Random(p.Random):
    def well_formed(self, n):
        return f"{self.randint(1, (1 << 4 * n) - 1):0{n}x}"

    def trace(self):
        return {
            "trace_id": self.well_formed(32),
            "span_id": self.well_formed(16),
            "sampled": self.choice("01"),
        }

    def names(self):
        some = self.choices(KNOWN, k=self.randint(1, 5))
        some += ["none"] if self.random() < 0.1 else []
        self.shuffle(some)
        return ",".join(
            self.choice(("", " ", "\t")) + name + self.choice(("", " ")) for name in some
        )


def headers_of(kind, t):
    whole = f"1-{t['trace_id'][:8]}-{t['trace_id'][8:]}"
    decision = {"0": "0", "1": "1"}[t["sampled"]]
    return {
        "tracecontext": {"traceparent": [f"00-{t['trace_id']}-{t['span_id']}-0{t['sampled']}"]},
        "b3": {"b3": [f"{t['trace_id']}-{t['span_id']}-{decision}"]},
        "b3multi": {
            "x-b3-traceid": [t["trace_id"]],
            "x-b3-spanid": [t["span_id"]],
            "x-b3-sampled": [decision],
        },
        "xray": {"x-amzn-trace-id": [f"Root={whole};Parent={t['span_id']};Sampled={decision}"]},
        "baggage": {"baggage": ["a=b"]},
    }[kind]


class PropagatorSetsTest(unittest.TestCase):
    def test_a_set_writes_what_opentelemetrys_writes(self):
        made = [Random(SEED * 1_000_003 + i) for i in range(ROUNDS)]
        rows = []
        for r in made:
            t, names = r.trace(), r.names()
            given = headers_of(r.choice(("tracecontext", "b3", "b3multi", "xray")), t)
            rows.append((names, given | headers_of("baggage", t)))
        ours = p.ours([("", names, given) for names, given in rows])
        read = opentelemetry.propagate.get_global_textmap()
        everything = composite("tracecontext,b3,xray,baggage")
        self.assertIsNotNone(read)
        for (names, given), mine in zip(rows, ours):
            theirs = composite(names)
            sent = {}
            theirs.inject(sent, everything.extract(given, Context(), p.Lower()))
            mine = {name[2:].lower(): value for name, value in mine.items() if name[0] == ">"}
            self.assertEqual(mine, {name.lower(): value for name, value in sent.items()}, names)

    def test_a_set_reads_what_opentelemetrys_reads(self):
        """Of one trace. Of two, ours takes the first, theirs the last; see docs/trace.md 3."""
        rows = []
        for i in range(ROUNDS):
            r = Random(SEED * 1_000_033 + i)
            t, names = r.trace(), r.names()
            given = {}
            for kind in r.sample(KNOWN, k=r.randint(1, 3)):
                given |= headers_of(kind, t)
            rows.append((names, given))
        ours = p.ours([(names, "none", given) for names, given in rows])
        for (names, given), mine in zip(rows, ours):
            context = composite(names).extract(given, Context(), p.Lower())
            span = trace.get_current_span(context).get_span_context()
            theirs = (
                (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else (None, None)
            )
            multi_by_single = "b3multi" not in names and "x-b3-traceid" in given
            single_by_multi = "b3multi" in names and "b3" in given
            if not multi_by_single and not single_by_multi:  # their two of B3 read both forms
                self.assertEqual(
                    (mine.get("trace_id"), mine.get("span_id")), theirs, (names, given)
                )

    def test_of_two_traces_the_first_named_counts_and_the_other_is_kept(self):
        one, two = Random(SEED).trace(), Random(SEED + 1).trace()
        given = headers_of("tracecontext", one) | headers_of("b3", two)
        orders = ("tracecontext,b3", "b3,tracecontext")
        first, second = p.ours([(names, "none", given) for names in orders])
        self.assertEqual(
            (first["trace_id"], second["trace_id"]), (one["trace_id"], two["trace_id"])
        )
        self.assertEqual(first["other"], given["b3"][0])
        self.assertEqual(second["other"], given["traceparent"][0])
        for names, last in zip(orders, (two, one)):
            span = composite(names).extract(given, Context(), p.Lower())
            found = trace.get_current_span(span).get_span_context()
            self.assertEqual(f"{found.trace_id:032x}", last["trace_id"])

    def test_what_opentelemetry_does_not_start_with_is_passed_over(self):
        """The specification wants a warning for what is unknown, and any case for names."""
        given = headers_of("tracecontext", Random(SEED).trace())
        for names, unknown in (
            ("jaeger,tracecontext", "1"),
            ("TraceContext", "0"),
            ("a,b,none", "2"),
        ):
            self.assertIsNone(composite(names))
            (mine,) = p.ours([(names, names, given)])
            self.assertEqual(mine["unknown"], unknown)
            self.assertEqual("> traceparent" in mine, "none" not in names)

    def test_everybody_reads_what_is_sent_for_a_trace(self):
        made = [Random(SEED * 1_000_003 + i).trace() for i in range(ROUNDS)]
        ours = p.ours([("", "", headers_of("tracecontext", t)) for t in made])
        sent = [{n[2:].lower(): [v] for n, v in one.items() if n[0] == ">"} for one in ours]
        node = p.in_node(sent)
        for t, headers, js in zip(made, sent, node):
            for kind, name in (
                ("w3c", "w3c"),
                ("xray", "xray"),
                ("b3", "b3"),
                ("b3multi", "b3multi"),
            ):
                for read in (p.in_python(kind, headers), js[name]):
                    got = read["trace_id"], read["span_id"], str(read["flags"] & 1)
                    self.assertEqual(got, (t["trace_id"], t["span_id"], t["sampled"]), kind)
            sdk = p.of_the_sdk(headers)
            self.assertEqual(sdk["root"].replace("-", "")[1:], t["trace_id"])
            self.assertEqual((sdk["parent"], str(sdk["sampled"])), (t["span_id"], t["sampled"]))
            self.assertEqual(js["sdk"]["parent"], t["span_id"])
            unmarshal = beeline.propagation.honeycomb.unmarshal_propagation_context
            bee = unmarshal(headers["x-honeycomb-trace"][0])
            self.assertEqual(bee, (t["trace_id"], t["span_id"], {}))
            self.assertEqual(js["honeycomb"]["traceId"], t["trace_id"])
            dog = HTTPPropagator.extract({name: value[0] for name, value in headers.items()})
            got = f"{dog.trace_id:032x}", f"{dog.span_id:016x}", str(dog.sampling_priority)
            self.assertEqual(got, (t["trace_id"], t["span_id"], t["sampled"]))

    def test_an_environment_is_read_as_headers_are(self):
        made = [p.Random(SEED * 1_000_003 + i).headers()[1] for i in range(ROUNDS)]
        made = [{name: value[:1] for name, value in one.items()} for one in made]
        envs = [[f"{n.upper().replace('-', '_')}={v[0]}" for n, v in one.items()] for one in made]
        ours = p.ours([("", "none", one) for one in made])
        for headers, env in zip(ours, p.ours([("", "none", one) for one in envs])):
            if "source" in headers:
                self.assertEqual(env.pop("source"), "environment")
                del headers["source"]
            self.assertEqual(headers, env)
        lower = [[entry.lower() for entry in env] for env in envs]
        for env in p.ours([("", "none", one) for one in lower]):
            self.assertEqual(env, {"unknown": "0", "flags": "00"})

    def test_of_many_headers_each_system_has_its_own_trace(self):
        """The first that is named of each, and what names a third one is kept, four at most."""
        rows = []
        for i in range(ROUNDS):
            r = Random(SEED * 1_000_037 + i)
            kinds = r.sample(("tracecontext", "b3", "b3multi", "xray"), k=r.randint(1, 4))
            few = [r.trace() for _ in range(r.randint(1, 3))]
            rows.append((kinds, {kind: r.choice(few) for kind in kinds}))
        given = []
        for kinds, traces in rows:
            every = {}
            for kind in kinds:
                every |= headers_of(kind, traces[kind])
            given.append((",".join(kinds), "none", every))
        for (kinds, traces), mine in zip(rows, p.ours(given)):
            others = [kind for kind in kinds if kind != "xray"]
            whole = [traces[kind]["trace_id"] for kind in (others or ["xray"])]
            self.assertEqual(mine["trace_id"], whole[0], kinds)
            self.assertEqual(mine["span_id"], traces[(others or ["xray"])[0]]["span_id"], kinds)
            xray = traces["xray"]["trace_id"] if "xray" in kinds else None
            self.assertEqual(mine.get("xray_trace_id"), xray, kinds)
            # X-Ray's is no other, and what X-Ray has named before is none.
            known = {whole[0]}
            for kind in kinds:
                known |= {xray} if kind == "xray" else set()
                if kind != "xray" and traces[kind]["trace_id"] not in known:
                    self.assertIn("other", mine, kinds)

    def test_the_flask_samples_reader_reads_the_same(self):
        """towbar.py has a reader of its own: no C is called by a Flask application."""
        path = os.path.join(p.towbar.SOURCE, "samples", "cruddur", "backend-flask", "towbar.py")
        spec = importlib.util.spec_from_file_location("towbar_of_flask", path)
        flask = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(flask)
        made = [p.Random(SEED * 1_000_003 + i) for i in range(4 * ROUNDS)]
        parents, xray = [r.traceparent() for r in made], [r.xray() for r in made]
        whole = [("tracecontext", "none", {"traceparent": [text]}) for text in parents]
        whole += [("xray", "none", {"x-amzn-trace-id": [text]}) for text in xray]
        ours = p.ours(whole)
        for text, mine in zip(parents, ours):
            wanted = mine.get("trace_id"), mine.get("span_id"), mine["flags"]
            wanted = wanted if wanted[0] else (None, None, None)
            self.assertEqual(flask._parse_traceparent(text), wanted, repr(text))
        for text, mine in zip(xray, ours[len(parents) :]):
            more = {}
            root = flask._xray_header(text, more)
            root = root and root.replace("-", "")[1:]
            self.assertEqual(root, mine.get("xray_trace_id"), repr(text))
            if root:
                self.assertEqual(more.get("xray_parent_id"), mine.get("xray_parent_id"), text)
                self.assertEqual(more.get("xray_sampled"), mine.get("xray_sampled"), text)


if __name__ == "__main__":
    unittest.main()
