"""The HTTP of the fake Rollbar: what it reads, keeps and answers, and how it misbehaves.

What an item is, and what is answered, is for the object behind server.fake to say: next_step(),
hold(), take(request), note(request); see fake_rollbar.py.
"""

import base64
import http.server
import json
import socket
import sys
import threading
import time


class Request:
    """What came in, and what was answered."""

    def __init__(self, handler, body):
        self.time = time.monotonic()
        self.method = handler.command
        self.path = handler.path
        self.headers = handler.headers  # case does not matter; .items() is as sent
        self.body = body
        self.connection = handler.client_address  # the same for requests on one connection
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
    server_version = "FakeRollbar"
    wbufsize = -1  # One packet for an answer.

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path == "/api/1/status/ping":
            self.answer(Request(self, b""), 200, b"pong", {}, "text/plain")
        else:
            self.refuse(b"", 404, "Not found")

    def do_POST(self):
        fake = self.server.fake
        step = fake.next_step()
        if step.get("cut") == "before-read":
            self.close_connection = True
            fake.note(Request(self, b""))
            return
        body = self.read_body()
        if step.get("delay"):
            time.sleep(step["delay"])
        if step.get("hold"):
            fake.hold()
        self.play(step, Request(self, body))

    do_PATCH = do_POST

    def play(self, step, request):
        fake = self.server.fake
        if step.get("status", 200) == 200:
            status, reply, headers = fake.take(request)
        else:
            status, headers = step["status"], {}
            reply = {"err": 1, "message": step.get("message", "as the script says")}
        reply = step.get("body", reply)
        payload = reply if isinstance(reply, str) else json.dumps(reply)
        headers.update(step.get("headers", {}))
        self.answer(request, status, payload.encode(), headers, cut=step.get("cut"))

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

    def refuse(self, body, status, message):
        payload = json.dumps({"err": 1, "message": message}).encode()
        self.answer(Request(self, body), status, payload, {})

    def answer(self, request, status, payload, headers, kind="application/json", cut=None):
        if cut == "before-reply":
            self.close_connection = True
            self.server.fake.note(request)
            return
        request.status, request.reply = status, payload
        self.server.fake.note(request)  # Before it is sent: who has the answer finds it noted.
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(payload)))
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if cut == "mid-reply":
            payload = payload[: len(payload) // 2]
            self.close_connection = True
        self.wfile.write(payload)
        self.wfile.flush()
