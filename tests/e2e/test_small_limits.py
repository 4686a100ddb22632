"""Under limits too small for it the agent either works or ends with 1 and says why."""

import os
import resource
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

FILES_MIN = 64
BYTES = [mib << 20 for mib in (24, 40, 48, 56, 64)]


class SmallLimitsTest(towbar.Case):
    def start_with(self, kind, value):
        def limit():
            resource.setrlimit(kind, (value, value))

        argv = self.agent_argv("--socket", self.socket, "--listen", "127.0.0.1:0")
        agent = towbar.Agent(argv, self.agent_env(), self.socket, preexec_fn=limit)
        self.addCleanup(agent.kill9)
        return agent

    def test_few_descriptors(self):
        """With fewer it would be up and take no connection."""
        for n in (24, 40, FILES_MIN - 1):
            agent = self.start_with(resource.RLIMIT_NOFILE, n)
            self.assertEqual(agent.process.wait(towbar.DEADLINE_S), 1)
            agent.reader.join(towbar.DEADLINE_S)
            self.assertIn(f"the limit of open files is {n} and must be 64 at least", agent.log)
        with self.start_with(resource.RLIMIT_NOFILE, FILES_MIN):
            pass

    @unittest.skipIf(towbar.SANITIZE, "a sanitizer's own memory is addressed without bounds")
    def test_little_memory(self):
        for n in BYTES:
            agent = self.start_with(resource.RLIMIT_AS, n)
            try:
                agent.wait_ready()
            except RuntimeError:
                self.assertNotEqual(agent.process.returncode, 0, f"{n}: {agent.log}")
                last = [line for line in agent.log.split("\n") if "towbard ends" not in line]
                words = ("level=error", "error while loading", "[err]", "abort", "terminate")
                self.assertTrue(any(word in "".join(last) for word in words), f"{n}: {agent.log}")
            agent.kill9()


if __name__ == "__main__":
    unittest.main()
