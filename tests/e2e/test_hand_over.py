"""What is acknowledged to the spool is in the database: the database full, locked, damaged; and a
spool that is over its limits meanwhile."""

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import hand_over  # noqa: E402
import towbar  # noqa: E402


class HandOverTest(hand_over.HandOverCase):
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
            for part in hand_over.PARTS:
                os.rename(self.database(part), self.path(part))
            self.assert_works(agent, 5)

    # ---- too much ----

    def test_what_is_over_the_limits_is_evicted_counted_and_said(self):
        self.write_config("spool_limits:\n  max_bytes: 1048576\n")
        with self.agent() as agent:
            self.report(1)
            self.wait_stored(1)
            other = sqlite3.connect(self.database(), isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            for _ in range(12):  # in a file of more than 100 KiB each
                self.report(300)
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
