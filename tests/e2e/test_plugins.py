"""A crash in a library that the loader names in any way has that library's function and line."""

import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402


class PluginsTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.program = self.compile("plugged.c")
        os.makedirs(self.path("app/bin"))
        os.makedirs(self.path("app/lib"))
        plugin = self.compile("plugged.c", "-DPLUGIN", "-shared", "-fPIC", output="plugin.so")
        shutil.move(plugin, self.path("app/lib/plugin.so"))

    def crash(self, name, folder, **env):
        done = self.run_program(
            self.program, name, cwd=self.path(folder), env=self.program_env(**env)
        )
        self.assertEqual(done.returncode, -signal.SIGSEGV, done.stderr)
        self.once()
        (data,) = self.occurrences()
        frame = data["body"]["trace"]["frames"][-1]
        self.assertEqual(frame["method"], "plugin_fails", frame)
        self.assertGreater(frame["lineno"], 0)
        self.assertIn("plugin_fails", data["title"])
        modules = [m["path"] for m in data["custom"]["native"]["modules"] if "plugin" in m["path"]]
        self.assertEqual(modules, [os.path.realpath(self.path("app/lib/plugin.so"))])

    def test_opened_by_a_name_from_the_working_directory(self):
        self.crash("./plugin.so", "app/lib")

    def test_opened_by_a_name_from_beside_the_working_directory(self):
        self.crash("../lib/plugin.so", "app/bin")

    def test_found_in_a_relative_library_path(self):
        self.crash("plugin.so", "app/lib", LD_LIBRARY_PATH=".")

    def test_found_beside_the_folder_of_the_program(self):
        self.crash(self.path("app/bin/../lib/plugin.so"), "app")


if __name__ == "__main__":
    unittest.main()
