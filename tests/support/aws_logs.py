"""CloudWatch Logs for tests: groups, streams and PutLogEvents with all limits of the service.

1. Nothing comes into being by itself: groups and streams must be created.
2. A batch that is not in order, spans more than 24 hours or is too large is refused as a whole.
3. Events too old, too new or past the group's retention are left out, and the reply says where
   they end: tooNewLogEventStartIndex is the first one, the other two are one past the last.
"""

import re

BATCH_MAX_BYTES = 1048576
EVENT_MAX_BYTES = 1048576
EVENT_OVERHEAD = 26
EVENTS_MAX = 10000
DAY_MS = 24 * 3600 * 1000
GROUP_NAME = re.compile(r"(?!aws/)[.\-_/#A-Za-z0-9]{1,512}")
STREAM_NAME = re.compile(r"[^:*]{1,512}")
RETENTIONS = {
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
}  # fmt: skip


class ApiError(Exception):
    def __init__(self, name, message, status=400):
        super().__init__(message)
        self.name = name
        self.status = status


def invalid(message):
    return ApiError("InvalidParameterException", message)


class Event:
    def __init__(self, group, stream, timestamp, message):
        self.group, self.stream = group, stream
        self.timestamp, self.message = timestamp, message


class Group:
    def __init__(self):
        self.streams = set()
        self.retention_days = None


class Logs:
    def __init__(self):
        self.groups = {}
        self.events = []  # taken, in order of arrival
        self.rejected = []  # of batches that were taken
        self.created = []  # ("group", name), ("stream", group, name)

    def call(self, op, fields, now_ms):
        known = {
            "CreateLogGroup": (self.create_group, {"logGroupName", "tags", "logGroupClass"}),
            "CreateLogStream": (self.create_stream, {"logGroupName", "logStreamName"}),
            "PutRetentionPolicy": (self.put_retention, {"logGroupName", "retentionInDays"}),
            "PutLogEvents": (
                self.put_events,
                {"logGroupName", "logStreamName", "logEvents", "sequenceToken", "entity"},
            ),
        }
        if op not in known:
            raise ApiError("UnknownOperationException", "")
        function, names = known[op]
        if not isinstance(fields, dict) or set(fields) - names:
            raise ApiError("SerializationException", f"unexpected members: {sorted(fields)}")
        return function(fields, now_ms)

    def group(self, fields):
        name = fields.get("logGroupName")
        if not isinstance(name, str) or not GROUP_NAME.fullmatch(name):
            raise invalid(f"1 validation error detected: Value '{name}' at 'logGroupName'")
        if name not in self.groups:
            raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
        return name

    def create_group(self, fields, now_ms):
        name = fields.get("logGroupName")
        if not isinstance(name, str) or not GROUP_NAME.fullmatch(name):
            raise invalid(f"1 validation error detected: Value '{name}' at 'logGroupName'")
        if name in self.groups:
            raise ApiError(
                "ResourceAlreadyExistsException", "The specified log group already exists"
            )
        self.groups[name] = Group()
        self.created.append(("group", name))
        return {}

    def create_stream(self, fields, now_ms):
        group = self.group(fields)
        name = self.stream_name(fields)
        if name in self.groups[group].streams:
            raise ApiError(
                "ResourceAlreadyExistsException", "The specified log stream already exists"
            )
        self.groups[group].streams.add(name)
        self.created.append(("stream", group, name))
        return {}

    def stream_name(self, fields):
        name = fields.get("logStreamName")
        if not isinstance(name, str) or not STREAM_NAME.fullmatch(name):
            raise invalid(f"1 validation error detected: Value '{name}' at 'logStreamName'")
        return name

    def put_retention(self, fields, now_ms):
        group = self.group(fields)
        if fields.get("retentionInDays") not in RETENTIONS:
            raise invalid(f"retentionInDays: {fields.get('retentionInDays')}")
        self.groups[group].retention_days = fields["retentionInDays"]
        return {}

    def put_events(self, fields, now_ms):
        group = self.group(fields)
        stream = self.stream_name(fields)
        if stream not in self.groups[group].streams:
            raise ApiError("ResourceNotFoundException", "The specified log stream does not exist.")
        events = fields.get("logEvents")
        self.check_batch(events)
        first, info = self.outside(events, self.groups[group].retention_days, now_ms)
        for i, event in enumerate(events):
            kept = Event(group, stream, event["timestamp"], event["message"])
            is_in = first <= i < info.get("tooNewLogEventStartIndex", len(events))
            (self.events if is_in else self.rejected).append(kept)
        reply = {"nextSequenceToken": "49590302938729104329000000000000000000000000000000000001"}
        if info:
            reply["rejectedLogEventsInfo"] = info
        return reply

    def check_batch(self, events):
        if not isinstance(events, list) or not 1 <= len(events) <= EVENTS_MAX:
            raise invalid("1 validation error detected: Value at 'logEvents' failed its constraint")
        size = 0
        for i, event in enumerate(events):
            if not isinstance(event, dict) or set(event) != {"timestamp", "message"}:
                raise ApiError("SerializationException", f"logEvents.{i + 1}: not an event")
            at, message = event["timestamp"], event["message"]
            if type(at) is not int or at < 0 or not isinstance(message, str):
                raise ApiError("SerializationException", f"logEvents.{i + 1}: types")
            if not message:
                raise invalid(
                    f"1 validation error detected: Value '' at 'logEvents.{i + 1}.member.message' "
                    "failed to satisfy constraint: Member must have length greater than or equal to 1"
                )
            length = len(message.encode("utf-8")) + EVENT_OVERHEAD
            if length > EVENT_MAX_BYTES:
                raise invalid(f"Log event too large: {length} bytes exceeds limit of {EVENT_MAX_BYTES}")
            size += length
        if size > BATCH_MAX_BYTES:
            raise invalid(f"Upload too large: {size} bytes exceeds limit of {BATCH_MAX_BYTES}")
        times = [event["timestamp"] for event in events]
        if times != sorted(times):
            raise invalid(
                "Log events in a single PutLogEvents request must be in chronological order."
            )
        if times[-1] - times[0] > DAY_MS:
            raise invalid(
                "The batch of log events in a single PutLogEvents request cannot span more than "
                "24 hours."
            )

    def outside(self, events, retention_days, now_ms):
        """The first event that is not too old, and rejectedLogEventsInfo."""
        info = {}
        n_old = sum(event["timestamp"] < now_ms - 14 * DAY_MS for event in events)
        if n_old:
            info["tooOldLogEventEndIndex"] = n_old
        n_expired = 0
        if retention_days:
            limit = now_ms - retention_days * DAY_MS
            n_expired = sum(event["timestamp"] < limit for event in events)
        if n_expired:
            info["expiredLogEventEndIndex"] = n_expired
        n_new = sum(event["timestamp"] > now_ms + 2 * 3600 * 1000 for event in events)
        if n_new:
            info["tooNewLogEventStartIndex"] = len(events) - n_new
        return max(n_old, n_expired), info
