"""For tests/e2e/test_hostile_*.py: a spool that every user may write to, an agent that is root or a
user of its own, and programs of other users that crash. Only root can have that.

    crash = self.crash_as(NOBODY, program)
    with self.agent_of_many(fake) as agent: ...
    self.everything_shown(agent, fake)       all that anybody gets to see, as bytes
"""

import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import debugger  # noqa: E402
import symbols  # noqa: E402
import towbar  # noqa: E402

DAEMON, BIN, NOBODY = 1, 2, 65534
FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")


class Case(symbols.Case):
    AGENT = 0

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root has several users")
        super().setUp()
        # What the agent keeps is its own; in the drop box each has its own files.
        os.makedirs(os.path.join(self.spool, "in"))
        os.mkdir(self.state, 0o700)
        for path, mode in ((self.spool, 0o755), (os.path.join(self.spool, "in"), 0o3733)):
            os.chown(path, self.AGENT, self.AGENT)
            os.chmod(path, mode)
        for path in (self.state, self.path("home"), self.config):
            os.chown(path, self.AGENT, self.AGENT)
        os.chmod(self.folder, 0o777)
        self.lib = self.path("lib")
        os.mkdir(self.lib)
        for name in os.listdir(os.path.join(towbar.BUILD, "lib")):
            if name.startswith("libtowbar.so"):
                shutil.copy2(os.path.join(towbar.BUILD, "lib", name), self.lib)

    def preload(self):
        """The library where everybody may read it."""
        return super().preload(self.lib)

    def folder_of(self, uid, name, mode=0o755):
        path = self.path(name)
        os.mkdir(path)
        os.chown(path, uid, uid)
        os.chmod(path, mode)
        return path

    def crash_as(self, uid, program, *args, **kwargs):
        return self.crash(program, *args, user=uid, group=uid, extra_groups=[], **kwargs)

    # ---- the agent ----

    def agent_of_many(self, fake=None):
        argv = self.agent_argv("--socket", self.socket, "--listen", "off")
        who = dict(user=self.AGENT, group=self.AGENT, extra_groups=[]) if self.AGENT else {}
        if self.AGENT:  # The programs are where only root may go.
            argv[0] = shutil.copy2(argv[0], self.path("towbard"))
        agent = towbar.Agent(argv, self.agent_env(fake), self.socket, **who)
        self.addCleanup(lambda: self.assertNotIn("Sanitizer:", agent.log))
        self.addCleanup(agent.kill9)
        return agent

    def wait_occurrences(self, n, timeout):
        self.wait_status(lambda status: status["occurrences"] >= n, timeout)

    def everything_shown(self, agent, fake):
        """{where: bytes}: pages and their twins, what the tool prints, what went to Rollbar, what
        is in the state folder, and the log."""
        shown = {"rollbar": b"".join(request.body for request in fake.requests)}
        items = self.read_json("items", "--max", "1000")
        pages = ["/", "/traces"]
        for item in items:
            number = item["number"]
            pages += [f"/items/{number}{twin}" for twin in ("", ".txt", ".md", ".json")]
            shown[f"towbar item {number}"] = self.tool("item", str(number))
        for page in pages:
            status, body = agent.get(page)
            self.assertEqual(status, 200, page)
            shown[page] = body
        shown["towbar items"] = self.tool("items", "--max", "1000")
        shown["towbar occurrences"] = self.tool("occurrences", "--json", "--max", "1000")
        for parent, _, names in os.walk(self.state):
            for name in names:
                with open(os.path.join(parent, name), "rb") as file:
                    shown[name] = file.read()
        shown["log"] = agent.log.encode(errors="replace")
        return shown

    def tool(self, *args):
        return self.towbar(*args, "--state-dir", self.state).stdout.encode(errors="surrogateescape")

    def read_all(self):
        return {data["environment"]: data for data in self.occurrences("--max", "1000")}

    def assert_secret(self, marker, shown):
        for where, data in shown.items():
            if marker.encode() in data or json.dumps(marker).strip('"').encode() in data:
                at = data.index(marker.encode())
                self.fail(f"{where} shows it: ...{data[max(0, at - 200) : at + 80]!r}")

    def linked(self, name, assembler, folder, source="queue.c"):
        """A program with debug data of our own."""
        base = self.path(source.replace(".c", ".o"))
        if not os.path.exists(base):
            self.source(source)
            self.build(["gcc", "-O2", "-c", source, "-o", base])
        path = self.path(f"{name}.s")
        with open(path, "w", encoding="utf-8") as file:
            file.write(assembler + ' .section .note.GNU-stack,"",@progbits\n')
        program = os.path.join(folder, name)
        self.build(["gcc", "-Wl,--build-id=sha1", path, base, "-o", program])
        os.chown(program, NOBODY, NOBODY)
        return program

    def innocent(self):
        """A program of somebody else, and its stack."""
        program = self.compiled("queue.c", "innocent", "-O2")
        return program, self.stacks(a=debugger.job(program, debug_dirs=[self.debug_dir]))["a"]

    def assert_plain(self, shown):
        """No byte that a terminal or a browser would obey."""
        for where, data in shown.items():
            if where.startswith("towbar item") or where.endswith((".txt", ".md")):
                found = FORBIDDEN.search(data)
                self.assertIsNone(
                    found, f"{where}: {found and data[found.start() - 60 : found.end()]}"
                )
            if where.startswith("/") and "." not in where:
                self.assertNotIn(b"<script>alert", data, where)
                self.assertNotIn(b"<img src=x", data, where)
                self.assertNotIn("\u202e".encode(), data, where)
