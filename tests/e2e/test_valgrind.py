"""valgrind finds nothing in towbard --once over a spool with an error and a crash."""

import os
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

VALGRIND_MAX_S = 240
FOUND_SOMETHING = 99


@unittest.skipUnless(os.environ.get("TOWBAR_CHECKS") == "1", "run with TOWBAR_CHECKS=1")
@unittest.skipIf(towbar.SANITIZE, "valgrind and sanitizers do not mix")
class ValgrindTest(towbar.Case):
    def setUp(self):
        super().setUp()
        if not shutil.which("valgrind"):
            self.skipTest("valgrind is not installed (package valgrind)")

    def valgrind(self, argv, env):
        log = self.path("valgrind.log")
        done = subprocess.run(
            [
                "valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite",
                f"--error-exitcode={FOUND_SOMETHING}", f"--log-file={log}", *argv,
            ],
            env=env, capture_output=True, text=True, timeout=VALGRIND_MAX_S, check=False,
        )  # fmt: skip
        with open(log, encoding="utf-8", errors="replace") as file:
            self.assertEqual(done.returncode, 0, file.read() + done.stderr)

    def test_the_agent_over_an_error_and_a_crash(self):
        job = self.compile("job.c", "-O1")
        self.run_program(job, "both", check=-signal.SIGSEGV)
        with FakeRollbar(token=towbar.TOKEN) as fake:
            self.valgrind(self.agent_argv("--once"), self.agent_env(fake))
            self.assertEqual(len(fake.occurrences), 2)
            self.assert_clean(fake)

    def test_the_library_over_errors(self):
        job = self.compile("job.c", "-O1")
        self.valgrind([job, "error", "3"], self.program_env())
        self.once()
        self.assertEqual(len(self.occurrences()), 3)


if __name__ == "__main__":
    unittest.main()
