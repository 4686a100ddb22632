"""Of a stack too deep to be shown whole, both ends are there: who crashed, and who began it."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402


TRIES = 5


class DeepTest(towbar.Case):
    def crash_once(self, program, args):
        self.run_program(program, *args, check=-signal.SIGSEGV)
        self.once()
        (data,) = self.occurrences()
        return data, [frame["method"] for frame in data["body"]["trace"]["frames"]]

    def crash(self, *args, title="SIGSEGV in descend"):
        program = self.compile("deep.c", "-O1", "-fno-optimize-sibling-calls")
        data, methods = self.crash_once(program, args)
        for i in range(TRIES):
            if "begin_it" in methods:
                break
            # The outer end is looked for as long as there is time: a busy machine took all of it.
            self.spool, self.state = self.path(f"spool-{i}"), self.path(f"state-{i}")
            data, methods = self.crash_once(program, args)
        native = data["custom"]["native"]
        self.assertEqual(methods[-1], "descend")
        self.assertEqual(data["title"], title)
        oldest = native["frames_oldest"]
        self.assertEqual(set(methods[methods.index("begin_it") + 1 :]), {"descend"})
        self.assertLess(methods.index("begin_it"), oldest)
        self.shown = shown = self.towbar("item", "1", "--state-dir", self.state).stdout
        self.assertIn(f">  {native['frames_omitted']} frames are left out\n", shown)
        self.assertLess(shown.index("left out"), shown.index("begin_it  "))
        return data, methods

    def test_crash_in_a_deep_recursion(self):
        data, methods = self.crash("20000")
        self.assertEqual(methods[:2], ["main", "begin_it"])
        # Those of descend, begin_it and main.
        n_all = len(methods) + data["custom"]["native"]["frames_omitted"]
        self.assertAlmostEqual(n_all, 20003, delta=5)
        self.assertIn("functions: descend < begin_it\n", self.shown)

    def test_crash_a_little_deeper_than_the_list(self):
        data, methods = self.crash("520")
        self.assertEqual(methods[:2], ["main", "begin_it"])
        n_all = len(methods) + data["custom"]["native"]["frames_omitted"]
        self.assertAlmostEqual(n_all, 523, delta=5)

    def test_stack_overflow(self):
        data, methods = self.crash(title="stack overflow in descend")
        self.assertEqual(methods[:2], ["main", "begin_it"])
        message = data["body"]["trace"]["exception"]["message"]
        self.assertRegex(message, r"^stack overflow: .*, \d{4,} frames deep, descend calls itself$")

    def test_stack_overflow_of_a_thread(self):
        _, methods = self.crash("-1", "thread", title="stack overflow in descend")
        self.assertEqual(methods[:2], ["work", "begin_it"])


if __name__ == "__main__":
    unittest.main()
