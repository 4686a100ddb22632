"""Filter expressions of random meaning, written in many ways, and random traces: what ours finds,
and what docs/filter.md says, told again here. The expressions are made from their meaning, so that
nothing here reads one."""

import json
import os
import random
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

PROGRAM = os.path.join(towbar.BUILD, "tests", "programs", "match")
ROUNDS = int(os.environ.get("TOWBAR_ROUNDS", "6000"))
SEED = int(os.environ.get("TOWBAR_SEED", "20261126"))
FLAGS = ("ok", "error", "throttle", "fault", "partial", "inferred", "remote", "root")
PLACES = ("first", "last")
NUMBERS = ("responsetime", "duration", "coverage", "http.status", "index")
STRINGS = ("name", "type", "message", "http.url", "http.method", "http.useragent", "http.clientip")
LISTS = {
    "user": "users",
    "availabilityzone": "availability_zones",
    "instance.id": "instance_ids",
    "resource.arn": "resource_arns",
}
TEXTS = ("", "a", "b", "ab", "A", "a b", 'q"', "b\\", "\u00e9", "5", "true", "a,b")
COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "CONTAINS": lambda a, b: b in a,
    "BEGINSWITH": lambda a, b: a.startswith(b),
    "ENDSWITH": lambda a, b: a.endswith(b),
}
OF_NUMBERS = ("=", "!=", "<", "<=", ">", ">=")
OF_STRINGS = ("=", "!=", "CONTAINS", "BEGINSWITH", "ENDSWITH")


class Random(random.Random):
    def number(self):
        return self.choice((0, 1, 2, 5, 0.5, 2.5, 404, 1e3))

    # ---- traces ----

    def subject(self):
        made = {flag: self.choice((True, False)) for flag in FLAGS if self.random() < 0.5}
        for name in ("name", "type", "message"):
            made |= {name: self.choice(TEXTS)} if self.random() < 0.6 else {}
        for name in ("responsetime", "duration", "coverage"):
            made |= {name: self.number()} if self.random() < 0.5 else {}
        http = {"status": self.choice((200, 404, 429))} if self.random() < 0.5 else {}
        for name in ("url", "method", "useragent", "clientip"):
            http |= {name: self.choice(TEXTS)} if self.random() < 0.5 else {}
        return made | ({"http": http} if http else {})

    def end(self):
        return {name: self.choice("abAB") for name in ("name", "type") if self.random() < 0.8}

    def some(self, make, most=3):
        return [make() for _ in range(self.randint(0, most))]

    def trace(self):
        made = self.subject()
        for flag in ("ok", "error", "fault", "remote", "root"):
            made.pop(flag, None)
        for name in LISTS.values():
            made[name] = self.some(lambda: self.choice(TEXTS))
        made["services"] = self.some(self.subject)
        made["edges"] = self.some(lambda: self.subject() | {"src": self.end(), "dst": self.end()})
        values = (*TEXTS, 0, 1, 5, 2.5, True, False)
        keys = self.sample(("x", "a.b", "k k", "3"), k=self.randint(0, 4))
        made["annotations"] = {key: self.choice(values) for key in keys}
        made["rootcause"] = {
            cause: {part: self.some(self.subject) for part in ("service", "entity", "exception")}
            for cause in ("fault", "error", "responsetime")
            if self.random() < 0.7
        }
        return made

    # ---- meanings: tuples whose first says which ----

    def value(self, of):
        if of == "bool":
            return self.choice((True, False))
        return self.number() if of == "number" else self.choice(TEXTS)

    def word(self):
        of = self.choice(("bool", "bool", "number", "string"))
        words = {"bool": FLAGS + PLACES, "number": NUMBERS, "string": STRINGS + tuple(LISTS)}[of]
        ops = {"bool": ("=", "!="), "number": OF_NUMBERS, "string": OF_STRINGS}[of]
        op = self.choice(ops) if self.random() < 0.7 else None
        return ("word", self.choice(words), op, self.value(of))

    def annotation(self):
        of = self.choice(("bool", "number", "string"))
        ops = {"bool": ("=", "!="), "number": OF_NUMBERS, "string": OF_STRINGS}[of]
        op = self.choice(ops) if self.random() < 0.7 else None
        return ("annotation", self.choice(("x", "a.b", "k k", "3", "none")), op, self.value(of))

    def node(self):
        parts = {name: self.choice("abAB") for name in ("name", "type") if self.random() < 0.5}
        return parts or None

    def term(self, depth):
        kind = self.choice(("word",) * 5 + ("annotation", "service", "edge", "cause", "group"))
        inside = self.meaning(depth - 1, True) if self.random() < 0.8 else None
        if kind == "service":
            return (kind, self.node(), inside)
        if kind == "edge":
            nodes = (self.node() or {"name": "a"}, self.node() or {"name": "b"})
            return (kind, nodes if self.random() < 0.7 else (None, None), inside)
        if kind == "cause":
            cause = self.choice(("fault", "error", "responsetime"))
            part = self.choice(("service", "entity", "exception"))
            return (kind, cause, part, inside or self.word())
        if kind == "group":
            return (kind, self.choice(("g", "none")), self.choice(("=", "!=")))
        return self.annotation() if kind == "annotation" else self.word()

    def meaning(self, depth, is_inside=False):
        kind = self.choice(("and", "or", "not", "term", "term")) if depth > 0 else "term"
        if kind == "not":
            return ("not", self.meaning(depth - 1, is_inside))
        if kind in ("and", "or"):
            return (kind, [self.meaning(depth - 1, is_inside) for _ in range(self.randint(2, 3))])
        return self.word() if is_inside or depth <= 0 else self.term(depth)

    # ---- their texts ----

    def blank(self):
        return self.choice(("", " ", "\t", "  "))

    def cased(self, word):
        return self.choice((word, word.upper(), word.lower(), word.title()))

    def quoted(self, text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def written_value(self, value):
        if isinstance(value, bool):
            word = self.cased(str(value).lower())
            return self.choice((word, self.quoted(word.lower())))
        if isinstance(value, str):
            return self.quoted(value)
        return self.choice((repr(value), f"{value:.3f}", f"{value:e}"))

    def compared(self, op, value, is_annotation=False):
        if op is None:
            return ""
        if op.isalpha():
            return f" {self.cased(op)} {self.written_value(value)}"
        text = self.written_value(value)
        if is_annotation and isinstance(value, bool):  # in quotes it is a text
            text = text.strip('"')
        return self.blank() + op + self.blank() + text

    def written_node(self, node):
        if node is None:
            return self.blank()
        if set(node) == {"name"} and self.random() < 0.7:
            return self.quoted(node["name"])
        parts = [f"{name}{self.blank()}:{self.blank()}{self.quoted(v)}" for name, v in node.items()]
        self.shuffle(parts)
        return "id(" + ("," + self.blank()).join(parts) + ")"

    def written(self, meaning):
        kind = meaning[0]
        if kind == "not":
            inner = self.written(meaning[1])
            is_more = meaning[1][0] in ("and", "or")
            return "!" + self.blank() + (f"({inner})" if is_more else inner)
        if kind in ("and", "or"):
            parts = []
            for one in meaning[1]:
                text = self.written(one)
                is_loose = (kind, one[0]) == ("and", "or")
                parts.append(f"({text})" if is_loose or self.random() < 0.3 else text)
            between = " OR " if kind == "or" else self.choice((" AND ", " and ", " "))
            return self.blank() + between.join(parts) + self.blank()
        if kind == "word":
            return self.cased(meaning[1]) + self.compared(meaning[2], meaning[3])
        if kind == "annotation":
            key = meaning[1]
            forms = [f'annotation["{key}"]'] + ([f"annotation[{key}]"] if key != "k k" else [])
            forms += [f"annotation.{key}"] if key in ("x", "a.b", "none") else []
            return self.choice(forms) + self.compared(meaning[2], meaning[3], True)
        if kind == "group":
            arn = "arn:aws:xray:ca-central-1:1:group/" + meaning[1] + "/ABC"
            named = self.choice((("group.name", meaning[1]), ("group.arn", arn)))
            return f"{named[0]}{self.blank()}{meaning[2]}{self.blank()}{self.quoted(named[1])}"
        return self.written_braces(kind, meaning)

    def written_braces(self, kind, meaning):
        inside = meaning[-1]
        braces = "" if inside is None else f"{self.blank()}{{{self.written(inside)}}}"
        if kind == "service":
            return f"{self.cased('service')}({self.written_node(meaning[1])}){braces}"
        if kind == "cause":
            return f"rootcause.{meaning[1]}.{meaning[2]}{braces}"
        one, other = meaning[1]
        nodes = f"{self.written_node(one)},{self.blank()}{self.written_node(other)}" if one else ""
        return f"edge({nodes}){braces}"


# ---- what the page says ----


class Page:
    def __init__(self, trace, groups):
        self.trace, self.groups = trace, groups

    def flag(self, name, subject):
        """True, False, or None for what is not known."""
        if subject is not self.trace:
            return subject.get(name)
        services = self.trace["services"]
        if name in ("ok", "error", "fault"):
            roots = [one for one in services if one.get("root")] or services
            return roots[0].get(name) if roots else None
        if name in ("remote", "root"):
            return None
        said = [one[name] for one in (self.trace, *services) if name in one]
        return any(said) if said else None

    def word(self, meaning, subject, place):
        _, name, op, value = meaning
        if name in FLAGS + PLACES:
            found = self.flag(name, subject) if name in FLAGS else None
            if name in PLACES and place:
                found = place[0] == 0 if name == "first" else place[0] == place[1] - 1
            return found is not None and (COMPARE[op](found, value) if op else found)
        if name in LISTS:
            return several(subject.get(LISTS[name], []), op, value)
        if name == "index":
            found = place[0] if place else None
        elif name.startswith("http."):
            found = subject.get("http", {}).get(name[5:])
        else:
            found = subject.get(name)
        return found is not None and (op is None or COMPARE[op](found, value))

    def annotation(self, meaning):
        _, key, op, value = meaning
        if key not in self.trace["annotations"]:
            return False
        found = self.trace["annotations"][key]
        if op is None:
            return found is not False
        kinds = [
            bool if isinstance(v, bool) else str if isinstance(v, str) else float
            for v in (found, value)
        ]
        return kinds[0] is kinds[1] and COMPARE[op](found, value)

    def is_true(self, meaning, subject=None, place=None):
        subject = self.trace if subject is None else subject
        kind = meaning[0]
        if kind == "not":
            return not self.is_true(meaning[1], subject, place)
        if kind in ("and", "or"):
            each = (self.is_true(one, subject, place) for one in meaning[1])
            return all(each) if kind == "and" else any(each)
        if kind == "word":
            return self.word(meaning, subject, place)
        if kind == "annotation":
            return self.annotation(meaning)
        if kind == "group":
            return (meaning[1] in self.groups and self.is_true(self.groups[meaning[1]])) == (
                meaning[2] == "="
            )
        return any(
            meaning[-1] is None or self.is_true(meaning[-1], *one) for one in self.found(meaning)
        )

    def found(self, meaning):
        """The services, edges or elements that the braces are about, each with its place."""
        if meaning[0] == "service":
            return [(one, None) for one in self.trace["services"] if is_node(meaning[1], one)]
        if meaning[0] == "edge":
            ends = meaning[1]
            edges = self.trace["edges"]
            return [
                (e, None)
                for e in edges
                if is_node(ends[0], e["src"]) and is_node(ends[1], e["dst"])
            ]
        elements = self.trace["rootcause"].get(meaning[1], {}).get(meaning[2], [])
        return [(one, (i, len(elements))) for i, one in enumerate(elements)]


def several(values, op, value):
    if op is None:
        return bool(values)
    if op == "!=":
        return bool(values) and value not in values
    return any(COMPARE[op](one, value) for one in values)


def is_node(wanted, node):
    return all(node.get(name) == value for name, value in (wanted or {}).items())


class FilterTest(unittest.TestCase):
    def test_expressions_find_what_the_page_says(self):
        rows, wanted = [], []
        for i in range(ROUNDS):
            r = Random(SEED * 1_000_003 + i)
            trace, group = r.trace(), r.meaning(1)
            while "group" in str(group):
                group = r.meaning(1)
            meaning = r.meaning(r.choice((0, 1, 2, 3)))
            wanted.append("1" if Page(trace, {"g": group}).is_true(meaning) else "0")
            rows.append([r.written(meaning), json.dumps(trace), "g", r.written(group)])
        ran = subprocess.run(
            [PROGRAM],
            input="".join("\x1f".join(row) + "\n" for row in rows),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
            timeout=120,
        )
        for row, mine, theirs in zip(rows, ran.stdout.splitlines(), wanted, strict=True):
            self.assertEqual(mine, theirs, f"{row[0]}\n{row[3]}\n{row[1]}")
        self.assertGreater(min(wanted.count("0"), wanted.count("1")), ROUNDS // 8)


if __name__ == "__main__":
    unittest.main()
