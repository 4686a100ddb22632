"""The numbers of towbar-bench group: a line NAME OURS ALL-FRAMES ROLLBAR for each row, of the sample."""

import os
import sys
import tempfile

import corpus
import measure
import rules
import sample


def rows(classes):
    keys = (rules.agent, rules.all_frames, rules.rollbar)
    everything = [group for name in ("same", "rebuild", "levels", "separate") if name in classes
                  for group in classes[name]]  # fmt: skip
    for name, groups in [("", everything), *classes.items()]:
        found = [measure.measure(groups, key) for key in keys]
        for what in ("precision", "recall"):
            numbers = " ".join(f"{getattr(m, what):.6f}" for m in found)
            yield f"group.{what}{'.' + name if name else ''} {numbers}"


def main():
    with tempfile.TemporaryDirectory(prefix="towbar-group.", dir="/tmp") as folder:
        made = sample.add_sample(corpus.Corpus(os.path.realpath(folder)))
        for row in rows(measure.classes(made.go(), made)):
            print(row)


if __name__ == "__main__":
    sys.exit(main())
