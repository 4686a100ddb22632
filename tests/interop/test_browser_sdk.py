"""rollbar.js in a real browser. The agent takes nothing from pages of other sites, whatever they
try; a site that wants its pages' errors to go that way passes them on from its own server
(docs/sdks.md)."""

import http.client
import http.server
import os
import threading
import unittest

from rig import TOKEN, towbar
from test_browser import BrowserCase

PATH = "/api/1/item/"
SDK = os.path.join(
    os.environ.get("NODE_PATH", "").split(os.pathsep)[0], "rollbar", "dist", "rollbar.umd.min.js"
)
# The SDK wants a whole URL: of a path alone it makes "/null".
# answer is what the SDK's callback was called with: an error's message, or the reply.
REPORT = """<!doctype html><title>A page</title><script src="/rollbar.js"></script><script>
const endpoint = new URL("%(endpoint)s", location.href).href;
const rollbar = new window.rollbar({accessToken: "%(token)s", endpoint,
    environment: "interop", captureUncaught: true, autoInstrument: false,
    payload: {person: {id: "7", username: "andrew"}}});
function inner() { throw new TypeError("inner fault of 馬"); }
try { inner(); } catch (err) {
    const outer = new RangeError("outer fault", {cause: err});
    rollbar.error(outer, {big: "9007199254740993"}, (err, reply) => {
        window.answer = err ? {error: String(err.message || err)} : {reply};
    });
}
</script>"""
# What needs no permission of the agent, for a page that means harm: it cannot read the answer.
SMUGGLE = """<!doctype html><title>A page</title><script>
const body = JSON.stringify({data: {environment: "interop", body: {message: {body: "smuggled"}}}});
const how = {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body};
fetch("%(endpoint)s", how).then((reply) => { window.answer = reply.type; },
    (err) => { window.answer = String(err); });
</script>"""


class Site:
    """The server of a page, with the SDK beside it. passes_on: the port that it passes items on to,
    as a reverse proxy does that leaves the Origin away."""

    def __init__(self, page, passes_on=None, sdk=SDK):
        with open(sdk, "rb") as file:
            files = {"/rollbar.js": ("text/javascript", file.read())}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                kind, text = files.get(self.path, ("text/html", page.encode()))
                self.answer(200, kind, text)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                names = ("Content-Type", "X-Rollbar-Access-Token")
                headers = {n: self.headers[n] for n in names if self.headers[n]}
                agent = http.client.HTTPConnection("127.0.0.1", passes_on, timeout=10)
                agent.request("POST", self.path, body, headers)
                reply = agent.getresponse()
                self.answer(reply.status, reply.headers["Content-Type"], reply.read())
                agent.close()

            def answer(self, status, kind, text):
                self.send_response(status)
                self.send_header("Content-Type", kind + "; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

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


class BrowserSdkTest(BrowserCase):
    def setUp(self):
        super().setUp()
        self.agent_port = self.port_of(self.start_agent())

    def answer(self, page, **site):
        with Site(page, **site) as served:
            return self.browse(served.base, "answer")

    def page(self, text, port):
        return text % {"token": TOKEN, "endpoint": f"http://127.0.0.1:{port}{PATH}"}

    def assert_nothing_came(self):
        self.assertEqual(self.status()["received"], 0)
        self.assertEqual(self.occurrences(), [])

    def test_a_page_cannot_send_to_the_agent_itself(self):
        answer, problems = self.answer(self.page(REPORT, self.tap.port))
        self.assertIn("error", answer)
        self.assertTrue(any("CORS" in problem for problem in problems), problems)
        # The browser asked whether it may, was told no, and sent no item.
        heads = [head.split(b" ")[0] for _, head, _, _ in self.tap.exchanges()]
        self.assertEqual(set(heads), {b"OPTIONS"})
        self.assertTrue(all(status >= 400 for _, _, _, status in self.tap.exchanges()))
        self.assert_nothing_came()

    def test_what_a_page_sends_without_asking_is_refused(self):
        answer, _ = self.answer(self.page(SMUGGLE, self.tap.port))
        self.assertEqual(answer, "opaque")
        ((_, head, _, status),) = self.tap.exchanges()
        self.assertIn(b"Origin: http://127.0.0.1:", head)
        self.assertEqual(status, 403)
        self.assert_nothing_came()

    def test_what_the_page_s_own_server_passes_on_arrives_unchanged(self):
        page = REPORT % {"token": TOKEN, "endpoint": PATH}
        answer, problems = self.answer(page, passes_on=self.tap.port)
        self.assertEqual(problems, [])
        self.assertIn("reply", answer)
        (occurrence,) = self.fake.wait_for(lambda fake: fake.occurrences, towbar.DEADLINE_S)
        ((masked, added),) = self.compare_bytes(1)
        self.assertEqual((masked, list(added)), ({}, ["data.timestamp"]))
        traces = occurrence.data["body"]["trace_chain"]
        classes = [trace["exception"]["class"] for trace in traces]
        self.assertEqual(classes, ["RangeError", "TypeError"])
        self.assertEqual(occurrence.data["person"]["username"], "andrew")
        self.assertIn("HeadlessChrome", occurrence.data["client"]["javascript"]["browser"])


if __name__ == "__main__":
    unittest.main()
