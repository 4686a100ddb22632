"""backend-flask, the web API of Cruddur, the sample application.

    GET /api/activities/home[?user=NAME]   the home feed, which feedd reads for us
    GET /rollbar/test                      reports a message
    GET /api/health                        {"success": true}: it is up

Its errors go to the agent on this host: reporting.py. Every request has a trace: tracing.py. What it
sends itself to Honeycomb, X-Ray and CloudWatch Logs, if the environment says so: telemetry.py.

    python -m flask run --port 4567        or        gunicorn --preload -b 127.0.0.1:4567 app:app
    PORT=0 python app.py                   takes a free port and says which
"""

import os

from flask import Flask, request
from werkzeug.serving import make_server

import reporting
import telemetry
import tracing
from services.home_activities import HomeActivities

app = Flask(__name__)
telemetry.init(app, reporting.SERVICE)
reporter = reporting.init(app)


@app.route("/api/health")
def health():
    return {"success": True}, 200


@app.route("/api/activities/home", methods=["GET"])
def data_home():
    model = HomeActivities.run(
        user_handle=request.args.get("user", "andrew"), trace=tracing.outgoing(request.environ)
    )
    if model["errors"] is not None:
        return model["errors"], 422
    return model["data"], 200


@app.route("/rollbar/test")
def rollbar_test():
    reporter.report_message("Hello World!", "warning")
    return "Hello World!"


def main():
    server = make_server("127.0.0.1", int(os.getenv("PORT") or 4567), app, threaded=True)
    print(f"backend-flask: listening on 127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
