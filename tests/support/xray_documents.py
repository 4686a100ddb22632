"""What an X-Ray segment document may hold, as AWS documents it.

    complaint = check(text)     None: well; else what X-Ray would refuse, or what the daemon or a
                                reader would trip over
    Document(text)              .trace_id, .id, .name, .raw, .is_subsegment
"""

import re

from fake_http import strict_json

MAX_BYTES = 64 << 10
ID = re.compile(r"[0-9a-f]{16}")
TRACE_ID = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
NAME = re.compile(r"[\w\s.:/%&#=+\\\-@]{1,200}")
KEY = re.compile(r"[A-Za-z0-9_.]{1,500}")
TIME = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
FLAGS = ("error", "fault", "throttle", "in_progress")
# The daemon finds the two IDs by these, for what it logs.
DAEMON_ID = re.compile(r'"id":"(.*?)"')
DAEMON_TRACE_ID = re.compile(r'"trace_id":"(.*?)"')

KNOWN = {
    "": {
        "id", "name", "start_time", "end_time", "in_progress", "trace_id", "parent_id", "type",
        "user", "origin", "service", "http", "aws", "error", "fault", "throttle", "cause",
        "annotations", "metadata", "subsegments", "namespace", "precursor_ids", "sql", "links",
        "resource_arn",
    },
    "service": {"version"},
    "http": {"request", "response"},
    "http.request": {"method", "url", "user_agent", "client_ip", "x_forwarded_for", "traced"},
    "http.response": {"status", "content_length"},
    "cause": {"working_directory", "paths", "exceptions"},
}  # fmt: skip
EXCEPTION = {"id", "message", "type", "remote", "truncated", "skipped", "cause", "stack"}
FRAME = {"path", "line", "label"}


class Bad(Exception):
    pass


class Document:
    def __init__(self, text):
        self.text = text
        self.raw = strict_json(text)
        self.id = self.raw["id"]
        self.trace_id = self.raw["trace_id"]
        self.name = self.raw["name"]
        self.is_subsegment = self.raw.get("type") == "subsegment"
        self.annotations = self.raw.get("annotations", {})

    @property
    def exceptions(self):
        cause = self.raw.get("cause")
        return cause.get("exceptions", []) if isinstance(cause, dict) else []


def need(ok, words):
    if not ok:
        raise Bad(words)


def check(text):
    try:
        need(len(text.encode("utf-8")) <= MAX_BYTES, "more than 64 KiB")
        value = strict_json(text)
        need(isinstance(value, dict), "not an object")
        check_names(value)
        check_identity(value, text)
        check_times(value, text)
        check_strings(value)
        check_cause(value.get("cause"))
        check_annotations(value.get("annotations", {}))
        check_rest(value)
    except (Bad, ValueError) as bad:
        return str(bad)
    return None


def check_names(value):
    for path, known in KNOWN.items():
        inner = value
        for part in [part for part in path.split(".") if part]:
            inner = inner.get(part, {}) if isinstance(inner, dict) else {}
        if isinstance(inner, dict):
            unknown = set(inner) - known
            need(not unknown, f"{path or 'document'}: there is no {sorted(unknown)}")


def check_identity(value, text):
    need(isinstance(value.get("id"), str) and ID.fullmatch(value["id"]), "id: not 16 hex digits")
    trace = value.get("trace_id")
    need(isinstance(trace, str) and TRACE_ID.fullmatch(trace), f"trace_id: {trace!r}")
    need(trace.strip("01-") != "", f"trace_id: {trace} is none")
    name = value.get("name")
    need(isinstance(name, str) and NAME.fullmatch(name), f"name: {name!r}")
    kind, parent = value.get("type"), value.get("parent_id")
    need(kind in (None, "subsegment"), f"type: {kind!r}")
    need(parent is None or ID.fullmatch(str(parent)), f"parent_id: {parent!r}")
    need(kind is None or parent is not None, "a subsegment without parent_id")
    need(parent != value["id"], "its own parent")
    first = DAEMON_ID.search(text), DAEMON_TRACE_ID.search(text)
    need(first[0] and first[0][1] == value["id"], "the daemon takes another id for the document's")
    need(first[1] and first[1][1] == trace, "the daemon takes another trace_id for the document's")


def check_times(value, text):
    for name in ("start_time", "end_time"):
        if name == "end_time" and value.get("in_progress"):
            need(name not in value, "end_time of what is in progress")
            continue
        time = value.get(name)
        need(isinstance(time, (int, float)) and not isinstance(time, bool), f"{name}: {time!r}")
        written = re.search(rf'"{name}":([^,}}]*)', text)
        need(written and TIME.fullmatch(written[1]), f"{name}: written as {written and written[1]}")
    if "end_time" in value:
        need(value["end_time"] >= value["start_time"], "it ends before it starts")


def check_strings(value):
    for path in ("user", "origin", "namespace", "resource_arn", "service.version"):
        inner = value
        for part in path.split("."):
            inner = inner.get(part) if isinstance(inner, dict) else None
        need(inner is None or (isinstance(inner, str) and len(inner) <= 250), f"{path}: {inner!r}")
    for name in FLAGS:
        need(value.get(name, True) is True, f"{name}: only true is written")


def check_cause(cause):
    if cause is None:
        return
    if isinstance(cause, str):
        need(ID.fullmatch(cause), f"cause: {cause!r}")
        return
    need(isinstance(cause, dict), "cause: neither an ID nor an object")
    exceptions = cause.get("exceptions", [])
    need(isinstance(exceptions, list), "cause.exceptions: not a list")
    ids = []
    for exception in exceptions:
        need(not set(exception) - EXCEPTION, f"cause.exceptions: {sorted(exception)}")
        need(ID.fullmatch(exception.get("id", "")), "cause.exceptions: an exception without an ID")
        ids.append(exception["id"])
        for name in ("message", "type"):
            need(isinstance(exception.get(name, ""), str), f"cause.exceptions: {name}")
        for name in ("truncated", "skipped"):
            need(type(exception.get(name, 0)) is int, f"cause.exceptions: {name}")
        need(type(exception.get("remote", False)) is bool, "cause.exceptions: remote")
        for frame in exception.get("stack", []):
            need(not set(frame) - FRAME, f"a frame with {sorted(frame)}")
            need(type(frame.get("line", 0)) is int, "a frame's line is no number")
    need(len(set(ids)) == len(ids), "two exceptions have one ID")
    for exception in exceptions:
        need(exception.get("cause") in (None, *ids), "an exception caused by one that is not there")


def check_annotations(annotations):
    need(isinstance(annotations, dict), "annotations: not an object")
    need(len(annotations) <= 50, "annotations: more than 50")
    for key, value in annotations.items():
        need(KEY.fullmatch(key), f"annotations: key {key!r}")
        if isinstance(value, str):
            need(len(value) <= 1000, f"annotations.{key}: too long")
        else:
            need(isinstance(value, (bool, int, float)), f"annotations.{key}: {value!r}")


def check_rest(value):
    metadata = value.get("metadata", {})
    need(isinstance(metadata, dict), "metadata: not an object")
    for name, inner in metadata.items():
        need(isinstance(inner, dict), f"metadata.{name}: not an object")
        need(not name.startswith("AWS."), f"metadata.{name}: the name is AWS's")
    http = value.get("http", {})
    need(isinstance(http, dict), "http: not an object")
    status = http.get("response", {}).get("status", 0)
    need(type(status) is int, f"http.response.status: {status!r}")
    need(isinstance(http.get("request", {}).get("url", ""), str), "http.request.url")
    groups = value.get("aws", {}).get("cloudwatch_logs", [])
    need(isinstance(groups, list), "aws.cloudwatch_logs: not a list")
    for group in groups:
        need(isinstance(group.get("log_group"), str), "aws.cloudwatch_logs: without log_group")
        need(not set(group) - {"log_group", "arn"}, "aws.cloudwatch_logs: more than is known")
