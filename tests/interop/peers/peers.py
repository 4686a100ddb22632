"""What the tests with SDKs that take long to build share: the case class of tests/interop/rig.py,
and where tests/interop.sh built the clients. Run by tests/run.sh --peers."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig import CLIENTS, TOKEN, SdkCase, towbar  # noqa: E402

BUILT = os.path.join(towbar.BUILD, "interop")
HARD = os.path.join(CLIENTS, "hard.json")
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
IDS = {"trace_id": TRACE_ID, "span_id": SPAN_ID}
HEADER = {"flags": "01", "source": "traceparent"}  # what else their requests' says
SECRET = b"hunter2"


class PeerCase(SdkCase):
    def client(self, port):
        """The command without the cases."""
        raise NotImplementedError

    def run_both(self, *cases):
        """The same through the agent and straight; what was masked and added, see rig.py."""
        for port in (self.tap.port, self.straight.port):
            self.run_client(*self.client(port), *cases)
        return self.check_both(len([case for case in cases if case != "plain"]))

    def check_both(self, n):
        self.compare_values(n)
        return self.compare_bytes(n)

    def arrived(self, n):
        self.fake.wait_for(lambda fake: len(fake.occurrences) >= n, towbar.DEADLINE_S)
        self.wait_status(lambda status: status["queued"] == 0)
        self.assertEqual(len(self.fake.occurrences), n, self.fake.summary())
        self.assertEqual(self.fake.duplicates, [])

    def one(self, predicate):
        (found,) = [o for o in self.fake.occurrences if predicate(o.data)]
        return found


def last_names(masked):
    return {path.rsplit(".", 1)[1] for path in masked}


def item_url(port):
    return f"http://127.0.0.1:{port}/api/1/item/"


__all__ = [
    "BUILT", "HARD", "HEADER", "IDS", "SECRET", "TOKEN", "PeerCase", "item_url", "last_names",
    "towbar",
]  # fmt: skip
