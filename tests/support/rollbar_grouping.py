"""How Rollbar documents that it groups and titles items.

fingerprint(data): the client's own if there is one (longer than 40 characters: its SHA-1), else
default_fingerprint(data). title(data): the client's own, else from class and message.
"""

import hashlib
import re

TITLE_MAX = 255
FINGERPRINT_MAX = 40

DATE = re.compile(r"\d{4}[-_.]?\d{2}[-_.]?\d{2}")
SHA = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)[0-9a-f]{7,40}(?![0-9A-Za-z])")
INTEGER = re.compile(r"\d{2,}")
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
DECIMAL = re.compile(r"\d+\.\d+")
HEX = re.compile(r"(0x)?\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{4,}\b|0x[0-9a-fA-F]{4,}")


def sha1(text):
    return hashlib.sha1(text.encode("utf-8", "surrogatepass")).hexdigest()


def traces(body):
    return [body["trace"]] if "trace" in body else body.get("trace_chain", [])


def plain_filename(name, root):
    if root and name.startswith(root):
        name = "ROOT" + name[len(root) :]
    return SHA.sub("", DATE.sub("", name))


def plain_message(text):
    for pattern in (TIMESTAMP, DECIMAL, HEX, INTEGER):
        text = pattern.sub("", text)
    return text


def default_fingerprint(data):
    body = data["body"]
    if "message" in body:
        return sha1(plain_message(body["message"]["body"]))
    if "crash_report" in body:
        return sha1(plain_message(body["crash_report"]["raw"]))
    root = (data.get("server") or {}).get("root") or ""
    text = ""
    for trace in traces(body):
        for frame in trace["frames"]:
            text += plain_filename(frame["filename"], root)
            text += INTEGER.sub("", frame.get("method") or "")
        text += trace["exception"]["class"]
    return sha1(text)


def fingerprint(data):
    own = data.get("fingerprint")
    if own:
        return own if len(own) <= FINGERPRINT_MAX else sha1(own)
    return default_fingerprint(data)


def title(data):
    if data.get("title"):
        return data["title"]
    body = data["body"]
    if "message" in body:
        text = body["message"]["body"]
    elif "crash_report" in body:
        text = body["crash_report"]["raw"]
    else:
        exception = traces(body)[0]["exception"]
        text = exception["class"]
        if exception.get("message"):
            text += ": " + exception["message"]
    return (text.splitlines() or [""])[0][:TITLE_MAX]
