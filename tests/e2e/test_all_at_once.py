"""Everything at once: items over the socket, .rollbar files that are rotated, logs, a program with the
library, a storm, deploys; and meanwhile reloads with good and bad settings, a Rollbar that goes away and
answers badly, the agent killed with SIGKILL, a second agent beside it and towbard --once as from cron.

Then everything that was accepted is at Rollbar exactly once, or counted, and the sums fit: those of
towbar status, of /status, of /metrics and of the database. Some seconds; a minute with TOWBAR_LONG=1,
then the totals are printed. Chance is drawn from a seed, but threads race as they like."""

import http.client
import json
import os
import random
import select
import signal
import sqlite3
import string
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import prometheus  # noqa: E402
import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

LONG = os.environ.get("TOWBAR_LONG") == "1"
ROUNDS = 40 if LONG else 5
ROUND_S = 1.0 if LONG else 0.4
PATIENCE_S = 120
SEED = 20261126
N_SENDERS = 2
STORM = "the same again and again"
SETTINGS = """
rollbar: {{timeout_ms: 2000, retry_min_ms: 20, retry_max_ms: 200, connections: {connections}}}
limits: {{item_per_minute: 10, service_per_minute: 0, token_per_minute: 0, sender_per_minute: 0,
  burst_minutes: 1}}
symbols: {{user_budget_ms: 60000}}
rollbar_files: {{paths: [{folder}]}}
log_files:
  - {{path: {folder}/*.log, pattern: '^E (?<message>.*)'}}
"""
BAD = ("rollbar: {retry_min_ms: never}\n", "rollbar: {retry_min_ms: 2", "\0", "spool: /other\n")
TROUBLE = (
    {"status": 500, "repeat": 3},
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"cut": "before-read", "repeat": 2},
    {"cut": "before-reply", "repeat": 2},
    {"cut": "mid-reply", "repeat": 2},
    {"body": "not json", "repeat": 2},
    {"status": 503, "repeat": 5},
)


def word(n):
    """Letters alone: numbers do not tell messages apart."""
    letters = string.ascii_lowercase
    return "".join(letters[n // 26**i % 26] for i in range(5))


def item(text, name=None):
    data = {"environment": "test", "level": "error", "body": {"message": {"body": text}}}
    if name:
        data["uuid"] = name
    return json.dumps({"data": data})


class Source(threading.Thread):
    """Makes one event after the other until it is told to stop."""

    def __init__(self, case, name):
        super().__init__(daemon=True)
        self.case = case
        self.name = name
        self.stopping = threading.Event()
        self.texts = []  # of events that must arrive, each different
        self.n_storm = 0  # events of the storm
        self.failed = None

    def run(self):
        n = 0
        try:
            while not self.stopping.is_set():
                self.make(n)
                n += 1
                self.stopping.wait(0.002)
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failed = error  # Told by stop, to whom it matters.

    def stop(self):
        self.stopping.set()
        self.join(PATIENCE_S)
        if self.failed:
            raise self.failed
        assert not self.is_alive(), self.name


class Sender(Source):
    """Sends each item until it is taken: across kills under the same uuid."""

    def make(self, n):
        is_storm = n % 2 == 1
        text = STORM if is_storm else f"{self.name} {word(n)}"
        self.send("/api/1/item/", item(text, str(uuid.uuid4())))
        if is_storm:
            self.n_storm += 1
        else:
            self.texts.append(text)

    def send(self, path, body):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            connection = towbar.UnixConnection(self.case.socket, timeout=10)
            try:
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                reply.read()
                if reply.status == 200:
                    return
                assert reply.status in (429, 503), reply.status
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)  # it is dead just now
            finally:
                connection.close()
        raise TimeoutError(self.name)


class Deployer(Sender):
    """A deploy that was noted and not answered is noted twice: only the least is known."""

    n = 0

    def make(self, n):
        self.send("/api/1/deploy/", json.dumps({"environment": "test", "revision": word(n)}))
        self.n += 1
        self.stopping.wait(0.05)


class FileWriter(Source):
    """Lines, every other one without a uuid of its own; the file is renamed now and then."""

    def make(self, n):
        path = os.path.join(self.case.folder_of_files, "app.rollbar")
        text = STORM if n % 4 == 3 else f"file {word(n)}"
        line = item(text, str(uuid.uuid4()) if n % 2 else None) + "\n"
        with open(path, "a", encoding="utf-8") as file:
            file.write(line)
        if n % 4 == 3:
            self.n_storm += 1
        else:
            self.texts.append(text)
        if n % 50 == 49:
            os.rename(path, os.path.join(self.case.folder_of_files, f"app.{n}.rollbar"))


class LogWriter(Source):
    def make(self, n):
        path = os.path.join(self.case.folder_of_files, "app.log")
        text = f"log {word(n)}"
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"E {text}\n  of more than one line\n")
        self.texts.append(text)
        self.stopping.wait(0.01)


class Program(Source):
    """A program with the library reports through the spool."""

    n = 0

    def make(self, n):
        self.case.run_program(self.case.job, "error", check=0)
        self.n += 1
        self.stopping.wait(0.05)


class AllAtOnceTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.folder_of_files = self.path("files")
        os.mkdir(self.folder_of_files)
        self.settings()
        self.fake = FakeRollbar(token=towbar.TOKEN, limit=10**6)
        self.fake.start()
        self.addCleanup(self.fake.stop)
        self.n_kills = self.n_reloads = self.n_outages = 0

    def settings(self, bad=None):
        connections = self.random.randint(1, 8)
        good = SETTINGS.format(connections=connections, folder=self.folder_of_files)
        self.write_config(good if bad is None else bad)

    # ---- what goes wrong ----

    def reload(self, agent):
        """Many at once, of whatever the file holds by then."""
        for bad in (None, self.random.choice(BAD), None):
            self.settings(bad)
            for _ in range(self.random.randint(1, 20)):
                agent.process.send_signal(signal.SIGHUP)
                self.n_reloads += 1
            time.sleep(self.random.random() * ROUND_S / 10)

    def outage(self):
        self.n_outages += 1
        self.fake.close_port()
        time.sleep(self.random.random() * ROUND_S / 2)
        self.fake.open_port()

    def others(self):
        """A second agent, and one from cron, are turned away and disturb nobody."""
        self.assertEqual(self.once(self.fake, check=None).returncode, 1)
        second = self.agent(self.fake)
        self.assertEqual(second.process.wait(towbar.DEADLINE_S), 1)

    def round(self, number):
        agent = self.agent(self.fake).wait_ready()
        self.fake.script(self.random.sample(TROUBLE, 3))
        self.reload(agent)
        if number % 3 == 0:
            self.outage()
        if number % 4 == 1:
            self.others()
        time.sleep(self.random.random() * ROUND_S)
        self.assertIsNone(agent.process.poll(), agent.log)
        if number % 5 == 4:
            self.assertEqual(agent.stop(), 0, agent.log)
        else:
            agent.kill9()
            self.n_kills += 1

    # ---- what must hold ----

    def wait_settled(self, agent, n_events):
        end = time.monotonic() + PATIENCE_S
        while True:
            status = json.loads(agent.get("/status")[1])
            if (status["files"]["behind_bytes"] == 0 and status["spool"]["pending"] == 0
                    and self.status()["occurrences"] >= n_events):  # fmt: skip
                return
            if time.monotonic() > end:
                self.fail(f"{n_events} are to come: {json.dumps(status)}\n{agent.log[-2000:]}")
            select.select([], [], [], 0.05)

    def wait_told(self, agent):
        """/status and /metrics tell what the pipeline and the delivery saw last."""
        end = time.monotonic() + PATIENCE_S
        while True:
            status = json.loads(agent.get("/status")[1])
            if status["counts"]["queued"] == 0 or time.monotonic() > end:
                return status
            select.select([], [], [], 0.02)

    def query(self, sql):
        db = sqlite3.connect(f"file:{self.state}/towbar.db?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def assert_arrived(self, texts, n_storm, n_program):
        """Each once; of the storm the sum of 1 + repeated."""
        came = {}
        n_came_of_storm = n_came_of_program = 0
        for occurrence in self.fake.occurrences:
            data = occurrence.data
            body = data["body"]
            repeated = data.get("custom", {}).get("towbar", {}).get("repeated", 0)
            text = body["message"]["body"].split("\n")[0] if "message" in body else None
            if text == STORM:
                n_came_of_storm += 1 + repeated
            elif text in texts:
                came[text] = came.get(text, 0) + 1 + repeated
            else:
                n_came_of_program += 1 + repeated
        wrong = {text: came.get(text, 0) for text in texts if came.get(text, 0) != 1}
        self.assertEqual(wrong, {})
        self.assertEqual((n_came_of_storm, n_came_of_program), (n_storm, n_program))

    def assert_sums(self, status, agent_status, metrics, n_events):
        (row,) = self.query("SELECT received, sent, dropped, quarantined, queued + parked FROM delivery")
        names = ("received", "sent", "dropped", "quarantined", "queued")
        self.assertEqual(tuple(status[name] for name in names), row)
        self.assertEqual(tuple(agent_status["counts"][name] for name in names), row)
        self.assertEqual(row[0], sum(row[1:]), row)
        self.assertEqual(row, (n_events, row[1], n_events - row[1], 0, 0))
        self.assertEqual(row[2], status["collapsed"], "what was dropped are the counted ones")
        for name, number in (("queue_added", 0), ("items_sent", 1), ("items_dropped", 2),
                             ("items_quarantined", 3)):  # fmt: skip
            self.assertEqual(metrics.value(f"towbard_{name}_total"), row[number], name)
        self.assertEqual(metrics.value("towbard_occurrences_total"), n_events)
        (total,) = self.query("SELECT sum(total) FROM items")[0]
        self.assertEqual(total, n_events, "the items' own counts")
        self.assertEqual(self.query("SELECT count(*) FROM outbox WHERE state IN (0, 4)"), [(0,)])
        self.assertEqual(self.query("PRAGMA integrity_check"), [("ok",)])

    def test_whatever_happens_all_that_was_accepted_arrives_or_is_counted(self):
        self.job = self.compile("job.c")
        self.once(self.fake)  # From now on logs are read from their beginning.
        senders = [Sender(self, f"sender {word(i)}") for i in range(N_SENDERS)]
        program = Program(self, "program")
        deployer = Deployer(self, "deploys")
        sources = [*senders, FileWriter(self, "file"), LogWriter(self, "log"), program, deployer]
        for source in sources:
            source.start()
        for number in range(ROUNDS):
            self.round(number)
        self.settings()
        self.fake.script([])
        agent = self.agent(self.fake).wait_ready()
        for source in sources:
            source.stop()
        texts = {text for source in sources for text in source.texts}
        n_storm = sum(source.n_storm for source in sources)
        n_events = sum(len(source.texts) for source in sources) + n_storm + program.n
        self.wait_settled(agent, n_events)
        self.assertEqual(agent.stop(), 0, agent.log)  # It closes the storms.
        with self.agent(self.fake) as agent:
            status = self.wait_status(lambda status: status["queued"] == 0, PATIENCE_S)
            agent_status = self.wait_told(agent)
            metrics = prometheus.parse(agent.get("/metrics")[1].decode())
            self.assert_sums(status, agent_status, metrics, n_events)
        self.assert_arrived(texts, n_storm, program.n)
        self.assertEqual(self.fake.warnings, [])
        self.assertGreaterEqual(len(self.query("SELECT 1 FROM deploys")), deployer.n)
        self.assertEqual(agent_status["spool"]["quarantined"], 0)
        print(
            f"{n_events} events ({n_storm} of a storm, {program.n} of a program) through {self.n_kills} "
            f"kills, {self.n_reloads} SIGHUPs, {self.n_outages} outages: {status['sent']} sent, "
            f"{status['collapsed']} counted, {deployer.n} deploys, {len(self.fake.duplicates)} repeats; "
            "0 lost, 0 doubled"
        )


if __name__ == "__main__":
    unittest.main()
