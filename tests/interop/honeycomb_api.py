"""The API of Honeycomb that a refinery sends to, as strict as the real one is said to be. For tests;
msgpack and zstandard are of requirements.txt.

1. GET /1/auth says which environment a key is of. A key that is not in keys is 401, everywhere.
2. POST /1/batch/DATASET takes a list of events, each with time, samplerate and data, in msgpack or
   JSON, plain, gzip or zstd: 5 MB and 1 MB an event. It answers with a status for each.
3. .events are those that it took. Its script is that of every fake (fake_http.py), "op" is "auth" or
   "batch".
"""

import datetime
import gzip
import io
import urllib.parse

import msgpack
import zstandard
from fake_http import Scripted, strict_json

BATCH_MAX_BYTES = 5_000_000
EVENT_MAX_BYTES = 1_000_000
COLUMNS_MAX = 2000
MEMBERS = {"time", "samplerate", "data"}


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Event:
    def __init__(self, key, dataset, raw):
        self.key = key
        self.dataset = dataset
        self.sample_rate = raw["samplerate"]
        self.time_unix_nano = nanoseconds(raw["time"])
        self.data = raw["data"]

    def __repr__(self):
        return f"{self.dataset} {self.data}"


def nanoseconds(time):
    if isinstance(time, msgpack.Timestamp):
        return time.to_unix_nano()
    moment = datetime.datetime.fromisoformat(time)
    return int(moment.replace(microsecond=0).timestamp()) * 10**9 + moment.microsecond * 1000


def unpacked(request):
    encoding = request.headers.get("Content-Encoding", "")
    if encoding == "zstd":
        body = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(request.body)).read()
    elif encoding == "gzip":
        body = gzip.decompress(request.body)
    elif encoding == "":
        body = request.body
    else:
        raise Refusal(415, f"unsupported Content-Encoding {encoding}")
    if len(body) > BATCH_MAX_BYTES:
        raise Refusal(413, "request body is too large")
    kind = request.headers.get("Content-Type", "")
    if kind == "application/msgpack":
        return msgpack.unpackb(body)  # utf-8, strictly
    if kind == "application/json":
        return strict_json(body)
    raise Refusal(415, f"unsupported Content-Type {kind}")


def complaint(event):
    """None: well."""
    if not isinstance(event, dict) or set(event) != MEMBERS:
        return "not an event"
    data = event["data"]
    if not isinstance(data, dict) or not data:
        return "event has no data"
    if len(data) > COLUMNS_MAX or len(msgpack.packb(data)) > EVENT_MAX_BYTES:
        return "event is too large"
    if not isinstance(event["samplerate"], int) or event["samplerate"] < 1:
        return "bad sample rate"
    if not all(isinstance(value, (str, int, float, bool)) for value in data.values()):
        return "a column is no text, number or boolean"
    return None


class HoneycombApi(Scripted):
    def __init__(self, keys):
        """keys: the environment of each; that of a Classic one is ""."""
        super().__init__()
        self.keys = keys
        self.events = []

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    def operation(self, request):
        return request.path.split("/")[2] if request.path.startswith("/1/") else "other"

    def refusal(self, request, status, message):
        return {"error": message}, {}

    def take(self, request):
        with self.changed:
            try:
                return 200, self._take(request), {}
            except Refusal as refusal:
                return refusal.status, {"error": str(refusal)}, {}
            except ValueError as err:
                return 400, {"error": f"malformed: {err}"}, {}

    def _take(self, request):
        key = request.headers.get("X-Honeycomb-Team", "")
        if key not in self.keys:
            raise Refusal(401, "unknown API key - check your credentials")
        if (request.method, request.path) == ("GET", "/1/auth"):
            name = self.keys[key]
            return {"type": "ingest", "environment": {"name": name, "slug": name.lower()}}
        if request.method != "POST" or request.op != "batch":
            raise Refusal(404, "not found")
        dataset = urllib.parse.unquote(request.path.removeprefix("/1/batch/"), errors="strict")
        if not dataset.strip():
            raise Refusal(400, "no dataset")
        return [self._keep(key, dataset, event) for event in unpacked(request)]

    def _keep(self, key, dataset, event):
        wrong = complaint(event)
        if wrong:
            return {"status": 400, "error": wrong}
        self.events.append(Event(key, dataset, event))
        return {"status": 202}

    # ---- for tests ----

    def of_trace(self, trace_id):
        return [event for event in self.events if event.data.get("trace.trace_id") == trace_id]

    def summary(self):
        return f"{super().summary()}, {len(self.events)} events"
