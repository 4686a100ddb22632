"""What a debugger shows of a crash, and what an item shows of it, side by side.

    stacks = debugger.stacks({"a": debugger.job(program, ["1"], debug_dirs=[...])}, env, folder)
    ours = debugger.of_item(occurrence)
    self.assertEqual(debugger.differences(ours, stacks["a"]), "")

Frames are innermost first, up to main or a thread's own function: what starts them is not compared,
neither shows it. Two frames are the same when
  - both are inlined calls or both are not,
  - their functions have the same name, without parameters, template arguments, clones' suffixes
    (.part.0), the words that each tool has for a lambda, and which of the C library's aliases it
    is,
  - their lines are the same, and the files' names and the last folder before them. gdb passes over
    rows of the line table that begin no statement: where the two differ addr2line decides.
What gdb has no name for ("??") is "<unknown>". Functions that were left by a tail call are not on
the stack any more: gdb puts some of them back, and so does an item, with the trust "tail"; where
the other has none they are passed over.
"""

import json
import os
import re
import subprocess
from typing import NamedTuple, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
GDB_SECONDS = 120
STARTS = ("_start", "__libc_start_main", "__libc_start_main_impl", "__libc_start_call_main",
          "start_thread", "clone3", "__clone3", "clone", "__clone")  # fmt: skip


class Frame(NamedTuple):
    function: str
    file: Optional[str]
    line: int
    inlined: bool
    tail: bool = False  # it is not on the stack: what called it is known, and what it called
    at: tuple = ()  # of an item's frame: the file, and the place in it to be looked up

    def __str__(self):
        where = f"{self.file}:{self.line}" if self.file else "-"
        return f"{self.function}{' (inlined)' if self.inlined else ''} {where}"


# ---- the debugger ----


def job(
    program, args=(), debug_dirs=("/usr/lib/debug",), cwd="/", env=None, sent=False, blocks=None
):
    """sent: the signal is no fault of the instruction at hand. blocks: the number of the system
    call in which it is to be killed."""
    return {
        "program": program, "args": list(args), "debug_dirs": list(debug_dirs), "cwd": cwd,
        "env": env or {}, "unset": ["LD_PRELOAD"], "sent": sent or blocks is not None, "blocks": blocks,
    }  # fmt: skip


def stacks(jobs, env, folder):
    """Runs all of the jobs in one gdb: {name: [Frame]}. folder is for its files."""
    names = {key: os.path.join(folder, f"gdb.{key}") for key in ("jobs", "stacks")}
    with open(names["jobs"], "w", encoding="utf-8") as file:
        json.dump(jobs, file)
    done = subprocess.run(
        ["gdb", "-batch", "-nx", "-x", os.path.join(HERE, "in_gdb.py")],
        env={**env, "TOWBAR_JOBS": names["jobs"], "TOWBAR_STACKS": names["stacks"]},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=GDB_SECONDS, check=False,
    )  # fmt: skip
    try:
        with open(names["stacks"], encoding="utf-8") as file:
            found = json.load(file)
    except OSError as error:
        raise RuntimeError(f"gdb: {done.stdout}{done.stderr}") from error
    for name, stack in found.items():
        if isinstance(stack, str):
            raise RuntimeError(f"gdb, {name}: {stack}\n{done.stdout}{done.stderr}")
    return {name: [of_gdb(frame) for frame in stack] for name, stack in found.items()}


def of_gdb(frame):
    path = os.path.normpath(frame["file"]) if frame["file"] else None
    name = frame["function"] or "<unknown>"
    return Frame(name, path, frame["line"], frame["inlined"], frame["tail"])


# ---- the item ----


def of_frame(frame, paths=None):
    # Without a line the file name is the module's.
    path = frame["filename"] if "lineno" in frame else None
    trust = frame.get("trust")
    offset = int(frame.get("module_offset", "0"), 16) - (0 if trust == "context" else 1)
    at = ((paths or {}).get(frame.get("module")), offset)
    inlined = frame.get("inlined", False)
    return Frame(frame["method"], path, frame.get("lineno", 0), inlined, trust == "tail", at)


def of_item(data, original=None):
    """original: the main program before it was stripped, for a second opinion."""
    modules = data["custom"]["native"]["modules"]
    paths = {module["name"]: module["path"] for module in modules}
    frames = data["body"]["trace"]["frames"]
    if original:
        paths[frames[0].get("module")] = original
    return [of_frame(frame, paths) for frame in reversed(frames)]


# ---- a second opinion ----


def is_so_by_addr2line(frame):
    path, offset = frame.at
    if not path or not os.path.exists(path):
        return False
    done = subprocess.run(
        ["addr2line", "-i", "-e", path, hex(offset)], capture_output=True, text=True, check=True
    )
    places = [line.split(" (")[0].rpartition(":") for line in done.stdout.splitlines()]
    return any(is_same_file(frame.file, f) and str(frame.line) == line for f, _, line in places)


# ---- side by side ----


def without_brackets(name, opening, closing):
    """Cuts what is in the outermost brackets, but for the names of operators."""
    out, depth, at = [], 0, 0
    while at < len(name):
        operator = re.match(r"operator(\(\)|<=>|->\*?|<<=?|>>=?|<=?|>=?)", name[at:])
        if operator and depth == 0:
            out.append(operator.group())
            at += len(operator.group())
            continue
        depth += name[at] == opening
        if depth == 0:
            out.append(name[at])
        depth -= name[at] == closing and depth > 0
        at += 1
    return "".join(out)


def plain(function):
    """The name as a list of its parts, without what tools write differently."""
    name = function.split("@")[0]
    name = re.sub(r"\.(part|isra|constprop|cold|lto_priv|llvm)(\.[0-9]+)*$", "", name)
    name = re.sub(r"\$_[0-9]+", "", name)  # clang's lambdas
    for brackets in ("<>", "{}", "()"):
        name = without_brackets(name, *brackets)
    name = re.sub(r"( const| &+)+$", "", name)
    name = re.sub(r"operator (\w+)", r"operator~\1", name)
    parts = [part for part in name.split(" ")[-1].split("::") if part.strip("#0123456789")]
    if not parts:
        return []
    alias = re.sub(r"^_+(GI_|libc_)?", "", parts[-1])
    # Rust's own, by their linkage names.
    if alias in ("rust_begin_unwind", "panic_handler", "begin_panic_handler"):
        return ["panic_handler"]
    if parts[0] == "__rustc":
        return [alias]
    return [*parts[:-1], alias.replace("memmove_", "memcpy_")]


def is_same_function(a, b):
    """One may leave out the names around it, not change them."""
    left, right = plain(a), plain(b)
    n = min(len(left), len(right))
    if n == 0:
        return left == right or not (left + right)
    return left[-n:] == right[-n:]


def is_same_file(a, b):
    if a is None or b is None:
        return a is b
    left, right = os.path.normpath(a).split("/"), os.path.normpath(b).split("/")
    n = min(2, len(left), len(right))
    return left[-n:] == right[-n:]


def is_same(ours, theirs, with_lines=True):
    if not is_same_function(ours.function, theirs.function):
        return False
    if not with_lines:
        return True
    if ours.inlined != theirs.inlined:
        return False
    if ours.line == theirs.line and is_same_file(ours.file, theirs.file):
        return True
    return ours.file is not None and not ours.tail and is_so_by_addr2line(ours)


def shown(stack):
    """Up to main, or to what starts a thread."""
    for n, frame in enumerate(stack):
        if frame.function in STARTS:
            return stack[:n]
        if plain(frame.function)[-1:] == ["main"]:
            return stack[: n + 1]
    return stack


def differences(ours, theirs, with_lines=True):
    """ "" when they are the same; else both, line by line, with a mark where they differ."""
    ours, theirs = shown(ours), shown(theirs)
    rows, differ = [], False
    while ours or theirs:
        same = bool(ours and theirs) and is_same(ours[0], theirs[0], with_lines)
        if not same and theirs and theirs[0].tail:
            theirs = theirs[1:]
            continue
        if not same and ours and ours[0].tail:
            ours = ours[1:]
            continue
        left, right = (stack[0] if stack else "-" for stack in (ours, theirs))
        differ = differ or not same
        rows.append(f"{' ' if same else '!'} #{len(rows):<2} towbar {left}\n      gdb    {right}")
        ours, theirs = ours[1:], theirs[1:]
    return "" if not differ else "\n" + "\n".join(rows)
