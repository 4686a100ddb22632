#!/usr/bin/env python3
"""A strict AWS for tests: CloudWatch Logs, X-Ray, STS, and the two places credentials come from.

    with FakeAws() as fake:
        run(AWS_ENDPOINT_URL=fake.url, **fake.env)
        fake.wait_for(lambda f: len(f.logs.events) == 2)

1. Logs (JSON 1.1, aws_logs.py) and X-Ray (/TraceSegments, /GetSamplingRules, /SamplingTargets) take
   signed requests alone (aws_sigv4.py); errors have the names and statuses of the service.
2. .keys: the credentials that are known; expire() and forget() and add_key() change them.
3. .clock_ahead_s puts its clock before this host's, in Date and in what is too old for it.
4. X-Ray: a document that AWS would refuse (xray_documents.py) is refused alone, in
   UnprocessedTraceSegments. .documents are those that were taken, .repeated those whose ID came
   before.
5. STS AssumeRoleWithWebIdentity (.web_token), IMDSv2 (/latest/..., .role) and a container's
   endpoint (/container, .container_token) give credentials that then are known; .issue says what.
6. Its script is that of every fake (fake_http.py); "op" is the operation: PutLogEvents,
   CreateLogGroup, CreateLogStream, PutTraceSegments, GetSamplingRules, SamplingTargets, sts, imds,
   container. Also:
   {"status": 400, "error": "ThrottlingException"}   with that name of an error
   {"unprocessed": {0: "InvalidTraceId"}}            those documents of a request are refused

As a program: fake_aws.py [--port 0] prints what to export and serves until it is told to stop.
"""

import argparse
import json
import signal
import time
import urllib.parse

import xray_documents as documents
from aws_logs import ApiError, Logs
from aws_sigv4 import Key, Refused, verify
from fake_http import Scripted, strict_json

TARGET = "Logs_20140328."
XRAY = {
    "/TraceSegments": "PutTraceSegments",
    "/GetSamplingRules": "GetSamplingRules",
    "/SamplingTargets": "SamplingTargets",
}
SEGMENTS_MAX = 50
REGION = "ca-central-1"
STS_XML = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <Credentials>
      <AccessKeyId>{AccessKeyId}</AccessKeyId>
      <SecretAccessKey>{SecretAccessKey}</SecretAccessKey>
      <SessionToken>{Token}</SessionToken>
      <Expiration>{Expiration}</Expiration>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


class FakeAws(Scripted):
    def __init__(self, region=REGION, port=0, host="127.0.0.1"):
        super().__init__(port, host)
        self.region = region
        self.keys = {"AKIDEXAMPLE": Key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")}
        self.logs = Logs()
        self.documents = []
        self.repeated = []
        self.unprocessed = []  # (id, error code)
        self.sampling_rules = []
        self.sampling_statistics = []
        self.web_token = "eyJ.web.token"
        self.role = "cruddur-role"
        self.container_token = "container-token"
        self.lifetime_s = 3600
        self.issued = 0
        self._imds_tokens = set()

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    @property
    def env(self):
        """What a user exports."""
        key_id = "AKIDEXAMPLE"
        return {
            "AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": self.keys[key_id].secret,
            "AWS_DEFAULT_REGION": self.region, "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    # ---- credentials ----

    def add_key(self, key_id, secret, session=""):
        with self.changed:
            self.keys[key_id] = Key(secret, session)

    def expire(self, key_id):
        with self.changed:
            self.keys[key_id] = self.keys[key_id]._replace(is_expired=True)

    def forget(self, key_id):
        with self.changed:
            del self.keys[key_id]

    def issue(self):
        """Credentials that nobody had before, and that are known from now on."""
        self.issued += 1
        n = self.issued
        key = Key(f"secret/{n}+{'x' * 32}", f"session//{n}==")
        self.keys[f"ASIA{n:016d}"] = key
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now() + self.lifetime_s))
        return {
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": f"ASIA{n:016d}",
            "SecretAccessKey": key.secret, "Token": key.session, "Expiration": ends,
        }  # fmt: skip

    # ---- requests ----

    def operation(self, request):
        path = urllib.parse.urlsplit(request.path).path
        target = request.headers.get("X-Amz-Target", "")
        if target.startswith(TARGET):
            return target[len(TARGET) :]
        if path.startswith("/latest/"):
            return "imds"
        if path == "/container":
            return "container"
        if path in XRAY:
            return XRAY[path]
        return "sts"

    def service(self, request):
        if request.op in XRAY.values():
            return "xray"
        return request.op if request.op in ("sts", "imds", "container") else "logs"

    def refusal(self, request, status, message):
        return self.error(request, status, request.step.get("error", "InternalFailure"), message)[1:]

    def error(self, request, status, name, message):
        if self.service(request) == "logs":
            return status, {"__type": name, "message": message}, {}
        return status, {"message": message}, {"x-amzn-ErrorType": name}

    def take(self, request):
        with self.changed:
            service = self.service(request)
            try:
                if service in ("logs", "xray"):
                    verify(request, service, self.region, self.keys, self.now())
                take = {"logs": self.take_logs, "xray": self.take_xray}.get(service)
                if take is not None:
                    reply = take(request)
                    kind = "application/x-amz-json-1.1" if service == "logs" else "application/json"
                    return 200, reply, {"Content-Type": kind}
                return getattr(self, "take_" + service)(request)
            except Refused as refused:
                status = 400 if service == "logs" else 403
                return self.error(request, status, refused.name, str(refused))
            except ApiError as error:
                return self.error(request, error.status, error.name, str(error))

    def body(self, request, kind):
        found = request.headers.get("Content-Type", "").partition(";")[0].strip()
        if request.method != "POST" or found != kind:
            raise ApiError("UnknownOperationException", f"{request.method} with {found!r}", 404)
        try:
            return strict_json(request.body)
        except ValueError as err:
            raise ApiError("SerializationException", str(err)) from None

    def take_logs(self, request):
        if urllib.parse.urlsplit(request.path).path != "/":
            raise ApiError("UnknownOperationException", f"path {request.path}", 404)
        fields = self.body(request, "application/x-amz-json-1.1")
        return self.logs.call(request.op, fields, int(self.now() * 1000))

    def take_xray(self, request):
        fields = self.body(request, "application/json")
        if request.op == "PutTraceSegments":
            return self.put_segments(request, fields)
        if request.op == "GetSamplingRules":
            records = [{"SamplingRule": rule} for rule in self.sampling_rules]
            return {"SamplingRuleRecords": records, "NextToken": None}
        self.sampling_statistics.extend(fields["SamplingStatisticsDocuments"])
        return {"SamplingTargetDocuments": [], "UnprocessedStatistics": []}

    def put_segments(self, request, fields):
        texts = fields.get("TraceSegmentDocuments") if isinstance(fields, dict) else None
        if not isinstance(texts, list) or set(fields) != {"TraceSegmentDocuments"}:
            raise ApiError("InvalidRequestException", "TraceSegmentDocuments")
        if not 1 <= len(texts) <= SEGMENTS_MAX:
            raise ApiError("InvalidRequestException", f"{len(texts)} documents")
        refused = []
        for i, text in enumerate(texts):
            code = request.step.get("unprocessed", {}).get(i)
            complaint = documents.check(text) if isinstance(text, str) else "not a string"
            if code or complaint:
                refused.append(self.unprocessed_one(text, code, complaint))
            else:
                self.keep(documents.Document(text))
        return {"UnprocessedTraceSegments": refused}

    def unprocessed_one(self, text, code, complaint):
        code = code or "InvalidSegment"
        try:
            its_id = json.loads(text).get("id")
        except (TypeError, ValueError, AttributeError):
            its_id = None
        self.unprocessed.append((its_id, complaint or code))
        return {"Id": its_id, "ErrorCode": code, "Message": complaint}

    def keep(self, document):
        if any(d.id == document.id and d.trace_id == document.trace_id for d in self.documents):
            self.repeated.append(document)  # The later one takes the place of the former.
        else:
            self.documents.append(document)

    # ---- where credentials come from ----

    def take_sts(self, request):
        split = urllib.parse.urlsplit(request.path)
        query = split.query if request.method == "GET" else request.body.decode("ascii")
        fields = {name: values[0] for name, values in urllib.parse.parse_qs(query).items()}
        if fields.get("Action") != "AssumeRoleWithWebIdentity" or fields.get("Version") != "2011-06-15":
            return self.sts_error("InvalidAction", f"{fields.get('Action')}")
        if "Authorization" in request.headers:
            return self.sts_error("InvalidAction", "signed")
        if not fields.get("RoleArn", "").startswith("arn:aws:iam::") or "RoleSessionName" not in fields:
            return self.sts_error("ValidationError", "RoleArn, RoleSessionName")
        if fields.get("WebIdentityToken") != self.web_token:
            return self.sts_error("InvalidIdentityToken", "the token is not known")
        return 200, STS_XML.format(**self.issue()), {"Content-Type": "text/xml"}

    def sts_error(self, name, message):
        text = f"<ErrorResponse><Error><Code>{name}</Code><Message>{message}</Message></Error></ErrorResponse>"
        return 400, text, {"Content-Type": "text/xml"}

    def take_imds(self, request):
        path = urllib.parse.urlsplit(request.path).path
        plain = {"Content-Type": "text/plain"}
        if path == "/latest/api/token":
            ttl = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            if request.method != "PUT" or not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
                return 400, "", plain
            token = f"token-{len(self._imds_tokens)}=="
            self._imds_tokens.add(token)
            return 200, token, plain
        if request.headers.get("X-aws-ec2-metadata-token") not in self._imds_tokens:
            return 401, "", plain
        folder = "/latest/meta-data/iam/security-credentials/"
        if path == folder:
            return 200, self.role, plain
        if path == folder + self.role:
            return 200, self.issue(), plain
        if path == "/latest/dynamic/instance-identity/document":
            return 200, {"region": self.region, "instanceId": "i-0"}, plain
        return 404, "", plain

    def take_container(self, request):
        if request.headers.get("Authorization") != self.container_token:
            return 401, {"message": "Authorization"}, {}
        return 200, self.issue(), {}

    # ---- for tests ----

    def of_trace(self, xray_trace_id):
        """Documents of a trace, and log events that its console's query would find."""
        found = [d for d in self.documents if d.trace_id == xray_trace_id]
        return found, [e for e in self.logs.events if xray_trace_id in e.message]

    def summary(self):
        return (
            f"{super().summary()}, {len(self.logs.events)} events, {len(self.documents)} documents, "
            f"unprocessed {self.unprocessed[-3:]}"
        )


def main():
    parser = argparse.ArgumentParser(description="A strict AWS for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # Before threads: they inherit it.
    with FakeAws(port=options.port) as fake:
        for name, value in fake.env.items():
            print(f"export {name}={value}", flush=True)
        signal.sigwait(stop)
        print(fake.summary())


if __name__ == "__main__":
    main()
