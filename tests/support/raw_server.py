"""A TCP server for tests that says whatever a test wants, byte for byte, also over TLS.

    with RawServer(behave) as server:
        ... server.port, server.connections, server.heads ...

behave(connection, request) is called for each request that was read whole, with the socket and the
bytes of the request; it sends what it likes and returns whether the connection goes on. Without
http=True nothing is read first, and request is b"". One thread for each connection; none outlives the
server. make_certificate makes a key and a certificate for 127.0.0.1 with the openssl program.
"""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import threading

OK = b'{"err":0,"result":{"id":null,"uuid":"u"}}'


def reply(status=200, body=OK, headers=()):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def make_certificate(folder, name, host="127.0.0.1", days=2):
    """Paths of the certificate, which is its own authority, and of its key."""
    cert, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    kind = "IP" if re.fullmatch(r"[0-9.]+", host) else "DNS"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", cert, "-days", str(days), "-subj", f"/CN={host}",
         "-addext", f"subjectAltName={kind}:{host}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def server_context(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def read_request(connection):
    """Head and body, or b"" when the connection ended before."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    want = int(length[1]) if length else 0
    while len(body) < want:
        piece = connection.recv(65536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


class RawServer:
    def __init__(self, behave, context=None, http=True, port=0):
        self.behave = behave
        self.context = context
        self.http = http
        self.connections = 0
        self.heads = []
        self.open = set()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.threads = []
        self.accepter = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self.accepter.start()
        return self

    def __exit__(self, *unused):
        self.stopping.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.accepter.join(10)
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)

    def url(self, scheme="http", host="127.0.0.1"):
        return f"{scheme}://{host}:{self.port}/api/1/item/"

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, plain):
        connection = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                connection = self.context.wrap_socket(plain, server_side=True)
            goes_on = True
            while goes_on and not self.stopping.is_set():
                request = read_request(connection) if self.http else b""
                if self.http and not request:
                    break
                with self.lock:
                    self.heads.append(request.split(b"\r\n\r\n", 1)[0].decode("latin-1"))
                goes_on = self.behave(connection, request)
        except (OSError, ValueError):
            pass  # The client has gone, or did not like the handshake.
        finally:
            with self.lock:
                self.open.discard(plain)
            with contextlib.suppress(OSError):
                connection.close()
            plain.close()
