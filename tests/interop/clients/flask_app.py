"""A Flask app whose requests fail, as Rollbar's documentation has it: flask_app.py TOKEN ENDPOINT
HANDLER. Prints its port."""

import sys

import flask
import rollbar
import rollbar.contrib.flask
from werkzeug.serving import WSGIRequestHandler, make_server


class Request(flask.Request):
    @property
    def rollbar_person(self):
        name = self.headers.get("X-User")
        if not name:
            return None
        return {"id": "9007199254740993", "username": name, "email": f"{name}@example.org"}


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *args):
        pass


app = flask.Flask(__name__)
app.request_class = Request


@app.route("/feeds/<name>", methods=["GET", "POST"])
def feed(name):
    try:
        raise LookupError(f"no feed of {name}")
    except LookupError as err:
        raise RuntimeError("the feed cannot be shown") from err


@app.route("/well")
def well():
    return "well"


if __name__ == "__main__":
    token, endpoint, handler = sys.argv[1:]
    rollbar.contrib.flask.init(
        app, token, "interop", endpoint=endpoint, handler=handler, include_request_body=True,
        capture_username=True, capture_email=True,
    )  # fmt: skip
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    print(server.port, flush=True)
    server.serve_forever()
