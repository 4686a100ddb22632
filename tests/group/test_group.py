"""One bug, one item: the faults of relayd in many builds, over pairs of occurrences.

TOWBAR_LONG=1: gcc and clang, four levels, PIE and not, each rebuilt, with debug data, with separate
ones and stripped, two runs each, and docs/grouping.md is compared with the run (GROUP_PAGE=1
writes it). Else a sample."""

import collections
import os
import shutil
import tempfile
import unittest

import corpus
import measure
import page
import rules
import sample
import towbar

IS_LONG = os.environ.get("TOWBAR_LONG") == "1"


class Grouping(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="towbar-group.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.corpus = corpus.Corpus(cls.folder)
        if IS_LONG:
            sample.add_all(cls.corpus)
        else:
            sample.add_sample(cls.corpus)
        cls.occurrences = cls.corpus.go()
        cls.classes = measure.classes(cls.occurrences, cls.corpus)

    def test_there_are_enough_faults(self):
        self.assertGreaterEqual(len(self.corpus.bugs), 40)

    def test_each_class_of_pairs_is_grouped_well_enough(self):
        wrong = []
        for name, groups in self.classes.items():
            got = measure.measure(groups, rules.agent)
            precision, recall = measure.GATES[name]
            print(f"{name:18} {got.n_occurrences:6} occurrences, precision {got.precision:.4f}, "
                  f"recall {got.recall:.4f}")  # fmt: skip
            self.assertGreater(got.n_pairs, 0, name)
            if any(gate is not None and n < gate for n, gate in zip(got, (precision, recall))):
                wrong.append(f"{name}: {got}")
                wrong += page.strays(groups)
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_it_is_better_than_all_frames_and_than_what_rollbar_does(self):
        """Recall; the precision of both is high, as nearly all of their items are of one occurrence."""
        for name in ("rebuild", "levels"):
            if name not in self.classes:
                continue
            ours = measure.measure(self.classes[name], rules.agent)
            for other in (rules.all_frames, rules.rollbar):
                theirs = measure.measure(self.classes[name], other)
                self.assertGreater(ours.recall, theirs.recall, name)

    def test_the_rules_that_were_tried_are_the_agents_but_for_their_knobs(self):
        """Two occurrences are one item here if and only if they are for the agent."""
        seen = {}
        for o in self.occurrences:
            seen.setdefault((rules.ours(o), rules.agent(o)), o)
        for side in (0, 1):
            split = collections.defaultdict(list)
            for pair, o in seen.items():
                split[pair[side]].append((str(o.build), o.form, pair, rules.functions(o), rules.native(o)))
            self.assertEqual([items for items in split.values() if len(items) > 1], [])

    @unittest.skipUnless(IS_LONG and not towbar.SANITIZE, "needs all builds")
    def test_the_page_is_what_the_run_says(self):
        if os.environ.get("GROUP_PAGE") == "1":
            page.write(self.occurrences, self.classes)
        self.assertEqual(page.differences(self.occurrences, self.classes), [], page.HOW)


class Page(unittest.TestCase):
    def test_the_page_has_a_row_for_each_class_and_build(self):
        self.assertEqual(page.missing_rows(), [], page.HOW)


if __name__ == "__main__":
    unittest.main()
