"""What is acknowledged to the spool is in the database at its path: the database moved, deleted, newer."""

import contextlib
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import hand_over  # noqa: E402


class MovedTest(hand_over.HandOverCase):
    # ---- moved, deleted ----

    def test_it_is_moved_aside(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            old = self.path("old")
            os.mkdir(old)
            for part in hand_over.PARTS:
                os.rename(self.database(part), os.path.join(old, part))
            self.report(5)
            self.assert_works(agent, 5)
            agent.wait_log("moved or deleted")
            self.assertEqual(len(self.read_all(os.path.join(old, "towbar.db"))), 2)
            self.report(5)
            self.assert_works(agent, 10)
        self.assertEqual(self.n_stored(), 10)

    def test_it_alone_is_moved_aside(self):
        """Without its -wal and -shm files."""
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            for i in range(3):
                old = self.path(f"old{i}")
                os.rename(self.database(), old)
                if i == 1:  # Without a report: the new one is made all the same.
                    agent.wait_log("moved or deleted", n=2)
                self.report(5)
                self.assert_works(agent, 5)
                self.assertEqual(len(self.read_all(old)), 2 if i == 0 else 5)
            agent.kill9()
        self.assertEqual(self.n_stored(), 5)

    def read_all(self, path):
        with contextlib.closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT uuid FROM occurrences").fetchall()

    def test_it_is_deleted(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            for part in hand_over.PARTS:
                os.unlink(self.database(part))
            self.report(5)
            self.assert_works(agent, 5)
            agent.kill9()
        self.assertEqual(self.n_stored(), 5)

    def test_its_wal_file_is_deleted(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            os.unlink(self.database("towbar.db-wal"))
            self.report(5)
            self.assert_refuses(agent, "-wal file", "restart towbard")
        with self.agent() as agent:
            self.assert_works(agent, 7)

    def test_the_spool_is_moved_and_put_back(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            os.rename(self.spool, self.path("elsewhere"))
            agent.wait_log("was moved or removed")
            self.assertEqual(agent.get("/readyz")[0], 503)
            said = self.towbar("status", "--state-dir", self.state, "--socket", self.socket, check=1)
            self.assertIn("restart towbard", said.stdout)
            os.rename(self.path("elsewhere"), self.spool)
            agent.wait_log("back in its place")
            self.report(3)
            self.assert_works(agent, 5)

    # ---- newer ----

    def make_newer(self, path):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            (before,) = database.execute("PRAGMA user_version").fetchone()
            database.execute("PRAGMA user_version = 999")
        return before

    def test_it_is_newer_at_start(self):
        with self.agent():
            self.report(2)
            self.wait_stored(2)
        before = self.make_newer(self.database())
        refused = self.once(check=1)
        self.assertIn("newer", refused.stdout + refused.stderr)
        self.report(5)
        said = self.towbar("status", "--state-dir", self.state, check=1)
        self.assertIn("newer", said.stdout + said.stderr)
        with contextlib.closing(sqlite3.connect(self.database(), isolation_level=None)) as database:
            database.execute(f"PRAGMA user_version = {before}")
        with self.agent() as agent:  # Here it needs a start, for the agent does not run.
            self.assert_works(agent, 7)

    def test_a_newer_one_is_put_in_its_place(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            with contextlib.closing(sqlite3.connect(self.database())) as database:
                with contextlib.closing(sqlite3.connect(self.path("newer"))) as copy:
                    database.backup(copy)
            self.make_newer(self.path("newer"))
            for part in hand_over.PARTS:
                os.rename(self.database(part), self.path(part))
            os.rename(self.path("newer"), self.database())
            self.report(5)
            self.assert_refuses(agent, "newer")
            self.report(5)
            os.unlink(self.database())
            self.assert_works(agent, 10)


if __name__ == "__main__":
    unittest.main()
