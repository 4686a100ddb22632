"""What a crash record says beside signal and frames: exception, unloaded libraries, mappings.

Read from the slot itself, by the second reader of the spool."""

import os
import struct
import subprocess
import unittest

import grade
import towbar

import spool_reader

FRAMES, EXCEPTION, UNLOADED, MAPPING = 4, 13, 14, 15
READ, WRITE, SHARED = 1, 2, 8
TEXT = b"the text of the exception"
# mode: type and text; None where no exception is the reason
EXCEPTIONS = {
    "cxx-throw": (b"St13runtime_error", TEXT),
    "cxx-noexcept": (b"St13runtime_error", TEXT),
    "cxx-number": (b"i", b""),
    "cxx-text": (b"PKc", b"a text and no object"),
    "cxx-own": (b"N7thrower6BrokenE", b"the pump is broken"),
    "cxx-nested": (b"St17_Nested_exceptionISt11logic_errorE", b"around another"),
    "cxx-again": (b"St13runtime_error", TEXT),
    "cxx-pointer": (b"St13runtime_error", TEXT),
    "cxx-handler": (b"St13runtime_error", TEXT),
    "cxx-unwinding": (b"i", b""),
    "cxx-thread": (b"St13runtime_error", TEXT),
    "cxx-memory": (b"St9bad_alloc", b""),
    "cxx-range": (
        b"St12out_of_range",
        b"vector::_M_range_check: __n (which is 5) >= this->size() (which is 3)",
    ),
    "cxx-terminate": None,
    "cxx-afterwards": None,
    "cxx-abort": None,
    "cxx-pure": None,
    "cxx-catch": None,
    "abort": None,
}
# mode: is the address of the fault in it?
GONE = {
    "unloaded": True,
    "unloaded-early": True,
    "unloaded-data": True,
    "unloaded-return": True,
    "unloaded-below": False,
    "replaced": False,
    "plugin": None,
    "constructor": None,
}
IN_FRAMES = ("unloaded", "unloaded-early", "unloaded-return", "unloaded-below")
# mode: rights and name of what is at the address (None: nothing), is something above it?
MAPPINGS = {
    "write-behind": (0, b"", True),
    "guard-page": (0, b"", True),
    "write-file": (READ | SHARED, b"torture-mapped-", True),
    "truncated-file": (READ | SHARED, b"torture-cut-", True),
    "truncated-map": (READ | WRITE | SHARED, b" (deleted)", True),
    "write-constant": (READ, b"/torture", True),
    "overflow-thread": (0, b"", True),
    "overflow": (None, b"", True),
    "after-unmap": (None, b"", True),
}
NO_MAPPINGS = ["null-write", "null-call", "non-canonical-read", "abort", "raise-segv"]


class Facts(towbar.Case):
    def die(self, mode):
        """tag -> payloads of the only crash; and the address of its fault"""
        if mode.startswith("cxx-") and not os.path.exists(grade.FOLDER + "/torture_thrower.so"):
            self.skipTest("no C++ compiler")
        folder = self.path(mode)
        os.makedirs(folder + "/in", 0o700)
        subprocess.run(
            [grade.PROGRAM, mode], env=self.program_env(TOWBAR_SPOOL=folder), cwd=folder,
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        records = []
        for name in os.listdir(folder + "/in"):
            if name.endswith(".slot"):
                records += spool_reader.read_file(folder + "/in", name).records
        self.assertEqual(len(records), 1, mode)
        chunks = {}
        data = records[0].data
        at = 0
        while at + 8 <= len(data):
            tag, _, size = struct.unpack_from("<HHI", data, at)
            chunks.setdefault(tag, []).append(data[at + 8 : at + 8 + size])
            at += 8 + (size + 7) // 8 * 8
        return chunks, struct.unpack_from("<Q", chunks[1][0], 32)[0]

    def test_an_uncaught_exception_is_named_with_its_text(self):
        for mode, want in EXCEPTIONS.items():
            if towbar.SANITIZE and mode == "cxx-memory":
                continue  # it reports that itself
            with self.subTest(mode):
                chunks, _ = self.die(mode)
                seen = [tuple(chunk.split(b"\0", 1)) for chunk in chunks.get(EXCEPTION, [])]
                self.assertEqual(seen, [want] if want else [])

    def test_a_library_that_was_unloaded_is_named(self):
        for mode, is_inside in GONE.items():
            with self.subTest(mode):
                chunks, address = self.die(mode)
                gone = chunks.get(UNLOADED, [])
                self.assertEqual(len(gone), 0 if is_inside is None else 1)
                for chunk in gone:
                    lo, hi = struct.unpack_from("<QQ", chunk)
                    self.assertEqual(lo <= address < hi, is_inside)
                    if mode == "replaced":
                        continue  # the other library is there, or not
                    frames = chunks[FRAMES][0]
                    ips = [struct.unpack_from("<Q", frames, i)[0] for i in range(0, len(frames), 24)]
                    self.assertEqual(any(lo <= ip < hi for ip in ips), mode in IN_FRAMES)
                    self.assertIn(chunk[16:].decode(), (grade.FOLDER + "/torture_plugin.so",
                                                        grade.FOLDER + "/torture_stripped.so"))  # fmt: skip

    def check_mappings(self, chunks, address, rights, name):
        maps = [(*struct.unpack_from("<QQIIQ", chunk), chunk[32:]) for chunk in chunks]
        self.assertEqual(maps, sorted(maps))
        at = [one for one in maps if one[0] <= address < one[1]]
        if rights is None:
            self.assertEqual(at, [])
        else:
            self.assertEqual(at[0][2], rights)
            self.assertIn(name, at[0][5])
            self.assertEqual(bool(name), bool(at[0][5]))
        return sum(one[0] > address for one in maps), sum(one[1] <= address for one in maps)

    def test_what_is_mapped_at_the_address_and_beside_it_is_told(self):
        for mode, (rights, name, has_above) in MAPPINGS.items():
            if towbar.SANITIZE and mode == "overflow-thread":
                continue
            with self.subTest(mode):
                chunks, address = self.die(mode)
                above, below = self.check_mappings(chunks.get(MAPPING, []), address, rights, name)
                self.assertEqual((above, below), (has_above, 1))

    def test_no_mapping_is_told_where_the_address_says_nothing(self):
        for mode in NO_MAPPINGS:
            with self.subTest(mode):
                chunks, _ = self.die(mode)
                self.assertNotIn(MAPPING, chunks)


if __name__ == "__main__":
    unittest.main()
