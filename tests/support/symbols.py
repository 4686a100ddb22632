"""For the tests of tests/e2e/test_symbols_*.py: programs that know nothing of towbar are compiled,
crash with it preloaded, and are looked at by a debugger without it.

    crashed = self.crash(program)        runs it; the agent has not seen it yet
    data = self.read()[crashed]          of all crashes, one "towbard --once"
"""

import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import debugger  # noqa: E402
import towbar  # noqa: E402

REPLACED = re.compile("qsort|msort|^<unknown>|[Aa]san|sanitizer")


class Case(towbar.Case):
    def setUp(self):
        super().setUp()
        self.n_crashes = 0
        self.debug_dir = self.path("debug")
        os.mkdir(self.debug_dir)
        # Who reports must be able to come here: what a reporter could not read is not shown.
        os.chmod(self.folder, 0o755)

    # ---- programs ----

    def source(self, name):
        """A copy of tests/e2e/programs/NAME, whose folder is the root of what is built from it."""
        folder = self.path("src")
        os.makedirs(folder, exist_ok=True)
        copy = os.path.join(folder, name)
        if not os.path.exists(copy):
            shutil.copyfile(os.path.join(towbar.PROGRAMS, name), copy)
            os.chmod(copy, 0o644)
        return copy

    def compiled(self, name, output, *flags, compiler=None):
        """Without libtowbar; a build ID is asked for, as Debian's compilers do by themselves."""
        self.source(name)
        output = self.path(output)
        words = (compiler or os.environ.get("CC") or "cc").split()
        os.makedirs(os.path.dirname(output), exist_ok=True)
        self.build([*words, "-g", "-Wl,--build-id=sha1", name, "-o", output, *flags])
        return output

    def need(self, tool):
        if not shutil.which(tool):
            self.skipTest(f"{tool} is not installed (src/dist/packages.txt)")

    def run_tool(self, *command, check=0, **kwargs):
        self.need(command[0])
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False,
            timeout=towbar.DEADLINE_S, **kwargs,
        )  # fmt: skip
        if check is not None:
            self.assertEqual(done.returncode, check, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def build_id(self, path):
        notes = self.run_tool("readelf", "-n", path)
        return notes.split("Build ID: ")[1].split()[0]

    def debug_path(self, build_id, folder=None):
        return os.path.join(
            folder or self.debug_dir, ".build-id", build_id[:2], build_id[2:] + ".debug"
        )

    def keep_debug(self, program, folder=None):
        """The debug data of a program go to where its build ID leads."""
        path = self.debug_path(self.build_id(program), folder)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.run_tool("objcopy", "--only-keep-debug", program, path)
        return path

    # ---- what is preloaded ----

    def preload(self, lib=None):
        """libtowbar, and what starts it; the runtime of a sanitizer goes before."""
        shim = self.path("libstarted.so")
        if not os.path.exists(shim):
            self.source("started.c")
            lib = lib or os.path.join(towbar.BUILD, "lib")
            command = [
                *(os.environ.get("CC") or "cc").split(), "-shared", "-fPIC", "started.c", "-o", shim,
                "-I", os.path.join(towbar.SOURCE, "include"), "-L", lib, "-ltowbar",
                f"-Wl,-rpath,{lib}",
            ]  # fmt: skip
            self.build(command)
        runtimes = []
        for name in towbar.SANITIZE.split(","):
            library = {"address": "libasan.so", "thread": "libtsan.so"}.get(name)
            if library:
                runtimes.append(self.run_tool("gcc", f"-print-file-name={library}").strip())
        return " ".join([*runtimes, shim])

    # ---- crashes ----

    def crash(self, program, *args, died_of=signal.SIGSEGV, env=None, preload=True, **kwargs):
        """Runs it until it dies. Returns its name for read()."""
        self.n_crashes += 1
        name = f"crash-{self.n_crashes}"
        more = {"TOWBAR_ENVIRONMENT": name, **(env or {})}
        if preload:
            more["LD_PRELOAD"] = self.preload()
        self.run_program(program, *args, check=-died_of, env=self.program_env(**more), **kwargs)
        return name

    def popen(self, command, env):
        """Running, with pipes; ended with the test."""
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

        def end():
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def read(self, *flags, **env):
        """{name: occurrence} of all that has crashed."""
        self.once(flags=flags, **env)
        return {data["environment"]: data for data in self.occurrences("--max", "100")}

    def read_one(self, program, *args, **kwargs):
        name = self.crash(program, *args, **kwargs)
        return self.read()[name]

    def use_debug_dirs(self, *folders, more=""):
        listed = "".join(f"    - {folder}\n" for folder in folders)
        budget = "  user_budget_ms: 60000\n"
        self.write_config(f"symbols:\n{budget}  debug_dirs:\n{listed}{more}")

    # ---- what is asserted ----

    def module(self, data, name):
        modules = [m for m in data["custom"]["native"]["modules"] if m["name"] == name]
        self.assertEqual(len(modules), 1, data["custom"]["native"]["modules"])
        return modules[0]

    def stacks(self, **jobs):
        self.need("gdb")
        return debugger.stacks(jobs, towbar.clean_environment(self.path("home")), self.folder)

    def assert_same(self, data, stack, with_lines=True, original=None):
        ours = debugger.of_item(data, original)
        if towbar.SANITIZE:  # Its runtime stands in front of the C library's functions.
            ours, stack = ([f for f in s if not REPLACED.search(f.function)] for s in (ours, stack))
        found = debugger.differences(ours, stack, with_lines)
        if found:
            self.fail(found)
