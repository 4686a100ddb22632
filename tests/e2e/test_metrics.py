"""GET /metrics is what a scraper takes, its numbers add up, and /healthz and /readyz mean it."""

import json
import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import prometheus  # noqa: E402
import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

N_KILLS = 50
PER_KILL = 4


def item(text):
    trace = {"exception": {"class": "E", "message": text}, "frames": []}
    return json.dumps({"data": {"environment": "test", "body": {"trace": trace}}})


class ReaderTest(unittest.TestCase):
    """The reader refuses what it should."""

    GOOD = '# HELP a_total x\n# TYPE a_total counter\na_total{b="c",d="e\\"f"} 1\na_total 2.5\n'

    def test_it_reads_what_is_right(self):
        metrics = prometheus.parse(self.GOOD)
        self.assertEqual(metrics.value("a_total", b="c", d='e"f'), 1)
        self.assertEqual(metrics.total("a_total"), 3.5)

    def test_it_refuses_what_is_wrong(self):
        bad = [
            self.GOOD[:-1],
            self.GOOD + "\n",
            self.GOOD + "a_total 3\n",
            self.GOOD + self.GOOD,
            self.GOOD + "b 1\n",
            self.GOOD.replace("a_total", "a"),
            self.GOOD.replace("counter", "gauge"),
            self.GOOD.replace("2.5", "NaN"),
            self.GOOD.replace("2.5", "-1"),
            self.GOOD.replace('b="c"', "b=c"),
            self.GOOD.replace('d="e', 'b="e'),
            "# HELP a_total x\n# TYPE a_total counter\n",
            "a_total 1\n",
        ]
        for text in bad:
            with self.subTest(text=text), self.assertRaises(ValueError):
                prometheus.parse(text)


class MetricsTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=towbar.TOKEN, limit=10**6)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def metrics(self, agent):
        status, body = agent.get("/metrics")
        self.assertEqual(status, 200)
        return prometheus.parse(body.decode())

    def assert_adds_up(self, metrics):
        done = ("sent", "dropped", "quarantined")
        self.assertEqual(
            metrics.total("towbard_queue_added_total"),
            sum(metrics.total(f"towbard_items_{name}_total") for name in done)
            + metrics.total("towbard_queue_items"),
            metrics,
        )

    def post(self, agent, text):
        self.assertEqual(agent.request("POST", "/api/1/item/", item(text))[0], 200)

    def settled(self, agent, n):
        """Until nothing of n items waits; the metrics then."""
        self.wait_status(lambda now: now["received"] >= n and now["queued"] == 0)
        last = []

        def fresh(_):
            last[:] = [self.metrics(agent)]
            self.assert_adds_up(last[0])
            return last[0].total("towbard_queue_added_total") >= n and last[0].total("towbard_queue_items") == 0

        self.wait_status(fresh)
        return last[0]

    def test_every_name_is_in_the_docs_and_every_documented_name_is_there(self):
        self.write_config("symbols:\n  debuginfod: [http://127.0.0.1:1]\n")
        with open(os.path.join(towbar.SOURCE, "docs", "operate.md"), encoding="utf-8") as page:
            named = set(re.findall(r"^\| `([a-z_]+)(?:\{[^`]*\})?` \|", page.read(), re.MULTILINE))
        with self.agent(self.fake) as agent:
            metrics = self.metrics(agent)
        self.assertEqual(set(metrics.types), named)

    def test_they_add_up_while_rollbar_fails_and_after(self):
        with self.agent(self.fake) as agent:
            steps = [{"status": 500}, {"cut": "before-reply"}, {"status": 422, "body": '{"err":1,"message":"no"}'}]
            self.fake.script(steps * 3)
            for i in range(30):
                self.post(agent, f"text {i}")
                self.assert_adds_up(self.metrics(agent))
            metrics = self.settled(agent, 30)
            self.assertEqual(metrics.value("towbard_queue_added_total"), 30)
            self.assertEqual(metrics.value("towbard_items_quarantined_total"), 3)
            self.assertEqual(metrics.value("towbard_items_sent_total"), 27)
            # Each 500; one that was cut on a connection that had been open is sent again at once.
            self.assertGreaterEqual(metrics.value("towbard_send_retries_total"), 3)
            self.assertEqual(metrics.value("towbard_records_total", result="stored"), 30)

    def test_counters_of_the_database_go_on_after_kills(self):
        """Killed and started again 50 times while items come: nothing is lost, nothing doubled."""
        n = 0
        before = 0
        for _ in range(N_KILLS):
            agent = self.agent(self.fake).wait_ready()
            metrics = self.metrics(agent)
            self.assert_adds_up(metrics)
            added = metrics.total("towbard_queue_added_total")
            self.assertGreaterEqual(added, before)
            before = added
            for _ in range(PER_KILL):
                self.post(agent, f"text {n}")
                n += 1
            agent.kill9()
        with self.agent(self.fake) as agent:
            metrics = self.settled(agent, n)
            self.assertEqual(metrics.value("towbard_queue_added_total"), n)
            self.assertEqual(metrics.value("towbard_items_sent_total"), n)
        texts = [o.data["body"]["trace"]["exception"]["message"] for o in self.fake.occurrences]
        self.assertEqual(sorted(texts), sorted(f"text {i}" for i in range(n)))

    def test_no_counter_goes_back_over_a_reload(self):
        with self.agent(self.fake) as agent:
            for i in range(5):
                self.post(agent, f"text {i}")
            before = self.settled(agent, 5)
            agent.process.send_signal(signal.SIGHUP)
            agent.wait_log("read again")
            after = self.metrics(agent)
            for key, value in before.counters().items():
                self.assertGreaterEqual(after[key], value, key)
            self.assertEqual(after.value("towbard_config_reloads_total", result="taken"), 1)
            self.assertEqual(after.value("towbard_config_last_reload_success"), 1)
            self.write_config("nonsense: 1\n")
            agent.process.send_signal(signal.SIGHUP)
            agent.wait_log("not taken over")
            after = self.metrics(agent)
            self.assertEqual(after.value("towbard_config_reloads_total", result="refused"), 1)
            self.assertEqual(after.value("towbard_config_last_reload_success"), 0)

    def test_what_the_kernel_says_of_the_process(self):
        with self.agent(self.fake) as agent:
            metrics = self.metrics(agent)
            with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as status:
                threads = int(re.search(r"^Threads:\s+(\d+)", status.read(), re.MULTILINE)[1])
            self.assertEqual(metrics.value("process_threads"), threads)
            self.assertEqual(metrics.value("process_max_fds") > 0, True)
            self.assertGreater(metrics.value("process_open_fds"), 5)
            self.assertGreater(metrics.value("process_resident_memory_bytes"), 10**6)
            self.assertGreater(metrics.value("process_start_time_seconds"), 1.7e9)

    def test_an_outage_at_rollbar_is_no_reason_not_to_be_ready(self):
        with self.agent(self.fake) as agent:
            self.fake.close_port()
            self.post(agent, "waits")
            self.wait_status(lambda now: now["queued"] == 1)
            self.assertEqual(agent.get("/healthz")[0], 200)
            self.assertEqual(agent.get("/readyz")[0], 200)
            self.fake.open_port()
            self.settled(agent, 1)

    def test_a_spool_that_is_gone_is_one(self):
        with self.agent(self.fake) as agent:
            self.assertEqual(agent.get("/readyz")[0], 200)
            os.rename(self.spool, self.spool + ".away")
            agent.wait_log("was moved or removed")
            status, body = agent.get("/readyz")
            self.assertEqual(status, 503)
            self.assertIn("was moved or removed", json.loads(body)["message"])
            self.assertEqual(agent.get("/healthz")[0], 200)
            self.assertEqual(self.metrics(agent).value("towbard_storing"), 0)
            os.rename(self.spool + ".away", self.spool)
            agent.wait_log("back in its place")
            self.assertEqual(agent.get("/readyz")[0], 200)

    def test_a_full_spool_is_one(self):
        self.write_config("spool_limits:\n  max_bytes: 1048576\n")
        with self.agent(self.fake) as agent:
            self.assertEqual(agent.get("/readyz")[0], 200)
            for i in range(4):  # its own files stay while it writes to them
                self.post(agent, f"{i}" + "x" * 400000)
            self.wait_status(lambda _: agent.get("/readyz")[0] == 503)
            self.assertIn("spool_limits.max_bytes", json.loads(agent.get("/readyz")[1])["message"])


if __name__ == "__main__":
    unittest.main()
