"""A stranger's files that pretend: to be another program, to lead elsewhere, to be small. What only
others may read is not read for him, and what he makes is not believed of others."""

import lzma
import os
import random
import secrets
import shutil
import struct
import sys
import threading
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import fake_rollbar  # noqa: E402
import hostile_dwarf  # noqa: E402
import strangers  # noqa: E402
import towbar  # noqa: E402
from strangers import BIN, DAEMON, NOBODY  # noqa: E402

FUNCTIONS = ("store", "push", "compare", "sort_all", "run")
SECONDS_EACH = 6.0  # The time that one module may take, and its answer.


def section_header(data, name):
    """Where the header of a section stands in a 64-bit ELF file."""
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    (strings,) = struct.unpack_from("<Q", data, table + names * size + 24)
    for n in range(count):
        at = table + n * size
        (start,) = struct.unpack_from("<I", data, at)
        if data[strings + start :].split(b"\0", 1)[0] == name.encode():
            return at
    raise KeyError(name)


class Pretending(strangers.Case):
    def setUp(self):
        super().setUp()
        self.use_debug_dirs(self.debug_dir)
        self.theirs = self.folder_of(NOBODY, "theirs")
        self.marker = "s3cr3t" + secrets.token_hex(8)

    def queue(self, output, build_id, *flags):
        return self.compiled("queue.c", output, "-O2", f"-Wl,--build-id=0x{build_id}", *flags)

    def renamed(self, prefix):
        return [f"-D{name}={prefix}_{name}" for name in FUNCTIONS]

    def put(self, program, name, uid=NOBODY, mode=0o755):
        """A copy in a folder of its own."""
        folder = os.path.join(self.theirs, name)
        os.mkdir(folder)
        os.chown(folder, uid, uid)
        path = shutil.copy(program, os.path.join(folder, "queue"))
        os.chown(path, uid, uid)
        os.chmod(path, mode)
        return path

    def hide(self, path):
        os.chown(path, self.AGENT, self.AGENT)
        os.chmod(path, 0o600)
        return path

    def run_agent(self, n, seconds=towbar.DEADLINE_S):
        """Until it has n occurrences in all: what it showed, and {name: occurrence}."""
        with fake_rollbar.FakeRollbar() as fake, self.agent_of_many(fake) as agent:
            self.wait_occurrences(n, seconds)
            shown = self.everything_shown(agent, fake)
            return shown, self.read_all()

    def methods(self, data, module="queue"):
        frames = data["body"]["trace"]["frames"]
        return [f["method"] for f in frames if f.get("module") == module]


class SecretNamesTest(Pretending):
    """The names of functions in a file that only the agent may read."""

    ID = "5ec2e7" + "00" * 17

    def setUp(self):
        super().setUp()
        private = self.folder_of(self.AGENT, "private", 0o700)
        self.secret = self.queue("secret", self.ID, *self.renamed(self.marker))
        os.rename(self.secret, os.path.join(private, "secret"))
        self.secret = self.hide(os.path.join(private, "secret"))
        self.bare = self.path("bare")
        self.run_tool("strip", "-o", self.bare, self.queue("full", self.ID))

    def crashes(self):
        crashes = {}
        # The program itself becomes a link.
        path = self.put(self.bare, "module")
        crashes["module"] = self.crash_as(NOBODY, path)
        os.unlink(path)
        os.symlink(self.secret, path)
        with open(self.secret, "rb") as file:
            crc = zlib.crc32(file.read())
        # Its debug file is one; by name, and by names that are paths.
        for n, (link, place) in enumerate(
            [("queue.debug", "queue.debug"), ("queue.debug", ".debug/queue.debug"),
             ("../../private/secret", ""), (self.secret, ""), ("/proc/self/exe", "")]
        ):  # fmt: skip
            path = self.put(self.bare, f"link-{n}")
            section = self.path("section")
            name = link.encode() + b"\0"
            with open(section, "wb") as file:
                file.write(name + b"\0" * (-len(name) % 4) + struct.pack("<I", crc))
            self.run_tool("objcopy", "--add-section", f".gnu_debuglink={section}", path)
            if place:
                target = os.path.join(os.path.dirname(path), place)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.symlink(self.secret, target)
            crashes[f"link-{n}"] = self.crash_as(NOBODY, path)
        crashes["altlink"] = self.crash_as(NOBODY, self.with_altlink())
        return crashes

    def with_altlink(self):
        """Its names are in the file that dwz made; it says where that is."""
        common = self.path("private", "common")
        text = hostile_dwarf.text(self.marker)
        with open(self.path("common.s"), "w", encoding="utf-8") as file:
            file.write(f' .section .debug_str,"",@progbits\n .zero 16\n{text}')
        self.build(["gcc", "-shared", "-nostdlib", "-Wl,--build-id=0x" + "a1" * 20,
                    self.path("common.s"), "-o", common])  # fmt: skip
        self.hide(common)
        links = f' .section .gnu_debugaltlink,"",@progbits\n{hostile_dwarf.text(common)} .fill 20,1,0xa1\n'
        unit = hostile_dwarf.corpus()["string-in-no-file"]
        return self.linked("altlinked", unit + links, self.theirs)

    def test_nobody_reads_them_by_links(self):
        crashes = self.crashes()
        shown, read = self.run_agent(len(crashes))
        self.assert_secret(self.marker, shown)
        for name, crash in crashes.items():
            self.assertIn(crash, read, name)

    def test_nobody_reads_them_by_an_index(self):
        """Root's program has crashed before, and its index is there."""
        os.chmod(self.secret, 0o700)
        own = self.crash(self.secret)
        shown, read = self.run_agent(1)
        self.assertIn(f"{self.marker}_run", self.methods(read[own], "secret"))
        path = self.put(self.bare, "pretends")
        gone = self.crash_as(NOBODY, path)
        os.unlink(path)
        again = self.crash_as(NOBODY, self.put(self.bare, "still-there"))
        _, read = self.run_agent(3)
        for name in (gone, again):
            self.assertEqual(set(self.methods(read[name])), {"<unknown>"})
            self.assertNotIn(self.marker, str(read[name]))


class SecretNamesOfAgentTest(SecretNamesTest):
    AGENT = DAEMON


class PoisonTest(Pretending):
    """A file with somebody else's build ID, and names of its author's choice."""

    ID = "badbad" + "00" * 17

    def test_it_names_nothing_of_others(self):
        wrong = self.queue("wrong", self.ID, *self.renamed("wrong"))
        right = self.queue("right", self.ID)
        first = self.crash_as(NOBODY, self.put(wrong, "wrong"))
        _, read = self.run_agent(1)
        self.assertIn("wrong_run", self.methods(read[first]))
        there = self.crash_as(BIN, self.put(right, "there", BIN))
        path = self.put(right, "gone", BIN)
        gone = self.crash_as(BIN, path)
        os.unlink(path)
        theirs = self.put(wrong, "theirs-gone")
        their = self.crash_as(NOBODY, theirs)
        os.unlink(theirs)
        _, read = self.run_agent(4)
        self.assertIn("run", self.methods(read[there]))
        for name in (there, gone):
            self.assertNotIn("wrong", str(self.methods(read[name])))
        for method in self.methods(read[their]):
            self.assertRegex(method, "^(wrong_.*|main|<unknown>)$")


class SwappedTest(Pretending):
    """Files that change between a look and the next."""

    def test_a_name_that_is_now_this_now_that(self):
        private = self.folder_of(self.AGENT, "private", 0o700)
        hidden = os.path.join(private, "hidden.c")
        with open(hidden, "w", encoding="utf-8") as file:
            file.write(f"{self.marker}\n" * 10)
        self.hide(hidden)
        names = [f"swap-{n}.c" for n in range(60)]
        unit = hostile_dwarf.unit(
            hostile_dwarf.function(),
            hostile_dwarf.lines_of([(os.path.join(self.theirs, name), "") for name in names]),
        )
        program = self.linked("swaps", unit, self.theirs, "steps.c")
        crashes = [
            self.crash_as(NOBODY, program, env={"TOWBAR_ROOT": self.theirs}) for _ in range(10)
        ]
        ended = threading.Event()
        swapper = threading.Thread(target=self.swap, args=(names, hidden, ended))
        swapper.start()
        try:
            shown, read = self.run_agent(len(crashes))
        finally:
            ended.set()
            swapper.join()
        self.assert_secret(self.marker, shown)
        codes = [f.get("code") for name in crashes for f in read[name]["body"]["trace"]["frames"]]
        self.assertIn("mine", codes, "some were read while they were there")

    def swap(self, names, hidden, ended):
        """Each name is a file of the reporter's, then a link, in turn."""
        next_one = os.path.join(self.theirs, "next")
        turn = 0
        while not ended.is_set():
            turn += 1
            for name in names:
                if turn % 2:
                    with open(next_one, "w", encoding="utf-8") as file:
                        file.write("mine\n" * 10)
                    os.chmod(next_one, 0o644)
                    os.chown(next_one, NOBODY, NOBODY)
                    os.utime(next_one, (1, 1))  # older than the program
                else:
                    os.symlink(hidden, next_one)
                os.rename(next_one, os.path.join(self.theirs, name))


class MadeUpTest(Pretending):
    """Files that the kernel makes up, as the agent may see them: their modes let everybody read."""

    def frames_of(self, names, root):
        unit = hostile_dwarf.unit(
            hostile_dwarf.function(), hostile_dwarf.lines_of([(name, "") for name in names])
        )
        program = self.linked(f"made-up-{root.count('/')}{len(root)}", unit, self.theirs, "steps.c")
        return self.crash_as(NOBODY, program, env={"TOWBAR_ROOT": root})

    def test_their_lines_are_not_shown(self):
        mine = os.path.join(self.theirs, "mine.c")
        with open(mine, "w", encoding="utf-8") as file:
            file.write("mine\n" * 100)
        os.chmod(mine, 0o644)
        names = ["/proc/kallsyms", "/proc/meminfo", "/proc/cpuinfo", "/proc/interrupts", mine]
        for config in ("", "  source_roots: [/proc]\n", "  source_roots: [/]\n"):
            self.use_debug_dirs(self.debug_dir, more=config)
            crashes = [self.frames_of(names, root) for root in ("/proc", "/")]
            self.seen = getattr(self, "seen", 0) + len(crashes)
            _, read = self.run_agent(self.seen)
            codes = set()
            for crash in crashes:
                for frame in read[crash]["body"]["trace"]["frames"]:
                    with self.subTest(config=config, frame=frame.get("filename")):
                        self.assertIn(frame.get("code"), (None, "mine"))
                        codes.add(frame.get("code"))
            self.assertIn("mine", codes, "what is a file was read")


class DamagedTest(Pretending):
    """What is found where the program was has its ID, and nothing else of use."""

    def damaged(self, data):
        """{name: bytes}."""
        rng = random.Random(20261126)
        found = {f"cut-{n}": data[: len(data) * n // 12] for n in range(1, 12)}
        for n in range(20):
            copy = bytearray(data)
            for _ in range(1 << (n % 8)):
                copy[rng.randrange(0x1000, len(copy))] = rng.randrange(256)
            found[f"flipped-{n}"] = bytes(copy)
        for name, at, form, value in (
            ("sections-elsewhere", 40, "<Q", 1 << 62), ("sections-at-the-end", 40, "<Q", len(data) - 8),
            ("many-sections", 60, "<H", 0xFFFF), ("names-in-no-section", 62, "<H", 0xFFFE),
            ("sections-of-no-size", 58, "<H", 0), ("many-segments", 56, "<H", 0xFFFF),
            ("32-bits", 4, "<B", 1), ("big-endian", 5, "<B", 2), ("another-machine", 18, "<H", 183),
        ):  # fmt: skip
            copy = bytearray(data)
            struct.pack_into(form, copy, at, value)
            found[name] = bytes(copy)
        for section in (
            ".debug_info",
            ".debug_line",
            ".debug_abbrev",
            ".debug_str",
            ".symtab",
            ".strtab",
        ):
            for what, at, value in (
                ("size", 32, 1 << 40),
                ("offset", 24, 1 << 40),
                ("entry", 56, 0),
            ):
                copy = bytearray(data)
                struct.pack_into("<Q", copy, section_header(data, section) + at, value)
                found[f"{section[1:]}-{what}"] = bytes(copy)
        found["zeros"] = data[:0x1000] + bytes(len(data) - 0x1000)
        return found

    def bombs(self, program):
        """Files that are small until they are unpacked."""
        out = {}
        section = self.path("section")
        with open(section, "wb") as file:
            file.write(lzma.compress(bytes(100 << 20), preset=0))
        bare = self.path("bomb")
        self.run_tool("strip", "-o", bare, program)
        self.run_tool("objcopy", "--add-section", f".gnu_debugdata={section}", bare)
        with open(bare, "rb") as file:
            out["xz-bomb"] = file.read()
        packed = zlib.compress(bytes(64 << 20), 9)
        with open(section, "wb") as file:
            file.write(b"ZLIB" + struct.pack(">Q", 1 << 32) + packed)
        for name in (".debug_info", ".debug_line", ".debug_str"):
            bomb = self.path("bomb")
            zipped = name.replace(".debug", ".zdebug")
            self.run_tool(
                "objcopy",
                "--remove-section",
                name,
                "--add-section",
                f"{zipped}={section}",
                program,
                bomb,
            )
            with open(bomb, "rb") as file:
                out["zlib-bomb" + name] = file.read()
        return out

    def test_each_costs_its_own_names(self):
        whole_id = bytes.fromhex("dada" + "5a" * 18)
        program = self.queue("full", whole_id.hex())
        with open(program, "rb") as file:
            data = file.read()
        innocent, stack = self.innocent()
        crashes, innocents = {}, []
        damaged = self.damaged(data)
        if not os.environ.get("TOWBAR_LONG"):
            damaged = dict(list(damaged.items())[::4])
        files = {**damaged, **self.bombs(program)}
        for n, (name, content) in enumerate(files.items()):
            # An ID for each, or what is known of one would do for all.
            own_id = bytes.fromhex("dada") + n.to_bytes(18, "big")
            path = self.put(program, name)
            with open(path, "wb") as file:
                file.write(data.replace(whole_id, own_id))
            crashes[name] = self.crash_as(NOBODY, path)
            with open(path, "wb") as file:
                file.write(content.replace(whole_id, own_id))
            if n % 7 == 3:
                innocents.append(self.crash_as(BIN, innocent))
        n = len(crashes) + len(innocents)
        _, read = self.run_agent(n, 60 + 4 * SECONDS_EACH)
        for name in innocents:
            self.assert_same(read[name], stack)
        known = {*FUNCTIONS, "main", "<unknown>"}
        for name, crash in crashes.items():
            with self.subTest(name):
                methods = self.methods(read[crash])
                self.assertGreaterEqual(len(methods), 4)
                if not name.startswith("flipped"):
                    self.assertLessEqual(set(methods), known)


if __name__ == "__main__":
    unittest.main()
