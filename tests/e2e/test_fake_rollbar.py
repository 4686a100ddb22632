"""The fake Rollbar takes, refuses, groups and misbehaves as it says."""

import copy
import gzip
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORT = os.path.join(HERE, "..", "support")
sys.path.insert(0, SUPPORT)

from fake_rollbar import BODY_MAX_BYTES, FakeRollbar  # noqa: E402

with open(os.path.join(HERE, "..", "data", "rollbar", "items.json"), encoding="utf-8") as table:
    CASES = json.load(table)
TOKEN = "0123456789abcdef0123456789abcdef"
HEADER = {"X-Rollbar-Access-Token": TOKEN}


def holder(data, path):
    """The object or list that holds the last part of path, and that part."""
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        data = data[part]
    return data, last


def item(**case):
    data = copy.deepcopy(CASES["base"])
    for path, value in case.get("set", {}).items():
        inner, key = holder(data, path)
        inner[key] = value
    for path, length in case.get("repeat", {}).items():
        inner, key = holder(data, path)
        inner[key] = "x" * length
    for path in case.get("remove", []):
        inner, key = holder(data, path)
        del inner[key]
    return data


def numbered(number, **case):
    """An item with a uuid of its own."""
    return item(**{**case, "set": {**case.get("set", {}), "uuid": f"uuid-{number}"}})


class FakeRollbarTest(unittest.TestCase):
    def setUp(self):
        self.fake = FakeRollbar(token=TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)
        self.client = http.client.HTTPConnection("127.0.0.1", self.fake.port, timeout=10)
        self.addCleanup(lambda: self.client.close())

    def post_raw(self, body, headers=HEADER, path="/api/1/item/", **more):
        self.client.request("POST", path, body, headers, **more)
        reply = self.client.getresponse()
        return reply.status, reply.read(), reply.headers

    def post(self, data, headers=HEADER, **envelope):
        status, body, _ = self.post_raw(json.dumps({**envelope, "data": data}), headers)
        return status, json.loads(body)

    # ---- the schema ----

    def test_good_items_are_taken(self):
        for case in CASES["good"]:
            with self.subTest(case["name"]), FakeRollbar(token=TOKEN) as self.fake:
                self.client.close()
                self.client = http.client.HTTPConnection("127.0.0.1", self.fake.port, timeout=10)
                data = item(**case)
                status, reply = self.post(data)
                self.assertEqual((status, reply["err"]), (200, 0), reply)
                warnings = self.fake.warnings
                self.assertEqual(len(warnings), case.get("warnings", 0), warnings)
                self.assertIsNone(reply["result"]["id"])
                made = self.fake.occurrences[0].uuid
                self.assertEqual(reply["result"]["uuid"], data.get("uuid", made))

    def test_bad_items_are_refused_with_the_text(self):
        for case in CASES["bad"]:
            with self.subTest(case["name"]):
                status, reply = self.post(item(**case))
                refusal = {"err": 1, "message": "Invalid format. " + case["message"]}
                self.assertEqual((status, reply), (422, refusal))
        self.assertEqual(self.fake.occurrences, [])

    def test_what_is_not_an_item_is_refused(self):
        for body, status, text in (
            (b"", 400, "could not be decoded"),
            (b"not json", 400, "could not be decoded"),
            (b'{"data":', 400, "could not be decoded"),
            (b'{"data":{"environment":"\xff"}}', 400, "could not be decoded"),
            (b'{"data":NaN}', 400, "could not be decoded"),
            (b"{}", 422, "data is missing"),
            (b"[]", 422, "payload should be object."),
            (b'{"data":[]}', 422, "data should be object."),
            (b"[" * 200000, 400, "could not be decoded"),
        ):
            with self.subTest(body[:40]):
                got, reply, _ = self.post_raw(body)
                self.assertEqual(got, status)
                self.assertIn(text, json.loads(reply)["message"])

    def test_half_a_mebibyte_is_the_most(self):
        empty = json.dumps({"data": item(set={"custom": {"x": ""}})})
        filling = "y" * (BODY_MAX_BYTES - len(empty))
        fits = json.dumps({"data": item(set={"custom": {"x": filling}})})
        self.assertEqual(self.post_raw(fits)[0], 200)
        self.assertEqual(self.post_raw(fits + " ")[0], 413)

    # ---- tokens and paths ----

    def test_tokens(self):
        header = "X-Rollbar-Access-Token"
        missing = "Invalid format. access_token is missing and it is required."
        for headers, envelope, status, message in (
            ({header: TOKEN}, {}, 200, None),
            ({header.lower(): TOKEN}, {}, 200, None),
            ({}, {"access_token": TOKEN}, 200, None),
            ({header: TOKEN}, {"access_token": "other"}, 200, None),
            ({header: "other"}, {"access_token": TOKEN}, 403, "access token not found: other"),
            ({}, {"access_token": "other"}, 403, "access token not found: other"),
            ({}, {}, 422, missing),
            ({}, {"access_token": None}, 422, missing),
            ({}, {"access_token": 7}, 422, "Invalid format. access_token should be string."),
        ):
            with self.subTest(headers=headers, envelope=envelope):
                got, reply = self.post(item(), headers, **envelope)
                self.assertEqual((got, reply.get("message")), (status, message))

    def test_paths_forms_and_chunks(self):
        body = json.dumps({"data": item()}).encode()
        form = {**HEADER, "Content-Type": "application/x-www-form-urlencoded"}
        self.assertEqual(self.post_raw(body, path="/api/1/item")[0], 200)
        self.assertEqual(self.post_raw(body, form)[0], 200)
        self.assertEqual(self.post_raw("payload=" + body.decode().replace(" ", "+"), form)[0], 200)
        self.assertEqual(self.post_raw(iter([body[:9], body[9:]]), encode_chunked=True)[0], 200)
        self.assertEqual(self.post_raw(body, path="/api/1/items/")[0], 404)
        self.assertEqual(len(self.fake.duplicates), 3)

    def test_bodies_may_be_compressed(self):
        body = json.dumps({"data": item()}).encode()
        packed = {**HEADER, "Content-Encoding": "gzip"}
        self.assertEqual(self.post_raw(gzip.compress(body), packed)[0], 200)
        self.assertEqual(self.fake.occurrences[0].raw, body)
        for bad, status in (
            (body, 400),
            (gzip.compress(body)[:-9], 400),
            (gzip.compress(b'"' + b" " * BODY_MAX_BYTES + b'"'), 413),
        ):
            self.assertEqual(self.post_raw(bad, packed)[0], status)
        self.assertEqual(self.post_raw(body, {**HEADER, "Content-Encoding": "br"})[0], 415)

    # ---- grouping ----

    def test_a_repeated_uuid_is_answered_and_discarded(self):
        first = self.post(item())
        again = self.post(item(set={"level": "info"}))
        self.assertEqual(first, again)
        self.assertEqual([o.data["level"] for o in self.fake.occurrences], ["error"])
        self.assertEqual(self.fake.duplicates, [item()["uuid"]])

    def groups(self, *cases):
        """The number of the item that each case got into."""
        for number, case in enumerate(cases):
            status, reply = self.post(numbered(number, **case))
            self.assertEqual(status, 200, reply)
        return [occurrence.item.number for occurrence in self.fake.occurrences]

    def test_file_method_and_class_make_an_item(self):
        frames = "body.trace.frames."
        self.assertEqual(
            self.groups(
                {},
                {"set": {frames + "0.lineno": 1, "body.trace.exception.message": "other"}},
                {"set": {frames + "1.method": "feed_write"}},
                {"set": {frames + "1.filename": "src/other.c"}},
                {"set": {"body.trace.exception.class": "SIGBUS"}},
                {"set": {"environment": "staging"}},
                {"set": {frames + "1.method": "feed_read42"}},
                {"set": {frames + "1.method": "feed_read43"}},
                {"set": {frames + "1.filename": "src/2026-11-22/feed.c"}},
                {"set": {frames + "1.filename": "src/2025-01-02/feed.c"}},
            ),
            [1, 1, 2, 3, 4, 5, 1, 1, 6, 6],
        )

    def test_the_root_does_not_count(self):
        at = "body.trace.frames.1.filename"
        self.assertEqual(
            self.groups(
                {"set": {at: "/srv/a/feed.c", "server.root": "/srv/a"}},
                {"set": {at: "/srv/b/feed.c", "server.root": "/srv/b"}},
                {"set": {at: "/srv/b/feed.c"}},
            ),
            [1, 1, 2],
        )

    def test_messages_without_their_numbers(self):
        def said(text):
            return {"set": {"body": {"message": {"body": text}}}}

        self.assertEqual(
            self.groups(
                said("user 12 waited 3.5 s for 0xdeadbeef"),
                said("user 9999 waited 10.25 s for 0x12345678"),
                said("user 1 waited 3.5 s for 0xdeadbeef"),
            ),
            [1, 1, 2],
        )

    def test_fingerprints_are_taken_as_they_are_up_to_40(self):
        self.groups(
            {"set": {"fingerprint": "f" * 40}},
            {"set": {"fingerprint": "f" * 40, "body": {"message": {"body": "x"}}}},
            {"set": {"fingerprint": "f" * 41}},
        )
        self.assertEqual([len(i.occurrences) for i in self.fake.items], [2, 1])
        self.assertEqual(self.fake.items[0].fingerprint, "f" * 40)
        self.assertRegex(self.fake.items[1].fingerprint, "^[0-9a-f]{40}$")

    def test_the_first_occurrence_names_the_item(self):
        self.groups(
            {"set": {"fingerprint": "a"}},
            {"set": {"fingerprint": "a", "title": "late", "level": "debug"}},
            {"set": {"fingerprint": "b", "title": "own"}},
            {"set": {"fingerprint": "c", "body": {"message": {"body": "one\ntwo"}}}},
        )
        self.assertEqual(
            [i.title for i in self.fake.items], ["SIGSEGV: near-NULL read at 0x18", "own", "one"]
        )
        self.assertEqual(self.fake.items[0].level, "error")

    # ---- limits and the script ----

    def test_the_headers_count_down_to_429(self):
        self.fake.limit = 2
        seen = []
        for number in range(3):
            status, _, headers = self.post_raw(json.dumps({"data": numbered(number)}))
            seen.append((status, headers["X-Rate-Limit-Remaining"]))
            self.assertLessEqual(int(headers["X-Rate-Limit-Remaining-Seconds"]), 60)
        self.assertEqual(seen, [(200, "1"), (200, "0"), (429, "0")])
        self.assertEqual(len(self.fake.occurrences), 2)

    def test_each_token_has_a_limit_of_its_own(self):
        self.fake.limit = 1
        self.fake.tokens.add("other")
        self.assertEqual(self.post(numbered(1))[0], 200)
        self.assertEqual(self.post(numbered(2))[0], 429)
        self.assertEqual(self.post(numbered(2), {}, access_token="other")[0], 200)
        status, _, headers = self.post_raw(json.dumps({"data": item(), "access_token": "other"}), {})
        self.assertEqual((status, headers["X-Rate-Limit-Remaining"]), (429, "0"))

    # ---- deploys ----

    def deploy(self, body, headers=HEADER, path="/api/1/deploy/", method="POST"):
        self.client.request(method, path, body, headers)
        reply = self.client.getresponse()
        answer = json.loads(reply.read())
        return reply.status, answer.get("data") or answer["message"]

    def test_deploys_are_taken_as_json_and_as_a_form(self):
        fields = {"environment": "test", "revision": "a1b2", "comment": "ž & =", "status": "started"}
        form = {**HEADER, "Content-Type": "application/x-www-form-urlencoded"}
        self.assertEqual(self.deploy(json.dumps(fields)), (200, {"deploy_id": 1}))
        self.assertEqual(self.deploy(urllib.parse.urlencode(fields), form), (200, {"deploy_id": 2}))
        in_body = {**fields, "access_token": TOKEN}
        self.assertEqual(
            self.deploy(json.dumps(in_body), {}, "/api/1/deploy"), (200, {"deploy_id": 3})
        )
        for deploy in self.fake.deploys:
            self.assertEqual((deploy.token, deploy.fields), (TOKEN, fields))
        self.assertEqual(self.fake.deploys[0].revision, "a1b2")
        self.assertIsNone(self.fake.deploys[0].rollbar_username)
        self.assertEqual([request.status for request in self.fake.requests], [200] * 3)

    def test_deploys_are_refused_with_the_text(self):
        good = {"environment": "test", "revision": "a1b2"}
        for change, status, text in (
            ({"environment": ""}, 422, "Missing 'environment' key."),
            ({"revision": None}, 422, "Missing 'revision' or 'head_long' key."),
            ({"revision": 7}, 422, "revision should be string."),
            ({"environment": "e" * 256}, 422, "environment should be at most 255 characters."),
            ({"comment": "c" * 65537}, 422, "comment should be at most 64kb."),
            ({"status": "done"}, 422, "status should be one of"),
        ):
            with self.subTest(change):
                got, message = self.deploy(json.dumps({**good, **change}))
                self.assertEqual(got, status)
                self.assertIn(text, message)
        self.assertEqual(self.deploy(json.dumps(good), {})[0], 422)
        self.assertEqual(self.deploy(json.dumps(good), {"X-Rollbar-Access-Token": "x"})[0], 403)
        self.assertEqual(self.deploy("{", HEADER)[0], 400)
        self.assertEqual(self.fake.deploys, [])

    def test_the_status_of_a_deploy_can_be_changed(self):
        old_name = {"environment": "test", "head_long": "a1b2", "status": "started"}
        self.assertEqual(self.deploy(json.dumps(old_name)), (200, {"deploy_id": 1}))
        self.assertEqual(self.fake.deploys[0].revision, "a1b2")
        ended = json.dumps({"status": "succeeded"})
        self.assertEqual(self.deploy(ended, path="/api/1/deploy/1", method="PATCH")[0], 200)
        self.assertEqual(self.fake.deploys[0].status, "succeeded")
        for path in ("/api/1/deploy/2", "/api/1/deploy/", "/api/1/deploy/x"):
            self.assertEqual(self.deploy(ended, path=path, method="PATCH")[0], 404)
        self.assertEqual(self.deploy("{}", path="/api/1/deploy/1", method="PATCH")[0], 422)

    def test_the_script_is_played_once(self):
        slow = {"X-Rate-Limit-Remaining-Seconds": "7"}
        self.fake.script(
            [{"status": 429, "headers": slow}, {"status": 500, "repeat": 2}, {"body": "not json"}]
        )
        replies = [self.post_raw(json.dumps({"data": numbered(n)})) for n in range(5)]
        self.assertEqual([status for status, _, _ in replies], [429, 500, 500, 200, 200])
        self.assertEqual(replies[0][2]["X-Rate-Limit-Remaining-Seconds"], "7")
        self.assertEqual(replies[3][1], b"not json")
        self.assertEqual([o.uuid for o in self.fake.occurrences], ["uuid-3", "uuid-4"])

    def test_a_request_is_held_until_it_is_released(self):
        self.fake.script([{"hold": True}])
        replies = []
        held = threading.Thread(target=lambda: replies.append(self.post(numbered(1))[0]))
        held.start()
        self.fake.wait_for(lambda fake: fake.held == 1)
        self.assertEqual((replies, self.fake.occurrences), ([], []))
        self.fake.release()
        held.join()
        self.assertEqual((replies, self.fake.held), ([200], 0))
        self.assertEqual(self.post(numbered(2))[0], 200)  # that was the script

    def test_cut_connections(self):
        for cut, taken, error in (
            ("before-read", 0, (http.client.RemoteDisconnected, ConnectionError)),
            ("before-reply", 1, http.client.RemoteDisconnected),
            ("mid-reply", 2, http.client.IncompleteRead),
        ):
            with self.subTest(cut):
                self.fake.script([{"cut": cut}])
                with self.assertRaises(error):
                    self.post(numbered(cut))
                self.client.close()
                self.assertEqual(len(self.fake.occurrences), taken)

    def test_the_port_closes_and_opens_again(self):
        port = self.fake.port
        self.assertEqual(self.post(numbered(1))[0], 200)
        self.fake.close_port()
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.post(numbered(2))  # The connection that was open is cut,
        self.client.close()
        with self.assertRaises(ConnectionRefusedError):
            self.post(numbered(2))  # and a new one refused.
        self.client.close()
        self.fake.open_port()
        self.assertEqual(self.fake.port, port)
        self.assertEqual(self.post(numbered(2))[0], 200)
        self.assertEqual(len(self.fake.occurrences), 2)

    def test_wait_for(self):
        later = threading.Thread(target=self.post, args=(item(),))
        later.start()
        self.assertTrue(self.fake.wait_for(lambda fake: fake.occurrences))
        later.join()
        with self.assertRaisesRegex(TimeoutError, "1 occurrences in 1 items"):
            self.fake.wait_for(lambda fake: len(fake.occurrences) == 2, 0.05)

    def test_bodies_are_kept_byte_for_byte(self):
        body = b'{ "data" :' + json.dumps(item()).encode().replace(b"4242", b"4242 ") + b"}\n"
        self.post_raw(body, {**HEADER, "X-Odd": "Yes"})
        self.assertEqual(self.fake.requests[0].body, body)
        self.assertEqual(self.fake.occurrences[0].raw, body)
        self.assertEqual(self.fake.requests[0].headers["x-odd"], "Yes")

    def test_it_runs_as_a_program(self):
        with tempfile.TemporaryDirectory() as folder:
            record = os.path.join(folder, "record")
            program = [sys.executable, "-B", os.path.join(SUPPORT, "fake_rollbar.py")]
            with subprocess.Popen(
                program + ["--token", TOKEN, "--record", record],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as server:
                url = server.stdout.readline().strip()
                self.assertRegex(url, r"^http://127\.0\.0\.1:\d+/api/1/item/$")
                self.client = http.client.HTTPConnection(url.split("/")[2], timeout=10)
                self.assertEqual(self.post(item())[0], 200)
                self.client.close()
                server.terminate()
                self.assertEqual(server.wait(10), 0)
            with open(record, encoding="utf-8") as lines:
                seen = [json.loads(line) for line in lines]
        self.assertEqual([(r["method"], r["status"]) for r in seen], [("POST", 200)])


if __name__ == "__main__":
    unittest.main()
