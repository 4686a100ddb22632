"""A wire-tap on loopback: passes bytes on both ways, and keeps them.

    with Recorder(agent_port) as tap:
        run(endpoint=f"http://127.0.0.1:{tap.port}/api/1/item/")
        tap.exchanges()     [(connection, headers, body, status), ...] in order of the requests

What goes through is not touched, so that keep-alive, pipelining and hang-ups are those of the two
sides. Understands requests with Content-Length, which is what the SDKs send.
"""

import contextlib
import re
import select
import socket
import threading

PIECE_BYTES = 1 << 16


class Connection:
    def __init__(self):
        self.up = bytearray()  # from the client
        self.down = bytearray()


class Recorder:
    def __init__(self, port):
        """port: where the server is, on 127.0.0.1; may be set anew for later connections."""
        self.upstream = port
        self.connections = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._stop_in, self._stop_out = socket.socketpair()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *unused):
        """All connections are cut."""
        self._stop_in.close()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._stop_out.close()

    def _accept(self):
        while True:
            ready, _, _ = select.select([self._listener, self._stop_out], [], [])
            if self._stop_out in ready:
                return
            client, _ = self._listener.accept()
            connection = Connection()
            self.connections.append(connection)
            thread = threading.Thread(target=self._pass_on, args=(client, connection), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client, connection):
        with client, contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.upstream)) as server:
                self._pump(client, server, connection)

    def _pump(self, client, server, connection):
        both = {client: (server, connection.up), server: (client, connection.down)}
        while True:
            ready, _, _ = select.select([*both, self._stop_out], [], [])
            if self._stop_out in ready:
                return
            for side in ready:
                piece = side.recv(PIECE_BYTES)
                if not piece:
                    return
                other, record = both[side]
                record += piece
                other.sendall(piece)

    def exchanges(self):
        """(connection, headers, body, status) of each request that was answered. The order is that
        of the connections; of several at a time, that of their beginnings."""
        found = []
        for number, connection in enumerate(self.connections):
            requests = [(h, b) for h, b in split(bytes(connection.up))]
            replies = [int(h.split(b" ", 2)[1]) for h, _ in split(bytes(connection.down))]
            found += [(number, h, b, s) for (h, b), s in zip(requests, replies)]
        return found


def split(stream):
    """The messages in a stream: (head, body) each."""
    while b"\r\n\r\n" in stream:
        head, stream = stream.split(b"\r\n\r\n", 1)
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
        n = int(length.group(1)) if length else 0
        yield head, stream[:n]
        stream = stream[n:]
