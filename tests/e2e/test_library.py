"""libtowbar does no harm to its host, and is easily found by the build of a host."""

import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

LIBRARY = os.path.join(towbar.BUILD, "lib", "libtowbar.so")
INTERPOSED = {"pthread_create", "thrd_create", "dlclose", "_exit", "_Exit", "daemon", "prctl"}
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(user C)
find_package(towbar 0.1 REQUIRED)
add_executable(hello hello.c)
target_link_libraries(hello PRIVATE towbar::towbar)
"""


def output(*argv, **kwargs):
    return subprocess.run(argv, capture_output=True, text=True, check=True, **kwargs).stdout


class LibraryTest(towbar.Case):
    @unittest.skipIf(towbar.SANITIZE, "the sanitizer is a library too")
    def test_it_needs_libc_alone(self):
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", LIBRARY))
        self.assertIn("libc.so.6", needed)
        self.assertLessEqual(set(needed), {"libc.so.6", "ld-linux-x86-64.so.2"})
        loaded = {line.split()[0] for line in output("ldd", LIBRARY).splitlines()}
        others = [name for name in loaded if not re.search(r"linux-vdso|/ld-linux|libc\.so", name)]
        self.assertEqual(others, [])

    def test_it_exports_its_own_names_and_those_it_interposes_only(self):
        lines = output("nm", "-D", "--defined-only", LIBRARY).splitlines()
        exported = [line.split()[-1] for line in lines]
        # Without a version, or no caller would be bound to them.
        self.assertLessEqual(INTERPOSED, set(exported))
        names = [name.split("@")[0] for name in exported if name not in INTERPOSED]
        foreign = [
            name
            for name in names
            if not name.startswith(("towbar_", "TOWBAR_")) and name != "otel_thread_ctx_v1"
        ]
        self.assertIn("towbar_init", names)
        self.assertEqual(foreign, [])

    def test_every_call_at_any_time_without_thread_socket_or_errno(self):
        quiet = self.compile("quiet.c")
        done = self.run_program(quiet, check=0)
        *stages, status = done.stdout.splitlines()
        names = [line.split()[0] for line in stages]
        self.assertEqual(
            names, ["start", "before-init", "init", "calls", "child", "shutdown", "after-shutdown"]
        )
        for line in stages:
            self.assertEqual(line.split(" ", 1)[1], "threads=1 sockets=0 errno=77", done.stdout)
        self.assertRegex(status, "^status .{10,}")
        self.once()
        # Three reports from the parent, three from the child, none from before and after.
        messages = [data["body"]["trace"]["exception"]["message"] for data in self.occurrences()]
        self.assertEqual(len(messages), 6, messages)
        self.assertEqual(len([text for text in messages if text == "one 1"]), 2)

    def test_it_says_why_it_does_nothing(self):
        quiet = self.compile("quiet.c")
        done = self.run_program(quiet, env=self.program_env(TOWBAR_SPOOL=self.config), check=1)
        self.assertIn(self.config, done.stdout.splitlines()[-1])

    # ---- found by the build of a host ----

    def install(self, name):
        """Installs under DESTDIR; returns the prefix there and the folder of towbar.pc."""
        destination = self.path(name)
        output("cmake", "--install", towbar.BUILD, env={**os.environ, "DESTDIR": destination})
        for folder, _, names in os.walk(destination):
            if "towbar.pc" in names:
                prefix = re.sub(r"/(lib|share)(/[^/]+)?/pkgconfig$", "", folder)
                return prefix, folder
        self.fail("no towbar.pc was installed")

    def hello(self):
        folder = self.path("hello project")
        os.mkdir(folder)
        shutil.copy(os.path.join(towbar.SOURCE, "samples", "hello.c"), folder)
        return folder

    def assert_runs(self, program, prefix):
        (library,) = [
            folder for folder, _, names in os.walk(prefix) if "libtowbar.so.0" in names
        ]
        env = self.program_env(LD_LIBRARY_PATH=library)
        self.run_program(program, "/none", env=env, check=0)
        self.run_program(program, "/none", "crash", env=env, check=-signal.SIGSEGV)
        self.once()
        levels = sorted(data["level"] for data in self.occurrences())
        self.assertEqual(levels, ["critical", "error", "error"])

    @unittest.skipIf(towbar.SANITIZE, "hosts are not built with a sanitizer")
    def test_find_package_builds_and_runs_the_sample(self):
        prefix, _ = self.install("dest dir")
        folder = self.hello()
        with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write(PROJECT)
        build = os.path.join(folder, "build")
        env = {**os.environ, "CMAKE_PREFIX_PATH": prefix}
        output("cmake", "-S", folder, "-B", build, env=env)
        output("cmake", "--build", build, env=env)
        self.assert_runs(os.path.join(build, "hello"), prefix)

    @unittest.skipIf(towbar.SANITIZE, "hosts are not built with a sanitizer")
    def test_pkg_config_builds_and_runs_the_sample(self):
        prefix, pc_folder = self.install("dest")
        folder = self.hello()
        env = {**os.environ, "PKG_CONFIG_LIBDIR": pc_folder}
        self.assertEqual(output("pkg-config", "--modversion", "towbar", env=env).strip(), "0.1.0")
        flags = output("pkg-config", "--cflags", "--libs", "towbar", env=env)
        subprocess.run(
            f"${{CC:-cc}} -g hello.c {flags.strip()} -o hello",
            shell=True, cwd=folder, check=True, env=env,
        )  # fmt: skip
        self.assert_runs(os.path.join(folder, "hello"), prefix)


if __name__ == "__main__":
    unittest.main()
