"""Every way to die is reported as the table in tests/torture says, and nothing about it changes.

TOWBAR_LONG=1: all modes, as root and as nobody, with 1 and 50 threads, with the agent running and
with it started afterwards. Else those marked SHORT, as the user of the test."""

import contextlib
import os
import re
import subprocess
import unittest

import grade
import page
import towbar

IS_LONG = os.environ.get("TOWBAR_LONG") == "1"
ONLY = os.environ.get("TORTURE_ONLY", "")  # names of modes, for work on one of them


class TortureCase(towbar.Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)  # for other users
        grade.allow_cores()
        self.addCleanup(grade.remove_control_group)

    # ---- the spool and the agent, as a package of the system sets them up ----

    @property
    def agent_user(self):
        return {"user": grade.AGENT, "group": grade.AGENT, "extra_groups": []} \
            if os.geteuid() == 0 else {}  # fmt: skip

    def own(self, path):
        if os.geteuid() == 0:
            os.chown(path, grade.AGENT, grade.AGENT)

    def make_spool(self, spool):
        if not os.path.isdir(spool):
            os.makedirs(spool + "/in")
            os.makedirs(spool + "-state", exist_ok=True)
            for path, mode in ((spool, 0o755), (spool + "/in", 0o3733)):
                self.own(path)
                os.chmod(path, mode)
        return spool

    def argv(self, spool, state, *flags):
        os.makedirs(state, exist_ok=True)
        self.own(state)
        return [towbar.binary("towbard"), "--config", self.config, "--spool", spool, "--state-dir",
                state, *flags]  # fmt: skip

    def drain(self, spool, state):
        done = subprocess.run(
            self.argv(spool, state, "--once"), env=self.agent_env(), capture_output=True,
            text=True, errors="replace", timeout=600, check=False, **self.agent_user,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def read_state(self, state):
        return self.read_json_of(state, "occurrences")

    def read_json_of(self, state, verb):
        self.state = state
        return self.read_json(verb)

    @contextlib.contextmanager
    def running_agent(self, spool, state):
        """It ends before the spool is drained, so that nothing has to be waited for."""
        socket = state + ".sock"
        argv = self.argv(spool, state, "--socket", socket, "--listen", "127.0.0.1:0")
        os.chmod(os.path.dirname(state), 0o777)
        agent = towbar.Agent(argv, self.agent_env(), socket, **self.agent_user)
        self.addCleanup(agent.kill9)
        with agent:
            yield


class Modes(TortureCase):
    maxDiff = None

    def grade_round(self, round_, seen):
        """Lines of what is not as the table says. seen: name -> all grades that failed so far."""
        wrong = []
        for mode in round_.modes:
            failed = grade.grade(mode, round_)
            seen.setdefault(mode.name, set()).update(failed)
            if set(failed) != mode.fails:
                told = ", ".join(f"{key}: {value}" for key, value in failed.items()) or "passes"
                wrong.append(f"{mode.name} ({round_}): {told}")
        return wrong

    def rounds(self, modes):
        users = [os.geteuid()] + ([grade.NOBODY] if IS_LONG and os.geteuid() == 0 else [])
        for user in users:
            for n_threads in [0, 50] if IS_LONG else [0]:
                bare = None
                for has_agent in [False, True] if IS_LONG else [False]:
                    round_ = grade.Round(self, modes, user, n_threads, has_agent).go(bare)
                    bare = round_.bare
                    yield round_

    def test_every_mode_is_reported_as_the_table_says(self):
        modes = grade.read_table()
        if ONLY and ONLY != "all":
            modes = [mode for mode in modes if mode.name in ONLY.split(",")]
        elif not IS_LONG and not ONLY:
            modes = [mode for mode in modes if mode.flags & grade.SHORT]
        wrong, seen = [], {}
        rounds = list(self.rounds(modes))
        for round_ in rounds:
            wrong += self.grade_round(round_, seen)
        n = sum(len(round_.modes) for round_ in rounds)
        self.assertGreater(n, 0)
        if IS_LONG and os.environ.get("TORTURE_PAGE") == "1":
            page.write(modes, rounds, lambda mode: seen[mode.name])
        self.assertEqual(wrong, [], f"\n{len(wrong)} of {n} deaths:\n" + "\n".join(wrong))

    def test_the_page_says_what_the_table_says(self):
        modes = grade.read_table()
        rows, paragraphs = page.read()
        self.assertEqual(page.without_sentences(rows), page.without_sentences(page.rows(modes)),
                         page.HOW)  # fmt: skip
        self.assertIn(page.summary(modes), paragraphs, page.HOW)

    def test_the_sentences_on_the_page_are_what_the_table_wants(self):
        said = {page.cells_of(line)[0]: page.sentence_in(line) for line in page.read()[0]}
        for mode in grade.read_table():
            if mode.wants_report and not mode.fails & {"report", "meaning"}:
                sentence = said.get(f"`{mode.name}`", "")
                self.assertTrue(sentence, f"{mode.name}: {page.HOW}")
                self.assertIsNotNone(re.search(mode.says, sentence),
                                     f"{mode.name}: {sentence!r}: {page.HOW}")  # fmt: skip


if __name__ == "__main__":
    unittest.main()
