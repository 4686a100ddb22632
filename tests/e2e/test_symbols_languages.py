"""Crashes in programs that are not C have the frames that a debugger shows."""

import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import debugger  # noqa: E402
import symbols  # noqa: E402

WAYS = ("lambda", "sort", "catch", "function")
MORE_WAYS = ("virtual", "map", "library", "template")


class LanguagesTest(symbols.Case):
    def test_cxx(self):
        programs = {"g++ -O2": self.compiled("shop.cc", "shop-g++", "-O2", compiler="g++")}
        self.compare(programs, WAYS)

    @unittest.skipUnless(os.environ.get("TOWBAR_LONG"), "the long form")
    def test_cxx_by_more_compilers(self):
        compilers = [name for name in ("g++", "clang++") if shutil.which(name)]
        programs = {
            f"{name} {level}": self.compiled("shop.cc", f"{name}{level}", level, compiler=name)
            for name in compilers
            for level in ("-O0", "-O2", "-O3", "-Os")
        }
        self.compare(programs, WAYS + MORE_WAYS)

    def compare(self, programs, ways):
        jobs, crashes = {}, {}
        for name, program in programs.items():
            for way in ways:
                jobs[f"{name} {way}"] = debugger.job(program, [way])
                crashes[f"{name} {way}"] = self.crash(program, way)
        stacks = self.stacks(**jobs)
        read = self.read()
        for key, crash in crashes.items():
            with self.subTest(key):
                self.assertEqual(stacks[key][-1].function, "main")
                self.assert_same(read[crash], stacks[key])
                # A guess that is right is right by luck.
                frames = read[crash]["body"]["trace"]["frames"]
                self.assertLessEqual({f["trust"] for f in frames}, {"context", "cfi", "tail"}, key)


if __name__ == "__main__":
    unittest.main()
