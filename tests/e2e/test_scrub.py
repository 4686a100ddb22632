"""Secrets do not get past the pipeline: not into the database or its log, not into the agent's log,
its pages and its status, not to Rollbar and to none of the other sinks.

The forms are those of tests/data/scrub/secrets.json, which agent.test_scrub_corpus tries in each
place of an item; here each goes the whole way once, in several places at a time.
"""

import glob
import json
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

CORPUS = os.path.join(towbar.SOURCE, "tests", "data", "scrub", "secrets.json")
SETTINGS = """scrub:
  keys: [iban, payment.code]
  patterns: ['ZQ-[0-9]{{5}}']
rollbar:
  retry_min_ms: 20
  retry_max_ms: 200
otlp: {{endpoint: '{otlp}', form: both, compression: none}}
xray: {{mode: api, unsampled: send, name_pattern: '*'}}
cloudwatch: {{log_group: cruddur, metrics: true}}
"""
SINKS = ["cloudwatch", "otlp", "otlp-spans", "rollbar", "xray"]
USUAL = ["Zq7", "Zq8"]


def item(text, value):
    """The text, and the value with secret names, in the places that people put them."""
    frame = {"filename": "app.py", "lineno": 1, "method": "f", "locals": {"x": text, "y": value}}
    frame["args"] = [text]
    exception = {"class": "E", "message": text or "m"}
    return {
        "access_token": towbar.TOKEN,
        "data": {
            "environment": "test",
            "level": "error",
            "body": {
                "trace": {"frames": [frame], "exception": exception},
                "telemetry": [
                    {
                        "level": "info", "type": "log", "source": "server",
                        "timestamp_ms": 1795339661000, "body": {"message": text},
                    }
                ],
            },
            "title": text[:200],
            "context": text[:200],
            "person": {"id": "1", "username": text[:200]},
            "request": {
                "url": "https://h/", "body": text, "GET": {"v": value}, "headers": {"Referer": text},
            },
            "custom": {"a": text, "b": [value], "c": json.dumps(value)},
            "server": {"host": "h", "argv": ["p", text]},
        },
    }  # fmt: skip


class ScrubTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = self.enterContext(FakeRollbar(token=towbar.TOKEN))
        self.aws = self.enterContext(FakeAws())
        self.otlp = self.enterContext(FakeOtlp())
        self.write_config(SETTINGS.format(otlp=self.otlp.logs_url))

    def files(self):
        """Each file of the state folder, with its bytes."""
        for path in glob.glob(os.path.join(self.state, "**"), recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    yield os.path.basename(path), file.read()

    def rows(self):
        """Every text of the database."""
        with sqlite3.connect(os.path.join(self.state, "towbar.db")) as db:
            db.text_factory = bytes
            names = [n.decode() for (n,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'")]  # fmt: skip
            for name in names:
                for row in db.execute(f'SELECT * FROM "{name}"'):  # noqa: S608
                    yield name, b"\n".join(v for v in row if isinstance(v, bytes))

    def assert_gone(self, secrets, where, data):
        for secret in secrets:
            at = data.find(secret.encode())
            self.assertEqual(at, -1, f"{secret} in {where}: {data[max(0, at - 200):at + 80]!r}")

    def assert_nowhere(self, secrets, agent):
        """Looked for while the agent runs, so that the database's log (WAL) is there too."""
        seen = set()
        for name, data in self.files():
            seen.add(name)
            self.assert_gone(secrets, name, data)
        self.assertIn("towbar.db", seen)
        self.assertIn("towbar.db-wal", seen)
        for name, data in self.rows():
            self.assert_gone(secrets, name, data)
        for fake in (self.fake, self.aws, self.otlp):
            for request in fake.requests:
                self.assert_gone(secrets, f"a request to {request.path}", request.body)
        for path in ("/status", "/", "/items/1.json", "/items/1"):
            self.assert_gone(secrets, path, agent.get(path)[1])
        self.assert_gone(secrets, "the log", agent.log.encode())

    def wait_sent(self, agent, n):
        """Until each sink has taken all of them."""

        def has_all(_):
            sinks = json.loads(agent.get("/status")[1])["sinks"]
            return sorted(s["name"] for s in sinks if s["sent"] == n) == SINKS

        self.wait_status(has_all)

    def test_no_secret_of_a_forwarded_item_is_stored_or_sent(self):
        with open(CORPUS, encoding="utf-8") as file:
            corpus = json.load(file)
        bodies = [item(form["text"], {"n": 1}) for form in corpus["forms"]]
        bodies += [item("m", case["object"]) for case in corpus["objects"]]
        gone = set(USUAL)
        for case in corpus["forms"] + corpus["objects"]:
            gone.update(case.get("gone", USUAL))
        # They are there when they are sent.
        self.assertTrue(all(any(s in json.dumps(b) for b in bodies) for s in ("Zq7", "ZQ7EXAMPLE")))
        with self.agent(self.fake, **self.aws.env) as agent:
            for body in bodies:
                status, reply = agent.request("POST", "/api/1/item/", json.dumps(body).encode())
                self.assertEqual(status, 200, reply)
            self.wait_sent(agent, len(bodies))
            self.assert_nowhere(sorted(gone), agent)
        self.assertEqual(len(self.fake.occurrences), len(bodies))
        self.assert_clean(self.fake)

    def test_no_secret_of_a_native_program_is_stored_or_sent(self):
        self.run_program(self.compile("secret.c"), "Zq7", check=-6)
        with self.agent(self.fake, **self.aws.env) as agent:
            self.wait_sent(agent, 3)
            self.assert_nowhere(["Zq7", "ZQ7EXAMPLE"], agent)
        for fake in (self.aws, self.otlp):  # the texts are there, without the secrets
            texts = b"".join(request.body for request in fake.requests)
            self.assertIn(b"key ******** is not known", texts)
        texts = b"".join(request.body for request in self.fake.requests)
        self.assertIn(b"login with password=********", texts)
        self.assertIn(b"Authorization: ********", texts)
        self.assertIn(b"key ******** is not known", texts)


if __name__ == "__main__":
    unittest.main()
