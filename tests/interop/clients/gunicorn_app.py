"""flask_app.py for gunicorn: gunicorn 'gunicorn_app:make("TOKEN", "ENDPOINT", "HANDLER")'."""

import os

import rollbar.contrib.flask
from flask_app import app


@app.route("/worker")
def worker():
    return str(os.getpid())


def make(token, endpoint, handler):
    rollbar.contrib.flask.init(app, token, "interop", endpoint=endpoint, handler=handler)
    return app
