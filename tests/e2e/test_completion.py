"""towbar completion: the scripts are read by their shells, and bash really completes with it."""

import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

COMPLETE = r"""
source "$SCRIPT" || exit 3
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_towbar
printf '%s\n' "${COMPREPLY[@]}"
"""


class CompletionTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.script = self.path("towbar.bash")
        with open(self.script, "w", encoding="utf-8") as out:
            out.write(self.towbar("completion", "bash").stdout)

    def complete(self, *words):
        done = subprocess.run(
            ["bash", "--norc", "-c", COMPLETE, "bash", *words],
            env=dict(self.agent_env(), SCRIPT=self.script), cwd=self.folder, check=False,
            capture_output=True, text=True, timeout=towbar.DEADLINE_S,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return sorted(done.stdout.split())

    def verbs(self):
        text = self.towbar("help").stdout
        return sorted(re.findall(r"^  (\w+) ", text, re.MULTILINE))

    def test_every_verb_is_offered(self):
        self.assertGreater(len(self.verbs()), 10)
        self.assertEqual(self.complete("towbar", ""), self.verbs())
        self.assertEqual(self.complete("towbar", "ch"), ["check"])
        self.assertEqual(self.complete("towbar", "help", "oc"), ["occurrences"])

    def test_each_verb_is_offered_its_own_options(self):
        for verb in self.verbs():
            text = self.towbar(verb, "--help").stdout.split("options:", 1)[1]
            wanted = sorted(set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)) | {"--version"})
            self.assertEqual(self.complete("towbar", verb, "--"), wanted, verb)

    def test_a_verb_is_known_after_options_with_values(self):
        self.assertEqual(self.complete("towbar", "--spool", "items", "spool", "ver"), ["verify"])
        self.assertEqual(self.complete("towbar", "test", "--level", "cr"), ["critical"])

    def test_files_and_folders_are_offered_where_they_are_meant(self):
        self.assertIn("towbar.bash", self.complete("towbar", "items", "--config", "towbar"))
        self.assertEqual(self.complete("towbar", "items", "--state-dir", "ho"), ["home"])
        self.assertIn("towbar.bash", self.complete("towbar", "check", "towbar"))

    def test_the_other_shells_can_read_theirs(self):
        for shell, check in (("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
            text = self.towbar("completion", shell).stdout
            for verb in self.verbs():
                self.assertIn(verb, text)
            if shutil.which(shell) is None:
                continue
            path = self.path(shell)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
            done = subprocess.run([*check, path], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), shell)


if __name__ == "__main__":
    unittest.main()
