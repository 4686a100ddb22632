"""The HTTP of the fake services: what they read, keep and answer, and how they misbehave.

Each is a Scripted, which says what a request is and what is answered: see fake_rollbar.py,
fake_otlp.py, fake_aws.py, fake_xray_daemon.py. All have the same script.

fake.script([step, ...]) queues what happens to the next requests, one step each:
    {"status": 429, "headers": {...}}   refused with that status; nothing is taken
    {"status": 500, "body": "..."}      with that body instead of the usual one
    {"body": "not json"}                all is taken, the answer is this
    {"delay": 1.5}                      everything as usual, but late
    {"hold": True}                      everything as usual, but not before release()
    {"hang": True}                      nothing is taken, and there is no answer; it ends at release()
    {"cut": "before-read"}              the connection is closed, the body is not read
    {"cut": "reset"}                    the same, by a reset
    {"cut": "before-reply"}             all is taken, then the connection is closed
    {"cut": "mid-reply"}                all is taken, half of the answer is sent
    {"repeat": 3, ...}                  the step counts for three requests; -1: until script([])
    {"op": "logs", ...}                 the step is for requests of that kind; others pass it by
Keys can be joined. close_port() and open_port() take the server away and bring it back.
"""

import base64
import http.server
import json
import socket
import struct
import sys
import threading
import time

WAIT_S = 15


class Request:
    """What came in, and what was answered."""

    def __init__(self, handler, body):
        self.time = time.monotonic()
        self.method = handler.command
        self.path = handler.path
        self.headers = handler.headers  # case does not matter; .items() is as sent
        self.body = body
        self.connection = handler.client_address  # the same for requests on one connection
        self.op = handler.server.fake.operation(self)
        self.step = {}  # what the script said to it
        self.status = 0  # 0: the connection was cut before an answer
        self.reply = b""

    def as_line(self):
        return json.dumps(
            {
                "method": self.method,
                "path": self.path,
                "headers": list(self.headers.items()),
                "body_base64": base64.b64encode(self.body).decode("ascii"),
                "status": self.status,
                "reply": self.reply.decode("utf-8", "replace"),
            }
        )


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, *args):
        self.fake = None
        self.lock = threading.Lock()
        self.open = set()
        super().__init__(*args)

    def process_request(self, request, client_address):
        with self.lock:
            self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self.lock:
            self.open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self):
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # The other side was first.

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # A connection that went away is no news.
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Fake"
    wbufsize = -1  # One packet for an answer.

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.server.fake.now() if timestamp is None else timestamp)

    def do_POST(self):
        fake = self.server.fake
        request = Request(self, b"")  # Its head is enough to know which step it is for.
        request.step = step = fake.next_step(request.op)
        if step.get("cut") in ("before-read", "reset"):
            self.cut(step["cut"] == "reset")
            fake.note(request)
            return
        request.body = self.read_body()
        request.op = fake.operation(request)
        if step.get("delay"):
            time.sleep(step["delay"])
        if step.get("hold") or step.get("hang"):
            fake.hold(step)
        if step.get("hang"):
            self.close_connection = True
            fake.note(request)
            return
        self.play(step, request)

    do_GET = do_PUT = do_PATCH = do_POST

    def do_HEAD(self):
        """Who only looks whether there is a server, and what time it has."""
        self.answer(Request(self, b""), 404, b"", {}, {})

    def cut(self, is_reset):
        self.close_connection = True
        if is_reset:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()

    def play(self, step, request):
        fake = self.server.fake
        if step.get("status", 200) == 200:
            status, reply, headers = fake.take(request)
        else:
            status = step["status"]
            reply, headers = fake.refusal(
                request, status, step.get("message", "as the script says")
            )
        reply = step.get("body", reply)
        payload = reply if isinstance(reply, (str, bytes)) else json.dumps(reply)
        payload = payload.encode() if isinstance(payload, str) else payload
        self.answer(request, status, payload, {**headers, **step.get("headers", {})}, step)

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return self.read_chunks()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def read_chunks(self):
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def answer(self, request, status, payload, headers, step):
        cut = step.get("cut")
        if cut == "before-reply":
            self.close_connection = True
            self.server.fake.note(request)
            return
        request.status, request.reply = status, payload
        self.server.fake.note(request)  # Before it is sent: who has the answer finds it noted.
        self.send_response(status)
        headers.setdefault("Content-Type", self.server.fake.content_type)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if cut == "mid-reply":
            payload = payload[: len(payload) // 2]
            self.close_connection = True
        self.wfile.write(payload)
        self.wfile.flush()


class Scripted:
    """A service for tests: its port, its script, its requests byte for byte as they came."""

    content_type = "application/json"

    def __init__(self, port=0, host="127.0.0.1"):
        self.host = host
        self.port = port
        self.changed = threading.Condition()
        self.requests = []
        self.clock_ahead_s = 0  # of its clock before this host's
        self.held = 0  # requests that wait for release()
        self._releases = 0
        self._steps = []
        self._server = None

    # ---- for a service to say ----

    def operation(self, request):
        """What kind of request it is, for the script."""
        return request.path

    def take(self, request):
        """The reply to a request, as status, object or text, and headers."""
        raise NotImplementedError

    def refusal(self, request, status, message):
        """The reply that goes with a status of the script, as object or text, and headers."""
        return {"message": message}, {}

    # ---- start and stop ----

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def start(self):
        self.open_port()
        return self

    def stop(self):
        self.close_port()

    def open_port(self):
        """Serves; after close_port on the same port as before."""
        assert self._server is None
        self._server = Server((self.host, self.port), Handler)
        self._server.fake = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close_port(self):
        """Connections are refused and open ones cut, until open_port."""
        server, self._server = self._server, None
        self.release()
        if server:
            server.shutdown()
            server.server_close()
            server.cut_connections()

    # ---- for tests ----

    def now(self):
        return time.time() + self.clock_ahead_s

    def script(self, steps):
        """Replaces what is left of the script."""
        with self.changed:
            self._steps = [dict(step) for step in steps]

    def release(self):
        """Lets go on the requests that are held now, or have come and are about to be."""
        with self.changed:
            self._releases += 1
            self.held = 0
            self.changed.notify_all()

    def wait_for(self, predicate, timeout=WAIT_S):
        """Waits until predicate(self) is true and returns its value; TimeoutError otherwise."""
        with self.changed:
            value = self.changed.wait_for(lambda: predicate(self), timeout)
        if not value:
            raise TimeoutError(f"not within {timeout} s; {self.summary()}")
        return value

    def summary(self):
        counts = {}
        for request in self.requests:
            counts[request.status] = counts.get(request.status, 0) + 1
        refused = [r.reply.decode("utf-8", "replace") for r in self.requests if r.status != 200]
        return f"{len(self.requests)} requests (by status {counts}), last refusals {refused[-3:]}"

    # ---- for the handler ----

    def hold(self, step):
        with self.changed:
            if self._releases != step["releases"]:
                return
            self.held += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._releases != step["releases"])

    def next_step(self, op):
        """The first step of the script that is for such a request, or none."""
        with self.changed:
            for index, step in enumerate(self._steps):
                if step.get("op", op) != op:
                    continue
                repeat = step.get("repeat", 1)
                if repeat == 1:
                    self._steps.pop(index)
                elif repeat > 1:
                    step["repeat"] = repeat - 1
                return {**step, "releases": self._releases}
            return {}

    def note(self, request):
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()


def strict_json(text):
    """The object in a text; ValueError for what only some parsers would take: NaN, a name that
    stands twice, half of a surrogate pair."""

    def no_twice(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        return found

    def no_constant(name):
        raise ValueError(f"{name} is not JSON")

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, parse_constant=no_constant, object_pairs_hook=no_twice)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("too deep") from None
    return value
