"""SDKs that the tests do not install: rollbar-php (Packagist) and rollbar-gem (RubyGems),
rollbar-apple, rollbar-agent. These are replays, not the SDKs: requests made by hand, byte for byte
as those were seen to send or as their sources write them, with all that is odd about them.
tests/interop has the real ones of other languages.
"""

import json
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))

import raw_json  # noqa: E402
from rig import MASK, TOKEN, SdkCase, data_text, towbar  # noqa: E402

UUID = "5f0c1d2e3a4b4c5d8e9fa0b1c2d3e4f5"

# JSON under the name of a form, both tokens, empty arrays where objects are meant, slashes escaped,
# args, and a newest frame that has no method.
PHP = (
    b'{"data":{"environment":"production","body":{"trace_chain":[{"frames":['
    b'{"filename":"\\/srv\\/app\\/index.php","lineno":12,"method":"Feed::show","args":["andrew",'
    b'9007199254740993,1.0,null,{"password":"hunter2"}]},'
    b'{"filename":"\\/srv\\/app\\/Feed.php","lineno":40}],'
    b'"exception":{"class":"RuntimeException","message":"no feed of \\u017dlu"}},'
    b'{"frames":[],"exception":{"class":"LogicException","message":""}}],'
    b'"telemetry":[{"level":"info","type":"log","source":"server","timestamp_ms":1795339660123,'
    b'"body":{"message":"query"}}]},"timestamp":1795339661,"level":"error",'
    b'"platform":"Linux host 6.1.0 #1 SMP x86_64","language":"php 8.2.7","framework":"php",'
    b'"request":{"url":"http:\\/\\/example.org\\/feeds?password=hunter2","method":"GET",'
    b'"headers":{"Host":"example.org","Cookie":"sid=hunter2"},"GET":[],"POST":[],"body":null,'
    b'"user_ip":"127.0.0.1","params":[]},"person":{"id":"7","username":null,"email":null},'
    b'"server":{"host":"web1","root":"\\/srv\\/app","branch":null},"custom":[],"uuid":"' + UUID.encode()
    + b'","notifier":{"name":"rollbar-php","version":"4.2.0"}},"access_token":"' + TOKEN.encode()
    + b'"}'
)  # fmt: skip
GEM = (
    b'{"access_token":null,"data":{"timestamp":1795339661,"environment":"unspecified",'
    b'"level":"error","language":"ruby","framework":"Rails: 7.1","server":{"host":"web1",'
    b'"root":"/srv/app","branch":"main"},"notifier":{"name":"rollbar-gem","version":"3.7.0",'
    b'"configured_options":{}},"body":{"trace":{"frames":[{"filename":"<unknown>","lineno":null,'
    b'"method":null},{"filename":"/srv/app/feed.rb","lineno":7,"method":"show"}],"exception":{'
    b'"class":"NoMethodError","message":"undefined method \\"x\\"","description":"said by hand"},'
    b'"extra":{"n":1.0}}},"attributes":[{"key":"is_uncaught","value":"true"}],"custom":{},'
    b'"request":{"url":"http://example.org/feeds","params":{"controller":"feeds",'
    b'"password":"******"},"headers":{"Traceparent":'
    b'"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},"session":{"session_id":"hunter2"},'
    b'"GET":{},"POST":{},"cookies":{"sid":"hunter2"}},"uuid":"' + UUID.encode() + b'"}}'
)  # fmt: skip
APPLE = (
    b'{"access_token":"' + TOKEN.encode() + b'","data":{"body":{"crash_report":{"raw":'
    b'"Incident Identifier: 7\\nException Type: EXC_CRASH (SIGABRT)\\nThread 0 Crashed:\\n0 app '
    b'0x0000000100000000 main + 4\\n"}},"environment":"production","level":"critical",'
    b'"language":"swift","platform":"client","requestId":"r","uuid":"' + UUID.encode() + b'",'
    b'"timestamp":1795339661,"notifier":{"name":"rollbar-apple","version":"3.4.0"}}}'
)  # fmt: skip
# A line of a log, as rollbar-agent makes it: no uuid, the token in the body alone.
AGENT = (
    b'{"access_token": "' + TOKEN.encode() + b'", "data": {"environment": "production", '
    b'"body": {"message": {"body": "it failed\\nat line 2", "title": "it failed"}}, "level": "error",'
    b' "timestamp": 1795339661, "server": {"log_file": "/var/log/app.log", "host": "web1", '
    b'"branch": "main", "root": "/srv"}, "notifier": {"name": "rollbar-agent", '
    b'"rollbar_agent_app": "app", "version": "0.5.1"}}}'
)  # fmt: skip

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
HEADER_TOKEN = b"X-Rollbar-Access-Token: " + TOKEN.encode() + b"\r\n"
PHP_HEAD = b"Accept: */*\r\n" + HEADER_TOKEN + FORM
GEM_HEAD = (
    b"Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: */*\r\n"
    b"User-Agent: Ruby\r\n" + HEADER_TOKEN + b"Connection: close\r\n" + FORM
)
APPLE_HEAD = b"Content-Type: application/json\r\n" + HEADER_TOKEN
AGENT_HEAD = (
    b"User-Agent: python-requests/2.31.0\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n"
    b"Connection: keep-alive\r\ncontent-type: application/json\r\n"
)


class ReplayTest(SdkCase):
    def setUp(self):
        super().setUp()
        self.port = self.port_of(self.agent(self.fake, TOKEN).wait_ready())

    def post(self, head, body, path=b"/api/1/item/", expect=b""):
        """What comes back on a connection of its own, to its end or the end of the answer."""
        request = (
            b"POST " + path + b" HTTP/1.1\r\nHost: 127.0.0.1:" + str(self.port).encode() + b"\r\n"
            + head + expect + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
        )  # fmt: skip
        with socket.create_connection(("127.0.0.1", self.port), towbar.DEADLINE_S) as connection:
            connection.sendall(request)
            stream = connection.makefile("rb")
            if expect:
                self.assertEqual(stream.readline(), b"HTTP/1.1 100 Continue\r\n")
                self.assertEqual(stream.readline(), b"\r\n")
            connection.sendall(body)
            self.assertEqual(stream.readline(), b"HTTP/1.1 200 OK\r\n")
            length = None
            while (line := stream.readline()) != b"\r\n":
                name, value = line.split(b":", 1)
                if name.lower() == b"content-length":
                    length = int(value)
            answer = json.loads(stream.read(length))
            if b"Connection: close" in head:
                self.assertEqual(stream.read(), b"")
        return answer["result"]["uuid"]

    def check(self, head, body, **how):
        """Sends it; what was masked, what was added, and what arrived."""
        uuid = self.post(head, body, **how)
        occurrence = self.fake.wait_for(lambda fake: fake.occurrence(uuid), towbar.DEADLINE_S)
        self.assertEqual(occurrence.token, TOKEN)
        self.assertEqual(self.fake.requests[-1].headers["X-Rollbar-Access-Token"], TOKEN)
        masked, added = self.compare_item(data_text(body), data_text(occurrence.raw))
        return masked, added, occurrence

    def test_rollbar_php_arrives_unchanged(self):
        masked, added, arrived = self.check(PHP_HEAD, PHP)
        secrets = {"data.request.url", "data.request.headers.Cookie"}
        args = "data.body.trace_chain.0.frames.0.args.4.password"
        self.assertEqual((set(masked), added), (secrets | {args}, {}))
        self.assertEqual(arrived.uuid, UUID)
        for text in (b'"custom":[]', b'"GET":[],"POST":[]', b"\\/srv\\/app", b"9007199254740993,1.0"):
            self.assertIn(text, arrived.raw)

    def test_rollbar_php_waits_for_100_before_a_large_body(self):
        """curl does, over 1 MiB."""
        notes = json.dumps(["words of a log " * 50] * 2000).encode()
        body = PHP.replace(b'"custom":[]', b'"custom":{"notes":' + notes + b"}")
        self.assertGreater(len(body), 1 << 20)
        uuid = self.post(PHP_HEAD, body, expect=b"Expect: 100-continue\r\n")
        arrived = self.fake.wait_for(lambda fake: fake.occurrence(uuid), towbar.DEADLINE_S)
        self.assertLessEqual(len(arrived.raw), 512 << 10)
        chain = arrived.data["body"]["trace_chain"]
        classes = [trace["exception"]["class"] for trace in chain]
        self.assertEqual(classes, ["RuntimeException", "LogicException"])

    def test_rollbar_gem_arrives_unchanged(self):
        masked, added, arrived = self.check(GEM_HEAD, GEM)
        session = "data.request.session.session_id"
        self.assertEqual(masked.get(session), "hunter2")
        self.assertNotIn(b"hunter2", arrived.raw)
        known = {session, "data.request.cookies", "data.request.params.password"}
        self.assertLessEqual(set(masked), known)
        self.assertEqual(
            set(added),
            {"data.attributes.1", "data.attributes.2", "data.custom.trace_id",
             "data.custom.span_id", "data.custom.trace"},
        )  # fmt: skip
        self.assertEqual(
            added["data.custom.trace"], {"flags": "01", "source": "traceparent"}
        )
        self.assertIn(MASK.encode(), arrived.raw)
        self.assertIn(b'"extra":{"n":1.0}', arrived.raw)

    def test_rollbar_apple_arrives_unchanged(self):
        masked, added, arrived = self.check(APPLE_HEAD, APPLE)
        self.assertEqual((masked, added), ({}, {}))
        self.assertIn("Thread 0 Crashed", arrived.data["body"]["crash_report"]["raw"])

    def test_rollbar_agent_arrives_unchanged_but_for_a_uuid(self):
        masked, added, _ = self.check(AGENT_HEAD, AGENT, path=b"/api/1/item")
        self.assertEqual((masked, list(added)), ({}, ["data.uuid"]))

    def test_an_answer_is_what_each_of_them_can_read(self):
        """PHP and Java read the uuid as a string, rollbar-rust the id as null or a string."""
        self.assertEqual(self.post(PHP_HEAD, PHP), UUID)
        self.assertEqual(self.post(GEM_HEAD, GEM), UUID)
        self.assertRegex(self.post(AGENT_HEAD, AGENT), "^[0-9a-f-]{32,36}$")

    def test_what_is_replayed_is_what_it_says(self):
        for body in (PHP, GEM, APPLE, AGENT):
            self.assertEqual(raw_json.read(body).members["data"].kind, "object")
            json.loads(body)


if __name__ == "__main__":
    unittest.main()
