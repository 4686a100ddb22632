"""How stacks read: library frames and recursion folded, the program's own frame blamed, threads with
what they wait in; on the page, in the terminal and in the item."""

import http.client
import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

DEPTH = 20  # as stacks.c has it
SITE = "/srv/venv/lib/python3.11/site-packages"
FORWARDED = (
    '{"data":{"environment":"test","level":"error","timestamp":%d,"language":"python",'
    '"server":{"root":"/srv/app"},  "body":{"trace":{"frames":['
    '{"filename":"/srv/app/app.py","lineno":7,"method":"home"},'
    f'{{"filename":"{SITE}/flask/app.py","lineno":8,"method":"dispatch"}},'
    f'{{"filename":"{SITE}/werkzeug/serving.py","lineno":9,"method":"run"}}],'
    '"exception":{"class":"E","message":"gone"}}}}}'
)


class StacksTest(towbar.Case):
    def crash(self, settings=None):
        if settings:
            self.write_config(settings)
        program = self.compile("stacks.c", "-O1")
        done = self.run_program(program)
        self.assertEqual(done.returncode, -signal.SIGSEGV, done.stderr)
        self.once()
        (data,) = self.occurrences()
        return data, data["body"]["trace"]["frames"][::-1]

    def item(self, *flags):
        return self.towbar("item", "1", "--state-dir", self.state, *flags).stdout

    def test_the_terminal_folds_libraries_and_recursion(self):
        data, frames = self.crash()
        self.assertEqual(frames[0]["method"], "compare")
        self.assertIn("compare", data["title"])
        text = self.item()
        self.assertRegex(text, r"#0  compare +\S*stacks\.c:\d+   \(here\)\n")
        # How many frames qsort has depends on the C library's own recursion; AddressSanitizer's has one.
        self.assertRegex(
            text, r"\n  (>  \d+ frames of libc|#1  __interceptor_qsort_r .*)\n  #\d+ +sort "
        )
        self.assertRegex(
            text,
            r"#\d+ +parse_value .*\n.*\n  #\d+ +parse_list .*\n.*\n"
            rf"  >  × {DEPTH}: the 2 frames above, up to #\d+\n  #\d+ +parse_value .*\n.*\n  #\d+ +main ",
        )
        self.assertRegex(text, r"With the frames that are folded: .*towbar'? item 1 --all-frames")
        whole = self.item("--all-frames")
        self.assertEqual(whole.count(" parse_list "), DEPTH)
        self.assertIn("qsort", whole)
        self.assertNotIn("frames of libc", whole)

    def test_threads_say_what_they_wait_in(self):
        data, _ = self.crash()
        waits = {
            next(f["method"] for f in g["frames"][::-1] if f["in_app"]): (
                g.get("waits_in"), len(g["tids"]),
            )
            for g in data["custom"]["native"]["threads"]
        }  # fmt: skip
        self.assertEqual(
            waits,
            {"pop": ("futex (pthread_cond_wait)", 3), "look": ("poll", 1), "take": ("read", 1)},
        )
        text = self.item()
        self.assertRegex(text, r"\n  pop .*waits in futex \(pthread_cond_wait\)  3 threads: ")
        self.assertRegex(text, r"\n  look .*waits in poll  ")
        self.assertRegex(self.item("--all"), r"\n  \S+ \(\d+\)  waits in read\n")

    def test_what_they_wait_in_needs_no_debug_data_of_the_c_library(self):
        data, _ = self.crash("symbols:\n  debug_dirs: [/nowhere]\n")
        waits = {g.get("waits_in") for g in data["custom"]["native"]["threads"]}
        self.assertEqual(waits, {"futex (pthread_cond_wait)", "poll", "read"})

    def test_the_settings_say_what_is_whose(self):
        _, frames = self.crash(
            'symbols:\n  library: ["*/stacks.c"]\n  in_app: ["*/none.c"]\n'
        )
        self.assertFalse(any(f["in_app"] for f in frames))
        text = self.item()
        # The innermost one that is not the C library's, with its source; all the rest is one line.
        self.assertRegex(text, r"\n  #0  compare .*\(here\)\n")
        self.assertIn("return *(volatile int *)8;", text)
        self.assertRegex(text, r"\n  >  \d+ frames of lib(c|asan), stacks\n\nOther threads")

    def test_the_page_folds_without_a_script(self):
        self.crash()
        with self.agent(token=None).wait_ready() as daemon:
            address = json.loads(daemon.get("/status")[1])["listen"]
            client = http.client.HTTPConnection(address, timeout=10)
            client.request("GET", "/items/1")
            page = client.getresponse().read().decode()
            client.request("GET", "/items/1.txt")
            text = client.getresponse().read().decode()
            client.close()
        self.assertRegex(page, r"<details class=\"frame lib\"><summary>\d+ library frames · libc</summary>")
        self.assertIn(f"<summary>× {DEPTH} · the 2 frames above, up to #", page)
        self.assertIn('<span>waits in <span class="mono">futex (pthread_cond_wait)</span></span>', page)
        self.assertIn(f"... × {DEPTH}: the 2 frames above, up to #", text)
        self.assertIn("  waits in poll from look\n", text)

    def test_forwarded_items_fold_by_package_and_keep_every_byte(self):
        with self.agent(token=None).wait_ready() as daemon:
            body = FORWARDED % 1700000000
            status, reply = daemon.request(
                "POST", "/api/1/item/", body, {"Content-Type": "application/json"}
            )[:2]
            self.assertEqual(status, 200, reply)
            self.wait_status(lambda s: s["items"] == 1)
        text = self.item()
        self.assertRegex(text, r">  2 frames of werkzeug, flask\n  #2  home +app\.py:7   \(here\)\n")
        stored = self.towbar("occurrences", "--json", "--state-dir", self.state).stdout
        frames = json.loads(stored)["body"]["trace"]["frames"]
        self.assertEqual([sorted(f) for f in frames], [["filename", "lineno", "method"]] * 3)
        part = body[body.index('"trace"') : body.index(',"exception"')]
        self.assertIn(part, stored)


if __name__ == "__main__":
    unittest.main()
