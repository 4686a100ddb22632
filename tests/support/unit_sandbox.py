#!/usr/bin/env python3
"""Runs a program as a systemd unit would, where no systemd runs: its user, no capabilities, no new
privileges, and the system calls that the unit leaves it.

    unit_sandbox.py UNIT UID GID -- PROGRAM ARGUMENT...

Understands what towbard.service uses of SystemCallFilter=, SystemCallErrorNumber=EPERM,
RestrictAddressFamilies=, RestrictNamespaces=yes, RestrictSUIDSGID=yes, RestrictRealtime=yes,
MemoryDenyWriteExecute=yes, LimitCORE=, LimitNOFILE= and UMask=; the sets of calls are systemd's own
(systemd-analyze syscall-filter). File systems are the caller's business (test_service.py).
"""

import ctypes
import errno
import os
import resource
import subprocess
import sys

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
EQ, MASKED_EQ = 4, 7
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
SUID_SGID = 0o6000
PROT_WRITE, PROT_EXEC = 2, 4
# The argument that holds the mode.
MODES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1, "mknodat": 2}


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def read_unit(path):
    """Every value of every key of [Service], in order."""
    values = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            key, equals, value = line.strip().partition("=")
            if equals and not line.startswith("#"):
                values.setdefault(key, []).append(value)
    return values


def expand(name, known={}):  # noqa: B006 - a cache
    """The calls of a set, or the call itself."""
    if not name.startswith("@"):
        return {name}
    if name not in known:
        said = subprocess.run(
            ["systemd-analyze", "--no-pager", "syscall-filter", name], capture_output=True, text=True, check=True
        ).stdout
        names = [line.strip() for line in said.splitlines()[1:]]
        known[name] = set().union(*(expand(n) for n in names if n and n[0] != "#"))
    return known[name]


def allowed(filters):
    """As systemd reads a list of SystemCallFilter=: each adds or takes away."""
    calls = set()
    for value in filters:
        names = set().union(*(expand(name) for name in value.lstrip("~").split()))
        calls = calls - names if value.startswith("~") else calls | names
    return calls | expand("@default")


class Filter:
    def __init__(self):
        self.lib = ctypes.CDLL("libseccomp.so.2")
        self.lib.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.seccomp_init(ERRNO | errno.EPERM))

    def rule(self, action, name, *compares):
        number = self.lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # not of this machine
            return
        array = (Compare * max(len(compares), 1))(*compares)
        code = self.lib.seccomp_rule_add_array(
            self.context, ctypes.c_uint32(action), number, len(compares), array
        )
        if code not in (0, -errno.EDOM, -errno.EACCES):
            raise OSError(-code, f"{name}: {os.strerror(-code)}")

    def allow(self, name):
        if name == "socket":
            for family in self.families:
                self.rule(ALLOW, name, Compare(0, EQ, FAMILIES[family], 0))
        elif name == "clone":
            self.rule(ALLOW, name, Compare(0, MASKED_EQ, NAMESPACES, 0))
        elif name == "clone3":
            self.rule(ERRNO | errno.ENOSYS, name)
        elif name in MODES:
            self.rule(ALLOW, name, Compare(MODES[name], MASKED_EQ, SUID_SGID, 0))
        elif name == "mmap":
            for protection in (0, PROT_WRITE, PROT_EXEC):
                self.rule(ALLOW, name, Compare(2, MASKED_EQ, PROT_WRITE | PROT_EXEC, protection))
        elif name in ("mprotect", "pkey_mprotect"):
            self.rule(ALLOW, name, Compare(2, MASKED_EQ, PROT_EXEC, 0))
        elif name not in ("unshare", "setns", "sched_setscheduler", "sched_setattr"):
            self.rule(ALLOW, name)

    def load(self, unit):
        self.families = unit["RestrictAddressFamilies"][-1].split()
        for name in sorted(allowed(unit["SystemCallFilter"])):
            self.allow(name)
        if self.lib.seccomp_load(self.context) != 0:
            raise OSError("the filter is not taken")


def drop_capabilities():
    for capability in range(64):
        if ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
            break


def main(argv):
    unit = read_unit(argv[1])
    uid, gid = int(argv[2]), int(argv[3])
    program = argv[argv.index("--") + 1 :]
    files = int(unit["LimitNOFILE"][-1])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 <= hard < files:
        files = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(int(unit["UMask"][-1], 8))
    seccomp = Filter()
    for name in [n for value in unit["SystemCallFilter"] for n in value.lstrip("~").split()]:
        expand(name)  # while processes can be started
    expand("@default")
    drop_capabilities()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) != 0:  # PR_SET_NO_NEW_PRIVS
        raise OSError("no_new_privs is refused")
    seccomp.load(unit)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv)
