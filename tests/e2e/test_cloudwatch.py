"""Errors in CloudWatch Logs: the agent against an AWS that is strict, and that misbehaves."""

import json
import os
import select
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_aws import FakeAws  # noqa: E402

TRACE = "6b02b58de0617ecba70ed68ac9552d48"
XRAY = "1-6b02b58d-e0617ecba70ed68ac9552d48"
GROUP = "cruddur"
STREAM = "feed-1/feedd"
OLD_S = 20 * 24 * 3600


def item(message, **more):
    data = {
        "uuid": str(uuid.uuid4()),
        "timestamp": int(time.time()),
        "level": "error",
        "environment": "test",
        "server": {"host": "feed-1"},
        "custom": {"service": "feedd", "trace_id": TRACE, "span_id": "53995c3f42cd8ad8"},
        "body": {
            "trace": {
                "exception": {"class": "ValueError", "message": message},
                "frames": [{"filename": "feed.py", "lineno": 7, "method": "read"}],
            }
        },
        **more,
    }
    return {"access_token": "towbar", "data": data}  # of nobody: Rollbar gets nothing


def messages(fake):
    return sorted(json.loads(event.message)["message"] for event in fake.logs.events)


class CloudwatchTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.write_config(
            "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n"
            f"cloudwatch:\n  log_group: {GROUP}\n"
        )
        self.fake = FakeAws()
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def run_agent(self, **env):
        return self.agent(None, None, **{**self.fake.env, **env})

    def post(self, agent, *names, **more):
        for name in names:
            status, body = agent.request(
                "POST", "/api/1/item/", json.dumps(item(name, **more)),
                {"Content-Type": "application/json"},
            )  # fmt: skip
            self.assertEqual(status, 200, body)

    def wait(self, *names):
        self.fake.wait_for(lambda fake: messages(fake) == sorted(names))

    def sink(self, status):
        (sink,) = (sink for sink in status["sinks"] if sink["name"] == "cloudwatch")
        return sink

    def puts(self):
        return [request for request in self.fake.requests if request.op == "PutLogEvents"]

    def test_group_and_stream_are_made_and_both_ids_find_the_record(self):
        with self.run_agent() as agent:
            self.post(agent, "one", "two")
            self.wait("one", "two")
        self.assertEqual(self.fake.logs.created, [("group", GROUP), ("stream", GROUP, STREAM)])
        for event in self.fake.logs.events:
            self.assertIn(XRAY, event.message)
            record = json.loads(event.message)
            self.assertEqual(record["trace_id"], TRACE)
            self.assertEqual(record["xray_trace_id"], XRAY)
            self.assertEqual(record["AWS-XRAY-TRACE-ID"], XRAY + "@53995c3f42cd8ad8")
            self.assertEqual((record["service"], record["level"]), ("feedd", "ERROR"))
            self.assertEqual((record["file"], record["line"]), ("feed.py", 7))

    def test_throttles_and_failures_lose_nothing_and_repeat_nothing(self):
        self.fake.script(
            [
                {"op": "PutLogEvents", "status": 400, "error": "ThrottlingException"},
                {"op": "CreateLogGroup", "status": 400, "error": "OperationAbortedException"},
                {"op": "PutLogEvents", "status": 503},
                {"op": "PutLogEvents", "cut": "before-read"},
            ]
        )
        with self.run_agent() as agent:
            self.post(agent, "one", "two", "three")
            self.wait("one", "two", "three")

    def wait_sink(self, agent, predicate):
        end = time.monotonic() + towbar.DEADLINE_S
        while True:
            sink = self.sink(json.loads(agent.get("/status")[1]))
            if predicate(sink):
                return sink
            self.assertLess(time.monotonic(), end, sink)
            select.select([], [], [], 0.02)

    def test_the_host_is_of_the_regions_domain(self):
        nowhere = f"http://127.0.0.1:{self.fake.port}"
        self.fake.close_port()
        env = {"AWS_REGION": "eusc-de-east-1", "AWS_ENDPOINT_URL": "", "https_proxy": nowhere}
        with self.run_agent(**env) as agent:
            self.post(agent, "one")
            sink = self.wait_sink(agent, lambda sink: "last_error" in sink)
        self.assertEqual(sink["endpoint"], "https://logs.eusc-de-east-1.amazonaws.eu/")

    def test_a_region_does_not_choose_the_host(self):
        elsewhere = f"x@127.0.0.1:{self.fake.port}?"
        os.mkdir(self.path("home", ".aws"))
        with open(self.path("home", ".aws", "config"), "w", encoding="utf-8") as file:
            file.write(f"[default]\nregion = {elsewhere}\n")
        env = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"), "")
        with self.run_agent(**env) as agent:
            self.post(agent, "one")
            sink = self.wait_sink(agent, lambda sink: "last_error" in sink)
        self.assertIn("no region: ", sink["last_error"])
        self.assertEqual((sink["queued"], self.fake.requests), (1, []))

    def test_credentials_that_end_are_renewed(self):
        env = self.fake.env
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del env[name]
        env.update(
            AWS_CONTAINER_CREDENTIALS_FULL_URI=self.fake.url + "/container",
            AWS_CONTAINER_AUTHORIZATION_TOKEN=self.fake.container_token,
        )
        with self.agent(None, None, **env) as agent:
            self.post(agent, "one")
            self.wait("one")
            self.fake.expire(f"ASIA{self.fake.issued:016d}")
            self.post(agent, "two")
            self.wait("one", "two")
            self.fake.forget(f"ASIA{self.fake.issued:016d}")
            self.post(agent, "three")
            self.wait("one", "two", "three")
            self.assertNotIn("secret/", agent.log)
            self.assertNotIn("session/", agent.log)

    def test_credentials_that_come_later_are_found(self):
        env = self.fake.env
        key_id, secret = env.pop("AWS_ACCESS_KEY_ID"), env.pop("AWS_SECRET_ACCESS_KEY")
        with self.agent(None, None, **env) as agent:
            self.post(agent, "one")
            agent.wait_log("no credentials: not in the environment, profile default")
            self.assertEqual(self.fake.requests, [])
            os.mkdir(self.path("home", ".aws"))
            with open(self.path("home", ".aws", "credentials"), "w", encoding="utf-8") as file:
                file.write(
                    f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
                )
            self.wait("one")
            self.assertNotIn(secret, agent.log)

    def test_a_secret_that_is_wrong_waits_and_is_said(self):
        with self.run_agent(AWS_SECRET_ACCESS_KEY="wrong-secret") as agent:
            self.post(agent, "one")
            agent.wait_log("does AWS_SECRET_ACCESS_KEY belong to AWS_ACCESS_KEY_ID")
            self.assertNotIn("wrong-secret", agent.log)
            self.assertLess(len(self.fake.requests), 20)
        self.assertEqual(self.fake.logs.events, [])

    def test_a_clock_that_is_wrong_is_put_right(self):
        self.fake.clock_ahead_s = 3600
        with self.run_agent() as agent:
            self.post(agent, "one")
            self.wait("one")
            self.post(agent, "two")
            self.wait("one", "two")
        refused = [request for request in self.fake.requests if request.status != 200]
        self.assertLessEqual(len(refused), 2)  # for the clock, and for the group

    def test_what_is_refused_alone_is_quarantined_alone(self):
        with self.run_agent() as agent:
            self.post(agent, "first")
            self.wait("first")
            self.fake.script(
                [{"op": "PutLogEvents", "status": 400, "error": "InvalidParameterException"}]
            )
            self.post(agent, "poison")
            self.wait_status(lambda status: self.sink(status)["quarantined"] == 1)
            self.assertIn("InvalidParameterException", self.sink(self.status())["last_error"])
            self.post(agent, "last")
            self.wait("first", "last")

    def test_what_the_policy_refuses_waits_and_is_named(self):
        self.fake.script(
            [
                {"op": "PutLogEvents", "status": 400, "error": "AccessDeniedException",
                 "repeat": -1}
            ]
        )  # fmt: skip
        with self.run_agent() as agent:
            self.post(agent, "one")
            agent.wait_log("logs:PutLogEvents")
            self.wait_status(
                lambda status: "logs:PutLogEvents" in self.sink(status).get("last_error", "")
            )
            self.fake.script([])
            self.wait("one")

    def test_what_is_old_is_sent_with_the_time_now(self):
        then = int(time.time()) - OLD_S
        with self.run_agent() as agent:
            self.post(agent, "old", timestamp=then)
            self.wait("old")
        (event,) = self.fake.logs.events
        self.assertGreater(event.timestamp, (then + OLD_S - 60) * 1000)
        self.assertIn(
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(then)),
            json.loads(event.message)["occurred_at"],
        )

    def test_a_killed_agent_goes_on_where_it_was(self):
        self.fake.script([{"op": "PutLogEvents", "hang": True}])
        agent = self.run_agent().wait_ready()
        self.post(agent, "one")
        self.fake.wait_for(lambda fake: fake.held)
        agent.kill9()
        self.fake.release()
        with self.run_agent() as agent:
            self.post(agent, "two")
            self.wait("one", "two")

    def test_many_go_in_few_requests(self):
        names = [f"n{i}" for i in range(200)]
        self.fake.script([{"op": "PutLogEvents", "hold": True, "repeat": -1}])
        with self.run_agent() as agent:
            self.post(agent, *names)
            self.wait_status(lambda status: self.sink(status)["received"] == len(names))
            self.fake.script([])
            self.fake.release()
            self.wait(*names)
        self.assertLess(len(self.puts()), 40)


if __name__ == "__main__":
    unittest.main()
