"""Compares two JSON texts byte for byte, and says what was changed, added or taken away.

    changed, added = raw_json.compare(sent, arrived)
    changed   {"data.custom.password": ('"hunter2"', '"********"')}
    added     {"data.custom.trace_id": '"4bf9..."'}

1. Values are compared by their text, so that a number that was read and written again shows.
2. Order counts, and so does white space: when what was changed and added is undone, the bytes are
   those that were sent. Anything else is a Difference.
3. New members may stand only at the end of what they were added to.
"""

import re

TOKEN = re.compile(
    r'[ \t\r\n]*("(?:[^"\\\x00-\x1f]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[\[\]{}:,])'
)


class Difference(AssertionError):
    """Two texts differ in a way that is no change of a value and no addition at an end."""


class Value:
    """A value with its place in the text. members: name to Value, a list's names are numbers."""

    def __init__(self, text, start):
        self.text = text
        self.start = start
        self.end = start
        self.kind = "scalar"
        self.members = {}

    @property
    def raw(self):
        return self.text[self.start : self.end]


class Reader:
    def __init__(self, text):
        self.text = text
        self.at = 0

    def next(self):
        found = TOKEN.match(self.text, self.at)
        if not found:
            raise ValueError(f"no JSON at {self.at}: {self.text[self.at : self.at + 40]!r}")
        self.at = found.end()
        return found.group(1)

    def peek(self):
        at = self.at
        token = self.next()
        self.at = at
        return token

    def value(self):
        token = self.next()
        value = Value(self.text, self.at - len(token))
        if token in "{[":
            self.container(value, "}" if token == "{" else "]")
        elif token in "}]:,":
            raise ValueError(f"{token} at {self.at}")
        value.end = self.at
        return value

    def container(self, value, close):
        value.kind = "object" if close == "}" else "array"
        while self.peek() != close:
            name = str(len(value.members))
            if close == "}":
                name = self.next()[1:-1]
                if self.next() != ":" or name in value.members:
                    raise ValueError(f"{name} at {self.at}")
            value.members[name] = self.value()
            if self.peek() == ",":
                self.next()
        self.next()


def read(body):
    """The Value of a text; ValueError when it is no JSON or has something behind it."""
    reader = Reader(body.decode("utf-8") if isinstance(body, bytes) else body)
    value = reader.value()
    if reader.text[reader.at :].strip():
        raise ValueError("something follows")
    return value


def compare(sent, arrived):
    sent, arrived = read(sent), read(arrived)
    walk = Walk(arrived.text)
    walk.compare(sent, arrived, "")
    if walk.undone() != sent.text:
        raise Difference("the white space was changed")
    return walk.changed, walk.added


class Walk:
    def __init__(self, text):
        self.text = text
        self.changed = {}
        self.added = {}
        self.undo = []  # (start, end, what stood there), in the order of the text

    def compare(self, sent, arrived, path):
        if sent.kind == "scalar" or sent.kind != arrived.kind:
            if sent.raw != arrived.raw:
                self.changed[path] = (sent.raw, arrived.raw)
                self.undo.append((arrived.start, arrived.end, sent.raw))
            return
        prefix = path + "." if path else ""
        names = list(arrived.members)
        n = len(sent.members)
        if names[:n] != list(sent.members):
            raise Difference(f"{path}: {list(sent.members)} became {names}")
        for name in names[:n]:
            self.compare(sent.members[name], arrived.members[name], prefix + name)
        for name in names[n:]:
            self.added[prefix + name] = arrived.members[name].raw
        if names[n:]:
            self.cut(arrived, names[n - 1] if n else None)

    def cut(self, value, last):
        """All members behind the last that was sent."""
        start = value.members[last].end if last is not None else value.start + 1
        end = list(value.members.values())[-1].end
        self.undo.append((start, end, ""))

    def undone(self):
        text, at = "", 0
        for start, end, was in self.undo:
            text += self.text[at:start] + was
            at = end
        return text + self.text[at:]
