"""towbar symbolize: a program, a file of the spool, a text; no agent was ever there."""

import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402


class SymbolizeTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.job = self.compile("job.c", "-O1")
        self.crash_line = towbar.line_of(os.path.join(self.path("src"), "job.c"), "crash")

    def address_of(self, name):
        table = subprocess.run(["nm", self.job], capture_output=True, text=True, check=True).stdout
        (address,) = [line.split()[0] for line in table.splitlines() if line.endswith(f" {name}")]
        return int(address, 16)

    def symbolize(self, *args, check=0, **kwargs):
        done = subprocess.run(
            [towbar.binary("towbar"), "symbolize", *args, "--state-dir", self.state,
             "--spool", self.spool],
            env=self.agent_env(), capture_output=True, text=True, timeout=towbar.DEADLINE_S,
            check=False, **kwargs,
        )  # fmt: skip
        self.assertEqual(done.returncode, check, done.stdout + done.stderr)
        return done

    def test_addresses_of_a_program(self):
        push = self.address_of("push")
        done = self.symbolize("--exe", self.job, hex(push), f"{push:x}", "0x1")
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], rf"^{hex(push)}: push at .*job\.c:\d+$")
        self.assertEqual(lines[1], lines[0])
        self.assertEqual(lines[2], "0x1: ??")
        (place,) = [
            json.loads(line)
            for line in self.symbolize("--json", "--exe", self.job, hex(push)).stdout.splitlines()
        ]
        self.assertEqual(place["address"], hex(push))
        self.assertEqual(place["symbols"], "debug")
        self.assertEqual(place["frames"][0]["method"], "push")

    def test_more_addresses_than_are_asked_at_once(self):
        push = self.address_of("push")
        done = self.symbolize("--exe", self.job, *[hex(push)] * 150)
        self.assertEqual(len(done.stdout.splitlines()), 150)
        self.assertEqual(len(set(done.stdout.splitlines())), 1)

    def test_text_of_backtrace_symbols(self):
        push = self.address_of("push") + 1  # As if a call of one byte had been there.
        text = (
            f"one {self.job}(+{hex(push)}) [0x55]\n"
            f"two {self.job}(push+0x1)[0x56] and ./job+{hex(push)}\n"
            "no /nothing/here(+0x10), no job, 1+0x10\n"
        )
        done = self.symbolize("-", input=text, cwd=self.folder)
        one, two, three = done.stdout.splitlines()
        self.assertRegex(one, rf"^one {self.job}: push at \S+job\.c:\d+ \[0x55\]$")
        self.assertRegex(two, rf"^two {self.job}: push at \S+ \[0x56\] and \./job: push at \S+$")
        self.assertEqual(three, text.splitlines()[2])
        with open(self.path("log"), "w", encoding="ascii") as file:
            file.write(text)
        same = self.symbolize(self.path("log"), cwd=self.folder)
        self.assertEqual(same.stdout, done.stdout)
        places = [
            json.loads(line)
            for line in self.symbolize("--json", "-", input=text, cwd=self.folder)
            .stdout.splitlines()
        ]
        self.assertEqual([place["line"] for place in places], [1, 2, 2])
        self.assertEqual([place["frames"][0]["method"] for place in places], ["push"] * 3)

    def test_text_with_blanks_and_with_a_nul(self):
        push = hex(self.address_of("push") + 1)
        text = f"a\0b job +{push}\0\n\0c"
        done = self.symbolize("-", input=text, cwd=self.folder)
        self.assertRegex(done.stdout, r"\Aa\0b job: push at \S+job\.c:\d+\0\n\0c\Z")
        self.assertEqual(json.loads(
            self.symbolize("--json", "-", input=f"\0\njob +{push}", cwd=self.folder).stdout
        )["line"], 2)  # fmt: skip

    def test_files_of_the_spool(self):
        self.run_program(self.job, "both", check=-signal.SIGSEGV)
        texts = []
        for name in sorted(os.listdir(os.path.join(self.spool, "in"))):
            path = os.path.join(self.spool, "in", name)
            done = subprocess.run(
                [towbar.binary("towbar"), "symbolize", path, "--state-dir", self.state],
                env=self.agent_env(), capture_output=True, text=True,
                timeout=towbar.DEADLINE_S, check=False,
            )  # fmt: skip
            texts.append(done.stdout)
            if done.returncode == 0:  # By its name alone, and as an item.
                self.assertEqual(self.symbolize(name).stdout, done.stdout)
                for line in self.symbolize("--json", name).stdout.splitlines():
                    self.assertIn("body", json.loads(line))
        whole = "\n".join(texts)
        self.assertIn("SIGSEGV", whole)
        self.assertIn(f"job.c:{self.crash_line}", whole)
        self.assertIn("read_feed", whole)
        # Nothing was taken: the agent still gets all of it.
        self.once()
        self.assertEqual(len(self.occurrences()), 2)

    def test_wrong_use_and_what_is_not_there(self):
        self.symbolize(check=2)
        self.symbolize("a", "b", check=2)
        self.symbolize("--exe", self.job, check=2)
        self.assertIn("no address", self.symbolize("--exe", self.job, "zz", check=2).stderr)
        self.symbolize("--exe", self.job, "0x1", check=1)
        self.assertIn("No such file", self.symbolize("--exe", "/nothing", "1", check=1).stderr)
        self.assertIn("no ELF file", self.symbolize("--exe", "/etc/passwd", "1", check=1).stderr)
        self.symbolize("-", input="nothing here\n", check=1)
        self.assertIn("--exe FILE", self.symbolize("0x1500", check=2).stderr)
        self.run_program(self.job, "crash", check=-signal.SIGSEGV)
        self.assertIn("there is no 'nothere'", self.symbolize("nothere", check=1).stderr)

    def test_help_says_how(self):
        text = self.towbar("help", "symbolize").stdout
        for word in ("--exe FILE ADDR", "MODULE(FUNCTION+0xOFFSET)", "--all"):
            self.assertIn(word, text)
        self.assertIn("symbolize", self.towbar("help").stdout)


if __name__ == "__main__":
    unittest.main()
