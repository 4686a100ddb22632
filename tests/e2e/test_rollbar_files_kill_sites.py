"""towbard --once over .rollbar files and logs, killed at each system call by which it writes: then it
runs again, and each line has arrived exactly once. None of them has a uuid of its own."""

import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import test_kill_sites  # noqa: E402
import towbar  # noqa: E402

N_LINES = test_kill_sites.N_REPORTS + 1


@unittest.skipUnless(shutil.which("strace"), "strace is not installed (package strace)")
class FilesKillSitesTest(test_kill_sites.KillSitesTest):
    """The sites, the kills and what must hold are the parent's; the reports come from files."""

    def setUp(self):
        towbar.Case.setUp(self)
        self.logs = self.path("logs")
        self.write_config(
            test_kill_sites.CONFIG + f"rollbar_files:\n  paths: [{self.logs}]\n"
            f"log_files:\n  - path: {self.logs}/*.log\n    pattern: '^E (?<message>.*)'\n"
        )
        os.makedirs(self.logs)
        self.state_template = self.path("state-template")
        self.state, self.spool = self.state_template, self.path("spool-template")
        self.once()  # From now on logs are read from their beginning.

    def fresh(self, number):
        self.spool = self.path(f"spool{number}")
        self.state = self.path(f"state{number}")
        shutil.copytree(self.state_template, self.state)
        shutil.rmtree(self.logs)
        os.makedirs(self.logs)
        item = {"data": {"environment": "test", "body": {"message": {"body": "the same"}}}}
        for name, n_lines in (("a.rollbar", 2), ("b.rollbar", 1)):
            with open(os.path.join(self.logs, name), "w", encoding="utf-8") as file:
                file.write((json.dumps(item) + "\n") * n_lines)
        with open(os.path.join(self.logs, "c.log"), "w", encoding="utf-8") as file:
            file.write("E one\n two\n" * (N_LINES - 3))
        old = os.stat(self.config).st_mtime - 60
        os.utime(os.path.join(self.logs, "c.log"), (old, old))


def load_tests(loader, unused_tests, unused_pattern):
    """The parent's tests belong to its own program."""
    return loader.loadTestsFromTestCase(FilesKillSitesTest)


if __name__ == "__main__":
    unittest.main()
