"""What the tests with real SDKs share.

    straight   an SDK, and the fake Rollbar
    agent      the same script, a recorder, the agent, another fake Rollbar

What the recorder saw and what came to the fake are compared byte for byte: the agent may mask
secrets and add the trace, and nothing else. What came straight is compared value by value, but for
what no two runs have in common.
"""

import gzip
import http.client
import json
import os
import re
import select
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import raw_json  # noqa: E402
import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402
from recorder import Recorder  # noqa: E402

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
TOKEN = "0123456789abcdef0123456789abcdef"
MASK = "********"
# What the agent may add: the trace, and what an item cannot be without.
MAY_BE_ADDED = re.compile(
    r"data\.(uuid|timestamp|attributes(\.\d+)?|custom(\.(trace_id|span_id|xray_trace_id|trace))?)"
)
# What differs from run to run, by the last part of its path.
OF_THE_RUN = re.compile(
    r"(uuid|timestamp|timestamp_ms|pid|execution_scope_id|start_time"
    r"|[cC]reated|process|thread)$"  # those of logging's records
)
ADDRESS = re.compile(r"(https?://)?(127\.0\.0\.1|localhost):\d+|0x[0-9a-f]{6,}|:ffff:127\.0\.0\.1")


class SdkCase(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = self.start_fake()
        self.straight = self.start_fake()
        self.tap = None

    def start_fake(self):
        fake = FakeRollbar(token=TOKEN).start()
        self.addCleanup(fake.stop)
        return fake

    # ---- the agent with the recorder before it ----

    def port_of(self, agent):
        agent.wait_log("http://127.0.0.1:")
        return int(re.search(r"http://127\.0\.0\.1:(\d+)", agent.log).group(1))

    def start_agent(self, fake=None):
        """A running agent; what is sent to self.tap.port goes to the newest one."""
        agent = self.agent(fake or self.fake, TOKEN).wait_ready()
        port = self.port_of(agent)
        if self.tap is None:
            self.tap = Recorder(port)
            self.tap.__enter__()
            self.addCleanup(self.tap.__exit__)
        self.tap.upstream = port
        return agent

    # ---- the SDKs ----

    def client_env(self):
        return towbar.clean_environment(self.path("home"))

    def run_client(self, *argv, **env):
        done = subprocess.run(
            argv, env=dict(self.client_env(), **env), cwd=CLIENTS, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def pyrollbar(self, port, handler, *cases, token=TOKEN, **env):
        base = f"http://127.0.0.1:{port}/api/1/"
        argv = (sys.executable, "pyrollbar_script.py", token, base, handler, *cases)
        return self.run_client(*argv, **env)

    def rollbar_js(self, port, *cases, token=TOKEN, **env):
        item = f"http://127.0.0.1:{port}/api/1/item/"
        return self.run_client("node", "rollbar_script.js", token, item, *cases, **env)

    def start_paused(self, *argv, **env):
        """A client that stands in its case "pause"; resume() lets it go on."""
        process = subprocess.Popen(
            argv, env=dict(self.client_env(), **env), cwd=CLIENTS, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
            process.stdin.close()

        self.addCleanup(end)
        self.assertEqual(self.next_line(process), "paused\n")
        return process

    def next_line(self, process):
        """What a client says next; "" at its end."""
        ready, _, _ = select.select([process.stdout], [], [], towbar.DEADLINE_S)
        self.assertTrue(ready, f"{process.args} says nothing")
        return process.stdout.readline()

    def resume(self, process):
        """To its next pause, or its end."""
        process.stdin.write("\n")
        process.stdin.flush()
        if self.next_line(process) != "paused\n":
            self.assertEqual(process.wait(towbar.DEADLINE_S), 0)

    def app(self, *argv):
        """An app that says its port, and runs until the test ends; returns the port."""
        process = subprocess.Popen(
            argv, env=self.client_env(), cwd=CLIENTS, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

        def end():
            process.kill()
            process.wait()
            process.stdout.close()

        self.addCleanup(end)
        return int(process.stdout.readline())

    def flask(self, port, handler):
        base = f"http://127.0.0.1:{port}/api/1/"
        return self.app(sys.executable, "flask_app.py", TOKEN, base, handler)

    def express(self, port):
        item = f"http://127.0.0.1:{port}/api/1/item/"
        return self.app("node", "express_app.js", TOKEN, item)

    def ask(self, port, method, path, body=None, headers=None):
        """The status of a request to an app."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            reply.read()
            return reply.status
        finally:
            connection.close()

    # ---- what came ----

    def wait_both(self, n):
        self.fake.wait_for(lambda fake: len(fake.occurrences) >= n, towbar.DEADLINE_S)
        self.straight.wait_for(lambda fake: len(fake.occurrences) >= n, towbar.DEADLINE_S)
        for fake in (self.fake, self.straight):
            self.assertEqual(len(fake.occurrences), n, fake.summary())
            self.assertEqual([r.status for r in fake.requests], [200] * n, fake.summary())

    def compare_bytes(self, n):
        """What was sent to the agent against what came out of it. Returns, for each item in the
        order of sending, what was masked (path to what stood there) and what was added."""
        sent = self.tap.exchanges()
        self.assertEqual([status for _, _, _, status in sent], [200] * n)
        return self.compare_texts([body for _, _, body, _ in sent])

    def compare_texts(self, envelopes):
        """The same for envelopes that were not sent but written."""
        arrived = {occurrence.uuid: occurrence.raw for occurrence in self.fake.occurrences}
        items = [data_text(body) for body in envelopes]
        named = {json.loads(data).get("uuid") for data in items}
        given = [uuid for uuid in arrived if uuid not in named]  # by the agent
        found = []
        for data in items:
            uuid = json.loads(data).get("uuid") or self.pick(data, given, arrived)
            found.append(self.compare_item(data, data_text(arrived.pop(uuid))))
        self.assertEqual(arrived, {})
        for request in self.fake.requests:  # The envelope is made anew; its token is the sender's.
            self.assertEqual(request.headers["X-Rollbar-Access-Token"], TOKEN)
            self.assertEqual(list(json.loads(request.body)), ["data"])
        return found

    def pick(self, data, given, arrived):
        """Which of those that came without a uuid this one is; the first if it is none."""
        for uuid in given:
            try:
                self.compare_item(data, data_text(arrived[uuid]))
            except AssertionError:
                continue
            given.remove(uuid)
            return uuid
        return given.pop(0)

    def compare_item(self, sent, arrived):
        changed, added = raw_json.compare(sent, arrived)
        changed = {f"data.{path}": values for path, values in changed.items()}
        added = {f"data.{path}": value for path, value in added.items()}
        for path in added:
            self.assertTrue(MAY_BE_ADDED.fullmatch(path), f"added {path}: {added[path]}")
        masked = {}
        for path, (before, after) in changed.items():
            after = json.loads(after)
            self.assertIn(MASK, after, f"{path} was changed from {before}")
            if after != MASK:  # A text with a secret in it: what is around it stays.
                parts = map(re.escape, after.split(MASK))
                around = re.compile(r"\A" + ".*".join(parts) + r"\Z", re.S)
                self.assertRegex(json.loads(before), around, path)
            masked[path] = json.loads(before)
        return masked, {path: json.loads(text) for path, text in added.items()}

    def compare_values(self, n):
        """What came through the agent against what came straight, as trees."""
        self.wait_both(n)
        through = sorted(self.fake.occurrences, key=place)
        straight = sorted(self.straight.occurrences, key=place)
        for one, other in zip(through, straight):
            self.compare_trees(of_any_run(other.data), of_any_run(one.data), "data")

    def compare_trees(self, straight, through, path):
        if isinstance(straight, dict) and isinstance(through, dict):
            names = list(straight)
            self.assertEqual(list(through)[: len(names)], names, path)
            for name in list(through)[len(names) :]:
                self.assertTrue(MAY_BE_ADDED.fullmatch(f"{path}.{name}"), f"{path}.{name}")
            for name in names:
                self.compare_trees(straight[name], through[name], f"{path}.{name}")
        elif isinstance(straight, list) and isinstance(through, list):
            extra = len(through) - len(straight)
            self.assertTrue(extra == 0 or (extra > 0 and path == "data.attributes"), path)
            for i, value in enumerate(straight):
                self.compare_trees(value, through[i], f"{path}.{i}")
        elif not (isinstance(through, str) and MASK in through):
            self.assertEqual((type(through), through), (type(straight), straight), path)


def data_text(body):
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    return raw_json.read(body).members["data"].raw


def of_any_run(value, path=""):
    """The value without what differs from run to run."""
    if OF_THE_RUN.search(path) and not isinstance(value, (dict, list)):
        return "of the run"
    if isinstance(value, dict):
        if set(value) == {"key", "value"} and OF_THE_RUN.search(value["key"]):
            return {"key": value["key"], "value": "of the run"}
        return {name: of_any_run(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [of_any_run(inner) for inner in value]
    return ADDRESS.sub("<here>", value) if isinstance(value, str) else value


def place(occurrence):
    """What tells the items of a script apart, whatever the agent added."""
    data = of_any_run(occurrence.data)
    body = data["body"]
    traces = body.get("trace_chain") or [body.get("trace")]
    classes = [trace["exception"] for trace in traces if trace]
    request = data.get("request", {})
    return json.dumps([classes, body.get("message", {}).get("body"), request.get("method")])
