"""Runs inside gdb: gdb -batch -nx -x in_gdb.py, with TOWBAR_JOBS naming a file of jobs in JSON and
TOWBAR_STACKS one for what is found. Each job is run until a signal stops it; what is kept are the
frames of the thread that it stops, innermost first. See debugger.py."""

import json
import os
import subprocess

import gdb

BLOCKING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "blocking.py")


def settings(job):
    yield "set pagination off"
    yield "set confirm off"
    yield "set startup-with-shell off"
    yield "set debuginfod enabled off"
    yield "set print thread-events off"
    yield "set debug-file-directory " + ":".join(job["debug_dirs"])
    yield "set cwd " + job["cwd"]
    for name in job["unset"]:
        yield "unset environment " + name
    for name, value in job["env"].items():
        yield f"set environment {name} = {value}"
    if gdb.current_progspace().filename != job["program"]:
        yield 'file "' + job["program"] + '"'
    yield "set args " + " ".join(job["args"])  # without a shell: split at blanks, no quotes


def place(frame):
    sal = frame.find_sal()
    return {
        "function": frame.name(),
        "file": sal.symtab.fullname() if sal.symtab else None,
        "line": sal.line if sal.symtab else 0,
        "inlined": frame.type() == gdb.INLINE_FRAME,
        "tail": frame.type() == gdb.TAILCALL_FRAME,
    }


def frames(frame):
    while frame is not None:
        if frame.type() != gdb.SIGTRAMP_FRAME:
            yield place(frame)
        frame = frame.older()


def stack_of(job):
    for setting in settings(job):
        gdb.execute(setting, to_string=True)
    for signal in ("SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "SIGALRM"):
        gdb.execute(f"handle {signal} nostop noprint pass", to_string=True)
    if job["blocks"]:
        gdb.execute("starti", to_string=True)
        pid = gdb.selected_inferior().pid
        command = ["python3", "-B", BLOCKING, str(pid), str(job["blocks"])]
        with subprocess.Popen(command):  # No thread of Python runs while gdb waits.
            gdb.execute("continue", to_string=True)
    else:
        gdb.execute("run", to_string=True)
    if gdb.selected_thread() is None:
        raise gdb.error("it has not crashed")
    if not job["sent"]:
        # At a stop gdb does not show the inlined call whose first instruction is the next one,
        # unless it is one of stepi: this meets the same fault again.
        gdb.execute("queue-signal 0", to_string=True)
        gdb.execute("stepi", to_string=True)
    found = list(frames(gdb.newest_frame()))
    gdb.execute("kill", to_string=True)
    return found


def main():
    with open(os.environ["TOWBAR_JOBS"], encoding="utf-8") as file:
        jobs = json.load(file)
    stacks = {}
    for name, job in jobs.items():
        try:
            stacks[name] = stack_of(job)
        except gdb.error as error:
            stacks[name] = str(error)
    with open(os.environ["TOWBAR_STACKS"], "w", encoding="utf-8") as file:
        json.dump(stacks, file)


main()
