"""Where backend-flask itself sends its traces and logs, each by its variables of the environment;
without them, and without their packages (requirements-aws.txt), nothing is loaded and nothing sent.

    Honeycomb, or any OTLP receiver, by OpenTelemetry
        OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME
        OTEL_PYTHON_ID_GENERATOR=xray   its trace IDs are those of X-Ray too: one ID in all systems.
                                        Without it each SDK makes its own, and there are two
    AWS X-Ray, by its SDK and the daemon
        AWS_XRAY_DAEMON_ADDRESS         turns it on
        AWS_XRAY_URL                    a pattern: a request to a host that fits names the segment
                                        after the host, no longer after the service
    CloudWatch Logs, by watchtower
        CLOUDWATCH_LOG_GROUP=cruddur    turns it on; AWS_DEFAULT_REGION and credentials as usual
"""

import logging
import os
import sys

import tracing


def init(app, service):
    """Before anything that reports errors: whose signals come later sees the trace."""
    has_spans = start("OTEL_EXPORTER_OTLP_ENDPOINT", init_opentelemetry, app)
    if has_spans and uses_one_id():
        app.before_request(share_id)
    has_segments = start("AWS_XRAY_DAEMON_ADDRESS", init_xray, app, service)
    start("CLOUDWATCH_LOG_GROUP", init_watchtower, app)
    if not has_spans and not has_segments:
        app.wsgi_app = tracing.Middleware(app.wsgi_app)


def start(variable, function, *args):
    """True when the variable is set and what it asks for is there."""
    if not os.getenv(variable):
        return False
    try:
        function(*args)
    except ImportError as err:
        print(
            f"backend-flask: {variable} is set, but {err}: pip install -r requirements-aws.txt",
            file=sys.stderr,
        )
        return False
    return True


def uses_one_id():
    return os.getenv("OTEL_PYTHON_ID_GENERATOR") == "xray"


def init_opentelemetry(app):
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    generator = None
    if uses_one_id():
        from opentelemetry.sdk.extension.aws.trace import AwsXRayIdGenerator

        generator = AwsXRayIdGenerator()
    provider = TracerProvider(id_generator=generator)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    FlaskInstrumentor().instrument_app(app)


def share_id():
    """Between OpenTelemetry, which has begun its span, and the X-Ray SDK, which looks at this header
    next: the segment takes the span's trace ID, unless the caller named another."""
    from flask import request

    span = tracing.opentelemetry_span()
    if span is not None and "HTTP_X_AMZN_TRACE_ID" not in request.environ:
        text = f"{span.trace_id:032x}"
        request.environ["HTTP_X_AMZN_TRACE_ID"] = f"Root=1-{text[:8]}-{text[8:]}"


def init_xray(app, service):
    from aws_xray_sdk.core import xray_recorder
    from aws_xray_sdk.ext.flask.middleware import XRayMiddleware

    xray_recorder.configure(service=service, dynamic_naming=os.getenv("AWS_XRAY_URL"))
    XRayMiddleware(app, xray_recorder)


def init_watchtower(app):
    import watchtower

    log = logging.getLogger("backend-flask")
    log.setLevel(logging.INFO)
    log.addHandler(watchtower.CloudWatchLogHandler(log_group_name=os.environ["CLOUDWATCH_LOG_GROUP"]))

    @app.after_request
    def after_request(response):
        from flask import request

        log.info(
            "%s %s %s %s %s", request.remote_addr, request.method, request.full_path,
            response.status, tracing.for_log(),
        )  # fmt: skip
        return response
