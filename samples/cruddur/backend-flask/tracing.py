"""The trace of a request: taken from its headers, made where they have none, passed on, reported.

W3C: traceparent: 00-TRACE-SPAN-FLAGS. AWS X-Ray: X-Amzn-Trace-Id: Root=1-...;Parent=...;Sampled=1.
Who calls another service keeps the trace and names a span of its own as the parent. Where the
program has OpenTelemetry's or X-Ray's SDK (telemetry.py), the trace is the SDK's; where it has both,
there are two, and both are passed on and reported."""

import re
import secrets
import sys

TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
XRAY_ID = re.compile(r"1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")
XRAY_ROOT = re.compile(r"(?:^|;)\s*Root=(1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24})\s*(?:;|$)")
XRAY_SAMPLED = re.compile(r"(?:^|;)\s*(Sampled=[01?])\s*(?:;|$)")


def new_id(n_bytes):
    """Random hex digits that are not all zeros, which would mean none."""
    return f"{secrets.randbits(8 * n_bytes) or 1:0{2 * n_bytes}x}"


def parse_traceparent(text):
    """Trace and flags, or None."""
    match = TRACEPARENT.fullmatch(text.strip())
    if not match:
        return None
    version, trace, span, flags, more = match.groups()
    if int(trace, 16) == 0 or int(span, 16) == 0 or (version == "00" and more):
        return None
    return trace, flags


class Middleware:
    """Gives a request that came without a trace one, as a header, where every SDK looks for it."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        if not of_headers(environ):
            environ["HTTP_TRACEPARENT"] = f"00-{new_id(16)}-{new_id(8)}-01"
        return self.app(environ, start_response)


# ---- of the SDKs, inside a request ----


def opentelemetry_span():
    """The context of the current span, or None."""
    module = sys.modules.get("opentelemetry.trace")
    if module is None:
        return None
    context = module.get_current_span().get_span_context()
    return context if context.is_valid else None


def xray_entity():
    """The current segment or subsegment, or None."""
    entity = xray_innermost()
    match = XRAY_ID.fullmatch(entity.trace_id) if entity is not None else None
    return entity if match and "".join(match.groups()).strip("0") else None


def xray_says_no():
    """The SDK has decided not to record this request: what it has in the place of a segment has an ID
    of zeros."""
    entity = xray_innermost()
    return entity is not None and not entity.sampled and xray_entity() is None


def xray_innermost():
    module = sys.modules.get("aws_xray_sdk.core")
    if module is None:
        return None
    # Asking the recorder for a segment that is not there would make it log.
    entities = getattr(getattr(module.xray_recorder.context, "_local", None), "entities", None)
    return entities[-1] if entities else None


# ---- passed on ----


def of_headers(environ):
    """The trace headers for a call made on behalf of the request with this WSGI environment."""
    headers = {}
    span = new_id(8)
    w3c = parse_traceparent(environ.get("HTTP_TRACEPARENT", ""))
    xray = environ.get("HTTP_X_AMZN_TRACE_ID", "")
    root = XRAY_ROOT.search(xray)
    if w3c:
        headers["traceparent"] = f"00-{w3c[0]}-{span}-{w3c[1]}"
    if root:
        sampled = XRAY_SAMPLED.search(xray)
        parts = [f"Root={root.group(1)}", f"Parent={span}"]
        headers["X-Amzn-Trace-Id"] = ";".join(parts + ([sampled.group(1)] if sampled else []))
    return headers


def outgoing(environ):
    """The same, with what the SDKs know put before what the headers say."""
    headers = of_headers(environ)
    span, entity = opentelemetry_span(), xray_entity()
    if span is not None:
        headers["traceparent"] = (
            f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags) & 3:02x}"
        )
    if entity is not None:
        headers["X-Amzn-Trace-Id"] = (
            f"Root={entity.trace_id};Parent={entity.id};Sampled={int(bool(entity.sampled))}"
        )
    elif xray_says_no():
        root = XRAY_ROOT.search(environ.get("HTTP_X_AMZN_TRACE_ID", ""))
        if root or span is not None:
            text = "" if span is None else f"{span.trace_id:032x}"
            root = root.group(1) if root else f"1-{text[:8]}-{text[8:]}"
            headers["X-Amzn-Trace-Id"] = f"Root={root};Sampled=0"
    return headers


# ---- reported ----


def describe(data, exception=None):
    """Adds what the SDKs know of the trace to an item of Rollbar's, in the members that the agent
    reads (docs/trace.md section 2). What the headers say the agent finds itself."""
    span, entity = opentelemetry_span(), xray_entity()
    custom = data.setdefault("custom", {})
    if xray_says_no():
        custom.setdefault("trace", {})["xray_sampled"] = "0"
    if span is None and entity is None:
        return
    more = custom.setdefault("trace", {})
    if span is not None:
        ids = f"{span.trace_id:032x}", f"{span.span_id:016x}"
        more["flags"] = f"{int(span.trace_flags) & 255:02x}"
    else:
        ids = "".join(XRAY_ID.fullmatch(entity.trace_id).groups()).lower(), entity.id
    custom["trace_id"], custom["span_id"] = ids
    data["attributes"] = [
        pair for pair in data.get("attributes") or [] if pair.get("key") not in ("trace_id", "span_id")
    ] + [{"key": "trace_id", "value": ids[0]}, {"key": "span_id", "value": ids[1]}]
    if entity is not None:
        custom["xray_trace_id"] = entity.trace_id
        more["xray_parent_id"] = entity.id
        more["xray_is_local"] = True
        more["xray_sampled"] = "1" if entity.sampled else "0"
        began = (getattr(entity, "parent_segment", None) or entity).start_time
        if isinstance(began, (int, float)):
            more["started_at"] = round(began, 6)
        cause = getattr(exception, "_cause_id", None)
        if isinstance(cause, str):
            more["xray_cause_id"] = cause


def for_log():
    """The trace as a line of a log has it; X-Ray's console finds lines by xray_trace_id."""
    span, entity = opentelemetry_span(), xray_entity()
    parts = []
    if span is not None:
        parts.append(f"trace_id={span.trace_id:032x} span_id={span.span_id:016x}")
    if entity is not None:
        parts.append(f"xray_trace_id={entity.trace_id}")
    return " ".join(parts)
