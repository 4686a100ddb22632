"""A stranger's debug data say whatever he likes: they cost him his names. Nobody reads a file by
them that he could not have read, the agent lives, and other users' crashes keep their names."""

import os
import secrets
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import fake_rollbar  # noqa: E402
import hostile_dwarf  # noqa: E402
import strangers  # noqa: E402
import towbar  # noqa: E402
from strangers import BIN, DAEMON, NOBODY  # noqa: E402

# What a hostile record may cost beside what any does, on average of the corpus.
SECONDS_EACH = 1.0 if not towbar.SANITIZE else 3.0


# Those of which something is left that cannot be read: the item says so.
NOTED = ("unit-of-version-99", "unit-longer-than-all", "no-abbreviations-there", "lines-of-version-99",
         "number-of-no-abbreviation", "number-that-never-ends", "not-ended")  # fmt: skip


class CorpusTest(strangers.Case):
    """The agent is root, the reporter nobody."""

    def test_every_one_costs_its_own_names_at_most(self):
        self.use_debug_dirs(self.debug_dir)
        folder = self.folder_of(NOBODY, "theirs")
        program, stack = self.innocent()
        hostile, innocents = {}, []
        corpus = list(hostile_dwarf.corpus().items())
        if not os.environ.get("TOWBAR_LONG"):
            corpus = corpus[::3]  # the first is the one with nothing wrong
        for n, (name, assembler) in enumerate(corpus):
            hostile[name] = self.crash_as(NOBODY, self.linked(name, assembler, folder))
            if n % 10 == 5:
                innocents.append(self.crash_as(BIN, program))
        with fake_rollbar.FakeRollbar() as fake, self.agent_of_many(fake) as agent:
            n_all = len(hostile) + len(innocents)
            self.wait_occurrences(n_all, n_all * SECONDS_EACH)
            fake.wait_for(lambda fake: len(fake.occurrences) == n_all, towbar.DEADLINE_S)
            shown = self.everything_shown(agent, fake)
            read = self.read_all()
        self.assert_plain(shown)
        for name in innocents:
            self.assert_same(read[name], stack)
        frames = read[hostile["nothing-wrong"]]["body"]["trace"]["frames"]
        self.assertIn(
            ("victim", "/src/plain.c", 7),
            [(f["method"], f["filename"], f.get("lineno")) for f in frames],
        )
        for name, crash in hostile.items():
            with self.subTest(name):
                frames = read[crash]["body"]["trace"]["frames"]
                self.assertTrue(any(f["module"] == name for f in frames), frames)
                for frame in frames:
                    self.assertLess(len(frame["method"]), 5000)
                if name in NOTED:
                    self.assertIn("could not be read", self.module(read[crash], name)["note"])


class BudgetTest(strangers.Case):
    """Whose modules take long, in record after record, though never as long as a deadline."""

    def test_time_of_one_user_is_used_up_and_that_of_others_is_not(self):
        folders = f"  debug_dirs:\n    - {self.debug_dir}\n"
        self.write_config(f"symbols:\n  user_budget_ms: 1\n{folders}")
        program, stack = self.innocent()
        theirs = [self.crash_as(NOBODY, program) for _ in range(6)]
        innocent = self.crash_as(BIN, program)
        read = self.read()
        self.assert_same(read[theirs[0]], stack)
        for crash in theirs[-2:]:  # Four questions are longer than a millisecond.
            native = read[crash]["custom"]["native"]
            self.assertIn(f"user {NOBODY} took more of the symbolizer's time", native["symbols"])
            self.assertIn("symbols.user_budget_ms, 1 ms of a minute", native["symbols"])
            frames = read[crash]["body"]["trace"]["frames"]
            self.assertEqual(frames[-1]["module"], os.path.basename(program))
        self.assert_same(read[innocent], stack)


class SecretTest(strangers.Case):
    """What only the agent may read."""

    def setUp(self):
        super().setUp()
        self.marker = "s3cr3t" + secrets.token_hex(8)
        self.theirs = self.folder_of(NOBODY, "theirs")
        self.private = self.folder_of(self.AGENT, "private", 0o700)
        self.hidden = os.path.join(self.private, "hidden.c")
        self.open = self.path("hidden.c")  # in a folder that everybody may search
        for path in (self.hidden, self.open):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"{self.marker}\n" * 50)
            os.chown(path, self.AGENT, self.AGENT)
            os.chmod(path, 0o600)

    def links(self):
        """Names in the reporter's own folder that lead elsewhere."""
        for name, target in (("link.c", self.hidden), ("link2.c", self.open), ("up", "..")):
            os.symlink(target, os.path.join(self.theirs, name))
        os.mkfifo(os.path.join(self.theirs, "fifo.c"), 0o666)
        os.link(self.open, os.path.join(self.theirs, "hard.c"))
        os.symlink("/dev/zero", os.path.join(self.theirs, "device.c"))

    def attempts(self):
        """(path in the debug data, its folder)."""
        for path in (self.hidden, self.open, "/etc/shadow", "/proc/self/environ", "/dev/stdin"):
            yield path, ""
            yield path[1:], "/"
            yield os.path.basename(path), os.path.dirname(path)
        up = "../" * 30
        for path in ("link.c", "link2.c", "up/hidden.c", "up/private/hidden.c", "fifo.c", "hard.c",
                     "device.c", up + self.open[1:], "../hidden.c", "./../private/hidden.c"):  # fmt: skip
            yield path, ""
            yield path, self.theirs
            yield os.path.join(self.theirs, path), ""

    def try_all(self):
        """Each attempt by a frame of its own, in one program for each root that is named."""
        places = list(self.attempts())
        self.assertLess(len(places), 64)
        unit = hostile_dwarf.unit(hostile_dwarf.function(), hostile_dwarf.lines_of(places))
        program = self.linked("tries", unit, self.theirs, "steps.c")
        roots = (self.theirs, self.private, self.folder, "/", "/proc/self", "", "/proc/self/root")
        return [self.crash_as(NOBODY, program, env={"TOWBAR_ROOT": root}) for root in roots]

    def shown_of(self, crashes, config=""):
        self.use_debug_dirs(self.debug_dir, more=config)
        secret_env = "environ" + self.marker
        with fake_rollbar.FakeRollbar() as fake:
            os.environ["TOWBAR_TEST_SECRET"] = secret_env
            try:
                agent = self.agent_of_many(fake)
            finally:
                del os.environ["TOWBAR_TEST_SECRET"]
            with agent:
                self.wait_occurrences(len(crashes), towbar.DEADLINE_S)
                fake.wait_for(lambda fake: len(fake.occurrences) == len(crashes), towbar.DEADLINE_S)
                shown = self.everything_shown(agent, fake)
        return shown

    def test_by_source_paths(self):
        self.links()
        crashes = self.try_all()
        shown = self.shown_of(crashes)
        self.assert_secret(self.marker, shown)
        self.assert_no_code(crashes)

    def test_by_source_paths_out_of_a_folder_of_the_settings(self):
        """The operator opens the reporter's own folder: a link in it leads nowhere else."""
        self.links()
        os.unlink(os.path.join(self.theirs, "hard.c"))  # one file by two names: it is in the folder
        crashes = self.try_all()
        shown = self.shown_of(crashes, f"  source_roots:\n    - {self.theirs}\n")
        self.assert_secret(self.marker, shown)
        self.assert_no_code(crashes)

    def assert_no_code(self, crashes):
        read = self.read_all()
        for name in crashes:
            frames = read[name]["body"]["trace"]["frames"]
            self.assertGreater(
                sum("lineno" in frame for frame in frames), 40, "they were asked for"
            )
            for frame in frames:
                self.assertNotIn("code", frame)


class SecretOfAgentTest(SecretTest):
    """The same with an agent that is no root."""

    AGENT = DAEMON


if __name__ == "__main__":
    unittest.main()
