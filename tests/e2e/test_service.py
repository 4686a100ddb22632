"""towbard as a service of the host: what it tells its manager, and that its unit is strict and
works.

No systemd runs here. The unit's user, folders, file systems and system calls are made as it asks
for them (tests/support/unit_sandbox.py), with systemd's own tools where they are installed; that
takes root, else the tests of it are skipped.
"""

import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

DIST = os.path.join(towbar.SOURCE, "src", "dist")
UNIT = os.path.join(DIST, "towbard.service")
SANDBOX = os.path.join(towbar.SOURCE, "tests", "support", "unit_sandbox.py")
REPORTER = 61234  # a user whom nobody knows
EXPOSURE_MAX = 20  # tenths


def run(*argv, **kwargs):
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, **kwargs)


def needs(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return unittest.skipIf(missing, f"there is no {', '.join(missing)}")


class Manager:
    """The end of NOTIFY_SOCKET that belongs to a service manager."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(towbar.DEADLINE_S)
        self.socket.bind(path)
        self.heard = []

    def close(self):
        self.socket.close()

    def wait(self, line):
        """Until a message has that line; what came before it stays in .heard."""
        while True:
            lines = self.socket.recv(4096).decode().split("\n")
            self.heard += lines
            if line in lines:
                return lines


class NotifyTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.manager = Manager(self.path("notify"))
        self.addCleanup(self.manager.close)

    def test_the_manager_hears_ready_reloading_and_stopping(self):
        agent = self.agent(NOTIFY_SOCKET=self.path("notify"))
        self.manager.wait("READY=1")
        agent.process.send_signal(signal.SIGHUP)
        lines = self.manager.wait("RELOADING=1")
        self.assertTrue(lines[1].startswith("MONOTONIC_USEC="), lines)
        self.manager.wait("READY=1")
        self.write_config("nonsense: 1\n")
        agent.process.send_signal(signal.SIGHUP)
        self.manager.wait("RELOADING=1")
        self.manager.wait("READY=1")  # with the former settings
        self.assertEqual(agent.stop(), 0)
        self.manager.wait("STOPPING=1")
        self.assertNotIn("WATCHDOG=1", self.manager.heard)

    def test_ready_means_that_it_answers(self):
        agent = self.agent(NOTIFY_SOCKET=self.path("notify"))
        self.manager.wait("READY=1")
        self.assertEqual(agent.get("/readyz")[0], 200)

    def test_the_watchdog_is_fed_while_it_is_well(self):
        agent = self.agent(NOTIFY_SOCKET=self.path("notify"), WATCHDOG_USEC="100000")
        for _ in range(5):
            lines = self.manager.wait("WATCHDOG=1")
            self.assertTrue(lines[1].startswith("STATUS="), lines)
        self.assertEqual(agent.stop(), 0)

    def test_one_that_cannot_start_is_never_ready(self):
        self.write_config("nonsense: 1\n")
        agent = self.agent(NOTIFY_SOCKET=self.path("notify"))
        self.assertEqual(agent.process.wait(towbar.DEADLINE_S), 1)
        self.manager.socket.setblocking(False)
        self.assertRaises(BlockingIOError, self.manager.socket.recv, 1)


class UnitTest(unittest.TestCase):
    @needs("systemd-analyze")
    def test_its_exposure_is_two_at_most(self):
        done = run("systemd-analyze", "--no-pager", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", UNIT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_it_has_no_capabilities_and_no_core(self):
        with open(UNIT, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for line in ("CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes", "LimitCORE=0",
                     "User=towbar", "Type=notify", "OOMPolicy=continue"):  # fmt: skip
            self.assertIn(line, lines)


class InstalledTest(towbar.Case):
    """What cmake --install puts into a host."""

    def install(self, prefix="/usr"):
        root = self.path("root")
        done = run("cmake", "--install", towbar.BUILD, "--prefix", prefix, "--component", "Service",
                   env={**os.environ, "DESTDIR": root})  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return root

    def test_the_files_are_where_systemd_looks(self):
        root = self.install()
        for path in ("lib/systemd/system/towbard.service", "lib/sysusers.d/towbar.conf", "lib/tmpfiles.d/towbar.conf"):
            self.assertTrue(os.path.isfile(os.path.join(root, "usr", path)), path)

    def test_the_unit_names_the_program_that_was_installed_with_it(self):
        for prefix in ("/usr", "/usr/local"):
            root = self.install(prefix)
            with open(f"{root}{prefix}/lib/systemd/system/towbard.service", encoding="utf-8") as file:
                lines = file.read().splitlines()
            self.assertIn(f"ExecStart={prefix}/bin/towbard", lines)
            self.assertIn(f"ExecReload={prefix}/bin/towbard --check-config", lines)
            self.assertIn(f"Documentation=file:{prefix}/share/doc/towbar/operate.md", lines)

    @needs("systemd-analyze")
    def test_systemd_reads_the_unit(self):
        root = self.install()
        with open(os.path.join(root, "usr/lib/systemd/system/towbard.service"), encoding="utf-8") as file:
            text = file.read()
        unit = self.path("towbard.service")
        with open(unit, "w", encoding="utf-8") as file:
            installed = [line for line in text.splitlines() if line.startswith("ExecStart=")][0].split("=")[1]
            file.write(text.replace(installed, '"' + towbar.binary("towbard") + '"'))
        done = run("systemd-analyze", "--no-pager", "verify", unit)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout + done.stderr)


@unittest.skipIf(os.geteuid() != 0, "only root can be another user")
@unittest.skipIf(towbar.SANITIZE, "a sanitizer needs more than the unit leaves")
@needs("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles", "unshare")
class HostTest(towbar.Case):
    """A host of its own: user, folders and file systems as the unit's files say."""

    def setUp(self):
        super().setUp()
        if run("unshare", "--mount", "--propagation", "private", "true").returncode != 0:
            self.skipTest("no file systems of one's own can be had here")
        os.chmod(self.folder, 0o755)
        self.root = self.path("root")
        for folder in ("etc/towbar", "var/lib/towbar", "run/towbar", "credentials"):
            os.makedirs(os.path.join(self.root, folder))
        self.tool("systemd-sysusers", "sysusers.conf")
        self.tool("systemd-tmpfiles", "tmpfiles.conf", "--create")
        with open(os.path.join(self.root, "etc/passwd"), encoding="utf-8") as users:
            (line,) = [line for line in users if line.startswith("towbar:")]
        self.uid, self.gid = (int(n) for n in line.split(":")[2:4])
        for folder in ("var/lib/towbar", "run/towbar", "credentials"):
            os.chown(os.path.join(self.root, folder), self.uid, self.gid)
        os.chmod(os.path.join(self.root, "var/lib/towbar"), 0o750)
        self.spool = os.path.join(self.root, "var/spool/towbar")
        self.state = os.path.join(self.root, "var/lib/towbar")
        self.socket = os.path.join(self.root, "run/towbar/towbard.sock")
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def tool(self, name, conf, *flags):
        done = run(name, *flags, f"--root={self.root}", os.path.join(DIST, conf))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def service(self, **env):
        """The agent as the unit starts it, with the spool, state folder and socket of the system."""
        token = os.path.join(self.root, "credentials/rollbar_token")
        with open(token, "w", encoding="utf-8") as file:
            file.write(towbar.TOKEN + "\n")
        os.chown(token, self.uid, self.gid)
        os.chmod(token, 0o400)
        mounts = " && ".join(
            [f"mount --bind {shlex.quote(os.path.join(self.root, p))} /{p}" for p in ("var/lib", "var/spool", "run")]
            + ["mount -o remount,bind,ro /"]
        )
        start = [sys.executable, "-B", SANDBOX, UNIT, str(self.uid), str(self.gid), "--", towbar.binary("towbard"),
                 "--config", os.path.join(self.root, "etc/towbar/towbard.yaml")]  # fmt: skip
        script = f"{mounts} && exec {shlex.join(start)}"
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        env = {**self.agent_env(self.fake, None), "CREDENTIALS_DIRECTORY": os.path.join(self.root, "credentials"), **env}
        agent = towbar.Agent(argv, env, self.socket)
        self.addCleanup(agent.kill9)
        return agent

    def as_reporter(self):
        os.setgroups([])
        os.setresgid(REPORTER, REPORTER, REPORTER)
        os.setresuid(REPORTER, REPORTER, REPORTER)

    def test_the_drop_box_is_as_the_format_says(self):
        box = os.stat(os.path.join(self.spool, "in"))
        self.assertEqual((stat.S_IMODE(box.st_mode), box.st_uid, box.st_gid), (0o3733, self.uid, self.gid))
        spool = os.stat(self.spool)
        self.assertEqual((stat.S_IMODE(spool.st_mode), spool.st_uid), (0o755, self.uid))

    def test_another_users_daemon_reports_and_all_arrives(self):
        manager = Manager(self.path("notify"))
        self.addCleanup(manager.close)
        os.chmod(self.path("notify"), 0o777)
        with open(os.path.join(self.root, "etc/towbar/towbard.yaml"), "w", encoding="utf-8") as file:
            file.write("listen: 127.0.0.1:0\nrollbar:\n  retry_min_ms: 20\n  retry_max_ms: 200\n")
        job = self.compile("job.c", "-O0")
        with self.service(NOTIFY_SOCKET=self.path("notify")) as agent:
            manager.wait("READY=1")
            self.run_program(job, "error", preexec_fn=self.as_reporter)
            self.run_program(job, "crash", preexec_fn=self.as_reporter)
            item = {"data": {"environment": "test", "body": {"message": {"body": "by socket"}}}}
            self.assertEqual(self.post_as_reporter(json.dumps(item)), 200)
            self.fake.wait_for(lambda f: len(f.occurrences) >= 3, towbar.DEADLINE_S)
            metrics = agent.get("/metrics")[1].decode()
            self.assertIn('towbard_symbolize_total{result="failed"} 0\n', metrics)
            self.assertNotIn('towbard_symbolize_total{result="answered"} 0\n', metrics)
            with open(f"/proc/{self.pid_of(agent)}/status", encoding="ascii") as file:
                status = file.read()
            self.assertIn(f"Uid:\t{self.uid}\t{self.uid}\t{self.uid}", status)
            for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
                self.assertIn(f"Cap{kind}:\t0000000000000000\n", status)
            os.kill(self.pid_of(agent), signal.SIGHUP)
            agent.wait_log("read again")
            self.assertNotIn("level=error", agent.log)
        self.assert_clean(self.fake)
        crash = next(o.data for o in self.fake.occurrences if o.data.get("level") == "critical")
        frames = crash["body"]["trace"]["frames"]
        # Read by the symbolizer, which shuts itself in beside the unit.
        self.assertTrue(any(f.get("filename", "").endswith("job.c") and f.get("lineno") for f in frames), frames)

    def pid_of(self, agent):
        """unshare, sh and the sandbox have each become the next."""
        return agent.process.pid

    def post_as_reporter(self, text):
        """The status. A child of its own, since there may be no Python that this user may run."""
        pid = os.fork()
        if pid == 0:
            code = 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.as_reporter()
                connection = towbar.UnixConnection(self.socket)
                connection.request("POST", "/api/1/item/", text)
                code = connection.getresponse().status - 200
            os._exit(code & 255)
        return 200 + os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class SecondAgentTest(towbar.Case):
    """Two agents at one place: the second says so and goes, the first is not disturbed."""

    def refused(self, *flags, **others):
        argv = [
            towbar.binary("towbard"), "--config", self.config,
            "--spool", others.get("spool", self.spool), "--state-dir", others.get("state", self.state),
            "--socket", others.get("socket", self.socket), "--listen", "127.0.0.1:0", *flags,
        ]  # fmt: skip
        done = run(*argv, env=self.agent_env())
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stderr

    def test_any_place_that_is_taken_is_named(self):
        with self.agent() as agent:
            said = self.refused()
            self.assertIn(self.spool, said)
            said = self.refused(state=self.path("other"), socket=self.path("other.sock"))
            self.assertIn(self.spool, said)
            said = self.refused(spool=self.path("spool2"), socket=self.path("other.sock"))
            self.assertIn(self.state, said)
            said = self.refused(spool=self.path("spool3"), state=self.path("state3"))
            self.assertIn(self.socket, said)
            self.assertIn("another towbard", said)
            for flags in ({}, {"state": self.path("other")}, {"spool": self.path("spool2")}):
                said = self.refused("--once", **flags)
                self.assertIn("another", said)
            self.assertEqual(agent.get("/readyz")[0], 200)
            self.assertEqual(os.path.exists(self.socket), True)


if __name__ == "__main__":
    unittest.main()
