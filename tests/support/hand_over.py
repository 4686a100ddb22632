"""What the tests of the hand-over share: reports that the spool takes, and what the agent says while
the database does not."""

import os
import time

import towbar

PARTS = ("towbar.db", "towbar.db-wal", "towbar.db-shm")


class HandOverCase(towbar.Case):
    def setUp(self):
        super().setUp()
        self.many = self.compile("many.c")
        self.write_config("symbols:\n  debug_dirs: [/nonexistent]\n")
        self.n_reported = 0

    def report(self, n):
        """The spool takes them, whatever the database does."""
        done = self.run_program(self.many, str(n), check=0)
        self.assertEqual(done.stdout.splitlines(), [f"ok {i}" for i in range(n)])
        self.n_reported += n

    def n_stored(self):
        return len(self.occurrences())

    def wait_stored(self, n):
        self.wait_status(lambda status: status["occurrences"] == n)
        self.assertEqual(self.n_stored(), n)

    def database(self, name="towbar.db"):
        return os.path.join(self.state, name)

    def n_spooled(self):
        return len([name for name in os.listdir(os.path.join(self.spool, "in")) if ".seg" in name])

    def assert_refuses(self, agent, *words):
        """Nothing is stored or acknowledged; both ways to ask say why, with the cure."""
        end = time.monotonic() + towbar.DEADLINE_S
        status, reason = agent.get("/readyz")
        while (status != 503 or words[0] not in reason.decode()) and time.monotonic() < end:
            time.sleep(0.02)  # There is nothing to wait on but the answer.
            status, reason = agent.get("/readyz")
        said = self.towbar("status", "--state-dir", self.state, "--socket", self.socket, check=1)
        for word in words:
            self.assertIn(word, reason.decode())
            self.assertIn(word, said.stdout)
        self.assertEqual(status, 503)
        self.assertEqual(agent.get("/healthz")[0], 200)
        self.assertGreater(self.n_spooled(), 0)

    def assert_works(self, agent, n):
        self.wait_stored(n)
        end = time.monotonic() + towbar.DEADLINE_S
        while agent.get("/readyz")[0] != 200 and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(agent.get("/readyz"), (200, b"ok\n"))
