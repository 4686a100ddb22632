"""Listening elsewhere than on loopback: TLS and a token, for all but the probes of a balancer."""

import concurrent.futures
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

MIB = 1 << 20
PATH = "/api/1/item/"
OURS = "fedcba9876543210fedcba9876543210"
OTHER = "11111111111111111111111111111111"


def item(uuid, **envelope):
    body = {"message": {"body": "hi"}}
    return {**envelope, "data": {"environment": "test", "uuid": uuid, "body": body}}


class TlsTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar()
        self.fake.start()
        self.addCleanup(self.fake.stop)
        self.cert, self.key = self.make_certificate("one")
        self.put("token", OURS + "\n")

    def put(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def make_certificate(self, name):
        cert, key = self.path(name + ".pem"), self.path(name + ".key")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
        os.chmod(key, 0o600)
        return cert, key

    def settings(self, more=""):
        self.write_config(
            f"tls: {{cert_file: {self.cert}, key_file: {self.key}}}\n"
            f"ingest: {{token_file: {self.path('token')}}}\n{more}"
        )

    def start_agent(self, listen="0.0.0.0:0"):
        agent = self.agent(self.fake, flags=("--listen", listen)).wait_ready()
        agent.wait_log("https://")
        self.port = int(re.search(r"https://[\d.]+:(\d+)", agent.log).group(1))
        return agent

    def context(self):
        return ssl.create_default_context(cafile=self.cert)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=towbar.DEADLINE_S, context=self.context()
        )
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            self.reply = reply
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def raw(self):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=towbar.DEADLINE_S)
        self.addCleanup(sock.close)
        return sock

    def raw_spoken(self):
        sock = self.context().wrap_socket(self.raw(), server_hostname="localhost")
        self.addCleanup(sock.close)
        return sock

    # ---- who may send ----

    def test_an_sdk_needs_the_token_and_nothing_else(self):
        self.settings()
        header = {"X-Rollbar-Access-Token": OURS}
        bearer = {"Authorization": "Bearer " + OURS}
        taken = [  # what comes, and with which token it goes to Rollbar
            (PATH, item("header"), header, towbar.TOKEN),
            (PATH, item("both", access_token=OURS), header, towbar.TOKEN),
            (PATH, item("body", access_token=OURS), {}, towbar.TOKEN),
            (PATH + "?access_token=" + OURS, item("query"), {}, towbar.TOKEN),
            (PATH, item("bearer"), bearer, towbar.TOKEN),
            (PATH, item("own"), {**bearer, "X-Rollbar-Access-Token": OTHER}, OTHER),
            (PATH, item("own-body", access_token=OTHER), bearer, OTHER),
        ]
        refused = [
            (401, PATH, item("x"), {}),
            (401, PATH, item("x", access_token=OTHER), {}),
            (401, PATH + "?access_token=" + OTHER, item("x"), {}),
            (401, PATH, item("x"), {"Authorization": "Bearer " + OTHER}),
            (401, PATH, item("x"), {"Authorization": "Basic " + OURS}),
            (401, PATH, item("x", access_token=OURS, pad="x" * 200000), {}),
            (403, PATH, item("x"), {"X-Rollbar-Access-Token": OTHER}),
            (403, PATH, item("x", access_token=OURS), {"X-Rollbar-Access-Token": OURS[:-1]}),
        ]
        with self.start_agent():
            for path, body, headers, _ in taken:
                status, text = self.ask("POST", path, body, headers)
                self.assertEqual(status, 200, text)
            for status, path, body, headers in refused:
                got, text = self.ask("POST", path, body, headers)
                self.assertEqual(got, status, text)
                self.assertEqual(json.loads(text)["err"], 1)
                self.assertNotIn(OURS[:8], text)
            for _, body, _, token in taken:
                uuid = body["data"]["uuid"]
                occurrence = self.fake.wait_for(lambda fake, u=uuid: fake.occurrence(u))
                self.assertEqual(occurrence.token, token)
                self.assertNotIn(OURS.encode(), occurrence.raw)
            self.assertIsNone(self.fake.occurrence("x"))

    def test_the_unix_socket_needs_none(self):
        self.settings()
        with self.start_agent():
            for n, token in enumerate((None, OURS)):
                connection = towbar.UnixConnection(self.socket, timeout=towbar.DEADLINE_S)
                headers = {"X-Rollbar-Access-Token": token} if token else {}
                connection.request("POST", PATH, json.dumps(item(f"u-{n}")), headers)
                self.assertEqual(connection.getresponse().status, 200)
                connection.close()
                occurrence = self.fake.wait_for(lambda fake, u=f"u-{n}": fake.occurrence(u))
                self.assertEqual(occurrence.token, towbar.TOKEN)

    def test_only_probes_are_open(self):
        self.settings()
        with self.start_agent():
            for path in ("/healthz", "/readyz"):
                self.assertEqual(self.ask("GET", path), (200, "ok\n"))
            self.assertEqual(self.ask("GET", "/status")[0], 401)
            self.assertEqual(self.reply.headers["WWW-Authenticate"], "Bearer")
            self.assertEqual(self.ask("GET", "/status?access_token=" + OURS)[0], 200)
            bearer = {"Authorization": "Bearer " + OURS}
            status, text = self.ask("GET", "/status", headers=bearer)
            self.assertEqual(status, 200)
            self.assertNotIn(OURS, text)
            self.assertEqual(self.ask("GET", "/")[0], 401)  # pages have their login
            self.assertEqual(self.ask("GET", "/", headers=bearer)[0], 401)
            with open(os.path.join(self.state, "page-token"), encoding="ascii") as file:
                login = file.read().strip()
            self.assertEqual(self.ask("GET", "/login?token=" + login)[0], 303)
            cookie = self.reply.headers["Set-Cookie"]
            self.assertIn("Secure", cookie)
            self.assertEqual(self.ask("GET", "/", headers={"Cookie": cookie.split(";")[0]})[0], 200)

    # ---- TLS ----

    def test_towbar_prints_the_link_that_logs_in(self):
        self.settings()
        with self.start_agent():
            where = ("--socket", self.socket, "--state-dir", self.state)
            said = self.towbar("status", *where).stdout
            found = re.search(r"page +https://(\S+):(\d+)(/login\?token=[0-9a-f]{64})\n", said)
            self.assertIsNotNone(found, said)
            host, port, link = found.groups()
            self.assertEqual((host, int(port)), (socket.gethostname(), self.port))
            self.assertEqual(self.ask("GET", link, headers={"Host": f"{host}:{port}"})[0], 303)
            told = json.loads(self.towbar("status", "--json", *where).stdout)
            self.assertEqual(told["page"], f"https://{host}:{port}/")

    def test_nothing_is_said_in_the_clear_or_in_old_tongues(self):
        self.settings()
        with self.start_agent():
            sock = self.raw()
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertNotIn(b"HTTP/1.1", sock.recv(4096))
            for version, works in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
                done = subprocess.run(
                    ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", version,
                     "-cipher", "ALL:@SECLEVEL=0"],
                    input=b"", capture_output=True, timeout=towbar.DEADLINE_S, check=False,
                )  # fmt: skip
                self.assertEqual(done.returncode == 0, works, (version, done.stderr))
            self.assertEqual(self.ask("GET", "/healthz")[0], 200)

    def test_large_bodies_and_refusals_arrive(self):
        self.settings()
        header = {"X-Rollbar-Access-Token": OURS}
        big = item("big")
        big["data"]["custom"] = {f"k{n}": "v" * 1000 for n in range(3000)}
        with self.start_agent(), concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = []
            for n in range(8):
                big["data"]["uuid"] = f"big-{n}"
                asked.append(pool.submit(self.ask_alone, json.dumps(big), header))
            self.assertEqual([a.result() for a in asked], [200] * 8)
            for n in range(8):
                self.fake.wait_for(lambda fake, u=f"big-{n}": fake.occurrence(u))
            sock = self.context().wrap_socket(self.raw(), server_hostname="localhost")
            sock.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n")
            self.assertIn(b"HTTP/1.1 413", sock.recv(4096))
            sock.close()
            sock = self.context().wrap_socket(self.raw(), server_hostname="localhost")
            sock.sendall(b"GET /x HTTP/1.1\nHost: a\n\n")
            self.assertIn(b"HTTP/1.1 400", sock.recv(4096))

    def ask_alone(self, body, headers):
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=towbar.DEADLINE_S, context=self.context()
        )
        try:
            connection.request("POST", PATH, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def test_who_never_ends_his_handshake_keeps_nobody_waiting(self):
        self.settings()
        with self.start_agent():
            strangers = [self.raw() for _ in range(200)]
            for n, sock in enumerate(strangers):
                sock.sendall(b"\x16\x03\x01\x02"[: n % 5] if n % 7 else os.urandom(500))
            for _ in range(10):
                self.assertEqual(self.ask("GET", "/healthz")[0], 200)

    def test_clients_may_vanish_before_they_read_their_answers(self):
        self.settings()
        asked = f"GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {OURS}\r\n\r\n"
        with self.start_agent() as agent:
            for _ in range(60):
                with self.raw_spoken() as sock:
                    sock.sendall(asked.encode() * 100)
            self.assertEqual(self.ask("GET", "/healthz")[0], 200)
            self.assertIsNone(agent.process.poll())
            for _ in range(20):  # these are still there when it ends
                self.raw_spoken().sendall(asked.encode() * 300)
            self.assertEqual(self.ask("GET", "/healthz")[0], 200)

    def test_loopback_may_have_tls_and_needs_no_token(self):
        self.settings()
        with self.start_agent("127.0.0.1:0"):
            self.assertEqual(self.ask("POST", PATH, item("l-1"))[0], 200)
            self.assertEqual(self.ask("GET", "/status")[0], 200)
            self.assertEqual(self.ask("GET", "/status", headers={"Host": "evil.example"})[0], 403)
            self.fake.wait_for(lambda fake: fake.occurrence("l-1"))

    # ---- settings ----

    def test_a_reload_shows_another_certificate_and_asks_for_another_token(self):
        self.settings()
        with self.start_agent() as agent:
            self.assertEqual(self.ask("POST", PATH, item("r-1"), {"X-Rollbar-Access-Token": OURS})[0], 200)
            cert, key = self.make_certificate("two")
            bad = self.path("none.pem")
            self.write_config(f"tls: {{cert_file: {bad}, key_file: {key}}}\ningest: {{token_file: {self.path('token')}}}\n")
            agent.process.send_signal(signal.SIGHUP)
            agent.wait_log("not taken over")
            self.assertEqual(self.ask("POST", PATH, item("r-2"), {"X-Rollbar-Access-Token": OURS})[0], 200)
            self.cert, self.key = cert, key
            self.put("token", OTHER + "\n")
            self.settings()
            agent.process.send_signal(signal.SIGHUP)
            agent.wait_log("read again")
            self.assertEqual(self.ask("POST", PATH, item("r-3"), {"X-Rollbar-Access-Token": OTHER})[0], 200)
            self.assertEqual(self.ask("POST", PATH, item("r-4"), {"X-Rollbar-Access-Token": OURS})[0] // 100, 4)
            self.fake.wait_for(lambda fake: fake.occurrence("r-3"))

    def test_a_key_that_does_not_fit_ends_the_start_in_words(self):
        _, other = self.make_certificate("two")
        cases = [
            (self.cert, other, 0o600, "key values mismatch"),
            (self.cert, self.key, 0o644, "chmod"),
            (self.key, self.key, 0o600, "tls.cert_file"),
            (self.cert, self.path("none"), 0o600, "tls.key_file"),
        ]
        for cert, key, mode, word in cases:
            self.settings()
            self.write_config(f"tls: {{cert_file: {cert}, key_file: {key}}}\n")
            os.chmod(self.key, mode)
            done = subprocess.run(
                self.agent_argv("--socket", self.socket, "--listen", "127.0.0.1:0"),
                env=self.agent_env(self.fake), capture_output=True, text=True,
                timeout=towbar.DEADLINE_S, check=False,
            )  # fmt: skip
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
