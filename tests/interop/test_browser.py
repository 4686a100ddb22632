"""A real browser on the agent's pages: with and without scripts, light and dark, wide and narrow,
and with reports that mean harm.

TOWBAR_SCREENSHOTS=FOLDER keeps pictures of what `towbar demo` shows.
"""

import glob
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

import xss
from rig import SdkCase, towbar

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
HERE = os.path.dirname(os.path.abspath(__file__))
PHONE_WIDTH = 380
BAD_IMPACTS = ("serious", "critical")
# Payloads that need more than a page that escapes nothing: another place, or a second decoding.
HARMLESS_THERE = ("`", "javascript:", "&lt;", "%3C", "[x]")
FLASK_TITLE = "ConnectionError: feedd is gone"


def flask_item():
    """As pyrollbar makes them: its time has whole seconds."""
    return {
        "environment": "test", "level": "error", "language": "python 3.11.7",
        "framework": "flask", "timestamp": int(time.time()), "context": "/feeds/<name>",
        "notifier": {"name": "pyrollbar", "version": "1.4.0"},
        "uuid": "5c0b8a9e-6a0e-4a57-9f07-3a8a0ac3f001",
        "server": {"host": socket.gethostname(), "pid": 77, "root": "/srv/app"},
        "request": {
            "url": "http://cruddur.example/feeds/andrew", "method": "GET", "user_ip": "10.0.0.7",
            "headers": {"Traceparent": TRACEPARENT, "User-Agent": "curl/7.88"},
            "GET": {}, "POST": {},
        },
        "person": {"id": "7", "username": "andrew", "email": "andrew@example.org"},
        "body": {"trace": {
            "frames": [
                {"filename": "/srv/app/wsgi.py", "lineno": 12, "method": "call", "code": "app()"},
                {"filename": "/srv/app/feeds.py", "lineno": 88, "method": "feed",
                 "code": "return client.get(name)"},
            ],
            "exception": {"class": "ConnectionError", "message": "feedd is gone"},
        }},
    }  # fmt: skip


class BrowserCase(SdkCase):
    def browse(self, base, scenario, **options):
        """What the scenario of browser.js saw, and what was wrong on the way."""
        env = towbar.clean_environment(self.path("home"))
        env.update(TMPDIR=self.folder)
        done = subprocess.run(
            ["node", os.path.join(HERE, "browser.js"), base, scenario, json.dumps(options)],
            env=env, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        return answer["seen"], answer["problems"]

    def see(self, scenario, **options):
        """The same with the agent's pages, where nothing may be wrong."""
        seen, problems = self.browse(self.base, scenario, **options)
        self.assertEqual(problems, [])
        return seen

    def listen(self, agent):
        self.port = self.port_of(agent)
        self.base = f"http://127.0.0.1:{self.port}"

    def post(self, data):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/api/1/item/", json.dumps({"data": data}))
        reply = connection.getresponse()
        answer = reply.read()
        connection.close()
        self.assertEqual(reply.status, 200, answer)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply, body

    def wait_stored(self, n):
        self.wait_status(lambda status: status["occurrences"] >= n)


class PagesTest(BrowserCase):
    """A crash of a C daemon, and the error that it was to the app in front of it."""

    def setUp(self):
        super().setUp()
        self.listen(self.agent().wait_ready())
        job = self.compile("job.c", "-O1")
        env = self.program_env(TRACE=TRACEPARENT)
        self.run_program(job, "crash", env=env, check=-signal.SIGSEGV)
        self.wait_stored(1)
        self.post(flask_item())
        self.wait_stored(2)
        titles = {item["number"]: item["title"] for item in self.items()}
        (self.crash,) = [n for n, title in titles.items() if "SIGSEGV" in title]
        (self.flask,) = [n for n, title in titles.items() if "feedd is gone" in title]
        self.pages = ["/", f"/items/{self.crash}", f"/items/{self.flask}", f"/trace/{TRACE_ID}",
                      "/traces"]  # fmt: skip

    def check_walk(self, scripts):
        seen = self.see("walk", title="SIGSEGV in push", scripts=scripts)
        self.assertEqual(seen["status"], 200)
        rows = " ".join(link["row"] for link in seen["list"])
        self.assertIn("SIGSEGV in push", rows)
        self.assertIn(FLASK_TITLE, rows)
        self.assertEqual(seen["item"]["path"], f"/items/{self.crash}")
        for word in ("push", "handle_request", "main", "job.c", TRACE_ID[:8], "handling crash"):
            self.assertIn(word, seen["item"]["text"])
        self.assertIn("m->next = 1; /* here: crash */", seen["hit"]["text"])
        self.assertTrue(seen["hit"]["visible"])
        self.assertTrue(seen["hit"]["highlighted"])
        self.assertEqual(seen["trace"]["path"], f"/trace/{TRACE_ID}")
        # The crash came first, and the page says so.
        crash, flask = f"/items/{self.crash}", f"/items/{self.flask}"
        rows = {re.split("[#?]", link["href"])[0]: link["row"] for link in seen["trace"]["items"]}
        self.assertEqual(list(rows), [crash, flask], seen["trace"]["text"])
        self.assertIn("first failure", rows[crash].lower())
        self.assertNotIn("first failure", rows[flask].lower())

    def test_from_the_list_to_the_crash_to_its_trace(self):
        self.check_walk(scripts=True)

    def test_the_same_without_scripts(self):
        self.check_walk(scripts=False)

    def test_no_serious_fault_of_accessibility(self):
        for dark in (False, True):
            seen = self.see("axe", paths=self.pages, dark=dark)
            for path, found in seen.items():
                self.assertGreater(found["rules"], 10, path)
                bad = [v for v in found["violations"] if v["impact"] in BAD_IMPACTS]
                self.assertEqual(bad, [], f"{path}, dark: {dark}")

    def test_nothing_to_move_sideways_on_a_phone(self):
        seen = self.see("narrow", paths=self.pages, width=PHONE_WIDTH)
        self.assertEqual(seen, {path: 0 for path in self.pages})

    def test_keys_move_on_the_list_and_open(self):
        seen = self.see("keys")
        first, second = dict.fromkeys(seen["list"])
        self.assertEqual(seen["places"], [first, second, first])
        self.assertEqual(seen["opened"], first)

    def test_the_twins_are_no_pages(self):
        types = {".txt": "text/plain", ".md": "text/", ".json": "application/json"}
        for suffix, wanted in types.items():
            reply, body = self.get(f"/items/{self.crash}{suffix}")
            self.assertEqual(reply.status, 200, suffix)
            self.assertTrue(reply.headers["Content-Type"].startswith(wanted), suffix)
            self.assertNotIn("html", reply.headers["Content-Type"])
            self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
            self.assertIn(b"SIGSEGV", body)
        json.loads(self.get(f"/items/{self.crash}.json")[1])


class HarmTest(BrowserCase):
    def setUp(self):
        super().setUp()
        self.listen(self.agent().wait_ready())

    def post_all(self):
        """The corpus as items of SDKs, and as what a C program says; the pages that show it."""
        for number, payload in enumerate(xss.PAYLOADS):
            self.post(xss.data(number, payload, TRACE_ID))
        job = self.compile("job.c")
        native = xss.PAYLOADS[4]
        env = self.program_env(
            TRACE=TRACEPARENT, TOWBAR_SERVICE=native, TOWBAR_ENVIRONMENT=native,
            TOWBAR_VERSION=native,
        )  # fmt: skip
        self.run_program(job, "both", env=env, check=-signal.SIGSEGV)
        self.wait_stored(len(xss.PAYLOADS) + 2)
        return [f"/items/{item['number']}" for item in self.items()]

    def check_pages(self, paths, **how):
        seen = self.see("audit", paths=paths, **how)
        for path, page in seen.items():
            self.assertEqual((page["found"], page["executed"]), ([], False), path)
        return seen

    def test_no_report_executes_anything(self):
        items = self.post_all()
        paths = ["/", f"/trace/{TRACE_ID}", "/traces", *items]
        for how in ({}, {"bypassCSP": True}, {"scripts": False}):
            with self.subTest(how):
                seen = self.check_pages(paths, **how)
                self.assertEqual({page["status"] for page in seen.values()}, {200})
                whole = "".join(seen[path]["text"] for path in items)
                for payload in xss.PAYLOADS[:16]:
                    self.assertIn(payload, whole)  # it is there, as text

    def test_no_address_executes_anything(self):
        quoted = ["%3Cscript%3Ewindow.__xss=1%3C/script%3E",
                  "%22%3E%3Cimg%20src=x%20onerror=window.__xss=1%3E",
                  "%27%20autofocus%20onfocus=%27window.__xss=1"]  # fmt: skip
        paths = []
        for text in quoted:
            paths += [f"/?q={text}", f"/?page={text}&sort={text}&show={text}",
                      f"/traces?q={text}", f"/items/{text}", f"/trace/{text}",
                      f"/items/1?{text}={text}", f"/{text}"]  # fmt: skip
        self.post(flask_item())
        self.wait_stored(1)
        for how in ({}, {"bypassCSP": True}):
            seen, problems = self.browse(self.base, "audit", paths=paths, **how)
            for path, page in seen.items():
                self.assertEqual((page["found"], page["executed"]), ([], False), path)
                self.assertIn(page["status"], (200, 400, 404), path)
            # A page that is not there is an error on the console, and the only one.
            others = [problem for problem in problems if "Failed to load resource" not in problem]
            self.assertEqual(others, [])

    def test_on_a_phone_long_words_move_nothing_sideways(self):
        self.post(xss.data(1, "W" * 240, TRACE_ID))
        self.wait_stored(1)
        (item,) = self.items()
        paths = ["/", f"/items/{item['number']}", f"/trace/{TRACE_ID}", "/traces"]
        seen = self.see("narrow", paths=paths, width=PHONE_WIDTH)
        self.assertEqual(seen, {path: 0 for path in paths})

    def test_a_page_that_escapes_nothing_is_found_out(self):
        """What the tests above look for, on a page that has it."""
        pages = {}
        for number, p in enumerate(xss.PAYLOADS):
            html = f"<title>{p}</title><main>{p}<i title=\"{p}\"></i><i title='{p}'></i></main>"
            if not p.startswith(HARMLESS_THERE):
                pages[f"/{number}"] = html
        with Raw(pages) as raw:
            seen, _ = self.browse(raw.base, "audit", paths=list(pages))
        for path, page in seen.items():
            self.assertTrue(page["found"] or page["executed"], pages[path])
        self.assertTrue(any(page["executed"] for page in seen.values()))


class Raw:
    """A server with these pages: path to text."""

    def __init__(self, pages):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(pages.get(self.path, "").encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *unused):
        self.server.shutdown()
        self.server.server_close()


class DemoTest(BrowserCase):
    def test_what_the_demo_leaves_can_be_looked_at(self):
        env = self.agent_env(TMPDIR=self.folder)
        done = subprocess.run(
            [towbar.binary("towbar"), "demo", "--check", "--keep"], env=env, capture_output=True,
            text=True, timeout=towbar.DEADLINE_S, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (demo,) = glob.glob(self.path("towbar-demo.*"))
        self.spool, self.state = os.path.join(demo, "spool"), os.path.join(demo, "state")
        self.listen(self.agent().wait_ready())
        (crash,) = [item for item in self.items() if item["title"] == "SIGSEGV in queue_push"]
        traces = [towbar.attributes(data)["trace_id"] for data in self.occurrences()]
        crashes = self.occurrences("--item", str(crash["number"]))
        # The trace of a crash in which most went wrong.
        trace = max((towbar.attributes(d)["trace_id"] for d in crashes), key=traces.count)
        pages = {"list": "/", "item": f"/items/{crash['number']}", "trace": f"/trace/{trace}"}
        folder = os.environ.get("TOWBAR_SCREENSHOTS", "")
        if folder:
            folder = os.path.join(towbar.SOURCE, folder)
            os.makedirs(folder, exist_ok=True)
        seen = self.see("pictures", pages=pages, folder=folder)
        self.assertEqual(seen, {name: 200 for name in pages})
        for name in pages if folder else ():
            self.assertGreater(os.path.getsize(os.path.join(folder, name + ".png")), 10000)


if __name__ == "__main__":
    unittest.main()
