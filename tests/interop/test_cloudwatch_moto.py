"""The agent and moto's CloudWatch Logs, read back with boto3 as a person's tools do."""

import json
import logging
import os
import sys
import time
import unittest
import uuid

import boto3
from moto.server import ThreadedMotoServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

GROUP = "cruddur"
REGION = "ca-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
N = 150


class CloudwatchMotoTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.write_config(
            f"cloudwatch:\n  log_group: {GROUP}\n  retention_days: 30\n  metrics: true\n"
        )
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
        self.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.moto.start()
        self.addCleanup(self.moto.stop)
        host, port = self.moto.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.logs = boto3.client(
            "logs", endpoint_url=self.url, region_name=REGION,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def post(self, agent, number, trace_id):
        data = {
            "uuid": str(uuid.uuid4()), "timestamp": time.time(), "level": "critical",
            "environment": "test", "server": {"host": "feed-1"},
            "custom": {"service": "feedd", "trace_id": trace_id},
            "body": {"message": {"body": f"message {number}"}},
        }  # fmt: skip
        status, body = agent.request(
            "POST", "/api/1/item/", json.dumps({"access_token": "towbar", "data": data}),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        self.assertEqual(status, 200, body)

    def found(self, pattern=None):
        more = {"filterPattern": pattern} if pattern else {}
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, **more)
        return [json.loads(event["message"]) for page in pages for event in page["events"]]

    def groups(self):
        return self.logs.describe_log_groups()["logGroups"]

    def test_what_is_sent_is_found_by_either_id(self):
        ids = [uuid.uuid4().hex for _ in range(N)]
        with self.agent(None, None, AWS_REGION=REGION, AWS_ENDPOINT_URL=self.url, **KEYS) as agent:
            for number, trace_id in enumerate(ids):
                self.post(agent, number, trace_id)
            self.wait_status(lambda _: self.groups() and len(self.found()) >= N)
        records = self.found()
        self.assertEqual(sorted(r["trace_id"] for r in records), sorted(ids))
        self.assertEqual({r["ErrorCount"] for r in records}, {1})
        self.assertEqual(self.groups()[0]["retentionInDays"], 30)
        one = ids[7]
        for pattern in (f'"{one}"', f'"1-{one[:8]}-{one[8:]}"'):
            (record,) = self.found(pattern)
            self.assertEqual(record["message"], "message 7")
        streams = self.logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
        self.assertEqual([stream["logStreamName"] for stream in streams], ["feed-1/feedd"])


if __name__ == "__main__":
    unittest.main()
