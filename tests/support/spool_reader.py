"""A plain reader of the spool, written from docs/spool-format.md alone.

It is the teaching version: it reads whole files into memory, has no cache, and does one thing after
the other, in the order of the page. The numbers in brackets are the page's sections.

    for file in read_spool("/var/spool/towbar"):
        for record in file.records: print(record.uuid, record.data)

    python3 spool_reader.py SPOOL       prints a line for each record and each damaged place
"""

import dataclasses
import fcntl
import os
import stat
import struct
import sys
import uuid
import zlib

FILE_MAGIC = b"TOWBAR\0\1"
FRAME_MAGIC = b"TBF1"
HEADER = 128  # bytes of a file header [2]
FRAME = 56  # bytes of a frame header [3]
PAYLOAD_MAX = 1 << 20
SEGMENT_MAX = 4 << 20
IN_VAIN_MAX = 16 << 20

FULL, FIRST, MID, LAST, PAD, SEAL = range(1, 7)
NONE, PROCESS, NATIVE, ITEM, CRASH, DROPCOUNT, THREADS = range(7)
KINDS = ("none", "process", "native", "item", "crash", "dropcount", "threads")
TRUNCATED, ZLIB_CRC = 1, 2

# The slot [7].
SLOT_BYTES, SLOT_STATE, AREA_A, AREA_B, CRASH_AREA, PAGE = 256 << 10, 128, 4096, 65536, 131072, 4096
NOTES, N_NOTES, NOTE = 126976, 16, 256
ARMED, WRITING, COMPLETE, HANDED_ON, DONE = range(1, 6)
# The other threads of its crash.
THREADS_MAX, THREADS_FILE_MAX = 896 << 10, 960 << 10
# By the suffix of a name: the kind of the file header.
FILE_KINDS = {"seg": 0, "slot": 1, "more": 2}


# ---- CRC-32C: reflected polynomial 0x82f63b78, all bits inverted before and after ----


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _table()


def crc32c(seed, data):
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# ---- what is found ----


@dataclasses.dataclass
class Record:
    offset: int
    uuid: str
    kind: str
    class_: int
    time_ns: int
    truncated: bool
    data: bytes


@dataclasses.dataclass
class Place:
    """A stretch of a file that is no good frame [5, What a gap was], or a frame without meaning."""

    what: str  # hole, torn, damaged, unknown
    offset: int
    end: int


@dataclasses.dataclass
class File:
    name: str
    state: str = "complete"  # or live, waiting, empty, damaged, refused
    header: object = None
    header_mended: bool = False
    records: list = dataclasses.field(default_factory=list)
    processes: list = dataclasses.field(default_factory=list)
    places: list = dataclasses.field(default_factory=list)
    lost: int = 0
    threads: list = dataclasses.field(default_factory=list)  # payloads, of a .more file
    mtime_ns: int = 0
    uid: int = 0
    beside: bytes = b""  # of a slot: its .more file

    @property
    def is_damaged(self):
        bad = any(place.what in ("damaged", "unknown") for place in self.places)
        return self.state == "damaged" or self.header_mended or bad


# ---- the file header [2] ----


@dataclasses.dataclass
class Header:
    class_: int
    kind: int
    salt: int
    pid: int
    uid: int
    file_bytes: int
    id: bytes
    created_wall_ns: int


class BadHeader(Exception):
    pass


class NewerVersion(Exception):
    pass


def parse_header(image):
    if len(image) < HEADER or image[:8] != FILE_MAGIC:
        raise BadHeader
    (crc,) = struct.unpack_from("<I", image, 124)
    if crc != crc32c(0, image[:124]):
        raise BadHeader
    version, header_len, class_, kind = struct.unpack_from("<HHBB", image, 8)
    if version != 1 or header_len != HEADER:
        raise NewerVersion
    if class_ > 3 or kind > 2:
        raise BadHeader
    salt, pid, uid, file_bytes = struct.unpack_from("<IIII", image, 16)
    (created,) = struct.unpack_from("<Q", image, 72)
    return Header(class_, kind, salt, pid, uid, file_bytes, bytes(image[32:48]), created)


def mend_header(image):
    """Puts one flipped bit right."""
    for bit in range(HEADER * 8):
        tried = bytearray(image[:HEADER])
        tried[bit // 8] ^= 1 << bit % 8
        try:
            return parse_header(tried)
        except (BadHeader, NewerVersion):
            pass
    raise BadHeader


# ---- frames [3] ----


@dataclasses.dataclass
class Frame:
    offset: int
    len: int
    pcrc: int
    type: int
    class_: int
    kind: int
    flags: int
    seq: int
    time_ns: int
    uuid: bytes

    @property
    def payload_end(self):
        return self.offset + FRAME + self.len

    @property
    def end(self):
        """Where the next frame begins: rounded up to 8."""
        return (self.payload_end + 7) // 8 * 8


def parse_frame_header(data, offset, salt):
    """The header at offset, believed only after its checksum; None when it is none."""
    raw = data[offset : offset + FRAME]
    if len(raw) < FRAME or raw[:4] != FRAME_MAGIC:
        return None
    hcrc, length, pcrc, type_, class_, kind, flags, off8, seq, time_ns = struct.unpack_from(
        "<IIIBBBBIQQ", raw, 4
    )
    if hcrc != crc32c(salt, raw[8:]):
        return None
    if off8 * 8 != offset or length > PAYLOAD_MAX or not FULL <= type_ <= SEAL or class_ > 3:
        return None
    return Frame(offset, length, pcrc, type_, class_, kind, flags, seq, time_ns, bytes(raw[40:56]))


def checksum(frame, salt, payload):
    return zlib.crc32(payload, salt) if frame.flags & ZLIB_CRC else crc32c(salt, payload)


class Forgery(Exception):
    pass


class Frames:
    """The good frames of a file's bytes."""

    def __init__(self, data, salt):
        self.data = data
        self.salt = salt
        self.in_vain = 0

    def at(self, offset):
        """The frame at offset with its payload, both checked; None when there is no good one."""
        frame = parse_frame_header(self.data, offset, self.salt)
        if frame is None or frame.payload_end > len(self.data):
            return None
        payload = self.payload(frame)
        if checksum(frame, self.salt, payload) == frame.pcrc:
            return frame
        self.in_vain += frame.len
        if self.in_vain > IN_VAIN_MAX:
            raise Forgery
        return None

    def payload(self, frame):
        return self.data[frame.offset + FRAME : frame.payload_end]

    def next_from(self, offset):
        """The first good frame at offset or behind it: multiples of 8, magic, hcrc, off8 [5]."""
        while True:
            offset = self.data.find(FRAME_MAGIC, offset)
            if offset < 0:
                return None
            if offset % 8 == 0:
                frame = self.at(offset)
                if frame is not None:
                    return frame
            offset += 1


# ---- a segment [4, 5] ----


def name_gap(data, salt, offset, end, at_end):
    """What a gap was [5]: None for the end of the file."""
    gap = data[offset:end]
    used = len(gap.rstrip(b"\0"))
    if used == 0:
        return None if at_end else "hole"
    frame = parse_frame_header(data, offset, salt)
    if frame is None:
        return "torn" if at_end and used <= FRAME else "damaged"
    is_cut = offset + used < frame.payload_end
    return "torn" if is_cut and (at_end or end == frame.end) else "damaged"


def read_segment(file, data):
    frames = Frames(data, file.header.salt)
    offset, n_frames, seq_end = HEADER, 0, 0
    while True:
        frame = frames.at(offset) or frames.next_from(offset)
        gap_end = frame.offset if frame else len(data)
        if gap_end > offset:
            what = name_gap(data, file.header.salt, offset, gap_end, frame is None)
            if what:
                file.places.append(Place(what, offset, gap_end))
        if frame is None:
            break
        n_frames += 1
        if frame.seq < 1 << 24:  # more than fit: a lie
            seq_end = max(seq_end, frame.seq + 1)
        take_frame(file, frame, frames.payload(frame))
        offset = frame.end
    file.lost = max(0, seq_end - n_frames)


def take_frame(file, frame, payload):
    if frame.type in (PAD, SEAL):
        return
    if frame.type != FULL or not PROCESS <= frame.kind <= DROPCOUNT:
        file.places.append(Place("unknown", frame.offset, frame.end))
    elif frame.kind == PROCESS:
        file.processes.append(payload)
    else:
        file.records.append(record_of(frame, payload, frame.flags))


def record_of(frame, payload, flags):
    return Record(
        frame.offset, str(uuid.UUID(bytes=frame.uuid)), KINDS[frame.kind], frame.class_,
        frame.time_ns, bool(flags & TRUNCATED), payload,
    )  # fmt: skip


# ---- a slot [7] ----


def is_nothing(data, offset):
    """Zeros, a frame whose first word is not stored yet, or a header that the file's end cuts."""
    return data[offset : offset + 4] == bytes(4) or len(data) < offset + FRAME


def read_areas(file, data, frames):
    for offset, end in ((AREA_A, AREA_B), (AREA_B, NOTES)):
        frame = frames.at(offset)
        if frame is not None:
            if frame.type == FULL and frame.kind == PROCESS:
                file.processes.append(frames.payload(frame))
        elif any(data[offset : offset + FRAME]) and len(data) >= offset + FRAME:
            what = "torn" if is_nothing(data, offset) else "damaged"
            file.places.append(Place(what, offset, end))


def fragment(frames, page):
    """The fragment of a page: a frame; None for nothing; False for damage."""
    offset = CRASH_AREA + page * PAGE
    frame = frames.at(offset)
    if frame is None:
        return None if is_nothing(frames.data, offset) else False
    return frame if frame.kind == CRASH and frame.len <= PAGE - FRAME else False


def chunk(tag, data):
    return struct.pack("<HHI", tag, 0, len(data)) + data + bytes(-len(data) % 8)


def are_whole_chunks(data):
    offset = 0
    while offset < len(data) and len(data) - offset >= 8:
        (size,) = struct.unpack_from("<I", data, offset + 4)
        offset += 8 + (size + 7) // 8 * 8
    return offset == len(data)


def read_notes(data, salt):
    """Number, wall clock, level, thread and text of those that are whole, the oldest first."""
    notes = []
    area = data[NOTES:CRASH_AREA]
    if len(area) < N_NOTES * NOTE:
        return notes
    for place in range(N_NOTES):
        entry = area[place * NOTE : (place + 1) * NOTE]
        crc, level, number, wall_ns, tid, size = struct.unpack_from("<IIQQII", entry)
        if crc != crc32c(salt, entry[4:]) or number == 0 or number % N_NOTES != place:
            continue
        if size <= NOTE - 32:
            notes.append((number, wall_ns, level, tid, entry[32 : 32 + size]))
    return sorted(notes)


def died_unseen(file, data):
    """The record that is made of a slot without a crash."""
    fixed = bytearray(288)
    struct.pack_into("<I", fixed, 16, file.header.pid)
    struct.pack_into("<Q", fixed, 40, file.mtime_ns)
    stream = chunk(1, bytes(fixed))
    for _, wall_ns, level, tid, text in read_notes(data, file.header.salt):
        stream += chunk(6, struct.pack("<QII", wall_ns, level, tid) + text)
    name = str(uuid.UUID(bytes=file.header.id))
    return Record(CRASH_AREA, name, "crash", 0, file.mtime_ns, False, stream)


def read_threads(data, crash=None):
    """The payloads of a .more file, of that crash or of the first one's, and where something else
    begins than the end; None where nothing does."""
    header = header_of(data)
    if header is None or header[0].kind != FILE_KINDS["more"]:
        return [], None
    data = data[:THREADS_FILE_MAX]
    frames = Frames(data, header[0].salt)
    payloads, offset = [], HEADER
    while True:
        frame = frames.at(offset)
        if frame is None:
            is_end = len(data) < offset + FRAME or not any(data[offset : offset + FRAME])
            return payloads, None if is_end else offset
        crash = crash or frame.uuid
        if (frame.type, frame.kind, frame.seq) != (FULL, THREADS, len(payloads)):
            return payloads, offset
        if frame.uuid != crash:
            return payloads, offset if payloads else None
        payload = frames.payload(frame)
        total = sum(len(one) for one in payloads) + len(payload)
        if not payload or total > THREADS_MAX or not are_whole_chunks(payload):
            return payloads, offset
        payloads.append(payload)
        offset = frame.end


def read_more(file, data):
    data = data[:THREADS_FILE_MAX]
    file.threads, bad = read_threads(data)
    if bad is not None:
        what = name_gap(data, file.header.salt, bad, len(data), True)
        file.places.append(Place(what, bad, len(data)))


def read_stream(file, frames):
    damaged = Place("damaged", CRASH_AREA, SLOT_BYTES)
    first = fragment(frames, 0)
    if first is None:
        if file.state != "live":
            file.records.append(died_unseen(file, frames.data))
        return
    if first is False or first.type not in (FULL, FIRST):
        file.places.append(damaged)
        return
    stream, flags, ended = frames.payload(first), first.flags, first.type == FULL
    for page in range(1, (SLOT_BYTES - CRASH_AREA) // PAGE):
        if ended:
            break
        frame = fragment(frames, page)
        if frame is False:
            file.places.append(damaged)
        # Behind the end of this stream there may be pages of an earlier one.
        if not frame or frame.uuid != first.uuid or frame.seq != first.seq + page:
            break
        if frame.type not in (MID, LAST):
            break
        stream += frames.payload(frame)
        flags |= frame.flags
        ended = frame.type == LAST
    record = record_of(first, stream, flags if ended else flags | TRUNCATED)
    record.class_ = 0
    if file.beside and are_whole_chunks(record.data):
        record.data += b"".join(read_threads(file.beside, first.uuid)[0])
    file.records.append(record)


def read_slot(file, data):
    frames = Frames(data, file.header.salt)
    read_areas(file, data, frames)
    (state,) = struct.unpack_from("<I", data.ljust(SLOT_BYTES, b"\0"), SLOT_STATE)
    is_live = file.state == "live"
    if state != DONE and (not is_live or state >= WRITING):
        read_stream(file, frames)
    if len(data) < SLOT_BYTES:
        file.places.append(Place("damaged", len(data), SLOT_BYTES))


# ---- the folder [1] ----


def parse_name(name):
    """Class and suffix of a name that a producer makes, or None."""
    stem, dot, suffix = name.partition(".")
    parts = stem.split("-")
    if not dot or suffix not in FILE_KINDS or len(parts) != 4:
        return None
    class_, boot, random, number = parts
    if class_ not in ("0", "1", "2", "3") or (suffix != "seg" and class_ != "0"):
        return None
    hexes = set("0123456789abcdef")
    if len(boot) != 8 or len(random) != 16 or not set(boot + random) <= hexes:
        return None
    if not 1 <= len(number) <= 10 or not set(number) <= set("0123456789"):
        return None
    return int(class_), suffix


def owner_lives(fd):
    """Does somebody hold a lock on byte 0? Asked with F_OFD_GETLK."""
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked)
    return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK


def read_file(folder, name):
    file = File(name)
    path = os.path.join(folder, name)
    found = os.lstat(path)
    named = parse_name(name)
    if named is None or not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        file.state = "refused"
        return file
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if owner_lives(fd):
            file.state = "live"
        data = os.pread(fd, SEGMENT_MAX, 0)
    finally:
        os.close(fd)
    file.mtime_ns, file.uid = found.st_mtime_ns, found.st_uid
    if named[1] == "slot":
        file.beside = read_beside(folder, name)
    read_bytes(file, data, named[1], found.st_size > SEGMENT_MAX)
    return file


def read_beside(folder, slot):
    """The other threads of the crash in that slot, whoever's file that is."""
    path = os.path.join(folder, slot[: -len("slot")] + "more")
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return b""
        with open(path, "rb") as file:
            return file.read(SEGMENT_MAX)
    except OSError:
        return b""


def header_of(data):
    """The header and whether it was mended; None when it is beyond use, or of a newer version."""
    image = data[:HEADER].ljust(HEADER, b"\0")
    try:
        return parse_header(image), False
    except NewerVersion:
        return None
    except BadHeader:
        pass
    try:
        return mend_header(image), True
    except BadHeader:
        return None


def read_bytes(file, data, suffix, is_oversize=False):
    read = {"seg": read_segment, "slot": read_slot, "more": read_more}[suffix]
    image = data[:HEADER].ljust(HEADER, b"\0")
    try:
        try:
            file.header = parse_header(image)
        except BadHeader:
            file.header = mend_header(image)
            file.header_mended = True
        if file.header.kind != FILE_KINDS[suffix]:
            raise BadHeader
        read(file, data)
    except NewerVersion:
        file.state = "refused"
    except BadHeader:
        file.header = None
        # (While the file is younger than 5 seconds, or its owner lives, the header may yet come.)
        file.state = "refused" if is_oversize else "damaged" if any(data) else "empty"
    except Forgery:
        file.state = "damaged"


def read_spool(spool):
    """Its files in the order in which the agent would read them: by class, then by age. A second
    file with the id of one that is there is left alone, as are threads without their
    slot."""
    folder = os.path.join(spool, "in")
    files = [read_file(folder, name) for name in sorted(os.listdir(folder))]
    names = set(os.listdir(folder))
    ids = set()
    for i, file in enumerate(files):
        if file.name.endswith(".more"):
            slot = file.name[: -len("more")] + "slot"
            if file.header and slot not in names:
                files[i] = File(file.name, state="refused", header=file.header)
        elif file.header and file.header.id[:8] in ids:
            files[i] = File(file.name, state="refused", header=file.header)
        elif file.header:
            ids.add(file.header.id[:8])

    def order(file):
        header = file.header
        return (0, header.class_, header.created_wall_ns, file.name) if header else (1, file.name)

    return sorted(files, key=order)


def main():
    for file in read_spool(sys.argv[1]):
        print(f"{file.name}: {file.state}, {len(file.records)} records, {file.lost} lost")
        if file.threads:
            print(f"  {len(file.threads)} threads of the crash in its slot")
        for record in file.records:
            print(f"  {record.offset:8} {record.kind:9} {record.uuid} {record.data[:80]!r}")
        for place in file.places:
            print(f"  {place.offset:8} {place.what} up to {place.end}")


if __name__ == "__main__":
    main()
