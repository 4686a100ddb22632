"""A program with pyrollbar: pyrollbar_script.py TOKEN ENDPOINT HANDLER CASE...

With the handler "agent" it writes to $AGENT_LOG instead of sending."""

import json
import logging
import os
import sys

import rollbar
import rollbar.logger

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


def person():
    """All that a program can say of an item besides what went wrong."""
    rollbar.report_message(
        "of a person", "info",
        payload_data={
            "person": {"id": "9007199254740993", "username": "žofie", "email": "z@example.org"},
            "fingerprint": "ours", "title": "A title", "context": "/feeds/<name>",
        },
    )  # fmt: skip


def logged():
    """By way of logging, as programs without rollbar in their code do it."""
    log = logging.getLogger("interop")
    log.addHandler(rollbar.logger.RollbarHandler())
    try:
        inner("hunter2")
    except ValueError:
        log.exception("while doing %s", "it", extra={"extra_data": {"n": 1}})


def pause():
    """The parent does something in between, and says so by a line."""
    rollbar.wait()
    print("paused", flush=True)
    sys.stdin.readline()


def large(mib):
    """An item so large, most of it lines of a log. pyrollbar sends the extra data twice."""
    line = "0123456789 words of a log, again and again: "
    log = line * (mib * MIB // len(line) // 2)
    rollbar.report_message(f"{mib} MiB of log", "error", extra_data={"log": log, "n": 7})


CASES = {
    "error": error,
    "chain": chain,
    "message": message,
    "person": person,
    "logged": logged,
    "pause": pause,
    "large1": lambda: large(1),
    "large2": lambda: large(2),
    "large5": lambda: large(5),
    "large9": lambda: large(9),
    "large20": lambda: large(20),
}

if __name__ == "__main__":
    token, endpoint, handler, *cases = sys.argv[1:]
    rollbar.init(
        token or None, "interop", endpoint=endpoint, handler=handler, code_version="1.2.3",
        agent_log_file=os.environ.get("AGENT_LOG"),
    )  # fmt: skip
    for case in cases:
        CASES[case]()
    rollbar.wait()
