"""Indexes of symbols are built once, kept in the state folder, and are nobody's else."""

import glob
import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

SOMEBODY = 54321


def on_disk(path):
    stat = os.stat(path)
    return max(stat.st_size, stat.st_blocks * 512)


class SymbolIndexTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.job = self.compile("job.c")
        self.crash_line = towbar.line_of(os.path.join(self.path("src"), "job.c"), "crash")

    def crash(self, **how):
        self.run_program(self.job, "crash", check=-signal.SIGSEGV, **how)

    def status(self):
        """That of the agent, who knows."""
        done = self.towbar(
            "status", "--json", "--state-dir", self.state, "--socket", self.socket, check=None
        )
        return {"symbol_files": 0, **json.loads(done.stdout)}

    def indexes(self):
        return sorted(glob.glob(os.path.join(self.state, "symbols", "*", "*.tbx")))

    def newest(self):
        """Innermost frame, and what is said of the program, of the newest crash."""
        data = self.occurrences()[0]
        frame = data["body"]["trace"]["frames"][-1]
        modules = {m["name"]: m for m in data["custom"]["native"]["modules"]}
        return frame, modules["job"]

    def assert_named(self, symbols="debug"):
        frame, module = self.newest()
        self.assertEqual((frame["method"], frame.get("lineno")), ("push", self.crash_line))
        self.assertEqual(module["symbols"], symbols)

    def test_index_outlives_the_agent_and_the_program(self):
        with self.agent() as agent:
            self.crash()
            status = self.wait_status(lambda s: s["occurrences"] == 1 and s["symbol_files"] > 0)
            self.assert_named()
            self.assertEqual(status["symbol_files"], len(self.indexes()))
            self.assertEqual(
                status["symbol_bytes"], sum(on_disk(path) for path in self.indexes())
            )
            text = self.towbar(
                "status", "--state-dir", self.state, "--socket", self.socket, check=None
            ).stdout
            self.assertIn("indexes of debug data", text)
            agent.kill9()
        for path in self.indexes():
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        # What it was built from is gone: the next agent has the names from its file alone.
        before = {path: os.stat(path).st_ino for path in self.indexes()}
        self.crash()
        os.rename(self.job, self.job + ".moved")
        self.once()
        self.assert_named("unreadable")
        self.assertEqual({path: os.stat(path).st_ino for path in self.indexes()}, before)
        # Another program is there now.
        os.rename(self.job + ".moved", self.job)
        self.crash()
        self.compile("job.c", "-O2", "-DANOTHER", output="other")
        os.rename(self.path("other"), self.job)
        self.once()
        self.assert_named("changed")

    def test_damaged_indexes_are_built_anew(self):
        self.crash()
        self.once()
        self.assert_named()
        for n, path in enumerate(self.indexes()):
            with open(path, "r+b") as file:
                if n % 2:
                    file.truncate(os.fstat(file.fileno()).st_size // 2)
                else:
                    file.seek(150)
                    file.write(b"\xff" * 64)
        damaged = {path: os.stat(path).st_ino for path in self.indexes()}
        self.crash()
        self.once()
        self.assert_named()
        after = {path: os.stat(path).st_ino for path in self.indexes()}
        self.assertEqual(set(after), set(damaged))
        job = [path for path in after if after[path] != damaged[path]]
        self.assertTrue(job, "at least that of the program was written again")

    def test_what_was_half_written_goes_and_nothing_is_kept_without_room(self):
        os.makedirs(os.path.join(self.state, "symbols"))
        half = os.path.join(self.state, "symbols", "half-written")
        with open(half, "wb") as file:
            file.write(b"x" * 1000)
        self.write_config("symbols:\n  cache_bytes: 0\n")
        self.crash()
        self.once()
        self.assert_named()
        self.assertEqual(self.indexes(), [])
        self.assertFalse(os.path.exists(half))

    def test_folder_that_cannot_be_written_costs_no_answer(self):
        os.makedirs(self.state, mode=0o700)
        with open(os.path.join(self.state, "symbols"), "w", encoding="ascii") as file:
            file.write("in the way")
        self.crash()
        done = self.once()
        self.assert_named()
        self.assertIn("cannot keep indexes of symbols", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "files of several users need root")
    def test_agent_of_an_ordinary_user_keeps_indexes_of_its_own(self):
        """Those of root's files too, which it may read like everybody."""
        for name in ("spool", "state", "home"):
            os.makedirs(self.path(name), exist_ok=True)
            os.chown(self.path(name), SOMEBODY, SOMEBODY)
        os.chmod(self.folder, 0o755)
        who = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []}
        seen = []
        for _ in range(2):
            self.crash(**who)
            done = subprocess.run(
                self.agent_argv("--once"), env=self.agent_env(), capture_output=True, text=True,
                timeout=towbar.DEADLINE_S, check=False, **who,
            )  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_named()
            seen.append({path: os.stat(path).st_ino for path in self.indexes()})
        self.assertEqual(seen[0], seen[1])
        self.assertEqual({os.stat(path).st_uid for path in seen[0]}, {SOMEBODY})
        self.assertTrue(any(path.endswith("-0.tbx") for path in seen[0]), seen[0])

    @unittest.skipUnless(os.geteuid() == 0, "files of several users need root")
    def test_index_of_another_user_names_nothing_of_mine(self):
        """The same program of another owner has an index of its own."""
        self.crash()
        self.once()
        mine = self.indexes()
        os.chown(self.job, SOMEBODY, SOMEBODY)
        self.crash()
        self.once()
        self.assert_named()
        new = set(self.indexes()) - set(mine)
        self.assertTrue(any(path.endswith(f"-{SOMEBODY}.tbx") for path in new), new)


if __name__ == "__main__":
    unittest.main()
