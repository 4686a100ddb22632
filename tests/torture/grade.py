"""Runs the modes of the torture program, with and without the library, and grades what came of it.

1. Each mode has a folder of its own; all of a round share a spool, which is read once at the end.
2. The round without the library is what the other is held to: nothing about how the host ends is
   known beforehand.
3. A grade is a word. What fails is a set of them: "report" (there is one, and only where one is due),
   "signal", "frames", "trace", "note" (the last one), "threads" (the stacks of all others), "meaning" (the sentence and the title) of the report;
   "end" (exit status, core flag, siginfo of the parent), "core" (its siginfo, threads and innermost
   module), "output" (standard output and error), "time" (of the death).
4. A death that no handler sees has a report that says "vanished"; how it died is known to an agent
   that was there.
"""

import dataclasses
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import core  # noqa: E402
import towbar  # noqa: E402

FOLDER = os.path.join(towbar.BUILD, "tests", "torture")
PROGRAM = os.path.join(FOLDER, "torture")
TRACE = "0af7651916cd43dd8448eb211c80319c"
(ALONE, ROOT_ONLY, UNSEEN, NO_REPORT, SHORT, NO_SANITIZER, OWN_SPOOL, TWO_REPORTS, NO_TRACE,
 NO_THREADS, OWN_NOTES, UNKNOWN_LATER) = (1 << i for i in range(12))  # fmt: skip
NOTE = "the last note of the torture"
NOBODY, AGENT = 65534, 2  # the agent has a user of its own, as its package sets it up
HANG_S = 10 if not towbar.SANITIZE else 60
BUDGET_S = 2.5  # the longest wait of the handler is 2 s
WORKERS = 2
SETTLE_S = 10
LIVE_MS = 1500  # the agent looks once a second for whom to watch


@dataclasses.dataclass
class Mode:
    family: str
    name: str
    signal: int
    flags: int
    frames: list
    siblings: list
    fails: set
    what: str
    why: str
    says: str
    title: str

    @property
    def wants_report(self):
        return self.signal != 0 and not self.flags & NO_REPORT


@dataclasses.dataclass
class Death:
    end: tuple  # si_code, si_status; () for one that hung
    output: str
    seconds: float
    core: core.Facts  # None without


def read_table():
    lines = subprocess.run([PROGRAM, "list"], capture_output=True, text=True, check=True).stdout
    modes = []
    for line in lines.splitlines():
        family, name, signo, flags, frames, siblings, fails, what, why, says, title = line.split("\t")
        modes.append(
            Mode(family, name, int(signo), int(flags), frames.split(), siblings.split(),
                 set(filter(None, fails.split(","))), what, why, says, title)
        )  # fmt: skip
    return modes


def can_run(mode, user):
    if mode.flags & ROOT_ONLY and (os.geteuid() != 0 or user != 0):
        return False
    if mode.name.startswith("cxx-") and not os.path.exists(FOLDER + "/torture_thrower.so"):
        return False
    return not (towbar.SANITIZE and mode.flags & NO_SANITIZER)


# ---- run ----


def comparable(text):
    """Without addresses, and what a sanitizer has to say of coroutines."""
    lines = [line for line in text.splitlines() if not re.match("==[0-9]+==WARNING", line)]
    return re.sub(r"0x[0-9a-f]+|/tmp/\S+", "X", "\n".join(lines))


def wait_for_death(process):
    """How the kernel tells the parent; () when it did not happen."""
    fd = os.pidfd_open(process.pid)
    try:
        if not select.select([fd], [], [], HANG_S)[0]:
            return ()
        info = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return (info.si_code, info.si_status)
    finally:
        os.close(fd)


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(mode, folder, env, user):
    os.makedirs(folder)
    os.chmod(folder, 0o777)
    who = {}
    if os.geteuid() == 0 and user != 0:
        who = {"user": user, "group": user, "extra_groups": []}
    with open(folder + "/out", "wb") as out, open(folder + "/err", "wb") as err:
        begun = time.monotonic()
        process = subprocess.Popen(
            [PROGRAM, mode.name], env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
            stderr=err, start_new_session=True, **who,
        )  # fmt: skip
        end = wait_for_death(process)
        seconds = time.monotonic() - begun
        kill_group(process)
    output = ""
    for name in ("out", "err"):
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            output += comparable(file.read()) + "\n--\n"
    facts = core.read(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return Death(end, output, seconds, facts)


def wait_until_empty(folder):
    """What the agent waits to learn of the last deaths it would not be told again."""
    end = time.monotonic() + SETTLE_S
    while os.listdir(folder) and time.monotonic() < end:
        time.sleep(0.05)


class Round:
    """All given modes, once, as one user with n_threads idle threads beside the one that dies."""

    def __init__(self, case, modes, user=0, n_threads=0, has_agent=False):
        self.case, self.user, self.n_threads, self.has_agent = case, user, n_threads, has_agent
        self.modes = [mode for mode in modes if can_run(mode, user)]
        self.deaths, self.reports, self.sentences = {}, {}, {}
        self.folder = case.path(f"round-{user}-{n_threads}-{has_agent}")
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)

    def __str__(self):
        agent = "agent running" if self.has_agent else "agent later"
        return f"user {self.user}, {self.n_threads} threads, {agent}"

    def added(self, mode):
        """Seconds until the parent knew of the death, more than without the library."""
        lived = LIVE_MS / 1000 if self.has_agent and mode.flags & (UNSEEN | UNKNOWN_LATER) else 0
        return self.deaths[mode.name].seconds - self.bare[mode.name].seconds - lived

    def env(self, mode, spool, is_bare):
        more = {"TORTURE_BARE": "1"} if is_bare else {}
        if self.n_threads:
            more["TORTURE_THREADS"] = str(self.n_threads)
        if self.has_agent and not is_bare:
            more["TORTURE_LIVE_MS"] = str(LIVE_MS)
        return self.case.program_env(TOWBAR_SPOOL=spool, TOWBAR_SERVICE=mode.name, **more)

    def die(self, is_bare, spool):
        """mode name -> Death"""
        def one(mode):
            own = None
            if mode.flags & OWN_SPOOL:
                own = self.case.make_spool(os.path.join(self.folder, f"own-{mode.name}-{is_bare}"))
            folder = os.path.join(self.folder, f"{mode.name}-{is_bare}")
            death = run(mode, folder, self.env(mode, own or spool, is_bare), self.user)
            if own:
                self.drain(own, own + "-state", is_bare)
                subprocess.run(["umount", "-l", own], check=False, stderr=subprocess.DEVNULL)
            return mode.name, death

        with ThreadPoolExecutor(WORKERS) as pool:
            return dict(pool.map(one, self.modes))

    def drain(self, spool, state, is_bare=False):
        if not is_bare:
            self.case.drain(spool, state)
            self.read(state)

    def read(self, state):
        for data in self.case.read_state(state):
            self.reports.setdefault(data["custom"]["service"], []).append(data)

    def go(self, bare=None):
        self.bare = bare or self.die(True, self.folder + "/none")
        spool = self.case.make_spool(self.folder + "/spool")
        state = self.folder + "/state"
        if self.has_agent:
            with self.case.running_agent(spool, state):
                self.deaths = self.die(False, spool)
                wait_until_empty(spool + "/in")
        else:
            self.deaths = self.die(False, spool)
        self.drain(spool, state)
        return self


# ---- grade ----


def frames_of(data):
    body = data["body"]
    trace = body.get("trace") or body["trace_chain"][0]
    return list(reversed(trace["frames"]))


def is_foreign(frame):
    """Not of the program and what it loads; functions in line come from the C library's headers."""
    is_ours = frame.get("module", "").startswith("torture")
    return not is_ours or frame.get("filename", "").startswith("/usr/")


def matches(frames, wanted):
    """Do the innermost frames read as wanted? "*" is any number of frames of other modules."""
    if not wanted:
        return True
    if wanted[0] == "*":
        if matches(frames, wanted[1:]):
            return True
        return bool(frames) and is_foreign(frames[0]) and matches(frames[1:], wanted)
    if not frames:
        return False
    name = frames[0]["method"].split("(")[0]
    return wanted[0] in ("?", name) and matches(frames[1:], wanted[1:])


def describe(frames):
    return " < ".join(f"{f['method']}[{f.get('module', '')}]" for f in frames[:12])


def has_idle(native, n_threads):
    n = sum(
        len(group["tids"])
        for group in native.get("threads", [])
        if any(frame["method"] == "idle" for frame in group["frames"])
    )
    return n >= n_threads


def grade_threads(mode, native, n_threads):
    """What was seen instead, or nothing."""
    groups = native.get("threads", [])
    names = {frame["method"] for group in groups for frame in group["frames"]}
    if set(mode.siblings) <= names and (mode.flags & NO_THREADS or has_idle(native, n_threads)):
        return ""
    there, captured = native.get("threads_there"), native.get("threads_captured")
    return f"{captured} of {there} threads: " + " ".join(sorted(names)[:12])


def plain(sentence):
    """Without what is another at each run, in one line and without marks of Markdown."""
    sentence = re.sub(r"0x[0-9a-f]+", "0x…", sentence)
    sentence = re.sub(r"\b(pid|tid|uid|up) [0-9]+( s| min \d+ s)?", r"\1 …", sentence)
    sentence = re.sub(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "…", sentence)
    sentence = re.sub(r"[0-9]+ frames", "… frames", sentence)
    sentence = re.sub(r"on [^ ,]+, up", "on …, up", sentence)
    sentence = re.sub(r"(torture[-.](mapped-|cut-)?)\w{6}\b", r"\1…", sentence)
    return sentence.replace("|", "\\|").replace("\n", " ")


def grade_meaning(mode, data, knows):
    """What was seen instead, or nothing. knows: how an unseen death came is known, and it came."""
    meaning = data["custom"]["native"].get("meaning", "")
    name = signal.Signals(mode.signal).name
    if not meaning or meaning == name:
        return f"no meaning: {meaning!r}"
    if re.search(r"0x[0-9a-f]+|[0-9]{4}", data["title"]):
        return f"an address in the title: {data['title']!r}"
    if mode.flags & UNSEEN and not knows:
        return ""
    if not re.search(mode.says, meaning):
        return f"{meaning!r}, not {mode.says!r}"
    if mode.title and data["title"] != mode.title:
        return f"title {data['title']!r}, not {mode.title!r}"
    return ""


def grade_vanished(mode, data, knows, hangs):
    """One that hangs, also without the library, is killed by this test."""
    native = data["custom"]["native"]
    wanted = signal.SIGKILL.name if hangs else signal.Signals(mode.signal).name
    if native["kind"] != "vanished" or native.get("signal", wanted if not knows else "") != wanted:
        return {"signal": f"{native['kind']}, {native.get('signal')}, not {wanted}"}
    return {}


def grade_crash(mode, data, n_threads):
    failed = {}
    wanted = signal.Signals(mode.signal).name
    native = data["custom"]["native"]
    if native.get("signal") != wanted:
        failed["signal"] = f"{native.get('signal')}, not {wanted}"
    frames = frames_of(data)
    if mode.frames and not matches(frames, mode.frames):
        failed["frames"] = describe(frames)
    if data["custom"].get("trace_id") != (None if mode.flags & NO_TRACE else TRACE):
        failed["trace"] = str(data["custom"].get("trace_id"))
    threads = grade_threads(mode, native, n_threads)
    if threads:
        failed["threads"] = threads
    return failed


def grade_report(mode, reports, n_threads, knows, hangs):
    """Failed grades -> what was seen."""
    failed = {}
    n_wanted = (2 if mode.flags & TWO_REPORTS else 1) if mode.wants_report else 0
    if mode.flags & UNKNOWN_LATER and not knows:
        reports = [data for data in reports if data["custom"]["native"]["kind"] != "vanished"]
    if len(reports) != n_wanted:
        failed["report"] = f"{len(reports)} reports"
    if not reports or not mode.wants_report:
        return failed
    data = report_of(mode, reports)
    meaning = grade_meaning(mode, data, knows and not hangs)
    if meaning:
        failed["meaning"] = meaning
    if mode.flags & UNSEEN:
        failed.update(grade_vanished(mode, data, knows, hangs))
    else:
        failed.update(grade_crash(mode, data, n_threads))
    notes = [note["body"]["message"] for note in data["body"].get("telemetry", [])]
    if NOTE not in notes and not (mode.flags & OWN_NOTES and notes):
        failed["note"] = str(notes[-1:])
    return failed


def report_of(mode, reports):
    """The one that is graded."""
    wanted = signal.Signals(mode.signal).name
    right = [data for data in reports if data["custom"]["native"].get("signal") == wanted]
    return (right or reports)[0]


def sentence_of(mode, reports):
    """For the page."""
    if not reports or not mode.wants_report:
        return ""
    data = report_of(mode, reports)
    return plain(f"{data['custom']['native'].get('meaning', '')}<br>*{data['title']}*")


def grade(mode, round_):
    bare, death = round_.bare[mode.name], round_.deaths[mode.name]
    reports = round_.reports.get(mode.name, [])
    failed = grade_report(mode, reports, round_.n_threads, round_.has_agent, not bare.end)
    if bare.end:
        round_.sentences[mode.name] = sentence_of(mode, reports)
    if death.end != bare.end:
        failed["end"] = f"{death.end}, bare {bare.end}"
    if not core.is_alike(death.core, bare.core, not mode.flags & NO_THREADS):
        failed["core"] = f"{death.core}, bare {bare.core}"
    if death.output != bare.output:
        failed["output"] = f"{death.output!r}, bare {bare.output!r}"
    if death.end and round_.added(mode) > BUDGET_S:
        failed["time"] = f"{death.seconds:.3f} s, bare {bare.seconds:.3f} s"
    return failed


def remove_control_group():
    """What the mode out-of-memory made."""
    try:
        os.rmdir("/sys/fs/cgroup/memory/towbar-torture")
    except OSError:
        pass


def allow_cores():
    """A sanitizer's process has terabytes mapped."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0 if towbar.SANITIZE else hard, hard))
