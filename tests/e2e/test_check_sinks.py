"""towbar check, of what stands beside Rollbar: is each sink on, can it be reached, and will an error
be found there. Each warning comes with the command that mends it; after that there is none."""

import json
import os
import shlex
import socket
import sys
import unittest
import uuid as uuids

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_otlp import FakeOtlp  # noqa: E402
from fake_xray_daemon import FakeXrayDaemon  # noqa: E402

TRACE = "6b02b58de0617ecba70ed68ac9552d48"
XRAY = "1-6b02b58d-e0617ecba70ed68ac9552d48"
OTHER = "1-6b02b58e-e0617ecba70ed68ac9552d49"
GROUP = "groups: [{{name: Cruddur, filter: 'service(\"{0}\")'}}]\n"
RULE = {
    "SamplingRule": {
        "RuleName": "Cruddur", "ResourceARN": "*", "Priority": 9000, "FixedRate": 0.1,
        "ReservoirSize": 5, "ServiceName": "Cruddur", "ServiceType": "*", "Host": "*",
        "HTTPMethod": "*", "URLPath": "*", "Version": 1,
    }
}  # fmt: skip


class CheckCase(towbar.Case):
    def check(self, settings="", flags=(), code=None, **env):
        """The lines of `towbar check --json`, those of one name in a list."""
        self.write_config(settings)
        done = self.towbar(
            "check", "--json", *flags, "--config", self.config, "--state-dir", self.state, "--spool",
            self.spool, check=code, env=self.agent_env(**env),
        )  # fmt: skip
        lines = {}
        for line in done.stdout.splitlines():
            line = json.loads(line)
            lines.setdefault(line["what"], []).append(line)
        return lines

    def one(self, lines, what):
        (line,) = lines[what]
        return line

    def store(self, service="backend-flask", xray_id=XRAY, host="localhost:4567", n=1):
        """Has the agent take errors of a service, as a Flask app sends them."""
        with self.agent() as agent:
            for _ in range(n):
                data = {
                    "uuid": str(uuids.uuid4()), "environment": "test", "level": "error",
                    "body": {"trace": {"frames": [], "exception": {"class": "E", "message": "m"}}},
                    "request": {"url": f"http://{host}/api/health", "method": "GET"},
                    "custom": {
                        "service": service, "trace_id": TRACE, "span_id": "53995c3f42cd8ad8",
                        "xray_trace_id": xray_id,
                    },
                }  # fmt: skip
                reply = agent.request("POST", "/api/1/item/", json.dumps({"data": data}))
                self.assertEqual(reply[0], 200, reply)
            known = len(self.occurrences()) if os.path.exists(self.state) else 0
            self.wait_status(lambda status: status["occurrences"] >= max(n, known))


class Places(CheckCase):
    """On or off, and why; can it be reached; what signs."""

    def test_all_are_off_and_each_says_what_turns_it_on(self):
        lines = self.check(code=0)
        for what, variable in (
            ("otlp", "HONEYCOMB_API_KEY"), ("x-ray", "AWS_XRAY_DAEMON_ADDRESS"),
            ("cloudwatch", "cloudwatch.log_group"),
        ):  # fmt: skip
            line = self.one(lines, what)
            self.assertEqual(line["outcome"], "none")
            self.assertIn(variable, line["text"])
        self.assertNotIn("aws", lines)  # nobody needs it, so nobody is asked

    def test_what_is_switched_off_is_not_asked_for_again(self):
        lines = self.check(
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318", OTEL_SDK_DISABLED="true",
            AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:1", AWS_XRAY_SDK_ENABLED="false",
        )  # fmt: skip
        self.assertEqual(self.one(lines, "otlp")["text"], "off: OTEL_SDK_DISABLED is true")
        self.assertEqual(self.one(lines, "x-ray")["text"], "off: AWS_XRAY_SDK_ENABLED is false")

    def test_what_the_agent_warns_of_is_a_warning_here_too(self):
        lines = self.check(
            "", ("--offline",), 0, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318",
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        )  # fmt: skip
        warning = lines["config"][-1]
        self.assertEqual(warning["outcome"], "warn")
        self.assertIn('OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"', warning["text"])

    def test_an_agent_with_other_variables_is_told(self):
        with FakeOtlp() as otlp, FakeAws() as aws, FakeXrayDaemon() as daemon:
            env = dict(
                aws.env, TOWBAR_CLOUDWATCH_LOG_GROUP="cruddur", AWS_XRAY_DAEMON_ADDRESS=daemon.address,
                OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url, ROLLBAR_ENDPOINT="http://127.0.0.1:1/item/",
            )  # fmt: skip
            with self.agent(**env, ROLLBAR_ACCESS_TOKEN=towbar.TOKEN):
                lines = self.check("", ("--offline",), 0)
                for what in ("token", "otlp", "x-ray", "cloudwatch"):
                    line = self.one(lines, what)
                    self.assertEqual(line["outcome"], "warn", line)
                    self.assertIn("on in the agent that answers", line["text"])
                lines = self.check("", ("--offline",), 0, **env)
                self.assertNotIn("in the agent that answers", str(lines["otlp"] + lines["x-ray"]))

    def test_otlp_says_where_and_whose_key_but_never_the_key(self):
        with FakeOtlp() as fake:
            lines = self.check(
                f"otlp: {{endpoint: '{fake.url}/v1/logs'}}\n", HONEYCOMB_API_KEY="the-secret-key"
            )
        line = self.one(lines, "otlp")
        self.assertEqual(line["outcome"], "ok")
        self.assertIn(fake.url, line["text"])
        self.assertIn("HONEYCOMB_API_KEY", line["text"])
        self.assertNotIn("the-secret-key", str(lines))
        self.assertEqual(fake.requests, [])  # it was connected to, and that was all
        line = self.one(self.check(f"otlp: {{endpoint: '{fake.url}/v1/logs'}}\n", code=1), "otlp")
        self.assertEqual(line["outcome"], "fail")

    def test_honeycomb_without_a_key_is_told(self):
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://api.honeycomb.io"}
        for headers in ("", "x-honeycomb-team="):  # as of a shell where the key is not set
            lines = self.check("", ("--offline",), 0, OTEL_EXPORTER_OTLP_HEADERS=headers, **env)
            warning, _ = lines["otlp"]
            self.assertEqual(warning["outcome"], "warn")
            self.assertIn("HONEYCOMB_API_KEY", warning["mend"])
        for key in ({"OTEL_EXPORTER_OTLP_HEADERS": "x-honeycomb-team=k"}, {"HONEYCOMB_API_KEY": "k"}):
            self.assertEqual(len(self.check("", ("--offline",), 0, **env, **key)["otlp"]), 1)

    def test_aws_says_region_and_where_the_credentials_are_from(self):
        with FakeAws() as fake:
            settings = "cloudwatch: {log_group: cruddur}\nxray: {mode: api}\n"
            lines = self.check(settings, **fake.env)
            self.assertIn("ca-central-1", self.one(lines, "aws")["text"])
            self.assertIn("environment", self.one(lines, "aws")["text"])
            self.assertNotIn(fake.keys["AKIDEXAMPLE"].secret, str(lines))
            for what in ("cloudwatch", "x-ray"):
                self.assertEqual(self.one(lines, what)["outcome"], "ok", lines[what])
            self.assertIn("cruddur", self.one(lines, "cloudwatch")["text"])
            self.assertEqual([r.method for r in fake.requests], ["HEAD"] * 2)
            none = {name: value for name, value in fake.env.items() if "KEY" not in name}
            line = self.one(self.check(settings, code=1, **none), "aws")
            self.assertEqual(line["outcome"], "fail")
            self.assertIn("AWS_ACCESS_KEY_ID", line["text"])

    def test_a_clock_that_amazon_would_refuse_is_told(self):
        with FakeAws() as fake:
            fake.clock_ahead_s = 3600
            lines = self.check("cloudwatch: {log_group: cruddur}\n", **fake.env)
        outcomes = [line["outcome"] for line in lines["cloudwatch"]]
        self.assertEqual(outcomes, ["ok", "warn"])
        self.assertIn("behind", lines["cloudwatch"][1]["text"])

    def test_a_daemon_that_is_not_there_is_told_by_its_refusal(self):
        settings = "cloudwatch: {log_group: cruddur}\n"
        with FakeXrayDaemon() as fake:
            env = {"AWS_XRAY_DAEMON_ADDRESS": fake.address}
            line = self.one(self.check(settings, ("--offline",), **env), "x-ray")
            self.assertEqual(line["outcome"], "none")
            lines = self.check(settings, **env)
            self.assertEqual(self.one(lines, "x-ray")["outcome"], "ok")
            self.assertEqual([fake.documents, fake.refused], [[], []])
        line = self.one(self.check(settings, code=1, **env), "x-ray")
        self.assertEqual(line["outcome"], "fail")
        self.assertIn("refused", line["text"])

    def test_a_daemon_without_its_tcp_port_is_a_warning(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % udp.getsockname()[1]
            lines = self.check(AWS_XRAY_DAEMON_ADDRESS=address)
        self.assertEqual([line["outcome"] for line in lines["x-ray"]], ["ok", "warn"])
        self.assertIn("2000/tcp", lines["x-ray"][1]["text"])


class Warnings(CheckCase):
    """What keeps an error from being found. Everything is --offline: it is in settings and store."""

    def look(self, settings="", **env):
        return self.check(settings, ("--offline",), 0, **env)

    def assert_warns(self, lines, what, *words):
        line = self.one(lines, what)
        self.assertEqual(line["outcome"], "warn", line)
        for word in words:
            self.assertIn(word, line["text"])
        return line

    def mend(self, line):
        """The command, as a shell takes it apart."""
        return shlex.split(line["mend"])

    def test_two_ids_of_one_request(self):
        self.store(xray_id=OTHER, n=3)
        line = self.assert_warns(self.look(), "trace", "3 of the last 3", "backend-flask")
        self.assertIn("OTEL_PYTHON_ID_GENERATOR=xray", line["mend"])

    def test_one_id_is_well(self):
        self.store()
        self.assertEqual(self.one(self.look(), "trace")["outcome"], "ok")

    def test_a_group_that_no_error_can_match(self):
        settings = "groups: [{name: Cruddur, filter: 'service(\"backend-flask\") AND ok'}]\n"
        line = self.assert_warns(self.look(settings), "group", "never matches an error")
        self.assertEqual(self.mend(line)[:5], ["aws", "xray", "update-group", "--group-name", "Cruddur"])
        expression = self.mend(line)[6]
        self.assertEqual(expression, 'service("backend-flask") {fault OR error}')
        settings = f"groups: [{{name: Cruddur, filter: '{expression}'}}]\n"
        self.assertEqual(self.one(self.look(settings), "group")["outcome"], "ok")

    def test_a_group_that_is_no_expression(self):
        lines = self.check("groups: [{name: C, filter: 'service(\"a\"'}]\n", ("--offline",), 1)
        self.assertIn("column", str(lines))

    def test_a_group_for_a_service_that_nobody_saw(self):
        self.store()
        lines = self.look(GROUP.format("backend-flsk"))
        line = self.assert_warns(lines, "group", "backend-flsk", "backend-flask")
        self.assertEqual(self.mend(line)[6], 'service("backend-flask")')
        self.assertEqual(self.one(self.look(GROUP.format("backend-flask")), "group")["outcome"], "ok")

    def test_what_a_shell_or_the_cli_would_take_apart_is_quoted(self):
        service, much = "back end, it's & more", "x" * 3000
        self.store(service=service)
        settings = json.dumps({"groups": [
            {"name": "A", "filter": f'ok user="it\'s {much}" service("backend")'},
            {"name": "B", "filter": f'http.url CONTAINS "it\'s {much}" service("back")'},
        ]})  # fmt: skip
        never, nobody = self.look(settings)["group"]
        self.assertEqual(self.mend(never)[6:], ['service("backend") {fault OR error}'])
        name = "back end its & more"  # as X-Ray has it
        self.assertEqual(self.mend(nobody)[6:], [f'http.url CONTAINS "it\'s {much}" service("{name}")'])
        with open(self.path("xray.json"), "w", encoding="ascii") as file:
            json.dump({"SamplingRule": dict(RULE["SamplingRule"], RuleName="it's")}, file)
        line = self.one(self.look(f"xray: {{mode: daemon, sampling_rules: '{file.name}'}}\n"), "sampling")
        update = {"RuleName": "it's", "ServiceName": name}
        self.assertEqual(json.loads(self.mend(line)[4]), update)

    def test_only_the_name_of_the_service_is_replaced(self):
        self.store()
        settings = "groups: [{name: C, filter: 'http.url CONTAINS \"/flask\" service(\"flask\")'}]\n"
        line = self.one(self.look(settings), "group")
        self.assertEqual(self.mend(line)[6], 'http.url CONTAINS "/flask" service("backend-flask")')

    def test_a_pattern_that_renames_the_service(self):
        host = "4567-cruddur.ws-eu1.gitpod.io"
        self.store(host=host)
        env = {"AWS_XRAY_URL": "*4567-*.gitpod.io*"}
        lines = self.look(GROUP.format("backend-flask"), **env)
        line = self.assert_warns(lines, "name", "AWS_XRAY_URL", host, "Cruddur")
        self.assertEqual(self.mend(line)[6], f'service("{host}")')
        self.assertEqual(self.one(self.look(GROUP.format(host), **env), "group")["outcome"], "ok")
        # Requests to other hosts leave it its name.
        lines = self.look(GROUP.format("backend-flask"), AWS_XRAY_URL="*3000-*")
        self.assertNotIn("name", lines)

    def test_a_pattern_that_renames_the_service_of_a_group_that_is_in_aws_alone(self):
        host = "4567-cruddur.ws-eu1.gitpod.io"
        self.store(host=host)
        env = {"AWS_XRAY_URL": "*4567-*.gitpod.io*", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:1"}
        line = self.assert_warns(self.look(**env), "name", "AWS_XRAY_URL", host, "backend-flask")
        self.assertEqual(
            self.mend(line),
            ["aws", "xray", "create-group", "--group-name", "backend-flask", "--filter-expression",
             f'service("{host}") {{fault OR error}}'],
        )  # fmt: skip
        # The pattern concerns X-Ray alone; and once the group is there nothing is missed.
        self.assertNotIn("name", self.look(AWS_XRAY_URL=env["AWS_XRAY_URL"]))
        self.assertNotIn("name", self.look(AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:1"))

    def test_a_group_that_asks_for_a_call_is_for_searches(self):
        group = "groups: [{name: Calls, filter: 'edge(\"backend-flask\", \"feedd\") {fault}'}]\n"
        self.assertEqual(self.one(self.look(group), "group")["outcome"], "ok")
        for key in ("otlp: {group: Calls}\n", "cloudwatch: {group: Calls}\n"):
            line = self.assert_warns(self.look(group + key), "group", "no error is sent")
            self.assertIn(key.partition(":")[0] + ".group", line["text"])

    def test_a_name_for_every_service(self):
        self.store()
        lines = self.look(GROUP.format("backend-flask"), AWS_XRAY_TRACING_NAME="Cruddur")
        self.assert_warns(lines, "name", "AWS_XRAY_TRACING_NAME")

    def test_a_sampling_rule_for_a_service_that_nobody_saw(self):
        self.store()
        with open(self.path("xray.json"), "w", encoding="ascii") as file:
            json.dump(RULE, file)
        settings = f"xray: {{mode: daemon, address: '127.0.0.1:1', sampling_rules: '{file.name}'}}\n"
        settings += "cloudwatch: {log_group: cruddur}\n"
        line = self.assert_warns(self.look(settings), "sampling", "Cruddur", "backend-flask")
        self.assertEqual(
            self.mend(line)[:4], ["aws", "xray", "update-sampling-rule", "--sampling-rule-update"]
        )
        update = {"RuleName": "Cruddur", "ServiceName": "backend-flask"}
        self.assertEqual(json.loads(self.mend(line)[4]), update)
        RULE["SamplingRule"]["ServiceName"] = "backend-*"
        with open(file.name, "w", encoding="ascii") as file:
            json.dump(RULE, file)
        self.assertNotIn("sampling", self.look(settings))

    def test_a_central_sampling_rule_for_a_service_that_nobody_saw(self):
        self.store()
        with FakeXrayDaemon() as fake:
            fake.sampling_rules = [dict(RULE["SamplingRule"], ServiceName="Cruddur")]
            lines = self.check("", code=0, AWS_XRAY_DAEMON_ADDRESS=fake.address)
        self.assert_warns(lines, "sampling", "Cruddur")

    def test_a_log_group_that_no_segment_names(self):
        lines = self.look("xray: {mode: daemon, address: '127.0.0.1:1'}\n")
        line = self.assert_warns(lines, "log group", "cloudwatch.log_group")
        self.assertEqual(self.mend(line)[:3], ["aws", "logs", "create-log-group"])
        lines = self.look("xray: {mode: daemon, address: '127.0.0.1:1'}\ncloudwatch: {log_group: c}\n")
        self.assertNotIn("log group", lines)

    def test_people_see_the_command_below_the_sentence(self):
        self.write_config("xray: {mode: daemon, address: '127.0.0.1:1'}\n")
        said = self.towbar("check", "--offline", "--config", self.config, check=None).stdout
        self.assertRegex(said, r"\n  warn  log group +X-Ray.*\n +aws logs create-log-group ")


if __name__ == "__main__":
    unittest.main()
