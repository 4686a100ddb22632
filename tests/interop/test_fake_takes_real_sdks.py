"""The fake Rollbar is strict, but no stricter than Rollbar: what real SDKs send, it takes.

Run by tests/run.sh --interop, which fetches the SDKs: pyrollbar in this Python, rollbar.js in NODE_PATH.
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from fake_rollbar import FakeRollbar  # noqa: E402

TOKEN = "0123456789abcdef0123456789abcdef"

PYTHON = """
import sys, rollbar
rollbar.init(sys.argv[1], "interop", endpoint=sys.argv[2], handler=sys.argv[3])
def inner(secret):
    raise ValueError("inner fault")
def outer():
    try:
        inner("hunter2")
    except ValueError as err:
        raise RuntimeError("outer fault") from err
try:
    outer()
except RuntimeError:
    rollbar.report_exc_info(extra_data={"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})
rollbar.report_message("a message", "warning", extra_data={"n": 9007199254740993})
rollbar.wait()
"""

NODE = """
const Rollbar = require('rollbar');
const rollbar = new Rollbar({accessToken: process.argv[1], endpoint: process.argv[2],
    environment: 'interop', captureUncaught: false});
rollbar.error(new TypeError('a fault of node'), {trace_id: '4bf92f3577b34da6a3ce929d0e0e4736'});
rollbar.warning('a message of node');
rollbar.wait(() => process.exit(0));
"""


def classes(fake):
    found = []
    for occurrence in fake.occurrences:
        body = occurrence.data["body"]
        traces = body.get("trace_chain") or ([body["trace"]] if "trace" in body else [])
        found.append([trace["exception"]["class"] for trace in traces])
    return found


class RealSdks(unittest.TestCase):
    def check(self, fake, expected):
        refused = [(r.status, r.reply) for r in fake.requests if r.status != 200]
        self.assertEqual(refused, [])
        self.assertEqual(sorted(classes(fake)), sorted(expected))

    def run_python(self, handler):
        with FakeRollbar(token=TOKEN) as fake:
            base = fake.url[: fake.url.index("item")]
            subprocess.run([sys.executable, "-c", PYTHON, TOKEN, base, handler], check=True,
                           timeout=60)
            fake.wait_for(lambda f: len(f.occurrences) == 2)
            self.check(fake, [["RuntimeError", "ValueError"], []])

    def test_pyrollbar_blocking_is_taken_whole(self):
        self.run_python("blocking")

    def test_pyrollbar_thread_is_taken_whole(self):
        self.run_python("thread")

    def test_rollbar_js_is_taken_whole(self):
        with FakeRollbar(token=TOKEN) as fake:
            subprocess.run(["node", "-e", NODE, TOKEN, fake.url], check=True, timeout=60)
            fake.wait_for(lambda f: len(f.occurrences) == 2)
            self.check(fake, [["TypeError"], []])


if __name__ == "__main__":
    unittest.main()
