"""Our reading and writing of random trace headers, and that of real propagators.

Two judges: the page (docs/trace.md 4), told again here in expressions, which decides everything;
and each implementation from PyPI and npm where it reads by the same rules. Where it does not, is
said beside its rule."""

import os
import re
import unittest
import urllib.parse

os.environ.update({"DD_TRACE_ENABLED": "false", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false"})
os.environ.update({"DD_TRACE_PROPAGATION_STYLE": "datadog", "DD_REMOTE_CONFIGURATION_ENABLED": "0"})

import beeline.propagation  # noqa: E402
import beeline.propagation.honeycomb  # noqa: E402
import propagators as p  # noqa: E402
from ddtrace.propagation.http import HTTPPropagator  # noqa: E402

ROUNDS = int(os.environ.get("TOWBAR_ROUNDS", "4000"))
SEED = int(os.environ.get("TOWBAR_SEED", "20261126"))
NAMES = {"w3c": "tracecontext"}  # others are as they are
BLANKS = " \t"
SESSION = "rollbar.session.id"
ZEROS = re.compile(r"0+")


def hexes(n):
    return rf"(?!0{{{n}}})[0-9a-f]{{{n}}}"


TRACEPARENT = re.compile(
    rf"(?!ff)([0-9a-f]{{2}})-({hexes(32)})-({hexes(16)})-([0-9a-f]{{2}})(-[^,]*)?", re.S
)
MEMBER = re.compile(
    r"([a-z0-9][a-z0-9_*/@-]{0,255})=([ -+\--<>-~]{0,255}[!-+\--<>-~])",
)
OLD_KEY = re.compile(
    r"[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
)
B3 = re.compile(rf"({hexes(32)}|{hexes(16)})-({hexes(16)})(?:-([01d])(?:-({hexes(16)}))?)?|([01d])")
TOKEN = r"[!#-'*+.^_`|~0-9A-Za-z-]+"
OCTET = r"[!#-+\--:<-\[\]-~]*"
BAGGAGE = re.compile(
    rf"({TOKEN})[ \t]*=[ \t]*({OCTET})([ \t]*;[ \t]*({TOKEN}([ \t]*=[ \t]*{OCTET})?)?)*"
)
SEXTETS = "[A-Za-z0-9+/]"
CLAUSES = re.compile(
    rf"1;((dataset={OCTET}|context=({SEXTETS}{{4}})*({SEXTETS}{{2}}==|{SEXTETS}{{3}}=)?"
    r"|(trace_id|parent_id|more)=[!-+\--~]*)(,|$))*"
)
ANY = re.compile(".*", re.S)
DATADOG = {
    "x-datadog-trace-id": re.compile("[0-9]{1,20}"),
    "x-datadog-parent-id": re.compile("[0-9]{1,20}"),
    "x-datadog-sampling-priority": re.compile("-?(0|[1-9][0-9]*)"),
    "x-datadog-tags": re.compile(r"(_dd\.p\.[a-z]+=[!-+\--<>-^`-~]+(,|$))*"),
}
DECISION = re.compile("0|1|true|false")
ROOT = re.compile(r"1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")
SPAN = re.compile(r"[0-9a-fA-F]{16}")


def first(headers, name):
    return headers.get(name, [""])[0].strip(BLANKS)


# ---- the page ----


def members(headers):
    parts = ",".join(headers.get("tracestate", [])).split(",")
    return [part for part in (part.strip(BLANKS) for part in parts) if part]


def passed_on(headers):
    found = members(headers)
    if len(found) > 32 or not all(MEMBER.fullmatch(one) for one in found):
        return ""
    for least in (128, 0):
        for i in range(len(found) - 1, -1, -1):
            if len(",".join(found)) > 512 and len(found[i]) > least:
                del found[i]
    return ",".join(found)


def w3c(headers):
    match = TRACEPARENT.fullmatch(first(headers, "traceparent"))
    if len(headers["traceparent"]) > 1 or not match or (match[1] == "00" and match[5] is not None):
        return {}
    flags = int(match[4], 16) & (3 if match[1] == "00" else 1)
    found = {"trace_id": match[2], "span_id": match[3], "flags": flags, "sampled": str(flags & 1)}
    return found | {"state": passed_on(headers)}


def xray_parts(value):
    parts = [part.partition("=") for part in value.split(";") if "=" in part]
    return [(key.strip(BLANKS), text.strip(BLANKS)) for key, _, text in parts]


def xray(headers):
    for value in headers["x-amzn-trace-id"]:
        said = {key.lower(): text for key, text in xray_parts(value)}
        root = ROOT.fullmatch(said.get("root", ""))
        root = "".join(root.groups()).lower() if root else "0"
        if ZEROS.fullmatch(root):
            continue
        parent = said.get("parent", "") if SPAN.fullmatch(said.get("parent", "")) else "0"
        parent = "" if ZEROS.fullmatch(parent) else parent.lower()
        sampled = said.get("sampled") if said.get("sampled") in ("0", "1", "?") else ""
        flags = 1 if sampled == "1" else 0
        return {"trace_id": root, "span_id": parent, "xray_sampled": sampled, "flags": flags}
    return {}


def b3(headers):
    match = B3.fullmatch(first(headers, "b3"))
    if not match:
        return {}
    decision = match[3] or match[5] or ""
    sampled = {"": "", "0": "0", "1": "1", "d": "1"}[decision]
    found = {"sampled": sampled, "debug": "1" if decision == "d" else ""}
    if match[1]:
        found |= {"trace_id": match[1].rjust(32, "0"), "span_id": match[2]}
        found |= {"b3_parent_id": match[4] or "", "flags": 1 if sampled == "1" else 0}
    return found


def b3multi(headers):
    sampled = {"1": "1", "true": "1", "0": "0", "false": "0"}
    found = {"sampled": sampled.get(first(headers, "x-b3-sampled").lower(), "")}
    if first(headers, "x-b3-flags") == "1":
        found = {"sampled": "1", "debug": "1"}
    ids = [first(headers, "x-b3-" + name) for name in ("traceid", "spanid", "parentspanid")]
    if not ids[0] and not ids[1]:
        return found
    parent = f"-1-{ids[2]}" if re.fullmatch(hexes(16), ids[2]) else ""
    read = b3({"b3": [f"{ids[0]}-{ids[1]}{parent}"]})
    return read | found | {"flags": int(found["sampled"] or 0)} if "trace_id" in read else {}


def number(text):
    good = re.fullmatch(r"[0-9]{1,20}", text)
    return int(text) if good and 0 < int(text) < 1 << 64 else 0


def datadog(headers):
    trace = number(first(headers, "x-datadog-trace-id"))
    if not trace:
        return {}
    span = number(first(headers, "x-datadog-parent-id"))
    tags = [tag.strip(BLANKS) for tag in first(headers, "x-datadog-tags").split(",")]
    halves = [tag[10:] for tag in tags if tag.startswith("_dd.p.tid=")] or [""]
    half = halves[-1] if re.fullmatch(hexes(16), halves[-1]) else "0" * 16
    priority = first(headers, "x-datadog-sampling-priority")
    sampled = "0" if re.fullmatch("-?0|-.*", priority) else "1"
    said = number(priority.lstrip("-") if priority.startswith("-") else priority)
    sampled = sampled if said or re.fullmatch("-?0", priority) else ""
    found = {"trace_id": f"{half}{trace:016x}", "span_id": f"{span:016x}" if span else ""}
    return found | {"sampled": sampled, "flags": int(sampled or 0)}


PAGE = {"w3c": w3c, "xray": xray, "b3": b3, "b3multi": b3multi, "datadog": datadog}


# ---- where the others have the same rules ----


def is_plain(headers):
    """Blanks at the ends: to OpenTelemetry's they belong to the value."""
    return all(len(v) == 1 and v[0] == v[0].strip() for v in headers.values())


def is_w3c_alike(headers, peer):
    """They take the first of several headers. JavaScript takes off one blank at each end."""
    blanks = r"\s?\S.*\S\s?" if peer == "node" else ".*"
    one = headers["traceparent"]
    return len(one) == 1 and "," not in one[0] and re.fullmatch(blanks, one[0], re.S)


def is_state_alike(headers):
    """Level 1 had other keys, they drop members alone, and JavaScript cuts by other rules."""
    found = members(headers)
    keys = [member.partition("=")[0] for member in found]
    return (
        all(MEMBER.fullmatch(one) for one in found)
        and len(found) <= 32
        and len(set(keys)) == len(keys)
        and all(OLD_KEY.fullmatch(key) for key in keys)
        and len(",".join(",".join(headers.get("tracestate", [])).split())) <= 512
    )


def is_xray_alike(headers, _peer):
    """They want all three parts, exact keys, one header; Python every part with one "=", JavaScript
    nothing else that begins like a key, and it keeps hex digits of upper case."""
    value = headers["x-amzn-trace-id"]
    parts = [part.split("=") for part in value[0].split(";")]
    keys = [part[0].strip(BLANKS) for part in parts]
    return (
        len(value) == 1
        and value[0].isascii()
        and all(len(part) == 2 for part in parts)
        and re.search(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24} ?(;|$)", value[0])
        and re.search(rf"Parent={hexes(16)} ?(;|$)", value[0])
        and re.search(r"Sampled=[01] ?(;|$)", value[0])
        and len({key.lower() for key in keys}) == len(keys)
        and sum(key.startswith(("Root", "Parent", "Sampled")) for key in keys) == 3
        and "Sampled" in keys
    )


def is_b3_alike(headers, peer):
    """They take upper case, and anything as a decision or parent; Python samples without one."""
    match = B3.fullmatch(headers["b3"][0])
    return match and match[1] and (match[3] or peer == "node")


def is_b3multi_alike(headers, _peer):
    """The same; JavaScript fills up any length, and refuses what is no decision."""
    sampled = headers.get("x-b3-sampled", ["0"])[0]
    return is_plain(headers) and b3multi(headers).get("trace_id") and DECISION.fullmatch(sampled)


ALIKE = {"w3c": is_w3c_alike, "xray": is_xray_alike, "b3": is_b3_alike, "b3multi": is_b3multi_alike}


def known(found):
    """Without what is empty; the flags a number."""
    found = {name: value for name, value in found.items() if value != ""}
    return found | ({"flags": int(str(found["flags"]), 16)} if "flags" in found else {})


class PropagatorsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        made = [p.Random(SEED * 1_000_003 + i).headers() for i in range(ROUNDS)]
        kinds = [NAMES.get(kind, kind) for kind, _ in made]
        ours = p.ours([(k, k, headers) for k, (_, headers) in zip(kinds, made)])
        node = p.in_node([headers for _, headers in made])
        assert len(made) == len(ours) == len(node)
        cls.all = [(kind, headers, o, n) for (kind, headers), o, n in zip(made, ours, node)]

    def of(self, *kinds):
        found = [one for one in self.all if one[0] in kinds]
        self.assertGreater(len(found), ROUNDS // 20)
        return found

    def test_everything_is_read_as_the_page_says(self):
        for kind, headers, ours, _ in self.of(*PAGE):
            wanted = known({"flags": 0} | PAGE[kind](headers))
            named = set(wanted) | {"trace_id", "span_id", "sampled", "state", "debug"}
            if kind == "xray":
                named.remove("sampled")  # checked as xray_sampled
            got = known({name: value for name, value in ours.items() if name in named})
            self.assertEqual(got, wanted, headers)

    def test_opentelemetry_reads_the_same_spans_and_sends_the_same_headers(self):
        read = {}
        for kind, headers, ours, node in self.of(*ALIKE):
            for peer in ("python", "node"):
                if not ALIKE[kind](headers, peer):
                    continue
                theirs = p.in_python(kind, headers) if peer == "python" else node[kind]
                self.compare(kind, headers, ours, theirs)
                read[kind, peer] = read.get((kind, peer), 0) + (theirs is not None)
        self.assertEqual(len(read), 8)
        self.assertGreater(min(read.values()), ROUNDS // 400, read)

    def compare(self, kind, headers, ours, theirs):
        if theirs is None:
            return self.assertNotIn("trace_id", ours, headers)
        self.assertEqual(ours.get("trace_id"), theirs["trace_id"], headers)
        self.assertEqual(ours.get("span_id"), theirs["span_id"], headers)
        flags = int(ours["flags"], 16)
        mask = 3 if kind == "w3c" and first(headers, "traceparent").startswith("00") else 1
        self.assertEqual(flags, theirs["flags"] & mask, headers)
        sent = {name[2:].lower(): value for name, value in ours.items() if name.startswith("> ")}
        if kind == "w3c":
            if not is_state_alike(headers):
                sent.pop("tracestate", None)
                theirs["sent"].pop("tracestate", None)
            if theirs["flags"] != flags:  # they send bits that the version does not have
                theirs["sent"]["traceparent"] = sent["traceparent"]
        if kind == "xray" and "xray_more" in ours:  # which they drop
            sent["x-amzn-trace-id"] = sent["x-amzn-trace-id"].removesuffix(";" + ours["xray_more"])
        wanted = {name.lower(): value for name, value in theirs["sent"].items() if value}
        if kind.startswith("b3"):  # no decision, or debug: they have no place for it
            if "sampled" not in ours or "debug" in ours:
                return None
        return self.assertEqual(sent, wanted, headers)

    def test_the_sdks_of_aws_read_the_same_roots(self):
        n = 0
        for _, headers, ours, node in self.of("xray"):
            if not is_xray_alike(headers, "sdk"):
                continue
            n += 1
            value = {"x-amzn-trace-id": ["".join(headers["x-amzn-trace-id"][0].split())]}
            for theirs in (p.of_the_sdk(value), node["sdk"]):
                root = theirs["root"].replace("-", "")[1:]
                self.assertEqual(root.replace("0" * 32, ""), ours.get("trace_id", ""), headers)
                if not root.strip("0"):
                    continue
                self.assertEqual(theirs["parent"], ours.get("span_id"), headers)
                self.assertEqual(str(theirs["sampled"]), ours.get("xray_sampled"), headers)
        self.assertGreater(n, ROUNDS // 400)

    def test_beelines_read_the_same_ids(self):
        """They take any text as an ID, and Python's takes away what is no base64."""
        read = beeline.propagation.honeycomb.unmarshal_propagation_context_with_dataset
        n = 0
        for _, headers, ours, node in self.of("honeycomb"):
            try:
                trace_id, parent_id, context, dataset = read(headers["x-honeycomb-trace"][0])
            except (ValueError, TypeError):
                continue
            good = re.fullmatch(rf"(?i)({hexes(32)}|{hexes(16)})", trace_id or "")
            well_formed = CLAUSES.fullmatch(headers["x-honeycomb-trace"][0])
            if not (good and well_formed and isinstance(context, dict)):
                continue
            n += 1
            trace_id = trace_id.lower().rjust(32, "0")
            span_id = parent_id if re.fullmatch(rf"(?i){hexes(16)}", parent_id or "") else ""
            span_id = span_id.lower()
            self.assertEqual(ours.get("trace_id"), trace_id, headers)
            self.assertEqual(ours.get("span_id", ""), span_id, headers)
            if span_id:
                sent = ours["> X-Honeycomb-Trace"]
                self.assertEqual(read(sent), (trace_id, span_id, context, dataset), headers)
            if node["honeycomb"] and span_id:
                self.assertEqual(node["honeycomb"]["parentSpanId"].lower(), span_id, headers)
        self.assertGreater(n, ROUNDS // 200)

    def test_ddtrace_reads_the_same_numbers(self):
        """It refuses all for a parent or a priority that is none, where ours goes on without; a tag
        that is none costs it all tags."""
        n = 0
        for _, headers, ours, _ in self.of("datadog"):
            given = {name: value[0].strip(BLANKS) for name, value in headers.items()}
            if not all(DATADOG.get(name, ANY).fullmatch(given[name]) for name in given):
                continue
            if number(given.get("x-datadog-parent-id", "1")) + 1 == 1:
                continue
            theirs = HTTPPropagator.extract(given)
            n += 1
            trace_id = f"{theirs.trace_id:032x}" if theirs.trace_id else None
            self.assertEqual(ours.get("trace_id"), trace_id, headers)
            if trace_id:
                span_id = f"{theirs.span_id:016x}" if theirs.span_id else None
                self.assertEqual(ours.get("span_id"), span_id, headers)
                priority = theirs.sampling_priority
                sampled = None if priority is None else str(int(priority > 0))
                self.assertEqual(ours.get("sampled"), sampled, headers)
        self.assertGreater(n, ROUNDS // 100)

    def test_baggage_is_passed_on_by_the_page_and_read_by_others_as_before(self):
        found = self.of("baggage")
        sent = [ours.get("> baggage", "") for _, _, ours, _ in found]
        again = p.in_node([{"baggage": [text]} for text in sent])
        n = 0
        for (_, headers, ours, node), text, after in zip(found, sent, again):
            parts = [part.strip(BLANKS) for part in ",".join(headers["baggage"]).split(",")]
            good = [part for part in parts if BAGGAGE.fullmatch(part)]
            self.assertEqual(text, ",".join(good), headers)
            named = [match for match in map(BAGGAGE.fullmatch, good) if match[1] == SESSION]
            session = [match[2] for match in named if match[2]]
            said = urllib.parse.unquote(session[0], errors="replace") if session else ""
            session_id = ours.get("session_id", "").encode("latin-1").decode()
            self.assertEqual(session_id, said, headers)
            if len(good) < len([part for part in parts if part]):
                continue
            n += 1
            self.assertEqual(after["baggage"], node["baggage"], headers)
            if said and len(session) == 1 and not re.search("[\ufffd%]", said):
                self.assertIn([SESSION, said], node["baggage"])
            python = dict(p.in_python("baggage", {"baggage": [text]}))
            # Python's reads "+" as a blank and takes no properties, others take no empty values.
            if not re.search("[;+]|=(,|$)|%(?![0-7][0-9a-fA-F])|%20", text):
                self.assertEqual(python, dict(map(tuple, after["baggage"])), headers)
        self.assertGreater(n, ROUNDS // 400)
