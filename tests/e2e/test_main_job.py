"""An error and a crash of a C daemon reach Rollbar: right, readable, grouped, with their trace."""

import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402
from fake_rollbar import FakeRollbar  # noqa: E402

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
XRAY_ID = "1-5759e988-bd862e3fe1be46a994272793"
XRAY_HEADER = f"Root={XRAY_ID};Parent=53995c3f42cd8ad8;Sampled=1"


class MainJobTest(towbar.Case):
    def setUp(self):
        super().setUp()
        self.fake = FakeRollbar(token=towbar.TOKEN)
        self.fake.start()
        self.addCleanup(self.fake.stop)

    def run_job(self, *args, trace=TRACEPARENT, flags=("-O1",), check=0, **env):
        job = self.path("job")
        if not os.path.exists(job):
            job = self.compile("job.c", *flags)
        return self.run_program(job, *args, env=self.program_env(TRACE=trace, **env), check=check)

    def deliver(self, expected):
        """What is in the spool, as it came to Rollbar."""
        self.once(self.fake)
        self.assertEqual(len(self.fake.occurrences), expected, self.fake.summary())
        self.assert_clean(self.fake)
        return [occurrence.data for occurrence in self.fake.occurrences]

    def frames_of(self, data, *expected):
        """The frames of job.c, oldest first, are expected: (function, marker) each; nothing newer
        follows them."""
        source = self.path("src", "job.c")
        with open(source, encoding="utf-8") as file:
            lines = file.read().split("\n")
        frames = data["body"]["trace"]["frames"]
        ours = [frame for frame in frames if frame["filename"] == "job.c"]
        got = [(frame["method"], frame.get("lineno")) for frame in ours]
        want = [(method, towbar.line_of(source, marker)) for method, marker in expected]
        self.assertEqual(got, want, json.dumps(frames, indent=1))
        self.assertEqual(frames[-len(ours) :], ours, "something is newer than the place itself")
        for frame in ours:
            at = frame["lineno"] - 1
            self.assertEqual(frame["code"].strip(), lines[at].strip())
            before = [text.strip() for text in frame["context"]["pre"]]
            after = [text.strip() for text in frame["context"]["post"]]
            self.assertEqual(before, [text.strip() for text in lines[at - len(before) : at]])
            self.assertEqual(after, [text.strip() for text in lines[at + 1 : at + 1 + len(after)]])
            self.assertGreaterEqual(len(before) + len(after), 2)
        return ours

    def assert_trace(self, data, trace_id, span_id):
        pairs = towbar.attributes(data)
        self.assertEqual((pairs.get("trace_id"), pairs.get("span_id")), (trace_id, span_id))
        custom = data["custom"]
        self.assertEqual((custom.get("trace_id"), custom.get("span_id")), (trace_id, span_id))

    # ---- one error, one crash ----

    def test_an_error_with_its_trace_stack_and_context(self):
        said = self.run_job("error").stdout
        self.assertEqual(said, "0 errno kept\n")
        (data,) = self.deliver(1)
        self.frames_of(
            data, ("main", "main"), ("handle_request", "call error"), ("read_feed", "error")
        )
        self.assert_trace(data, TRACE_ID, SPAN_ID)
        exception = data["body"]["trace"]["exception"]
        self.assertEqual(exception["message"], "feed andrew: cannot be read, try 0")
        self.assertEqual((data["level"], data["environment"]), ("error", "test"))
        self.assertEqual((data["platform"], data["language"]), ("linux", "c"))
        self.assertTrue(data["server"]["host"])
        self.assertEqual(data["custom"]["scope"]["user"], "andrew")
        notes = [event["body"]["message"] for event in data["body"]["telemetry"]]
        self.assertIn("handling error", notes)

    def test_perror_names_errno(self):
        self.run_job("perror")
        (data,) = self.deliver(1)
        self.frames_of(
            data, ("main", "main"), ("handle_request", "call perror"), ("open_feed", "perror")
        )
        exception = data["body"]["trace"]["exception"]
        self.assertEqual(exception["class"], "ENOENT")
        self.assertIn("open andrew", exception["message"])
        self.assertIn("No such file or directory", exception["message"])

    def test_a_crash_with_its_trace_stack_and_context(self):
        self.run_job("crash", check=-signal.SIGSEGV)
        (data,) = self.deliver(1)
        self.frames_of(data, ("main", "main"), ("handle_request", "call crash"), ("push", "crash"))
        self.assert_trace(data, TRACE_ID, SPAN_ID)
        self.assertEqual(data["body"]["trace"]["exception"]["class"], "SIGSEGV")
        self.assertIn("0x18", data["body"]["trace"]["exception"]["message"])
        self.assertEqual((data["level"], data["environment"]), ("critical", "test"))
        native = data["custom"]["native"]
        self.assertEqual(native["signal"], "SIGSEGV", native)

    def test_abort_ends_at_the_call(self):
        self.run_job("abort", check=-signal.SIGABRT)
        (data,) = self.deliver(1)
        frames = data["body"]["trace"]["frames"]
        methods = [frame["method"] for frame in frames]
        self.assertLess(methods.index("main"), methods.index("handle_request"))
        self.assertLess(methods.index("handle_request"), methods.index("give_up"))
        (frame,) = [frame for frame in frames if frame["method"] == "give_up"]
        self.assertEqual(frame["lineno"], towbar.line_of(self.path("src", "job.c"), "abort"))
        self.assertEqual(data["body"]["trace"]["exception"]["class"], "SIGABRT")

    def test_an_inlined_function_is_a_frame(self):
        self.run_job("inlined", flags=("-O2",), check=-signal.SIGSEGV)
        (data,) = self.deliver(1)
        ours = self.frames_of(
            data,
            ("main", "main"),
            ("handle_request", "call inlined"),
            ("push_inlined", "inlining"),
            ("link_message", "inlined"),
        )
        self.assertTrue(ours[-1]["inlined"])

    # ---- the trace ----

    def test_the_xray_header_is_understood(self):
        self.run_job("both", trace=XRAY_HEADER, check=-signal.SIGSEGV)
        for data in self.deliver(2):
            self.assert_trace(data, XRAY_ID[2:].replace("-", ""), "53995c3f42cd8ad8")
            self.assertEqual(data["custom"]["xray_trace_id"], XRAY_ID)

    def test_a_nonsense_header_is_no_trace(self):
        self.run_job("error", trace="00-zz-zz-01")
        (data,) = self.deliver(1)
        self.assertNotIn("trace_id", towbar.attributes(data))
        self.assertNotIn("trace_id", data["custom"])

    def test_the_tool_shows_what_was_sent(self):
        self.run_job("both", check=-signal.SIGSEGV)
        sent = {data["uuid"]: data for data in self.deliver(2)}
        shown = {data["uuid"]: data for data in self.occurrences()}
        self.assertEqual(shown, sent)
        for data in shown.values():
            self.assert_trace(data, TRACE_ID, SPAN_ID)
        of_trace = {data["uuid"] for data in self.occurrences("--trace", TRACE_ID)}
        self.assertEqual(of_trace, set(sent))
        self.assertEqual(self.occurrences("--trace", "f" * 32), [])

    # ---- grouping ----

    def test_five_occurrences_of_one_bug_make_one_item(self):
        for _ in range(5):
            self.run_job("crash", check=-signal.SIGSEGV)
        occurrences = self.deliver(5)
        self.assertEqual([len(item.occurrences) for item in self.fake.items], [5])
        self.assertEqual(len({data["uuid"] for data in occurrences}), 5)
        own = {occurrence.default_fingerprint for occurrence in self.fake.occurrences}
        self.assertEqual(len(own), 1, "without our fingerprint Rollbar would make more than one")
        self.assertEqual([item["total"] for item in self.items()], [5])

    def test_five_errors_of_one_place_make_one_item(self):
        said = self.run_job("error", "5").stdout
        self.assertEqual(said, "0 errno kept\n" * 5)
        self.deliver(5)
        self.assertEqual([len(item.occurrences) for item in self.fake.items], [5])

    def test_two_bugs_make_two_items(self):
        for _ in range(2):
            self.run_job("both", check=-signal.SIGSEGV)
        self.run_job("error")
        self.deliver(5)
        counts = sorted(len(item.occurrences) for item in self.fake.items)
        self.assertEqual(counts, [2, 3])
        levels = {item.level for item in self.fake.items}
        self.assertEqual(levels, {"error", "critical"})

    # ---- --once ----

    def test_once_drains_the_spool_and_does_nothing_twice(self):
        self.run_job("both", check=-signal.SIGSEGV)
        self.deliver(2)
        self.assertEqual(os.listdir(os.path.join(self.spool, "in")), [])
        self.once(self.fake)
        self.assertEqual((len(self.fake.requests), self.fake.duplicates), (2, []))

    def test_once_without_a_token_keeps_everything_here(self):
        self.run_job("both", check=-signal.SIGSEGV)
        self.once()
        self.assertEqual(len(self.occurrences()), 2)
        self.assertEqual(len(self.items()), 2)

    def test_a_crash_comes_before_the_errors(self):
        self.write_config("rollbar:\n  connections: 1\n")
        self.run_job("both", "3", check=-signal.SIGSEGV)
        levels = [data["level"] for data in self.deliver(4)]
        self.assertEqual(levels, ["critical", "error", "error", "error"])


if __name__ == "__main__":
    unittest.main()
