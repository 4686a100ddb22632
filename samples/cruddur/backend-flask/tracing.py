"""The trace of a request: taken from its headers, made where they have none, passed on.

W3C: traceparent: 00-TRACE-SPAN-FLAGS. AWS X-Ray: X-Amzn-Trace-Id: Root=1-...;Parent=...;Sampled=1.
Who calls another service keeps the trace and names a span of its own as the parent."""

import re
import secrets

TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
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
        if not outgoing(environ):
            environ["HTTP_TRACEPARENT"] = f"00-{new_id(16)}-{new_id(8)}-01"
        return self.app(environ, start_response)


def outgoing(environ):
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
