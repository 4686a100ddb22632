"""What Rollbar documents about an item, as a table, and the texts with which it refuses one.

check(envelope) returns the first complaint, or None. warn(data) returns what Rollbar would take but
an item that towbar made itself must not contain. Texts seen on the real service are used word for
word; where none is known the text follows the same pattern.

Left to others: HTTP, tokens (fake_rollbar.py), grouping (rollbar_grouping.py).
"""

LEVELS = ("critical", "error", "warning", "info", "debug")
KINDS = ("trace", "trace_chain", "message", "crash_report")
EXACT_INTEGER_MAX = 2**53

NO_BODY = (
    "data.body must not be undefined. Instead, it should be an object with a 'message', 'trace', "
    "'trace_chain', or 'crash_report' key."
)
ONE_KIND = (
    "data.body must have either a 'trace', 'trace_chain', 'message' or 'crash_report' property, "
    "(but not more than one)."
)


class Complaint(Exception):
    """The text with which an item is refused."""


# ---- the pieces of a schema: each is a function of a value and its path ----


def type_name(value):
    for name, kind in (("null", type(None)), ("boolean", bool), ("string", str), ("object", dict)):
        if isinstance(value, kind):
            return name
    return "array" if isinstance(value, list) else "number"


def string(longest=None, shortest=0, one_of=None):
    def check(value, path):
        if not isinstance(value, str):
            raise Complaint(f"{path} should be string.")
        if longest is not None and len(value) > longest:
            raise Complaint(f"{path} should be at most {longest} characters.")
        if len(value) < shortest:
            raise Complaint(f"{path} should be at least {shortest} characters.")
        if one_of and value not in one_of:
            raise Complaint(f"{path} should be one of {', '.join(one_of)}.")

    return check


def null_in_the_text(longest=None):
    """Fields for which the service is known to name null, the last of the types it allows."""

    def check(value, path):
        if not isinstance(value, str):
            raise Complaint(f"{path} {type_name(value)} value found, but a null is required.")
        string(longest)(value, path)

    return check


def integer(value, path):
    if not isinstance(value, int) or isinstance(value, bool):
        raise Complaint(f"{path} should be integer.")


def seconds(value, path):
    """rollbar-java sends them with a fraction."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise Complaint(f"{path} should be integer.")


def boolean(value, path):
    if not isinstance(value, bool):
        raise Complaint(f"{path} should be boolean.")


def anything(value, path):
    del value, path


def or_null(inner):
    def check(value, path):
        if value is not None:
            inner(value, path)

    return check


def one_of_types(*kinds):
    def check(value, path):
        if type_name(value) not in kinds:
            raise Complaint(f"{path} should be {' or '.join(kinds)}.")

    return check


def array(of, shortest=0):
    def check(value, path):
        if not isinstance(value, list):
            raise Complaint(f"{path} should be array.")
        if len(value) < shortest:
            raise Complaint(f"{path} should have at least {shortest} element.")
        for index, element in enumerate(value):
            of(element, f"{path}.{index}")

    return check


def record(required=(), **fields):
    """An object; other keys are allowed, as Rollbar stores what it does not know."""

    def check(value, path):
        if value == [] and not required:
            return  # PHP writes an empty object so.
        if not isinstance(value, dict):
            raise Complaint(f"{path} should be object.")
        for key in required:
            if key not in value:
                raise Complaint(f"{path}.{key} is missing and it is required.")
        for key, inner in fields.items():
            if key in value:
                inner(value[key], f"{path}.{key}")

    return check


# ---- the schema ----

FRAME = record(
    required=("filename",),
    filename=string(),
    lineno=or_null(integer),
    colno=or_null(integer),
    method=or_null(string()),
    code=or_null(string()),
    class_name=or_null(string()),
    context=or_null(
        record(pre=or_null(array(or_null(string()))), post=or_null(array(or_null(string()))))
    ),
    argspec=or_null(array(string())),
    varargspec=or_null(one_of_types("string", "array")),
    keywordspec=or_null(one_of_types("string", "array")),
    locals=or_null(record()),
    args=or_null(array(anything)),
    kwargs=or_null(record()),
)

TRACE = record(
    required=("frames", "exception"),
    frames=array(FRAME),
    exception=record(
        required=("class",),
        **{
            "class": string(),
            "message": or_null(null_in_the_text()),
            "description": or_null(string()),
        },
    ),
)

EVENT = record(
    required=("level", "type", "source", "timestamp_ms", "body"),
    level=string(),
    type=string(),
    source=string(),
    timestamp_ms=integer,
    body=record(),
    uuid=or_null(string(36)),
)

REQUEST = record(
    url=or_null(string()),
    method=or_null(string()),
    headers=or_null(record()),
    params=or_null(record()),
    GET=or_null(record()),
    query_string=or_null(string()),
    user_ip=or_null(string()),
)

DATA = record(
    required=("environment",),
    environment=string(255, 1),
    level=string(one_of=LEVELS),
    timestamp=seconds,
    code_version=or_null(string(40)),
    platform=or_null(string(255)),
    language=or_null(string(255)),
    framework=or_null(string(255)),
    context=null_in_the_text(255),
    request=or_null(REQUEST),
    person=or_null(
        record(
            required=("id",),
            id=string(40),
            username=or_null(string(255)),
            email=or_null(string(255)),
        )
    ),
    server=or_null(
        record(
            host=or_null(string(255)),
            root=or_null(string()),
            branch=or_null(string()),
            code_version=or_null(string()),
            pid=or_null(integer),
            argv=or_null(array(or_null(string()))),
        )
    ),
    client=or_null(record()),
    custom=or_null(record()),
    fingerprint=string(shortest=1),
    title=string(255, 1),
    uuid=string(36, 1),
    notifier=or_null(record(name=or_null(string()), version=or_null(string()))),
    attributes=array(record(required=("key", "value"), key=string(), value=string())),
    project_package_paths=or_null(array(string())),
    failsafe=boolean,
    internal=boolean,
)

BODY = record(
    trace=TRACE,
    trace_chain=array(TRACE, 1),
    message=record(required=("body",), body=string()),
    crash_report=record(required=("raw",), raw=string()),
    telemetry=array(EVENT),
    threads=or_null(array(record())),
)


def check(envelope):
    """The text of the refusal, or None when Rollbar would take it."""
    try:
        if not isinstance(envelope, dict):
            raise Complaint("payload should be object.")
        if "data" not in envelope:
            raise Complaint("data is missing and it is required.")
        data = envelope["data"]
        if not isinstance(data, dict):
            raise Complaint("data should be object.")
        if data.get("body") is None:
            raise Complaint(NO_BODY)
        DATA(data, "data")
        check_body(data["body"])
    except Complaint as complaint:
        return f"Invalid format. {complaint}"
    return None


def check_body(body):
    if not isinstance(body, dict):
        raise Complaint("data.body should be object.")
    if sum(kind in body for kind in KINDS) != 1:
        raise Complaint(ONE_KIND)
    BODY(body, "data.body")


# ---- what an item of our own must not contain ----


def is_native(data):
    notifier = data.get("notifier")
    return isinstance(notifier, dict) and notifier.get("name") == "towbar"


def warn(data):
    """Sentences on what a native item should not be like. Empty for items of other notifiers."""
    if not is_native(data):
        return []
    found = []
    walk(data, "data", found)
    for index, frame in enumerate(data["body"].get("trace", {}).get("frames", [])):
        warn_frame(frame, f"data.body.trace.frames.{index}", found)
    for event in data["body"].get("telemetry", []):
        if event["level"] not in LEVELS:
            found.append(f"telemetry level {event['level']} is not one of Rollbar's")
    for key in ("uuid", "level", "timestamp", "platform", "language", "server"):
        if key not in data:
            found.append(f"data.{key} is missing")
    if not isinstance(data.get("timestamp", 0), int):
        found.append("data.timestamp has a fraction")
    return found


def warn_frame(frame, path, found):
    method = frame.get("method")
    if not method:
        found.append(f"{path} has no method")
    elif method.startswith("0x") or "+0x" in method:
        found.append(f"{path}.method is an address: {method}")
    if not frame["filename"]:
        found.append(f"{path}.filename is empty")


def walk(value, path, found):
    if value is None:
        found.append(f"{path} is null")
    elif isinstance(value, dict):
        for key, inner in value.items():
            walk(inner, f"{path}.{key}", found)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            walk(inner, f"{path}.{index}", found)
    elif isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            found.append(f"{path} holds a NUL or half a surrogate pair")
    elif not isinstance(value, bool) and abs(value) > EXACT_INTEGER_MAX:
        found.append(f"{path} is too large for a JSON number: {value}")
