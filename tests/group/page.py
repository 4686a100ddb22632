"""docs/grouping.md: the tables between its two marks, made from a long run."""

import collections
import os
import re

import corpus
import measure
import rules
import towbar

PATH = os.path.join(towbar.SOURCE, "docs", "grouping.md")
COMMAND = "TOWBAR_LONG=1 GROUP_PAGE=1 ctest --test-dir build -R group.test_group"
HOW = f"docs/grouping.md is not what the run says; make it anew: {COMMAND}"
BEGIN, END = "<!-- made by tests/group: begin -->", "<!-- made by tests/group: end -->"
MATTERS = 0.01  # a difference in a number
OTHERS = {"ours": rules.agent, "all frames": rules.all_frames, "Rollbar": rules.rollbar}


def strays(groups, key=rules.agent):
    """Lines: the bugs that are several items, and the items that are several bugs."""
    lines = []
    by_bug = collections.defaultdict(lambda: collections.defaultdict(set))
    by_key = collections.defaultdict(set)
    for group in groups:
        for o in group:
            by_bug[o.fault][key(o)].add(f"{o.build.compiler} {o.build.level}")
            by_key[key(o)].add(o.bug)
    for bug, keys in sorted(by_bug.items()):
        if len(keys) > 1:
            smallest = min(keys.values(), key=len)
            lines.append(f"  {bug} is {len(keys)} items, one of them of {', '.join(sorted(smallest))}")
    lines += [f"  one item: {', '.join(sorted(bugs))}" for bugs in by_key.values() if len(bugs) > 1]
    return lines


def numbers(groups):
    found = [measure.measure(groups, key) for key in OTHERS.values()]
    return [f"{m.precision:.3f} / {m.recall:.3f}" for m in found]


def class_rows(classes):
    rows = []
    for name, groups in classes.items():
        n = sum(map(len, groups))
        rows.append([f"`{name}`", measure.WHAT[name], str(n), *numbers(groups)])
    return rows


def build_rows(occurrences):
    """Of each compiler and level: within it, PIE and not and rebuilt; and with all others."""
    rows = []
    debug = measure.of_form(occurrences, "debug", "separate")
    for compiler in corpus.COMPILERS:
        for level in corpus.LEVELS:
            mine = [o for o in occurrences if (o.build.compiler, o.build.level) == (compiler, level)]
            cells = [f"`{compiler} {level}`"]
            for form in corpus.FORMS:
                cells.append(f"{measure.measure([measure.of_form(mine, form)], rules.agent).recall:.3f}")
            own = measure.of_form(mine, "debug", "separate")
            cells.append(f"{across(own, debug):.3f}")
            rows.append(cells)
    return rows


def across(mine, all_of_them):
    """Of the pairs of one of mine and one of another build with the same bug: how many are one item."""
    others = collections.Counter((o.bug, rules.agent(o)) for o in all_of_them)
    bugs = collections.Counter(o.bug for o in all_of_them)
    for o in mine:
        others[o.bug, rules.agent(o)] -= 1
        bugs[o.bug] -= 1
    same = sum(others[o.bug, rules.agent(o)] for o in mine)
    return same / max(1, sum(bugs[o.bug] for o in mine))


def tried_rows(classes):
    rows = []
    for name, key in rules.TRIED.items():
        cells = [name]
        for class_ in ("same", "levels", "stripped.same", "stripped.rebuild"):
            m = measure.measure(classes[class_], key)
            cells.append(f"{m.precision:.3f} / {m.recall:.3f}")
        rows.append(cells)
    return rows


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def text(occurrences, classes):
    n_faults = len({o.fault for o in occurrences})
    stray = "\n".join("- " + line.strip() for line in strays(classes["levels"]))
    return f"""{BEGIN}
Made by `{COMMAND}`: {len(occurrences)} occurrences of {n_faults} faults.
Each number is precision / recall over pairs: of the pairs that are one item, how many are one bug, and the other way
round. "All frames" is the SHA-1 of the class and of all functions, "Rollbar" what Rollbar documents as its default.

{table(["pairs", "of", "occurrences", "towbar", "all frames", "Rollbar"], class_rows(classes))}

Recall by compiler and level: within it (PIE and not, rebuilt), by form; and of pairs with one of another compiler or level.

{table(["build", "debug", "separate", "stripped", "with all others"], build_rows(occurrences))}

What was tried, precision / recall:

{table(["rule", "same", "levels", "stripped.same", "stripped.rebuild"], tried_rows(classes))}

What is not as it should be, over compilers and levels:

{stray}
{END}"""


def read():
    with open(PATH, encoding="utf-8") as file:
        whole = file.read()
    return whole, whole[whole.index(BEGIN) : whole.index(END) + len(END)]


def write(occurrences, classes):
    whole, old = read()
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(whole.replace(old, text(occurrences, classes)))


def rows_of(made):
    """First cell -> cells, of all tables."""
    rows = [line.strip("| ").split(" | ") for line in made.split("\n") if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in rows}


def floats(cells):
    return [float(n) for cell in cells for n in re.findall(r"\d\.\d+", cell)]


def differences(occurrences, classes):
    """Rows that are not there, and numbers that differ by more than what matters."""
    made, there = rows_of(text(occurrences, classes)), rows_of(read()[1])
    wrong = []
    for name in sorted(set(made) | set(there)):
        new, old = floats(made.get(name, [])), floats(there.get(name, []))
        if len(new) != len(old) or any(abs(a - b) > MATTERS for a, b in zip(new, old)):
            wrong.append(f"{name}: {new}, the page has {old}")
    return wrong


def missing_rows():
    """That the committed page has all rows, and no number below the gates."""
    there = rows_of(read()[1])
    wrong = [name for name in rules.TRIED if name not in there]
    wrong += [f"{c} {level}" for c in corpus.COMPILERS for level in corpus.LEVELS
              if f"`{c} {level}`" not in there]  # fmt: skip
    for name, gates in measure.GATES.items():
        ours = floats(there.get(f"`{name}`", []))[:2] or [0, 0]
        if any(gate is not None and n < gate for n, gate in zip(ours, gates)):
            wrong.append(f"{name}: {ours}, but the gates are {gates}")
    return wrong
