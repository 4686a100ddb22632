"""Programs as Debian ships them, with their debug packages and without, and programs of Rust: they
crash, and the frames are those that a debugger shows."""

import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import blocking  # noqa: E402
import debugger  # noqa: E402
import symbols  # noqa: E402
import towbar  # noqa: E402

NANOSLEEP, PAUSE, OPENAT = 230, 34, 257
PYTHON_DEBUG = "/usr/bin/python3.11-dbg"

DEEP = """
import ctypes

class Shelf:
    def find(self, depth):
        return self.find(depth - 1) + 1 if depth else ctypes.string_at(16)

def by_sort(key):
    return sorted([3, 1, 2], key=lambda n: Shelf().find(n))

by_sort(None)
"""

IN_QSORT = """
import ctypes

def compare(a, b):
    return len(ctypes.string_at(16))

kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
values = (ctypes.c_int * 4)(4, 3, 2, 1)
ctypes.CDLL(None).qsort(values, 4, 4, kind(compare))
"""


class RealTest(symbols.Case):
    def compare(self, jobs, crashes, at_least=1):
        stacks = self.stacks(**jobs)
        read = self.read()
        for name, crash in crashes.items():
            with self.subTest(name):
                self.assertGreaterEqual(len(stacks[name]), at_least)
                self.assert_same(read[crash], stacks[name])

    # ---- Debian's, in the midst of a system call ----

    def blocked(self, call, *command):
        """Killed when it waits in that call."""
        self.n_crashes += 1
        name = f"crash-{self.n_crashes}"
        env = self.program_env(TOWBAR_ENVIRONMENT=name, LD_PRELOAD=self.preload())
        process = self.popen(command, env)
        blocking.kill_when(process.pid, call)
        self.assertEqual(process.wait(towbar.DEADLINE_S), -signal.SIGSEGV)
        return name

    def test_programs_without_debug_data(self):
        """Their own functions have no name for anybody; those of the C library have."""
        fifo = self.path("fifo")  # that nobody writes to: whoever opens it waits
        os.mkfifo(fifo)
        programs = {
            "sleep": (NANOSLEEP, "/usr/bin/sleep", "100"), "sort": (OPENAT, "/usr/bin/sort", fifo),
            "perl": (PAUSE, "/usr/bin/perl", "-esleep"), "dash": (OPENAT, "/usr/bin/dash", fifo),
        }  # fmt: skip
        jobs, crashes = {}, {}
        for name, (call, program, *args) in programs.items():
            jobs[name] = debugger.job(program, args, blocks=call)
            crashes[name] = self.blocked(call, program, *args)
        self.compare(jobs, crashes, at_least=2)

    def script(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    @unittest.skipUnless(os.path.exists(PYTHON_DEBUG), "needs python3.11-dbg")
    def test_python_with_its_debug_package(self):
        scripts = {"deep": self.script("deep.py", DEEP), "qsort": self.script("qsort.py", IN_QSORT)}
        jobs, crashes = {}, {}
        for name, path in scripts.items():
            for program in (PYTHON_DEBUG, "/usr/bin/python3.11"):
                key = f"{name}-{os.path.basename(program)}"
                jobs[key] = debugger.job(program, [path])
                crashes[key] = self.crash(program, path)
        self.compare(jobs, crashes, at_least=20)

    # ---- Rust ----

    @unittest.skipUnless(shutil.which("rustc"), "needs rustc")
    def test_rust(self):
        self.source("shelf.rs")
        jobs, crashes = {}, {}
        for level in ("0", "2", "3"):
            program = self.path(f"shelf-{level}")
            self.build([
                "rustc", "--edition", "2021", "-g", "-C", f"opt-level={level}", "-C", "panic=abort",
                "-C", "link-arg=-Wl,--build-id=sha1", "shelf.rs", "-o", program,
            ])  # fmt: skip
            # Not all of a panic's way has unwind data where nothing is optimised (Rust 1.63).
            for way in ("generic", "closure", "iterator", *(["panic"] if level == "3" else [])):
                key = f"{way}-{level}"
                is_panic = way == "panic"
                jobs[key] = debugger.job(program, [way], sent=is_panic)
                died_of = signal.SIGABRT if is_panic else signal.SIGSEGV
                crashes[key] = self.crash(program, way, died_of=died_of)
        self.compare(jobs, crashes, at_least=2)


if __name__ == "__main__":
    unittest.main()
