#!/usr/bin/env python3
"""A light Rollbar for many items, in a process of its own: takes each uuid once, in several moods.

    with Outage() as server:
        server.mood("down")     every answer is 503, a reset, or none at all
        server.mood("rough")    it takes items, and in between gives 429s, 5xx, resets, hangs, and
                                lies about its rate, each so many times
        server.mood("well")
        server.totals()         what it saw since the start: a dict

The mood is changed and asked for over the process's stdin and stdout, one line each. While it is down
the requests of each 100 ms are counted, and the most connections there ever were.
"""

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import time

UUID = re.compile(rb'"uuid": ?"([0-9a-f-]{36})"')
CLASS = re.compile(rb"class:(\d):")
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
BODY = b'{"err":0,"result":{"id":null,"uuid":"u"}}'
# Mostly lies: what is said beside a plausible second must not matter.
LIES = (
    "",
    "X-Rate-Limit-Remaining: -1\r\nX-Rate-Limit-Remaining-Seconds: -1\r\n",
    "X-Rate-Limit-Remaining: 17\r\nX-Rate-Limit-Reset: 2000000000\r\nX-Rate-Limit-Remaining-Seconds: 2000000000\r\n",
    "X-Rate-Limit-Remaining: many\r\nX-Rate-Limit-Remaining-Seconds: soon\r\n",
)
LIMITS = (
    "X-Rate-Limit-Remaining-Seconds: 1\r\n",
    "X-Rate-Limit-Remaining-Seconds: 2000000000\r\nRetry-After: 1\r\n",
    "X-Rate-Limit-Remaining-Seconds: -7\r\nX-Rate-Limit-Reset: 12\r\nRetry-After: 1\r\n",
    "X-Rate-Limit-Remaining-Seconds: 99999999999999999999\r\nRetry-After: 1\r\n",
)


class State:
    def __init__(self):
        self.mood = "well"
        self.seen = set()
        self.order = bytearray()  # classes in the order of the first arrivals
        self.counts = dict.fromkeys(
            ("requests", "taken", "repeats", "limited", "errors", "resets", "hangs", "used_up", "down"), 0
        )  # fmt: skip
        self.left = {}  # how often each trouble is still to come
        self.open = 0
        self.most_open = 0
        self.down_slots = {}  # requests while it was down, by tenth of a second
        self.random = random.Random(7)

    def totals(self):
        return {
            **self.counts,
            "most_open": self.most_open,
            "most_down_in_100_ms": max(self.down_slots.values(), default=0),
            "order": self.order.decode(),
        }


class Client(asyncio.Protocol):
    def __init__(self, state):
        self.state = state
        self.data = b""

    def connection_made(self, transport):
        self.transport = transport
        self.state.open += 1
        self.state.most_open = max(self.state.most_open, self.state.open)

    def connection_lost(self, _why):
        self.state.open -= 1

    def data_received(self, data):
        self.data += data
        while True:
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return
            whole = end + 4 + int(LENGTH.search(self.data, 0, end + 2)[1])
            if len(self.data) < whole:
                return
            request, self.data = self.data[:whole], self.data[whole:]
            self.state.counts["requests"] += 1
            getattr(self, self.state.mood)(request)

    def say(self, status, headers="", body=b'{"err":1,"message":"as it is"}'):
        head = f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)

    def take(self, request):
        state = self.state
        uuid = UUID.search(request)[1]
        if uuid in state.seen:
            state.counts["repeats"] += 1
        else:
            state.seen.add(uuid)
            state.counts["taken"] += 1
            state.order += CLASS.search(request)[1]

    def well(self, request, headers=""):
        self.take(request)
        self.say(200, headers, BODY)

    def down(self, _request):
        state = self.state
        state.counts["down"] += 1
        slot = int(time.monotonic() * 10)
        state.down_slots[slot] = state.down_slots.get(slot, 0) + 1
        way = state.random.randrange(3)
        if way == 0:
            self.say(503)
        elif way == 1:
            self.transport.abort()
        else:
            self.transport.close()

    def trouble(self):
        """One of those that are left, now and then; rarer as more items are to come."""
        state = self.state
        kinds = [kind for kind, n in state.left.items() if n > 0]
        if not kinds or state.random.random() > 0.04:
            return None
        kind = state.random.choice(kinds)
        state.left[kind] -= 1
        state.counts[kind] += 1
        return kind

    def rough(self, request):
        state = self.state
        kind = self.trouble()
        if kind == "limited":
            self.say(429, state.random.choice(LIMITS))
        elif kind == "errors":
            self.say(state.random.choice((500, 502, 503, 504, 408)))
        elif kind == "resets":
            if state.random.randrange(2):  # taken, and the answer is lost
                self.take(request)
            self.transport.abort()
        elif kind == "hangs":
            pass
        elif kind == "used_up":
            self.well(request, "X-Rate-Limit-Remaining: 0\r\nX-Rate-Limit-Remaining-Seconds: 1\r\n")
        else:
            self.well(request, state.random.choice(LIES))


async def serve():
    loop = asyncio.get_running_loop()
    state = State()
    server = await loop.create_server(lambda: Client(state), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    done = asyncio.Event()

    def command():
        line = sys.stdin.readline().split()
        if not line:
            done.set()
        elif line[0] == "totals":
            print(json.dumps(state.totals()), flush=True)
        elif line[0] == "mood":
            state.mood = line[1]
            state.left = json.loads(line[2]) if len(line) > 2 else {}
            print("{}", flush=True)

    loop.add_reader(sys.stdin.fileno(), command)
    await done.wait()


class Outage:
    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/api/1/item/"

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def mood(self, name, **times):
        self.ask(f"mood {name} {json.dumps(times, separators=(',', ':'))}")

    def totals(self):
        return self.ask("totals")


if __name__ == "__main__":
    asyncio.run(serve())
