"""How well occurrences are grouped, over pairs of them.

precision: of the pairs that are one item, how many are one fault; recall: of the pairs that are one
fault, how many are one item. Pairs of two faults that may be one item or two (of one bug in the
tables of relayd) count neither way. Which pairs are looked at is said by classes().
"""

import collections
import subprocess

import rules


def pairs(n):
    return n * (n - 1) // 2


def count_pairs(keys):
    """Of equal ones."""
    return sum(map(pairs, collections.Counter(keys).values()))


Measure = collections.namedtuple("Measure", "precision recall n_pairs n_occurrences")


def measure(groups, key):
    """Over all pairs within each of groups, lists of occurrences."""
    same_item = same_fault = both = total = 0
    for group in groups:
        seen = [(key(o), o.bug, o.fault) for o in group]
        right = count_pairs((k, fault) for k, _, fault in seen)
        either_way = count_pairs((k, bug) for k, bug, _ in seen) - right
        same_item += count_pairs(k for k, _, _ in seen) - either_way
        same_fault += count_pairs(fault for _, _, fault in seen)
        both += right
        total += len(group)
    return Measure(both / max(1, same_item), both / max(1, same_fault), same_fault, total)


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


# ---- the functions of the source are on the stack ----


def flat(names):
    for name in names:
        if isinstance(name, tuple):
            yield from flat(name)
        else:
            yield name


def intact_only(occurrences):
    """Those with the functions on their stacks that the source has: what a build without
    optimisation is grouped by. The others have lost one: nothing that is recorded has its name."""
    due = {}
    for o in occurrences:
        if o.build.level == "-O0":
            due.setdefault(o.fault, set(flat(rules.functions(o))))
    return [o for o in occurrences if due.get(o.fault, {""}) <= set(rules.counted(o))]


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
        "levels.intact": [intact_only(debug)],
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
    "levels.intact": "those whose stack still has the two functions that the source has",
    "stripped.same": "one binary, stripped",
    "stripped.rebuild": "stripped, and a rebuild",
    "stripped.levels": "stripped, all compilers and levels",
    "stripped.exported": "stripped and not, faults whose two functions are exported and not inlined",
}
# precision, recall; None: told, not gated. A function that a compiler dissolved has no name in the
# debug data, so levels alone has less to reach. In a stripped program what is inlined into an
# exported function is that function.
GATES = {
    "same": (0.98, 1.0),
    "rebuild": (0.98, 1.0),
    "separate": (0.98, 1.0),
    "levels": (0.98, 0.92),
    "levels.intact": (0.98, 0.985),
    "stripped.same": (None, None),
    "stripped.rebuild": (None, None),
    "stripped.levels": (None, None),
    "stripped.exported": (0.98, 1.0),
}
