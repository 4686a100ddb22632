"""towbar.py - reports the errors of a Python program to towbard, the agent on this host.

    import towbar
    towbar.init_app(app)                        Flask: that is all
    application = towbar.wsgi(application)      any other WSGI application

    towbar.init(service="job")                  anything else: report by hand
    try: ...
    except Exception: towbar.report_exc_info()
    towbar.report_message("disk is nearly full", "warning")
    requests.get(url, headers={"traceparent": towbar.traceparent()})
    towbar.status()                             {"sent": 3, "spooled": 0, "failed": 0, ...}

One file, standard library only, Python 3.8 or later. What it promises:

1. It never raises into its host. What goes wrong is counted, and status() says the last of it.
2. It waits for the agent 250 ms at most, and after such a wait not again for a second. An error that
   the agent does not take goes into a file of the spool, from where the agent delivers it later.
3. It starts no thread and keeps no file open but a connection for each thread that reported, which a
   child does not use: fork as you like.
4. No local variables and no request bodies are sent. Values under the names of secrets are masked
   in headers, query and extra data; the agent scrubs again.

Where the agent is: TOWBAR_SOCKET and TOWBAR_SPOOL, or the places that docs/config.md names. Also
read: TOWBAR_SERVICE, TOWBAR_ENVIRONMENT or ROLLBAR_ENVIRONMENT, TOWBAR_VERSION, TOWBAR_ROOT.
"""

import collections
import contextvars
import fcntl
import functools
import itertools
import json
import linecache
import logging
import os
import re
import socket as sockets
import struct
import sys
import threading
import time
import urllib.parse
import uuid as uuids
import zlib

__all__ = [
    "LogHandler", "init", "init_app", "report_exc_info", "report_message", "status",
    "traceparent", "wsgi",
]  # fmt: skip

NAME, VERSION = "towbar.py", "0.1.0"

WAIT_S = 0.25  # for the agent, from connecting to its answer
REST_S = 1.0  # after such a wait was in vain
ITEM_MAX_BYTES = 256 << 10
FRAMES_MAX = 200  # the outermost and the innermost hundred
CHAIN_MAX = 10
MESSAGE_MAX = 4096
CODE_MAX = 200
KNOWN_FRAMES_MAX = 2000
HEADERS_MAX, VALUE_MAX = 100, 1024
REPLY_MAX_BYTES = 65536
EXTRA_NODES, EXTRA_ELEMENTS, EXTRA_LEVELS = 200, 50, 6
MASK = "********"
LEVELS = ("critical", "error", "warning", "info", "debug")

# ---- what is known about this program ----


class _Settings:
    """Set once by init; the same in every process."""

    def __init__(self, service, environment, version, root, socket, spool):
        env = os.environ.get
        self.root = os.path.realpath(root or env("TOWBAR_ROOT") or _folder())
        self.prefix = self.root.rstrip("/") + "/"
        self.service = _text(service or env("TOWBAR_SERVICE") or os.path.basename(self.root), 255)
        self.environment = _text(
            environment or env("TOWBAR_ENVIRONMENT") or env("ROLLBAR_ENVIRONMENT") or "production",
            255,
        )
        self.version = _text(version or env("TOWBAR_VERSION") or "", 40)
        self.socket = socket or env("TOWBAR_SOCKET")
        self.spool = spool or env("TOWBAR_SPOOL")
        self.host = _text(sockets.gethostname(), 255)
        self.framework = None
        self.flask_request = None  # flask.request, once init_app has met Flask


def _folder():
    try:
        return os.getcwd()
    except OSError:
        return "/"  # it was removed


class _Process:
    """What belongs to one process: a child begins with its own."""

    def __init__(self):
        self.pid = os.getpid()
        self.lock = threading.RLock()  # a signal handler may report while it is held
        self.thread = threading.local()
        self.sent = self.spooled = self.failed = 0
        self.last_error = None
        self.rest_until = 0.0
        self.boot_id = None  # until the first file in the spool
        self.start_ticks = 0
        self.numbers = itertools.count()

    def look(self):
        """For the header of a file: hints only, so that none is no harm."""
        boot_id = bytes(16)
        try:
            with open("/proc/self/stat", "rb") as file:
                self.start_ticks = int(file.read().rpartition(b")")[2].split()[19])
            # Bytes, not text: to open a text file can import a codec, and the lock of an import may
            # be one that a thread of the parent held.
            with open("/proc/sys/kernel/random/boot_id", "rb") as file:
                boot_id = bytes.fromhex(file.read().strip().replace(b"-", b"").decode())[:16]
            if len(boot_id) != 16:
                boot_id = bytes(16)
        except (OSError, ValueError, IndexError):
            pass
        self.boot_id = boot_id

    def count(self, what, why=None):
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)
            if why is not None:
                self.last_error = why


_settings = None
_process = _Process()
_uncounted = 0  # reports lost where not even a function could be called
_environ = contextvars.ContextVar("towbar_environ", default=None)  # of the request, by wsgi


def _this_process():
    if _process.pid != os.getpid():
        _begin_anew()  # by a fork that Python did not hear of
    return _process


def _begin_anew():
    global _process
    _process = _Process()  # the parent's lock may be held by a thread that is not here


os.register_at_fork(after_in_child=_begin_anew)


def init(service=None, environment=None, version=None, root=None, socket=None, spool=None):
    """Names the program. Without it the first report does the same with no arguments."""
    global _settings
    try:
        _settings = _Settings(service, environment, version, root, socket, spool)
        _known_frames.clear()  # they have the root cut off
    except Exception as err:
        _this_process().count("failed", f"init: {_text(err, 200)}")


def init_app(
    app, service=None, environment=None, version=None, root=None, socket=None, spool=None
):
    """Reports every exception that a Flask application does not handle."""
    try:
        root = root or os.environ.get("TOWBAR_ROOT") or getattr(app, "root_path", None)
        init(service, environment, version, root, socket, spool)
        from flask import got_request_exception, request, request_started

        _settings.framework = "flask"
        _settings.flask_request = request
        got_request_exception.connect(_flask_exception, app)
        request_started.connect(_flask_started, app)
    except Exception as err:
        _this_process().count("failed", f"init_app: {_text(err, 200)}")


def _flask_started(sender, **_):
    try:
        _settings.flask_request.environ.setdefault("towbar.started", time.time())
    except Exception:
        pass  # one fact less


def _flask_exception(sender, exception=None, **_):
    report_exc_info(exception)


def status():
    """How many reports the agent took, went into the spool, or were lost, in this process."""
    try:
        process = _this_process()
        with process.lock:
            return {
                "sent": process.sent,
                "spooled": process.spooled,
                "failed": process.failed + _uncounted,
                "last_error": process.last_error,
            }
    except Exception:
        return {"sent": 0, "spooled": 0, "failed": _uncounted, "last_error": "status: no room"}


# ---- reporting ----


def report_exc_info(
    exc_info=None, request=None, extra_data=None, payload_data=None, level="error"
):
    """Reports an exception, the one being handled if none is given: exc_info is an exception or what
    sys.exc_info() returns. Returns the report's uuid, or None when there is none."""
    global _uncounted
    try:
        exc = exc_info
        if exc is None:
            exc = sys.exc_info()[1]
        elif isinstance(exc, tuple):
            exc = exc[1] if len(exc) > 1 else None
        if isinstance(exc, BaseException):
            return _report(_exception_body, exc, level, request, extra_data, payload_data)
    except Exception:
        _uncounted += 1  # the stack has no room for a call
    return None


def report_message(message, level="error", request=None, extra_data=None, payload_data=None):
    """Reports a text. Returns the report's uuid, or None when there is none."""
    global _uncounted
    try:
        return _report(_message_body, message, level, request, extra_data, payload_data)
    except Exception:
        _uncounted += 1
    return None


def _report(body, subject, level, request, extra, payload):
    """Everything that may go wrong goes wrong in here."""
    try:
        process = _this_process()
        thread = process.thread
        if getattr(thread, "busy", False):
            return None  # what reporting itself calls, or interrupted it
        thread.busy = True
        try:
            if _settings is None:
                init()
            environ, rule = _request(request)
            is_exception = environ is not None and body is _exception_body
            if is_exception and environ.get("towbar.reported") is subject:
                return None  # by an inner layer of the same request
            error = subject if body is _exception_body else None
            data = _data(body(subject), level, environ, rule, extra, payload, error)
            if _deliver(process, data, data["level"]):
                if is_exception:
                    environ["towbar.reported"] = subject
                return data["uuid"]
        finally:
            thread.busy = False
    except Exception as err:
        try:
            _this_process().count("failed", f"{type(err).__name__}: {_text(err, 200)}")
        except Exception:
            pass
    return None


def _data(body, level, environ, rule, extra, payload, error=None):
    settings = _settings
    now = time.time()
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    custom = {"service": settings.service, "occurred_at": f"{when}.{int(now % 1 * 1000):03d}Z"}
    data = {
        "uuid": str(uuids.uuid4()),
        "timestamp": int(now),
        "environment": settings.environment,
        "level": _level(level),
        "platform": "linux",
        "language": "python %d.%d.%d" % sys.version_info[:3],
        "notifier": {"name": NAME, "version": VERSION},
        "server": {"host": settings.host, "root": settings.root, "pid": os.getpid()},
        "body": body,
        "custom": custom,
    }
    if settings.framework:
        data["framework"] = settings.framework
    if settings.version:
        data["code_version"] = settings.version
    request = _or_none(_request_data, environ)
    if request is not None:
        data["request"] = request
    if rule is not None:
        data["context"] = _text(rule, 255)
    _or_none(_add_extra, custom, extra)
    _or_none(_add_extra, custom, _or_none(_take_payload, data, payload))
    found = _or_none(_trace, environ) or (None, None, None, None, {})
    trace_id, span_id, xray_id, flags, trace = found
    attributes = []
    for key, value in (("trace_id", trace_id), ("span_id", span_id)):
        if value:
            custom[key] = value
            attributes.append({"key": key, "value": value})
    if xray_id:
        custom["xray_trace_id"] = xray_id
    if attributes:
        data["attributes"] = attributes
    if trace_id or xray_id or "xray_sampled" in trace:
        custom["trace"] = _or_none(_trace_members, trace, flags, environ, error)
        if not custom["trace"]:
            del custom["trace"]
    return data


def _trace_members(trace, flags, environ, error):
    if flags:
        trace["flags"] = flags
    started = environ.get("towbar.started") if environ is not None else None
    if isinstance(started, float):
        trace.setdefault("started_at", round(started, 6))
    cause_id = _cause_id(error) if trace.get("xray_is_local") else None
    if cause_id is not None:
        trace["xray_cause_id"] = cause_id
    return trace


def _or_none(make, *args):
    """What only adorns a report must not cost it."""
    try:
        return make(*args)
    except Exception:
        return None


def _level(level):
    try:
        return LEVELS[LEVELS.index(level)]
    except Exception:
        return "error"


def _add_extra(custom, more):
    if more:
        more = _plain(more)
        custom.update(more if isinstance(more, dict) else {"extra": more})


_PAYLOAD = (("title", 255), ("fingerprint", VALUE_MAX), ("context", 255), ("framework", 255))


def _take_payload(data, payload):
    """Takes over what else the caller wants the item to have, in the types and lengths that Rollbar
    takes, since for a title too long it would refuse the error; returns its custom data."""
    if not isinstance(payload, dict):
        return None
    for key, most in _PAYLOAD:
        text = _or_none(_plain, payload.get(key))
        if text is not None and text != "":
            data[key] = _text(text, most)
    person = _or_none(_plain, payload.get("person"))
    if isinstance(person, dict) and person.get("id") not in (None, ""):
        for key, most in (("id", 40), ("username", 255), ("email", 255)):
            if person.get(key) is not None:
                person[key] = _text(person[key], most)
        data["person"] = person
    elif person:
        data["custom"]["person"] = person
    return payload.get("custom")


# ---- exceptions ----


def _exception_body(exc):
    chain, seen = [], set()
    while exc is not None and id(exc) not in seen and len(chain) < CHAIN_MAX:
        seen.add(id(exc))
        chain.append(
            {
                "frames": _frames(exc.__traceback__),
                "exception": {"class": type(exc).__name__, "message": _text(exc, MESSAGE_MAX)},
            }
        )
        cause = exc.__cause__
        exc = cause if cause is not None or exc.__suppress_context__ else exc.__context__
    return {"trace_chain": chain} if len(chain) > 1 else {"trace": chain[0]}


def _message_body(message):
    return {"message": {"body": _text(message, MESSAGE_MAX)}}


def _frames(traceback):
    """Oldest first, like every SDK of Rollbar sends them."""
    oldest, newest = [], collections.deque(maxlen=FRAMES_MAX // 2)
    while traceback is not None:
        (newest if len(oldest) == FRAMES_MAX // 2 else oldest).append(
            (traceback.tb_frame, traceback.tb_lineno)
        )
        traceback = traceback.tb_next
    oldest.extend(newest)
    return [_frame(frame, line) for frame, line in oldest]


_known_frames = {}  # by file, line and function: errors come from few places


def _frame(frame, line):
    code = frame.f_code
    key = (code.co_filename, line, code.co_name)
    found = _known_frames.get(key)
    if found is None:
        found = _new_frame(code, frame.f_globals, line)
        if len(_known_frames) >= KNOWN_FRAMES_MAX:
            _known_frames.clear()
        _known_frames[key] = found
    return found


def _new_frame(code, scope, line):
    filename = code.co_filename
    try:
        text = linecache.getline(filename, line, scope).strip()[:CODE_MAX]
    except Exception:
        text = ""
    if filename.startswith(_settings.prefix):
        filename = filename[len(_settings.prefix) :]
    found = {"filename": filename, "lineno": line, "method": code.co_name}
    if text:
        found["code"] = text
    return found


# ---- values of the host ----


def _text(value, most):
    try:
        text = value if type(value) is str else str(value)
    except Exception:
        text = f"<a {type(value).__name__} that cannot be printed>"
    return text[:most]


def _plain(value, level=0, room=None):
    """The value as JSON can have it: bounded, without cycles, secrets masked."""
    room = [EXTRA_NODES] if room is None else room
    room[0] -= 1
    if value is None or value is True or value is False:
        return value
    if type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value
    if type(value) is float and value - value == 0:  # neither infinite nor nan
        return value
    if level < EXTRA_LEVELS and isinstance(value, dict):
        plain = {}
        for key, inner in list(itertools.islice(value.items(), max(room[0], 0))):
            if room[0] <= 0:
                break
            key = _text(key, 128)
            plain[key] = MASK if _is_secret(key) else _plain(inner, level + 1, room)
        return plain
    if level < EXTRA_LEVELS and isinstance(value, (list, tuple, set, frozenset)):
        most = min(EXTRA_ELEMENTS, max(room[0], 0))
        return [_plain(inner, level + 1, room) for inner in itertools.islice(value, most)]
    return _text(value, VALUE_MAX)


_SECRET = re.compile(
    "(?:^|[_.])(?:pw|pass|passwd|password|passphrase|secret|confirm_password|password_confirmation"
    "|token|auth|authentication|authorization|secret_key|api_key|apikey|private_key|access_key"
    "|user_session_secret|session_id|sessionid|session.csrf|cookie)$"
)
_CAPITAL = re.compile("(?<=[a-z0-9])(?=[A-Z])")


@functools.lru_cache(1024)
def _is_secret(name):
    name = _CAPITAL.sub("_", name[-128:]).lower().replace("-", "_").replace(" ", "_")
    name = name.replace("[", "_").rstrip("]")  # user[password]
    return _SECRET.search(name) is not None


# ---- the request ----


def _request(request):
    """The WSGI environment and the URL rule of the request that is being served, or None."""
    if request is None:
        flask_request = _settings.flask_request if _settings else None
        if flask_request is not None:
            try:
                return flask_request.environ, flask_request.url_rule
            except RuntimeError:
                pass  # outside of a request
        return _environ.get(), None
    if isinstance(request, dict):
        return request, None
    environ = getattr(request, "environ", None)
    rule = getattr(request, "url_rule", None)
    return (environ if isinstance(environ, dict) else None), rule


@functools.lru_cache(1024)
def _header(key):
    """The header's name and whether it is secret; None if the key is not that of a header."""
    if key.startswith("HTTP_"):
        name = key[5:]
    elif key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        name = key
    else:
        return None
    name = name.replace("_", "-").title()
    return name, _is_secret(name)


def _request_data(environ):
    if environ is None:
        return None
    headers = {}
    for key, value in environ.items():
        header = _header(key if len(key) <= 128 else key[:128])
        if header is None or not value:
            continue
        if header[1]:
            value = MASK
        elif type(value) is not str or len(value) > VALUE_MAX:
            value = _text(value, VALUE_MAX)
        headers[header[0]] = value
        if len(headers) == HEADERS_MAX:
            break
    query = _query(_text(environ.get("QUERY_STRING", ""), 2048))
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    path = urllib.parse.quote(path.encode("latin-1", "replace")[:2048])
    url = f"{environ.get('wsgi.url_scheme', 'http')}://{_text(host, 255)}{path}"
    return {
        "url": f"{url}?{query}" if query else url,
        "method": _text(environ.get("REQUEST_METHOD", ""), 32),
        "headers": headers,
        "query_string": query,
    }


def _query(query):
    parts = query.split("&")
    for n, part in enumerate(parts):
        name, equals, _ = part.partition("=")
        if equals and _is_secret(urllib.parse.unquote_plus(name)):
            parts[n] = f"{name}={MASK}"
    return "&".join(parts)


# ---- traces ----

_TRACEPARENT = re.compile(  # with a comma it would be two headers
    r"\s*(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^,]*)?\s*"
)
_SPAN_ID = re.compile("[0-9a-f]{16}")
_XRAY_ID = re.compile("1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})")


def _trace(environ):
    """trace_id, span_id (W3C, hex), xray_trace_id, flags (hex) of what is being done: from
    OpenTelemetry, else from the X-Ray SDK, else from the request's headers. The X-Ray id stands
    beside it, whichever it was. The fifth is what else is known: data.custom.trace."""
    more = {}
    trace_id, span_id, flags = _opentelemetry(more)
    if trace_id is not None:
        more["source"] = "api"
    xray_id, xray_span, sampled = _xray(more)
    header = environ.get("HTTP_X_AMZN_TRACE_ID") if environ is not None else None
    header_id = _xray_header(header, more) if xray_id is None and header else None
    if trace_id is None and xray_id is not None:
        trace_id, span_id, flags = _w3c_id(xray_id), xray_span, sampled
        more["source"] = "api"
    if trace_id is None and environ is not None:
        trace_id, span_id, flags = _parse_traceparent(environ.get("HTTP_TRACEPARENT"))
        if trace_id is not None:
            more["source"] = "traceparent"
            _add(more, "state", environ.get("HTTP_TRACESTATE"), 512)
        elif header_id is None:
            trace_id, span_id, flags = environ.get("towbar.trace", (None, None, None))
            if trace_id is not None:
                more["source"] = "api"
    if trace_id is None and header_id is not None:
        trace_id, span_id = _w3c_id(header_id), None
        flags = {"0": "00", "1": "01"}.get(more.get("xray_sampled"))  # else nobody has decided
        more["source"] = "xray"
    return trace_id, span_id, xray_id or header_id, flags, more


def _add(more, key, text, most):
    """A text that is too long is as good as none: cut, it would say something else."""
    if isinstance(text, str) and 0 < len(text.strip()) <= most:
        more[key] = text.strip()


def _xray_header(header, more):
    """The id that the header names; what else it says, of the caller's segment, goes into more.
    Of one key the last counts, as to the SDKs; zeros are the SDK's "no trace"."""
    parts = {}
    for part in header[:2048].split(";"):
        key, equals, value = part.partition("=")
        if equals:
            parts[key.strip().lower()] = value.strip()
    root = _XRAY_ID.fullmatch(parts.get("root", ""))
    if root is None or not _w3c_id(root.group()).strip("0"):
        return None
    parent = parts.get("parent", "").lower()
    if _SPAN_ID.fullmatch(parent) and parent.strip("0"):
        more.setdefault("xray_parent_id", parent)
    if parts.get("sampled") in ("0", "1", "?"):
        more.setdefault("xray_sampled", parts["sampled"])
    _add(more, "xray_lineage", parts.get("lineage"), 256)
    return root.group().lower()


def _w3c_id(xray_id):
    return "".join(xray_id.split("-")[1:])


def _parse_traceparent(text):
    match = _TRACEPARENT.fullmatch(text) if text else None
    if not match:
        return None, None, None
    version, trace_id, span_id, flags, more = match.groups()
    if not trace_id.strip("0") or not span_id.strip("0") or (version == "00" and more):
        return None, None, None
    # The bits that the version has: of a later one only the first is known.
    return trace_id, span_id, f"{int(flags, 16) & (3 if version == '00' else 1):02x}"


def _opentelemetry(more):
    """Of the current span, if the program has loaded OpenTelemetry."""
    try:
        module = sys.modules.get("opentelemetry.trace")
        if module is None:
            module = getattr(sys.modules.get("opentelemetry"), "trace", None)
        if module is not None:
            span = module.get_current_span().get_span_context()
            if span.is_valid:
                trace_id, span_id = f"{span.trace_id:032x}", f"{span.span_id:016x}"
                if len(trace_id) == 32 and len(span_id) == 16:
                    state = getattr(span, "trace_state", None)
                    _add(more, "state", state.to_header() if state else None, 512)
                    return trace_id, span_id, f"{int(span.trace_flags) & 255:02x}"
    except Exception:
        pass  # an SDK in a state that is none of ours
    return None, None, None


def _xray(more):
    """Id, span and sampling of the current segment, if the program has loaded the X-Ray SDK. That
    segment, or subsegment, is what the error belongs below, and the SDK sends it by itself."""
    try:
        module = sys.modules.get("aws_xray_sdk.core")
        recorder = module.xray_recorder if module is not None else None
        if recorder is not None and _has_segment(recorder):
            entity = recorder.get_trace_entity()
            match = _XRAY_ID.fullmatch(entity.trace_id)
            if match and _w3c_id(match.group()).strip("0"):  # else the SDK's "no trace"
                span_id = entity.id if _SPAN_ID.fullmatch(entity.id) else None
                sampled = "1" if entity.sampled else "0"
                if span_id is not None:
                    more.update(xray_parent_id=span_id, xray_is_local=True)
                more["xray_sampled"] = sampled
                _or_none(_xray_segment, entity, more)
                return match.group().lower(), span_id, "0" + sampled
            if match and not entity.sampled:
                more["xray_sampled"] = "0"  # it has decided, and keeps no segment of it
    except Exception:
        pass
    return None, None, None


def _xray_segment(entity, more):
    """What the whole segment of a request knows: when it began, and the header that it came with."""
    segment = getattr(entity, "parent_segment", None) or entity
    if isinstance(segment.start_time, (int, float)):
        more["started_at"] = round(segment.start_time, 6)
    header = segment.get_origin_trace_header()
    if header is not None:
        _add(more, "xray_lineage", header.data.get("Lineage"), 256)


def _cause_id(error):
    """Under which the X-Ray SDK has recorded this exception already, on its way up."""
    found = getattr(error, "_cause_id", None)
    return found if isinstance(found, str) and _SPAN_ID.fullmatch(found) else None


def _has_segment(recorder):
    """Asking the SDK for a segment that is not there makes it log, or raise."""
    local = getattr(getattr(recorder, "context", None), "_local", None)
    return local is None or bool(getattr(local, "entities", None))


def traceparent(request=None):
    """The header for a call on behalf of what is being done: its trace, and a new span. A request
    that has no trace gets one, and its errors are reported with it. "" when all else fails."""
    try:
        environ, _ = _request(request)
        trace_id, span_id, _, flags, _ = _trace(environ)
        if trace_id is None:
            trace_id, span_id, flags = os.urandom(16).hex(), os.urandom(8).hex(), "01"
            if environ is not None:
                environ["towbar.trace"] = (trace_id, span_id, flags)
        return f"00-{trace_id}-{os.urandom(8).hex()}-{flags or '01'}"
    except Exception:
        return ""


# ---- delivery ----


def _deliver(process, data, level):
    item = _encode(data)
    why = _send(process, item)
    if why is None:
        process.count("sent")
        return True
    if why.startswith("refused"):
        process.count("failed", why)
        return False
    unspooled = _spool(process, item, data["uuid"], level)
    if unspooled is None:
        process.count("spooled", why)
        return True
    process.count("failed", f"{why}; {unspooled}")
    return False


_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def _encode(data):
    """The item as JSON, cut to its limit: first what is only nice to have."""
    for frames, text in ((None, None), (50, 1024), (10, 256)):
        if frames is not None:
            _shorten(data, frames, text)
        # Lone surrogates are no UTF-8; they become "?".
        item = _JSON({"data": data}).encode("utf-8", "replace")
        if len(item) <= ITEM_MAX_BYTES:
            return item
    raise ValueError(f"an item of {len(item)} bytes")


def _shorten(data, frames, text):
    body = data["body"]
    for trace in body.get("trace_chain", [body["trace"]] if "trace" in body else []):
        half = frames // 2
        if len(trace["frames"]) > frames:
            trace["frames"] = trace["frames"][:half] + trace["frames"][-half:]
        trace["frames"] = [
            {
                "filename": frame["filename"][-text:],
                "lineno": frame["lineno"],
                "method": frame["method"][:text],
            }
            for frame in trace["frames"]
        ]
        trace["exception"]["class"] = trace["exception"]["class"][:text]
        trace["exception"]["message"] = trace["exception"]["message"][:text]
    kept = ("service", "occurred_at", "trace_id", "span_id", "xray_trace_id", "trace")
    data["custom"] = {key: data["custom"][key] for key in kept if key in data["custom"]}
    data["custom"]["truncated"] = True
    if "request" in data:
        data["request"].pop("headers", None)


def _send(process, item):
    """None when the agent has it, else why not."""
    start = time.monotonic()
    if start < process.rest_until:
        return "the agent did not answer a moment ago"
    why = "there is no agent"
    for path in _socket_paths():
        try:
            return _post(process.thread, path, item, start + WAIT_S)
        except sockets.timeout:
            process.rest_until = time.monotonic() + REST_S
            return f"the agent at {path} did not answer in time"
        except OSError as err:
            why = f"the agent at {path} is away: {err.strerror or type(err).__name__}"
    return why


def _left(deadline):
    left = deadline - time.monotonic()
    if left <= 0:
        raise sockets.timeout()
    return left


class _Connection:
    """Ends with its object, however that came about."""

    socket = None

    def __init__(self, path, deadline):
        self.path = path
        self.socket = sockets.socket(sockets.AF_UNIX)
        self.socket.settimeout(_left(deadline))
        self.socket.connect(path)

    def __del__(self):
        if self.socket is not None:
            self.socket.close()

    def exchange(self, item, deadline):
        """Status code and line of the answer, and whether the connection may be used again."""
        head = (
            "POST /api/1/item/ HTTP/1.1\r\nHost: towbar\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(item)}\r\n\r\n"
        )
        self.socket.settimeout(_left(deadline))
        self.socket.sendall(head.encode() + item)
        reply, end = b"", -1
        while end < 0 and len(reply) < REPLY_MAX_BYTES:
            reply += self.receive(deadline)
            end = reply.find(b"\r\n\r\n")
        line = reply.split(b"\r\n", 1)[0]
        length = _CONTENT_LENGTH.search(reply, 0, max(end + 2, 0))
        whole = end + 4 + int(length.group(1)) if length else -1
        while len(reply) < whole <= REPLY_MAX_BYTES:
            reply += self.receive(deadline)
        stays = len(reply) == whole and b"\r\nconnection: close\r\n" not in reply.lower()
        return line[9:12], line[9:100].decode("latin-1"), stays

    def receive(self, deadline):
        self.socket.settimeout(_left(deadline))
        more = self.socket.recv(4096)
        if not more:
            raise ConnectionResetError(104, "it hung up")
        return more


_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,8})\r\n", re.I)


def _post(thread, path, item, deadline):
    """None when the agent has it, else why not."""
    kept, thread.connection = getattr(thread, "connection", None), None
    if kept is not None and kept.path == path:
        try:
            return _talk(thread, kept, item, deadline)
        except sockets.timeout:
            raise
        except OSError:
            pass  # it was idle for too long, or that agent is gone
    return _talk(thread, _Connection(path, deadline), item, deadline)


def _talk(thread, connection, item, deadline):
    code, text, stays = connection.exchange(item, deadline)
    if stays:
        thread.connection = connection
    if code == b"200":
        return None
    if code in (b"400", b"403", b"404", b"413", b"422"):
        return f"refused by the agent: {text}"
    return f"the agent cannot take it: {text}"


# ---- where the agent is: docs/config.md ----

SYSTEM_SPOOL = "/var/spool/towbar"
SYSTEM_SOCKET = "/run/towbar/towbard.sock"


def _own_state():
    state, home = os.environ.get("XDG_STATE_HOME", ""), os.environ.get("HOME", "")
    if state.startswith("/"):
        return f"{state}/towbar"
    return f"{home}/.local/state/towbar" if home.startswith("/") else None


def _spool_path():
    """The folder, and whether it may be made: as the C library chooses it."""
    if _settings.spool:
        return _settings.spool, False
    if os.geteuid() == 0:
        return SYSTEM_SPOOL, True
    if os.access(f"{SYSTEM_SPOOL}/in", os.W_OK | os.X_OK, effective_ids=True):
        return SYSTEM_SPOOL, False
    state = _own_state()
    return (f"{state}/spool", True) if state else (None, False)


def _socket_paths():
    """Of the agent that reads our spool, and of no other: who names a spool names the socket too,
    or reports by the spool alone."""
    if _settings.socket:
        return [_settings.socket]
    spool, _ = _spool_path()
    if spool == SYSTEM_SPOOL:
        return [SYSTEM_SOCKET]
    if _settings.spool or spool is None:
        return []
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and os.path.isdir(runtime):
        return [f"{runtime}/towbar/towbard.sock"]
    return [f"{_own_state()}/towbard.sock"]


# ---- the spool: docs/spool-format.md ----

FULL, SEAL, KIND_ITEM, FLAG_CRC32, SEGMENT_BYTES = 1, 6, 3, 2, 4 << 20
F_OFD_SETLK = 37
CLASSES = {"critical": 0, "error": 1, "warning": 2, "info": 3, "debug": 3}


def _crc32c_tables():
    """One for each byte of a word: word by word is twice as fast as byte by byte."""
    first = []
    for crc in range(256):
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        first.append(crc)
    tables = [first]
    for _ in range(7):
        tables.append([(crc >> 8) ^ first[crc & 255] for crc in tables[-1]])
    return tuple(tuple(table) for table in tables)


_CRC32C = _crc32c_tables()
_WORDS = struct.Struct("8B")


def _crc32c(seed, data):
    crc = seed ^ 0xFFFFFFFF
    t0, t1, t2, t3, t4, t5, t6, t7 = _CRC32C
    whole = len(data) & ~7
    for a, b, c, d, e, f, g, h in _WORDS.iter_unpack(data[:whole]):
        crc = (
            t7[a ^ crc & 255] ^ t6[b ^ crc >> 8 & 255] ^ t5[c ^ crc >> 16 & 255] ^ t4[d ^ crc >> 24]
            ^ t3[e] ^ t2[f] ^ t1[g] ^ t0[h]
        )  # fmt: skip
    for byte in data[whole:]:
        crc = (crc >> 8) ^ t0[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def _file_header(process, class_, salt, file_id):
    head = struct.pack(
        "<8sHHBBHIIII16s16sQQQ36x", b"TOWBAR\0\1", 1, 128, class_, 0, 0, salt, process.pid,
        os.geteuid(), SEGMENT_BYTES, file_id, process.boot_id, process.start_ticks,
        time.time_ns(), time.monotonic_ns(),
    )  # fmt: skip
    return head + struct.pack("<I", _crc32c(0, head))


def _spool_frame(salt, offset, seq, type_, class_, payload, uuid):
    item = type_ == FULL
    rest = struct.pack(
        "<IIBBBBIQQ16s", len(payload), zlib.crc32(payload, salt), type_, class_,
        KIND_ITEM if item else 0, FLAG_CRC32, offset // 8, seq, time.time_ns(), uuid,
    )  # fmt: skip
    return b"TBF1" + struct.pack("<I", _crc32c(salt, rest)) + rest + payload


def _segment(process, class_, item, uuid):
    """A whole segment with one record."""
    random = os.urandom(20)
    salt = int.from_bytes(random[:4], "little")
    head = _file_header(process, class_, salt, random[4:])
    frame = _spool_frame(salt, len(head), 0, FULL, class_, item, uuid)
    frame += bytes(-len(frame) % 8)
    seal = _spool_frame(salt, len(head) + len(frame), 1, SEAL, class_, b"", bytes(16))
    return head + frame + seal


def _spool(process, item, uuid, level):
    """None when the item is in the spool, else why not."""
    spool, may_make = _spool_path()
    if spool is None:
        return "there is no spool: set TOWBAR_SPOOL"
    class_ = CLASSES.get(level, 1)
    if process.boot_id is None:
        process.look()
    segment = _segment(process, class_, item, uuids.UUID(uuid).bytes)
    number = next(process.numbers)
    name = f"{class_}-{process.boot_id[:4].hex()}-{os.urandom(8).hex()}-{number}.seg"
    folder = None
    try:
        folder = _open_in(f"{spool}/in", may_make)
        _write_segment(folder, name, segment)
        return None
    except OSError as err:
        return f"the spool {spool} cannot be written to: {err.strerror or type(err).__name__}"
    finally:
        if folder is not None:
            os.close(folder)


def _open_in(path, may_make):
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        if not may_make:
            raise
    missing = [path]
    while missing[-1] != "/" and not os.path.isdir(os.path.dirname(missing[-1])):
        missing.append(os.path.dirname(missing[-1]))
    for folder in reversed(missing):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass  # somebody was faster
    return os.open(path, flags)


def _write_segment(folder, name, segment):
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, 0o640, dir_fd=folder)
    lock = struct.Struct("hhqqi4x")
    done = False
    try:
        os.fchmod(file, 0o640)
        fcntl.fcntl(file, F_OFD_SETLK, lock.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
        if os.fstat(file).st_nlink == 0:  # the agent took it for abandoned: this process stood still
            raise OSError(11, os.strerror(11))
        if os.write(file, segment) != len(segment):
            raise OSError(28, os.strerror(28))
        done = True
        # Not by closing alone: a child forked meanwhile holds the file too.
        fcntl.fcntl(file, F_OFD_SETLK, lock.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 1, 0))
    finally:
        try:
            if not done:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            pass
        os.close(file)


# ---- bridges ----


class wsgi:
    """WSGI middleware: reports what the application raises, and lets it pass on."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        token = _environ.set(environ)
        environ.setdefault("towbar.started", time.time())
        try:
            reply = self.app(environ, start_response)
        except Exception as err:
            report_exc_info(err, environ)
            raise
        finally:
            _environ.reset(token)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(reply, (list, tuple)) or (
            isinstance(wrapper, type) and isinstance(reply, wrapper)
        ):
            return reply  # nothing of the application runs any more
        return _Reply(reply, environ)


class _Reply:
    """A reply that is made while it is sent."""

    def __init__(self, reply, environ):
        self.reply, self.parts, self.environ = reply, iter(reply), environ

    def __iter__(self):
        return self

    def __next__(self):
        token = _environ.set(self.environ)
        try:
            return next(self.parts)
        except StopIteration:
            raise
        except Exception as err:
            report_exc_info(err, self.environ)
            raise
        finally:
            _environ.reset(token)

    def close(self):
        close = getattr(self.reply, "close", None)
        if close is not None:
            close()


class LogHandler(logging.Handler):
    """logging.getLogger().addHandler(towbar.LogHandler()): errors that are only logged."""

    def __init__(self, level=logging.ERROR):
        super().__init__(level)

    def emit(self, record):
        level = "info"
        for least, name in ((50, "critical"), (40, "error"), (30, "warning"), (0, "info")):
            if record.levelno >= least:
                level = name
                break
        exc = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if exc is not None:
            report_exc_info(exc, level=level, extra_data={"logger": record.name})
            return
        try:
            text = record.getMessage()
        except Exception:
            text = record.msg
        report_message(text, level, extra_data={"logger": record.name})
