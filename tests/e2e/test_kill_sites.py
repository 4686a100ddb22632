"""The agent as a whole, killed at each system call by which it writes: towbard --once under strace,
which sends SIGKILL at the n-th call. Then it runs again, undisturbed, and each report has arrived
exactly once. Every site in the long form (TOWBAR_LONG=1), else as many as SHORT_S allow, drawn from
a seed."""

import collections
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

LONG = os.environ.get("TOWBAR_LONG") == "1"
SHORT_S = 12
SHORT_MIN = 3  # on a machine so slow that SHORT_S are over before
SEED = 20261125
N_REPORTS = 3
CALLS = [
    "pwrite64", "pwritev", "write", "writev", "fdatasync", "fsync", "fallocate", "ftruncate",
    "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "sendto", "openat",
]  # fmt: skip
CONFIG = (
    "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n  timeout_ms: 5000\n"
    "symbols:\n  debug_dirs: [/nonexistent]\n"
)


@unittest.skipUnless(shutil.which("strace"), "strace is not installed (package strace)")
class KillSitesTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.write_config(CONFIG)
        self.template = self.spool + "-template"
        self.spool = self.template
        self.run_program(self.compile("many.c"), str(N_REPORTS), check=0)
        self.run_program(self.compile("job.c"), "crash", check=-signal.SIGSEGV)

    def fresh(self, number):
        """The reports once more, for an agent that knows nothing yet."""
        self.spool = self.path(f"spool{number}")
        self.state = self.path(f"state{number}")
        shutil.copytree(self.template, self.spool)

    def forget(self):
        shutil.rmtree(self.spool)
        shutil.rmtree(self.state, ignore_errors=True)

    def strace(self, fake, *flags):
        """The exit code of towbard --once under strace."""
        argv = ["strace", "-f", "-qq", *flags, *self.agent_argv("--once")]
        env = self.agent_env(fake, ASAN_OPTIONS="detect_leaks=0")
        done = subprocess.run(
            argv, env=env, capture_output=True, text=True, errors="replace",
            timeout=towbar.DEADLINE_S, check=False,
        )  # fmt: skip
        return done

    def sites(self):
        """All (call, n): the n-th of these calls that some thread makes."""
        self.fresh("-counting")
        log = self.path("strace.log")
        with FakeRollbar(token=towbar.TOKEN) as fake:
            known = [c for c in CALLS if self.knows(c)]
            done = self.strace(fake, "-o", log, "-e", "trace=" + ",".join(known))
            if "PTRACE" in done.stderr or "ptrace" in done.stderr:
                self.skipTest("this machine does not let strace trace: " + done.stderr[:200])
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.forget()
        counts = collections.Counter()
        found = set()
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                match = re.match(r"(\d+) +(\w+)\((.*)", line)
                if not match:
                    continue
                thread, call, rest = match.groups()
                counts[thread, call] += 1
                if call != "openat" or "O_CREAT" in rest:
                    found.add((call, counts[thread, call]))
        return sorted(found)

    @staticmethod
    def knows(call):
        """Not every machine has every call."""
        argv = ["strace", "-qq", "-e", "trace=" + call, "true"]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def kill_at(self, number, call, n):
        """Whether the agent was killed there; all has arrived in any case."""
        self.fresh(number)
        with FakeRollbar(token=towbar.TOKEN) as fake:
            done = self.strace(
                fake, "-o", os.devnull, "-e", f"trace={call}",
                "-e", f"inject={call}:signal=SIGKILL:when={n}",
            )  # fmt: skip
            killed = done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
            self.assertIn(done.returncode, (0, -signal.SIGKILL, 128 + signal.SIGKILL), done.stderr)
            end = time.monotonic() + towbar.DEADLINE_S
            self.once(fake)
            while self.status()["sent"] < N_REPORTS + 1 and time.monotonic() < end:
                self.once(fake)
            uuids = [occurrence.data["uuid"] for occurrence in fake.occurrences]
            where = f"killed at {call} {n}: {self.status()}"
            self.assertEqual(len(uuids), N_REPORTS + 1, where)
            self.assertEqual(len(set(uuids)), N_REPORTS + 1, where)
            status = self.status()
            self.assertEqual(status["sent"], N_REPORTS + 1, where)
            self.assertEqual(status["queued"] + status["dropped"] + status["quarantined"], 0, where)
            self.assertEqual(fake.warnings, [], where)
        self.forget()
        return killed

    def test_killed_at_any_write_it_sends_each_report_once(self):
        sites = self.sites()
        self.assertGreater(len(sites), 30, sites)
        n_sites = len(sites)
        random.Random(SEED).shuffle(sites)
        end = time.monotonic() + SHORT_S
        n_kills = n_tried = 0
        for call, n in sites:
            if not LONG and time.monotonic() > end and n_kills >= SHORT_MIN:
                break
            n_tried += 1
            n_kills += self.kill_at(n_tried, call, n)
        print(f"{n_sites} sites, {n_tried} tried: {n_kills} kills, {n_tried * (N_REPORTS + 1)} "
              f"reports, 0 lost, 0 doubled")  # fmt: skip
        self.assertGreaterEqual(n_kills, min(n_tried, SHORT_MIN))


if __name__ == "__main__":
    unittest.main()
