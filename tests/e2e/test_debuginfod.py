"""A stripped program's crash is named with debug data from a debuginfod server: the real one of
elfutils on loopback, and some that mean ill. Without a server, or with one that is away, the crash
is stored all the same."""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

SECRET = "the words of a secret file"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def build_id_of(path):
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True)
    return re.search(r"Build ID: ([0-9a-f]+)", notes.stdout).group(1)


def need(tool):
    if not shutil.which(tool):
        raise unittest.SkipTest(f"{tool} is not installed (src/dist/packages.txt)")


class Debuginfod:
    """The server of elfutils over a folder of debug files."""

    def __init__(self, folder, home):
        need("debuginfod")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        argv = ["debuginfod", "-p", str(self.port), "-d", ":memory:", "-t", "1", "-F", folder]
        self.process = subprocess.Popen(
            argv, env=towbar.clean_environment(home), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait_for(self, *ids):
        """Until it has scanned the files with these build ids."""
        end = time.monotonic() + towbar.DEADLINE_S
        for build_id in ids:
            url = f"{self.url}/buildid/{build_id}/debuginfo"
            while True:
                with contextlib.suppress(OSError):
                    with urllib.request.urlopen(url, timeout=5) as reply:
                        if reply.status == 200:
                            break
                if self.process.poll() is not None or time.monotonic() > end:
                    raise TimeoutError(f"debuginfod does not serve {build_id}")
                time.sleep(0.02)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Scripted:
    """A server that answers as answer(path) says: status, headers, body. None: it never does."""

    def __init__(self, answer):
        self.asked = asked = []
        self.ended = ended = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                reply = answer(self.path)
                if reply is None:
                    ended.wait(towbar.DEADLINE_S)
                    return
                status, headers, body = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


class DebuginfodTest(towbar.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("served"))

    # ---- the program and its debug data ----

    def strip(self, program):
        """The program is left with what it exports; its debug data go to the folder that is served.
        Returns the whole one and its build id."""
        full = program + ".full"
        debug = self.path("served", os.path.basename(program) + ".debug")
        shutil.move(program, full)
        self.run_tool("objcopy", "--only-keep-debug", full, debug)
        self.run_tool("objcopy", "--strip-all", full, program)
        return full, build_id_of(program)

    def run_tool(self, *argv):
        need(argv[0])
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{argv}: {done.stdout}{done.stderr}")
        return done.stdout

    def servers(self, *urls, timeout_ms=5000):
        listed = ", ".join(json.dumps(url) for url in urls)
        self.write_config(
            f"symbols:\n  debuginfod: [{listed}]\n  debuginfod_timeout_ms: {timeout_ms}\n"
        )

    def serve(self, *ids):
        server = Debuginfod(self.path("served"), self.path("home"))
        self.addCleanup(server.stop)
        server.wait_for(*ids)
        return server

    def scripted(self, answer):
        server = Scripted(answer)
        self.addCleanup(server.stop)
        return server

    def crash(self, program, mode="inlined"):
        self.run_program(program, mode, check=-signal.SIGSEGV)

    def newest(self):
        return max(self.occurrences(), key=lambda data: data["custom"]["occurred_at"])

    # ---- what is seen of it ----

    def module(self, data, name="job"):
        (module,) = [m for m in data["custom"]["native"]["modules"] if m["name"] == name]
        return module

    def own_frames(self, data, name="job"):
        """Frames of the program's main part, the innermost first."""
        frames = [f for f in data["body"]["trace"]["frames"] if f.get("module") == name]
        return [f for f in reversed(frames) if f["method"] not in ("_start", "<unknown>")]

    def expect_as_addr2line(self, data, full):
        """Method, file and line of each frame are what addr2line shows with all debug data."""
        frames = self.own_frames(data)
        expected, offsets = [], []
        for frame in frames:
            offset = int(frame["module_offset"], 16) - (0 if frame["trust"] == "context" else 1)
            if offset not in offsets:
                offsets.append(offset)
        said = self.run_tool("addr2line", "-ifC", "-e", full, *map(hex, offsets)).split("\n")
        for function, place in zip(said[0:-1:2], said[1::2]):
            file, line = place.split(" ")[0].rsplit(":", 1)
            expected.append((function, os.path.basename(file), int(line)))
        found = [(f["method"], os.path.basename(f["filename"]), f["lineno"]) for f in frames]
        self.assertEqual(found, expected)
        self.assertEqual([f[0] for f in found][-1], "main")

    def expect_nameless(self, data):
        self.assertIn(self.module(data)["symbols"], ("none", "exported"))
        self.assertNotIn("lineno", data["body"]["trace"]["frames"][-1])

    def stored(self):
        root = os.path.join(self.state, "symbols", "debuginfod")
        return sorted(
            os.path.relpath(os.path.join(folder, name), root)
            for folder, _, names in os.walk(root)
            for name in names
        )

    # ---- the real server ----

    def test_frames_come_from_the_real_server_and_stay(self):
        program = self.compile("job.c", "-O2")
        full, build_id = self.strip(program)
        self.crash(program)
        server = self.serve(build_id)
        self.servers(server.url)
        said = self.once().stderr
        self.assertIn(f"the debug data of build id {build_id} came from {server.url}", said)
        (data,) = self.occurrences()
        self.assertEqual(self.module(data)["symbols"], "debug")
        self.expect_as_addr2line(data, full)
        crashed = self.own_frames(data)[0]
        self.assertEqual((crashed["method"], crashed["inlined"]), ("link_message", True))
        self.assertEqual(data["title"], "SIGSEGV in link_message")
        self.assertEqual(self.stored(), [f".build-id/{build_id[:2]}/{build_id[2:]}.debug"])

        server.stop()  # what came is there for the next one
        self.crash(program)
        self.once()
        self.expect_as_addr2line(self.newest(), full)

    def test_what_dwz_moved_away_is_fetched_too(self):
        program = self.compile("job.c", "-O2")
        other = self.compile("job.c", "-O1", output="other")
        full, build_id = self.strip(program)
        self.strip(other)
        common = self.path("served", "common.debug")
        debugs = [self.path("served", name) for name in ("job.debug", "other.debug")]
        self.run_tool("dwz", "-m", common, *debugs)
        common_id = build_id_of(common)
        server = self.serve(build_id, common_id)
        self.crash(program)
        self.servers(server.url)
        self.once()
        (data,) = self.occurrences()
        self.expect_as_addr2line(data, full)
        names = [f".build-id/{i[:2]}/{i[2:]}.debug" for i in (build_id, common_id)]
        self.assertEqual(self.stored(), sorted(names))

        # Without the common file there are names, and it is said what is missing.
        os.unlink(os.path.join(self.state, "symbols", "debuginfod", names[1]))
        self.servers("http://127.0.0.1:1")
        self.crash(program)
        self.once()
        module = self.module(self.newest())
        self.assertEqual(module["note"], "needs the file dwz made, which is missing")
        self.assertEqual(module["missing"], common_id)

    # ---- servers that mean ill ----

    def serve_file(self, path):
        with open(path, "rb") as file:
            body = file.read()
        return self.scripted(lambda _: (200, {}, body))

    def test_another_programs_file_is_removed_and_not_asked_for_again(self):
        program = self.compile("job.c", "-O2")
        other = self.compile("deep.c", "-O2")
        _, build_id = self.strip(program)
        self.strip(other)
        server = self.serve_file(self.path("served", "deep.debug"))
        self.servers(server.url)
        self.crash(program)
        self.crash(program)
        said = self.once().stderr
        self.assertIn(f"what came for build id {build_id} is of no use and was removed", said)
        for data in self.occurrences():
            self.expect_nameless(data)
        self.assertEqual(server.asked.count(f"/buildid/{build_id}/debuginfo"), 1)
        self.assertEqual(self.stored(), [])

    def test_damaged_debug_data_cost_nothing_but_names(self):
        program = self.compile("job.c", "-O2")
        _, build_id = self.strip(program)
        debug = self.path("served", "job.debug")
        with open(debug, "rb") as file:
            body = bytearray(file.read())
        for at in range(len(body) // 4, len(body), 97):  # behind the build id
            body[at] ^= 0xA5
        server = self.scripted(lambda _: (200, {}, bytes(body)))
        self.servers(server.url)
        self.crash(program)
        self.crash(program)
        self.once()
        self.assertEqual(len(self.occurrences()), 2)
        self.assertLessEqual(server.asked.count(f"/buildid/{build_id}/debuginfo"), 1)

    def test_fetched_data_show_nobody_a_file(self):
        """Debug data may name any file as a source: its words must not be seen."""
        secret = self.path("secret.txt")
        with open(secret, "w", encoding="utf-8") as file:
            file.write(f"{SECRET}\n" * 200)
        os.chmod(secret, 0o600)
        program = self.compile("job.c", "-O2", f"-fdebug-prefix-map=job.c={secret}")
        _, build_id = self.strip(program)
        server = self.serve(build_id)
        self.servers(server.url)
        self.crash(program)
        self.once()
        (data,) = self.occurrences()
        self.assertEqual(self.own_frames(data)[0]["filename"], secret)
        self.assertNotIn(SECRET, json.dumps(data))

    def test_server_that_never_answers_costs_its_time_once(self):
        program = self.compile("job.c", "-O2")
        self.strip(program)
        server = self.scripted(lambda _: None)
        self.servers(server.url, timeout_ms=300)
        for _ in range(3):
            self.crash(program)
        self.once()
        self.assertEqual(len(server.asked), 1)
        self.assertEqual(len(self.occurrences()), 3)
        self.expect_nameless(self.newest())

    def test_redirects_to_files_are_not_followed(self):
        program = self.compile("job.c", "-O2")
        self.strip(program)
        debug = self.path("served", "job.debug")
        for target in (f"file://{debug}", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"):
            server = self.scripted(lambda _, to=target: (302, {"Location": to}, b""))
            self.servers(server.url)
            self.crash(program)
            self.once()
            self.expect_nameless(self.newest())
        self.assertEqual(self.stored(), [])

    # ---- what is said of it ----

    def test_no_password_is_shown(self):
        program = self.compile("job.c", "-O2")
        self.strip(program)
        server = self.scripted(lambda _: (503, {}, b"not now"))
        host = server.url.removeprefix("http://")
        self.servers(f"http://andrew:p4ssword@{host}")
        self.crash(program)
        with self.agent() as agent:
            agent.wait_log("it answers 503")
            end = time.monotonic() + towbar.DEADLINE_S
            while True:
                shown = agent.get("/status")[1].decode()
                status = json.loads(shown)
                if status["counts"]["occurrences"] == 1 or time.monotonic() > end:
                    break
                time.sleep(0.02)
            told = self.towbar(
                "status", "--socket", self.socket, "--config", self.config, check=None
            ).stdout
            log = agent.log
        checked = self.towbar("check", "--config", self.config, check=None).stdout
        self.assertEqual(status["debuginfod"]["failed"], 1)
        self.assertEqual(status["debuginfod"]["servers"], [f"http://********@{host}"])
        self.assertIn(f"http://********@{host} answers 503", checked)
        self.assertIn(f"0 came, 0 nobody had, 1 failed, at last http://********@{host}", told)
        for text in (shown, log, checked, told):
            self.assertNotIn("p4ssword", text)

    def test_check_tells_who_cannot_be_reached(self):
        self.servers("http://127.0.0.1:1")
        done = self.towbar("check", "--config", self.config, check=1)
        self.assertRegex(done.stdout, r"FAIL +debuginfod +http://127.0.0.1:1 cannot be reached")
        server = self.scripted(lambda _: (404, {}, b""))
        self.servers(server.url)
        done = self.towbar("check", "--config", self.config, check=None)
        self.assertRegex(done.stdout, rf"ok +debuginfod +{server.url} answers")


if __name__ == "__main__":
    unittest.main()
