"""towbar demo --check: shows it all in seconds, anywhere, and leaves nothing behind."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402
from fake_xray_daemon import FakeXrayDaemon  # noqa: E402

DEMO_MAX_S = 10


def processes_of(session):
    """Those that are left of a session, with their command lines."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                command = file.read().replace("\0", " ")
        except OSError:
            continue  # It ended while we looked.
        if fields[3] == str(session) and fields[0] != "Z":
            found.append(f"{name} {command}")
    return found


class DemoTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.temporary = self.path("temporary folder")  # with a space
        os.mkdir(self.temporary)

    def demo(self, *prefix, check=0, max_s=DEMO_MAX_S, **env):
        """Runs it; returns what it said."""
        whole = self.agent_env(TMPDIR=self.temporary, ASAN_OPTIONS="detect_leaks=0", **env)
        whole = {key: value for key, value in whole.items() if value is not None}
        began = time.monotonic()
        process = subprocess.Popen(
            [*prefix, towbar.binary("towbar"), "demo", "--check"], env=whole, cwd=self.temporary,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            said, _ = process.communicate(timeout=towbar.DEADLINE_S)
        finally:
            process.kill()
            process.wait()
        took = time.monotonic() - began
        self.assertEqual(process.returncode, check, said)
        if not towbar.SANITIZE:
            self.assertLess(took, max_s, said)
        self.assertEqual(processes_of(process.pid), [])
        self.assertEqual(os.listdir(self.temporary), [], said)
        return said

    def test_it_shows_signal_stack_source_and_trace(self):
        said = self.demo()
        for word in ("SIGSEGV", "queue_push", "queue.c:", "trace"):
            self.assertIn(word, said)

    def flask(self):
        """The Python that has Flask: tests/run.sh makes it beside the release build."""
        for build in (towbar.BUILD, os.path.join(towbar.SOURCE, "build")):
            python = os.path.join(build, "venv", "bin", "python")
            if os.path.exists(python):
                return python
        self.skipTest("there is no Flask: ./tests/run.sh fetches it")
        return None

    def test_nothing_of_it_reaches_the_systems_that_the_environment_names(self):
        """Who tries it has the variables of his own app in the shell."""
        with FakeOtlp() as otlp, FakeAws() as aws, FakeXrayDaemon() as daemon:
            self.demo(
                **aws.env, AWS_XRAY_DAEMON_ADDRESS=daemon.address, HONEYCOMB_API_KEY="key",
                HONEYCOMB_API_ENDPOINT=otlp.url, OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
                OTEL_SERVICE_NAME="backend-flask", CLOUDWATCH_LOG_GROUP="cruddur",
                TOWBAR_CLOUDWATCH_LOG_GROUP="cruddur", TOWBAR_XRAY_MODE="api",
            )  # fmt: skip
        self.assertEqual([otlp.requests, aws.requests, daemon.requests], [[], [], []])
        self.assertEqual([daemon.documents, daemon.rejected, daemon.refused], [[], [], []])

    def assert_two_in_one_trace(self, said):
        last = said[said.index("6/6") :]
        self.assertLess(last.index("SIGSEGV"), last.index("FeedUnavailable"), said)
        self.assertRegex(last, r"trace [0-9a-f]{32}   items \d and \d\n")

    def test_flask_itself_reports_in_the_trace_of_the_crash(self):
        said = self.demo(TOWBAR_PYTHON=self.flask())
        self.assertIn("Flask and feedd up", said)
        self.assertNotIn("replayed", said)
        self.assert_two_in_one_trace(said)

    def test_without_flask_a_recording_is_replayed(self):
        for python, why in (
            ("/nonexistent/python", "there is no python3"),
            ("/bin/false", "/bin/false ended at once"),
            (self.without_flask(), "No module named"),
        ):
            said = self.demo(TOWBAR_PYTHON=python)
            self.assertIn("no Flask here", said)
            self.assertIn(why, said)
            self.assert_two_in_one_trace(said)

    def without_flask(self):
        """A Python that has its standard library alone."""
        path = self.path("python")
        with open(path, "w", encoding="utf-8") as script:
            script.write(f'#!/bin/sh\nexec "{sys.executable}" -S -E "$@"\n')
        os.chmod(path, 0o755)
        return path

    def test_without_a_home(self):
        self.demo(HOME=None)
        self.demo(HOME="/nonexistent")

    def test_without_root(self):
        if os.geteuid() != 0:
            self.skipTest("this is not root: the other tests show it")
        nobody = pwd.getpwnam("nobody")
        prefix = (
            "setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
        )  # fmt: skip
        os.chmod(self.folder, 0o755)
        os.chown(self.temporary, nobody.pw_uid, nobody.pw_gid)
        for needed in (towbar.binary("towbar"), os.path.join(towbar.SOURCE, "samples")):
            if subprocess.run([*prefix, "test", "-r", needed], check=False).returncode:
                self.skipTest(f"nobody may not read {needed}")
        self.demo(*prefix, HOME=None)

    def test_a_part_that_is_missing_is_said_and_makes_it_fail(self):
        os.mkdir(self.path("bin"))
        alone = shutil.copy(towbar.binary("towbar"), self.path("bin"))
        done = subprocess.run(
            [alone, "demo", "--check"], env=self.agent_env(TMPDIR=self.temporary),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=towbar.DEADLINE_S,
            check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("towbard", done.stdout + done.stderr)
        self.assertEqual(os.listdir(self.temporary), [])

    def test_its_items_reach_rollbar(self):
        with FakeRollbar(token=towbar.TOKEN) as fake:
            self.demo(ROLLBAR_ENDPOINT=fake.url, ROLLBAR_ACCESS_TOKEN=towbar.TOKEN)
            self.assert_clean(fake)
            # By title: the two crashes are sent at once, and either may arrive first.
            items = {item.title: item for item in fake.items}
            self.assertIn("SIGSEGV in queue_push", items, fake.summary())
            levels = {item.level for item in fake.items}
            self.assertEqual(levels, {"error", "critical"}, fake.summary())
            (web,) = [o.data for o in fake.occurrences if o.data.get("framework") == "flask"]
            (crash,) = items["SIGSEGV in queue_push"].occurrences
            self.assertEqual(web["custom"]["trace_id"], crash.data["custom"]["trace_id"])
            for occurrence in fake.occurrences:
                self.check_occurrence(occurrence.data)
            crash = items["SIGSEGV in queue_push"].occurrences[0].data
            newest = crash["body"]["trace"]["frames"][-1]
            self.assertEqual(newest["method"], "queue_push")
            self.assertTrue(newest["filename"].endswith("queue.c"))
            source = os.path.join(towbar.SOURCE, "samples", "cruddur", "queue.c")
            with open(source, encoding="utf-8") as file:
                line = file.read().split("\n")[newest["lineno"] - 1]
            self.assertEqual(newest["code"].strip(), line.strip())

    def check_occurrence(self, data):
        pairs = towbar.attributes(data)
        self.assertRegex(pairs["trace_id"], "^[0-9a-f]{32}$", json.dumps(data, indent=1))
        self.assertEqual(data["custom"]["trace_id"], pairs["trace_id"])
        if data.get("framework") == "flask":
            classes = [trace["exception"]["class"] for trace in data["body"]["trace_chain"]]
            self.assertEqual(classes[0], "FeedUnavailable")
            return
        methods = [frame["method"] for frame in data["body"]["trace"]["frames"]]
        self.assertLess(methods.index("worker_loop"), methods.index("worker_handle"), methods)


if __name__ == "__main__":
    unittest.main()
