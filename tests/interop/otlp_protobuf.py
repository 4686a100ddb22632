"""An OTLP receiver that speaks protobuf too, by opentelemetry-proto: for the spans of real SDKs, and
as a second opinion on our JSON, which must be protobuf to the last member and come back the same."""

import base64
import binascii

import otlp_schema
from fake_http import strict_json
from fake_otlp import FakeOtlp, Refusal, inflate
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = ("traceId", "spanId", "parentSpanId")
MESSAGES = {"logs": ExportLogsServiceRequest, "traces": ExportTraceServiceRequest}


def with_ids(value, change):
    """The object with its IDs written in another way: OTLP's JSON has hex where proto3's has base64."""
    if isinstance(value, list):
        return [with_ids(one, change) for one in value]
    if isinstance(value, dict):
        return {
            name: change(inner) if name in IDS else with_ids(inner, change)
            for name, inner in value.items()
        }
    return value


def to_base64(text):
    return base64.b64encode(binascii.unhexlify(text)).decode("ascii")


def to_hex(text):
    return base64.b64decode(text).hex()


def to_message(kind, value):
    """Strictly: what protobuf does not know is an error."""
    return json_format.ParseDict(with_ids(value, to_base64), MESSAGES[kind]())


def to_object(message):
    value = json_format.MessageToDict(message, use_integers_for_enums=True)
    return with_ids(value, to_hex)


class OtlpReceiver(FakeOtlp):
    def __init__(self, **how):
        super().__init__(**how)
        self.differ = []  # what did not come back from protobuf as it went in

    def _take(self, request):
        kind = request.headers.get("Content-Type", "")
        if kind == "application/x-protobuf" and request.op in MESSAGES:
            message = MESSAGES[request.op].FromString(inflate(request))
            self._keep(list(otlp_schema.records(to_object(message))), request)
            return b""
        reply = super()._take(request)
        self._compare(request)
        return reply

    def _compare(self, request):
        value = strict_json(inflate(request))
        try:
            message = to_message(request.op, value)
        except json_format.ParseError as err:
            self.differ.append(str(err))
            raise Refusal(400, str(err)) from None
        again = MESSAGES[request.op].FromString(message.SerializeToString())
        if to_message(request.op, to_object(again)) != message:
            self.differ.append((value, to_object(again)))
