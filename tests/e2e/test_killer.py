"""A record that kills the agent three times goes to quarantine, and nothing else does."""

import contextlib
import os
import signal
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

ENTRY_BYTES = 32
IN_FLIGHT = 1
# Storing an item of that service takes for ever.
STALL = (
    "CREATE TRIGGER stall BEFORE INSERT ON occurrences WHEN new.service = 'killer' BEGIN"
    " SELECT count(*) FROM "
    + ", ".join(["(VALUES(0),(1),(2),(3),(4),(5),(6),(7),(8),(9))"] * 15)
    + "; END"
)


class KillerTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.many = self.compile("many.c")
        self.write_config("symbols:\n  debug_dirs: [/nonexistent]\n")

    def report(self, n, service):
        env = self.program_env(TOWBAR_SERVICE=service)
        done = self.run_program(self.many, str(n), env=env, check=0)
        self.assertEqual(done.stdout.splitlines(), [f"ok {i}" for i in range(n)])

    def wait(self, predicate, what):
        end = time.monotonic() + towbar.DEADLINE_S
        while not predicate():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.01)  # There is nothing to wait on but the file.

    def in_flight(self):
        """File and place of the record that is being worked on, or None."""
        with open(os.path.join(self.spool, "agent", "inflight"), "rb") as file:
            entry = file.read(ENTRY_BYTES)
        return entry[4:16] if entry[16] == IN_FLIGHT else None

    def children(self, pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            found = [int(child) for child in file.read().split()]
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    found += [int(child) for child in file.read().split()]
        return set(found)

    def quarantine(self):
        folder = os.path.join(self.spool, "agent", "quarantine")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        texts = {}
        for name in names:
            if name.endswith(".why"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    texts[name] = file.read()
        return texts

    def test_after_three_deaths_it_is_in_quarantine_and_all_else_arrived(self):
        # The first time it dies while it waits for the symbolizer, which somebody has stopped.
        with self.agent() as agent:
            self.report(1, "job")
            self.wait_status(lambda status: status["occurrences"] == 1)
            self.wait(lambda: self.in_flight() is None, "the first is done with")
            for child in self.children(agent.process.pid):
                os.kill(child, signal.SIGSTOP)
            self.report(1, "killer")
            self.wait(self.in_flight, "the killer is being worked on")
            killer = self.in_flight()
            agent.kill9()
        with contextlib.closing(sqlite3.connect(os.path.join(self.state, "towbar.db"))) as database:
            database.execute(STALL)
        # Then twice while it stores it; others come first, before and meanwhile.
        n_stored = 1
        for _ in range(2):
            self.report(3, "job")
            n_stored += 3
            with self.agent() as agent:
                self.wait_status(lambda status, n=n_stored: status["occurrences"] == n)
                self.wait(lambda: self.in_flight() == killer, "the killer is being worked on")
                self.assertEqual(self.quarantine(), {})
                agent.kill9()
        self.report(3, "job")
        with self.agent() as agent:
            agent.wait_log("went to quarantine")
            self.wait_status(lambda status: status["occurrences"] == n_stored + 3)
        (why,) = self.quarantine().values()
        self.assertIn("the agent died 3 times while it worked on this record", why)
        services = {data["custom"]["service"] for data in self.occurrences()}
        self.assertEqual(services, {"job"})

    def test_what_gets_through_in_the_end_is_not_in_quarantine(self):
        with self.agent():
            self.report(1, "job")
            self.wait_status(lambda status: status["occurrences"] == 1)
        database = sqlite3.connect(os.path.join(self.state, "towbar.db"), isolation_level=None)
        database.execute(STALL)
        self.report(1, "killer")
        for _ in range(2):
            with self.agent() as agent:
                self.wait(self.in_flight, "the killer is being worked on")
                agent.kill9()
        database.execute("DROP TRIGGER stall")
        database.close()
        with self.agent():
            self.wait_status(lambda status: status["occurrences"] == 2)
        self.assertEqual(self.quarantine(), {})


if __name__ == "__main__":
    unittest.main()
