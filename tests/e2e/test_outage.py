"""Rollbar is away for a day, simulated, with many items waiting, and comes back rough: 429s, 5xx, resets,
hangs, lies about its rate. Every item arrives, and counts once; crashes first; no herd; flat memory.

2,000 items of 2 KiB; with TOWBAR_LONG=1 it is 100,000, and a second run under a cap of the spool that
does not hold them while the database takes nothing. The totals are printed. The day goes by 4,000 times
faster: the shortest and longest back-off are 1 s and 300 s, divided by that."""

import json
import os
import re
import select
import socket
import sqlite3
import sys
import time
import unittest
import uuid as uuids

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import outage_server  # noqa: E402
import towbar  # noqa: E402

LONG = os.environ.get("TOWBAR_LONG") == "1"
ITEMS = 100000 if LONG else 2000
CAPPED_ITEMS = 30000
CAP_BYTES = 32 << 20
DAY_S = 21.6 if LONG else 1.5
PATIENCE_S = 600 if LONG else 60
CONNECTIONS = 8
PSS_MAX_KB = 80 << 10
LEVELS = ("critical", "error", "warning", "info")  # by class
SETTINGS = """
rollbar: {timeout_ms: 2000, retry_min_ms: 1, retry_max_ms: 75, connections: %d}
limits: {item_per_minute: 0, service_per_minute: 0, token_per_minute: 0, sender_per_minute: 0}
spool_limits: {max_bytes: %d, max_percent: 100, keep_free_percent: 0}
"""


def post_many(socket_path, n, class_of):
    """Hands in n items of 2 KiB over one connection, several at a time; how many were taken."""
    taken = 0
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(socket_path)
        reader = connection.makefile("rb")
        for start in range(0, n, 32):
            batch = range(start, min(start + 32, n))
            connection.sendall(b"".join(request(class_of(i), i) for i in batch))
            taken += sum(read_status(reader) == 200 for _ in batch)
        reader.close()
    return taken


def request(class_, number):
    data = {
        "uuid": str(uuids.uuid4()), "environment": "test", "level": LEVELS[class_],
        "body": {"message": {"body": f"class:{class_}: number {number} " + "x" * 1800}},
    }  # fmt: skip
    body = json.dumps({"data": data}).encode()
    head = f"POST /api/1/item/ HTTP/1.1\r\nHost: towbar\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def read_status(reader):
    status = int(reader.readline().split()[1])
    length = 0
    while (line := reader.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    reader.read(length)
    return status


def class_of(number):
    """One crash in 50, then errors, warnings and chatter; the crashes are not the oldest."""
    return 0 if number % 50 == 49 else 1 + number % 3


def pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as smaps:
        return int(re.search(r"\nPss:\s+(\d+)", smaps.read())[1])


class OutageRun(towbar.Case):
    def status_of(self, agent):
        return json.loads(agent.get("/status")[1])

    def wait(self, agent, predicate, seconds=PATIENCE_S):
        """Until predicate(status); the memory of the agent is looked at meanwhile."""
        end = time.monotonic() + seconds
        while True:
            status = self.status_of(agent)
            self.most_pss_kb = max(self.most_pss_kb, pss_kb(agent.process.pid))
            if predicate(status):
                return status
            if time.monotonic() > end:
                self.fail(f"not within {seconds} s: {json.dumps(status)}")
            select.select([], [], [], 0.1)

    def check_sums(self, status):
        c = status["counts"]
        self.assertEqual(c["received"], c["sent"] + c["dropped"] + c["quarantined"] + c["queued"], c)

    def setUp(self):
        super().setUp()
        self.most_pss_kb = 0

    def rough(self, server, items):
        """Trouble enough, however many there are."""
        some = 40 if items <= 2000 else 600
        server.mood("rough", limited=5, errors=some, resets=some, hangs=4, used_up=3)

    def check_order(self, order):
        """Crashes were the first to arrive: nine of ten, as some met trouble on the way and wait for
        their next try, and but for what was under way before them."""
        crashes = [at for at, class_ in enumerate(order) if class_ == "0"]
        most = len(crashes) * 9 // 10
        self.assertLess(crashes[most - 1], len(crashes) + 64 + 30 * CONNECTIONS, crashes[-200:])
        # The floor: chatter is not all at the end.
        middle = order[len(crashes) : len(crashes) + (len(order) - len(crashes)) // 3]
        self.assertTrue("2" in middle or "3" in middle, "chatter was starved")

    def test_a_day_without_rollbar_loses_nothing(self):
        self.write_config(SETTINGS % (CONNECTIONS, 2 << 30))
        with outage_server.Outage() as server:
            server.mood("down")
            with self.agent(server) as agent:
                began = time.monotonic()
                self.assertEqual(post_many(self.socket, ITEMS, class_of), ITEMS)
                status = self.wait(agent, lambda s: s["counts"]["received"] == ITEMS)
                self.check_sums(status)
                away = time.monotonic() + DAY_S
                self.wait(agent, lambda s: time.monotonic() > away)
                down = server.totals()
                before_kb = self.most_pss_kb
                self.assertEqual(down["taken"], 0)
                # No herd: one request at a time, each after its back-off.
                self.assertLess(down["most_down_in_100_ms"], 60)
                self.rough(server, ITEMS)
                back = time.monotonic()
                status = self.wait(agent, lambda s: s["counts"]["queued"] == 0)
                self.check_sums(status)
                took = time.monotonic() - back
            totals = server.totals()
        order = totals.pop("order")
        self.assertEqual(totals["taken"], ITEMS)
        self.assertEqual(status["counts"]["sent"], ITEMS)
        self.assertEqual(status["counts"]["quarantined"], 0)
        self.assertLessEqual(totals["most_open"], CONNECTIONS + 3)
        self.check_order(order)
        if not towbar.SANITIZE:
            self.assertLess(self.most_pss_kb, PSS_MAX_KB)
        print(
            f"\noutage: {ITEMS} items, away {DAY_S} s (a day at 4000 times the speed) with "
            f"{down['down']} requests meanwhile, at most {down['most_down_in_100_ms']} in 100 ms; taken in "
            f"within {back - began:.0f} s; back: {json.dumps(totals)} in {took:.1f} s "
            f"({ITEMS / took:.0f}/s); most memory {before_kb} KiB before, {self.most_pss_kb} KiB after"
        )

    def test_under_a_cap_that_does_not_hold_them_each_drop_is_counted(self):
        if not LONG:
            self.skipTest("TOWBAR_LONG=1 fills the spool; the rules are in spool.test_evict")
        self.write_config(SETTINGS % (CONNECTIONS, CAP_BYTES))
        with outage_server.Outage() as server:
            with self.agent(server) as agent:
                locker = sqlite3.connect(os.path.join(self.state, "towbar.db"), isolation_level=None)
                locker.execute("BEGIN IMMEDIATE")
                taken = post_many(self.socket, CAPPED_ITEMS, class_of)
                held = self.wait(agent, lambda s: s["spool"]["bytes"] <= CAP_BYTES * 17 // 16)
                locker.execute("ROLLBACK")
                locker.close()
                self.rough(server, CAPPED_ITEMS)

                def gone(status):
                    return sum(status["spool"]["lifetime"]["evicted"].values())

                status = self.wait(
                    agent,
                    lambda s: s["counts"]["received"] + gone(s) >= taken and s["counts"]["queued"] == 0,
                )
                self.check_sums(status)
            totals = server.totals()
        order = totals.pop("order")
        evicted = status["spool"]["lifetime"]["evicted"]
        self.assertEqual(taken, CAPPED_ITEMS)
        self.assertEqual(status["counts"]["received"] + sum(evicted.values()), taken)
        self.assertEqual(totals["taken"], status["counts"]["received"])
        # In order: chatter before warnings before errors before crashes.
        self.assertEqual(evicted["crash"], 0, evicted)
        self.assertGreaterEqual(evicted["info"], evicted["warning"])
        self.assertGreaterEqual(evicted["warning"], evicted["error"])
        self.assertGreater(evicted["info"], 0)
        self.assertEqual(order.count("0"), CAPPED_ITEMS // 50)
        print(
            f"\noutage under a cap of {CAP_BYTES} bytes: {taken} items taken in, evicted "
            f"{json.dumps(evicted)}, arrived {totals['taken']}: {json.dumps(totals)}; spool "
            f"{held['spool']['bytes']} bytes; most memory {self.most_pss_kb} KiB"
        )


if __name__ == "__main__":
    unittest.main()
