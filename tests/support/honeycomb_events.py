"""What Honeycomb makes of OTLP in JSON: the columns that a person finds there.

Honeycomb's own translator, husky, is public; this is made anew from what it does, and compared with
an event that it made (tests/data/vectors/payloads/honeycomb_event_from_otlp_logs.json) and, where a
refinery is, with what that makes of all kinds of items (tests/interop/test_refinery.py).

    for event in events(object): event["dataset"], event["data"]["trace.trace_id"]

Of logs and of spans, with the key and the dataset of the request's headers. A sample rate is not of
what towbard sends, so it is 1 for all.
"""

import json
import re

import otlp_schema

UNKNOWN_LOGS = "unknown_log_source"
UNKNOWN = "unknown_service"
STRING_MAX_BYTES = 65535
DEPTH_MAX = 5
# By the first of their numbers: 1 to 4 is trace, and so on.
SEVERITIES = ("trace", "debug", "info", "warn", "error", "fatal")
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
CLASSIC = re.compile(r"[0-9a-f]{32}|hc[a-z]ic_[0-9a-z]{58}")
COPIED = ("exception.message", "exception.type", "exception.stacktrace", "exception.escaped")


def dataset(resource, header="", key="", is_span=False):
    """Of a classic key spans go by the header alone, logs by the service as those of others."""
    if is_span and CLASSIC.fullmatch(key):
        return header
    service = str(resource.get("service.name", ""))
    name = service.strip()
    if not name or (name if is_span else service).startswith(UNKNOWN):
        return UNKNOWN if is_span else header if header.strip() else UNKNOWN_LOGS
    return name


def cut(value):
    """As Honeycomb itself stores a text; husky leaves that to it."""
    if isinstance(value, str) and len(value.encode("utf-8")) > STRING_MAX_BYTES:
        return value.encode("utf-8")[:STRING_MAX_BYTES].decode("utf-8", "ignore")
    return value


def put(data, name, value, depth=0):
    """Maps become columns with dots, lists one column of JSON, which ends in a newline."""
    if isinstance(value, dict) and depth < DEPTH_MAX:
        for key, inner in value.items():
            put(data, f"{name}.{key}", inner, depth + 1)
    elif isinstance(value, (dict, list)):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        data[name] = cut(text + "\n")
    elif value is not None:
        data[name] = cut(value)


def put_all(data, attributes):
    for name, value in attributes.items():
        if name:
            put(data, name, value)


def around(group, scope):
    """What a resource and a scope say of all that is in them."""
    data = {}
    put_all(data, otlp_schema.plain_attributes(group.get("resource", {}).get("attributes", [])))
    if group.get("schemaUrl"):
        data["resource.schema_url"] = group["schemaUrl"]
    for name in ("name", "version"):
        if scope.get("scope", {}).get(name):
            data["library." + name] = scope["scope"][name]
    put_all(data, otlp_schema.plain_attributes(scope.get("scope", {}).get("attributes", [])))
    if scope.get("schemaUrl"):
        data["scope.schema_url"] = scope["schemaUrl"]
    return data


def log_event(raw, common):
    """Its own attributes count before the program's, and those before what it is made of."""
    number = raw.get("severityNumber", 0)
    data = {"meta.signal_type": "log", "severity_code": number, "flags": raw.get("flags", 0)}
    data["severity"] = SEVERITIES[(number - 1) // 4] if 1 <= number <= 24 else "unspecified"
    if raw.get("traceId"):
        # As it is: zeros at the front are taken off IDs that come as bytes, not off these.
        data["trace.trace_id"] = raw["traceId"]
        data["meta.annotation_type"] = "span_event"
    if raw.get("spanId"):
        data["trace.parent_id"] = raw["spanId"]
    for name, key in (("severityText", "severity_text"), ("eventName", "event.name")):
        if raw.get(name):
            data[key] = raw[name]
    if "body" in raw:
        put(data, "body", otlp_schema.plain(raw["body"]))
    data.update(common)
    put_all(data, otlp_schema.plain_attributes(raw.get("attributes", [])))
    return raw.get("timeUnixNano", "0"), data


def after_ms(start, end):
    return max(0, int(end) - int(start)) / 1e6


def span_events(raw, common):
    """Those of its own events, and it. An exception's texts are on both."""
    start = raw["startTimeUnixNano"]
    code = raw.get("status", {}).get("code", 0)
    ids = {"trace.trace_id": raw["traceId"], "meta.signal_type": "trace"}
    if code == 2:
        ids["error"] = True
    kind = KINDS[raw.get("kind", 0)]
    data = {
        **common, **ids, "trace.span_id": raw["spanId"], "name": raw["name"], "type": kind,
        "span.kind": kind, "status_code": code, "span.num_events": len(raw.get("events", [])),
        "span.num_links": len(raw.get("links", [])),
        "duration_ms": after_ms(start, raw["endTimeUnixNano"]),
    }  # fmt: skip
    for name, key in (("parentSpanId", "trace.parent_id"), ("traceState", "trace.trace_state")):
        if raw.get(name):
            data[key] = raw[name]
    if raw.get("status", {}).get("message"):
        data["status_message"] = raw["status"]["message"]
    put_all(data, otlp_schema.plain_attributes(raw.get("attributes", [])))
    copied = {}
    for inner in raw.get("events", []):
        attributes = otlp_schema.plain_attributes(inner.get("attributes", []))
        event = {
            **common, **ids, "trace.parent_id": raw["spanId"], "name": inner["name"],
            "parent_name": raw["name"], "meta.annotation_type": "span_event",
            "meta.time_since_span_start_ms": after_ms(start, inner["timeUnixNano"]),
        }  # fmt: skip
        put_all(event, attributes)
        yield inner["timeUnixNano"], event
        if inner["name"] == "exception" and not copied:
            copied = {name: attributes[name] for name in COPIED if name in attributes}
    yield start, {**copied, **data}


def events(value, key="", header=""):
    """Of an ExportLogsServiceRequest or an ExportTraceServiceRequest."""
    found = []
    for outer, inner, name in (
        ("resourceLogs", "scopeLogs", "logRecords"), ("resourceSpans", "scopeSpans", "spans"),
    ):  # fmt: skip
        for group in value.get(outer, []):
            for scope in group.get(inner, []):
                common = around(group, scope)
                where = dataset(common, header, key, name == "spans")
                for raw in scope.get(name, []):
                    made = span_events(raw, common) if name == "spans" else [log_event(raw, common)]
                    found += [{"dataset": where, "time_unix_nano": t, "data": d} for t, d in made]
    return found
