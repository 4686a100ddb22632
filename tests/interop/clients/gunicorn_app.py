"""flask_app.py for gunicorn: gunicorn 'gunicorn_app:make("TOKEN", "ENDPOINT", "HANDLER")'.

With the handler "agent" it writes to $AGENT_LOG instead of sending."""

import os

import rollbar.contrib.flask
from flask_app import app


@app.route("/worker")
def worker():
    return str(os.getpid())


def make(token, endpoint, handler):
    rollbar.contrib.flask.init(
        app, token, "interop", endpoint=endpoint, handler=handler,
        agent_log_file=os.environ.get("AGENT_LOG"),
    )  # fmt: skip
    return app
