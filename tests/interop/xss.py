"""Reports that mean harm: markup in every field that a page may show."""

PAYLOADS = [
    "<script>window.__xss=1</script>",
    "</script><script>window.__xss=1</script>",
    "</title><script>window.__xss=1</script>",
    "</textarea></style></noscript><script>window.__xss=1</script>",
    '"><img src=x onerror=window.__xss=1>',
    "'><svg onload=window.__xss=1>",
    '" onmouseover="window.__xss=1" x="',
    "' autofocus onfocus='window.__xss=1' x='",
    "` onmouseover=window.__xss=1 x=`",
    "javascript:window.__xss=1//",
    '<iframe srcdoc="<script>parent.__xss=1</script>"></iframe>',
    '<a href="javascript:window.__xss=1">x</a>',
    "<!--><img src=x onerror=window.__xss=1>-->",
    "&lt;img src=x onerror=window.__xss=1&gt;",
    "%3Cimg src=x onerror=window.__xss=1%3E",
    "[x](javascript:window.__xss=1) ![x](x) <b>x</b>",
    "\u202e\u2028</pre><script>window.__xss=1</script>\x07\x1b[31m",
    "<base href=https://evil.invalid/><meta http-equiv=refresh content=99;url=/>",
]


def cut(text, n_bytes):
    return text.encode()[:n_bytes].decode(errors="ignore")


def frame(p):
    return {
        "filename": f"{p}/src/{p}.py", "lineno": 7, "method": p, "code": f"    {p}",
        "context": {"pre": [p, p], "post": [p]}, "class_name": p, "module": p, "address": p,
        "module_offset": p, "build_id": p, "trust": p, "argspec": [p], "varargspec": p,
        "locals": {p: p, "deep": {p: [p, {p: p}]}}, "in_app": True,
    }  # fmt: skip


def telemetry(p):
    bodies = [
        {"message": p, "stack": p},
        {"method": p, "url": p, "status_code": p, p: p},
        {"from": p, "to": p},
    ]
    kinds = ["log", "network", "navigation"]
    return [
        {"level": "info", "type": kind, "source": "server", "timestamp_ms": 1795339660123,
         "body": body}
        for kind, body in zip(kinds, bodies)
    ] + [{"level": "error", "type": p, "source": p, "timestamp_ms": 1795339660124,
          "body": {p: p}}]  # fmt: skip


def data(number, p, trace_id):
    """An item of an SDK with p wherever the schema lets it be."""
    trace = {
        "frames": [frame(p), frame(p)],
        "exception": {"class": p, "message": p, "description": p},
        "extra": {p: p},
    }
    body = {"trace": trace} if number % 2 else {"trace_chain": [trace, trace]}
    body["telemetry"] = telemetry(p)
    return {
        "environment": p, "level": "error", "body": body, "title": f"{number} {p}",
        "uuid": cut(f"{number}{p}", 36), "timestamp": 1795339661, "code_version": cut(p, 40),
        "platform": p, "language": p, "framework": p, "context": p,
        "request": {
            "url": p, "method": p, "headers": {p: p, "Host": p, "User-Agent": p, "Referer": p},
            "GET": {p: p}, "POST": {p: p}, "body": p, "query_string": p, "user_ip": p,
            "params": {p: p},
        },
        "person": {"id": cut(p, 40), "username": p, "email": p},
        "server": {"host": p, "root": p, "branch": p, "code_version": p, "argv": [p], "pid": 1},
        "client": {p: p}, "notifier": {"name": p, "version": p},
        "attributes": [{"key": p, "value": p}, {"key": "session_id", "value": p}],
        "custom": {
            p: {p: [p]}, "trace_id": trace_id, "service": p, "occurred_at": p,
            "native": {
                "signal": p, "code": p, "address": p, "access": p, "meaning": p, "abort": p,
                "registers": {p: p, "rip": p}, "thread": {"name": p, "tid": p},
                "modules": [{"name": p, "path": p, "build_id": p, p: p}], p: p,
            },
            "scope": {p: p},
        },
        p: p,
    }  # fmt: skip
