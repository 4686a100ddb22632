"""The pages of a running agent: a crash in C and an error of a web app in one trace, as a browser
sees them."""

import html.parser
import http.client
import json
import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
XRAY_ID = "1-4bf92f35-77b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
EVIL = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
EMPTY = {"meta", "link", "br", "input"}


class Page(html.parser.HTMLParser):
    """Balanced tags, one script from our own address, nothing inline. Collects links and text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.links, self.tags, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        for name, value in attrs:
            assert name != "style" and not name.startswith("on"), f"<{tag} {name}>"
            if name in ("href", "src", "action", "data-copy"):
                assert re.match(r"[/#](?!/)", value), f"<{tag} {name}={value}>"
                self.links.append(value)
        assert tag != "script" or dict(attrs) == {"src": "/app.js", "defer": None}, attrs
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> in {self.open}"

    def handle_data(self, data):
        self.text += data

    def count(self, tag, **attributes):
        return sum(
            t == tag and all(a.get(k.rstrip("_")) == v for k, v in attributes.items())
            for t, a in self.tags
        )


class PageTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.agent(token=None).wait_ready()
        self.address = json.loads(self.daemon.get("/status")[1])["listen"]

    def request(self, path, method="GET", body=None, **headers):
        client = http.client.HTTPConnection(self.address, timeout=10)
        try:
            client.request(method, path, body, headers)
            reply = client.getresponse()
            return reply, reply.read().decode()
        finally:
            client.close()

    def page(self, path, status=200):
        reply, text = self.request(path)
        self.assertEqual(reply.status, status, f"{path}: {text}")
        self.assertEqual(reply.headers["Content-Security-Policy"], POLICY)
        self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(reply.headers["Content-Type"], "text/html; charset=utf-8")
        return Page(text)

    def fill(self):
        """A crash of a C daemon and an exception of a Flask app in one trace, and an attack."""
        job = self.compile("job.c", "-O1")
        self.run_program(job, "crash", env=self.program_env(TRACE=TRACEPARENT))
        self.wait_items(1)
        frames = [{"filename": "app.py", "lineno": 7, "method": "home", "code": "feed()"}]
        self.post({
            "framework": "flask", "server": {"host": os.uname().nodename},
            "custom": {"service": "api", "big": 9007199254740993},
            "request": {"url": "http://x/api", "headers": {"Traceparent": TRACEPARENT}},
            "body": {"trace": {"frames": frames, "exception": {"class": "E", "message": "gone"}}},
        })  # fmt: skip
        self.wait_items(2)
        self.post({
            "title": EVIL, "context": EVIL, "framework": EVIL, "server": {"host": EVIL},
            "custom": {"service": EVIL, EVIL: EVIL}, "person": {"id": "<b>7", "username": EVIL},
            "request": {"url": EVIL, "headers": {EVIL: EVIL}},
            "body": {"message": {"body": EVIL}},
        })  # fmt: skip
        self.wait_items(3)

    def post(self, data):
        data = {"environment": "test", "level": "error", "timestamp": int(time.time()), **data}
        reply, text = self.request(
            "/api/1/item/", "POST", json.dumps({"data": data}), **{"Content-Type": "application/json"}
        )
        self.assertEqual(reply.status, 200, text)

    def wait_items(self, n):
        self.wait_status(lambda status: status["items"] == n)

    # ---- the tests ----

    def test_the_empty_list_s_own_command_fills_it(self):
        page = self.page("/")
        self.assertIn(f"curl --unix-socket {self.socket}", page.text)
        self.assertIn(f"http://{self.address}/api/1/", page.text)
        body = re.search(r"-d '(\{.*\})'", page.text).group(1)
        status, text = self.daemon.request("POST", "/api/1/item/", body)
        self.assertEqual(status, 200, text)
        self.wait_items(1)
        self.assertIn("hello towbar", self.page("/").text)

    def test_every_page_is_well_formed_and_every_link_answers(self):
        self.fill()
        seen, left = set(), ["/"]
        while left:
            path = left.pop()
            if path in seen or path.startswith("#"):
                continue
            seen.add(path)
            reply, text = self.request(path)
            self.assertEqual(reply.status, 200, path)
            if reply.headers["Content-Type"].startswith("text/html"):
                left += self.page(path).links
        for wanted in ("/items/1", "/items/2", "/items/3", f"/trace/{TRACE_ID}", "/traces",
                       "/app.css", "/app.js", "/icon.svg"):  # fmt: skip
            self.assertIn(wanted, seen)
        self.assertTrue(any(path.startswith("/items/1.json?occurrence=") for path in seen), seen)

    def test_an_attack_is_text(self):
        self.fill()
        for path in ("/", "/items/3", "/traces"):
            page = self.page(path)
            self.assertEqual(page.count("img"), 0)
            self.assertEqual(page.count("script"), 1)
        self.assertIn(EVIL, self.page("/items/3").text)

    def test_the_crash_is_shown_with_its_source(self):
        self.fill()
        page = self.page("/items/1")
        (data,) = self.occurrences("--item", "1")
        frame = data["body"]["trace"]["frames"][-1]
        self.assertIn("crashed here", page.text)
        self.assertIn(f"{frame['filename']}:{frame['lineno']}", page.text)
        self.assertIn(frame["code"].strip(), page.text)
        self.assertEqual(page.count("span", class_="hit"), 1 + sum(
            "code" in f for f in data["body"]["trace"]["frames"][:-1]))  # fmt: skip
        for name, value in data["custom"]["native"]["registers"].items():
            self.assertIn(f"{name} {value}", page.text)
        self.assertEqual(page.count("svg", role="img"), 1)

    def test_the_trace_is_found_from_both_and_tells_the_order(self):
        self.fill()
        href = f"/trace/{TRACE_ID}"
        self.assertEqual(self.page("/").links.count(href), 2)
        self.assertIn(href, self.page("/items/1").links)
        page = self.page(href)
        self.assertIn(XRAY_ID, page.text)
        self.assertIn("2 services · 2 events", page.text)
        self.assertIn("First failure: job", page.text)
        for typed in (XRAY_ID, TRACE_ID.upper(), TRACEPARENT):
            reply, _ = self.request(f"/trace/{typed}")
            self.assertEqual((reply.status, reply.headers["Location"]), (303, href))

    def test_twins_agree_with_the_tool(self):
        self.fill()
        for number in (1, 2, 3):
            (line,) = self.towbar(
                "occurrences", "--item", str(number), "--json", "--state-dir", self.state
            ).stdout.splitlines()
            reply, text = self.request(f"/items/{number}.json")
            self.assertEqual(reply.headers["Content-Type"], "application/json")
            self.assertIn(f'"data":{line}', text)
            twin = json.loads(text)
            (item,) = [i for i in self.items() if i["number"] == number]
            self.assertEqual((twin["title"], twin["total"]), (item["title"], item["total"]))
            self.assertEqual(twin["occurrence"]["uuid"], json.loads(line)["uuid"])
        _, text = self.request("/items/2.json")
        self.assertIn("9007199254740993", text)
        _, text = self.request("/items/1.txt")
        self.assertRegex(text, r"(?m)^#0  0x[0-9a-f]+ in \w+ \(job\.c:\d+\)$")
        _, text = self.request("/items/1.md")
        self.assertTrue(text.startswith("# "), text)

    def test_what_is_not_there_is_404(self):
        self.assertIn("No such item", self.page("/items/99", 404).text)
        self.assertIn("Nothing of this trace", self.page(f"/trace/{TRACE_ID}", 404).text)
        for path, kind in (("/items/99.txt", "text/plain"), ("/items/99.json", "application/json"),
                           ("/nothing", "application/json")):  # fmt: skip
            reply, _ = self.request(path)
            self.assertEqual(reply.status, 404)
            self.assertTrue(reply.headers["Content-Type"].startswith(kind), path)

    def test_assets_are_not_sent_twice(self):
        for path in ("/app.css", "/app.js", "/icon.svg"):
            reply, text = self.request(path)
            self.assertTrue(text)
            again, text = self.request(path, **{"If-None-Match": reply.headers["ETag"]})
            self.assertEqual((again.status, text), (304, ""))

    def test_other_hosts_see_nothing(self):
        for path in ("/", "/items/1", "/app.css"):
            reply, _ = self.request(path, Host="evil.example")
            self.assertEqual(reply.status, 403, path)

    def test_the_tool_and_the_log_say_where_it_is(self):
        self.daemon.wait_log(f"see what went wrong at http://{self.address}/")
        places = ("--state-dir", self.state, "--socket", self.socket, "--spool", self.spool)
        self.assertIn(f"http://{self.address}/", self.towbar("status", *places).stdout)
        self.assertIn(f"http://{self.address}/", self.towbar(*places).stdout)


if __name__ == "__main__":
    unittest.main()
