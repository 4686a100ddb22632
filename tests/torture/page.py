"""docs/crash-coverage.md: a table for each family of modes, and the numbers of the run that made it.

What the page says of a mode follows from the table of the program, which the graded deaths are held
to; so the committed page can be checked without a long run.
"""

import os
import re
import signal
import statistics
import textwrap
import time

import grade
import towbar

PATH = os.path.join(towbar.SOURCE, "docs", "crash-coverage.md")
COMMAND = "TOWBAR_LONG=1 TORTURE_PAGE=1 ctest --test-dir build -R torture"
REPORT = {"report", "signal", "frames", "trace", "note", "threads"}
SENTENCE = 7  # its place among the cells of a row
HOW = f"docs/crash-coverage.md is not what the table says; make it anew: {COMMAND}"
TITLES = {
    "faults": "Faults of the processor",
    "aborts": "Checks of the C library and the compiler",
    "stacks": "Stacks used up, broken, strange, deep",
    "sent": "Signals that are sent",
    "handlers": "Programs with handlers and alternate stacks of their own",
    "locks": "Locks that are held",
    "libraries": "Libraries that come and go, C++",
    "ends": "The end of the program; our own calls",
    "children": "Child processes",
    "world": "Descriptors, rights, room",
    "sandbox": "Forbidden system calls",
    "threads": "Threads",
    "siblings": "What the other threads do",
}
HEAD = """# How crashes are reported

Made by `{command}`, as root. `tests/torture` has the program
and the grader. In each way of dying the same program runs twice, without the library and with it, and is compared:
exit status, core flag and siginfo as the parent sees them, the core's siginfo, threads and innermost module, standard
output and error, and the time until it is dead. From the database of the agent come the report, its signal, its frames,
its trace, its last note, what its sentence and its title say, and the stacks of the other threads.

{summary}

{numbers}

*Frames*: the function that crashed and its callers, by name, nothing missing in between. *Host*: dies as without the
library. *What is said of it*: the sentence and the title of the report, in the run that made this page, with addresses
and numbers that change replaced by "…"; graded against what the table of the program wants to be said. What is not as it
should be says why; a test fails when it changes, either way.
"""


def verdicts(mode, failed):
    """reported, frames, host"""
    if not mode.wants_report:
        reported = "none is due"
    else:
        reported = "no" if "report" in failed else "yes"
    frames = "right" if mode.frames and reported == "yes" else "-"
    if "frames" in failed:
        frames = "wrong"
    host = "differs" if failed & {"end", "core", "output", "time"} else "same"
    return reported, frames, host


def row(mode, failed, sentence):
    name = signal.Signals(mode.signal).name if mode.signal else "-"
    cells = [f"`{mode.name}`", mode.what, name, *verdicts(mode, failed), sentence,
             mode.why if failed else ""]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def rows(modes, failed_of=lambda mode: mode.fails, sentences=None):
    return [row(mode, failed_of(mode), (sentences or {}).get(mode.name, "")) for mode in modes]


def cells_of(line):
    return re.split(r" (?<!\\)\| ", line[2:-2])


def without_sentences(lines):
    """What follows from the table alone."""
    cells = [cells_of(line) for line in lines]
    return [" | ".join(row[: SENTENCE - 1] + row[SENTENCE:]) for row in cells]


def sentence_in(line):
    return cells_of(line)[SENTENCE - 1].split("<br>")[0].replace("\\|", "|")


def sentences_of(rounds):
    """name -> what the last of the rounds that has one said: the agent was there in it."""
    found = {}
    for round_ in rounds:
        found.update({name: text for name, text in round_.sentences.items() if text})
    return found


def summary(modes, failed_of=lambda mode: mode.fails):
    due = [mode for mode in modes if mode.wants_report]
    seen = [mode for mode in due if not mode.flags & grade.UNSEEN]
    whole = [mode for mode in seen if not failed_of(mode) & REPORT]
    meant = [mode for mode in due if not failed_of(mode) & {"report", "meaning"}]
    same = [mode for mode in modes if verdicts(mode, failed_of(mode))[2] == "same"]
    return textwrap.fill(
        f"{len(modes)} modes. In {len(seen)} of them a handler can run and a report is due; "
        f"{len(whole)} of these are reported with the right signal, frames and trace. "
        f"{len(due) - len(seen)} more are deaths that no handler of the library sees. "
        f"Of {len(meant)} of these {len(due)} deaths the sentence and the title say what happened. "
        f"The host dies the same way in {len(same)} of {len(modes)}.",
        118,
    )


def numbers(rounds):
    """What changes from run to run."""
    lines = [
        f"The run of {time.strftime('%Y-%m-%d', time.gmtime())}, with the time that the library "
        "added until the parent knew of the death:",
        "",
        "| user | idle threads | agent | deaths | median | slowest |",
        "|---|---|---|---|---|---|",
    ]
    for r in rounds:
        more = [
            r.added(mode) * 1000
            for mode in r.modes
            if r.deaths[mode.name].end
        ]
        user = "root" if r.user == 0 else "nobody" if r.user == grade.NOBODY else str(r.user)
        agent = "running" if r.has_agent else "later"
        lines.append(
            f"| {user} | {r.n_threads} | {agent} | {len(more)} | {statistics.median(more):.1f} ms |"
            f" {max(more):.0f} ms |"
        )
    return "\n".join(lines)


def text(modes, rounds, failed_of):
    out = [HEAD.format(command=COMMAND, summary=summary(modes, failed_of), numbers=numbers(rounds))]
    sentences = sentences_of(rounds)
    for family, title in TITLES.items():
        out += [f"## {title}", "",
                "| mode | what | signal | reported | frames | host | what is said of it | why |",
                "|---|---|---|---|---|---|---|---|"]  # fmt: skip
        out += rows([mode for mode in modes if mode.family == family], failed_of, sentences)
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def write(modes, rounds, failed_of):
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(text(modes, rounds, failed_of))


def read():
    """The rows of modes, and all paragraphs."""
    with open(PATH, encoding="utf-8") as file:
        whole = file.read()
    return [line for line in whole.split("\n") if line.startswith("| `")], whole.split("\n\n")
