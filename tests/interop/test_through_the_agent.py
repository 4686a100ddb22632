"""Real SDKs, unmodified, pointed at the agent instead of Rollbar: what they send arrives whole."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402
from test_fake_takes_real_sdks import NODE, PYTHON, TOKEN  # noqa: E402


def without_what_we_add(data):
    """The item as the SDK made it: the agent adds the trace where it found one, nothing else."""
    data = json.loads(json.dumps(data))
    data.pop("attributes", None)
    for key in ("trace_id", "span_id"):
        data.get("custom", {}).pop(key, None)
    return data


class ThroughTheAgent(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)
        self.direct = FakeRollbar(token=TOKEN)
        self.direct.start()
        self.addCleanup(self.direct.stop)

    def address(self, agent):
        agent.wait_log("http://127.0.0.1:")
        return re.search(r"http://127\.0\.0\.1:\d+", agent.log).group()

    def compare(self, n):
        """What came through the agent has the shape of what came straight from the SDK."""
        self.fake.wait_for(lambda fake: len(fake.occurrences) == n)
        self.direct.wait_for(lambda fake: len(fake.occurrences) == n)
        self.assertEqual([r.status for r in self.fake.requests], [200] * n)
        for fake, direct in zip(self.by_kind(self.fake), self.by_kind(self.direct)):
            fake, direct = without_what_we_add(fake.data), without_what_we_add(direct.data)
            self.assertEqual(set(fake), set(direct))
            self.assertEqual(fake["body"].keys(), direct["body"].keys())
            for key in ("level", "environment", "language", "framework"):
                self.assertEqual(fake.get(key), direct.get(key))
            self.assertEqual(fake["notifier"]["name"], direct["notifier"]["name"])

    @staticmethod
    def by_kind(fake):
        return sorted(fake.occurrences, key=lambda occurrence: sorted(occurrence.data["body"]))

    def python(self, base, handler):
        subprocess.run([sys.executable, "-c", PYTHON, TOKEN, base, handler], check=True,
                       timeout=60, env=dict(os.environ, no_proxy="127.0.0.1"))

    def check_python(self, handler):
        with self.agent(self.fake, TOKEN) as agent:
            self.python(self.address(agent) + "/api/1/", handler)
            self.python(self.direct.url[: self.direct.url.index("item")], handler)
            self.compare(2)
        raw = [occurrence.raw for occurrence in self.fake.occurrences]
        self.assertTrue(any(b"9007199254740993" in body for body in raw), "a number was changed")
        chain = [o.data for o in self.fake.occurrences if "trace_chain" in o.data["body"]][0]
        attributes = {a["key"]: a["value"] for a in chain["attributes"]}
        self.assertEqual(attributes["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736")

    def test_pyrollbar_blocking_arrives_whole(self):
        self.check_python("blocking")

    def test_pyrollbar_thread_arrives_whole(self):
        self.check_python("thread")

    def test_rollbar_js_arrives_whole(self):
        with self.agent(self.fake, TOKEN) as agent:
            for endpoint in (self.address(agent) + "/api/1/item/", self.direct.url):
                subprocess.run(["node", "-e", NODE, TOKEN, endpoint], check=True, timeout=60)
            self.compare(2)

    def test_nothing_is_lost_while_rollbar_is_away(self):
        self.fake.close_port()
        with self.agent(self.fake, TOKEN) as agent:
            self.python(self.address(agent) + "/api/1/", "blocking")
            agent.kill9()
        self.fake.open_port()
        with self.agent(self.fake, TOKEN):
            self.fake.wait_for(lambda fake: len(fake.occurrences) == 2)
