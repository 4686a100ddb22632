"""One crash, in every form that debug data come in: its frames are those that a debugger shows, or
as many of them as the form can tell."""

import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import debugger  # noqa: E402
import symbols  # noqa: E402
import towbar  # noqa: E402

SYSTEM_DEBUG = "/usr/lib/debug"


class FormsTest(symbols.Case):
    """All that crashes in a test is read by one agent, and all that is debugged by one gdb. Each
    form has a build ID of its own: names that are known of one would do for the others."""

    N_FORMS = 0
    STACK = None

    def setUp(self):
        super().setUp()
        self.use_debug_dirs(self.debug_dir, SYSTEM_DEBUG)

    def queue(self, output, *flags, **kwargs):
        return self.compiled("queue.c", output, *(flags or ("-O2",)), *self.new_id(), **kwargs)

    def new_id(self):
        FormsTest.N_FORMS += 1
        return [f"-Wl,--build-id=0x{FormsTest.N_FORMS:040x}"]

    def strip(self, program, output, *flags):
        output = self.path(output)
        self.run_tool("objcopy", *(flags or ("--strip-all",)), program, output)
        return output

    def stack(self):
        """Of the program at -O2, whatever form its debug data have; one gdb for all tests."""
        if not FormsTest.STACK:
            (FormsTest.STACK,) = self.truth(self.queue("for-gdb")).values()
        return FormsTest.STACK

    def truth(self, *programs):
        """{program: stack}, by the debug data that are in it."""
        found = self.stacks(**{str(n): debugger.job(p) for n, p in enumerate(programs)})
        stacks = [found[str(n)] for n in range(len(programs))]
        for stack in stacks:
            names = [frame.function for frame in stack]
            self.assertEqual(names[:3], ["store", "push", "compare"])
            self.assertEqual(names[-3:], ["sort_all", "run", "main"])
            self.assertTrue(any(name.startswith("msort_with_tmp") for name in names), names)
        return dict(zip(programs, stacks))

    def assert_form(self, data, program, stack, symbols_word, with_lines=True):
        self.assertEqual(self.module(data, os.path.basename(program))["symbols"], symbols_word)
        if not with_lines:
            stack = self.in_names(stack)
        self.assert_same(data, stack, with_lines)

    def in_names(self, stack):
        """Of the program itself only what its symbols tell; of the C library all."""
        return [f for f in stack if not (f.inlined and f.file and f.file.endswith("queue.c"))]

    # ---- compilers and linkers ----

    def compare(self, flags, **kwargs):
        programs = {name: self.queue(f"bin/{name}", *f, **kwargs) for name, f in flags.items()}
        truth = self.truth(*programs.values())
        crashes = {name: self.crash(program) for name, program in programs.items()}
        read = self.read()
        for name, program in programs.items():
            with self.subTest(name):
                self.assert_form(read[crashes[name]], program, truth[program], "debug")

    def test_built_in_many_ways(self):
        self.compare({
            "O0": ["-O0"], "O2": ["-O2"], "lto": ["-O2", "-flto"], "dwarf4": ["-O2", "-gdwarf-4"],
            "not-pie": ["-O2", "-no-pie", "-fno-pie"], "zlib": ["-O2", "-gz=zlib"],
        })  # fmt: skip

    @unittest.skipUnless(os.environ.get("TOWBAR_LONG"), "the long form")
    def test_built_in_more_ways(self):
        levels = {level: ["-" + level] for level in ("O0", "O1", "O2", "O3", "Os", "Og")}
        self.compare({
            **levels, "dwarf2": ["-O2", "-gdwarf-2"], "dwarf3": ["-O2", "-gdwarf-3"],
            "types": ["-O2", "-fdebug-types-section"], "static-libgcc": ["-O2", "-static-libgcc"],
            "sections": ["-O2", "-ffunction-sections", "-Wl,--gc-sections"],
        })  # fmt: skip
        if shutil.which("clang"):
            self.compare({"clang-" + name: f for name, f in levels.items()}, compiler="clang")

    def test_paths(self):
        """Spaces, letters beyond ASCII, a symbolic link, a name relative to where it was started."""
        real = self.queue("with space/gründe/queue")
        link = self.path("link")
        os.symlink(real, link)
        crashes = [self.crash(real), self.crash(link)]
        crashes.append(self.crash("./queue", cwd=os.path.dirname(real)))
        read = self.read()
        for name in crashes:
            self.assert_form(read[name], real, self.stack(), "debug")

    # ---- separate debug data ----

    def test_separate_debug_files(self):
        full = self.queue("full")
        crashes = {}
        # By build ID.
        self.keep_debug(full)
        crashes["by-id"] = self.crash(self.strip(full, "by-id"))
        # By link: beside it, in .debug, and below the folders; by its checksum, as there is no ID.
        plain = self.queue("plain", "-O2", "-Wl,--build-id=none")
        for name, folder in (
            ("beside", ""),
            ("hidden", ".debug"),
            ("below", "debug" + self.folder),
        ):
            debug = self.path(folder, name + ".debug")
            os.makedirs(os.path.dirname(debug), exist_ok=True)
            self.run_tool("objcopy", "--only-keep-debug", plain, debug)
            program = self.strip(plain, name, "--strip-all", "--add-gnu-debuglink=" + debug)
            # Without an ID it is the file that ran if it is older than the process.
            os.utime(program, (1, 1))
            crashes[name] = self.crash(program)
        # Compressed.
        zipped = self.queue("zipped")
        self.run_tool("objcopy", "--compress-debug-sections=zlib", self.keep_debug(zipped))
        crashes["by-id-zlib"] = self.crash(self.strip(zipped, "by-id-zlib"))
        read = self.read()
        for name, crash in crashes.items():
            with self.subTest(name):
                self.assert_form(read[crash], name, self.stack(), "debug")

    def dwz(self, *options):
        """Two programs of C++, and what their debug data have in common in a file of its own. What
        is left of the first is stripped."""
        a = self.compiled("shop.cc", "a", "-O2", compiler="g++")
        b = self.compiled("shop.cc", "b", "-O1", compiler="g++")
        stack = self.stacks(a=debugger.job(a, ["sort"]))["a"]
        common = self.path("common.debug")
        self.run_tool("dwz", "-m", common, *options, self.keep_debug(a), self.keep_debug(b))
        return self.strip(a, "stripped"), stack, common

    @unittest.skipUnless(os.environ.get("TOWBAR_LONG"), "the long form")
    def test_what_dwz_moved_out(self):
        """Found by its ID, or by its name in .dwz beside the debug file's folder."""
        program, stack, common = self.dwz("-M", "../../.dwz/common.debug")
        by_id = self.debug_path(self.build_id(common))
        by_name = os.path.join(self.debug_dir, ".dwz", "common.debug")
        for path in (by_id, by_name):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.rename(common, path)
            common = path
            self.use_debug_dirs(self.debug_dir)
            crash = self.crash(program, "sort")
            data = self.read()[crash]
            self.assertEqual(self.module(data, "stripped")["symbols"], "debug")
            self.assert_same(data, stack, original=self.path("a"))

    def test_the_file_that_dwz_made_is_missing(self):
        """No name is made up of what is left; when it comes, the rest is there too."""
        program, stack, common = self.dwz()
        os.rename(common, common + ".away")
        for _ in range(2):
            data = self.read_one(program, "sort")
            self.assertIn("dwz", self.module(data, "stripped").get("note", ""))
            for frame in debugger.of_item(data):
                self.assertTrue(
                    frame.function == "<unknown>"
                    or any(debugger.is_same_function(frame.function, f.function) for f in stack),
                    frame,
                )
        path = self.debug_path(self.build_id(common + ".away"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(common + ".away", path)
        data = self.read_one(program, "sort")
        self.assertEqual(self.module(data, "stripped")["symbols"], "debug")
        self.assert_same(data, stack, original=self.path("a"))

    # ---- names alone ----

    def test_names_without_debug_data(self):
        programs = {
            "symtab": self.strip(self.queue("a"), "symtab", "--strip-debug"),
            "mini": self.mini_debug_info(self.queue("b"), "mini"),
            "exported": self.strip(self.queue("c", "-O2", "-rdynamic"), "exported"),
            "bare": self.strip(self.queue("d"), "bare"),
        }
        crashes = {name: self.crash(program) for name, program in programs.items()}
        read = self.read()
        # compare and run are static: nobody exports them, and no neighbour's name is put on them.
        for name, word, unknown in (
            ("symtab", "symtab", ()), ("mini", "symtab", ()),
            ("exported", "exported", ("compare", "run")),
            ("bare", "none", ("compare", "sort_all", "run", "main")),
        ):  # fmt: skip
            wanted = [
                f._replace(function="<unknown>") if f.function in unknown else f
                for f in self.in_names(self.stack())
            ]
            with self.subTest(name):
                self.assert_form(read[crashes[name]], name, wanted, word, with_lines=False)

    def test_the_file_before_it_was_stripped_takes_its_place(self):
        """What is known of it from before is not all there is."""
        full = self.queue("full")
        program = self.strip(full, "queue")
        first = self.read_one(program)
        self.assertEqual(self.module(first, "queue")["symbols"], "none")
        os.rename(full, program)
        self.assert_form(self.read_one(program), "queue", self.stack(), "debug")

    def test_a_debug_file_that_comes_later(self):
        full = self.queue("full")
        program = self.strip(full, "queue")
        self.assertEqual(self.module(self.read_one(program), "queue")["symbols"], "none")
        self.keep_debug(full)
        self.assert_form(self.read_one(program), "queue", self.stack(), "debug")

    def mini_debug_info(self, full, output):
        """As distributions do: the functions' names, in an ELF file, in xz, in a section."""
        mini = self.path("mini.elf")
        self.run_tool("objcopy", "--only-keep-debug", full, mini)
        self.run_tool("objcopy", "--strip-debug", "--remove-section=.comment", mini)
        self.run_tool("xz", "-kf", mini)
        return self.strip(
            full, output, "--strip-all", f"--add-section=.gnu_debugdata={mini}.xz",
            "--set-section-flags=.gnu_debugdata=readonly",
        )  # fmt: skip

    # ---- known limits ----

    def test_split_dwarf(self):
        """Beside its .dwo file: functions alone, as lines could be those of what is inlined."""
        program = self.queue("split", "-O2", "-gsplit-dwarf")
        data = self.read_one(program)
        self.assertIn(".dwo", self.module(data, "split")["note"])
        self.assertNotIn("lineno", data["body"]["trace"]["frames"][-1])
        own = ("compare", "sort_all", "run", "main")
        names = [f.function for f in debugger.of_item(data) if f.function in own]
        self.assertEqual(names, list(own))

    @unittest.skipIf(towbar.SANITIZE, "a sanitizer has no static programs")
    def test_static_pie(self):
        lib = os.path.join(towbar.BUILD, "lib", "libtowbar.a")
        include = os.path.join(towbar.SOURCE, "include")
        program = self.queue(
            "static", "-O2", "-static-pie", "-DSTARTED", "-I", include, lib, "-pthread"
        )
        (stack,) = self.truth(program).values()
        data = self.read_one(program, preload=False)
        self.assert_form(data, program, stack, "debug")


if __name__ == "__main__":
    unittest.main()
