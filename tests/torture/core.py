"""Reads from a core file what a program that crashed must not differ in."""

import dataclasses
import os
import struct

NT_PRSTATUS, NT_SIGINFO, NT_FILE = 1, 0x53494749, 0x46494C45
PT_NOTE = 4
PC_AT = 112 + 16 * 8  # x86-64: pr_reg of struct elf_prstatus, rip is its 17th


@dataclasses.dataclass
class Facts:
    siginfo: tuple  # si_signo, si_errno, si_code
    n_threads: int
    innermost: str  # module of the thread that died


def notes_of(file):
    head = file.read(64)
    if head[:4] != b"\x7fELF":
        return
    phoff, = struct.unpack_from("<Q", head, 32)
    phentsize, phnum = struct.unpack_from("<HH", head, 54)
    file.seek(phoff)
    table = file.read(phentsize * phnum)
    for i in range(phnum):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", table, i * phentsize)
        if kind != PT_NOTE:
            continue
        file.seek(offset)
        data, at = file.read(size), 0
        while at + 12 <= len(data):
            name_len, len_, type_ = struct.unpack_from("<III", data, at)
            at += 12 + (name_len + 3 & ~3)
            yield type_, data[at : at + len_]
            at += len_ + 3 & ~3


def module_of(files, pc):
    """NT_FILE: count, page size, start, end and page offset of each, then the names."""
    count, _ = struct.unpack_from("<QQ", files)
    names = files[16 + 24 * count :].split(b"\0")
    for i in range(count):
        low, high, _ = struct.unpack_from("<QQQ", files, 16 + 24 * i)
        if low <= pc < high:
            return os.path.basename(names[i].decode(errors="replace"))
    return ""


def read(folder):
    """None when there is no core of this machine's kind."""
    paths = [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("core")]
    if not paths or os.uname().machine != "x86_64":
        return None
    siginfo, pcs, files = (), [], b""
    with open(paths[0], "rb") as file:
        for type_, data in notes_of(file):
            if type_ == NT_PRSTATUS:
                pcs.append(struct.unpack_from("<Q", data, PC_AT)[0])
            elif type_ == NT_SIGINFO:
                siginfo = struct.unpack_from("<iii", data)
            elif type_ == NT_FILE:
                files = data
    return Facts(siginfo, len(pcs), module_of(files, pcs[0]) if files and pcs else "")


def is_alike(one, other, same_threads):
    """Where threads come and go another number of them is no difference."""
    if one is None or other is None:
        return one is other
    return (
        one.siginfo == other.siginfo
        and one.innermost == other.innermost
        and (not same_threads or abs(one.n_threads - other.n_threads) <= 1)
    )
