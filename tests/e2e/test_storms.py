"""Storms are counted: what was posted is the sum of 1 + repeated over all that reaches Rollbar,
whatever happens to the agent (docs/storms.md)."""

import json
import os
import shutil
import sqlite3
import string
import sys
import threading
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

IS_LONG = os.environ.get("TOWBAR_LONG") == "1"
N_POSTED = 20000 if IS_LONG else 3000
N_THREADS = 4
LIMITS = """limits:
  item_per_minute: 10
  service_per_minute: 40
  burst_minutes: 1
rollbar:
  retry_min_ms: 20
  retry_max_ms: 200
  timeout_ms: 5000
"""


def word(n):
    """Letters alone: numbers do not tell messages apart."""
    letters = string.ascii_lowercase
    return "".join(letters[n // 26**i % 26] for i in range(4))


def item(text, name, service="web"):
    return {
        "data": {
            "environment": "test", "uuid": name, "level": "error",
            "custom": {"service": service, "kept": 9007199254740993},
            "body": {"message": {"body": text}},
        }
    }  # fmt: skip


class StormTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.write_config(LIMITS)
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def post(self, items):
        """Over some connections that are kept; all of them must be taken."""
        refused = []

        def run(part):
            connection = towbar.UnixConnection(self.socket, timeout=towbar.DEADLINE_S)
            for one in part:
                body = json.dumps(one)
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/api/1/item/", body, headers)
                reply = connection.getresponse()
                text = reply.read()
                if reply.status != 200:
                    refused.append((reply.status, text))
            connection.close()

        items = list(items)
        threads = [
            threading.Thread(target=run, args=(items[i::N_THREADS],)) for i in range(N_THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(refused, [])

    def same(self, n, text="the same"):
        return (item(text, str(uuid.uuid4())) for _ in range(n))

    def query(self, sql):
        db = sqlite3.connect(f"file:{self.state}/towbar.db?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def finish(self):
        """All that waits is sent."""
        self.once(self.fake)
        self.assertEqual(self.status()["queued"], 0)

    def towbars(self):
        return [o.data["custom"]["towbar"] for o in self.fake.occurrences
                if "towbar" in o.data.get("custom", {})]  # fmt: skip

    def assert_sum(self, n_posted):
        """At Rollbar, in the counters, and in the item's own count."""
        told = sum(towbar["repeated"] for towbar in self.towbars())
        self.assertEqual(len(self.fake.occurrences) + told, n_posted)
        status = self.status()
        total = sum(status[name] for name in ("sent", "dropped", "quarantined", "queued"))
        self.assertEqual(status["received"], total, status)
        self.assertEqual(status["received"], n_posted, status)
        self.assertEqual(status["occurrences"], n_posted, status)
        self.assertEqual(status["sent"], len(self.fake.occurrences), status)
        self.assertEqual(self.query("SELECT sum(storms) = sum(dropped) FROM delivery"), [(1,)])
        self.assertEqual(
            self.query("SELECT sum(total) FROM hours"), self.query("SELECT sum(total) FROM items")
        )

    def test_a_storm_of_one_item_becomes_a_count(self):
        with self.agent(self.fake) as agent:
            self.post(self.same(N_POSTED))
            self.wait_status(lambda status: status["occurrences"] == N_POSTED)
            agent.wait_log("happens faster than limits.item_per_minute")
            self.wait_status(
                lambda status: status["collapsed"] > 0 and status["collapsed"]
                == json.loads(agent.get("/status")[1])["storms"]["collapsed"]
            )  # fmt: skip
        self.finish()
        self.assert_sum(N_POSTED)
        self.assert_clean(self.fake)
        (bug,) = self.items()
        self.assertEqual(bug["total"], N_POSTED)
        self.assertLess(len(self.fake.occurrences), N_POSTED / 10)
        for towbar_ in self.towbars():
            self.assertIn("more like this between", towbar_["note"])
            self.assertLessEqual(towbar_["since"], towbar_["until"])
        self.assertIn("events were counted", self.towbar("status", "--state-dir", self.state,
                                                          check=None).stdout)  # fmt: skip
        for occurrence in self.fake.occurrences:
            self.assertEqual(occurrence.data["custom"]["kept"], 9007199254740993)

    def test_below_its_limits_nothing_is_touched(self):
        with self.agent(self.fake):
            self.post(self.same(10))
            self.fake.wait_for(lambda fake: len(fake.occurrences) == 10, towbar.DEADLINE_S)
        self.assertEqual(self.towbars(), [])

    def test_a_flood_of_new_bugs_makes_one_item_of_its_service(self):
        with self.agent(self.fake):
            self.post(item(word(n), str(uuid.uuid4())) for n in range(1000))
            self.wait_status(lambda status: status["occurrences"] == 1000)
        self.finish()
        self.assert_sum(1000)
        self.assert_clean(self.fake)
        self.assertLess(len(self.items()), 150)
        notices = [o for o in self.fake.occurrences if "kinds" in o.data["custom"].get("towbar", {})]
        self.assertTrue(notices)
        for notice in notices:
            n = notice.data["custom"]["towbar"]["repeated"] + 1
            text = notice.data["body"]["message"]["body"]
            self.assertTrue(text.startswith(f"{n} events of {n} kinds came faster"), text)
        self.assertEqual(len({n.data["fingerprint"] for n in notices}), 1)

    def test_a_kill_in_the_middle_counts_nothing_twice_and_nothing_not(self):
        n_posted = 0
        for _ in range(4):
            agent = self.agent(self.fake).wait_ready()
            self.post(self.same(300))
            n_posted += 300
            agent.kill9()
        self.finish()
        self.assert_sum(n_posted)
        self.assert_clean(self.fake)

    def test_a_spool_that_comes_back_is_known(self):
        agent = self.agent(self.fake).wait_ready()
        self.post(self.same(200))
        agent.kill9()
        copy = self.path("copy")
        shutil.copytree(os.path.join(self.spool, "in"), copy)
        self.finish()
        n = len(self.fake.occurrences)
        # As after a loss of power that took the acknowledgements along.
        shutil.rmtree(self.spool)
        os.mkdir(self.spool)
        shutil.copytree(copy, os.path.join(self.spool, "in"))
        self.finish()
        self.assertEqual(len(self.fake.occurrences), n)
        self.assert_sum(200)

    @unittest.skipUnless(IS_LONG, "a minute")
    def test_the_count_goes_out_when_its_minute_is_over(self):
        with self.agent(self.fake):
            self.post(self.same(500))
            self.fake.wait_for(lambda fake: self.towbars(), 90)
            self.wait_status(lambda status: status["queued"] == 0, 90)
            self.assert_sum(500)

    def test_without_a_limit_all_is_kept(self):
        self.write_config(LIMITS.replace("10", "0", 1).replace("40", "0", 1))
        with self.agent(self.fake):
            self.post(self.same(500))
            self.fake.wait_for(lambda fake: len(fake.occurrences) == 500, towbar.DEADLINE_S)
        self.assertEqual(self.towbars(), [])


if __name__ == "__main__":
    unittest.main()
