"""Settings are read again at SIGHUP: taken over whole or not at all, and nobody notices."""

import http.client
import json
import os
import pty
import select
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import prometheus  # noqa: E402
import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

OTHER_TOKEN = "fedcba9876543210fedcba9876543210"
SHORT_WAITS = "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n  timeout_ms: 5000\n"
N_RELOADS = 50
N_SENDERS = 2


def item(text):
    trace = {
        "exception": {"class": "E", "message": text},
        "frames": [{"filename": "a.py", "lineno": 1}],
    }
    return json.dumps({"data": {"environment": "test", "body": {"trace": trace}}})


class Sender(threading.Thread):
    """Posts items on one connection that stays open, until it is told to stop."""

    def __init__(self, path, name):
        super().__init__(daemon=True)
        self.connection = towbar.UnixConnection(path)
        self.name = name
        self.stopping = threading.Event()
        self.taken = []  # texts that were answered with 200
        self.others = []  # anything else that happened

    def run(self):
        n = 0
        while not self.stopping.is_set():
            text = f"{self.name} {n}"
            n += 1
            try:
                self.connection.request("POST", "/api/1/item/", item(text))
                reply = self.connection.getresponse()
                body = reply.read()
                if reply.status == 200:
                    self.taken.append(text)
                else:
                    self.others.append((reply.status, body))
            except (OSError, http.client.HTTPException) as error:
                self.others.append(repr(error))
                self.connection.close()

    def stop(self):
        self.stopping.set()
        self.join(towbar.DEADLINE_S)
        self.connection.close()


class ReloadTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=[towbar.TOKEN, OTHER_TOKEN], limit=10**6)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def reload(self, agent, is_good):
        """SIGHUP, until it has been seen to."""
        name = "taken" if is_good else "refused"
        before = json.loads(agent.get("/status")[1])["reload"]
        agent.process.send_signal(signal.SIGHUP)
        self.wait_for(agent, lambda now: now["taken"] + now["refused"] > before["taken"] + before["refused"])
        after = json.loads(agent.get("/status")[1])["reload"]
        self.assertEqual(after[name], before[name] + 1, after)
        return after

    def wait_for(self, agent, predicate):
        self.wait_status(lambda _: predicate(json.loads(agent.get("/status")[1])["reload"]))

    def post(self, agent, text):
        self.assertEqual(agent.request("POST", "/api/1/item/", item(text))[0], 200)

    def texts(self):
        return [o.data["body"]["trace"]["exception"]["message"] for o in self.fake.occurrences]

    def test_reloads_under_load_lose_and_double_nothing(self):
        with self.agent(self.fake, ROLLBAR_ENVIRONMENT="") as agent:
            pid_of_socket = os.stat(self.socket).st_ino
            senders = [Sender(self.socket, f"s{i}") for i in range(N_SENDERS)]
            for sender in senders:
                sender.start()
            for i in range(N_RELOADS):
                is_good = i % 5 != 4
                if is_good:
                    self.write_config(SHORT_WAITS + f"  connections: {1 + i % 8}\n")
                else:
                    self.write_config("rollbar:\n  retry_min_ms: never\n")
                self.reload(agent, is_good)
            for sender in senders:
                sender.stop()
            self.assertEqual(os.stat(self.socket).st_ino, pid_of_socket)
            taken = [text for sender in senders for text in sender.taken]
            self.assertEqual([sender.others for sender in senders], [[]] * N_SENDERS)
            self.assertGreater(len(taken), N_RELOADS)
            self.fake.wait_for(lambda f: len(f.occurrences) >= len(taken), towbar.DEADLINE_S)
            status = self.wait_status(lambda status: status["sent"] >= len(taken))
        self.assertEqual(sorted(self.texts()), sorted(taken))
        total = sum(status[name] for name in ("sent", "dropped", "quarantined", "queued"))
        self.assertEqual(status["received"], total, status)
        self.assertEqual(status["quarantined"], 0, status)

    def test_a_bad_file_keeps_the_former_settings_and_says_why(self):
        with self.agent(self.fake) as agent:
            self.write_config("rollbar:\n  retry_mni_ms: 5\n")
            self.reload(agent, False)
            agent.wait_log("the settings were not taken over, the former count: ")
            agent.wait_log("retry_mni_ms")
            reload = json.loads(agent.get("/status")[1])["reload"]
            self.assertIn("towbard.yaml", reload["last_error"])
            self.post(agent, "still sent")
            self.fake.wait_for(lambda f: len(f.occurrences) == 1)
            self.write_config(SHORT_WAITS)
            self.assertNotIn("last_error", self.reload(agent, True))

    def test_what_needs_a_restart_is_refused_as_a_whole(self):
        self.write_config("listen: 127.0.0.1:0\n")
        argv = self.agent_argv("--socket", self.socket)
        with towbar.Agent(argv, self.agent_env(self.fake), self.socket) as agent:
            self.write_config("environment: staging\nlisten: off\n")
            reload = self.reload(agent, False)
            self.assertIn('listen would change from "127.0.0.1:0" to "off"', reload["last_error"])
            self.assertIn("restart", reload["last_error"])
            self.assertEqual(json.loads(agent.get("/status")[1])["environment"], "production")

    def test_a_new_token_frees_what_the_old_one_held_up(self):
        token_file = self.path("token")
        for token in ("00000000000000000000000000000000", OTHER_TOKEN):
            with open(token_file, "w", encoding="utf-8") as file:
                file.write(token + "\n")
            os.chmod(token_file, 0o600)
            if token != OTHER_TOKEN:
                self.write_config(SHORT_WAITS.replace("200", "86400000") + f"  token_file: {token_file}\n")
                agent = self.agent(self.fake, token=None).wait_ready()
                self.post(agent, "held up")
                self.wait_status(lambda status: status["parked"] == 1)
        self.reload(agent, True)
        self.fake.wait_for(lambda f: len(f.occurrences) == 1)
        self.assertEqual(self.fake.occurrences[0].token, OTHER_TOKEN)
        self.assertEqual(agent.stop(), 0)

    def test_every_part_goes_by_the_new_settings(self):
        with self.agent(self.fake) as agent:
            self.post(agent, "first")
            self.write_config(SHORT_WAITS + "environment: staging\nscrub:\n  keys: [iban]\nlog_format: json\n")
            self.reload(agent, True)
            text = json.loads(item("second"))
            text["data"]["custom"] = {"iban": "DE00"}
            self.assertEqual(agent.request("POST", "/api/1/item/", json.dumps(text))[0], 200)
            self.fake.wait_for(lambda f: len(f.occurrences) == 2)
            agent.wait_log('"msg":"the settings were read again')
            self.assertEqual(json.loads(agent.get("/status")[1])["environment"], "staging")
            # What was counted before counts on.
            self.wait_status(lambda _: json.loads(agent.get("/status")[1])["delivery"]["sent"] == 2)
        (iban,) = (c["iban"] for c in (o.data.get("custom", {}) for o in self.fake.occurrences) if "iban" in c)
        self.assertEqual(iban, "********")

    def test_inputs_go_by_the_new_settings(self):
        log = self.path("app.rollbar")
        with open(log, "w", encoding="utf-8") as file:
            file.write(item("from a file") + "\n")
        with self.agent(self.fake) as agent:
            self.post(agent, "first")
            self.fake.wait_for(lambda f: len(f.occurrences) == 1)
            self.write_config(SHORT_WAITS + f"rollbar_files:\n  paths: [{log}]\nlimits:\n  sender_per_minute: 1\n")
            self.reload(agent, True)
            self.fake.wait_for(lambda f: len(f.occurrences) == 2)
            answers = [agent.request("POST", "/api/1/item/", item(f"n {i}"))[0] for i in range(50)]
            self.assertEqual(set(answers) - {200}, {429}, answers)
            # They go on where the former ones were.
            self.write_config(SHORT_WAITS + f"rollbar_files:\n  paths: [{log}]\n")
            self.reload(agent, True)
            with open(log, "a", encoding="utf-8") as file:
                file.write(item("and another") + "\n")
            n = 3 + answers.count(200)
            self.fake.wait_for(lambda f: len(f.occurrences) == n)

            def numbers():
                return prometheus.parse(agent.get("/metrics")[1].decode())

            # Counted when its place is kept, which is after it was sent.
            self.wait_status(lambda _: numbers().value("towbard_items_received_total", input="rollbar_files") == 2)
            metrics = numbers()
            self.assertEqual(metrics.value("towbard_items_received_total", input="unix"), n - 2)
            self.assertEqual(metrics.value("towbard_items_refused_total", reason="rate"), answers.count(429))
        self.assertEqual(len(set(self.texts())), n)

    def test_an_early_signal_does_not_end_it(self):
        with self.agent(self.fake) as agent:
            for _ in range(20):
                agent.process.send_signal(signal.SIGHUP)
            self.post(agent, "alive")
            self.fake.wait_for(lambda f: len(f.occurrences) == 1)
            self.wait_for(agent, lambda now: now["taken"] >= 1)

    def hang_up(self, before):
        """An agent whose terminal is gone; before it begins it does that. Its pid."""
        argv = self.agent_argv("--socket", self.socket, "--listen", "off")
        pid, terminal = pty.fork()
        if pid == 0:
            before()
            os.execve(argv[0], argv, self.agent_env(self.fake))
        try:
            words = b""
            while b"is up" not in words:
                words += os.read(terminal, 4096)
        finally:
            os.close(terminal)  # the hang-up
        return pid

    def asked_itself(self):
        connection = towbar.UnixConnection(self.socket)
        try:
            connection.request("GET", "/status")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def test_nohup_outlives_its_terminal(self):
        pid = self.hang_up(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        try:
            self.wait_status(lambda _: self.asked_itself()["reload"]["taken"] == 1)
        finally:
            os.kill(pid, signal.SIGTERM)
            self.assertEqual(os.waitpid(pid, 0), (pid, 0))

    def test_a_terminal_that_goes_takes_its_agent_with_it(self):
        pid = self.hang_up(lambda: None)
        end = time.monotonic() + towbar.DEADLINE_S
        status = (0, 0)
        while status[0] == 0 and time.monotonic() < end:
            status = os.waitpid(pid, os.WNOHANG)
            select.select([], [], [], 0.02)
        if status[0] == 0:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.assertEqual(status, (pid, 0))


class CheckConfigTest(towbar.Case):
    def check(self, code):
        done = self.run_program(towbar.binary("towbard"), "--check-config", "--config", self.config,
                                env=self.agent_env(), check=code)  # fmt: skip
        return done.stdout + done.stderr

    def test_it_says_whether_a_reload_would_work(self):
        self.assertIn(f"the settings are well ({self.config})", self.check(0))
        self.write_config("listen: 0.0.0.0\n")
        self.assertIn("listen", self.check(1))
        self.assertFalse(os.path.exists(self.state))

    def test_files_that_the_settings_name_are_looked_into(self):
        for name in ("cert.pem", "key.pem"):
            with open(self.path(name), "w", encoding="ascii") as file:
                file.write("nothing\n")
            os.chmod(self.path(name), 0o644)
        self.write_config(f"tls: {{cert_file: {self.path('cert.pem')}, key_file: {self.path('key.pem')}}}\n")
        self.assertIn("everybody may read or change", self.check(1))
        os.chmod(self.path("key.pem"), 0o600)
        self.assertIn("tls.cert_file", self.check(1))
        self.write_config(f"rollbar: {{ca_file: {self.path('cert.pem')}}}\n")
        self.assertIn("holds no certificate", self.check(1))


if __name__ == "__main__":
    unittest.main()
