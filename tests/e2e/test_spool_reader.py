"""Two readers of the spool, `towbar spool` and the plain one of tests/support/spool_reader.py, see
the same in random spools: made by the real writers and by a generator of odd frames, then damaged.

Each seed is one spool. SEEDS in the environment, "12" or "0-999", asks for others."""

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import spool_reader  # noqa: E402
import towbar  # noqa: E402

N_SEEDS = 60 if not towbar.SANITIZE else 20
N_SEEDS_LONG = 1000
PAGE = 4096
OLD_S = 1_700_000_000  # A time of files that nobody is making any more.
CLIENT = os.path.join(towbar.SOURCE, "samples", "cruddur", "backend-flask")


def seeds():
    asked = os.environ.get("SEEDS")
    if asked:
        first, _, last = asked.partition("-")
        return range(int(first), int(last or first) + 1)
    return range(N_SEEDS_LONG if os.environ.get("TOWBAR_LONG") else N_SEEDS)


# ---- a writer of odd segments, from the page (docs/spool-format.md 2, 3) ----


def make_frame(dice, salt, offset, seq):
    crc = spool_reader.crc32c
    payload = dice.choice((b"", b"{}", b'{"data":{}}', dice.randbytes(dice.randrange(200))))
    if dice.random() < 0.05:
        payload = dice.randbytes(dice.randrange(9000))
    type_ = dice.choice((1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6))
    kind = dice.choice((1, 2, 3, 3, 3, 4, 5, 0, 6, 255))
    flags = dice.choice((0, 0, 1, 2, 3))
    pcrc = spool_reader.zlib.crc32(payload, salt) if flags & 2 else crc(salt, payload)
    rest = struct.pack(
        "<IIBBBBIQQ", len(payload), pcrc, type_, dice.randrange(4), kind, flags, offset // 8, seq,
        dice.getrandbits(63),
    ) + dice.randbytes(16)  # fmt: skip
    frame = b"TBF1" + struct.pack("<I", crc(salt, rest)) + rest + payload
    return frame + bytes(-len(frame) % 8)


def make_segment(dice):
    salt = dice.getrandbits(32)
    head = b"TOWBAR\0\1" + struct.pack("<HHBBH", 1, 128, dice.randrange(4), 0, 0)
    head += struct.pack("<IIII", salt, 4711, 0, 4 << 20) + dice.randbytes(32)
    head += struct.pack("<QQQ", 7, dice.getrandbits(62), 9) + bytes(36)
    data = head + struct.pack("<I", spool_reader.crc32c(0, head))
    seq = 0
    for _ in range(dice.randrange(12)):
        if dice.random() < 0.1:
            data += bytes(8 * dice.randrange(1, 40))  # a hole
            seq += dice.randrange(3)
        data += make_frame(dice, salt, len(data), seq)
        seq += 1
    return data + bytes(dice.choice((0, 8, 56, 5000)))


def make_name(dice, suffix="seg"):
    if suffix == "more":
        return f"0-00000000-{dice.randbytes(8).hex()}-{dice.randrange(9)}.more"
    return f"{dice.randrange(4)}-00000000-{dice.randbytes(8).hex()}-{dice.randrange(9)}.seg"


# ---- what a crash has beside it, and a process that died unseen ----


def seal_header(head):
    """124 bytes with their checksum."""
    return bytes(head) + struct.pack("<I", spool_reader.crc32c(0, head))


def make_more(dice, crash):
    """The other threads of that crash; sometimes of another, or with a frame that is none."""
    crc = spool_reader.crc32c
    salt = dice.getrandbits(32)
    if dice.random() < 0.1:
        crash = dice.randbytes(16)
    head = b"TOWBAR\0\1" + struct.pack("<HHBBH", 1, 128, 0, 2, 0)
    head += struct.pack("<IIII", salt, 4711, 0, 1 << 20) + dice.randbytes(32)
    data = seal_header(head + struct.pack("<QQQ", 7, dice.getrandbits(62), 9) + bytes(36))
    for seq in range(dice.randrange(5)):
        payload = b"".join(
            spool_reader.chunk(10, dice.randbytes(dice.randrange(208, 3000)))
            for _ in range(dice.choice((1, 1, 2)))
        )
        kind = dice.choice((6,) * 20 + (4,))
        payload = payload[: dice.choice((len(payload),) * 20 + (len(payload) - 8, 0))]
        rest = struct.pack(
            "<IIBBBBIQQ", len(payload), crc(salt, payload), 1, 0, kind, 0, len(data) // 8, seq, 7
        )
        rest += crash
        frame = b"TBF1" + struct.pack("<I", crc(salt, rest)) + rest + payload
        data += frame + bytes(-len(frame) % 8)
    return data


def forget_crash(dice, slot):
    """The slot of a process that was killed instead; with its last notes."""
    data = bytearray(slot)
    (salt,) = struct.unpack_from("<I", data, 16)
    struct.pack_into("<I", data, spool_reader.SLOT_STATE, dice.choice((0, 1, 1, 2, 3)))
    data[spool_reader.CRASH_AREA :] = bytes(len(data) - spool_reader.CRASH_AREA)
    first = dice.randrange(1, 40)
    for number in range(first, first + dice.randrange(20)):
        text = dice.randbytes(dice.randrange(225))
        body = struct.pack("<IQQII", 3, number, dice.getrandbits(60), 7, len(text)) + text
        body = body.ljust(spool_reader.NOTE - 4, b"\0")
        at = spool_reader.NOTES + number % spool_reader.N_NOTES * spool_reader.NOTE
        data[at : at + 4] = struct.pack("<I", spool_reader.crc32c(salt, body))
        data[at + 4 : at + spool_reader.NOTE] = body
    return bytes(data)


# ---- damage ----


def flip(dice, data):
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def flip_in_header(dice, data):
    for _ in range(dice.choice((1, 1, 1, 2))):
        data[dice.randrange(min(128, len(data)))] ^= 1 << dice.randrange(8)


def page_of(dice, data):
    at = dice.randrange(len(data)) // PAGE * PAGE
    return at, min(PAGE, len(data) - at)


def zero_page(dice, data):
    at, size = page_of(dice, data)
    data[at : at + size] = bytes(size)


def garbage_page(dice, data):
    at, size = page_of(dice, data)
    data[at : at + size] = dice.randbytes(size)


def swap_pages(dice, data):
    a, b = page_of(dice, data)[0], page_of(dice, data)[0]
    size = min(PAGE, len(data) - max(a, b))
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def cut(dice, data):
    used = len(bytes(data).rstrip(b"\0")) or 1
    del data[dice.randrange(1, (used if dice.random() < 0.7 else len(data)) + 1) :]


def hole(dice, data):
    used = len(bytes(data).rstrip(b"\0"))
    at = dice.randrange(used + 1) // 8 * 8
    size = min(8 * dice.randrange(1, 300), len(data) - at)
    data[at : at + size] = bytes(size)


def torn_write(dice, data):
    """Zeros from somewhere on, as a write that was cut leaves them."""
    at = dice.randrange(len(bytes(data).rstrip(b"\0")) + 1)
    data[at:] = bytes(len(data) - at)


def tail(dice, data):
    data += dice.choice((b"TBF1", dice.randbytes(dice.randrange(1, 100)), bytes(20) + b"x"))


def lying_length(dice, data):
    """A header that is not sealed again: as a bit that flipped, but where it matters."""
    at = bytes(data).find(b"TBF1", dice.randrange(len(data)))
    if 0 <= at < len(data) - 56:
        data[at + 8 : at + 12] = dice.randbytes(4)


DAMAGE = (
    flip, flip, flip_in_header, zero_page, garbage_page, swap_pages, cut, hole, torn_write, tail,
    lying_length,
)  # fmt: skip


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def write_bytes(path, data):
    with open(path, "wb") as file:
        file.write(data)
    os.utime(path, (OLD_S, OLD_S))


class SpoolReaderTest(towbar.Case):
    @classmethod
    def setUpClass(cls):
        """Spools of the real writers: several processes at a time, crashes, the Python client."""
        maker = cls("test_random_spools_read_the_same")
        maker.setUp()
        cls.addClassCleanup(maker.doCleanups)
        many, job = maker.compile("many.c"), maker.compile("job.c")
        running = [maker.start(many, str(n)) for n in (3, 12, 40)]
        for process in running:
            process.communicate(timeout=towbar.DEADLINE_S)
        for how in ("both", "abort", "crash"):
            maker.run_program(job, how, "3")
        script = "import towbar\ntowbar.init()\nfor i in range(4): towbar.report_message(str(i))"
        env = maker.program_env(PYTHONPATH=CLIENT)
        maker.run_program(sys.executable, "-c", script, env=env, check=0)
        names = sorted(os.listdir(os.path.join(maker.spool, "in")))
        cls.real = {n: read_bytes(os.path.join(maker.spool, "in", n)) for n in names}
        cls.folder_of_real = maker.spool

    def test_the_real_writers_are_read_whole(self):
        kinds = [suffix.rpartition(".")[2] for suffix in self.real]
        self.assertGreaterEqual(kinds.count("slot"), 5)
        self.assertGreaterEqual(kinds.count("seg"), 8)
        self.spool = self.folder_of_real
        files = spool_reader.read_spool(self.spool)
        self.assertEqual([f.name for f in files if f.is_damaged or f.places or f.lost], [])
        found = [record.kind for file in files for record in file.records]
        # 55 of many, 3 of job and 4 of Python; three crashes.
        counts = {kind: found.count(kind) for kind in set(found)}
        self.assertEqual(counts, {"native": 58, "item": 4, "crash": 3})
        self.compare("the real writers")

    def test_random_spools_read_the_same(self):
        seen = set()
        for seed in seeds():
            with self.subTest(seed=seed):
                self.make_spool(random.Random(seed))
                seen |= self.compare(f"seed {seed}")
        if len(seeds()) >= 20:  # Else the dice made nothing worth comparing.
            self.assertLessEqual(WANTED, seen)

    def test_the_agent_takes_in_what_the_plain_reader_finds(self):
        for seed in range(4):
            with self.subTest(seed=seed):
                shutil.rmtree(self.spool, ignore_errors=True)
                shutil.rmtree(self.state, ignore_errors=True)
                self.make_spool(random.Random(1000 + seed), n_odd=0)
                wanted, unseen = set(), set()
                for file in spool_reader.read_spool(self.spool):
                    found = {r.uuid for r in file.records if r.kind != "dropcount"}
                    # What is said of those is the agent's part.
                    unseen |= found & {str(uuid.UUID(bytes=file.header.id)) if found else ""}
                    wanted |= found
                self.once()
                seen = {data["uuid"] for data in self.occurrences()}
                self.assertEqual(seen - unseen, wanted - unseen)

    def test_a_spool_in_use_reads_the_same(self):
        paced = self.start(self.compile("many.c"), "10", "paced", stdin=subprocess.PIPE)
        paced.stdin.write("go\n" * 5)
        paced.stdin.flush()
        said = [paced.stdout.readline() for _ in range(5)]
        self.assertEqual(said, [f"ok {i}\n" for i in range(5)])
        files = spool_reader.read_spool(self.spool)
        self.assertEqual({file.state for file in files}, {"live"})
        self.assertEqual(sum(len(file.records) for file in files), 5)
        self.compare("a spool in use")
        paced.stdin.close()

    # ---- making ----

    def make_spool(self, dice, n_odd=3):
        folder = os.path.join(self.spool, "in")
        shutil.rmtree(self.spool, ignore_errors=True)
        os.makedirs(folder)
        chosen = dict(dice.sample(sorted(self.real.items()), dice.randrange(1, 5)))
        for _ in range(n_odd):
            chosen[make_name(dice)] = make_segment(dice)
        for name in [name for name in chosen if name.endswith(".slot")]:
            crash = chosen[name][spool_reader.CRASH_AREA + 40 :][:16]
            if dice.random() < 0.3:
                chosen[name] = forget_crash(dice, chosen[name])
            if dice.random() < 0.6:
                chosen[name[: -len("slot")] + "more"] = make_more(dice, crash)
        if dice.random() < 0.2:
            chosen[make_name(dice, "more")] = make_more(dice, bytes(16))
        for name, data in chosen.items():
            damaged = bytearray(data)
            for _ in range(dice.choice((0, 1, 1, 2, 4))):
                if damaged:
                    dice.choice(DAMAGE)(dice, damaged)
            write_bytes(os.path.join(folder, name), damaged)
        self.add_oddities(dice, folder, chosen)

    def add_oddities(self, dice, folder, chosen):
        """What no writer makes; it must neither block nor be read."""
        if dice.random() < 0.3:  # a copy, and a file in which nothing was ever written
            name, data = dice.choice(sorted(chosen.items()))
            suffix = "more" if name.endswith(".more") else "seg"
            write_bytes(os.path.join(folder, make_name(dice, suffix)), data)
            write_bytes(os.path.join(folder, make_name(dice)), b"")
        if dice.random() < 0.2:
            os.mkfifo(os.path.join(folder, make_name(dice)))
        if dice.random() < 0.2:
            os.symlink("/etc/passwd", os.path.join(folder, make_name(dice)))
        slots = [name for name in chosen if name.endswith(".slot")]
        if slots and dice.random() < 0.2:
            beside = os.path.join(folder, dice.choice(slots)[: -len("slot")] + "more")
            if not os.path.lexists(beside):
                dice.choice((os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)))(
                    beside
                )
        if dice.random() < 0.2:
            write_bytes(os.path.join(folder, "new\nline \x1b[31m"), b"x")
        if dice.random() < 0.1:
            os.mkdir(os.path.join(folder, make_name(dice)))

    # ---- comparing ----

    def ask(self, *verb, check=None):
        done = self.towbar("spool", *verb, "--json", "--spool", self.spool, check=check)
        self.assertEqual(done.stderr, "")
        return done.returncode, [json.loads(line) for line in done.stdout.split("\n") if line]

    def compare(self, what):
        """Returns what was met."""
        plain = spool_reader.read_spool(self.spool)
        _, lines = self.ask("cat", "--all", check=0)
        ours = [record_of_line(line) for line in lines]
        theirs = [
            (f.name, r.offset, r.uuid, r.kind, CLASSES[r.class_], r.time_ns, r.truncated, r.data)
            for f in plain for r in f.records
        ]  # fmt: skip
        self.assertEqual(ours, theirs, what)
        code, lines = self.ask("verify")
        found = {line["name"]: verdict_of_line(line) for line in lines if line["place"] == "in"}
        self.assertEqual(found, {f.name: verdict_of_file(f) for f in plain}, what)
        self.assertEqual(code, 1 if any(f.is_damaged for f in plain) else 0, what)
        met = {place.what for file in plain for place in file.places}
        met |= {"lost" for file in plain if file.lost}
        met |= {"threads" for file in plain if file.threads}
        for file in plain:
            names = {record.uuid for record in file.records if file.header}
            met |= {"unseen" for name in names if name == str(uuid.UUID(bytes=file.header.id))}
        return met | {"mended" for file in plain if file.header_mended}


WANTED = {"hole", "torn", "damaged", "unknown", "lost", "mended", "threads", "unseen"}
CLASSES = ("crash", "error", "warning", "info")


def record_of_line(line):
    is_hex = line["encoding"] == "hex"
    data = bytes.fromhex(line["data"]) if is_hex else line["data"].encode("utf-8")
    names = ("file", "offset", "uuid", "kind", "class")
    return (*(line[name] for name in names), int(line["time_ns"]), line["truncated"], data)


def verdict_of_line(line):
    places = sorted((p["offset"], p["end"], p["what"]) for p in line["places"])
    return line["state"], line["ok"], line["header_mended"], line["lost"], places


def verdict_of_file(file):
    places = sorted((p.offset, p.end, p.what) for p in file.places)
    state = "damaged" if file.state == "complete" and file.is_damaged else file.state
    ok = not file.is_damaged and state != "refused"  # that is not looked into
    return state, ok, file.header_mended, file.lost, places


if __name__ == "__main__":
    unittest.main()
