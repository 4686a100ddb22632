"""What OTLP/JSON may hold: the messages of opentelemetry-proto as tables, and a check as strict as
proto3's JSON and the specification together.

    complaint = check(LOGS, object)         None: well
    for record in records(object): ...      Record, of logs or spans
"""

import base64
import binascii
import re

HEX = re.compile(r"[0-9a-f]*")
DECIMAL = re.compile(r"(0|-?[1-9][0-9]*)")


class Bad(Exception):
    pass


def text(value, path):
    if not isinstance(value, str):
        raise Bad(f"{path}: not a string")


def boolean(value, path):
    if not isinstance(value, bool):
        raise Bad(f"{path}: not a boolean")


def number(value, path):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Bad(f"{path}: not a number")


def whole(lowest, highest):
    """A JSON number: integers of 32 bits and enums."""

    def check_one(value, path):
        if isinstance(value, bool) or not isinstance(value, int):
            raise Bad(f"{path}: not an integer")
        if not lowest <= value <= highest:
            raise Bad(f"{path}: {value} is not of {lowest} to {highest}")

    return check_one


def decimal(lowest, highest):
    """A string of decimal digits: integers of 64 bits, which a JSON number may not hold whole."""

    def check_one(value, path):
        if not isinstance(value, str) or not DECIMAL.fullmatch(value):
            raise Bad(f"{path}: not a decimal string")
        if not lowest <= int(value) <= highest:
            raise Bad(f"{path}: {value} is out of range")

    return check_one


def identifier(length):
    """Hex, not base64. Lower case, since some keep it as it was sent and then do not find it."""

    def check_one(value, path):
        if not isinstance(value, str) or not HEX.fullmatch(value):
            raise Bad(f"{path}: not lower-case hex")
        if value and (len(value) != length or not value.strip("0")):
            raise Bad(f"{path}: {value!r} is no ID of {length} digits")

    return check_one


def encoded(value, path):
    try:
        base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise Bad(f"{path}: not base64") from None


def many(kind):
    def check_one(value, path):
        if not isinstance(value, list):
            raise Bad(f"{path}: not a list")
        for i, inner in enumerate(value):
            kind(inner, f"{path}[{i}]")

    return check_one


def message(needs=(), **fields):
    def check_one(value, path):
        if not isinstance(value, dict):
            raise Bad(f"{path}: not an object")
        for name, inner in value.items():
            if name not in fields:
                raise Bad(f"{path}: there is no member {name!r}")
            fields[name](inner, f"{path}.{name}")
        for name in needs:
            if name not in value:
                raise Bad(f"{path}: {name} is missing")

    return check_one


def any_value(value, path):
    if not isinstance(value, dict) or len(value) > 1:
        raise Bad(f"{path}: not one value")
    for name, inner in value.items():
        if name not in VALUES:
            raise Bad(f"{path}: there is no member {name!r}")
        VALUES[name](inner, f"{path}.{name}")


def attributes(value, path):
    KEY_VALUES(value, path)
    keys = [pair["key"] for pair in value]
    if len(set(keys)) != len(keys):
        raise Bad(f"{path}: a key stands twice")
    if "" in keys:
        raise Bad(f"{path}: an empty key")


U32, I64, TIME = whole(0, 2**32 - 1), decimal(-(2**63), 2**63 - 1), decimal(0, 2**64 - 1)
KEY_VALUES = many(message(("key", "value"), key=text, value=any_value))
VALUES = {
    "stringValue": text, "boolValue": boolean, "intValue": I64, "doubleValue": number,
    "arrayValue": message(values=many(any_value)), "kvlistValue": message(values=attributes),
    "bytesValue": encoded,
}  # fmt: skip
RESOURCE = message(attributes=attributes, droppedAttributesCount=U32)
SCOPE = message(name=text, version=text, attributes=attributes, droppedAttributesCount=U32)
RECORD = message(
    timeUnixNano=TIME, observedTimeUnixNano=TIME, severityNumber=whole(0, 24), severityText=text,
    body=any_value, attributes=attributes, droppedAttributesCount=U32, flags=U32,
    traceId=identifier(32), spanId=identifier(16), eventName=text,
)  # fmt: skip
EVENT = message(timeUnixNano=TIME, name=text, attributes=attributes, droppedAttributesCount=U32)
LINK = message(
    ("traceId", "spanId"), traceId=identifier(32), spanId=identifier(16), traceState=text,
    attributes=attributes, droppedAttributesCount=U32, flags=U32,
)  # fmt: skip
SPAN = message(
    ("traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"),
    traceId=identifier(32), spanId=identifier(16), traceState=text, parentSpanId=identifier(16),
    flags=U32, name=text, kind=whole(0, 5), startTimeUnixNano=TIME, endTimeUnixNano=TIME,
    attributes=attributes, droppedAttributesCount=U32, events=many(EVENT), droppedEventsCount=U32,
    links=many(LINK), droppedLinksCount=U32,
    status=message(message=text, code=whole(0, 2)),
)  # fmt: skip
LOGS = message(
    ("resourceLogs",),
    resourceLogs=many(message(
        resource=RESOURCE, schemaUrl=text,
        scopeLogs=many(message(scope=SCOPE, schemaUrl=text, logRecords=many(RECORD))),
    )),
)  # fmt: skip
TRACES = message(
    ("resourceSpans",),
    resourceSpans=many(message(
        resource=RESOURCE, schemaUrl=text,
        scopeSpans=many(message(scope=SCOPE, schemaUrl=text, spans=many(SPAN))),
    )),
)  # fmt: skip


def check(kind, value):
    try:
        kind(value, "body")
    except Bad as bad:
        return str(bad)
    for record in records(value):
        if not int(record.raw.get("timeUnixNano", record.raw.get("startTimeUnixNano", "0"))):
            return "a record has no time: it would be of 1970"
        if record.raw.get("spanId") and not record.raw.get("traceId"):
            return "a span without a trace"
        if record.is_span and not (record.raw["traceId"] and record.raw["spanId"]):
            return "a span without its IDs"
        if record.is_span and int(record.raw["endTimeUnixNano"]) < int(
            record.raw["startTimeUnixNano"]
        ):
            return "a span that ends before it starts"
    return None


def plain(value):
    """An AnyValue as Python has it."""
    for name, inner in value.items():
        if name == "intValue":
            return int(inner)
        if name == "arrayValue":
            return [plain(one) for one in inner.get("values", [])]
        if name == "kvlistValue":
            return plain_attributes(inner.get("values", []))
        return inner
    return None


def plain_attributes(pairs):
    return {pair["key"]: plain(pair["value"]) for pair in pairs}


class Record:
    """A log record or a span, with what stands around it."""

    def __init__(self, raw, resource, is_span):
        self.raw = raw
        self.is_span = is_span
        self.resource = resource
        self.attributes = plain_attributes(raw.get("attributes", []))
        self.trace_id = raw.get("traceId", "")
        self.span_id = raw.get("spanId", "")
        uid = self.attributes.get("log.record.uid")
        self.uuid = uid or self.attributes.get("rollbar.occurrence.uuid")


def records(value):
    for outer, inner, name in (
        ("resourceLogs", "scopeLogs", "logRecords"),
        ("resourceSpans", "scopeSpans", "spans"),
    ):
        for resource in value.get(outer, []):
            around = plain_attributes(resource.get("resource", {}).get("attributes", []))
            for scope in resource.get(inner, []):
                for raw in scope.get(name, []):
                    yield Record(raw, around, name == "spans")
