"""Another file where the program was: its frames have the right names or none, never those of
what is there now."""

import os
import shutil
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import debugger  # noqa: E402
import symbols  # noqa: E402

# The next version is the same code at the same addresses: whoever takes it for the other finds a
# name for every frame, and each of them is wrong.
FUNCTIONS = ("store", "push", "compare", "sort_all", "run")
RENAMED = [f"-D{name}=wrong_{name}" for name in FUNCTIONS]

HOWS = {
    # how it happens: (before the crash, what the module's symbols are)
    "replaced-after": (False, "changed"),
    "removed-after": (False, "unreadable"),
    "replaced-before": (True, "changed"),
    "removed-before": (True, "unreadable"),
}


class ChangedTest(symbols.Case):
    def setUp(self):
        super().setUp()
        self.use_debug_dirs(self.debug_dir)
        self.full = self.compiled("queue.c", "full", "-O2")
        self.old = self.stripped(self.full, "old")
        self.new = self.compiled("queue.c", "new", "-O2", *RENAMED)
        self.stack = self.stacks(a=debugger.job(self.full, debug_dirs=[self.debug_dir]))["a"]

    def stripped(self, program, output):
        self.run_tool("strip", "-o", self.path(output), program)
        return self.path(output)

    def placed(self, name, program):
        path = self.path(name, "queue")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(program, path)
        return path

    def change(self, how, path):
        if how.startswith("replaced"):
            shutil.copy(self.new, path + ".next")
            os.rename(path + ".next", path)
        else:
            os.unlink(path)

    def crash_all(self, program):
        """{how: name of the crash}."""
        crashes = {}
        for how, (before, _) in HOWS.items():
            path = self.placed(how, program)
            if before:
                crashes[how] = self.crash_after(path, lambda p, how=how: self.change(how, p))
            else:
                crashes[how] = self.crash(path)
                self.change(how, path)
        return crashes

    def crash_after(self, path, action):
        """It has begun to run when the action is done."""
        self.n_crashes += 1
        name = f"crash-{self.n_crashes}"
        env = self.program_env(TOWBAR_ENVIRONMENT=name, LD_PRELOAD=self.preload())
        process = self.popen([path, "wait"], env)
        self.assertEqual(process.stdout.readline(), "ready\n")
        action(path)
        process.stdin.write("\n")
        process.stdin.flush()
        self.assertEqual(process.wait(symbols.towbar.DEADLINE_S), -signal.SIGSEGV)
        return name

    def own(self, frames):
        return [f for f in frames if f["module"].startswith("queue")]

    def assert_nothing_wrong(self, data):
        for frame in data["body"]["trace"]["frames"]:
            self.assertNotIn("wrong", frame["method"])
        self.assertNotIn("wrong", str(data))

    def assert_no_names(self, data, word):
        self.assert_nothing_wrong(data)
        self.assertEqual(self.module(data, "queue")["symbols"], word)
        frames = self.own(data["body"]["trace"]["frames"])
        self.assertGreaterEqual(len(frames), 4)
        self.assertEqual({f["method"] for f in frames}, {"<unknown>"})
        self.assertFalse(any("lineno" in f or "code" in f for f in frames))

    def assert_right(self, data, word):
        self.assert_nothing_wrong(data)
        self.assertEqual(self.module(data, "queue")["symbols"], word)
        wanted = [f for f in self.stack if f.function in (*FUNCTIONS, "main")]
        ours = [debugger.of_frame(f) for f in reversed(self.own(data["body"]["trace"]["frames"]))]
        found = debugger.differences(ours, wanted)
        if found:
            self.fail(found)

    # ---- what there is to find names in ----

    def test_with_nothing_there_are_no_names(self):
        crashes = self.crash_all(self.full)
        read = self.read()
        for how, (_, word) in HOWS.items():
            with self.subTest(how):
                self.assert_no_names(read[crashes[how]], word)

    def test_a_debug_file_names_them(self):
        self.keep_debug(self.full)
        crashes = self.crash_all(self.old)
        read = self.read()
        for how, (_, word) in HOWS.items():
            with self.subTest(how):
                self.assert_right(read[crashes[how]], word)

    def test_the_index_names_them(self):
        first = self.crash(self.placed("first", self.full))
        self.assert_right(self.read()[first], "debug")
        crashes = self.crash_all(self.full)
        read = self.read()
        for how, (_, word) in HOWS.items():
            with self.subTest(how):
                self.assert_right(read[crashes[how]], word)

    def test_the_index_of_the_next_version_is_not_that_of_this_one(self):
        first = self.crash(self.placed("first", self.new))
        self.assertIn("wrong_run", str(self.read()[first]))
        crashes = self.crash_all(self.full)
        read = self.read()
        for how, (_, word) in HOWS.items():
            with self.subTest(how):
                self.assert_no_names(read[crashes[how]], word)

    @unittest.skipUnless(os.geteuid() == 0, "only root has mounts of its own")
    def test_with_mounts_of_its_own(self):
        """Where the agent looks there is another file."""
        app = os.path.dirname(self.placed("app", self.new))
        mounted = f"mount -t tmpfs none {app} && cp {self.full} {app}/queue && exec env"
        for n in range(2):
            name = f"mounted-{n}"
            env = self.program_env(TOWBAR_ENVIRONMENT=name)
            script = f"{mounted} 'LD_PRELOAD={self.preload()}' {app}/queue"
            self.run_program("unshare", "-m", "sh", "-c", script, env=env, check=-signal.SIGSEGV)
            if n == 0:
                self.assert_no_names(self.read()[name], "changed")
                self.keep_debug(self.full)
        self.assert_right(self.read()[name], "changed")

    # ---- files that do not belong ----

    def test_a_debug_file_of_another_build(self):
        """Where the build ID leads, and where the link does."""
        self.keep_debug(self.new)
        theirs = self.debug_path(self.build_id(self.new))
        ours = self.debug_path(self.build_id(self.full))
        os.makedirs(os.path.dirname(ours), exist_ok=True)
        os.rename(theirs, ours)
        crashes = [self.crash(self.placed("by-id", self.old))]
        # With the checksum of the right file, without an ID in either.
        plain = self.compiled("queue.c", "plain", "-O2", "-Wl,--build-id=none")
        wrong = self.compiled("queue.c", "wrong", "-O2", "-Wl,--build-id=none", *RENAMED)
        debug = self.path("link/queue.debug")
        os.mkdir(os.path.dirname(debug))
        self.run_tool("objcopy", "--only-keep-debug", plain, debug)
        linked = self.path("link/queue")
        self.run_tool("objcopy", "--strip-all", "--add-gnu-debuglink=" + debug, plain, linked)
        self.run_tool("objcopy", "--only-keep-debug", wrong, debug)
        os.utime(linked, (1, 1))
        crashes.append(self.crash(linked))
        read = self.read()
        for name in crashes:
            self.assert_no_names(read[name], "none")

    def test_a_newer_file_without_an_id(self):
        plain = self.compiled("queue.c", "plain", "-O2", "-Wl,--build-id=none")
        self.new = self.compiled("queue.c", "wrong", "-O2", "-Wl,--build-id=none", *RENAMED)
        path = self.placed("there", plain)
        os.utime(path, (1, 1))
        name = self.crash(path)
        shutil.copy(self.new, path)  # the same inode
        later = time.time() + 1  # than the clock tick in which the program was started
        os.utime(path, (later, later))
        self.assert_no_names(self.read()[name], "changed")


if __name__ == "__main__":
    unittest.main()
