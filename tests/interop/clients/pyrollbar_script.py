"""A program with pyrollbar: pyrollbar_script.py TOKEN ENDPOINT HANDLER CASE..."""

import json
import os
import sys

import rollbar

MIB = 1 << 20
with open(os.path.join(os.path.dirname(__file__), "hard.json"), encoding="utf-8") as file:
    HARD = json.load(file)


def inner(secret):
    text = "Žluťoučký 馬 🧨"
    raise ValueError(f"inner fault of {text}")


def middle():
    try:
        inner("hunter2")
    except ValueError as err:
        raise KeyError("middle", 9007199254740993) from err


def error():
    try:
        inner("hunter2")
    except ValueError:
        rollbar.report_exc_info(extra_data={"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})


def chain():
    try:
        try:
            middle()
        except KeyError as err:
            raise RuntimeError("outer fault") from err
    except RuntimeError:
        rollbar.report_exc_info(level="critical")


def message():
    rollbar.report_message("a message: 馬 🧨", "warning", extra_data=HARD)


def large(mib):
    """An item so large, most of it lines of a log. pyrollbar sends the extra data twice."""
    line = "0123456789 words of a log, again and again: "
    log = line * (mib * MIB // len(line) // 2)
    rollbar.report_message(f"{mib} MiB of log", "error", extra_data={"log": log, "n": 7})


CASES = {
    "error": error,
    "chain": chain,
    "message": message,
    "large2": lambda: large(2),
    "large9": lambda: large(9),
    "large20": lambda: large(20),
}

if __name__ == "__main__":
    token, endpoint, handler, *cases = sys.argv[1:]
    rollbar.init(token, "interop", endpoint=endpoint, handler=handler, code_version="1.2.3")
    for case in cases:
        CASES[case]()
    rollbar.wait()
