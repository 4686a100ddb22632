"""Which agent towbar talks to: that of a state folder by its name alone, the host's for a user who
has none of his own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

NOBODY = 65534
HOST = "/run/towbar/towbard.sock"
# A host of its own: its /run, /var/lib and /var/spool are empty.
START = """for folder in /run /var/lib /var/spool; do mount -t tmpfs none $folder || exit 77; done
cd / && exec "$@" """


class StateFolderTest(towbar.Case):
    def test_the_agent_of_a_state_folder_is_found_wherever_its_socket_is(self):
        with self.agent(token=""):
            status = self.status()
        self.assertEqual(status["agent"], "up")
        self.assertEqual((status["socket"], status["spool"]), (self.socket, self.spool))

    def test_an_item_can_be_sent_by_the_state_folder_alone(self):
        with self.agent(token=""):
            done = self.towbar("test", "--state-dir", self.state, "--level", "critical")
            self.assertIn("Stored as item 1", done.stdout)
        (one,) = self.occurrences()
        self.assertEqual(one["level"], "critical")

    def test_a_port_that_another_has_by_now_is_not_believed(self):
        with self.agent(token="") as agent:
            listen = json.loads(agent.get("/status")[1])["listen"]
            other = self.path("other")
            os.mkdir(other)
            with open(os.path.join(other, "listen"), "w", encoding="utf-8") as file:
                file.write(listen + "\n")
            done = self.towbar("status", "--json", "--state-dir", other, check=1)
        self.assertEqual(json.loads(done.stdout)["agent"], "down")


class HostTest(towbar.Case):
    """As root, in a mount namespace of its own."""

    def setUp(self):
        if os.geteuid() != 0 or None in map(shutil.which, ("unshare", "nsenter", "setpriv")):
            self.skipTest("only root can make a host of its own")
        if os.path.exists("/etc/towbar/towbard.yaml"):
            self.skipTest("this host has settings of its own")
        super().setUp()
        os.chmod(self.folder, 0o755)
        os.chmod(self.path("home"), 0o777)
        self.host = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", START, "sh",
             towbar.binary("towbard"), "--listen", "127.0.0.1:0"],
            env=self.agent_env(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.addCleanup(self.end)
        deadline = time.monotonic() + towbar.DEADLINE_S
        for line in self.host.stderr:
            if "see what went wrong" in line or time.monotonic() > deadline:
                return
        self.skipTest("no host of its own can be made here")

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.host.pid, signal.SIGKILL)
        self.host.wait(towbar.DEADLINE_S)
        self.host.stderr.close()

    def on_host(self, *words, uid=NOBODY, check=0):
        done = subprocess.run(
            ["nsenter", "-t", str(self.host.pid), "-m", "--", "setpriv", f"--reuid={uid}",
             f"--regid={uid}", "--clear-groups", towbar.binary("towbar"), *words],
            env=self.agent_env(), capture_output=True, text=True, check=False,
            timeout=towbar.DEADLINE_S,
        )  # fmt: skip
        if "cannot execute" in done.stderr or "failed to execute" in done.stderr:
            self.skipTest("the build folder is closed to other users")
        if check is not None:
            self.assertEqual(done.returncode, check, done.stdout + done.stderr)
        return done

    def test_another_user_is_told_of_the_hosts_agent(self):
        status = json.loads(self.on_host("status", "--json").stdout)
        self.assertEqual((status["agent"], status["socket"]), ("up", HOST))
        self.assertEqual(status["state_dir"], "/var/lib/towbar")
        self.assertEqual(status["spool"], "/var/spool/towbar")
        self.assertEqual(status["occurrences"], 0)
        self.assertIn("up for the whole host", self.on_host("status").stdout)

    def test_what_another_user_may_not_read_is_said_with_the_cure(self):
        for words in (("items",), ("test",), ("deploy", "--list")):
            done = self.on_host(*words, check=1)
            self.assertIn("may not read the database in /var/lib/towbar", done.stderr)
            self.assertIn("sudo towbar", done.stderr)

    def test_another_user_can_tell_of_a_deploy_and_watch(self):
        self.assertIn("Deploy 1 is noted", self.on_host("deploy", "--version", "7").stdout)
        listed = self.on_host("deploy", "--list", "--json", uid=0).stdout
        self.assertEqual(json.loads(listed)["local_username"], "nobody")
        seen = json.loads(self.on_host("top", "--json").stdout)
        self.assertEqual((seen["agent"], seen["received"]), ("up", 0))
        self.assertIn("ermission denied", seen["why"])

    def test_another_user_can_check(self):
        done = self.on_host("check", "--offline", check=None)
        self.assertIn("ok    agent", done.stdout)
        self.assertIn("only root and the agent's user may read it", done.stdout)

    def test_a_place_that_is_named_is_not_replaced(self):
        done = self.on_host("status", "--json", "--state-dir", "/tmp/none", check=1)
        self.assertEqual(json.loads(done.stdout)["agent"], "down")


if __name__ == "__main__":
    unittest.main()
