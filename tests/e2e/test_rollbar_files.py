"""Files of errors: whatever happens to a file or to the agent, each line arrives once, and what is
no item is put aside. The bytes are those that pyrollbar, rollbar-php and rollbar-gem write."""

import json
import os
import select
import socket
import subprocess
import sys
import time
import unittest
import uuid as uuids

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

LONG = os.environ.get("TOWBAR_LONG") == "1"
OLD_S = 120
NOBODY = 65534


def data(text, **more):
    return {"environment": "test", "level": "error", "body": {"message": {"body": text}}, **more}


def pyrollbar(text, token=towbar.TOKEN):
    """As pyrollbar's handler "agent" appends it: ASCII, a blank behind ":" and ","."""
    uuid = str(uuids.uuid4())
    return json.dumps({"access_token": token, "data": data(text, uuid=uuid)}) + "\n"


def php(text):
    """As rollbar-php's RollbarLogger relays it: data first, "/" escaped, no blanks."""
    envelope = {"data": data(text, uuid=uuids.uuid4().hex), "access_token": towbar.TOKEN}
    return json.dumps(envelope, separators=(",", ":")).replace("/", "\\/") + "\n"


def gem(text):
    """As rollbar-gem writes it: no token."""
    envelope = {"data": data(text, uuid=str(uuids.uuid4()))}
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False) + "\n"


def bare(text):
    """Without a uuid."""
    return json.dumps({"data": data(text)}) + "\n"


class FilesCase(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)
        self.logs = self.path("logs")
        os.mkdir(self.logs)
        self.watch()

    def watch(self, more=""):
        """Settings: the folder self.logs is watched."""
        self.write_config(
            "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n  timeout_ms: 5000\n"
            f"rollbar_files:\n  paths: [{self.logs}]\n{more}"
        )

    def file(self, name="app.rollbar"):
        return os.path.join(self.logs, name)

    def append(self, text, name="app.rollbar"):
        with open(self.file(name), "ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def texts(self):
        """What has arrived, in the order of its arrival."""
        return [o.data["body"]["message"]["body"] for o in self.fake.occurrences]

    def wait_texts(self, *texts):
        self.fake.wait_for(lambda fake: set(texts) <= set(self.texts()))
        self.assertEqual(sorted(self.texts()), sorted(texts))

    def wait_files(self, agent, predicate):
        """Asks the agent until predicate holds for what it says of its files."""
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            files = json.loads(agent.get("/status")[1])["files"]
            if predicate(files):
                return files
            if time.monotonic() > end:
                self.fail(json.dumps(files, indent=1) + agent.log)
            select.select([], [], [], 0.02)

    def rejected(self):
        try:
            with open(os.path.join(self.state, "files", "rejected.jsonl"), encoding="utf-8") as f:
                return [json.loads(line) for line in f]
        except FileNotFoundError:
            return []


class RollbarFilesTest(FilesCase):
    def test_the_lines_of_all_writers_arrive(self):
        self.append(pyrollbar("py") + gem("gem é"))
        self.append(php("php a/b"), "rollbar-relay.1.1700000000.1234.rollbar")
        self.append(bare("ratchet"), "old.ratchet")
        self.append(bare("not this"), "old.log")
        os.mkdir(self.file("sub.rollbar"))
        with self.agent(self.fake) as agent:
            self.append(pyrollbar("later", token=None))
            self.append('{"access_token":"","data":' + json.dumps(data("empty")) + "}\r\n\n  \n")
            self.wait_texts("py", "gem é", "php a/b", "ratchet", "later", "empty")
            files = self.wait_files(agent, lambda f: f["lines"] == 6)
            self.assertEqual((files["watched"], files["rejected"]), (3, 0), files)
        self.assert_clean(self.fake)

    def test_a_line_goes_as_it_stands_to_the_project_of_its_token(self):
        with FakeRollbar(token="other") as other:
            line = '{"data": {"uuid": "u1", "environment": "e", "n": 9007199254740993, '
            line += '"body": {"message": {"body": "x\\u00e9"}}}, "access_token": "other"}\n'
            self.append(line)
            with self.agent(other):
                other.wait_for(lambda fake: len(fake.occurrences) == 1)
            (request,) = [r for r in other.requests if r.status == 200]
            self.assertIn(b'"n": 9007199254740993', request.body)
            self.assertIn(b"x\\u00e9", request.body)
            self.assertEqual(request.headers["X-Rollbar-Access-Token"], "other")

    def test_a_partial_line_waits_for_its_end(self):
        line = pyrollbar("whole")
        with self.agent(self.fake) as agent:
            self.append(pyrollbar("first") + line[:50])
            self.wait_texts("first")
            self.append(line[50:200])
            self.append(line[200:] + pyrollbar("last"))
            self.wait_texts("first", "whole", "last")
            self.assertEqual(self.rejected(), [])

    def test_a_partial_line_waits_across_a_restart(self):
        line = bare("whole")
        self.append(bare("first") + line[:20])
        self.once(self.fake)
        self.assertEqual(self.texts(), ["first"])
        self.append(line[20:])
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), ["first", "whole"])

    def test_lines_of_writers_that_mixed_are_put_aside_and_only_they(self):
        a, b = pyrollbar("a"), pyrollbar("b")
        self.append(pyrollbar("before") + a[:100] + b + a[100:] + pyrollbar("after"))
        self.append(b'\xff\xfe{"data"\n[1]\n{"data": {"body": {}}}\n')
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), ["after", "before"])
        told = self.rejected()
        self.assertEqual(len(told), 5, told)
        self.assertEqual(told[0]["line"], a[:100] + b.rstrip())
        self.assertEqual(told[1]["line"], a[100:].rstrip())
        for one in told:
            self.assertEqual(one["file"], self.file())
            self.assertTrue(one["why"], one)
        mode = os.stat(os.path.join(self.state, "files", "rejected.jsonl")).st_mode
        self.assertEqual(mode & 0o777, 0o600)

    def test_a_line_over_8_mib_is_passed_over_and_told(self):
        self.append(bare("before"))
        self.append(b'{"data": "' + b"x" * (9 << 20) + b'"}\n')
        self.append(bare("after"))
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), ["after", "before"])
        (told,) = self.rejected()
        self.assertNotIn("line", told)
        self.assertIn("8 MiB", told["why"])

    def test_a_large_item_is_truncated_as_over_http(self):
        frames = [{"filename": "a.py", "lineno": i, "code": "x" * 200} for i in range(14000)]
        body = {"trace": {"frames": frames, "exception": {"class": "E", "message": "m"}}}
        self.append(json.dumps({"data": {"environment": "e", "body": body}}) + "\n")
        self.assertGreater(os.path.getsize(self.file()), 3 << 20)
        self.once(self.fake)
        (one,) = self.fake.occurrences
        self.assertEqual(one.data["body"]["trace"]["exception"]["class"], "E")

    def test_a_renamed_file_is_read_to_its_end_then_the_new_one(self):
        with self.agent(self.fake) as agent:
            with open(self.file(), "a", encoding="utf-8") as writer:
                writer.write(pyrollbar("one"))
                writer.flush()
                self.wait_texts("one")
                os.rename(self.file(), self.file("app.rollbar.1"))
                self.append(pyrollbar("new"))
                writer.write(pyrollbar("two"))
            self.wait_texts("one", "two", "new")

    def test_a_file_that_was_renamed_while_the_agent_was_away_is_read_on(self):
        self.append(bare("one"))
        self.once(self.fake)
        self.append(bare("two"))
        os.rename(self.file(), self.file("app.rollbar.1"))
        self.append(bare("new"))
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), ["new", "one", "two"])

    def test_copytruncate_begins_anew_also_when_the_file_has_grown_past_its_place(self):
        same = bare("same")
        with self.agent(self.fake) as agent:
            self.append(same)
            self.wait_files(agent, lambda f: f["lines"] == 1)
            os.truncate(self.file(), 0)
            agent.wait_log("was truncated")
            self.append(same)  # The same text at the same offset: it happened again.
            self.wait_files(agent, lambda f: f["lines"] == 2)
        os.truncate(self.file(), 0)
        self.append(bare("longer than what was there") + bare("more"))
        self.once(self.fake)
        expected = ["same", "same", "longer than what was there", "more"]
        self.assertEqual(sorted(self.texts()), sorted(expected))

    def test_a_writer_that_goes_on_at_its_offset_after_a_truncation_loses_nothing(self):
        with self.agent(self.fake) as agent, open(self.file(), "wb") as writer:
            writer.write(bare("one").encode())
            writer.flush()
            self.wait_texts("one")
            os.truncate(self.file(), 0)
            writer.write(bare("two").encode())
            writer.flush()
            self.wait_texts("one", "two")
            self.assertEqual(self.rejected(), [])

    def test_a_file_that_is_removed_and_made_again_is_another(self):
        for text in ("one", "one", "one"):
            self.append(bare(text))
            self.once(self.fake)
            os.unlink(self.file())
        self.assertEqual(self.texts(), ["one"] * 3)

    def test_a_file_that_is_removed_while_it_is_open_is_read_to_its_end(self):
        with self.agent(self.fake) as agent, open(self.file(), "a", encoding="utf-8") as writer:
            writer.write(bare("one"))
            writer.flush()
            self.wait_texts("one")
            os.unlink(self.file())
            writer.write(bare("two"))
            writer.flush()
            self.wait_texts("one", "two")

    def test_what_is_no_file_harms_nobody(self):
        secret = self.path("secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write(bare("secret"))
        os.symlink(secret, self.file("link.rollbar"))
        os.link(secret, self.file("hard.rollbar"))
        os.mkfifo(self.file("fifo.rollbar"))
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(self.file("s.rollbar"))
        with open(self.file("huge.rollbar"), "wb") as file:
            file.truncate(1 << 42)
        with self.agent(self.fake) as agent:
            self.append(bare("fine"))
            self.wait_texts("fine")
            agent.wait_log("link.rollbar is a symbolic link")
            agent.wait_log("hard.rollbar has a second name")
            agent.wait_log("fifo.rollbar is no regular file")
            self.wait_files(agent, lambda f: f["unreadable"] == 4)

    def ordinary_agent(self):
        """The agent as a user who may not read everything."""
        who = {}
        if os.geteuid() == 0:
            who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path, folders, files in os.walk(self.folder):
                for name in (".", *folders, *files):
                    os.chown(os.path.join(path, name), NOBODY, NOBODY)
        argv = self.agent_argv("--socket", self.socket, "--listen", "off")
        agent = towbar.Agent(argv, self.agent_env(self.fake), self.socket, **who)
        self.addCleanup(agent.kill9)
        return agent

    def test_a_file_that_may_not_be_read_is_named_and_read_when_it_may(self):
        self.append(bare("one"))
        os.chmod(self.file(), 0)
        with self.ordinary_agent() as agent:
            agent.wait_log(f"cannot read {self.file()}: Permission denied")
            self.assertEqual(agent.log.count("cannot read"), 1)
            os.chmod(self.file(), 0o600)
            self.wait_texts("one")

    def test_a_folder_that_comes_later_is_found_and_patterns_fit(self):
        self.write_config(
            "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n"
            f"rollbar_files:\n  paths: ['{self.folder}/srv/*/log/e?.rollbar']\n"
        )
        with self.agent(self.fake) as agent:
            agent.wait_log("is not there yet")
            os.makedirs(self.path("srv", "a", "log"))
            os.makedirs(self.path("srv", "b", "log"))
            os.symlink(self.path("srv", "a"), self.path("srv", "link"))
            for name in ("a/log/e1.rollbar", "b/log/e2.rollbar", "b/log/e22.rollbar"):
                with open(self.path("srv", name), "w", encoding="utf-8") as file:
                    file.write(bare(name))
            self.wait_texts("a/log/e1.rollbar", "b/log/e2.rollbar")

    def test_many_more_files_than_are_held_open(self):
        for i in range(150):
            self.append(bare(f"first {i}"), f"{i}.rollbar")
        with self.agent(self.fake) as agent:
            self.wait_files(agent, lambda f: f["lines"] == 150)
            for i in range(150):
                self.append(bare(f"second {i}"), f"{i}.rollbar")
            self.wait_files(agent, lambda f: f["lines"] == 300 and f["behind_bytes"] == 0)
            held = os.listdir(f"/proc/{agent.process.pid}/fd")
            paths = []
            for fd in held:
                try:
                    paths.append(os.readlink(f"/proc/{agent.process.pid}/fd/{fd}"))
                except FileNotFoundError:
                    continue
            self.assertLessEqual(sum(p.startswith(self.logs) for p in paths), 66)
        self.once(self.fake)
        self.assertEqual(len(set(self.texts())), 300)
        self.assertEqual(len(self.texts()), 300)

    def test_a_file_larger_than_the_spool_may_be_is_taken_whole_at_once(self):
        self.watch("spool_limits:\n  max_bytes: 1048576\n")  # 16 MiB it may always have.
        n_lines, fill = 2500, "x" * 8000
        with open(self.file(), "w", encoding="utf-8") as file:
            for i in range(n_lines):
                file.write(json.dumps({"data": data(f"m{i % 7}", custom={"fill": fill})}) + "\n")
        self.once()  # Without a token: nothing is sent.
        status = self.status()
        self.assertEqual(status["occurrences"] + status["duplicates"], n_lines, status)
        self.assertEqual(status["duplicates"], 0)

    def test_damaged_places_are_put_aside_and_said(self):
        self.append(pyrollbar("one"))
        self.once(self.fake)
        places = os.path.join(self.state, "files", "places")
        with open(places, "r+b") as file:
            file.seek(20)
            file.write(b"X")
        self.append(pyrollbar("two"))
        done = self.once(self.fake)
        self.assertIn("is damaged", done.stderr)
        self.assertTrue(os.path.exists(places + ".bad"))
        self.assertEqual(sorted(self.texts()), ["one", "two"])  # Each has a uuid of its own.


class RemoveTest(FilesCase):
    def setUp(self):
        super().setUp()
        self.watch("  remove: true\n")

    @staticmethod
    def dead_pid():
        done = subprocess.Popen(["true"])
        done.wait()
        return done.pid

    def make_old(self, name):
        past = time.time() - OLD_S
        os.utime(self.file(name), (past, past))

    def test_files_of_writers_that_are_gone_are_removed_when_all_is_in_the_spool(self):
        relay = f"rollbar-relay.{self.dead_pid()}.1700000000.1234.rollbar"
        self.append(php("relay"), relay)
        self.append(gem("processed"), "app_processed_1700000000.rollbar")
        partial = f"rollbar-relay.{self.dead_pid()}.1700000000.5.rollbar"
        self.append(php("partial") + "{", partial)
        alive = f"rollbar-relay.{os.getpid()}.1700000000.5.rollbar"
        self.append(php("alive"), alive)
        self.append(pyrollbar("py"), "log.rollbar")
        fresh = f"rollbar-relay.{self.dead_pid()}.1700000000.6.rollbar"
        for name in (relay, "app_processed_1700000000.rollbar", partial, "log.rollbar"):
            self.make_old(name)
        self.append(php("fresh"), fresh)
        with self.agent(self.fake) as agent:
            self.wait_files(agent, lambda f: f["removed"] == 2)
            self.wait_texts("relay", "processed", "partial", "alive", "py", "fresh")
        self.assertEqual(sorted(os.listdir(self.logs)), sorted([partial, alive, "log.rollbar", fresh]))

    def test_a_file_that_somebody_has_open_stays(self):
        name = f"rollbar-relay.{self.dead_pid()}.1700000000.1.rollbar"
        with open(self.file(name), "a", encoding="utf-8") as writer:
            writer.write(php("one"))
            writer.flush()
            self.make_old(name)
            with self.agent(self.fake) as agent:
                self.wait_texts("one")
                self.append(pyrollbar("marker"))
                self.wait_texts("one", "marker")
            self.once(self.fake)
            self.assertTrue(os.path.exists(self.file(name)))
        with self.agent(self.fake) as agent:
            self.wait_files(agent, lambda f: f["removed"] == 1)

    def test_nothing_is_removed_unless_it_is_asked_for(self):
        self.watch()
        name = f"rollbar-relay.{self.dead_pid()}.1700000000.1.rollbar"
        self.append(php("one"), name)
        self.make_old(name)
        self.once(self.fake)
        self.once(self.fake)
        self.assertTrue(os.path.exists(self.file(name)))


class LogFilesTest(FilesCase):
    PATTERN = r"^(?<time>\d{4}-\S+ \S+) (?<level>\w+) (?<message>.*)"

    def setUp(self):
        super().setUp()
        self.watch_logs()

    def watch_logs(self, pattern=None, more=""):
        pattern = self.PATTERN if pattern is None else pattern
        self.write_config(
            "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n"
            f"log_files:\n  - path: {self.logs}/*.log\n    pattern: '{pattern}'\n"
            f"    service: app\n    environment: prod\n    framework: flask\n{more}"
        )

    def log(self, text):
        self.append(text, "app.log")

    def test_messages_with_their_lines_arrive_at_their_level(self):
        self.once(self.fake)
        self.log(
            "a line before any message\n"
            "2026-01-31 12:00:00,250 WARN disk is nearly full\n"
            "2026-01-31 12:00:01 INFO nothing\n  of interest\n"
            "2026-01-31 12:00:02 ERROR it broke\nTraceback (most recent call last):\n"
            '  File "a.py", line 1\nValueError: x\n\xff\n'
        )
        with self.agent(self.fake, TZ="UTC") as agent:
            self.fake.wait_for(lambda fake: len(fake.occurrences) == 2)
            files = self.wait_files(agent, lambda f: f["messages"] == 2)
            self.assertEqual(files["unmatched"], 1)
        warning, error = sorted((o.data for o in self.fake.occurrences), key=lambda d: d["title"])
        self.assertEqual(warning["title"], "disk is nearly full")
        self.assertEqual((warning["level"], error["level"]), ("warning", "error"))
        self.assertEqual(warning["timestamp"], 1769860800)
        self.assertEqual(error["title"], "it broke")
        body = error["body"]["message"]["body"]
        self.assertTrue(body.startswith("it broke\nTraceback (most"), body)
        self.assertIn("ValueError: x", body)
        self.assertEqual(error["custom"]["service"], "app")
        self.assertEqual(error["server"]["log_file"], self.file("app.log"))
        self.assertEqual(error["server"]["host"], socket.gethostname())
        self.assertEqual((error["environment"], error["framework"]), ("prod", "flask"))
        self.assert_clean(self.fake)

    def test_a_log_that_is_there_at_the_first_start_is_read_from_its_end(self):
        self.log("2026-01-31 12:00:00 ERROR old\n2026-01-31 12:00:00 ERROR ha")
        self.once(self.fake)
        self.assertEqual(self.texts(), [])
        self.log("lf\n2026-01-31 12:00:02 ERROR new\n")
        self.append("2026-01-31 12:00:02 ERROR other\n", "other.log")
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), ["new", "other"])
        self.once(self.fake)
        self.assertEqual(len(self.texts()), 2)

    def test_the_last_message_waits_for_its_lines_and_comes_once(self):
        self.log("")
        self.once(self.fake)
        with self.agent(self.fake) as agent:
            self.log("2026-01-31 12:00:00 ERROR one\n")
            self.log("  its line\n")
            self.wait_texts("one\n  its line")
            self.log("2026-01-31 12:00:00 ERROR two\n")
            agent.kill9()
        with self.agent(self.fake) as agent:
            self.wait_texts("one\n  its line", "two")

    def test_a_log_that_was_rotated_while_the_agent_was_away_is_read_on(self):
        self.once(self.fake)
        self.log("2026-01-31 12:00:00 ERROR one\n")
        self.once(self.fake)
        self.log("2026-01-31 12:00:00 ERROR two\n")
        os.rename(self.file("app.log"), self.file("app.log.1"))
        self.log("2026-01-31 12:00:00 ERROR three\n")
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), ["one", "three", "two"])

    def test_without_a_pattern_lines_with_a_time_and_a_level_count(self):
        self.watch_logs(pattern="")
        self.once(self.fake)
        self.log(
            "[2026-01-31 12:00:00 +0000] [7] [CRITICAL] WORKER TIMEOUT\n"
            "2026-01-31 12:00:00,001 app ERROR no\n2026-01-31T12:00:00Z fine\n"
            "2026-01-31 12:00:00 DEBUG ERROR\n"
        )
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), ["[7] [CRITICAL] WORKER TIMEOUT", "app ERROR no"])

    def test_a_pattern_that_is_none_ends_the_agent_with_the_place(self):
        self.watch_logs(pattern="^(?<level>[a-z+ x")
        done = self.once(self.fake, check=1)
        self.assertIn("log_files", done.stderr)
        self.assertIn("at byte", done.stderr)
        self.watch_logs(more="    level: loud\n")
        done = self.once(self.fake, check=1)
        self.assertIn("loud", done.stderr)

    def test_a_pattern_that_explodes_costs_its_line_only(self):
        self.watch_logs(pattern="^(a+)+$|^ERROR (?<message>.*)")
        self.once(self.fake)
        self.log("ERROR one\n" + "a" * 5000 + "!\nERROR two\n")
        done = self.once(self.fake)
        self.assertIn("too many steps", done.stderr)
        self.assertEqual(len(self.texts()), 2)


class NothingLostTest(FilesCase):
    """The agent is killed again and again while writers write and files are rotated."""

    ROUNDS = 60 if LONG else 8
    LINES = 40

    def rotate(self, n):
        os.rename(self.file(), self.file(f"app.rollbar.{n}"))

    def test_kill_9_loses_nothing_and_doubles_nothing(self):
        expected = []
        for n in range(self.ROUNDS):
            agent = self.agent(self.fake)
            if n % 2:
                agent.wait_ready()
            for i in range(self.LINES):
                expected.append(f"{n}.{i}")
                self.append(bare(expected[-1]) if i % 2 else pyrollbar(expected[-1]))
            if n % 4 == 3:
                self.rotate(n)
            target = len(expected) - self.LINES * (1 + n % 3) // 3
            if n % 2:
                self.fake.wait_for(lambda fake, t=target: len(fake.occurrences) >= min(t, 1))
            agent.kill9()
        self.once(self.fake)
        self.assertEqual(sorted(self.texts()), sorted(expected))
        status = self.status()
        self.assertEqual(status["sent"], len(expected))
        self.assertEqual(status["queued"] + status["dropped"] + status["quarantined"], 0, status)
        self.assertEqual(self.rejected(), [])


if __name__ == "__main__":
    unittest.main()
