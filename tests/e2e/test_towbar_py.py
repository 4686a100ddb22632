"""towbar.py, the client of one file, with the standard library alone: over the socket, by the spool,
and whatever its host does to it."""

import ast
import contextlib
import importlib.util
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import types
import unittest
import unittest.mock
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

CLIENT = os.path.join(towbar.SOURCE, "samples", "cruddur", "backend-flask", "towbar.py")
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OTEL, OTEL_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
XRAY, XRAY_SPAN = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
XRAY_HEX = "5759e988bd862e3fe1be46a994272793"


def load_client():
    """A fresh copy of the module, as a program of its own has it."""
    spec = importlib.util.spec_from_file_location("towbar_client", CLIENT)
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    return client


def environ(**more):
    base = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/api/activities/home",
        "QUERY_STRING": "user=andrew&apiKey=k3y", "HTTP_HOST": "cruddur.test:4567",
        "HTTP_AUTHORIZATION": "Bearer s3cret", "HTTP_COOKIE": "sid=s3cret",
        "HTTP_TRACEPARENT": f"00-{TRACE}-{SPAN}-01", "CONTENT_TYPE": "text/plain",
        "wsgi.url_scheme": "http",
    }  # fmt: skip
    base.update(more)
    return base


def fail(text="no such feed", depth=0):
    if depth > 0:
        return fail(text, depth - 1)
    raise ValueError(text)


def failing_app(environ, start_response):
    try:
        fail()
    except ValueError as err:
        raise RuntimeError("no feed for andrew") from err


class ClientCase(towbar.Case):
    def setUp(self):
        super().setUp()
        self.client = load_client()
        self.init()
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def init(self, **settings):
        given = dict(
            service="backend", environment="test", version="1.2", root=towbar.SOURCE,
            socket=self.socket, spool=self.spool,
        )  # fmt: skip
        given.update(settings)
        self.client.init(**given)

    def make_spool(self):
        os.makedirs(os.path.join(self.spool, "in"), mode=0o700)

    def report(self, **kwargs):
        try:
            fail()
        except ValueError:
            return self.client.report_exc_info(**kwargs)

    def counts(self):
        status = self.client.status()
        return status["sent"], status["spooled"], status["failed"]

    def assert_counts(self, sent, spooled, failed):
        self.assertEqual(self.counts(), (sent, spooled, failed), self.client.status())

    def arrived(self, n):
        self.fake.wait_for(lambda fake: len(fake.occurrences) == n)
        self.assert_clean(self.fake)
        return {occurrence.uuid: occurrence.data for occurrence in self.fake.occurrences}

    def files(self):
        return sorted(os.listdir(os.path.join(self.spool, "in")))


class OverTheSocket(ClientCase):
    def test_an_error_in_a_request_arrives_whole(self):
        app = self.client.wsgi(failing_app)
        with self.agent(self.fake):
            with self.assertRaises(RuntimeError):
                app(environ(), None)
            (data,) = self.arrived(1).values()
        self.assert_counts(1, 0, 0)
        outer, inner = data["body"]["trace_chain"]
        self.assertEqual(outer["exception"], {"class": "RuntimeError", "message": "no feed for andrew"})
        self.assertEqual(inner["exception"], {"class": "ValueError", "message": "no such feed"})
        self.assertEqual([f["method"] for f in inner["frames"]], ["failing_app", "fail"])
        self.assertEqual(inner["frames"][-1]["code"], "raise ValueError(text)")
        self.assertEqual(inner["frames"][-1]["filename"], "tests/e2e/test_towbar_py.py")
        self.assertNotIn("locals", str(data["body"]))
        for key, value in dict(
            environment="test", level="error", platform="linux", code_version="1.2"
        ).items():
            self.assertEqual(data[key], value)
        self.assertEqual(data["language"], "python " + sys.version.split()[0].rstrip("+"))
        self.assertEqual(data["notifier"]["name"], "towbar.py")
        self.assertEqual(data["server"]["root"], towbar.SOURCE)
        self.assertEqual(data["server"]["pid"], os.getpid())
        self.assertEqual(data["custom"]["service"], "backend")
        self.assertLess(abs(data["timestamp"] - time.time()), 600)

    def test_the_request_has_its_names_and_no_secrets(self):
        with self.agent(self.fake):
            self.report(request=environ())
            (data,) = self.arrived(1).values()
        request = data["request"]
        self.assertEqual(request["method"], "GET")
        self.assertEqual(
            request["url"],
            "http://cruddur.test:4567/api/activities/home?user=andrew&apiKey=********",
        )
        self.assertEqual(request["query_string"], "user=andrew&apiKey=********")
        self.assertEqual(request["headers"]["Traceparent"], f"00-{TRACE}-{SPAN}-01")
        self.assertEqual(request["headers"]["Content-Type"], "text/plain")
        self.assertNotIn("s3cret", str(data))
        self.assertEqual(towbar.attributes(data), {"trace_id": TRACE, "span_id": SPAN})
        self.assertEqual(data["custom"]["trace_id"], TRACE)

    def test_secrets_leave_the_program_masked(self):
        data = self.client._data({}, "error", environ(), None, {"dbPassword": "s3cret"}, None)
        self.assertNotIn("s3cret", str(data))
        self.assertNotIn("k3y", str(data))
        query = "user[password]=s3cret&user%5Btoken%5D=s3cret&author[name]=me"
        request = self.client._request_data(environ(QUERY_STRING=query))
        self.assertNotIn("s3cret", str(request))
        self.assertIn("author[name]=me", request["query_string"])

    def test_a_message_has_its_level_and_extra_data(self):
        with self.agent(self.fake):
            uuid = self.client.report_message(
                "Hello World!", "warning", extra_data={"n": 3, "password": "s3cret"},
                payload_data={"title": "hello", "custom": {"more": True}, "uuid": "no"},
            )  # fmt: skip
            found = self.arrived(1)
        data = found[uuid]
        self.assertEqual(data["body"], {"message": {"body": "Hello World!"}})
        self.assertEqual((data["level"], data["title"]), ("warning", "hello"))
        self.assertEqual(data["custom"]["n"], 3)
        self.assertIs(data["custom"]["more"], True)
        self.assertEqual(data["custom"]["password"], "********")

    def test_one_exception_of_a_request_is_reported_once(self):
        def app(environ, start_response):
            try:
                fail()
            except ValueError:
                self.client.report_exc_info()
                self.client.report_message("twice")
                self.client.report_message("twice")
                raise

        with self.agent(self.fake):
            with self.assertRaises(ValueError):
                self.client.wsgi(app)(environ(), None)
            self.arrived(3)
        self.assert_counts(3, 0, 0)

    def test_an_error_while_the_reply_is_made_is_reported(self):
        def app(environ, start_response):
            yield b"one"
            self.client.report_message("in between")
            fail()

        with self.agent(self.fake):
            reply = self.client.wsgi(app)(environ(), None)
            self.assertEqual(next(iter(reply)), b"one")
            with self.assertRaises(ValueError):
                next(iter(reply))
            reply.close()
            found = self.arrived(2)
        self.assertEqual({d["custom"]["trace_id"] for d in found.values()}, {TRACE})

    def test_a_log_handler_reports_what_is_logged(self):
        import logging

        logger = logging.Logger("job")
        logger.addHandler(self.client.LogHandler(logging.WARNING))
        with self.agent(self.fake):
            logger.warning("disk %s is nearly full", "sda")
            logger.info("not this")
            logger.error("%d", "no number")
            try:
                fail()
            except ValueError:
                logger.exception("it failed")
            found = list(self.arrived(3).values())
        self.assertEqual(
            sorted((d["level"], next(iter(d["body"]))) for d in found),
            [("error", "message"), ("error", "trace"), ("warning", "message")],
        )

    def test_a_connection_is_used_again_and_made_anew_when_it_is_dead(self):
        connections = self.connections()
        with self.agent(self.fake):
            self.report()
            self.report()
            self.assertEqual(len(connections), 1)
        with self.agent(self.fake):
            self.report()
            self.arrived(3)
        self.assertEqual(len(connections), 2)
        self.assert_counts(3, 0, 0)

    def connections(self):
        """What connections are made from now on."""
        made = []
        real = self.client._Connection

        def connect(*args):
            made.append(args)
            return real(*args)

        self.client._Connection = connect
        return made

    def test_what_the_agent_refuses_is_counted_with_its_reason(self):
        with self.agent(self.fake):
            with unittest.mock.patch.object(self.client._settings, "environment", ""):
                self.assertIsNone(self.client.report_message("x"))
        self.assert_counts(0, 0, 1)
        self.assertIn("422", self.client.status()["last_error"])

    def test_the_token_towbar_lets_the_agent_use_its_own(self):
        body = b'{"access_token":"towbar","data":{"environment":"test","body":{"message":{"body":"x"}}}}'
        with self.agent(self.fake) as agent:
            headers = {"X-Rollbar-Access-Token": "towbar"}
            self.assertEqual(agent.request("POST", "/api/1/item/", body, headers)[0], 200)
            self.assertEqual(agent.request("POST", "/api/1/item/", body)[0], 200)
            self.arrived(2)  # the fake knows the agent's token only


class ByTheSpool(ClientCase):
    def test_without_an_agent_an_error_waits_in_the_spool(self):
        self.make_spool()
        before = os.umask(0o077)
        try:
            uuid = self.report(request=environ())
        finally:
            os.umask(before)
        self.assert_counts(0, 1, 0)
        (name,) = self.files()
        self.assertRegex(name, r"^1-[0-9a-f]{8}-[0-9a-f]{16}-0\.seg$")
        path = os.path.join(self.spool, "in", name)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
        with self.agent(self.fake):
            found = self.arrived(1)
        self.assertEqual(list(found), [uuid])
        self.assertEqual(found[uuid]["custom"]["trace_id"], TRACE)
        self.assertEqual(self.files(), [])

    def test_the_agent_reads_every_byte_of_its_files(self):
        self.make_spool()
        uuids = [self.client.report_message("x" * n, level) for n, level in enumerate(
            ["critical", "error", "warning", "info", "debug", "error", "error", "error", "error"])]
        self.assertEqual([name[0] for name in self.files()], list("011111233"))
        done = self.once()
        self.assertIn("took in 9 records, 0 to quarantine, 0 damaged", done.stdout)
        self.assertEqual({d["uuid"] for d in self.occurrences()}, set(uuids))

    def test_a_damaged_payload_is_found(self):
        self.make_spool()
        self.client.report_message("x" * 1000)
        path = os.path.join(self.spool, "in", self.files()[0])
        with open(path, "r+b") as file:
            file.seek(500)
            byte = file.read(1)
            file.seek(500)
            file.write(bytes([byte[0] ^ 1]))
        self.assertIn("took in 0 records", self.once().stdout)

    def test_a_spool_that_was_named_is_not_made(self):
        self.assertIsNone(self.report())
        self.assert_counts(0, 0, 1)
        self.assertIn(self.spool, self.client.status()["last_error"])
        self.assertFalse(os.path.exists(self.spool))

    def test_the_user_s_own_spool_is_made_for_him_alone(self):
        env = {"HOME": self.path("home"), "TOWBAR_SPOOL": "", "TOWBAR_SOCKET": ""}
        with unittest.mock.patch.dict(os.environ, env), unittest.mock.patch.object(
            os, "geteuid", return_value=12345
        ), unittest.mock.patch.object(self.client, "SYSTEM_SPOOL", self.path("none")):
            for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
                os.environ.pop(name, None)
            self.init(spool=None, socket=None)
            self.assertEqual(
                self.client._socket_paths(), [self.path("home/.local/state/towbar/towbard.sock")]
            )
            self.report()
        self.assert_counts(0, 1, 0)
        made = self.path("home/.local/state/towbar/spool")
        for folder in (made, os.path.join(made, "in")):
            self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)

    def test_who_names_only_a_spool_talks_to_no_other_agent(self):
        with unittest.mock.patch.dict(os.environ, {"TOWBAR_SOCKET": ""}):
            self.init(socket=None)
            self.assertEqual(self.client._socket_paths(), [])

    def test_a_spool_that_takes_nothing_is_counted_and_left_clean(self):
        os.mkdir(self.spool)
        with open(os.path.join(self.spool, "in"), "w", encoding="ascii"):
            pass
        self.assertIsNone(self.report())
        os.unlink(os.path.join(self.spool, "in"))
        os.symlink(self.folder, os.path.join(self.spool, "in"))
        self.assertIsNone(self.report())
        self.assert_counts(0, 0, 2)

    def test_a_file_that_the_agent_took_for_abandoned_is_not_written_to(self):
        self.make_spool()

        def stand_still(*unused):
            for name in self.files():
                os.unlink(os.path.join(self.spool, "in", name))

        with unittest.mock.patch.object(os, "fchmod", stand_still):
            self.assertIsNone(self.report())
        self.assertEqual(self.files(), [])
        self.assert_counts(0, 0, 1)
        self.assertIsNotNone(self.report())

    def test_a_full_disk_leaves_no_half_file(self):
        self.make_spool()
        script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
assert towbar.report_message("x" * 3000) is None
print(towbar.status()["failed"], towbar.status()["last_error"])
"""
        done = self.run_client(script)
        self.assertIn("1 ", done)
        self.assertIn("No space left", done)
        self.assertEqual(self.files(), [])

    def run_client(self, script):
        head = (
            f"import sys; sys.path.insert(0, {os.path.dirname(CLIENT)!r}); import towbar\n"
            f"towbar.init(service='backend', environment='test', socket={self.socket!r},"
            f" spool={self.spool!r})\n"
        )
        program = subprocess.Popen(
            [sys.executable, "-B", "-c", head + script], env=self.program_env(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            words = program.communicate(timeout=towbar.DEADLINE_S)[0]
        finally:
            if program.poll() is None:  # with the children that it waits for
                os.killpg(program.pid, signal.SIGKILL)
                program.communicate()
        self.assertEqual(program.returncode, 0, words)
        return words

    def test_children_report_while_the_parent_is_reporting(self):
        self.make_spool()
        script = """
import os, threading
stop = threading.Event()
def work():
    while not stop.is_set():
        towbar.report_message("thread")
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
bad = 0
for n in range(20):
    pid = os.fork()
    if pid == 0:
        good = towbar.status()["spooled"] == 0
        good = good and towbar.report_message(f"child {n}") is not None
        os._exit(0 if good and towbar.status()["spooled"] == 1 else 1)
    bad += os.waitpid(pid, 0)[1] != 0
stop.set()
for thread in threads: thread.join()
print(bad, towbar.status()["spooled"], towbar.status()["failed"])
"""
        bad, spooled, failed = map(int, self.run_client(script).split())
        self.assertEqual((bad, failed), (0, 0))
        self.assertEqual(len(self.files()), spooled + 20)
        self.assertIn(f"took in {spooled + 20} records, 0 to quarantine, 0 damaged", self.once().stdout)

    def test_nothing_is_lost_when_the_agent_is_killed_under_load(self):
        reported, lock = [], threading.Lock()
        each, n_threads = 60, 4
        third = threading.Barrier(n_threads + 1)

        def work(number):
            app = self.client.wsgi(failing_app)
            for n in range(each):
                if n == each // 3:
                    third.wait(towbar.DEADLINE_S)
                marked = environ(HTTP_X_REQUEST=f"{number}/{n}")
                with contextlib.suppress(RuntimeError):
                    app(marked, None)
                with lock:
                    reported.append(f"{number}/{n}")

        agent = self.agent(self.fake).wait_ready()
        threads = [threading.Thread(target=work, args=(n,)) for n in range(n_threads)]
        for thread in threads:
            thread.start()
        third.wait(towbar.DEADLINE_S)
        agent.kill9()
        for thread in threads:
            thread.join(towbar.DEADLINE_S)
        sent, spooled, failed = self.counts()
        self.assertEqual((sent + spooled, failed), (each * n_threads, 0), self.client.status())
        self.assertGreater(spooled, 0)
        self.assertGreaterEqual(sent, each // 3 * n_threads)
        with self.agent(self.fake):
            found = self.arrived(each * n_threads)
        marks = [d["request"]["headers"]["X-Request"] for d in found.values()]
        self.assertEqual(sorted(marks), sorted(reported))
        stored = [d["uuid"] for d in self.occurrences()]
        self.assertEqual((len(stored), set(stored)), (each * n_threads, set(found)))


class Server:
    """A socket of somebody who is no agent: talk(connection) in a thread for each."""

    def __init__(self, path, talk):
        self.talk, self.n = talk, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        self.open = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.n += 1
                self.open.append(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError):
            self.talk(connection)

    def close(self):
        for one in [self.listener, *self.open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class BadAgents(ClientCase):
    def talk_to(self, talk):
        self.make_spool()
        server = Server(self.socket, talk)
        self.addCleanup(server.close)
        start = time.monotonic()
        self.assertIsNotNone(self.report())
        return server, time.monotonic() - start

    def test_one_who_never_answers_is_waited_for_once(self):
        stop = threading.Event()
        self.addCleanup(stop.set)
        server, seconds = self.talk_to(lambda connection: stop.wait(60))
        self.assertGreater(seconds, 0.2)
        self.assertLess(seconds, 5)  # the wait is 0.25 s; a busy machine adds to it
        self.report()
        self.assertEqual(server.n, 1)
        self.assert_counts(0, 2, 0)

    def test_one_who_drips_is_not_waited_for_byte_by_byte(self):
        stop = threading.Event()
        self.addCleanup(stop.set)

        def drip(connection):
            while not stop.wait(0.05):
                connection.sendall(b"H")

        _, seconds = self.talk_to(drip)
        self.assertLess(seconds, 5)
        self.assert_counts(0, 1, 0)

    def test_one_who_hangs_up_or_talks_nonsense_has_not_taken_it(self):
        self.talk_to(lambda connection: connection.shutdown(socket.SHUT_RDWR))
        self.assert_counts(0, 1, 0)

    def test_one_who_has_no_room_has_not_taken_it(self):
        def refuse(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")

        self.talk_to(refuse)
        self.assert_counts(0, 1, 0)
        self.assertIn("503", self.client.status()["last_error"])

    def test_one_whose_answers_cannot_be_told_apart_is_asked_anew_each_time(self):
        def answer(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more")

        server, _ = self.talk_to(answer)
        self.report()
        self.assertEqual(server.n, 2)
        self.assert_counts(2, 0, 0)


class Broken:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class BrokenError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class BrokenText(str):
    def __eq__(self, other):
        raise RuntimeError("no likeness")

    __hash__ = str.__hash__


class BrokenDict(dict):
    def items(self):
        raise RuntimeError("no items")


class NeverRaises(ClientCase):
    def setUp(self):
        super().setUp()
        self.make_spool()

    def stored(self, n=1):
        self.assertEqual(self.counts()[1:], (n, 0), self.client.status())
        self.assertIn(f"took in {n} records, 0 to quarantine, 0 damaged", self.once().stdout)
        return self.occurrences()

    def report_error(self, err, **kwargs):
        try:
            raise err
        except BaseException as caught:
            return self.client.report_exc_info(caught, **kwargs)

    def test_odd_values_become_text(self):
        cycle = {}
        cycle["self"] = cycle
        extra = {
            "broken": Broken(), "cycle": cycle, "nan": float("nan"), "inf": float("inf"),
            "big": 1 << 70, "bytes": b"\xff", "set": {1}, 7: "key", "long": "x" * 100000,
            "many": list(range(100000)), "surrogate": "\ud800",
            "deep": [[[[[[[[[[1]]]]]]]]]], None: 1,
        }  # fmt: skip
        self.client.report_message("odd", extra_data=extra)
        self.client.report_message(Broken())
        self.client.report_message("x", extra_data=Broken(), payload_data=Broken())
        self.client.report_message(None, level=Broken(), request=Broken())
        found = {d["body"]["message"]["body"]: d["custom"] for d in self.stored(4)}
        self.assertIn("<a Broken that cannot be printed>", found)
        self.assertEqual(found["odd"]["big"], str(1 << 70))
        self.assertEqual(found["odd"]["surrogate"], "?")
        self.assertLess(len(str(found["odd"])), 20000)

    def test_what_adorns_a_report_does_not_cost_it(self):
        """Rollbar refuses an item for a title too long, and nobody would see the error."""
        odd = [
            {"title": "x" * 256}, {"title": ""}, {"title": {"not": "text"}}, {"fingerprint": 5},
            {"context": "x" * 300}, {"framework": ["x"]}, {"person": {"name": "no id"}},
            {"person": {"id": 7, "email": "e" * 256, "username": None}}, {"person": "me"},
            {"custom": {str(n): n for n in range(300)}, "title": "behind much"},
        ]  # fmt: skip
        requests = [
            {1: 2}, {"PATH_INFO": 5}, {"HTTP_TRACEPARENT": 5}, {"HTTP_X_AMZN_TRACE_ID": 5},
            {"towbar.trace": 5},
        ]  # fmt: skip
        for payload in odd:
            self.client.report_message(f"{payload}"[:60], payload_data=payload)
        for request in requests:
            self.report_error(ValueError("x"), request=request, level=BrokenText("error"))
        self.client.report_message("no truth", extra_data=BrokenDict(a=1))
        stored = self.stored(len(odd) + len(requests) + 1)
        titles = [data["title"] for data in stored if "title" in data]
        self.assertIn("behind much", titles)
        self.assertIn("x" * 255, titles)
        people = [data["person"] for data in stored if data.get("person")]
        self.assertEqual(people, [{"id": "7", "email": "e" * 255, "username": None}])
        self.assertIn("5", [data.get("fingerprint") for data in stored])

    def test_of_much_extra_data_only_what_is_kept_is_looked_at(self):
        class Much(dict):
            def items(self):
                for n in range(1000000):
                    seen.append(n)
                    yield n, n

        seen = []
        self.client.report_message("x", extra_data=Much(a=1))
        self.stored(1)
        self.assertLessEqual(len(seen), self.client.EXTRA_NODES)

    def test_odd_exceptions_are_reported(self):
        circle = ValueError("a")
        circle.__cause__ = KeyError("b")
        circle.__cause__.__cause__ = circle
        errors = [
            circle, BrokenError(), ValueError("\udcff\x00\n"), ValueError("x" * 10_000_000),
            KeyboardInterrupt(), type("Ünïcode" * 100, (Exception,), {})("y"), ValueError({1: {}}),
        ]  # fmt: skip
        for err in errors:
            self.assertIsNotNone(self.report_error(err))
        self.assertIsNotNone(self.client.report_exc_info(ValueError("never raised")))
        self.assertIsNone(self.client.report_exc_info())
        self.assertIsNone(self.client.report_exc_info("no exception"))
        self.assertIsNone(self.client.report_exc_info(()))
        for data in self.stored(len(errors) + 1):
            self.assertLess(len(str(data)), 20000)

    def test_a_deep_recursion_keeps_both_ends(self):
        def dive(depth):
            if depth == 0:
                raise ValueError("at the bottom")
            dive(depth - 1)

        before = sys.getrecursionlimit()
        sys.setrecursionlimit(3000)
        try:
            dive(1000)
        except ValueError:
            self.client.report_exc_info()
        finally:
            sys.setrecursionlimit(before)
        (data,) = self.stored()
        frames = data["body"]["trace"]["frames"]
        self.assertEqual(len(frames), 200)
        self.assertEqual(frames[0]["method"], "test_a_deep_recursion_keeps_both_ends")
        self.assertEqual(frames[-1]["code"], 'raise ValueError("at the bottom")')

    def test_reporting_where_the_stack_is_full_does_not_raise(self):
        raised = []

        def dive():
            try:
                dive()
            except RecursionError:
                for report in (
                    self.client.report_exc_info, lambda: self.client.report_message("x"),
                    self.client.traceparent, self.client.status,
                ):  # fmt: skip
                    try:
                        report()
                    except RecursionError as err:
                        # Only the call itself may fail, which no code of the client can help.
                        last = err.__traceback__
                        while last.tb_next is not None:
                            last = last.tb_next
                        if last.tb_frame.f_code.co_filename == CLIENT:
                            raised.append(report)
                raise

        with contextlib.suppress(RecursionError):
            dive()
        self.assertEqual(raised, [])

    def test_a_chain_of_thousands_is_cut(self):
        err = None
        for n in range(3000):
            new = ValueError(str(n))
            new.__context__ = err
            err = new
        self.report_error(err)
        (data,) = self.stored()
        self.assertEqual(len(data["body"]["trace_chain"]), 10)

    def test_an_item_is_cut_to_256_kib(self):
        name = "/" + "d" * 3000 + ".py"
        code = compile("def f(n):\n  if n: f(n-1)\n  else: 1/0\n", name, "exec")
        scope = {}
        exec(code, scope)
        try:
            scope["f"](300)
        except ZeroDivisionError:
            self.client.report_exc_info(request=environ())
        (name,) = self.files()
        self.assertLess(os.stat(os.path.join(self.spool, "in", name)).st_size, 257 << 10)
        (data,) = self.stored()
        self.assertIs(data["custom"]["truncated"], True)
        self.assertEqual(data["custom"]["trace_id"], TRACE)
        self.assertIn(len(data["body"]["trace"]["frames"]), (50, 10))

    def test_what_reports_while_it_is_reported_is_left_out(self):
        class Reporting(Exception):
            def __str__(me):
                self.client.report_message("from within")
                return "outer"

        self.report_error(Reporting())
        (data,) = self.stored()
        self.assertEqual(data["body"]["trace"]["exception"]["message"], "outer")

    def test_a_folder_that_is_gone_names_no_root(self):
        here = os.getcwd()
        gone = self.path("gone")
        os.mkdir(gone)
        os.chdir(gone)
        try:
            os.rmdir(gone)
            with unittest.mock.patch.dict(os.environ, {"TOWBAR_ROOT": ""}):
                self.init(root=None, service=None)
            self.client.report_message("x")
        finally:
            os.chdir(here)
        self.assertEqual(self.counts(), (0, 1, 0))

    def test_python_3_8_can_read_it(self):
        with open(CLIENT, encoding="utf-8") as file:
            ast.parse(file.read(), feature_version=(3, 8))

    def test_flask_is_needed_by_init_app_alone(self):
        with unittest.mock.patch.dict(sys.modules, {"flask": None}):
            self.client.init_app(object())
        self.assertEqual(self.counts(), (0, 0, 1))
        self.assertIn("flask", self.client.status()["last_error"])


def fake_opentelemetry(valid=True, state=""):
    context = types.SimpleNamespace(
        is_valid=valid, trace_id=int(OTEL, 16), span_id=int(OTEL_SPAN, 16), trace_flags=0,
        trace_state=types.SimpleNamespace(to_header=lambda: state),
    )  # fmt: skip
    span = types.SimpleNamespace(get_span_context=lambda: context)
    trace = types.SimpleNamespace(get_current_span=lambda: span)
    return {"opentelemetry": types.SimpleNamespace(trace=trace), "opentelemetry.trace": trace}


def fake_xray(entity=None, error=None):
    def get():
        if error:
            raise error
        return entity

    recorder = types.SimpleNamespace(get_trace_entity=get)
    return {"aws_xray_sdk.core": types.SimpleNamespace(xray_recorder=recorder)}


class Entity(types.SimpleNamespace):
    """A segment or subsegment of the X-Ray SDK, as far as it is read."""

    def get_origin_trace_header(self):
        return getattr(self, "header", None)


SEGMENT = Entity(trace_id=XRAY, id=XRAY_SPAN, sampled=True, start_time=1767225600.25)


class Traces(unittest.TestCase):
    def setUp(self):
        self.client = load_client()
        self.client.init(socket="/nowhere", spool="/nowhere")

    def trace(self, modules, **headers):
        env = {"HTTP_" + name: value for name, value in headers.items()}
        with unittest.mock.patch.dict(sys.modules, modules):
            return self.client._trace(env)[:3]

    def test_opentelemetry_comes_first_and_xray_stands_beside_it(self):
        found = self.trace(
            {**fake_opentelemetry(), **fake_xray(SEGMENT)}, TRACEPARENT=f"00-{TRACE}-{SPAN}-01"
        )
        self.assertEqual(found, (OTEL, OTEL_SPAN, XRAY))

    def test_xray_comes_before_the_headers(self):
        found = self.trace(fake_xray(SEGMENT), TRACEPARENT=f"00-{TRACE}-{SPAN}-01")
        self.assertEqual(found, (XRAY_HEX, XRAY_SPAN, XRAY))

    def test_headers_come_last(self):
        modules = {**fake_opentelemetry(valid=False), **fake_xray(error=RuntimeError("none"))}
        header = f"Root={XRAY};Parent={XRAY_SPAN};Sampled=1"
        both = self.trace(modules, TRACEPARENT=f"00-{TRACE}-{SPAN}-01", X_AMZN_TRACE_ID=header)
        self.assertEqual(both, (TRACE, SPAN, XRAY))
        self.assertEqual(self.trace(modules, X_AMZN_TRACE_ID=header), (XRAY_HEX, None, XRAY))
        self.assertEqual(self.trace(modules), (None, None, None))

    def more(self, modules, error=None, **headers):
        """data.custom.trace of a report."""
        env = {"HTTP_" + name: value for name, value in headers.items()}
        with unittest.mock.patch.dict(sys.modules, modules):
            body = self.client._exception_body(error or ValueError("x"))
            data = self.client._data(body, "error", env, None, None, None, error)
        return data["custom"].get("trace")

    def test_the_segment_that_the_error_belongs_below_is_named(self):
        header = types.SimpleNamespace(data={"Lineage": "a:1|b:2"})
        segment = Entity(trace_id=XRAY, id="1" * 16, sampled=True, start_time=5.5, header=header)
        inner = Entity(
            trace_id=XRAY, id=XRAY_SPAN, sampled=True, start_time=6.5, parent_segment=segment
        )
        error = ValueError("x")
        error._cause_id = "ab" * 8
        self.assertEqual(
            self.more(fake_xray(inner), error),
            {
                "source": "api", "flags": "01", "xray_parent_id": XRAY_SPAN, "xray_is_local": True,
                "xray_sampled": "1", "xray_cause_id": "ab" * 8, "xray_lineage": "a:1|b:2",
                "started_at": 5.5,
            },
        )  # fmt: skip

    def test_opentelemetry_and_xray_are_told_side_by_side(self):
        modules = {**fake_opentelemetry(state="congo=1"), **fake_xray(SEGMENT)}
        found = self.more(modules, TRACEPARENT=f"00-{TRACE}-{SPAN}-01", TRACESTATE="other=2")
        self.assertEqual(
            found,
            {
                "source": "api", "flags": "00", "state": "congo=1", "xray_parent_id": XRAY_SPAN,
                "xray_is_local": True, "xray_sampled": "1", "started_at": 1767225600.25,
            },
        )  # fmt: skip

    def test_of_headers_the_callers_segment_is_named(self):
        header = f"Root={XRAY}; parent={XRAY_SPAN.upper()};Sampled=?;Lineage=a:1;Self=1-2-3"
        found = self.more(
            {}, TRACEPARENT=f"00-{TRACE}-{SPAN}-03", TRACESTATE="a=1", X_AMZN_TRACE_ID=header
        )
        self.assertEqual(
            found,
            {
                "source": "traceparent", "flags": "03", "state": "a=1",
                "xray_parent_id": XRAY_SPAN, "xray_sampled": "?", "xray_lineage": "a:1",
            },
        )  # fmt: skip
        found = self.more({}, X_AMZN_TRACE_ID=header)
        self.assertEqual((found["source"], found.get("flags")), ("xray", None))  # undecided
        found = self.more({}, X_AMZN_TRACE_ID=f"Root={XRAY};Sampled=0")
        self.assertEqual((found["xray_sampled"], found["flags"]), ("0", "00"))
        env = {"HTTP_X_AMZN_TRACE_ID": f"Root={XRAY}"}
        self.assertTrue(self.client.traceparent(env).endswith("-01"))
        env["HTTP_X_AMZN_TRACE_ID"] += ";Sampled=0"
        self.assertTrue(self.client.traceparent(env).endswith("-00"))
        self.assertIsNone(self.more({}))

    def test_what_is_odd_is_left_out(self):
        error = ValueError("x")
        error._cause_id = "no id"
        odd = Entity(trace_id=XRAY, id="no id", sampled=True, start_time="soon")
        self.assertEqual(
            self.more(fake_xray(odd), error), {"source": "api", "flags": "01", "xray_sampled": "1"}
        )
        none = Entity(trace_id="1-00000000-" + "0" * 24, id=XRAY_SPAN, sampled=True)
        self.assertIsNone(self.more(fake_xray(none)))
        # What the SDK has in the place of a segment that it does not record.
        none = Entity(trace_id="1-00000000-" + "0" * 24, id="0" * 16, sampled=False)
        self.assertEqual(self.more(fake_xray(none)), {"xray_sampled": "0"})
        found = self.more(fake_xray(none), X_AMZN_TRACE_ID=f"Root={XRAY};Sampled=?")
        self.assertEqual((found["xray_sampled"], found["source"]), ("0", "xray"))
        error._cause_id = "ab" * 8  # of a segment that is not ours
        self.assertNotIn("xray_cause_id", self.more({}, error, TRACEPARENT=f"00-{TRACE}-{SPAN}-01"))

    def test_a_request_began_when_it_came_in(self):
        began = []

        def app(environ, start_response):
            began.append(environ["towbar.started"])
            raise ValueError("x")

        with self.assertRaises(ValueError):
            self.client.wsgi(app)({"HTTP_TRACEPARENT": f"00-{TRACE}-{SPAN}-01"}, None)
        self.assertLess(abs(began[0] - time.time()), 60)

    def test_bad_headers_are_no_trace(self):
        zero = "0" * 32
        for text in ("", "00", f"ff-{TRACE}-{SPAN}-01", f"00-{zero}-{SPAN}-01",
                     f"00-{TRACE}-{zero[:16]}-01", f"00-{TRACE}-{SPAN}-01-more",
                     f"00-{TRACE.upper()}-{SPAN}-01"):  # fmt: skip
            self.assertEqual(self.trace({}, TRACEPARENT=text), (None, None, None), text)
        self.assertEqual(self.trace({}, TRACEPARENT=f"01-{TRACE}-{SPAN}-01-x")[0], TRACE)
        for text, flags in (("00-{}-{}-ff", "03"), ("01-{}-{}-ff", "01"), ("cc-{}-{}-02-a b", "00")):
            self.assertEqual(self.more({}, TRACEPARENT=text.format(TRACE, SPAN))["flags"], flags)
        two = f"cc-{TRACE}-{SPAN}-01-x,cc-{TRACE}-{SPAN}-01"
        self.assertEqual(self.trace({}, TRACEPARENT=two), (None, None, None))
        none = "1-00000000-" + "0" * 24
        for text in ("Root=1-2-3", XRAY, f"Root={none};Sampled=0", f"Root={XRAY};Root=1-2-3"):
            self.assertEqual(self.trace({}, X_AMZN_TRACE_ID=text), (None, None, None), text)
            found = self.trace({}, X_AMZN_TRACE_ID=text, TRACEPARENT=f"00-{TRACE}-{SPAN}-01")
            self.assertEqual(found, (TRACE, SPAN, None))

    def test_of_one_key_in_a_header_the_last_counts(self):
        header = f"Root=1-2-3;Parent=x;Sampled=1;Root={XRAY};Parent={XRAY_SPAN};Sampled=0"
        found = self.more({}, X_AMZN_TRACE_ID=header)
        self.assertEqual((found["xray_parent_id"], found["xray_sampled"]), (XRAY_SPAN, "0"))
        found = self.more({}, X_AMZN_TRACE_ID=f"{header};Parent={'0' * 16};Sampled=2")
        self.assertEqual(found, {"source": "xray"})

    def test_an_sdk_that_breaks_is_passed_over(self):
        odd = {"opentelemetry.trace": object(), "aws_xray_sdk.core": object()}
        self.assertEqual(self.trace(odd, TRACEPARENT=f"00-{TRACE}-{SPAN}-01")[0], TRACE)

    def test_the_outgoing_header_keeps_the_trace_and_has_a_new_span(self):
        env = environ()
        version, trace_id, span_id, flags = self.client.traceparent(env).split("-")
        self.assertEqual((version, trace_id, flags), ("00", TRACE, "01"))
        self.assertNotEqual(span_id, SPAN)
        with unittest.mock.patch.dict(sys.modules, fake_opentelemetry()):
            self.assertTrue(self.client.traceparent(env).startswith(f"00-{OTEL}-"))
            self.assertTrue(self.client.traceparent(env).endswith("-00"))

    def test_a_request_without_a_trace_gets_one_that_its_errors_have(self):
        env = environ(HTTP_TRACEPARENT="")
        first, second = self.client.traceparent(env), self.client.traceparent(env)
        self.assertEqual(first.split("-")[1], second.split("-")[1])
        self.assertEqual(self.client._trace(env)[0], first.split("-")[1])
        self.assertEqual(self.client.traceparent({}).count("-"), 3)


if __name__ == "__main__":
    unittest.main()
