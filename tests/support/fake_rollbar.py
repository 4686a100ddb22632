#!/usr/bin/env python3
"""A strict Rollbar for tests: takes, refuses, groups and forgets what the real one does.

    with FakeRollbar(token="t") as fake:
        run(ROLLBAR_ENDPOINT=fake.url, ROLLBAR_ACCESS_TOKEN="t")
        fake.wait_for(lambda f: len(f.occurrences) == 2)

1. POST /api/1/item and /api/1/item/; the token from the header X-Rollbar-Access-Token, else from
   the body. Each token is a project, and has a limit of requests a minute of its own. A body may
   be compressed with gzip, as rollbar-java does it unless told not to.
2. An item that breaks the documented schema is refused with Rollbar's status and text.
3. A uuid that the project has seen is answered with 200 and discarded.
4. Occurrences are grouped by environment and fingerprint (rollbar_grouping.py).
5. Every request is kept as it came, byte for byte, with what was answered: .requests.
6. POST /api/1/deploy/ and PATCH /api/1/deploy/N, JSON or a form: .deploys (rollbar_deploys.py).

Its script is that of every fake: fake_http.py.

As a program: fake_rollbar.py [--port 0] [--token TOKEN] [--record FILE] prints the item URL and
serves until it is told to stop.
"""

import argparse
import json
import signal
import sys
import time
import urllib.parse
import uuid as uuids
import zlib

import rollbar_deploys
import rollbar_grouping as grouping
import rollbar_schema as schema
from fake_http import Scripted

PING_PATH = "/api/1/status/ping"
ITEM_PATHS = ("/api/1/item", "/api/1/item/")
DEPLOY_PATHS = ("/api/1/deploy", "/api/1/deploy/")
NO_TOKEN = "Invalid format. access_token is missing and it is required."
BODY_MAX_BYTES = 512 * 1024
WINDOW_S = 60


class Occurrence:
    def __init__(self, token, data, raw):
        self.token = token
        self.data = data
        self.raw = raw  # the body of the request, inflated
        self.uuid = data["uuid"]
        self.fingerprint = grouping.fingerprint(data)
        self.default_fingerprint = grouping.default_fingerprint(data)
        self.item = None


class Item:
    """One line of Rollbar's list."""

    def __init__(self, number, first):
        self.number = number
        self.title = grouping.title(first.data)
        self.level = first.data.get("level") or default_level(first.data)
        self.environment = first.data["environment"]
        self.fingerprint = first.fingerprint
        self.occurrences = []


def default_level(data):
    return "info" if "message" in data["body"] else "error"


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
        self.message = message


class FakeRollbar(Scripted):
    def __init__(self, token=None, port=0, host="127.0.0.1", limit=5000, record=None):
        """token: the one that is known, several, or None: any. limit: requests a minute."""
        super().__init__(port, host)
        self.tokens = {token} if isinstance(token, str) else set(token or ())
        self.limit = limit
        self.record = record
        self.occurrences = []
        self.items = []
        self.duplicates = []  # uuids that came again and were discarded
        self.warnings = []  # (uuid, sentence): not refused, but not what towbar should send
        self._uuids = set()
        self._groups = {}
        self._deploys = rollbar_deploys.Deploys()
        self._windows = {}  # of a token: start, requests counted in it

    @property
    def url(self):
        return f"http://{self.host}:{self.port}/api/1/item/"

    # ---- for tests ----

    def summary(self):
        return (
            f"{super().summary()}, {len(self.occurrences)} occurrences in {len(self.items)} items, "
            f"{len(self.duplicates)} duplicates"
        )

    @property
    def deploys(self):
        return self._deploys.all

    @property
    def deploy_url(self):
        return f"http://{self.host}:{self.port}/api/1/deploy/"

    def occurrence(self, uuid):
        return next((o for o in self.occurrences if o.uuid == uuid), None)

    # ---- what the service does ----

    def take(self, request):
        """The reply to a request, as status, object and headers."""
        with self.changed:
            headers = {}
            try:
                path = urllib.parse.urlsplit(request.path).path
                if request.method == "GET" and path == PING_PATH:
                    return 200, "pong", {"Content-Type": "text/plain"}
                if path in ITEM_PATHS and request.method == "POST":
                    return 200, {"err": 0, "result": self._take_item(request, headers)}, headers
                if path.startswith(DEPLOY_PATHS[0]):
                    number = self._take_deploy(request, path)
                    return 200, {"err": 0, "data": {"deploy_id": number}}, headers
                raise Refusal(404, "Not found")
            except Refusal as refusal:
                return refusal.status, {"err": 1, "message": refusal.message}, headers

    def refusal(self, request, status, message):
        return {"err": 1, "message": message}, {}

    def _count(self, token, headers):
        """Counts a request of a token; the headers that tell how many are left."""
        now = time.time()
        start, n = self._windows.get(token, (0, 0))
        if now - start >= WINDOW_S:
            start, n = now, 0
        self._windows[token] = (start, n + 1)
        headers["X-Rate-Limit-Limit"] = str(self.limit)
        headers["X-Rate-Limit-Remaining"] = str(max(0, self.limit - n - 1))
        headers["X-Rate-Limit-Reset"] = str(int(start + WINDOW_S))
        headers["X-Rate-Limit-Remaining-Seconds"] = str(max(0, int(start + WINDOW_S - now)))
        if n >= self.limit:
            raise Refusal(429, "Rate limit exceeded")

    def _check_token(self, request, fields):
        token = request.headers.get("X-Rollbar-Access-Token")
        if not token and isinstance(fields, dict):
            token = fields.get("access_token")
        if not token:
            raise Refusal(422, NO_TOKEN)
        if not isinstance(token, str):
            raise Refusal(422, "Invalid format. access_token should be string.")
        if self.tokens and token not in self.tokens:
            raise Refusal(403, f"access token not found: {token}")
        return token

    def _take_item(self, request, headers):
        # A token in the header can be counted before the body is looked at.
        counted = request.headers.get("X-Rollbar-Access-Token")
        if counted:
            self._count(counted, headers)
        body = inflate(request)
        if len(body) > BODY_MAX_BYTES:
            raise Refusal(413, "Request entity too large: the maximum payload size is 512kb")
        envelope = decode(body)
        token = self._check_token(request, envelope)
        if not counted:
            self._count(token, headers)
        complaint = schema.check(envelope)
        if complaint:
            raise Refusal(422, complaint)
        return {"id": None, "uuid": self._keep(token, envelope["data"], body)}

    def _take_deploy(self, request, path):
        """The number of a deploy that was made or changed."""
        try:
            fields = rollbar_deploys.decode(request.body)
        except (ValueError, RecursionError):
            raise Refusal(400, "Invalid JSON: the payload could not be decoded") from None
        token = self._check_token(request, fields)
        try:
            if request.method == "POST" and path in DEPLOY_PATHS:
                return self._deploys.add(token, fields)
            if request.method == "PATCH":
                return self._deploys.change(token, path[len(DEPLOY_PATHS[0]) :].strip("/"), fields)
        except ValueError as complaint:
            raise Refusal(422, str(complaint)) from None
        except LookupError:
            pass
        raise Refusal(404, "Not found")

    def _keep(self, token, data, raw):
        data.setdefault("uuid", uuids.uuid4().hex)
        if (token, data["uuid"]) in self._uuids:
            self.duplicates.append(data["uuid"])
            return data["uuid"]
        self._uuids.add((token, data["uuid"]))
        occurrence = Occurrence(token, data, raw)
        key = (token, data["environment"], occurrence.fingerprint)
        if key not in self._groups:
            self._groups[key] = Item(len(self.items) + 1, occurrence)
            self.items.append(self._groups[key])
        occurrence.item = self._groups[key]
        occurrence.item.occurrences.append(occurrence)
        self.occurrences.append(occurrence)
        self.warnings.extend((occurrence.uuid, text) for text in schema.warn(data))
        return occurrence.uuid

    def note(self, request):
        with self.changed:
            if self.record:
                self.record.write(request.as_line() + "\n")
                self.record.flush()
            super().note(request)


def no_constant(text):
    raise ValueError(f"{text} is not JSON")


def inflate(request):
    """The body as it was before it was compressed; a byte more than the most, at most."""
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return request.body
    if encoding != "gzip":
        raise Refusal(415, f"Content-Encoding {encoding} is not supported")
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        body = stream.decompress(request.body, BODY_MAX_BYTES + 1)
    except zlib.error:
        raise Refusal(400, "Invalid gzip: the payload could not be decoded") from None
    if not stream.eof and len(body) <= BODY_MAX_BYTES:
        raise Refusal(400, "Invalid gzip: the payload could not be decoded")
    return body


def decode(body):
    """The object in a body: JSON whatever its type says, or the form field "payload"."""
    try:
        text = body.decode("utf-8")
        if not text.lstrip().startswith(("{", "[")):
            fields = urllib.parse.parse_qs(text, strict_parsing=True, errors="strict")
            if list(fields) != ["payload"]:
                raise ValueError("no payload")
            text = fields["payload"][0]
        return json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "Invalid JSON: the payload could not be decoded") from None


def main():
    parser = argparse.ArgumentParser(description="A strict Rollbar for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", action="append", help="known token; default: any")
    parser.add_argument("--limit", type=int, default=5000, help="requests a minute")
    parser.add_argument("--record", metavar="FILE", help="append each request as a line of JSON")
    options = parser.parse_args()
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # Before threads: they inherit it.
    record = open(options.record, "a", encoding="utf-8") if options.record else None
    fake = FakeRollbar(options.token, options.port, limit=options.limit, record=record)
    with fake:
        print(fake.url, flush=True)
        signal.sigwait(stop)
    print(fake.summary(), file=sys.stderr)


if __name__ == "__main__":
    main()
