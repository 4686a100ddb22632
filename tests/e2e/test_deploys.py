"""Deploys: from CI or towbar deploy to the agent, its database and pages, and on to Rollbar."""

import http.client
import http.server
import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

JSON = {"Content-Type": "application/json"}


class FakeDeploys:
    """Rollbar's deploy API, strict: keeps what came, and answers as it is told to first."""

    def __init__(self):
        self.requests = []  # method, path, token, body
        self.steps = []  # statuses of the next answers
        self.changed = threading.Condition()
        self.gate = threading.Event()  # closed: nobody is answered
        self.gate.set()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, reply = fake.take(self, json.loads(body))
                fake.gate.wait(towbar.DEADLINE_S)
                reply = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_POST = do_PATCH = answer

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/1/item/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, handler, body):
        with self.changed:
            token = handler.headers.get("X-Rollbar-Access-Token")
            self.requests.append((handler.command, handler.path, token, body))
            self.changed.notify_all()
            if self.steps:
                return self.steps.pop(0), {"err": 1, "message": "as the test wants it"}
            if handler.command == "PATCH":
                return 200, {"err": 0, "result": {"deploy_id": int(handler.path.split("/")[-1])}}
            missing = {"environment", "revision"} - set(body)
            if handler.path != "/api/1/deploy/" or missing:
                return 422, {"err": 1, "message": f"Missing {missing}"}
            return 200, {"err": 0, "data": {"deploy_id": 700 + len(self.requests)}}

    def wait(self, n):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.requests) >= n, towbar.DEADLINE_S):
                raise TimeoutError(f"{len(self.requests)} of {n} came")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class DeploysTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeDeploys()
        self.addCleanup(self.fake.close)

    def deploy(self, *words, check=0):
        return self.towbar(
            "deploy", *words, "--socket", self.socket, "--state-dir", self.state, "--spool",
            self.spool, "--config", self.config, check=check,
        )  # fmt: skip

    def list(self):
        return self.read_json("deploy", "--list")

    def wait_list(self, predicate):
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            deploys = self.list()
            if predicate(deploys):
                return deploys
            if time.monotonic() > end:
                self.fail(json.dumps(deploys, indent=1))
            select.select([], [], [], 0.02)

    def test_a_deploy_is_noted_listed_and_told_to_rollbar(self):
        with self.agent(self.fake):
            said = self.deploy(
                "--version", "4f2a91c", "--environment", "production", "--comment", "new queue",
                "--user", "andrew",
            )  # fmt: skip
            self.assertIn("Deploy 1 is noted, and Rollbar is told.", said.stdout)
            self.fake.wait(1)
            (one,) = self.wait_list(lambda d: d and d[0]["rollbar"] == "sent")
        self.assertEqual((one["deploy_id"], one["rollbar_deploy_id"]), (1, 701))
        self.assertEqual((one["revision"], one["status"]), ("4f2a91c", "succeeded"))
        ((method, path, token, body),) = self.fake.requests
        self.assertEqual((method, path, token), ("POST", "/api/1/deploy/", towbar.TOKEN))
        self.assertEqual(
            body,
            {
                "access_token": towbar.TOKEN, "environment": "production", "revision": "4f2a91c",
                "comment": "new queue", "local_username": "andrew", "status": "succeeded",
            },
        )  # fmt: skip

    def test_whose_token_it_is_sent_with(self):
        """The sender's own; the agent's for "towbar" and for the token that lets a sender in."""
        secret = self.path("ingest-token")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("a" * 40 + "\n")
        os.chmod(secret, 0o600)
        self.write_config(f"ingest:\n  token_file: {secret}\n")
        shown = ["a" * 40, "towbar", "b" * 32]
        with self.agent(self.fake) as agent:
            for n, token in enumerate(shown, 1):
                body = json.dumps({"environment": "e", "revision": str(n)})
                headers = {"X-Rollbar-Access-Token": token, **JSON}
                self.assertEqual(agent.request("POST", "/api/1/deploy/", body, headers)[0], 200)
                self.fake.wait(n)
        sent = {body["revision"]: token for _, _, token, body in self.fake.requests}
        self.assertEqual(sent, {"1": towbar.TOKEN, "2": towbar.TOKEN, "3": "b" * 32})

    def test_a_started_deploy_is_finished_by_its_number(self):
        with self.agent(self.fake):
            self.deploy("--version", "1.4.2", "--status", "started")
            self.fake.wait(1)
            self.wait_list(lambda d: d[0]["rollbar"] == "sent")
            self.deploy("1", "--status", "failed")
            self.fake.wait(2)
            (one,) = self.wait_list(lambda d: d[0]["rollbar"] == "sent")
        self.assertEqual(one["status"], "failed")
        self.assertEqual(self.fake.requests[1][:2], ("PATCH", "/api/1/deploy/701"))
        self.assertEqual(self.fake.requests[1][3]["status"], "failed")

    def test_what_rollbar_does_not_take_is_tried_again_and_survives_the_agent(self):
        self.fake.steps = [500] * 3
        self.write_config("rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 50\n")
        agent = self.agent(self.fake).wait_ready()
        self.deploy("--version", "9")
        self.fake.wait(2)
        agent.kill9()
        self.fake.steps = []
        with self.agent(self.fake):
            (one,) = self.wait_list(lambda d: d[0]["rollbar"] == "sent")
        self.assertEqual(one["revision"], "9")
        self.assertGreaterEqual(len(self.fake.requests), 3)

    def test_what_rollbar_took_is_told_once_also_when_that_cannot_be_stored(self):
        """The database takes no verdict for a while, as on a full disk."""
        with self.agent(self.fake) as agent:
            database = sqlite3.connect(os.path.join(self.state, "towbar.db"), timeout=60)
            self.addCleanup(database.close)
            with database:
                database.execute(
                    "CREATE TRIGGER full BEFORE UPDATE ON deploys"
                    " BEGIN SELECT raise(ABORT, 'the disk is full'); END"
                )
            self.deploy("--version", "1")
            agent.wait_log("deploys wait for the database: ")
            self.deploy("--version", "2")
            agent.wait_log("deploys wait for the database: ", n=2)
            with database:
                database.execute("DROP TRIGGER full")
            self.wait_list(lambda d: [one["rollbar"] for one in d] == ["sent"] * 2)
        self.assertEqual([body["revision"] for *_, body in self.fake.requests], ["1", "2"])

    def test_settings_that_change_meanwhile_wait_for_rollbars_answer(self):
        """Who would give up what is under way would tell it twice."""
        with self.agent(self.fake) as agent:
            self.fake.gate.clear()
            self.deploy("--version", "1")
            self.fake.wait(1)
            agent.process.send_signal(signal.SIGHUP)
            select.select([], [], [], 0.3)  # most of it the reload waits; if not, all is well too
            self.fake.gate.set()
            agent.wait_log("the settings were read again and count now")
            self.deploy("--version", "2")
            self.wait_list(lambda d: [one["rollbar"] for one in d] == ["sent"] * 2)
        self.assertEqual([body["revision"] for *_, body in self.fake.requests], ["1", "2"])

    def test_once_tells_what_is_queued(self):
        self.fake.steps = [503]
        self.write_config("rollbar:\n  retry_min_ms: 1000\n  retry_max_ms: 1000\n")
        with self.agent(self.fake):
            self.deploy("--version", "once")
            self.wait_list(lambda d: "reason" in d[0])
        end = time.monotonic() + towbar.DEADLINE_S
        while self.list()[0]["rollbar"] != "sent" and time.monotonic() < end:
            self.once(self.fake)
        self.assertEqual(self.list()[0]["rollbar"], "sent")
        self.assertEqual(len(self.fake.requests), 2)  # in one thread, not by two at once

    def test_what_rollbar_refuses_for_good_is_said(self):
        self.fake.steps = [422]
        with self.agent(self.fake):
            self.deploy("--version", "x")
            (one,) = self.wait_list(lambda d: d[0]["rollbar"] == "refused")
        self.assertIn("as the test wants it", one["reason"])

    def test_without_a_token_it_is_kept_here(self):
        with self.agent(self.fake, token=""):
            said = self.deploy("--version", "1").stdout
        self.assertEqual(said, "Deploy 1 is noted.\n")
        self.assertEqual(self.list()[0]["rollbar"], "kept here only")
        self.assertEqual(self.fake.requests, [])

    def test_every_form_that_ci_sends_is_taken(self):
        values = {"environment": "test", "revision": "r&1 é", "local_username": "ci"}
        edge = uuid.uuid4().hex
        parts = "".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in values.items()
        )
        bodies = [
            (json.dumps(values), JSON),
            (urllib.parse.urlencode(values), {"Content-Type": "application/x-www-form-urlencoded"}),
            (
                (parts + f"--{edge}--\r\n").encode(),
                {"Content-Type": f"multipart/form-data; boundary={edge}"},
            ),
        ]
        with self.agent(token="") as agent:
            for n, (body, headers) in enumerate(bodies, 1):
                for path in ("/api/1/deploy/", "/api/1/deploy"):
                    if isinstance(body, str):
                        body = body.encode()
                    status, reply = agent.request("POST", path, body, headers)
                    reply = json.loads(reply)
                    self.assertEqual(status, 200, reply)
                    self.assertEqual(reply["data"], reply["result"])
                self.assertEqual(reply["result"], {"deploy_id": 2 * n})
        for one in self.list():
            self.assertEqual({key: one[key] for key in values}, values)

    @unittest.skipIf(shutil.which("curl") is None, "no curl")
    def test_curl_as_rollbars_page_says_it(self):
        with self.agent(token=""):
            done = subprocess.run(
                ["curl", "-sS", "--unix-socket", self.socket, "http://localhost/api/1/deploy/",
                 "-F", "access_token=towbar", "-F", "environment=production", "-F", "revision=ab"],
                capture_output=True, text=True, check=False, timeout=towbar.DEADLINE_S,
            )  # fmt: skip
        self.assertEqual(json.loads(done.stdout)["data"], {"deploy_id": 1}, done)

    def test_what_is_no_deploy_is_refused_in_rollbars_words(self):
        cases = [
            ("POST", "", b"{}", 422, "Missing 'environment' key. Missing 'revision' or 'head_long'"),
            ("POST", "", b'{"environment":"e"}', 422, "Missing 'revision' or 'head_long' key."),
            ("POST", "", b'{"environment":"e","revision":"r","status":"x"}', 422, "'status'"),
            ("POST", "", b'{"environment":"%s","revision":"r"}' % (b"e" * 256), 422, "too long"),
            ("POST", "", b"hello", 400, "JSON or a form"),
            ("POST", "", b'{"environment"', 400, "JSON or a form"),
            ("POST", "", b"environment=e&revision=r&access_token=a%20b", 403, "token"),
            ("POST", "", b"x" * 300000, 413, "256 KiB"),
            ("PATCH", "77", b'{"status":"failed"}', 404, "no deploy 77"),
            ("PATCH", "1", b"{}", 422, "Missing 'status' key"),
            ("DELETE", "1", b"", 405, "PATCH"),
            ("PATCH", "x", b'{"status":"failed"}', 404, "nothing here"),
        ]
        with self.agent(token="") as agent:
            for method, end, body, wanted, text in cases:
                status, reply = agent.request(method, "/api/1/deploy/" + end, body, JSON)
                self.assertEqual(status, wanted, (method, end, body[:60], reply))
                self.assertIn(text, json.loads(reply)["message"])
        self.assertEqual(self.list(), [])

    def test_pages_of_other_sites_cannot_change_a_deploy(self):
        with self.agent(token="") as agent:
            self.deploy("--version", "1")
            host, port = json.loads(agent.get("/status")[1])["listen"].split(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=towbar.DEADLINE_S)
            self.addCleanup(connection.close)
            headers = {"Origin": "http://evil.example", **JSON}
            connection.request("PATCH", "/api/1/deploy/1", b'{"status":"failed"}', headers)
            self.assertEqual(connection.getresponse().status, 403)
        self.assertEqual(self.list()[0]["status"], "succeeded")

    def test_the_pages_show_deploys_beside_the_errors(self):
        item = {"data": {"environment": "live", "level": "error", "code_version": "4f2a91c",
                         "body": {"message": {"body": "after the deploy"}}}}  # fmt: skip
        with self.agent(token="") as agent:
            self.deploy("--version", "4f2a91c0d", "--environment", "live", "--user", "<b>eve")
            self.assertEqual(agent.request("POST", "/api/1/item/", json.dumps(item), JSON)[0], 200)
            self.wait_status(lambda s: s["occurrences"] == 1)
            listed = agent.get("/")[1].decode()
            page = agent.get("/items/1")[1].decode()
        self.assertRegex(listed, r"Last deploy: <b class=\"mono\">4f2a91c0d</b> to live, ")
        self.assertIn("by &lt;b&gt;eve", listed)
        self.assertRegex(page, r"<line class=\"deploy\" .*<title>.*: deploy of 4f2a91c0d</title>")
        self.assertRegex(page, r"first seen .* after <b class=\"mono\">4f2a91c0d</b> by &lt;b&gt;eve")

    def test_without_an_agent_it_says_so(self):
        done = self.deploy("--version", "1", check=1)
        self.assertIn("no agent answers at", done.stderr)
        self.assertIn("not noted", done.stderr)

    def test_wrong_use_is_told(self):
        self.assertIn("needs --version", self.deploy(check=2).stderr)
        done = self.deploy("--version", "1", "--status", "suceeded", check=2)
        self.assertIn("did you mean 'succeeded'?", done.stderr)
        self.assertIn("only --status", self.deploy("1", check=2).stderr)
        self.assertIn("'x' is none", self.deploy("x", "--status", "failed", check=2).stderr)
        self.assertEqual(self.towbar("--version", "deploy").stdout.split()[0], "towbar")

    def test_hostile_texts_are_harmless_in_the_list(self):
        with self.agent(token="") as agent:
            body = json.dumps({"environment": "\x1b[2J", "revision": "\x1b]0;x\x07</script>"})
            self.assertEqual(agent.request("POST", "/api/1/deploy/", body, JSON)[0], 200)
        text = self.deploy("--list").stdout
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\x07", text)


if __name__ == "__main__":
    unittest.main()
