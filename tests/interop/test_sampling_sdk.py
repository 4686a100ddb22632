"""Our sampling rules and those of AWS' X-Ray SDK for Python: the same rules, requests, seconds and
random numbers, and the same decision each time."""

import json
import os
import random
import subprocess
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import botocore.parsers  # noqa: E402
import botocore.session  # noqa: E402
import towbar  # noqa: E402
from aws_xray_sdk.core.exceptions.exceptions import InvalidSamplingManifestError  # noqa: E402
from aws_xray_sdk.core.sampling.connector import ServiceConnector  # noqa: E402
from aws_xray_sdk.core.sampling.local import reservoir  # noqa: E402
from aws_xray_sdk.core.sampling.local.sampler import LocalSampler  # noqa: E402
from aws_xray_sdk.core.sampling.rule_cache import RuleCache  # noqa: E402
from aws_xray_sdk.core.sampling.sampler import DefaultSampler  # noqa: E402

PROGRAM = os.path.join(towbar.BUILD, "tests", "programs", "sample")
MARK = "\x1f"
ROUNDS = int(os.environ.get("TOWBAR_ROUNDS", "150"))
SEED = int(os.environ.get("TOWBAR_SEED", "20261126"))
DECISIONS = 60
XRAY = botocore.session.get_session().get_service_model("xray")


class Random(random.Random):
    def word(self, letters, least, most):
        return "".join(self.choice(letters) for _ in range(self.randint(least, most)))

    def pattern(self):
        return self.choice(("*", "?", "*a*", "")) + self.word("aAb/.*?\u00e9", 0, 5) or "*"

    def text(self):
        return self.word("aAbB/.\u00e9", 0, 6)

    def rate(self):
        return self.choice((0, 1, 0.5, 0.05, self.random()))

    def request(self):
        return {name: self.text() for name in ("service", "service_type", "host", "method", "path")}

    def local(self):
        version = self.choice((1, 2))
        rules = [
            {
                "description": f"rule {i}",
                "host" if version == 2 else "service_name": self.pattern(),
                "http_method": self.pattern(),
                "url_path": self.pattern(),
                "fixed_target": self.choice((0, 1, 3)),
                "rate": self.rate(),
            }
            for i in range(self.randint(0, 4))
        ]
        default = {"fixed_target": self.choice((0, 1, 2)), "rate": self.rate()}
        return {"version": version, "default": default, "rules": rules}

    def record(self, name):
        made = {
            "RuleName": name,
            "RuleARN": "arn:aws:xray:us-east-1:1:sampling-rule/" + name,
            "ResourceARN": self.choice(("*", "*", "*", "arn:aws:lambda")),
            "Priority": 10000 if name == "Default" else self.choice((1, 5, 5, 9999)),
            "FixedRate": self.rate(),
            "ReservoirSize": self.choice((0, 1, 50)),
            "ServiceName": self.pattern(),
            "ServiceType": self.pattern(),
            "Host": self.pattern(),
            "HTTPMethod": self.pattern(),
            "URLPath": self.pattern(),
            "Version": self.choice((1, 1, 1, 1, 2)),
            "Attributes": self.choice(({}, {}, {}, {"a": "b"})),
        }
        if name == "Default":
            made |= {"ResourceARN": "*", "Version": 1, "Attributes": {}}
            made |= dict.fromkeys(
                ("ServiceName", "ServiceType", "Host", "HTTPMethod", "URLPath"), "*"
            )
        if self.random() < 0.2:
            made["SamplingRateBoost"] = {"MaxRate": 0.5, "CooldownWindowMinutes": 10}
        return {"CreatedAt": 0.0, "ModifiedAt": 1609459200.0, "SamplingRule": made}

    def page(self):
        names = self.sample(["b", "a", "B", "Cruddur", "z", "\u00e9"], k=self.randint(0, 5)) + [
            "Default"
        ]
        self.shuffle(names)
        return {"SamplingRuleRecords": [self.record(name) for name in names]}

    def targets(self, page, now_s):
        documents = []
        for record in page["SamplingRuleRecords"]:
            one = {"RuleName": record["SamplingRule"]["RuleName"], "FixedRate": self.rate()}
            one |= {"ReservoirQuota": self.choice((0, 1, 3))} if self.random() < 0.7 else {}
            one |= {"ReservoirQuotaTTL": now_s + self.randint(-1, 3)} if self.random() < 0.7 else {}
            one |= {"Interval": 10} if self.random() < 0.5 else {}
            documents.append(one)
        documents = [one for one in documents if self.random() < 0.7]
        return {"SamplingTargetDocuments": documents, "LastRuleModification": now_s - 5}


def parsed(operation, body):
    """What botocore makes of an answer of the service."""
    shape = XRAY.operation_model(operation).output_shape
    parser = botocore.parsers.create_parser("rest-json")
    answer = {"status_code": 200, "headers": {}, "body": json.dumps(body).encode()}
    return parser.parse(answer, shape)


class Ours:
    def __init__(self):
        self.lines = []

    def tell(self, *fields):
        self.lines.append(MARK.join(map(str, fields)) + "\n")

    def decide(self, now_s, number, request):
        named = ("service", "service_type", "host", "method", "path")
        self.tell("decide", now_s * 1000 + 999, repr(number), *(request[name] for name in named))

    def answers(self):
        ran = subprocess.run(
            [PROGRAM],
            input="".join(self.lines),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
            timeout=120,
        )
        return [line.split(MARK) for line in ran.stdout.splitlines()]


class SdkSampler(DefaultSampler):
    """The SDK's, with what it asks the service for given to it."""

    def __init__(self):
        with mock.patch.object(ServiceConnector, "_create_xray_client"):  # which takes long
            super().__init__()
        self._cache = RuleCache()
        self._random = mock.Mock()

    def load(self, page, now_s):
        self._connector._xray_client = mock.Mock()
        self._connector._xray_client.get_sampling_rules.return_value = parsed(
            "GetSamplingRules", page
        )
        self._cache.load_rules(self._connector.fetch_sampling_rules())
        self._cache.last_updated = now_s

    def target(self, targets):
        client = self._connector._xray_client
        client.get_sampling_targets.return_value = parsed("GetSamplingTargets", targets)
        found, changed = self._connector.fetch_sampling_target([])
        self._cache.load_targets(found)
        return changed

    def decide(self, now_s, number, request):
        self._random.random.return_value = number
        rule = self._cache.get_matched_rule(request, now_s)
        return bool(self._process_matched_rule(rule, now_s)), rule.name

    def statistics(self):
        """RequestCount, SampledCount, BorrowCount of the rules that were used."""
        found = {}
        for rule in self._cache.rules:
            if rule.ever_matched():
                got = rule.snapshot_statistics()
                found[rule.name] = got["request_count"], got["sampled_count"], got["borrow_count"]
        return found


class SamplingSdkTest(unittest.TestCase):
    def test_a_file_of_the_sdk_decides_as_in_the_sdk(self):
        ours, wanted = Ours(), []
        for i in range(ROUNDS):
            r = Random(SEED * 1_000_003 + i)
            rules, now_s = r.local(), 1_700_000_000
            ours.tell("rules", json.dumps(rules))
            with mock.patch.object(reservoir.time, "time", lambda: now_s):
                theirs = LocalSampler(rules)
                theirs._random = mock.Mock()
                wanted.append("0")
                for _ in range(DECISIONS):
                    now_s += r.choice((0, 0, 0, 0, 1, 2))
                    number, request = r.random(), r.request()
                    theirs._random.random.return_value = number
                    ours.decide(now_s, number, request)
                    wanted.append(str(int(theirs.should_trace(request))))
        got = [answer[1] if len(answer) > 2 else answer[0] for answer in ours.answers()]
        self.assertEqual(len(got), len(wanted))
        for line, mine, theirs in zip(ours.lines, got, wanted):
            self.assertEqual(mine, theirs, line)

    def test_central_rules_and_quotas_decide_as_in_the_sdk(self):
        ours, wanted = Ours(), []
        for i in range(ROUNDS):
            r = Random(SEED * 1_000_033 + i)
            now_s, page, theirs = 1_700_000_000, r.page(), SdkSampler()
            ours.tell(
                "rules", json.dumps({"version": 2, "default": {"fixed_target": 0, "rate": 0}})
            )
            ours.tell("page", json.dumps(page))
            theirs.load(page, now_s)
            wanted += [["0", ""], ["0", ""]]
            for _ in range(DECISIONS):
                now_s += r.choice((0, 0, 0, 1, 2))
                number, request = r.random(), r.request()
                ours.decide(now_s, number, request)
                is_sampled, name = theirs.decide(now_s, number, request)
                wanted.append(["0", str(int(is_sampled)), name])
                if r.random() < 0.1:
                    targets = r.targets(page, now_s)
                    ours.tell("targets", json.dumps(targets))
                    wanted.append(["0", str(theirs.target(targets))])
                if r.random() < 0.05:
                    page = r.page()
                    ours.tell("page", json.dumps(page))
                    theirs.load(page, now_s)
                    wanted.append(["0", ""])
            ours.tell("statistics", (now_s + 7200) * 1000)
            wanted.append(theirs.statistics())
        for line, mine, theirs in zip(ours.lines, ours.answers(), wanted, strict=True):
            if isinstance(theirs, dict):
                told = json.loads(mine[1])["SamplingStatisticsDocuments"] if mine[1] else []
                mine = {
                    one["RuleName"]: (one["RequestCount"], one["SampledCount"], one["BorrowCount"])
                    for one in told
                }
            self.assertEqual(mine, theirs, line)

    def test_what_the_sdk_refuses_as_a_file_is_refused(self):
        """Ours refuses more: what is misspelt, a rate over 1, half a request a second."""
        ours = Ours()
        for i in range(ROUNDS):
            r = Random(SEED * 1_000_037 + i)
            rules = r.local()
            at = r.choice([rules, rules["default"], *rules["rules"]])
            name = r.choice(list(at))
            if r.random() < 0.5:
                del at[name]
            else:
                at[name] = r.choice((-1, "", 3, None))
            try:
                LocalSampler(rules)
            except (InvalidSamplingManifestError, TypeError, AttributeError):
                ours.tell("rules", json.dumps(rules))
        for line, answer in zip(ours.lines, ours.answers(), strict=True):
            self.assertEqual(answer[0], "refused", line)
            self.assertGreater(len(answer[1]), 10)
        self.assertGreater(len(ours.lines), ROUNDS // 4)


if __name__ == "__main__":
    unittest.main()
