"""A strict reader of Prometheus' text format 0.0.4: for what a scraper would forgive, it does not.

    metrics = prometheus.parse(text)           {("name", (("label", "value"),)): 1.0}
    metrics.value("towbard_queue_items", state="parked")
    metrics.total("towbard_queue_items")       the sum of its series
    metrics.types["towbard_queue_items"]       "gauge"

1. Each family has one HELP, then one TYPE, then its series, and nothing of it comes later.
2. Names of counters end in _total, those of gauges do not. (process_start_time_seconds and its
   kin are gauges.) No unit but seconds, bytes, timestamps and plain numbers of things.
3. No series comes twice; every family has one at least; numbers are finite and not negative.
4. The text ends with a newline, and has no blank line, tab or CR.
"""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) (\S.*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge)")
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SERIES = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


class Metrics(dict):
    def __init__(self):
        super().__init__()
        self.types = {}
        self.helps = {}

    def value(self, name, **labels):
        return self[name, tuple(sorted(labels.items()))]

    def total(self, name):
        return sum(value for (of, _), value in self.items() if of == name)

    def counters(self):
        return {key: value for key, value in self.items() if self.types[key[0]] == "counter"}


def unescape(text):
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)


def labels_of(text, line):
    pairs = [(name, unescape(value)) for name, value in PAIR.findall(text or "")]
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError(f"a label comes twice: {line!r}")
    return tuple(sorted(pairs))


def check_family(metrics, name):
    kind = metrics.types.get(name)
    if kind is None:
        raise ValueError(f"{name} has no TYPE")
    if (kind == "counter") != name.endswith("_total"):
        raise ValueError(f"{name} is a {kind}")
    if not any(of == name for of, _ in metrics):
        raise ValueError(f"{name} has no series")


def parse(text):
    metrics = Metrics()
    current = None
    if not text.endswith("\n") or "\r" in text or "\t" in text:
        raise ValueError("no newline at the end, or a CR or tab")
    for line in text[:-1].split("\n"):
        if match := HELP.fullmatch(line):
            if current is not None:
                check_family(metrics, current)
            current = match[1]
            if current in metrics.helps:
                raise ValueError(f"{current} comes twice")
            metrics.helps[current] = match[2]
        elif match := TYPE.fullmatch(line):
            if match[1] != current or current in metrics.types:
                raise ValueError(f"a TYPE out of place: {line!r}")
            metrics.types[current] = match[2]
        elif match := SERIES.fullmatch(line):
            if match[1] != current or current not in metrics.types:
                raise ValueError(f"a series out of place: {line!r}")
            key = (current, labels_of(match[2], line))
            value = float(match[3])
            if key in metrics or not math.isfinite(value) or value < 0:
                raise ValueError(f"a series twice, or a number that is none: {line!r}")
            metrics[key] = value
        else:
            raise ValueError(f"not a line of the format: {line!r}")
    check_family(metrics, current)
    return metrics
