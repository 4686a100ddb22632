"""towbar top on a terminal: it shows, obeys, resizes, and gives the terminal back however it ends."""

import contextlib
import errno
import fcntl
import json
import os
import pty
import re
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

TAKEN, GIVEN = "\x1b[?1049h", "\x1b[?1049l"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m drop\r\n"


class Terminal:
    """towbar top on a pseudo terminal; .text is all that it wrote."""

    def __init__(self, argv, env, size=(24, 80)):
        self.fd, slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.fd)
        self.process = subprocess.Popen(
            argv, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )  # fmt: skip
        self.slave = slave  # kept open, so that the settings can be read after the end
        self.text = ""

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def settings(self):
        return termios.tcgetattr(self.fd)

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return
        try:
            self.text += os.read(self.fd, 1 << 16).decode("utf-8", "replace")
        except OSError as err:
            if err.errno != errno.EIO:
                raise

    def wait(self, holds, what):
        end = time.monotonic() + towbar.DEADLINE_S
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: {self.text[-3000:]!r}")
            self.read(0.05)

    def wait_text(self, text):
        """Until a whole picture has it."""
        self.wait(lambda: text in self.text.rpartition("\x1b[J")[0], text)

    def picture(self):
        """The last whole picture, line by line."""
        last = self.text.rpartition("\x1b[J")[0].split("\x1b[H")[-1]
        return [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for line in re.split(r"\r*\n", last)]

    def key(self, key):
        """Types, and waits for the next picture that is whole."""
        n = self.text.count("\x1b[J")
        os.write(self.fd, key.encode())
        self.wait(lambda: self.text.count("\x1b[J") > n, key)

    def end(self):
        self.wait(lambda: self.process.poll() is not None, "the end")
        self.read(0)
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)
        os.close(self.slave)


class TopTest(towbar.Case):
    def put(self, agent, title, n=1, level="error", service="feedd"):
        for _ in range(n):
            data = {
                "environment": "test", "level": level, "title": title, "fingerprint": title,
                "service": service, "server": {"host": "h"}, "custom": {"service": service},
                "body": {"message": {"body": title}},
            }  # fmt: skip
            status, reply = agent.request("POST", "/api/1/item/", json.dumps({"data": data}))
            self.assertEqual(status, 200, reply)

    def top(self, *words, size=(24, 80)):
        env = dict(self.agent_env(), TERM="xterm")
        argv = [towbar.binary("towbar"), "top", "--socket", self.socket, "--state-dir", self.state]
        argv += ["--config", self.config, "--spool", self.spool, "--interval", "1", *words]
        terminal = Terminal(argv, env, size)
        self.addCleanup(terminal.close)
        return terminal

    def test_it_shows_and_obeys_its_keys(self):
        with self.agent(token="") as agent:
            self.put(agent, "often", 5, "warning")
            self.put(agent, "bad", 1, "critical")
            self.wait_status(lambda s: s["occurrences"] == 6)
            top = self.top()
            top.wait_text("kept here")
            top.wait_text("often")
            picture = top.picture()
            self.assertIn("by rate", picture[0])
            self.assertIn("agent: in 6", picture[1])
            self.assertIn("often", picture[3])
            self.assertRegex(picture[3], r"warning +5 ")
            self.assertIn("q quit", picture[-1])
            top.key("v")
            top.wait(lambda: "bad" in top.picture()[3], "bad comes first")
            top.key("g")
            top.wait(lambda: "2 items" in "".join(top.picture()), "2 items")
            top.key("g")
            top.key("p")
            top.wait(lambda: "PAUSED" in top.picture()[0], "PAUSED")
            self.put(agent, "unseen", 1)
            self.wait_status(lambda s: s["occurrences"] == 7)
            n = top.text.count("\x1b[J")
            top.wait(lambda: top.text.count("\x1b[J") > n + 1, "two more pictures")
            self.assertNotIn("unseen", top.text)
            top.key("p")
            top.wait_text("unseen")
            os.write(top.fd, b"q")
            self.assertEqual(top.end(), 0)
        self.assertTrue(top.text.rstrip().endswith(GIVEN))
        self.assertEqual(top.settings(), top.before)

    def test_it_follows_the_size_of_the_terminal(self):
        with self.agent(token="") as agent:
            for i in range(20):
                self.put(agent, f"item {i:02} " + "long " * 30)
            self.wait_status(lambda s: s["occurrences"] == 20)
            top = self.top(size=(10, 80))
            top.wait_text("item 19")
            self.assertEqual(len(top.picture()), 10)
            self.assertLessEqual(max(map(len, top.picture())), 80)
            top.resize(24, 132)
            top.wait(lambda: len(top.picture()) == 24, "24 lines")
            self.assertLessEqual(max(map(len, top.picture())), 132)
            self.assertGreater(max(map(len, top.picture())), 100)

    def test_hostile_titles_cannot_steer_the_terminal(self):
        with self.agent(token="") as agent:
            self.put(agent, HOSTILE, 1, service=HOSTILE)
            self.wait_status(lambda s: s["occurrences"] == 1)
            top = self.top()
            top.wait_text("drop")
            os.write(top.fd, b"q")
            self.assertEqual(top.end(), 0)
        rest = re.sub(r"\x1b\[(\?(1049|25|7)[hl]|H|J|K|[0-9]*m)", "", top.text)
        self.assertEqual(re.findall(r"[^\x20-\x7e\r\n\u2581-\u2588]", rest), [], rest)

    def test_hostile_uuids_cannot_steer_the_terminal(self):
        """They are refused today; a database may have one of before."""
        with self.agent(token="") as agent:
            self.put(agent, "x", 1)
            self.wait_status(lambda s: s["occurrences"] == 1)
        with contextlib.closing(sqlite3.connect(os.path.join(self.state, "towbar.db"))) as db:
            db.execute("UPDATE occurrences SET uuid = ?", ("\x9b31m\x1b[31m",))
            db.commit()
        for verb in (["occurrences"], ["item", "1"]):
            text = self.towbar(*verb, "--state-dir", self.state).stdout
            self.assertIn("31m", text)
            self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")

    def test_signals_give_the_terminal_back(self):
        for signo, code in (
            (signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGHUP, 0),
            (signal.SIGSEGV, -signal.SIGSEGV), (signal.SIGABRT, -signal.SIGABRT),
        ):  # fmt: skip
            with self.subTest(signo=signo):
                top = self.top()
                top.wait_text("q quit")
                self.assertNotEqual(top.settings(), top.before)
                top.process.send_signal(signo)
                if not towbar.SANITIZE:
                    self.assertEqual(top.end(), code)
                else:
                    top.end()
                self.assertIn(GIVEN, top.text)
                self.assertEqual(top.settings(), top.before)

    def test_it_can_be_stopped_and_goes_on(self):
        top = self.top()
        top.wait_text("q quit")
        top.process.send_signal(signal.SIGTSTP)
        top.wait(lambda: GIVEN in top.text, "the terminal is given back")
        os.waitid(os.P_PID, top.process.pid, os.WSTOPPED | os.WNOWAIT)
        self.assertEqual(top.settings(), top.before)
        top.process.send_signal(signal.SIGCONT)
        top.wait(lambda: top.text.count(TAKEN) == 2, "the terminal is taken again")
        top.key("t")
        os.write(top.fd, b"q")
        self.assertEqual(top.end(), 0)
        self.assertEqual(top.settings(), top.before)

    def test_a_count_ends_it(self):
        top = self.top("--count", "1")
        self.assertEqual(top.end(), 0)
        self.assertIn(GIVEN, top.text)

    def test_once_leaves_the_terminal_alone(self):
        top = self.top("--once")
        self.assertEqual(top.end(), 0)
        self.assertNotIn("\x1b", top.text)
        self.assertIn("towbard is not running", top.text)


if __name__ == "__main__":
    unittest.main()
