"""How well occurrences are grouped, over pairs of them.

precision: of the pairs that are one item, how many are one bug; recall: of the pairs that are one
bug, how many are one item. Which pairs are looked at is said by CLASSES.
"""

import collections
import subprocess

import rules


def pairs(n):
    return n * (n - 1) // 2


Measure = collections.namedtuple("Measure", "precision recall n_pairs n_occurrences")


def measure(groups, key):
    """Over all pairs within each of groups, lists of occurrences."""
    same_item = same_bug = both = total = 0
    for group in groups:
        keys = [(key(o), o.bug) for o in group]
        same_item += sum(map(pairs, collections.Counter(k for k, _ in keys).values()))
        same_bug += sum(map(pairs, collections.Counter(bug for _, bug in keys).values()))
        both += sum(map(pairs, collections.Counter(keys).values()))
        total += len(group)
    return Measure(both / max(1, same_item), both / max(1, same_bug), same_bug, total)


def split(occurrences, key):
    found = collections.defaultdict(list)
    for o in occurrences:
        found[key(o)].append(o)
    return list(found.values())


def of_form(occurrences, *forms):
    return [o for o in occurrences if o.form in forms]


def first(build):
    return build._replace(again=False)


# ---- the two top functions are exported and not inlined ----


def exported(program):
    text = subprocess.run(["nm", "-D", "--defined-only", program], capture_output=True, text=True,
                          check=True).stdout  # fmt: skip
    return {line.split()[-1] for line in text.splitlines()}


def is_open(o, names):
    """o is of the form "debug"."""
    top = []
    for frame in rules.newest_first(o):
        module, method = frame.get("module", ""), frame["method"]
        if not frame["in_app"] or module.startswith(rules.NOISE_MODULES):
            continue
        if method in rules.NOISE or method.startswith(rules.NOISE_STARTS) or method in top:
            continue
        if frame.get("inlined") or frame.get("trust") == "tail" or method not in names:
            return False
        top.append(method)
        if len(top) == 2:
            return True
    return False


def open_only(occurrences, corpus):
    """Those, stripped or not, of builds that are there in both forms, whose faults are so."""
    names = {}
    good = set()
    for o in of_form(occurrences, "debug"):
        if o.build not in names:
            names[o.build] = exported(corpus.program(o.build))
        if is_open(o, names[o.build]):
            good.add((o.build, o.fault))
    stripped = {o.build for o in of_form(occurrences, "stripped")}
    return [o for o in of_form(occurrences, "debug", "stripped")
            if o.build in stripped and (o.build, o.fault) in good]  # fmt: skip


def classes(occurrences, corpus):
    """Name -> groups of occurrences; a class without pairs is left out."""
    named = of_form(occurrences, "debug", "separate")
    debug = of_form(occurrences, "debug")
    stripped = of_form(occurrences, "stripped")
    again = {first(o.build) for o in occurrences if o.build.again}
    rebuilt = [o for o in occurrences if first(o.build) in again]
    found = {
        "same": split(named, lambda o: (o.build, o.form)),
        "rebuild": split(of_form(rebuilt, "debug"), lambda o: first(o.build)),
        "separate": split([o for o in named if not o.build.again], lambda o: o.build),
        "levels": [debug],
        "stripped.same": split(stripped, lambda o: o.build),
        "stripped.rebuild": split(of_form(rebuilt, "stripped"), lambda o: first(o.build)),
        "stripped.levels": [stripped],
        "stripped.exported": split(open_only(occurrences, corpus), lambda o: o.build),
    }
    return {name: groups for name, groups in found.items() if any(groups)}


WHAT = {
    "same": "one binary, several runs",
    "rebuild": "and a rebuild elsewhere, with other lines",
    "separate": "with the debug data inside and in a file of their own",
    "levels": "all compilers and levels, with debug data",
    "stripped.same": "one binary, stripped",
    "stripped.rebuild": "stripped, and a rebuild",
    "stripped.levels": "stripped, all compilers and levels",
    "stripped.exported": "stripped and not, faults whose two functions are exported and not inlined",
}
GATES = {  # precision, recall
    "same": (0.98, 1.0),
    "rebuild": (0.98, 1.0),
    "separate": (0.98, 1.0),
    "levels": (0.98, 0.98),
    "stripped.same": (0.98, None),
    "stripped.rebuild": (0.98, None),
    "stripped.levels": (0.98, None),
    "stripped.exported": (0.98, 1.0),
}
