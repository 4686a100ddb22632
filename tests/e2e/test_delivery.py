"""What each answer and each failure does to the row of an item: docs/delivery.md 3 and 4, from the
outside, with a server that says every byte itself."""

import contextlib
import hashlib
import json
import os
import re
import select
import sqlite3
import ssl
import sys
import time
import unittest
import uuid as uuids

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import raw_server  # noqa: E402
import towbar  # noqa: E402
from raw_server import OK, reply  # noqa: E402

QUEUED, SENT, QUARANTINED, PARKED = 0, 1, 3, 4
TIMEOUT_MS = 1500
HOUR = 3600
RSS_MAX_KB = 96 * 1024
SETTINGS = f"""
rollbar: {{timeout_ms: {TIMEOUT_MS}, retry_min_ms: 100000, retry_max_ms: 200000, connections: 4}}
limits: {{item_per_minute: 0, service_per_minute: 0, sender_per_minute: 0}}
"""


# ---- what the server does: send bytes, return whether the connection goes on ----


def say(data, goes_on=True):
    def behave(connection, _request):
        connection.sendall(data)
        return goes_on

    return behave


def answer(status, body=b'{"err":1,"message":"as it says"}', *headers):
    return say(reply(status, body, headers))


def limited(*headers):
    return answer(429, b'{"err":1,"message":"Rate limit"}', *headers)


def close(_connection, _request):
    return False


def hang(connection, _request):
    connection.recv(1)  # until the client goes
    return False


def drip(connection, _request):
    for byte in reply(200, OK):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)
    return False


def pour(head, piece, limit=200 << 20):
    """head and then piece without end; what was poured is in .poured."""

    def behave(connection, _request):
        connection.sendall(head)
        while behave.poured < limit:
            connection.sendall(piece)
            behave.poured += len(piece)
        return False

    behave.poured = 0
    return behave


HUGE = pour(b"HTTP/1.1 200 X\r\nContent-Length: 104857600\r\n\r\n", b" " * 65536, 100 << 20)
ENDLESS_HEAD = pour(b"HTTP/1.1 200 X\r\n", b"X-More: " + b"y" * 1000 + b"\r\n")
LONG_LINE = pour(b"HTTP/1.1 200 X\r\nX-Long: ", b"y" * 65536)
FLOOD_1XX = pour(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)

# Name, what the server does, state, pause in seconds or None, what the reason says.
CASES = [
    ("ok", say(reply()), SENT, None, "^$"),
    ("ok_lower_case_and_odd_spaces", say(b"HTTP/1.1 200 ok\r\ncontent-length:42 \r\n\r\n" + OK + b" "), SENT, None, "^$"),
    ("ok_chunked", say(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n" + OK + b"\r\n0\r\n\r\n"), SENT, None, "^$"),
    ("ok_until_close", say(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + OK, False), SENT, None, "^$"),
    ("ok_after_100_and_103", say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + reply()), SENT, None, "^$"),
    ("ok_and_used_up", say(reply(200, OK, ["X-Rate-Limit-Remaining: 0", "X-Rate-Limit-Remaining-Seconds: 500"])), SENT, 500, "^$"),
    ("ok_and_used_up_for_63_years", say(reply(200, OK, ["X-Rate-Limit-Remaining: 0", "X-Rate-Limit-Remaining-Seconds: 2000000000"])), SENT, 60, "^$"),
    ("err_1", say(reply(200, b'{"err":1,"message":"odd"}')), QUEUED, None, "HTTP 200: odd"),
    ("empty", say(reply(200, b"")), QUEUED, None, "not Rollbar's"),
    ("html", say(reply(200, b"<html>please log in</html>")), QUEUED, None, "not Rollbar's"),
    ("empty_object", say(reply(200, b"{}")), QUEUED, None, "not Rollbar's"),
    ("no_content", say(b"HTTP/1.1 204 X\r\n\r\n"), QUEUED, None, "HTTP 204"),
    ("deep_json", say(reply(200, b"[" * 60000)), QUEUED, None, "not Rollbar's"),
    ("redirect", say(reply(302, b"", ["Location: http://127.0.0.1:{trap}/api/1/item/"])), QUEUED, None, "HTTP 302: redirected"),
    ("redirect_308", say(reply(308, b"", ["Location: http://127.0.0.1:{trap}/api/1/item/"])), QUEUED, None, "HTTP 308: redirected"),
    ("bad_request", answer(400), QUARANTINED, None, "HTTP 400: as it says"),
    ("no_token", answer(401), PARKED, None, "HTTP 401: as it says"),
    ("bad_token", answer(403, b'{"err":1,"message":"access token not found: {token-000000000000000000000000}"}'), PARKED, None, r"HTTP 403: access token not found: \(token\)"),
    ("not_found", answer(404), QUEUED, None, "HTTP 404: as it says"),
    ("no_method", answer(405), QUEUED, None, "HTTP 405"),
    ("time_out_408", answer(408), QUEUED, None, "HTTP 408"),
    ("too_large", answer(413), QUARANTINED, None, "HTTP 413: as it says"),
    ("refused", answer(422, b'{"err":1,"message":"Invalid format. data.level should be string."}'), QUARANTINED, None, "HTTP 422: Invalid format. data.level should be string."),
    ("refused_in_html", answer(422, b"<h1>no</h1>"), QUARANTINED, None, "^HTTP 422$"),
    ("limited", limited("X-Rate-Limit-Limit: 5000", "X-Rate-Limit-Remaining: 0", "X-Rate-Limit-Remaining-Seconds: 700", "X-Rate-Limit-Reset: 1"), QUEUED, 700, "HTTP 429: Rate limit"),
    ("limited_by_retry_after", limited("Retry-After: 800"), QUEUED, 800, "HTTP 429"),
    ("limited_after_a_hint", say(b"HTTP/1.1 103 Early\r\nRetry-After: 3000\r\n\r\n" + reply(429, b'{"err":1,"message":"Rate limit"}', ("retry-after:  800 ",))), QUEUED, 800, "HTTP 429"),
    ("limited_until_a_date", limited("Retry-After: {date}"), QUEUED, 900, "HTTP 429"),
    ("limited_until_reset", limited("X-Rate-Limit-Reset: {reset}"), QUEUED, 1000, "HTTP 429"),
    ("limited_unsaid", limited(), QUEUED, 100, "HTTP 429"),
    ("limited_negative", limited("X-Rate-Limit-Remaining-Seconds: -5", "Retry-After: -1"), QUEUED, 100, "HTTP 429"),
    ("limited_for_63_years", limited("X-Rate-Limit-Remaining-Seconds: 2000000000"), QUEUED, HOUR, "HTTP 429"),
    ("limited_beyond_64_bits", limited("X-Rate-Limit-Remaining-Seconds: " + "9" * 40), QUEUED, HOUR, "HTTP 429"),
    ("limited_reset_in_the_past", limited("X-Rate-Limit-Reset: 1000000000"), QUEUED, 100, "HTTP 429"),
    ("limited_junk", limited("X-Rate-Limit-Remaining-Seconds: soon", "Retry-After: Thu, 99 Foo", "X-Rate-Limit-Reset: 0x7"), QUEUED, 100, "HTTP 429"),
    ("internal", answer(500), QUEUED, None, "HTTP 500: as it says"),
    ("gateway", answer(502, b"<html>nginx</html>"), QUEUED, None, "^HTTP 502$"),
    ("away", answer(503, b"", "Retry-After: 250"), QUEUED, 250, "HTTP 503"),
    ("closed", close, QUEUED, None, "Empty reply|reset|closed"),
    ("cut_in_the_head", say(b"HTTP/1.1 200 X\r\nContent-Le", False), QUEUED, None, "."),
    ("cut_in_the_body", say(reply()[:-9], False), QUEUED, None, "end of response|bytes remaining|closed"),
    ("garbage", say(b"SSH-2.0-OpenSSH_9.2\r\n", False), QUEUED, None, "."),
    ("http_0_9", say(OK, False), QUEUED, None, "."),
    ("zeros", say(bytes(5000), False), QUEUED, None, "."),
    ("negative_length", say(b"HTTP/1.1 200 X\r\nContent-Length: -5\r\n\r\n" + OK, False), QUEUED, None, "."),
    ("bad_chunk", say(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", False), QUEUED, None, "."),
    ("hangs", hang, QUEUED, None, "timed out"),
    ("slow_loris", drip, QUEUED, None, "timed out"),
    ("reply_of_100_mb", HUGE, QUEUED, None, "longer than 64 KiB"),
    ("head_without_end", ENDLESS_HEAD, QUEUED, None, "headers do not end"),
    ("line_without_end", LONG_LINE, QUEUED, None, "."),
    ("flood_of_1xx", FLOOD_1XX, QUEUED, None, "headers do not end|Too"),
]  # fmt: skip


class Delivery(towbar.Case):
    def post(self, agent, name, token=None):
        """Hands in an item; the server finds its name in it. Returns the uuid."""
        uuid = str(uuids.uuid4())
        data = {
            "uuid": uuid, "environment": "test", "level": "error",
            "body": {"message": {"body": f"case:{name}:"}},
        }  # fmt: skip
        headers = {"Content-Type": "application/json"}
        if token:
            headers["X-Rollbar-Access-Token"] = token
        status, body = agent.request(
            "POST", "/api/1/item/", json.dumps({"data": data}), headers
        )
        self.assertEqual(status, 200, body)
        return uuid

    def ask(self, sql, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/towbar.db?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchone()

    def row(self, uuid):
        """State, attempts, reason, seconds until it is due, and those of its token's pause."""
        found = self.ask(
            "SELECT o.state, o.tried_ms, o.reason, o.due_at_ms, t.until_ms FROM outbox o"
            " JOIN occurrences c ON c.seq = o.occurrence JOIN tokens t ON t.id = o.token"
            " WHERE c.uuid = ?",
            uuid,
        )
        return found

    def wait_row(self, uuid, predicate, timeout=towbar.DEADLINE_S):
        end = time.monotonic() + timeout
        while True:
            row = self.row(uuid)
            if row and predicate(row):
                return row
            if time.monotonic() > end:
                self.fail(f"{uuid}: {row}")
            select.select([], [], [], 0.01)

    def wait_tried(self, uuid):
        return self.wait_row(uuid, lambda row: row[1] > 0 and not (row[0] == QUEUED and row[2] == ""))

    def check_sums(self, agent):
        """received = sent + dropped + quarantined + queued + in flight, as /status has it."""
        counts = json.loads(agent.get("/status")[1])["counts"]
        received, sent, dropped, quarantined, queued, parked = self.ask(
            "SELECT received, sent, dropped, quarantined, queued, parked FROM delivery"
        )
        self.assertEqual(received, sent + dropped + quarantined + queued + parked)
        self.assertLessEqual(counts["sent"] + counts["quarantined"] + counts["dropped"], received)

    # ---- the table ----

    def test_each_answer_does_what_the_page_says(self):
        self.write_config(SETTINGS)
        trap = raw_server.RawServer(say(reply()))
        behaviours = {name: behave for name, behave, *_ in CASES}

        def behave(connection, request):
            name = re.search(rb"case:(\w+):", request)[1].decode()
            token = re.search(rb"(?i)access-token: (\w+)", request)[1]
            wrapped = Filled(connection, trap.port, token)
            return behaviours[name](wrapped, request)

        with trap, raw_server.RawServer(behave) as server, self.agent(Endpoint(server.url())) as agent:
            for name, _, state, pause, reason in CASES:
                with self.subTest(name):
                    self.one_case(agent, name, state, pause, reason)
            self.assertEqual(trap.connections, 0, "a redirect was followed")
            for flood in (HUGE, ENDLESS_HEAD, LONG_LINE, FLOOD_1XX):
                self.assertLess(flood.poured, 16 << 20, "it was read on and on")
            self.check_sums(agent)
            if not towbar.SANITIZE:
                self.assertLess(peak_rss_kb(agent), RSS_MAX_KB)

    def one_case(self, agent, name, state, pause, reason):
        token = hashlib.sha256(name.encode()).hexdigest()[:32]
        uuid = self.post(agent, name, token)
        row = self.wait_tried(uuid)
        now_ms = time.time() * 1000
        if state in (QUARANTINED, SENT):
            row = self.wait_row(uuid, lambda row: row[0] == state)
        self.assertEqual(row[0], state, row)
        self.assertRegex(row[2], reason)
        wait_s = max(0, (row[4] - now_ms) / 1000)
        if pause is None:
            self.assertEqual(wait_s, 0, row)
        else:
            # Up to 5 s more, at random; less by the time that this test took.
            self.assertTrue(pause - 30 < wait_s < max(2.05 * pause, pause + 6), (wait_s, row))
        if state == QUEUED and row[0] == QUEUED and "429" not in row[2]:
            due_s = (row[3] - now_ms) / 1000
            self.assertTrue(60 < due_s < 201, (due_s, row))
        # What failed says nothing about the next.
        good = self.post(agent, "ok", "good-" + "1" * 32)
        self.wait_row(good, lambda row: row[0] == SENT)

    # ---- ways that do not get as far as an answer ----

    def tried_once(self, url, settings="", **env):
        """What becomes of an item, and what /status says of the delivery."""
        self.write_config(SETTINGS.replace("connections: 4", "connections: 4" + settings))
        with self.agent(Endpoint(url), **env) as agent:
            uuid = self.post(agent, "ok")
            row = self.wait_tried(uuid)
            self.check_sums(agent)
            return row, json.loads(agent.get("/status")[1])["delivery"]

    def test_nobody_listens(self):
        with raw_server.RawServer(close) as server:
            url = server.url()
        row, _ = self.tried_once(url)
        self.assertEqual(row[0], QUEUED)
        self.assertIn("connect", row[2])

    def test_a_name_that_is_none(self):
        row, _ = self.tried_once("http://nowhere.invalid/api/1/item/", no_proxy="*")
        self.assertEqual(row[0], QUEUED)
        self.assertRegex(row[2], "resolve|timed out")

    def test_a_certificate_that_nobody_vouches_for(self):
        cert, key = raw_server.make_certificate(self.folder, "unknown")
        context = raw_server.server_context(cert, key)
        with raw_server.RawServer(say(reply()), context) as server:
            row, delivery = self.tried_once(server.url("https"))
            self.assertEqual(server.heads, [])
        self.assertEqual(row[0], QUEUED)
        self.assertRegex(row[2], "certificate is not trusted.*rollbar.ca_file")
        # Not tried hot: the endpoint rests at once.
        self.assertGreater(delivery["retry_at_ms"], time.time() * 1000 + 60000)
        self.assertRegex(delivery["last_error"], "certificate is not trusted")

    def test_a_certificate_of_another_host(self):
        cert, key = raw_server.make_certificate(self.folder, "other", "other.example")
        context = raw_server.server_context(cert, key)
        with raw_server.RawServer(say(reply()), context) as server:
            row, _ = self.tried_once(server.url("https"), f", ca_file: {cert}")
        self.assertEqual(row[0], QUEUED)
        self.assertRegex(row[2], "certificate is not trusted")

    def test_an_authority_of_ones_own(self):
        cert, key = raw_server.make_certificate(self.folder, "ours")
        context = raw_server.server_context(cert, key)
        with raw_server.RawServer(say(reply()), context) as server:
            row, _ = self.tried_once(server.url("https"), f", ca_file: {cert}")
            self.assertEqual(server.connections, 1)
        self.assertEqual(row[0], SENT)

    def test_tls_1_1_is_not_spoken(self):
        cert, key = raw_server.make_certificate(self.folder, "old")
        context = raw_server.server_context(cert, key)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with contextlib.suppress(ValueError), warnings_off():
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with raw_server.RawServer(say(reply()), context) as server:
            row, _ = self.tried_once(server.url("https"), f", ca_file: {cert}")
            self.assertEqual(server.heads, [])
        self.assertEqual(row[0], QUEUED)
        self.assertRegex(row[2], "(?i)protocol|alert|ssl|tls")

    def test_a_server_that_speaks_no_tls(self):
        with raw_server.RawServer(say(b"220 mail ready\r\n", False), http=False) as server:
            row, _ = self.tried_once(server.url("https"))
        self.assertEqual(row[0], QUEUED)
        self.assertNotEqual(row[2], "")

    # ---- by a proxy ----

    def by_proxy(self, behave, url, settings="", **env):
        with raw_server.RawServer(behave) as proxy:
            way = f", proxy: 'http://someone:s3cret@127.0.0.1:{proxy.port}'"
            if env.pop("from_environment", False):
                env[url.split(":")[0] + "_proxy"] = f"http://127.0.0.1:{proxy.port}"
                way = ""
            row, delivery = self.tried_once(url, way + settings, **env)
            self.assertNotIn("s3cret", json.dumps([row, delivery]))
            return row, proxy.heads

    def test_a_proxy_is_asked(self):
        row, heads = self.by_proxy(say(reply()), "http://rollbar.invalid/api/1/item/")
        self.assertEqual(row[0], SENT)
        self.assertIn("POST http://rollbar.invalid/api/1/item/ HTTP/1.1", heads[0])
        self.assertIn("Proxy-Authorization: Basic", heads[0])

    def test_the_proxy_of_the_environment_is_asked(self):
        row, heads = self.by_proxy(
            say(reply()), "http://rollbar.invalid/api/1/item/", from_environment=True
        )
        self.assertEqual(row[0], SENT)
        self.assertIn("POST http://rollbar.invalid/api/1/item/ HTTP/1.1", heads[0])

    def test_a_proxy_that_wants_a_login(self):
        for url in ("http://rollbar.invalid/api/1/item/", "https://rollbar.invalid/api/1/item/"):
            with self.subTest(url):
                row, _ = self.by_proxy(answer(407, b""), url)
                self.assertEqual(row[0], QUEUED)
                self.assertIn("the proxy wants a login", row[2])

    def test_a_proxy_that_cannot_reach_rollbar(self):
        for url in ("http://rollbar.invalid/api/1/item/", "https://rollbar.invalid/api/1/item/"):
            with self.subTest(url):
                row, _ = self.by_proxy(answer(502, b""), url)
                self.assertEqual(row[0], QUEUED)
                self.assertIn("502", row[2])

    def test_through_a_proxy_tls_is_rollbars(self):
        cert, key = raw_server.make_certificate(self.folder, "far", "rollbar.invalid")
        context = raw_server.server_context(cert, key)

        def tunnel(connection, request):
            self.assertTrue(request.startswith(b"CONNECT rollbar.invalid:443 "), request)
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            inner = context.wrap_socket(connection, server_side=True)
            self.assertNotIn(b"Proxy-Authorization", raw_server.read_request(inner))
            inner.sendall(reply())
            inner.recv(1)
            return False

        row, heads = self.by_proxy(
            tunnel, "https://rollbar.invalid/api/1/item/", f", ca_file: {cert}"
        )
        self.assertEqual(row[0], SENT)
        self.assertNotIn("X-Rollbar-Access-Token", heads[0])

    # ---- connections ----

    def test_connections_are_few_and_kept_over_tls(self):
        cert, key = raw_server.make_certificate(self.folder, "kept")
        context = raw_server.server_context(cert, key)
        with raw_server.RawServer(say(reply()), context) as server:
            self.write_config(SETTINGS.replace("connections: 4", f"connections: 4, ca_file: {cert}"))
            with self.agent(Endpoint(server.url("https"))) as agent:
                last = [self.post(agent, "ok") for _ in range(200)]
                for uuid in last:
                    self.wait_row(uuid, lambda row: row[0] == SENT)
            self.assertEqual(len(server.heads), 200)
            self.assertLessEqual(server.connections, 4)

    def test_the_end_waits_for_what_is_under_way_but_not_long(self):
        with raw_server.RawServer(hang) as server:
            self.write_config(SETTINGS.replace(str(TIMEOUT_MS), "600000"))
            with self.agent(Endpoint(server.url())) as agent:
                uuid = self.post(agent, "ok")
                end = time.monotonic() + towbar.DEADLINE_S
                while not server.heads and time.monotonic() < end:
                    select.select([], [], [], 0.01)
                self.assertEqual(agent.stop(), 0)
            self.assertEqual(self.row(uuid)[0], QUEUED)

    # ---- once ----

    def test_once_drains_and_a_second_one_refuses(self):
        with raw_server.RawServer(close) as gone:
            url = gone.url()
        self.write_config(SETTINGS)
        with self.agent(Endpoint(url)) as agent:
            for _ in range(5):
                self.wait_tried(self.post(agent, "ok"))
            second = self.once(Endpoint(url), check=1)
            self.assertRegex(second.stdout + second.stderr, "another towbard|already|runs")
        with raw_server.RawServer(say(reply())) as server:
            # In a container: no HOME, nothing but what is said. The rows wait for their time; a
            # spool that has something new is drained all the same.
            done = self.once(Endpoint(server.url()), HOME="")
            self.assertIn("5 wait", done.stdout)


class Filled:
    """A connection that puts ports and times into what is said."""

    def __init__(self, connection, trap, token):
        self.connection = connection
        self.token = token
        self.trap = trap

    def sendall(self, data):
        if b"{" in data:
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 900))
            data = data.replace(b"{trap}", str(self.trap).encode())
            data = data.replace(b"{date}", date.encode())
            data = data.replace(b"{reset}", str(int(time.time()) + 1000).encode())
            data = data.replace(b"{token-000000000000000000000000}", self.token)
        self.connection.sendall(data)

    def recv(self, n):
        return self.connection.recv(n)


class Endpoint:
    """What towbar.Case wants of a fake: where it is."""

    def __init__(self, url):
        self.url = url


@contextlib.contextmanager
def warnings_off():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def peak_rss_kb(agent):
    with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])


if __name__ == "__main__":
    unittest.main()
