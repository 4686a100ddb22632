"""Runs the built programs for the tests of tests/e2e.

    class MyTest(towbar.Case):
        def test_it(self):
            job = self.compile("job.c", "-O2")     from tests/e2e/programs, against libtowbar
            self.run_program(job, "error")         with this test's spool
            self.once(fake)                        towbard --once
            self.occurrences()                     towbar occurrences --json

1. Each test has a folder of its own, with spool and state, and nothing from outside: no TOWBAR_*,
   no ROLLBAR_* of the caller's environment, a HOME of its own.
2. What a test starts is ended with it, whatever happens.
3. Nothing waits without a deadline.

TOWBAR_BUILD names the build folder, CC the compiler, SANITIZE what the build was made with.
"""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.realpath(os.environ.get("TOWBAR_SOURCE") or os.path.join(HERE, "..", ".."))
BUILD = os.path.realpath(os.environ.get("TOWBAR_BUILD") or os.path.join(SOURCE, "build"))
SANITIZE = os.environ.get("SANITIZE", "")
PROGRAMS = os.path.join(SOURCE, "tests", "e2e", "programs")
DEADLINE_S = 30 if not SANITIZE else 90
TOKEN = "0123456789abcdef0123456789abcdef"

FOREIGN = ("TOWBAR_", "ROLLBAR_", "XDG_", "OTEL_", "HONEYCOMB_", "AWS_", "SANITIZE", "LD_")
# A sanitizer must leave the signals to the program under test.
LEAVE_SIGNALS = ":".join(
    [f"handle_{name}=0" for name in ("segv", "sigbus", "abort", "sigfpe", "sigill", "sigtrap")]
    + ["use_sigaltstack=0"]
)


def binary(name):
    return os.path.join(BUILD, "bin", name)


def clean_environment(home):
    env = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(FOREIGN) and key not in ("TRACEPARENT", "_X_AMZN_TRACE_ID")
    }
    env.update(HOME=home, LC_ALL="C.UTF-8", no_proxy="127.0.0.1", NO_PROXY="127.0.0.1")
    return env


def line_of(source, marker):
    """The number of the line that ends in the comment "here: MARKER"."""
    with open(source, encoding="utf-8") as lines:
        found = [n for n, text in enumerate(lines, 1) if f"/* here: {marker} */" in text]
    assert len(found) == 1, f"{marker} stands {len(found)} times in {source}"
    return found[0]


def attributes(data):
    return {pair["key"]: pair["value"] for pair in data.get("attributes", [])}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("towbar", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Agent:
    """A running towbard. Its words are in .log, line by line."""

    def __init__(self, argv, env, socket_path, **who):
        self.socket_path = socket_path
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            **who,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self.wait_ready()

    def __exit__(self, kind, *unused):
        """Ends it as an operator would; that must go well if the test did."""
        if kind is None and self.process.poll() is None and self.stop() != 0:
            raise RuntimeError(f"towbard ended with {self.process.returncode}:\n{self.log}")
        self.kill9()

    def _read(self):
        with self.process.stdout as words:
            for line in words:
                with self.changed:
                    self.lines.append(line)
                    self.changed.notify_all()

    @property
    def log(self):
        with self.changed:
            return "".join(self.lines)

    def wait_log(self, text, timeout=DEADLINE_S, n=1):
        """Until it has said so n times."""
        with self.changed:
            if not self.changed.wait_for(
                lambda: sum(text in line for line in self.lines) >= n, timeout
            ):
                raise TimeoutError(f"the agent did not say {text!r}:\n" + "".join(self.lines))

    def wait_ready(self, timeout=DEADLINE_S):
        """Until /healthz answers on its socket."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/healthz")[0] == 200:
                    return self
            if self.process.poll() is not None:
                self.reader.join(1)
                raise RuntimeError(f"towbard ended with {self.process.returncode}:\n{self.log}")
            with self.changed:
                self.changed.wait(0.01)
        raise TimeoutError(f"towbard is not ready:\n{self.log}")

    def request(self, method, path, body=None, headers=None):
        """Status and body of a request over the Unix socket."""
        connection = UnixConnection(self.socket_path)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def kill9(self):
        """Ends it as a power failure would, with all it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)
        self.reader.join(DEADLINE_S)

    def stop(self):
        """SIGTERM; returns its exit code."""
        self.process.terminate()
        code = self.process.wait(DEADLINE_S)
        self.reader.join(DEADLINE_S)
        return code


class Case(unittest.TestCase):
    longMessage = True
    maxDiff = 4000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="towbar-e2e.", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.spool = self.path("spool")
        self.state = self.path("state")
        self.socket = self.path("towbard.sock")
        self.config = self.path("towbard.yaml")
        os.mkdir(self.path("home"))
        self.write_config()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    # ---- the program under test ----

    def compile(self, name, *flags, output=None):
        """Builds tests/e2e/programs/NAME. The source is copied, so that its root is known."""
        sources = self.path("src")
        os.makedirs(sources, exist_ok=True)
        copy = os.path.join(sources, name)
        shutil.copyfile(os.path.join(PROGRAMS, name), copy)
        os.chmod(copy, 0o644)
        output = self.path(output or os.path.splitext(name)[0])
        compiler = [*(os.environ.get("CC") or "cc").split(), "-g", "-Wall", "-Wextra", *flags]
        include = os.path.join(SOURCE, "include")
        self.build([*compiler, "-I", include, "-c", name, "-o", output + ".o"])
        lib = os.path.join(BUILD, "lib")
        link = [*compiler, output + ".o", "-o", output, "-L", lib, "-ltowbar", f"-Wl,-rpath,{lib}"]
        if SANITIZE:  # The runtime that the library needs; the program's faults stay its own.
            link.append(f"-fsanitize={SANITIZE}")
        self.build([*link, "-pthread"])
        return output

    def build(self, command):
        done = subprocess.run(
            command, cwd=self.path("src"), capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")

    def program_env(self, **more):
        env = clean_environment(self.path("home"))
        env.update(
            TOWBAR_SPOOL=self.spool, TOWBAR_SOCKET=self.socket, TOWBAR_SERVICE="job",
            TOWBAR_ENVIRONMENT="test", TOWBAR_ROOT=self.path("src"),
            ASAN_OPTIONS=LEAVE_SIGNALS + ":detect_leaks=0",
            UBSAN_OPTIONS=LEAVE_SIGNALS, TSAN_OPTIONS=LEAVE_SIGNALS,
        )  # fmt: skip
        env.update(more)
        return env

    def run_program(self, program, *args, env=None, check=None, **kwargs):
        """Runs it to its end. check: the exit code that it must have; negative for a signal."""
        done = subprocess.run(
            [program, *args], env=env or self.program_env(), capture_output=True, text=True,
            timeout=DEADLINE_S, check=False, **kwargs,
        )  # fmt: skip
        if check is not None:
            self.assertEqual(done.returncode, check, f"{args}: {done.stdout}{done.stderr}")
        return done

    def start(self, program, *args, **kwargs):
        process = subprocess.Popen(
            [program, *args], env=self.program_env(), stdout=subprocess.PIPE, text=True, **kwargs
        )

        def end():
            process.kill()
            process.wait()
            process.stdout.close()

        self.addCleanup(end)
        return process

    # ---- the agent ----

    def write_config(self, text=None):
        """The default has short back-offs, so that no test waits long, and all the time there is
        for one user's crashes."""
        if text is None:
            text = "rollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n  timeout_ms: 5000\n"
            text += "symbols:\n  user_budget_ms: 60000\n"
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def agent_env(self, fake=None, token=TOKEN, **more):
        env = clean_environment(self.path("home"))
        if fake is not None:
            env.update(ROLLBAR_ENDPOINT=fake.url)
            if token:
                env.update(ROLLBAR_ACCESS_TOKEN=token)
        env.update(more)
        return env

    def agent_argv(self, *flags):
        return [
            binary("towbard"), "--config", self.config, "--spool", self.spool,
            "--state-dir", self.state, *flags,
        ]  # fmt: skip

    def agent(self, fake=None, token=TOKEN, flags=(), **env):
        """A running agent, to be used with "with", or with .kill9() and .stop()."""
        argv = self.agent_argv("--socket", self.socket, "--listen", "127.0.0.1:0", *flags)
        agent = Agent(argv, self.agent_env(fake, token, **env), self.socket)
        self.addCleanup(lambda: self.assertNotIn("Sanitizer:", agent.log))
        self.addCleanup(agent.kill9)
        return agent

    def once(self, fake=None, token=TOKEN, check=0, flags=(), **env):
        """towbard --once."""
        done = subprocess.run(
            self.agent_argv("--once", *flags), env=self.agent_env(fake, token, **env),
            capture_output=True, text=True, errors="replace", timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        if check is not None:
            self.assertEqual(done.returncode, check, done.stdout + done.stderr)
        return done

    # ---- the tool ----

    def towbar(self, *args, check=0, env=None):
        done = subprocess.run(
            [binary("towbar"), *args], env=env or self.agent_env(), capture_output=True, text=True,
            errors="replace", timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        if check is not None:
            self.assertEqual(done.returncode, check, f"{args}: {done.stdout}{done.stderr}")
        return done

    def read_json(self, verb, *args, check=0):
        done = self.towbar(verb, *args, "--json", "--state-dir", self.state, check=check)
        # Not splitlines, which also splits at U+2028.
        return [json.loads(line) for line in done.stdout.split("\n") if line]

    def occurrences(self, *args):
        """Each is the data of the envelope as it is sent."""
        return self.read_json("occurrences", *args)

    def items(self):
        return self.read_json("items")

    def status(self):
        # The exit code says whether all is well; what is asked here is the numbers.
        (status,) = self.read_json("status", check=None)
        return status

    def wait_status(self, predicate, timeout=DEADLINE_S):
        """Asks until predicate(status) holds; there is nothing to wait on but the answer."""
        end = time.monotonic() + timeout
        while True:
            status = self.status()
            if predicate(status):
                return status
            if time.monotonic() > end:
                self.fail(f"not within {timeout} s: {json.dumps(status, indent=1)}")
            select.select([], [], [], 0.02)

    # ---- what holds for every item ----

    def assert_clean(self, fake):
        """Nothing was refused, nothing was odd."""
        self.assertEqual(fake.warnings, [])
        bad = [(r.status, r.reply) for r in fake.requests if r.status not in (0, 200)]
        self.assertEqual(bad, [])
