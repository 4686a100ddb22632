"""What is wrong is said, with the way to mend it; and nothing else is lost."""

import json
import os
import pwd
import socket
import struct
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

# docs/spool-format.md, sections 2 and 3.
FILE_HEADER = 128
FRAME_HEADER = 56
FRAME_MAGIC = b"TBF1"
KIND_NATIVE = 2
GOOD = {
    "environment": "test",
    "uuid": "d4c7acef55bf4c9ea95e4fe9428a8287",
    "body": {"message": {"body": "hello"}},
}


def native_frames(segment):
    """(offset, payload length) of each native item of a segment, by the book."""
    found, at = [], FILE_HEADER
    while segment[at : at + 4] == FRAME_MAGIC:
        (length,) = struct.unpack_from("<I", segment, at + 8)
        if segment[at + 18] == KIND_NATIVE:
            found.append((at, length))
        at += (FRAME_HEADER + length + 7) // 8 * 8
    return found


class BadInputTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def report(self, n=1, **env):
        many = self.path("many")
        if not os.path.exists(many):
            many = self.compile("many.c")
        return self.run_program(many, str(n), env=self.program_env(**env))

    def texts(self):
        return [o.data["body"]["trace"]["exception"]["message"] for o in self.fake.occurrences]

    def assert_all_arrive(self, n):
        """After the mending: the reports that waited in the spool."""
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), sorted(f"report {i}" for i in range(n)))

    def assert_said(self, text, *words):
        for word in words:
            self.assertIn(word.lower(), text.lower())

    def as_nobody(self, *argv, **kwargs):
        """argv as a user who may do little; as it is when the test is not run by root."""
        os.chmod(self.folder, 0o755)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            argv = (
                "setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
                "--clear-groups", *argv,
            )  # fmt: skip
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=towbar.DEADLINE_S, check=False, **kwargs
        )

    # ---- a damaged segment ----

    def segment(self):
        folder = os.path.join(self.spool, "in")
        (name,) = [name for name in os.listdir(folder) if name.endswith(".seg")]
        return os.path.join(folder, name)

    def damage(self, *changes):
        """Flips a bit at each (record, place): place counts from the start of its frame."""
        with open(self.segment(), "r+b") as file:
            whole = file.read()
            frames = native_frames(whole)
            for record, place in changes:
                at = frames[record][0] + place
                file.seek(at)
                file.write(bytes([whole[at] ^ 0x40]))
        return len(frames)

    def test_a_damaged_segment_costs_the_records_it_touched(self):
        self.assertEqual(self.report(20).returncode, 0)
        # A payload, a frame's length, a magic, and the last payload.
        n = self.damage((3, FRAME_HEADER + 9), (7, 8), (12, 0), (19, FRAME_HEADER + 1))
        self.assertEqual(n, 20)
        done = self.once(self.fake)
        rest = [f"report {i}" for i in range(20) if i not in (3, 7, 12, 19)]
        self.assertEqual(sorted(self.texts()), sorted(rest))
        self.assert_said(done.stdout + done.stderr, "damaged")
        self.assertNotIn(" 0 damaged", done.stdout + done.stderr)

    def test_a_segment_without_a_readable_header_is_set_aside(self):
        self.assertEqual(self.report(3).returncode, 0)
        with open(self.segment(), "r+b") as file:
            file.write(b"garbage!")
        os.utime(self.segment(), (0, 0))  # else its maker might still be about to write it
        self.assertEqual(self.report(2).returncode, 0)
        done = self.once(self.fake)
        self.assertEqual(sorted(self.texts()), ["report 0", "report 1"])
        self.assertNotIn(" 0 damaged", done.stdout + done.stderr)
        quarantine = os.path.join(self.spool, "agent", "quarantine")
        self.assert_said(done.stdout + done.stderr, "agent/quarantine")
        self.assertTrue(os.listdir(quarantine))
        self.assertEqual(os.listdir(os.path.join(self.spool, "in")), [])

    def test_foreign_files_and_links_in_the_spool_are_left_alone(self):
        self.assertEqual(self.report(2).returncode, 0)
        secret = self.path("secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("x" * 4096)
        inbox = os.path.join(self.spool, "in")
        os.symlink(secret, os.path.join(inbox, "1-9f3c2a17-4b1d6e0a97c35f28-0.seg"))
        os.mkfifo(os.path.join(inbox, "1-9f3c2a17-4b1d6e0a97c35f29-0.seg"))
        os.mkdir(os.path.join(inbox, "1-9f3c2a17-4b1d6e0a97c35f2a-0.seg"))
        self.assert_all_arrive(2)
        with open(secret, encoding="utf-8") as file:
            self.assertEqual(file.read(), "x" * 4096)

    # ---- a spool that cannot be ----

    def test_the_library_says_that_the_spool_is_missing(self):
        for spool in ("/proc/none/spool", os.path.join(self.config, "spool"), self.config):
            with self.subTest(spool):
                done = self.report(TOWBAR_SPOOL=spool)
                self.assertEqual(done.returncode, 3, done.stdout)
                self.assert_said(done.stderr, spool)
                self.assertRegex(done.stderr, r"^-\d+ .{30,}")

    def test_the_library_says_that_the_spool_cannot_be_written(self):
        self.report()  # compiles, and makes the spool for this user alone
        os.makedirs(os.path.join(self.path("closed"), "in"))
        os.chmod(self.path("closed"), 0o755)
        os.chmod(self.path("closed", "in"), 0o555)
        library = os.path.join(towbar.BUILD, "lib", "libtowbar.so")
        if self.as_nobody("test", "-r", library).returncode:
            self.skipTest("nobody may not read the build folder")
        env = self.program_env(TOWBAR_SPOOL=self.path("closed"))
        done = self.as_nobody(self.path("many"), "1", env=env)
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assert_said(done.stderr, self.path("closed"))

    def test_the_agent_says_that_the_spool_cannot_be(self):
        for spool in ("/proc/none/spool", self.config):
            with self.subTest(spool):
                done = self.once(self.fake, check=1, flags=("--spool", spool))
                self.assert_said(done.stderr, spool)

    def test_a_second_agent_on_the_spool_is_sent_away(self):
        with self.agent(self.fake) as first:
            other = ("--socket", self.path("other.sock"), "--state-dir", self.path("other"))
            done = self.once(self.fake, check=1, flags=other)
            self.assert_said(done.stderr, self.spool, "another")
            self.assertEqual(first.get("/healthz")[0], 200)
            self.assertEqual(self.report(3).returncode, 0)
            self.fake.wait_for(lambda fake: len(fake.occurrences) == 3)
            self.assertEqual(first.stop(), 0)

    # ---- the agent's start ----

    def test_a_file_where_the_socket_should_be_is_left_alone(self):
        precious = self.path("precious")
        with open(precious, "w", encoding="utf-8") as file:
            file.write("precious")
        done = self.start(("--socket", precious))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_said(done.stderr, precious, "is not a socket", "--socket")
        with open(precious, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")

    def test_a_second_agent_leaves_the_socket_of_the_first_alone(self):
        with self.agent(self.fake) as first:
            other = ("--spool", self.path("other-spool"), "--state-dir", self.path("other"))
            done = self.start(("--socket", self.socket, *other))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assert_said(done.stderr, self.socket, "another")
            self.assertEqual(first.get("/healthz")[0], 200)
            self.assertEqual(first.stop(), 0)
        self.assertFalse(os.path.exists(self.socket))

    def test_without_a_home_the_folders_must_be_named(self):
        if self.as_nobody("test", "-x", towbar.binary("towbard")).returncode:
            self.skipTest("nobody may not read the build folder")
        env = self.agent_env(self.fake)
        del env["HOME"]
        done = self.as_nobody(towbar.binary("towbard"), "--once", env=env)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_said(done.stderr, "HOME", "--spool", "--state-dir")

    def test_relative_folders_are_shown_from_the_root_on(self):
        done = self.start(("--socket", "towbard.yaml"), cwd=self.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_said(done.stderr, self.config, "is not a socket")

    def test_the_folder_of_a_named_socket_is_not_made(self):
        done = self.start(("--socket", self.path("none", "towbard.sock")))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_said(done.stderr, self.path("none"), "is missing", "--socket")
        self.assertFalse(os.path.exists(self.path("none")))

    def start(self, flags, env=None, cwd=None):
        """An agent that cannot start: what it said."""
        argv = self.agent_argv("--listen", "off", *flags)
        return subprocess.run(
            argv, env=env or self.agent_env(self.fake), cwd=cwd, capture_output=True, text=True,
            timeout=towbar.DEADLINE_S, check=False,
        )  # fmt: skip

    def test_a_port_in_use_is_named(self):
        self.assertEqual(self.report(2).returncode, 0)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            argv = self.agent_argv("--socket", self.socket, "--listen", address)
            done = subprocess.run(
                argv, env=self.agent_env(self.fake), capture_output=True, text=True,
                timeout=towbar.DEADLINE_S, check=False,
            )  # fmt: skip
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_said(done.stderr, address, "in use", "--listen")
        self.assert_all_arrive(2)

    def test_bad_settings_are_named_with_file_and_line(self):
        self.assertEqual(self.report(2).returncode, 0)
        for text, words in (
            ("spool: x\nrollbr:\n  access_token: y\n", ("rollbr", ":2")),
            ("# fine\n\nrollbar:\n  acces_token: y\n", ("acces_token", ":4")),
            ("rollbar:\n  timeout_ms: soon\n", ("timeout_ms",)),
            ("listen: 0.0.0.0:7070\n", ("listen", "loopback")),
            ("rollbar: [\n", ()),
        ):
            with self.subTest(text):
                self.write_config(text)
                done = self.once(self.fake, check=None)
                self.assertIn(done.returncode, (1, 2), done.stderr)
                self.assert_said(done.stderr, self.config, *words)
                checked = self.towbar("check", "--config", self.config, check=None)
                self.assertIn(checked.returncode, (1, 2), checked.stdout)
                self.assert_said(checked.stdout + checked.stderr, *words)
        self.write_config()
        self.assert_all_arrive(2)

    def test_a_settings_file_that_is_not_there(self):
        os.unlink(self.config)
        done = self.once(self.fake, check=None)
        self.assertIn(done.returncode, (1, 2), done.stderr)
        self.assert_said(done.stderr, self.config)

    def test_help_is_no_wrong_use(self):
        said = [
            subprocess.run(
                [towbar.binary("towbard"), flag], env=self.agent_env(), capture_output=True,
                text=True, timeout=towbar.DEADLINE_S, check=True,
            ).stdout
            for flag in ("-h", "--help")
        ]  # fmt: skip
        self.assertEqual(said[0], said[1])
        self.assert_said(said[0], "--spool", "-h")

    def test_wrong_use(self):
        for argv in (["--no-such-flag"], ["--spool"], ["extra"]):
            with self.subTest(argv):
                done = subprocess.run(
                    [towbar.binary("towbard"), *argv], env=self.agent_env(), capture_output=True,
                    text=True, timeout=towbar.DEADLINE_S, check=False,
                )  # fmt: skip
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assert_said(done.stderr, argv[0])
        self.assert_said(self.towbar("no-such-verb", check=2).stderr, "no-such-verb")

    # ---- the state folder ----

    def test_a_state_folder_that_cannot_be(self):
        self.assertEqual(self.report(2).returncode, 0)
        done = self.once(self.fake, check=1, flags=("--state-dir", self.config))
        self.assert_said(done.stderr, self.config)
        self.assert_all_arrive(2)

    def test_a_state_folder_that_may_not_be_read(self):
        os.mkdir(self.state, 0o700)
        shared = self.path("nobody")
        os.makedirs(shared)
        os.chmod(shared, 0o777)
        if os.geteuid() != 0:
            os.chmod(self.state, 0)
        if self.as_nobody("test", "-x", towbar.binary("towbard")).returncode:
            self.skipTest("nobody may not read the build folder")
        argv = self.agent_argv("--once", "--spool", os.path.join(shared, "spool"))
        done = self.as_nobody(*argv, env=self.agent_env())
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_said(done.stderr, self.state)

    def test_a_database_that_is_none(self):
        self.assertEqual(self.report(2).returncode, 0)
        os.mkdir(self.state)
        database = os.path.join(self.state, "towbar.db")
        with open(database, "w", encoding="utf-8") as file:
            file.write("this is no database, whatever it is called\n" * 200)
        done = self.once(self.fake, check=1)
        self.assert_said(done.stderr, database)
        self.assertEqual(self.fake.requests, [])
        os.rename(database, database + ".away")
        self.assert_all_arrive(2)

    # ---- the token ----

    def test_a_wrong_token_is_said_and_never_shown(self):
        self.assertEqual(self.report(2).returncode, 0)
        wrong = "f" * 32
        done = self.once(self.fake, token=wrong, check=None)
        self.assert_said(done.stdout + done.stderr, "403", "token", "ROLLBAR_ACCESS_TOKEN")
        self.assertNotIn(wrong, done.stdout + done.stderr)
        shown = self.towbar("status", "--state-dir", self.state, check=None)
        self.assert_said(shown.stdout, "token")
        self.assertNotIn(wrong, shown.stdout)
        self.assert_all_arrive(2)

    def test_a_missing_token_is_called_missing(self):
        self.assertEqual(self.report(2).returncode, 0)
        self.once(self.fake, token="f" * 32, check=None)
        done = self.once(self.fake, token=None, check=None)
        said = done.stdout + done.stderr
        self.assert_said(said, "no Rollbar token", "ROLLBAR_ACCESS_TOKEN", "rollbar.token_file")
        self.assertNotIn("refuse", said)
        self.assertNotIn("(0)", said)
        self.assert_all_arrive(2)

    def places(self):
        return ("--state-dir", self.state, "--socket", self.socket, "--spool", self.spool)

    def test_the_tool_sends_an_item_through_everything(self):
        with self.agent(self.fake):
            done = self.towbar("test", *self.places())
            self.fake.wait_for(lambda fake: fake.occurrences)
        self.assert_said(done.stdout, self.fake.occurrences[0].uuid)
        self.assert_clean(self.fake)

    def test_the_tool_shows_that_the_token_is_wrong(self):
        with self.agent(self.fake, "f" * 32):
            done = self.towbar("test", *self.places(), check=1)
            self.assert_said(done.stdout + done.stderr, "403", "ROLLBAR_ACCESS_TOKEN")
            self.wait_status(lambda status: status["parked"] == 1)
            shown = self.towbar("status", *self.places(), check=1)
        self.assert_said(shown.stdout, "token", "403", "ROLLBAR_ACCESS_TOKEN")

    def test_the_tool_says_that_no_agent_runs(self):
        for verb in ("test", "status"):
            done = self.towbar(verb, *self.places(), check=1)
            self.assert_said(done.stdout + done.stderr, self.socket, "towbard")

    # ---- HTTP ----

    def post(self, agent, body):
        headers = {"Content-Type": "application/json"}
        status, reply = agent.request("POST", "/api/1/item/", body, headers)
        return status, json.loads(reply)

    def test_a_body_that_is_not_json_is_refused(self):
        with self.agent(self.fake) as agent:
            for body in ("", "not json", '{"data":', "\xff\xfe", "[" * 100000):
                with self.subTest(body[:20]):
                    status, reply = self.post(agent, body.encode("latin-1"))
                    self.assertEqual((status, reply["err"]), (400, 1), reply)
                    self.assertGreater(len(reply["message"]), 10)
            status, reply = self.post(agent, json.dumps({"data": GOOD}))
            self.assertEqual((status, reply["err"]), (200, 0), reply)
            self.assertEqual(reply["result"]["uuid"], GOOD["uuid"])
            self.fake.wait_for(lambda fake: fake.occurrence(GOOD["uuid"]))

    def test_the_same_over_tcp(self):
        with self.agent(self.fake) as agent:
            url = self.tcp_url(agent)
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(url + "/api/1/item/", b"not json", 10)
            with refused.exception as reply:
                self.assertEqual((reply.code, json.load(reply)["err"]), (400, 1))
            with urllib.request.urlopen(url + "/healthz", timeout=10) as reply:
                self.assertEqual(reply.status, 200)

    def tcp_url(self, agent):
        """What the log says about the port that was taken."""
        agent.wait_log("http://127.0.0.1:")
        (line,) = [line for line in agent.log.splitlines() if "http://127.0.0.1:" in line][:1]
        return "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split("/")[0].split()[0]


if __name__ == "__main__":
    unittest.main()
