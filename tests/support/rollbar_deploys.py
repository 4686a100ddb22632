"""Deploys as Rollbar takes them: POST /api/1/deploy/ (JSON or a form), PATCH /api/1/deploy/N.

    deploys = Deploys()
    deploys.add(token, fields)          the number of the new one
    deploys.change(token, number, fields)
    deploys.all                         [Deploy, ...] in order of arrival

ValueError holds the text of a refusal, LookupError that of a deploy that is not there.
"""

import json
import urllib.parse

STATUSES = ("started", "succeeded", "failed", "timed_out")
NAME_MAX = 255
COMMENT_MAX_BYTES = 64 * 1024
TEXTS = ("environment", "revision", "rollbar_username", "local_username", "comment", "status")


class Deploy:
    def __init__(self, number, token, fields):
        self.number = number
        self.token = token
        self.fields = fields  # as they came, without the token

    def __getattr__(self, name):
        """environment, revision, comment ...: None where it was not said."""
        if name in TEXTS:
            return self.fields.get(name)
        raise AttributeError(name)


def decode(body):
    """The fields of a body, whatever its Content-Type says; ValueError when it has none."""
    text = body.decode("utf-8")
    if text.lstrip().startswith("{"):
        return json.loads(text)
    pairs = urllib.parse.parse_qsl(
        text, keep_blank_values=True, strict_parsing=True, errors="strict"
    )
    return dict(pairs)


def check_texts(fields):
    for name in TEXTS:
        value = fields.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise ValueError(f"{name} should be string.")
        if name == "comment" and len(value.encode("utf-8")) > COMMENT_MAX_BYTES:
            raise ValueError("comment should be at most 64kb.")
        if name != "comment" and len(value) > NAME_MAX:
            raise ValueError(f"{name} should be at most {NAME_MAX} characters.")
    if fields.get("status") not in (None, *STATUSES):
        raise ValueError(f"status should be one of {', '.join(STATUSES)}.")


class Deploys:
    def __init__(self):
        self.all = []

    def add(self, token, fields):
        fields = {name: value for name, value in fields.items() if name != "access_token"}
        if not fields.get("revision") and fields.get("head_long"):
            fields["revision"] = fields["head_long"]  # the older name
        missing = []
        if not fields.get("environment"):
            missing.append("Missing 'environment' key.")
        if not fields.get("revision"):
            missing.append("Missing 'revision' or 'head_long' key.")
        if missing:
            raise ValueError(" ".join(missing))
        check_texts(fields)
        self.all.append(Deploy(len(self.all) + 1, token, fields))
        return len(self.all)

    def change(self, token, number, fields):
        """Only the status can be changed, and only by the project that made it."""
        found = [d for d in self.all if str(d.number) == number and d.token == token]
        if not found:
            raise LookupError("Not found")
        if not fields.get("status"):
            raise ValueError("Missing 'status' key.")
        check_texts(fields)
        found[0].fields["status"] = fields["status"]
        return found[0].number
