"""Rollbar is away: no request of an app waits for it, and nothing that was taken is lost. That
nobody waits is told by the order of events, as in test_gunicorn.py: the SDK has its 200 while
Rollbar has said nothing; without the agent it has to wait, and gives up."""

import socket
import threading
import time
import unittest

from rig import SdkCase, towbar

N_BEFORE = 8
N_AFTER = 4


class Silent:
    """Takes connections and never answers, on the port of a fake Rollbar that is closed."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.taken = []
        self.changed = threading.Condition()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.taken.append(connection)
                self.changed.notify_all()

    def wait_taken(self):
        with self.changed:
            if not self.changed.wait_for(lambda: self.taken, towbar.DEADLINE_S):
                raise TimeoutError("nobody came")

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.changed:
            for connection in self.taken:
                connection.close()


class OutageTest(SdkCase):
    def setUp(self):
        super().setUp()
        self.fake.close_port()
        self.silent = None

    def be_silent(self):
        self.silent = Silent(self.fake.port)
        self.addCleanup(self.end_silence)

    def end_silence(self):
        silent, self.silent = self.silent, None
        if silent:
            silent.close()

    def fail_requests(self, app, n):
        """n requests that fail."""
        for i in range(n):
            self.assertEqual(self.ask(app, "GET", f"/feeds/{i}"), 500)

    def check(self, start):
        """Requests fail while Rollbar is away and, after kill -9 of the agent, still is."""
        agent = self.start_agent()
        app = start(self.tap.port)
        self.fail_requests(app, 1)
        if self.silent:
            self.silent.wait_taken()  # from now on the agent has one that does not answer
        self.fail_requests(app, N_BEFORE - 1)
        self.wait_accepted(N_BEFORE)
        agent.kill9()
        with self.start_agent():
            self.fail_requests(app, N_AFTER)
            self.wait_accepted(N_BEFORE + N_AFTER)
            self.assertEqual(self.fake.occurrences, [])
            self.end_silence()
            self.fake.open_port()
            n = N_BEFORE + N_AFTER
            self.fake.wait_for(lambda fake: len(fake.occurrences) >= n, towbar.DEADLINE_S)
            status = self.wait_status(lambda status: status["queued"] == 0)
        self.assertEqual((status["received"], status["sent"]), (n, n))
        sent = sorted(o.data["request"]["url"].rsplit("/", 1)[1] for o in self.fake.occurrences)
        wanted = [str(i) for i in range(N_BEFORE - 1)] + ["0"] + [str(i) for i in range(N_AFTER)]
        self.assertEqual(sent, sorted(wanted))
        self.assertEqual([r.status for r in self.fake.requests], [200] * n)

    def wait_accepted(self, n):
        """Until the agent has answered n posts: express does not wait even for that."""
        end = time.monotonic() + towbar.DEADLINE_S
        while len(self.tap.exchanges()) < n:
            self.assertLess(time.monotonic(), end, "the agent does not answer")
            time.sleep(0.02)
        self.assertEqual({status for _, _, _, status in self.tap.exchanges()}, {200})

    def flask_blocking(self, port):
        return self.flask(port, "blocking")

    def test_flask_does_not_wait_for_a_rollbar_that_is_gone(self):
        self.check(self.flask_blocking)

    def test_flask_does_not_wait_for_a_rollbar_that_never_answers(self):
        self.be_silent()
        self.check(self.flask_blocking)

    def test_express_does_not_wait_for_a_rollbar_that_never_answers(self):
        self.be_silent()
        self.check(self.express)


if __name__ == "__main__":
    unittest.main()
