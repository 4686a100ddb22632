"""What Honeycomb makes of OTLP log records: the columns that a person finds there.

Honeycomb's own translator, husky, is public; this is made anew from what it does, and compared with
an event that it made (tests/data/vectors/payloads/honeycomb_event_from_otlp_logs.json).

    for event in events(object): event["dataset"], event["data"]["trace.trace_id"]
"""

import json

import otlp_schema

UNKNOWN = "unknown_log_source"
STRING_MAX_BYTES = 65535
DEPTH_MAX = 5
# By the first of their numbers: 1 to 4 is trace, and so on.
SEVERITIES = ("trace", "debug", "info", "warn", "error", "fatal")


def dataset(resource, header=None):
    name = str(resource.get("service.name", "")).strip()
    if not name or name.startswith("unknown_service"):
        return header or UNKNOWN
    return name


def cut(value):
    if isinstance(value, str) and len(value.encode("utf-8")) > STRING_MAX_BYTES:
        return value.encode("utf-8")[:STRING_MAX_BYTES].decode("utf-8", "ignore")
    return value


def put(data, name, value, depth=0):
    """Maps become columns with dots, lists one column of JSON."""
    if isinstance(value, dict) and depth < DEPTH_MAX:
        for key, inner in value.items():
            put(data, f"{name}.{key}", inner, depth + 1)
    elif isinstance(value, (dict, list)):
        data[name] = cut(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    elif value is not None:
        data[name] = cut(value)


def put_trace(data, raw):
    if raw.get("traceId"):
        trace = raw["traceId"]
        data["trace.trace_id"] = trace[16:] if trace.startswith("0" * 16) else trace
        data["meta.annotation_type"] = "span_event"
    if raw.get("spanId"):
        data["trace.parent_id"] = raw["spanId"]


def event_of(raw, resource, scope):
    number = raw.get("severityNumber", 0)
    data = {"meta.signal_type": "log", "severity_code": number}
    data["severity"] = SEVERITIES[(number - 1) // 4] if 1 <= number <= 24 else "unspecified"
    put_trace(data, raw)
    for name, key in (("severityText", "severity_text"), ("eventName", "event.name")):
        if raw.get(name):
            data[key] = raw[name]
    if raw.get("flags"):
        data["flags"] = raw["flags"]
    if "body" in raw:
        put(data, "body", otlp_schema.plain(raw["body"]))
    if scope.get("name"):
        data["library.name"] = scope["name"]
    if scope.get("version"):
        data["library.version"] = scope["version"]
    for name, value in resource.items():
        put(data, name, value)
    for name, value in otlp_schema.plain_attributes(raw.get("attributes", [])).items():
        put(data, name, value)
    return {
        "dataset": dataset(resource), "time_unix_nano": raw.get("timeUnixNano", "0"), "data": data
    }  # fmt: skip


def events(value):
    """Of an ExportLogsServiceRequest."""
    found = []
    for group in value.get("resourceLogs", []):
        resource = otlp_schema.plain_attributes(group.get("resource", {}).get("attributes", []))
        for scope in group.get("scopeLogs", []):
            for raw in scope.get("logRecords", []):
                found.append(event_of(raw, resource, scope.get("scope", {})))
    return found
