"""Sends the errors of a Flask app to the agent. Two ways, chosen by REPORTER:

    pyrollbar   Rollbar's own SDK, unmodified; its endpoint is the agent instead of Rollbar
    towbar      towbar.py beside this file: nothing to install, and no error is lost while the
                agent is away

    TOWBAR_ENDPOINT        where pyrollbar posts to: the agent's address and /api/1/
    ROLLBAR_ACCESS_TOKEN   pyrollbar sends nothing without a token. "towbar" is none: it makes the
                           agent use its own, so that only the agent has to know the real one
    ROLLBAR_ENVIRONMENT, TOWBAR_SERVICE, TOWBAR_VERSION
                           what the errors are filed under
"""

import datetime
import os
import sys

import tracing

ROOT = os.path.dirname(os.path.realpath(__file__))
SERVICE = os.getenv("TOWBAR_SERVICE") or "backend-flask"
ENVIRONMENT = os.getenv("ROLLBAR_ENVIRONMENT") or "production"
VERSION = os.getenv("TOWBAR_VERSION") or None


def init(app):
    """Returns the module whose report_message the app calls."""
    which = os.getenv("REPORTER") or "pyrollbar"
    if which == "pyrollbar":
        return init_pyrollbar(app)
    if which == "towbar":
        return init_towbar(app)
    raise SystemExit(f"REPORTER is {which!r}; it can be pyrollbar or towbar")


def init_pyrollbar(app):
    import rollbar
    import rollbar.contrib.flask
    from flask import got_request_exception

    rollbar.init(
        os.getenv("ROLLBAR_ACCESS_TOKEN") or "towbar",
        ENVIRONMENT,
        endpoint=os.getenv("TOWBAR_ENDPOINT") or "http://127.0.0.1:7070/api/1/",
        root=ROOT,
        code_version=VERSION,
        # The agent answers at once, so no thread is needed, which a worker that is replaced would
        # take along.
        handler="blocking",
        allow_logging_basic_config=False,
    )
    rollbar.events.add_payload_handler(add_what_we_know)
    got_request_exception.connect(rollbar.contrib.flask.report_exception, app)
    return rollbar


def add_what_we_know(payload, **_):
    """Which service an error is from, its trace, and when it was: pyrollbar tells whole seconds. With
    the handler "blocking" this runs inside the request, where the SDKs' spans and segments are still
    open."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    custom = payload["data"].setdefault("custom", {})
    custom.update(service=SERVICE, occurred_at=now.replace("+00:00", "Z"))
    tracing.describe(payload["data"], sys.exc_info()[1])
    return payload


def init_towbar(app):
    import towbar

    towbar.init_app(app, service=SERVICE, environment=ENVIRONMENT, version=VERSION, root=ROOT)
    return towbar
