"""Real SDKs on other hosts: the agent listens with TLS, its certificate is one of its owner's, and
the SDK is given the agent's ingest token where it would have Rollbar's."""

import os
import re
import subprocess
import sys
import unittest

from rig import TOKEN, SdkCase

INGEST = "fedcba9876543210fedcba9876543210"
SETTINGS = """tls:
  cert_file: {cert}
  key_file: {key}
ingest:
  token_file: {token}
"""


class OverTls(SdkCase):
    def setUp(self):
        super().setUp()
        self.cert, key, token = self.path("cert.pem"), self.path("key.pem"), self.path("token")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", self.cert, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True,
        )  # fmt: skip
        with open(token, "w", encoding="ascii") as file:
            file.write(INGEST + "\n")
        for path in (key, token):
            os.chmod(path, 0o600)
        with open(self.config, "a", encoding="utf-8") as config:
            config.write(SETTINGS.format(cert=self.cert, key=key, token=token))
        self.straight.tokens = {INGEST}
        agent = self.agent(self.fake, TOKEN, flags=("--listen", "0.0.0.0:0")).wait_ready()
        agent.wait_log("https://")
        self.port = int(re.search(r"https://[\d.]+:(\d+)", agent.log).group(1))

    def python(self, token, *cases):
        base = f"https://localhost:{self.port}/api/1/"
        argv = (sys.executable, "pyrollbar_script.py", token, base, "blocking", *cases)
        self.run_client(*argv, REQUESTS_CA_BUNDLE=self.cert)

    def node(self, token, *cases, **env):
        item = f"https://localhost:{self.port}/api/1/item/"
        self.run_client("node", "rollbar_script.js", token, item, *cases, **env)

    def check(self, n):
        """All came, as they do without TLS, and with the agent's token."""
        self.compare_values(n)
        self.assertEqual({occurrence.token for occurrence in self.fake.occurrences}, {TOKEN})

    def test_pyrollbar_arrives_unchanged(self):
        self.python(INGEST, "error", "chain", "message")
        self.pyrollbar(self.straight.port, "blocking", "error", "chain", "message", token=INGEST)
        self.check(3)

    def test_rollbar_js_arrives_unchanged(self):
        self.node(INGEST, "error", "chain", "message", NODE_EXTRA_CA_CERTS=self.cert)
        self.rollbar_js(self.straight.port, "error", "chain", "message", token=INGEST)
        self.check(3)

    def test_large_items_arrive_shortened(self):
        self.python(INGEST, "large2")
        (occurrence,) = self.fake.wait_for(lambda fake: fake.occurrences)
        self.assertLessEqual(len(occurrence.raw), 512 << 10)

    def test_an_sdk_with_another_token_or_without_trust_brings_nothing(self):
        self.python("0" * 32, "error")
        self.node(INGEST, "error")  # does not know the certificate
        self.python(INGEST, "message")
        self.fake.wait_for(lambda fake: fake.occurrences)
        status = self.wait_status(lambda status: status["queued"] == 0)
        self.assertEqual((status["received"], status["sent"]), (1, 1))


if __name__ == "__main__":
    unittest.main()
