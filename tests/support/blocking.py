"""Kills a program where it waits in the kernel, as a watchdog would: blocking.py PID CALL."""

import os
import signal
import sys
import time

DEADLINE_S = 20


def call_of(pid):
    """The number of the system call that it waits in, or ""."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            return file.read().split()[0]
    except (OSError, IndexError):
        return ""


def kill_when(pid, call):
    """SIGSEGV, once it waits in that call. Nothing tells when that is but /proc."""
    end = time.monotonic() + DEADLINE_S
    while call_of(pid) != str(call) and time.monotonic() < end:
        time.sleep(0.005)
    os.kill(pid, signal.SIGSEGV)


if __name__ == "__main__":
    kill_when(int(sys.argv[1]), sys.argv[2])
