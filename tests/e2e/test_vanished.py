"""Deaths that no handler sees: what is reported, what is not, and what stays unknown."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402


class VanishedTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.program = self.compile("ends.c", "-O1")

    def live(self, way):
        """One that is up, and waits for the word to end so."""
        process = self.start(self.program, way, stdin=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def wait_agent(self, agent, predicate):
        """Asks the agent until predicate(its status) holds."""
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            status = json.loads(agent.get("/status")[1])
            if predicate(status):
                return
            if time.monotonic() > end:
                self.fail(f"not in time: {json.dumps(status, indent=1)}\n{agent.log}")
            select.select([], [], [], 0.02)

    def watched(self, agent, way):
        process = self.live(way)
        self.wait_agent(agent, lambda status: status["pipeline"]["watched"] >= 1)
        return process

    def end(self, process, code):
        process.stdin.write("x")
        process.stdin.close()
        self.assertEqual(process.wait(towbar.DEADLINE_S), code)

    def wait_for(self, agent, n_vanished):
        """Until so many slots without a word were read and what became of them is stored."""
        self.wait_agent(
            agent,
            lambda status: status["spool"]["vanished"] == n_vanished
            and status["spool"]["files"] == 0,
        )

    def kernel_tells(self):
        """PIDFD_GET_INFO gives the exit status from Linux 6.15 on."""
        major, minor = (int(part) for part in os.uname().release.split(".")[:2])
        return (major, minor) >= (6, 15)

    def reported(self, way, code):
        with self.agent() as agent:
            process = self.watched(agent, way)
            self.end(process, code)
            self.wait_for(agent, 1)
        self.assertIn(f"job, pid {process.pid} on ", agent.log)
        (data,) = self.occurrences()
        self.assertEqual(data["custom"]["native"]["kind"], "vanished")
        self.assertEqual(data["custom"]["native"]["pid"], process.pid)
        self.assertEqual(data["server"]["pid"], process.pid)
        return data

    def said_of_losses(self):
        return self.towbar("status", "--state-dir", self.state, "--spool", self.spool, check=None).stdout

    def unreported(self, way, code, n_vanished=1):
        with self.agent() as agent:
            self.end(self.watched(agent, way), code)
            self.wait_for(agent, n_vanished)
        self.assertEqual(self.occurrences(), [])
        self.assertNotIn("died unseen", self.said_of_losses())

    def assert_end(self, data, signal_name, level, *words):
        if not self.kernel_tells():
            self.skipTest("this kernel does not tell how a process ended")
        exception = data["body"]["trace"]["exception"]
        self.assertEqual(exception["class"], signal_name)
        self.assertEqual(data["custom"]["native"]["signal"], signal_name)
        self.assertEqual(data["level"], level)
        self.assertIn(f"job vanished: killed by {signal_name}", data["title"])
        for word in words:
            self.assertIn(word, exception["message"])

    # ---- what is reported ----

    def test_sigkill_is_told_with_the_last_notes_and_whose_it_was(self):
        data = self.reported("last-word", -signal.SIGKILL)
        notes = [(note["level"], note["body"]["message"]) for note in data["body"]["telemetry"]]
        self.assertEqual(notes, [("info", "started"), ("warning", "the last word")])
        self.assertEqual(data["custom"]["service"], "job")
        self.assertEqual(data["environment"], "test")
        self.assertEqual(data["code_version"], "1.2")
        self.assertEqual(data["custom"]["native"]["executable"], "ends")
        self.assertIs(data["custom"]["native"]["watched"], True)
        self.assertEqual(data["body"]["trace"]["frames"], [])
        self.assert_end(data, "SIGKILL", "critical", f"pid {data['server']['pid']} on ")

    def test_fault_with_its_signal_blocked(self):
        data = self.reported("blocked-fault", -signal.SIGSEGV)
        self.assert_end(data, "SIGSEGV", "critical", "its signal was blocked")

    def test_call_that_seccomp_kills_for(self):
        data = self.reported("seccomp-kill", -signal.SIGSYS)
        self.assert_end(data, "SIGSYS", "critical", "seccomp")

    def test_signal_whose_default_action_kills(self):
        data = self.reported("sigpipe", -signal.SIGPIPE)
        self.assert_end(data, "SIGPIPE", "error", "nobody reads")

    def test_burst_of_notes_before_the_end_keeps_the_last(self):
        data = self.reported("sigkill", -signal.SIGKILL)
        said = [note["body"]["message"] for note in data["body"]["telemetry"]]
        numbers = [int(text.split()[1]) for text in said if text.startswith("step ")]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertGreaterEqual(numbers[-1], 15)  # 16 at once, one of them "started"

    def test_death_that_the_agent_did_not_see_is_told_as_unknown(self):
        process = self.live("last-word")
        self.end(process, -signal.SIGKILL)
        self.once()
        (data,) = self.occurrences()
        exception = data["body"]["trace"]["exception"]
        self.assertEqual((exception["class"], data["level"]), ("vanished", "warning"))
        self.assertEqual(data["title"], "job vanished: found dead, ended without a word")
        self.assertIn("did not see it alive", exception["message"])
        self.assertRegex(exception["message"], r"last sign at \S+, found dead at \S+, ")
        self.assertNotIn(", up ", exception["message"])
        self.assertNotIn("signal", data["custom"]["native"])
        notes = [note["body"]["message"] for note in data["body"]["telemetry"]]
        self.assertEqual(notes, ["started", "the last word"])

    def test_deaths_of_one_kind_are_one_item(self):
        for _ in range(3):
            self.end(self.live("last-word"), -signal.SIGKILL)
        self.once()
        (item,) = self.items()
        self.assertEqual(item["total"], 3)
        shown = self.towbar("item", "1", "--state-dir", self.state).stdout
        self.assertIn("ended without a word", shown)
        self.assertIn("the last word", shown)

    # ---- what is not ----

    def test_sigterm_without_a_handler_is_an_ordinary_end(self):
        if not self.kernel_tells():
            self.skipTest("this kernel does not tell how a process ended")
        self.unreported("sigterm", -signal.SIGTERM)

    @unittest.skipUnless(os.geteuid() == 0, "only root may chroot")
    def test_sigterm_of_a_child_in_a_chroot_is_an_ordinary_end(self):
        if not self.kernel_tells():
            self.skipTest("this kernel does not tell how a process ended")
        with self.agent() as agent:
            process = self.watched(agent, "chrooted-child")
            process.stdin.write("x")
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), "inside\n")
            self.wait_agent(agent, lambda status: status["pipeline"]["watched"] >= 2)
            self.end(process, 0)
            self.wait_for(agent, 1)
        self.assertEqual(self.occurrences(), [])

    def test_exit_by_the_bare_system_call_is_none(self):
        if not self.kernel_tells():
            self.skipTest("this kernel does not tell how a process ended")
        self.unreported("raw-exit", 3)

    def test__exit_says_goodbye(self):
        self.unreported("_exit", 3, n_vanished=0)

    def test_children_that__exit_say_goodbye(self):
        self.unreported("children", 0, n_vanished=0)

    def test_another_program_in_the_same_process_is_none(self):
        with self.agent() as agent:
            process = self.watched(agent, "exec")
            process.stdin.write("xy")
            process.stdin.flush()
            self.wait_for(agent, 1)
            self.assertIsNone(process.poll())
            process.stdin.close()
            self.assertEqual(process.wait(towbar.DEADLINE_S), 0)
        self.assertEqual(self.occurrences(), [])

    def test_exec_is_known_by_an_agent_that_starts_later(self):
        process = self.live("exec")
        process.stdin.write("xy")
        process.stdin.flush()
        self.assertEqual(process.stdout.read(1), "y")  # cat, by now
        self.once()
        self.assertEqual(self.occurrences(), [])

    def test_settings_may_want_a_count_alone(self):
        self.write_config("vanished: count\n")
        self.end(self.live("last-word"), -signal.SIGKILL)
        self.once()
        self.assertEqual(self.occurrences(), [])
        self.assertEqual(self.status()["received"], 0)
        self.assertIn("1 process died unseen", self.said_of_losses())


if __name__ == "__main__":
    unittest.main()
