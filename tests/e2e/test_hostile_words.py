"""No byte of a report steers the terminal of whoever looks at it, with --json neither; and a pipe
gets the bytes as they are."""

import json
import os
import pty
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

STEERING = "\x1b]0;title\x07\x1b[2J\x9b31m\x85\x7f\r\b"
# Raw in the JSON, as no encoder need escape them.
RAW = "\x9b31m\x85\x7f"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
COLOURS = re.compile("\x1b\\[[0-9]*m")
VERBS = (["items"], ["occurrences"], ["item", "1"], ["status"], ["top", "--once"], ["deploy", "--list"])


class HostileWordsTest(towbar.Case):
    def shown(self, argv):
        """What a terminal gets."""
        mine, its = pty.openpty()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=its, stderr=its,
                                   env=self.agent_env(TERM="xterm"))  # fmt: skip
        os.close(its)
        text = b""
        while True:
            try:
                piece = os.read(mine, 65536)
            except OSError:  # EIO: it has ended.
                break
            if not piece:
                break
            text += piece
        os.close(mine)
        process.wait(towbar.DEADLINE_S)
        return text.decode().replace("\r\n", "\n")

    def test_a_terminal_is_steered_by_nothing_that_came(self):
        words = STEERING + "words"
        data = {
            "environment": "e" + words, "level": "error", "context": words,
            "custom": {"service": "s" + words, "raw": "RAW"},
            "body": {"trace": {"exception": {"class": "E" + words, "message": words},
                               "frames": [{"filename": words, "lineno": 1, "method": words}]}},
        }  # fmt: skip
        body = json.dumps({"data": data}).replace('"RAW"', f'"{RAW}"')
        with self.agent() as agent:
            self.assertEqual(agent.request("POST", "/api/1/item/", body.encode())[0], 200)
            deploy = json.dumps({"environment": words, "revision": "r" + words, "comment": words})
            headers = {"Content-Type": "application/json"}
            agent.request("POST", "/api/1/deploy/", deploy, headers)
            self.wait_status(lambda status: status["occurrences"] == 1)
        for verb in VERBS:
            for more in ([], ["--json"]):
                argv = [towbar.binary("towbar"), *verb, *more, "--state-dir", self.state]
                text = COLOURS.sub("", self.shown(argv))
                self.assertEqual(CONTROL.findall(text), [], f"{verb} {more}: {text!r}")
        argv = [towbar.binary("towbar"), "occurrences", "--json", "--state-dir", self.state]
        (shown,) = self.occurrences()
        self.assertEqual(json.loads(self.shown(argv)), shown)
        self.assertEqual(shown["custom"]["raw"], RAW)
        self.assertIn(RAW, self.towbar(*argv[1:]).stdout)


if __name__ == "__main__":
    unittest.main()
