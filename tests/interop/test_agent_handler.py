"""pyrollbar's handler "agent": it writes each item as a line of a .rollbar file, and towbard, which
watches the folder (rollbar_files in its settings), sends it. Each arrives once and whole, whoever
was away meanwhile."""

import concurrent.futures
import json
import os
import signal
import unittest

from rig import TOKEN, SdkCase, towbar
from test_gunicorn import THREADS, Gunicorn, name

NOWHERE = 1  # a port that nobody listens on: nothing is sent to it


class AgentHandlerTest(SdkCase):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("log"))
        self.file = self.path("log", "app.rollbar")
        with open(self.config, "a", encoding="utf-8") as config:
            config.write(f"rollbar_files:\n  paths: [{self.path('log')}]\n")

    def write(self, *cases, token=TOKEN):
        self.pyrollbar(NOWHERE, "agent", *cases, token=token, AGENT_LOG=self.file)

    def lines(self):
        with open(self.file, "rb") as file:
            return file.read().splitlines()

    def wait_arrived(self, n):
        self.fake.wait_for(lambda fake: len(fake.occurrences) >= n, towbar.DEADLINE_S)
        self.wait_status(lambda status: status["queued"] == 0)
        self.assertEqual(len(self.fake.occurrences), n, self.fake.summary())
        self.assertEqual([request.status for request in self.fake.requests], [200] * n)
        self.assertEqual(self.fake.duplicates, [])

    def test_what_is_written_arrives_unchanged(self):
        self.start_agent()
        self.write("error", "chain", "message", "person", "logged")
        self.wait_arrived(5)
        found = self.compare_texts(self.lines())
        levels = [json.loads(line)["data"]["level"] for line in self.lines()]
        self.assertEqual(levels, ["error", "critical", "warning", "info", "error"])
        for masked, added in (found[0], found[1], found[3], found[4]):
            self.assertLessEqual({path.rsplit(".", 1)[1] for path in masked}, {"secret"})
            self.assertLessEqual(set(added), {"data.attributes"})
        for number in (b'"big": 9007199254740993,', b'"huge": 18446744073709551615,'):
            (message,) = [o for o in self.fake.occurrences if o.data["level"] == "warning"]
            self.assertEqual(message.raw.count(number), 2, number)

    def test_a_program_without_a_token_gets_the_agent_s(self):
        self.start_agent()
        self.write("message", "person", token="")
        self.assertEqual({json.loads(line)["access_token"] for line in self.lines()}, {None})
        self.wait_arrived(2)
        self.compare_texts(self.lines())

    def test_what_was_written_while_the_agent_was_away_arrives_once(self):
        self.write("error", "chain")
        agent = self.start_agent()
        self.wait_arrived(2)
        agent.kill9()
        self.write("message")
        with self.start_agent():
            self.wait_arrived(3)
            self.write("person")
            self.wait_arrived(4)
        self.compare_texts(self.lines())

    def test_what_was_written_while_rollbar_was_away_arrives_once(self):
        self.fake.close_port()
        agent = self.start_agent()
        self.write("error", "chain")
        self.wait_status(lambda status: status["received"] == 2)
        agent.kill9()
        self.write("message")
        with self.start_agent():
            self.wait_status(lambda status: status["queued"] == 3)
            self.fake.open_port()
            self.wait_arrived(3)
        self.compare_texts(self.lines())

    def gunicorn(self, *flags):
        return Gunicorn(self, NOWHERE, "agent", *flags, *THREADS, AGENT_LOG=self.file)

    def test_workers_of_gunicorn_that_share_a_file(self):
        n = 24
        self.start_agent()
        server = self.gunicorn("--preload", "--workers", "3", "--max-requests", "5")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(server.fail, range(n))), [500] * n)
        self.assertEqual(server.stop(), 0, server.log())
        self.wait_arrived(n)
        self.assertEqual(sorted(map(name, self.fake.occurrences)), sorted(map(str, range(n))))
        self.compare_texts(self.lines())

    def test_a_worker_that_is_killed_loses_nothing_that_was_answered(self):
        self.start_agent()
        server = self.gunicorn("--workers", "1")
        worker = server.wait_up()
        for i in range(4):
            self.assertEqual(server.fail(i), 500)
        os.kill(worker, signal.SIGKILL)
        self.wait_arrived(4)
        self.compare_texts(self.lines())


if __name__ == "__main__":
    unittest.main()
