"""What is acknowledged to the spool is in the database: whatever happens to the database."""

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

PARTS = ("towbar.db", "towbar.db-wal", "towbar.db-shm")


class HandOverTest(towbar.Case):
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

    # ---- full, locked ----

    def test_its_disk_is_full(self):
        os.mkdir(self.state, 0o700)
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "none", self.state]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            self.skipTest("no file system can be mounted here; the next test does without")
        self.addCleanup(subprocess.run, ["umount", "-l", self.state], check=True)
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            with open(self.database("ballast"), "wb", buffering=0) as ballast:
                for size in (65536, 512):
                    with contextlib.suppress(OSError):
                        while True:
                            ballast.write(b"x" * size)
            self.report(5)
            self.assert_refuses(agent, "full", "free some space")
            self.report(5)
            self.assertEqual(self.n_stored(), 2)
            os.unlink(self.database("ballast"))
            self.assert_works(agent, 12)

    def test_its_files_may_grow_no_more(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            before = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (65536, before[1]))
            self.report(5)
            self.assert_refuses(agent, "cannot store", "the spool keeps what comes")
            self.report(5)
            self.assertEqual(self.n_stored(), 2)
            resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, before)
            self.assert_works(agent, 12)

    def test_it_is_locked(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            other = sqlite3.connect(self.database(), isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            self.report(5)
            self.assert_refuses(agent, "locked", "end that program")
            self.report(5)
            self.assertEqual(self.n_stored(), 2)
            other.execute("ROLLBACK")
            other.close()
            self.assert_works(agent, 12)

    # ---- damaged ----

    def damage(self):
        with open(self.database(), "r+b") as file:
            good = file.read(8192)
            file.seek(0)
            file.write(os.urandom(8192))
        return good

    def test_its_beginning_is_written_over_and_put_back(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            good = self.damage()
            self.report(5)
            self.assert_refuses(agent, "wrote over", "move it aside")
            self.report(5)
            with open(self.database(), "r+b") as file:
                file.write(good)
            self.assert_works(agent, 12)

    def test_its_beginning_is_written_over_and_it_is_moved_aside(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            self.damage()
            self.report(5)
            self.assert_refuses(agent, "wrote over", "move it aside")
            for part in PARTS:
                os.rename(self.database(part), self.path(part))
            self.assert_works(agent, 5)

    # ---- moved, deleted ----

    def test_it_is_moved_aside(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            old = self.path("old")
            os.mkdir(old)
            for part in PARTS:
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
                os.rename(self.database(), self.path(f"old{i}"))
                self.report(5)
                self.assert_works(agent, 5)
            agent.kill9()
        self.assertEqual(self.n_stored(), 5)

    def read_all(self, path):
        with contextlib.closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT uuid FROM occurrences").fetchall()

    def test_it_is_deleted(self):
        with self.agent() as agent:
            self.report(2)
            self.wait_stored(2)
            for part in PARTS:
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
            for part in PARTS:
                os.rename(self.database(part), self.path(part))
            os.rename(self.path("newer"), self.database())
            self.report(5)
            self.assert_refuses(agent, "newer")
            self.report(5)
            os.unlink(self.database())
            self.assert_works(agent, 10)

    # ---- too much ----

    def test_what_is_over_the_limits_is_evicted_counted_and_said(self):
        self.write_config("spool_limits:\n  max_bytes: 1048576\n")
        with self.agent() as agent:
            self.report(1)
            self.wait_stored(1)
            other = sqlite3.connect(self.database(), isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            for _ in range(12):  # 256 KiB each
                self.report(3)
            self.wait_status_of_agent(lambda status: self.n_evicted(status) > 0)
            other.execute("ROLLBACK")
            other.close()
            status = self.wait_status_of_agent(
                lambda status: status["occurrences"] + self.n_evicted(status) == self.n_reported
            )
            evicted = self.n_evicted(status)
            self.assert_works(agent, self.n_reported - evicted)
            agent.wait_log("over its limits")
            said = self.towbar("status", "--state-dir", self.state, "--socket", self.socket)
            self.assertIn(f"evicted   {evicted} errors went unread", said.stdout)
        with self.agent():  # And that stays.
            status = self.wait_status_of_agent(lambda status: True)
            self.assertEqual(self.n_evicted(status), evicted)

    def n_evicted(self, status):
        evicted = status["spool_lifetime"]["evicted"]
        self.assertEqual(sum(evicted.values()), evicted["error"])
        return evicted["error"]

    def wait_status_of_agent(self, predicate):
        def ask():
            (status,) = self.read_json("status", "--socket", self.socket, check=None)
            return status

        end = time.monotonic() + towbar.DEADLINE_S
        status = ask()
        while not predicate(status):
            self.assertLess(time.monotonic(), end, status)
            status = ask()
        return status


if __name__ == "__main__":
    unittest.main()
