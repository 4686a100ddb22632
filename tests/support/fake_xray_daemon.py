#!/usr/bin/env python3
"""A strict X-Ray daemon for tests: one UDP and one TCP port with the same number.

    with FakeXrayDaemon() as fake:
        run(AWS_XRAY_DAEMON_ADDRESS=fake.address)
        fake.wait_for(lambda f: len(f.documents) == 2)

1. UDP: a datagram is taken as the daemon takes it: a header line of JSON (format json, version 1),
   then one document. What the daemon would drop is in .rejected, with the reason; what X-Ray would
   refuse behind it (xray_documents.py), in .refused. It answers nothing.
2. TCP: GetSamplingRules and SamplingTargets, unsigned, as the daemon passes them on; what they
   answer: .sampling_rules, .sampling_targets. Their script is that of every fake (fake_http.py),
   "op" is the operation.
3. close_port() closes both, so that senders hear ECONNREFUSED; open_port() takes the same ones.
"""

import argparse
import contextlib
import errno
import signal
import socket
import threading
import urllib.parse

import xray_documents as documents
from fake_http import Scripted, strict_json

DATAGRAM_MAX_BYTES = 64 << 10
PROXIED = {"/GetSamplingRules": "GetSamplingRules", "/SamplingTargets": "SamplingTargets"}


class FakeXrayDaemon(Scripted):
    def __init__(self, port=0, host="127.0.0.1"):
        super().__init__(port, host)
        self.documents = []
        self.repeated = []  # documents whose ID came before
        self.rejected = []  # (reason, datagram): dropped by the daemon
        self.refused = []  # (reason, text): by X-Ray
        self.sampling_rules = []
        self.sampling_targets = []
        self.sampling_statistics = []
        self.last_rule_modification = 1.7e9
        self._ids = set()
        self._udp = None
        self._thread = None

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    # ---- ports ----

    def open_port(self):
        """The same number for both: another is tried where the kernel's choice is taken for UDP."""
        for _ in range(20):
            wanted = self.port
            super().open_port()
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                self._udp.bind((self.host, self.port))
                break
            except OSError as err:
                self._udp.close()
                super().close_port()
                if err.errno != errno.EADDRINUSE or wanted:
                    raise
                self.port = 0
        self._thread = threading.Thread(target=self._receive, args=(self._udp,), daemon=True)
        self._thread.start()

    def close_port(self):
        udp, self._udp = self._udp, None
        if udp is not None:
            with contextlib.suppress(OSError):
                udp.shutdown(socket.SHUT_RDWR)  # wakes the thread
            self._thread.join(10)
            udp.close()
        super().close_port()

    def _receive(self, udp):
        while True:
            try:
                datagram = udp.recv(DATAGRAM_MAX_BYTES)
            except OSError:
                return
            if self._udp is not udp:
                return  # by close_port
            self.take_datagram(datagram)

    # ---- UDP ----

    def take_datagram(self, datagram):
        with self.changed:
            head, newline, body = datagram.partition(b"\n")
            reason = bad_head(head) if newline else "no newline"
            if reason or not body:
                self.rejected.append((reason or "no document", datagram))
            else:
                self._take_document(body)
            self.changed.notify_all()

    def _take_document(self, body):
        try:
            text = body.decode("utf-8")
            complaint = self.complaint(text)
        except UnicodeDecodeError as err:
            text, complaint = repr(body), str(err)
        if complaint:
            self.refused.append((complaint, text))
            return
        document = documents.Document(text)
        is_known = document.id in self._ids
        self._ids.add(document.id)
        (self.repeated if is_known else self.documents).append(document)

    def complaint(self, text):
        """What is wrong with a document; None: nothing."""
        return documents.check(text)

    # ---- TCP ----

    def operation(self, request):
        return PROXIED.get(urllib.parse.urlsplit(request.path).path, "other")

    def take(self, request):
        with self.changed:
            if request.op == "other" or request.method != "POST":
                return 403, {"message": "Missing Authentication Token"}, {}
            try:
                fields = strict_json(request.body)
            except ValueError as err:
                return 400, {"message": str(err)}, {"x-amzn-ErrorType": "SerializationException"}
            if request.op == "GetSamplingRules":
                return 200, self._rules(fields), {}
            return self._targets(fields)

    def _rules(self, fields):
        records = [
            {"SamplingRule": rule, "CreatedAt": 0.0, "ModifiedAt": 1.7e9}
            for rule in self.sampling_rules
        ]
        half = (len(records) + 1) // 2
        if len(records) > 1 and not fields.get("NextToken"):  # in two pages
            return {"SamplingRuleRecords": records[:half], "NextToken": "page-2"}
        if fields.get("NextToken"):
            return {"SamplingRuleRecords": records[half:], "NextToken": None}
        return {"SamplingRuleRecords": records, "NextToken": None}

    def _targets(self, fields):
        sent = fields.get("SamplingStatisticsDocuments")
        if not isinstance(sent, list) or not 1 <= len(sent) <= 25:
            return 400, {"message": "SamplingStatisticsDocuments"}, {}
        needed = {"RuleName", "ClientID", "Timestamp", "RequestCount", "SampledCount"}
        for one in sent:
            if needed - set(one) or len(one["ClientID"]) != 24:
                return 400, {"message": f"a document with {sorted(one)}"}, {}
        self.sampling_statistics.extend(sent)
        self.changed.notify_all()
        names = {one["RuleName"] for one in sent}
        reply = {
            "SamplingTargetDocuments": [t for t in self.sampling_targets if t["RuleName"] in names],
            "LastRuleModification": self.last_rule_modification,
            "UnprocessedStatistics": [],
        }
        return 200, reply, {}

    # ---- for tests ----

    def of_trace(self, xray_trace_id):
        return [d for d in self.documents if d.trace_id == xray_trace_id]

    def summary(self):
        return (
            f"{super().summary()}, {len(self.documents)} documents, "
            f"rejected {[r for r, _ in self.rejected[-3:]]}, refused {self.refused[-3:]}"
        )


def bad_head(head):
    try:
        value = strict_json(head)
        if value["format"].lower() != "json" or value["version"] != 1:
            return f"header {head!r}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"header {head!r}"
    return None


def main():
    parser = argparse.ArgumentParser(description="A strict X-Ray daemon for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # Before threads: they inherit it.
    with FakeXrayDaemon(port=options.port) as fake:
        print(fake.address, flush=True)
        signal.sigwait(stop)
        print(fake.summary())


if __name__ == "__main__":
    main()
