"""What is sent over HTTP: taken as Rollbar takes it, or refused in words; nobody stops the others."""

import concurrent.futures
import gzip
import http.client
import json
import os
import re
import select
import signal
import socket
import sys
import threading
import time
import unittest
import urllib.parse
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

MIB = 1 << 20
LIMIT = 512 << 10
PATH = "/api/1/item/"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
XRAY = "1-67891233-abcdef012345678912345678"
SERVED_S = 1 if not towbar.SANITIZE else 5


def item(uuid=None, text="hi", **data):
    data = {"environment": "test", "body": {"message": {"body": text}}, **data}
    if uuid:
        data["uuid"] = uuid
    return {"data": data}


def large(uuid, size):
    """An item as an SDK sends it that keeps all locals: frames with values, size bytes."""
    frame = {"filename": "app.py", "lineno": 1, "method": "f", "locals": {"rows": ["x" * 90] * 100}}
    n = size // len(json.dumps(frame)) + 1
    frames = [dict(frame, lineno=i, filename=f"app{i}.py") for i in range(n)]
    exception = {"class": "MemoryError", "message": "too much"}
    return item(
        uuid, body={"trace": {"frames": frames, "exception": exception}},
        custom={"trace_id": TRACE, "span_id": SPAN}, fingerprint="ours", level="critical",
    )  # fmt: skip


class IngestTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def start_agent(self):
        agent = self.agent(self.fake).wait_ready()
        agent.wait_log("http://127.0.0.1:")
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", agent.log).group(1))
        return agent

    def connect(self, unix=False):
        if unix:
            return towbar.UnixConnection(self.socket, timeout=towbar.DEADLINE_S)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=towbar.DEADLINE_S)

    def raw(self, data=b"", unix=False):
        if unix:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(self.socket)
        else:
            sock = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(sock.close)
        sock.settimeout(towbar.DEADLINE_S)
        sock.sendall(data)
        return sock

    def head(self, *lines):
        lines = (f"POST {PATH} HTTP/1.1", "Host: localhost", *lines, "", "")
        return "\r\n".join(lines).encode()

    def answer(self, sock):
        reply = http.client.HTTPResponse(sock)
        reply.begin()
        return reply.status, json.loads(reply.read())

    def post(self, body, headers=None, path=PATH, unix=False):
        """Status and answer; every answer is JSON of Rollbar's form."""
        connection = self.connect(unix)
        try:
            if not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request("POST", path, body, headers or {})
            reply = connection.getresponse()
            answer = json.loads(reply.read())
        finally:
            connection.close()
        self.assertEqual(reply.headers["Content-Type"], "application/json")
        self.assertEqual(answer["err"], 0 if reply.status == 200 else 1)
        self.retry_after = reply.headers["Retry-After"]
        return reply.status, answer

    def taken(self, *args, **kwargs):
        status, answer = self.post(*args, **kwargs)
        self.assertEqual(status, 200, answer)
        self.assertEqual(list(answer), ["err", "result"])
        self.assertIsNone(answer["result"]["id"])
        return answer["result"]["uuid"]

    def refused(self, status, word, *args, **kwargs):
        got, answer = self.post(*args, **kwargs)
        self.assertEqual(got, status, answer)
        self.assertIn(word, answer["message"])

    def delivered(self, uuid):
        return self.fake.wait_for(lambda fake: fake.occurrence(uuid))

    def assert_served(self, unix=False):
        """Somebody else, now."""
        begun = time.monotonic()
        self.taken(item(), unix=unix)
        self.assertLess(time.monotonic() - begun, SERVED_S)

    # ---- as the SDKs send it ----

    def test_every_way_of_the_sdks_to_send_it_is_taken(self):
        text = json.dumps(item("u-%d"))
        form = "application/x-www-form-urlencoded"
        payload = "payload=" + urllib.parse.quote_plus(text)
        ways = [
            (PATH, text, {"Content-Type": "application/json"}),
            ("/api/1/item", text, {"content-type": "application/json; charset=UTF-8"}),
            (PATH + "?access_token=x&y", text, {}),
            ("/api/1/item?x=1", text, {}),
            (PATH, text, {"Content-Type": form}),
            (PATH, payload, {"Content-Type": form}),
            (PATH, "access_token=x&" + payload, {}),
            (PATH, text, {"Content-Type": "image/png"}),
            (PATH, " \r\n\t" + text + "\n", {"Connection": "close"}),
            (PATH, text, {"Accept-Encoding": "gzip", "Content-Encoding": "identity"}),
        ]
        with self.start_agent():
            for n, (path, body, headers) in enumerate(ways):
                for unix in (False, True):
                    uuid = f"u-{n}{unix}"
                    body_n = body.replace("u-%d", uuid).replace("u-%25d", uuid)
                    with self.subTest(path=path, headers=headers, unix=unix):
                        got = self.taken(body_n, headers, path, unix)
                        self.assertEqual(got, uuid)
            self.wait_status(lambda s: s["sent"] == 2 * len(ways))
        self.assert_clean(self.fake)

    def test_the_header_token_wins_then_the_body_then_the_agents(self):
        with self.start_agent():
            self.fake.tokens = set()  # any
            cases = [
                ({"X-Rollbar-Access-Token": "head"}, "body", "head"),
                ({"x-rollbar-access-token": "head"}, None, "head"),
                ({}, "body", "body"),
                ({}, None, towbar.TOKEN),
                ({}, "", towbar.TOKEN),
            ]
            for n, (headers, own, expected) in enumerate(cases):
                body = item(f"t-{n}")
                if own is not None:
                    body["access_token"] = own
                self.taken(body, headers)
                self.assertEqual(self.delivered(f"t-{n}").token, expected)

    def test_a_missing_uuid_is_made_and_answered(self):
        with self.start_agent():
            # The notice of rollbar.js that it limits itself has nothing but a body.
            notice = {"body": {"message": {"body": "maxItems has been hit"}}, "environment": "x"}
            uuid = self.taken({"data": notice})
            self.assertRegex(uuid, r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f-]{17}$")
            self.assertEqual(self.delivered(uuid).data["body"], notice["body"])

    def test_one_connection_takes_many_and_ends_when_asked_to(self):
        with self.start_agent():
            connection = self.connect()
            for n in range(20):
                connection.request("POST", PATH, json.dumps(item(f"k-{n}")))
                first = connection.sock
                self.assertEqual(json.loads(connection.getresponse().read())["err"], 0)
                self.assertIs(connection.sock, first)
            connection.request("POST", PATH, json.dumps(item("k-20")), {"Connection": "close"})
            reply = connection.getresponse()
            self.assertEqual(reply.headers["Connection"], "close")
            reply.read()
            two = b"".join(
                self.head(f"Content-Length: {len(body)}") + body
                for body in (json.dumps(item(f"p-{n}")).encode() for n in range(2))
            )
            sock = self.raw(two)  # in one piece
            for n in range(2):
                self.assertEqual(self.answer_of_kept(sock)["result"]["uuid"], f"p-{n}")

    def test_whether_it_comes_in_one_piece_makes_no_difference(self):
        """A plain request that comes whole is read another way than one that comes in pieces."""
        with self.start_agent():
            token = "X-Rollbar-Access-Token: 0123456789abcdef0123456789abcdef"
            for unix in (False, True):
                for lines, body, status in (
                    ((), item("same"), 200),
                    ((token,), item("same-with-token"), 200),
                    (("X-Rollbar-Access-Token: a b",), item("spaced"), 403),
                    (("Connection: keep-alive",), item("kept", "\u00e9\ud83d\ude00"), 200),
                    ((), item("bad-level", level="loud"), 422),
                    ((), [], 400),
                    (("Content-Encoding: gzip",), item("no-gzip"), 400),
                ):
                    body = json.dumps(body).encode()
                    head = self.head(*lines, f"Content-Length: {len(body)}")
                    replies = []
                    for pieces in ((head + body,), (head, body), (head[:20], head[20:] + body)):
                        sock = self.raw(unix=unix)
                        for piece in pieces:
                            sock.sendall(piece)
                            if piece is not pieces[-1]:
                                self.assert_served(unix)
                        reply = http.client.HTTPResponse(sock)
                        reply.begin()
                        names = [name for name, _ in reply.getheaders()]
                        replies.append((reply.status, names, reply.read()))
                    self.assertEqual(replies[0][0], status, replies[0])
                    self.assertEqual(replies[0], replies[1])
                    self.assertEqual(replies[0], replies[2])

    def answer_of_kept(self, sock):
        """One answer, without reading into the next one."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
        return json.loads(sock.recv(length, socket.MSG_WAITALL))

    def test_chunks_and_expect_are_taken(self):
        body = json.dumps(item("c-1")).encode()
        with self.start_agent():
            connection = self.connect()
            connection.request("POST", PATH, iter([body[:7], body[7:20], body[20:]]))
            answer = json.loads(connection.getresponse().read())
            self.assertEqual(answer["result"]["uuid"], "c-1")
            connection.close()
            sock = self.raw(self.head("Expect: 100-continue", f"Content-Length: {len(body)}"))
            self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 100 "))
            sock.sendall(body)
            self.assertEqual(self.answer(sock)[0], 200)

    def test_who_says_that_no_more_will_come_gets_his_answer(self):
        with self.start_agent():
            for n, size in enumerate((0, 2 * MIB)):
                for unix in (False, True):
                    body = json.dumps(large(f"s-{n}{unix}", size)).encode()
                    sock = self.raw(self.head(f"Content-Length: {len(body)}") + body, unix)
                    sock.shutdown(socket.SHUT_WR)
                    self.assertEqual(self.answer(sock)[0], 200)

    def test_what_is_not_edited_arrives_byte_for_byte(self):
        custom = (
            r'{"n":9007199254740993,"e":1.0E+2,"z":-0,"u":"\u00e4\ud83d\ude00\ud83d\u0000\/",'
            r'"a" : [ ] , "null":null,"raw":"äß😀","dup":1,"dup":2}'
        )
        body = '{"data":{"environment":"e","uuid":"b-1","custom":%s,"body":{"message":{"body":"m"}}}}'
        with self.start_agent():
            self.taken((body % custom).encode())
            occurrence = self.delivered("b-1")
        self.assertIn(custom.encode(), occurrence.raw)

    def test_taken_means_that_it_survives_the_agent(self):
        agent = self.start_agent()
        uuids = [self.taken(item()) for _ in range(50)] + [self.taken(large("big", 3 * MIB))]
        agent.kill9()
        self.once(self.fake)
        self.assertEqual(sorted(o.data["uuid"] for o in self.fake.occurrences), sorted(uuids))

    # ---- the trace ----

    def test_the_trace_is_found_wherever_the_sdk_put_it(self):
        w3c = {"Traceparent": f"00-{TRACE}-{SPAN}-01"}
        cases = {
            "attributes": {"attributes": [{"key": "trace_id", "value": TRACE},
                                          {"key": "span_id", "value": SPAN}]},
            "custom": {"custom": {"trace_id": TRACE, "span_id": SPAN}},
            "copied": {"trace_id": TRACE, "span_id": SPAN},
            "headers": {"request": {"headers": w3c}},
            "php": {"request": {"headers": w3c, "GET": []}, "custom": []},
        }  # fmt: skip
        with self.start_agent():
            for uuid, data in cases.items():
                self.taken(item(uuid, **data))
            self.taken(item("xray", request={"headers": {"x-amzn-trace-id": f"Root={XRAY}"}}))
            for uuid in cases:
                data = self.delivered(uuid).data
                self.assertEqual(data["custom"]["trace_id"], TRACE, uuid)
                self.assertEqual(towbar.attributes(data), {"trace_id": TRACE, "span_id": SPAN})
            self.assertEqual(self.delivered("xray").data["custom"]["xray_trace_id"], XRAY)
            self.assertEqual(
                sorted(o["uuid"] for o in self.occurrences("--trace", TRACE)), sorted(cases)
            )

    # ---- what is refused ----

    def test_what_is_no_item_is_refused_in_words(self):
        good = json.dumps(item("x"))
        deep = good.replace('"hi"', '"hi","d":' + "[" * 100 + "]" * 100)
        png = {"Content-Type": "image/png"}
        cases = [
            (400, "empty", "", {}),
            (400, "not a Rollbar item", b"\x89PNG\r\n\x1a\n\0\0\0", png),
            (400, "not a Rollbar item", os.urandom(1000), {}),
            (400, "not a Rollbar item", b"\0" * 1000, {}),
            (400, "not a Rollbar item", good[:-1], {}),
            (400, "more text behind", good + "x", {}),
            (400, "invalid UTF-8", good.replace("hi", "\x80").encode("latin-1"), {}),
            (400, "control character", good.replace("hi", "\0"), {}),
            (400, "not an object", "[1]", {}),
            (422, "data is missing", "{}", {}),
            (422, "data.environment is missing", json.dumps({"data": {"body": {"message": {"body": "x"}}}}), {}),
            (422, "64 levels", deep, {}),
            (422, "either", item("x", body={}), {}),
            (422, "data.level", item("x", level=7), {}),
            (422, "36 characters", item("u" * 37), {}),
            (400, "cut short", good, {"Content-Encoding": "gzip"}),
            (400, "cut short", gzip.compress(good.encode())[:-1], {"Content-Encoding": "gzip"}),
            (415, "Content-Encoding", good, {"Content-Encoding": "br"}),
            (415, "Content-Encoding", good, {"Content-Encoding": "gzip, gzip"}),
            (413, "inflated", gzip.compress(b" " * (8 * MIB) + b"{}"), {"Content-Encoding": "gzip"}),
            (403, "token", good, {"X-Rollbar-Access-Token": "no token"}),
        ]
        with self.start_agent():
            for status, word, body, headers in cases:
                for unix in (False, True):
                    with self.subTest(word=word, unix=unix):
                        self.refused(status, word, body, headers, unix=unix)
            self.taken(good, png)
            self.assertEqual(self.status()["quarantined"], 0)

    def test_who_posts_elsewhere_is_told_where_items_go(self):
        with self.start_agent():
            for path in ("/api/item/", "/api/1/items/"):  # the first is pyrollbar's, without its slash
                status, answer = self.post(item("x"), path=path)
                self.assertEqual(status, 404)
                self.assertIn("/api/1/item/", answer["message"])

    def test_twenty_megabytes_of_garbage_get_a_clear_answer(self):
        garbage = os.urandom(20 * 1000 * 1000)
        with self.start_agent():
            for unix in (False, True):
                self.refused(413, "8 MiB", garbage, unix=unix)
                sock = self.raw(self.head(f"Content-Length: {len(garbage)}"), unix)
                sock.sendall(garbage)  # reads nothing before all is sent
                status, answer = self.answer(sock)
                self.assertEqual((status, answer["err"]), (413, 1))
                self.assert_served(unix)
            sock = self.raw(self.head("Expect: 100-continue", "Content-Length: 20000000"))
            self.assertEqual(self.answer(sock)[0], 413)
            # Without a length, and without HTTP.
            sock = self.raw(garbage)
            self.assertIn(self.answer(sock)[0], (400, 431))
            # What the SDK sends next.
            failsafe = item("fs", level="error", failsafe=True, internal=True)
            self.taken(failsafe)
            self.delivered("fs")

    # ---- compressed ones ----

    def test_compressed_bodies_are_inflated(self):
        packers = {
            "gzip": gzip.compress,
            "x-gzip": lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
            "deflate": zlib.compress,
        }
        with self.start_agent():
            for name, pack in packers.items():
                for unix in (False, True):
                    for size in (0, 100 * 1024, 3 * MIB):
                        uuid = f"{name[:7]}-{size}-{unix}"
                        body = pack(json.dumps(large(uuid, size)).encode())
                        headers = {"Content-Encoding": name}
                        self.assertEqual(self.taken(body, headers, unix=unix), uuid)
                        self.delivered(uuid)
            form = gzip.compress(b"payload=" + urllib.parse.quote(json.dumps(item("f"))).encode())
            self.assertEqual(self.taken(form, {"content-encoding": "GZIP"}), "f")

    def test_many_bombs_cost_little(self):
        bomb = gzip.compress(b" " * (64 * MIB))
        with self.start_agent() as agent, concurrent.futures.ThreadPoolExecutor(16) as pool:
            headers = {"Content-Encoding": "gzip"}
            asked = [pool.submit(self.post, bomb, headers) for _ in range(64)]
            for _ in range(20):
                self.assert_served(unix=True)
            statuses = {a.result()[0] for a in asked}
            self.assertLessEqual(statuses, {413, 503})
            self.assertIn(413, statuses)
            self.assertLess(self.resident_mib(agent), 64 + 60 if not towbar.SANITIZE else 2000)

    # ---- large ones ----

    def test_large_items_are_taken_and_truncated(self):
        sizes = [400 * 1024, 700 * 1024, MIB - 5000, MIB, 3 * MIB, 8 * MIB - 20000]
        with self.start_agent():
            for n, size in enumerate(sizes):
                body = large(f"l-{n}", size)
                if n == len(sizes) - 1:
                    body["data"]["pad"] = "p" * (8 * MIB - len(json.dumps(body)) - 11)
                    self.assertEqual(len(json.dumps(body)), 8 * MIB)
                self.assertEqual(self.taken(body), f"l-{n}")
            for n, size in enumerate(sizes):
                occurrence = self.delivered(f"l-{n}")
                data = occurrence.data
                self.assertEqual(data["fingerprint"], "ours")
                self.assertEqual(data["level"], "critical")
                self.assertEqual(data["custom"]["trace_id"], TRACE)
                self.assertEqual(towbar.attributes(data), {"trace_id": TRACE, "span_id": SPAN})
                self.assertEqual(data["body"]["trace"]["exception"]["class"], "MemoryError")
                frames = data["body"]["trace"]["frames"]
                self.assertEqual(frames[0]["filename"], "app0.py")
                note = data.get("notifier", {}).get("diagnostic", {}).get("truncation")
                if size < LIMIT - 20000:
                    self.assertIsNone(note)
                else:
                    self.assertGreaterEqual(note["bytes"], size - 1000)
                    self.assertIn("frames", note["steps"])
                    self.assertLessEqual(len(frames), 60)
            for request in self.fake.requests:
                self.assertLessEqual(int(request.headers["Content-Length"]), LIMIT)
        self.assert_clean(self.fake)

    def test_items_of_very_many_values_are_truncated_or_refused_by_name(self):
        with self.start_agent():
            self.taken(item("v-1", custom={"zeros": [0] * 200000}))
            self.assertNotIn("zeros", self.delivered("v-1").data["custom"])
            self.refused(422, "1000000 values", item(custom={"zeros": [0] * 1100000}))

    def test_large_items_keep_nobody_waiting(self):
        bodies = [json.dumps(large(f"w-{n}", 7 * MIB)) for n in range(6)]
        with self.start_agent(), concurrent.futures.ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(self.post, body) for body in bodies]
            while not all(a.done() for a in asked):
                self.assert_served(unix=True)
            self.assertEqual([a.result()[0] for a in asked], [200] * 6)

    def test_pages_do_not_wait_for_large_items(self):
        values = ",".join(["1"] * 900_000)
        body = '{"data":{"environment":"e","body":{"message":{"body":"x"}},"custom":{"a":[%s]}}}'
        body = (body % values).encode()
        with self.start_agent():
            request = self.head(f"Content-Length: {len(body)}") + body
            socks = [self.raw(request) for _ in range(6)]
            select.select(socks, [], [], towbar.DEADLINE_S)  # one is answered, so all are here
            connection = self.connect()
            connection.request("GET", "/")
            self.assertEqual(connection.getresponse().status, 200)
            answered, _, _ = select.select(socks, [], [], 0)
            connection.close()
            self.assertLess(len(answered), len(socks))

    def test_who_ignores_that_there_is_no_room_harms_nobody_else(self):
        body = json.dumps(large("room", 8 * MIB - 20000)).encode()
        ended = threading.Event()
        counts = {200: 0, 503: 0}

        def insist(n):
            got = []
            while not ended.is_set():
                sock = socket.socket(socket.AF_UNIX) if n % 2 else socket.socket()
                with sock:
                    sock.settimeout(towbar.DEADLINE_S)
                    sock.connect(self.socket if n % 2 else ("127.0.0.1", self.port))
                    sock.sendall(self.head(f"Content-Length: {len(body)}") + body)
                    got.append(self.answer(sock)[0])
            return got

        with self.start_agent() as agent, concurrent.futures.ThreadPoolExecutor(30) as pool:
            insisting = [pool.submit(insist, n) for n in range(30)]
            served = 0
            end = time.monotonic() + 5
            while time.monotonic() < end:
                self.taken(item(), unix=served % 2)
                served += 1
            self.assertLess(self.resident_mib(agent), 64 + 110 if not towbar.SANITIZE else 2000)
            ended.set()
            for done in insisting:
                for status in done.result():
                    counts[status] += 1
            # Each that was let in ended well, and one after the other was.
            self.assertGreater(counts[200], 3, counts)
            self.taken(large("after", 7 * MIB))

    def test_many_small_ones_at_once_keep_to_their_memory(self):
        head = self.head("X: " + "y" * 15_000)[:-4]  # it does not end, and is read at once
        most = 8 * MIB // len(head)
        with self.start_agent() as agent:
            socks = [self.raw() for _ in range(900)]
            os.kill(agent.process.pid, signal.SIGSTOP)
            for sock in socks:
                sock.sendall(head)
            os.kill(agent.process.pid, signal.SIGCONT)
            waiting = set(socks)
            while len(waiting) > most:
                refused, _, _ = select.select(waiting, [], [], towbar.DEADLINE_S // 3)
                self.assertTrue(refused, f"{len(waiting)} wait, {most} have room")
                waiting -= set(refused)
            self.assert_served()

    def test_a_large_body_is_refused_by_its_head(self):
        with self.start_agent():
            held = []
            for _ in range(6):  # 48 MiB, which is what one sender may have
                sock = self.raw(self.head(f"Content-Length: {8 * MIB}"))
                sock.sendall(b"0" * (8 * MIB - 1))
                held.append(sock)
            self.assert_served()
            for _ in range(20):
                sock = self.raw(self.head(f"Content-Length: {8 * MIB}"))
                self.assertEqual(self.answer(sock)[0], 503)
            self.taken(large("others", 7 * MIB), unix=True)
            for sock in held:
                sock.sendall(b"0")
                self.assertEqual(self.answer(sock)[0], 400)  # all came, and it was no JSON
            self.taken(large("after", 7 * MIB))

    def test_what_is_sent_behind_a_large_one_is_bounded(self):
        body = json.dumps(large("first", 7 * MIB)).encode()
        with self.start_agent():
            for unix in (False, True):
                sock = self.raw(self.head(f"Content-Length: {len(body)}") + body, unix)
                try:  # while that one is truncated
                    sock.sendall(self.head(f"Content-Length: {8 * MIB}") + b"0" * (8 * MIB))
                    sock.sendall(self.head(f"Content-Length: {8 * MIB}") + b"0" * (8 * MIB))
                except OSError:
                    pass
                self.assertEqual(self.answer_of_kept(sock)["err"], 0)
                sock.close()
                self.assert_served(unix)

    def resident_mib(self, agent):
        with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as lines:
            (line,) = [text for text in lines if text.startswith("VmRSS")]
        return int(line.split()[1]) // 1024

    # ---- limits ----

    def test_who_sends_more_than_his_share_gets_429_and_others_do_not(self):
        self.write_config("limits: {sender_per_minute: 30}\n")
        with self.start_agent():
            for _ in range(30):
                self.taken(item())
            connection = self.connect()
            for _ in range(3):  # the connection is kept
                connection.request("POST", PATH, json.dumps(item()))
                reply = connection.getresponse()
                answer = json.loads(reply.read())
                self.assertEqual((reply.status, answer["err"]), (429, 1))
                wait = int(reply.headers["Retry-After"])
                self.assertIn(wait, (1, 2, 3))
                self.assertEqual(reply.headers["X-Rate-Limit-Limit"], "30")
                self.assertEqual(reply.headers["X-Rate-Limit-Remaining"], "0")
                self.assertEqual(reply.headers["X-Rate-Limit-Remaining-Seconds"], str(wait))
                reset = int(reply.headers["X-Rate-Limit-Reset"])
                self.assertLess(abs(reset - wait - time.time()), towbar.DEADLINE_S)
            connection.close()
            for _ in range(10):
                self.taken(item(), unix=True)  # another sender

    # ---- strangers ----

    def test_slow_and_idle_strangers_keep_nobody_waiting(self):
        with self.start_agent():
            for unix in (False, True):
                idle = [self.raw(unix=unix) for _ in range(200)]
                idle += [self.raw(b"POST ", unix) for _ in range(150)]
                slow = self.head("Content-Length: 1000") + b"{"
                idle += [self.raw(slow, unix) for _ in range(150)]
                for _ in range(20):
                    self.assert_served(unix)
                for sock in idle:
                    sock.close()
                self.assert_served(unix)

    def test_clients_may_vanish_at_any_moment(self):
        small = json.dumps(item("gone")).encode()
        big = json.dumps(large("gone-big", 5 * MIB)).encode()
        with self.start_agent():
            for body in (small, big):
                whole = self.head(f"Content-Length: {len(body)}") + body
                cuts = [10, len(whole) // 2, len(whole) - 1, len(whole), len(whole)]
                for n, cut in enumerate(cuts):
                    for unix in (False, True):
                        sock = self.raw(whole[:cut], unix)
                        if n % 2:
                            reset = b"\1\0\0\0\0\0\0\0"
                            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                        sock.close()
            # Refused, and gone before or while the answer is written.
            for _ in range(20):
                self.raw(self.head("Content-Length: 20000000") + b"0" * 100000).close()
                self.raw(b"no HTTP\r\n\r\n").close()
            self.assert_served()
            self.delivered("gone")
            self.delivered("gone-big")

    def test_the_agent_ends_while_all_of_that_goes_on(self):
        agent = self.start_agent()
        big = json.dumps(large("last", 7 * MIB)).encode()
        for unix in (False, True):
            self.raw(self.head(f"Content-Length: {len(big)}") + big, unix)
            self.raw(self.head(f"Content-Length: {len(big)}") + big[:-1], unix)
            self.raw(self.head("Content-Length: 20000000") + b"0" * 100000, unix)
            self.raw(unix=unix)
        self.assertEqual(agent.stop(), 0, agent.log)


if __name__ == "__main__":
    unittest.main()
