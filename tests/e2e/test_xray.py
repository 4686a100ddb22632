"""X-Ray: errors become documents at a strict daemon or API, as sampling rules and headers say."""

import json
import os
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_xray_daemon import FakeXrayDaemon  # noqa: E402

ROOT = "1-6b02b58d-e0617ecba70ed68ac9552d48"
PARENT = "53995c3f42cd8ad8"
HEADER = f"Root={ROOT};Parent={PARENT};Sampled="


def rule(name, rate, service="*"):
    return {
        "RuleName": name, "ResourceARN": "*", "Priority": 100, "FixedRate": rate,
        "ReservoirSize": 0, "ServiceName": service, "ServiceType": "*", "Host": "*",
        "HTTPMethod": "*", "URLPath": "*", "Version": 1,
    }  # fmt: skip


class XrayTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.rules = self.path("xray.json")

    def write_rules(self, *rules):
        with open(self.rules, "w", encoding="utf-8") as file:
            json.dump([{"SamplingRule": one} for one in rules], file)

    def send(self, agent, sampled=None, service="backend-flask"):
        """An item as pyrollbar sends it; its uuid."""
        data = {
            "uuid": str(uuid.uuid4()), "environment": "test", "level": "error",
            "custom": {"service": service},
            "body": {"trace": {"exception": {"class": "ValueError", "message": "no"},
                               "frames": [{"filename": "app.py", "lineno": 7, "method": "home"}]}},
        }  # fmt: skip
        if sampled is not None:
            headers = {"X-Amzn-Trace-Id": HEADER + sampled, "Host": "api.cruddur.com"}
            url = "http://api.cruddur.com/api/activities/home?token=7"
            data["request"] = {"url": url, "method": "GET", "headers": headers}
        body = json.dumps({"data": data})
        status, reply = agent.request("POST", "/api/1/item/", body)
        self.assertEqual(status, 200, reply)
        return data["uuid"]

    def by_uuid(self, fake, wanted):
        found = [d for d in fake.documents if d.annotations.get("rollbar_uuid") == wanted]
        return found[0] if found else None

    def wait(self, fake, wanted):
        fake.wait_for(lambda f: self.by_uuid(f, wanted) is not None)
        return self.by_uuid(fake, wanted)

    def assert_well(self, fake):
        self.assertEqual((fake.refused, fake.repeated), ([], []))

    def test_a_request_and_the_daemon_behind_it_are_one_trace(self):
        job = self.compile("job.c")
        with FakeXrayDaemon() as fake:
            env = {
                "AWS_XRAY_DAEMON_ADDRESS": fake.address,
                "TOWBAR_CLOUDWATCH_LOG_GROUP": "",
                "TOWBAR_XRAY_ORIGIN": "AWS::ECS::Container",
            }
            with self.agent(**env) as agent:
                flask = self.wait(fake, self.send(agent, "1"))
                env = self.program_env(TRACE=HEADER + "1")
                self.assertLess(self.run_program(job, "crash", env=env).returncode, 0)
                fake.wait_for(lambda f: len(f.documents) == 2)
        self.assert_well(fake)
        self.assertEqual(fake.rejected, [])
        crash = fake.documents[1]
        for document in (flask, crash):
            self.assertEqual((document.trace_id, document.raw["parent_id"]), (ROOT, PARENT))
            self.assertTrue(document.raw["fault"])
            self.assertFalse(document.is_subsegment)
        self.assertEqual((flask.name, crash.name), ("backend-flask", "job"))
        self.assertEqual(crash.raw["origin"], "AWS::ECS::Container")
        self.assertEqual(
            flask.raw["http"]["request"],
            {"method": "GET", "url": "http://api.cruddur.com/api/activities/home"},
        )
        self.assertTrue(crash.annotations["crash"])
        labels = [frame["label"] for frame in crash.exceptions[0]["stack"]]
        self.assertIn("main", labels)

    def test_a_header_decides_else_the_file_does(self):
        self.write_rules(rule("never", 0, "backend-*"), rule("zalways", 1))
        with FakeXrayDaemon() as fake:
            fake.script([{"status": 403, "op": "GetSamplingRules", "repeat": -1}])
            env = {
                "AWS_XRAY_DAEMON_ADDRESS": fake.address,
                "TOWBAR_XRAY_SAMPLING_RULES": self.rules,
            }
            with self.agent(**env) as agent:
                agent.wait_log("no sampling rules from the X-Ray daemon")
                self.assertIn("those of xray.sampling_rules count, where the request", agent.log)
                no = [self.send(agent, "0"), self.send(agent), self.send(agent, "?", "backend-x")]
                yes = [self.send(agent, "1"), self.send(agent, None, "feedd")]
                for one in yes:
                    self.wait(fake, one)
                self.assertEqual([self.by_uuid(fake, one) for one in no], [None] * 3)
                self.assertEqual(agent.log.count("no sampling rules"), 1)
        self.assert_well(fake)

    def test_the_daemons_rules_win_over_the_file(self):
        self.write_rules(rule("always", 1))
        with FakeXrayDaemon() as fake:
            fake.sampling_rules = [rule("never", 0, "backend-*"), rule("yes", 1)]
            env = {
                "AWS_XRAY_DAEMON_ADDRESS": f"tcp:{fake.address} udp:{fake.address}",
                "TOWBAR_XRAY_SAMPLING_RULES": self.rules,
            }
            with self.agent(**env) as agent:
                fake.wait_for(lambda f: sum(r.op == "GetSamplingRules" for r in f.requests) == 2)
                # They count once the agent has read the answer, which nobody is told.
                end = time.monotonic() + towbar.DEADLINE_S
                while self.is_sent(agent, fake):
                    self.assertLess(time.monotonic(), end)

    def is_sent(self, agent, fake):
        one = self.send(agent)
        self.wait(fake, self.send(agent, None, "feedd"))
        return self.by_uuid(fake, one) is not None

    def test_a_wrong_rule_keeps_the_agent_from_starting(self):
        wrong = rule("Cruddur", 1)
        wrong["ResevoirSize"] = wrong.pop("ReservoirSize")
        self.write_rules(wrong)
        env = {"TOWBAR_XRAY_MODE": "daemon", "TOWBAR_XRAY_SAMPLING_RULES": self.rules}
        done = self.once(check=None, **env)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(
            f'{self.rules}": rule "Cruddur": there is no member "ResevoirSize": '
            'did you mean "ReservoirSize"?',
            done.stderr.replace('\\"', '"'),
        )

    def test_the_api_says_of_each_document_whether_it_is_taken(self):
        self.write_rules(rule("always", 1))
        with FakeAws() as fake:
            fake.script([{"op": "PutTraceSegments", "unprocessed": {0: "InvalidTraceId"}}])
            env = {
                "TOWBAR_XRAY_MODE": "api",
                "TOWBAR_XRAY_SAMPLING_RULES": self.rules,
                "AWS_ENDPOINT_URL_XRAY": fake.url,
                **fake.env,
            }
            with self.agent(**env) as agent:
                self.send(agent)
                fake.wait_for(lambda f: any(r.op == "PutTraceSegments" for r in f.requests))
                document = self.wait(fake, self.send(agent, "1"))
                self.assertEqual(document.trace_id, ROOT)
        self.assertEqual(fake.repeated, [])


if __name__ == "__main__":
    unittest.main()
