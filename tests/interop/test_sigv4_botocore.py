"""Our signatures and botocore's, of the same random requests.

Queries are well encoded, and hosts of lower case: botocore takes the one as it stands and writes the
other small, ours encodes anew, as the specification says, and signs the host that is sent."""

import datetime
import os
import random
import string
import subprocess
import sys
import unittest
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import towbar  # noqa: E402

PROGRAM = os.path.join(towbar.BUILD, "tests", "programs", "sign")
REQUESTS = 1000
HOSTS = (
    "logs.ca-central-1.amazonaws.com",
    "xray.us-east-1.amazonaws.com:443",
    "127.0.0.1:5000",
    "vpce-1.logs.eu-west-3.vpce.amazonaws.com:8443",
    "127.0.0.1:80",
    "[::1]:443",
    "localhost",
)


class Random(random.Random):
    def word(self, letters, least, most):
        return "".join(self.choice(letters) for _ in range(self.randint(least, most)))

    def encoded(self):
        return urllib.parse.quote(self.word(string.printable + "\u00e9\u1234", 0, 6), safe="-_.~")

    def part(self):
        """Of a path: also what need not be encoded, and what is none."""
        return self.choice(
            (
                self.encoded(),
                self.encoded().lower(),
                self.word("abc-_.~!$&'()*+,;=:@", 0, 8),
                self.word("%2fF0aA", 0, 6),
                "..",
                ".",
                "",
            )
        )

    def path(self):
        parts = (self.part() for _ in range(self.randint(0, 6)))
        return "".join("/" + part for part in parts) + self.choice(("", "/", "/end", "//"))

    def query(self):
        pairs = [f"{self.encoded() or 'k'}={self.encoded()}" for _ in range(self.randint(0, 4))]
        pairs += self.choices(pairs, k=self.randint(0, 1)) if pairs else []
        return "?" + "&".join(pairs) if pairs else ""

    def headers(self):
        text = string.ascii_letters + string.digits + "-/;=,\"' "
        made = {"Content-Type": "application/x-amz-json-1.1"}
        for _ in range(self.randint(0, 6)):
            name = "X-" + self.word(string.ascii_letters + "-", 1, 8)
            blanks = self.choice(("", "a  b", "  a", '"a   b"', "a    "))
            made.setdefault(name.title(), self.choice((self.word(text, 0, 20) + "x", blanks)))
        for name in ("User-Agent", "Expect", "X-Amzn-Trace-Id", "Transfer-Encoding"):
            if self.random() < 0.2:
                made[name] = "not signed"
        return made


def make(r):
    plain = string.printable.replace("\t", "").replace("\n", "").replace("\r", "")
    return {
        "method": r.choice(("POST", "GET", "PUT")),
        "url": r.choice(("https://", "http://")) + r.choice(HOSTS) + r.path() + r.query(),
        "region": r.choice(("ca-central-1", "us-east-1", "cn-north-1", "us-gov-west-1")),
        "service": r.choice(("logs", "xray", "sts", "execute-api")),
        "key": r.word(string.ascii_uppercase, 16, 20),
        "secret": r.word(string.ascii_letters + "+/", 30, 40),
        "session": r.choice(("", r.word(string.ascii_letters + "+/=", 100, 2000))),
        "now_s": r.randint(0, 4102444800),
        "body": r.word(plain.replace("\x0b", "").replace("\x0c", "") + "\u00e9", 0, 500),
        "headers": r.headers(),
    }


def by_botocore(made):
    credentials = Credentials(made["key"], made["secret"], made["session"] or None)
    request = AWSRequest(
        method=made["method"],
        url=made["url"],
        headers=made["headers"],
        data=made["body"].encode(),
    )
    at = datetime.datetime.fromtimestamp(made["now_s"], datetime.timezone.utc)
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    auth = SigV4Auth(credentials, made["service"], made["region"])
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    auth._inject_signature_to_request(request, signature)
    return request.headers["Authorization"], canonical


def line_of(made):
    fields = ("method", "url", "region", "service", "key", "secret", "session")
    row = [made[field] for field in fields] + [str(made["now_s"] * 1000 + 999), made["body"]]
    return "\t".join(row + [f"{name}: {value}" for name, value in made["headers"].items()])


class Sigv4BotocoreTest(unittest.TestCase):
    def test_random_requests_have_botocores_signatures(self):
        seed = random.randrange(1 << 32)
        made = [make(Random(seed + i)) for i in range(REQUESTS)]
        ours = subprocess.run(
            [PROGRAM],
            input="".join(line_of(one) + "\n" for one in made),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
            timeout=60,
        ).stdout.splitlines()
        self.assertEqual(len(ours), REQUESTS)
        for i, one in enumerate(made):
            theirs, canonical = by_botocore(one)
            self.assertEqual(ours[i], theirs, f"seed {seed + i}: {one}\n{canonical}")


if __name__ == "__main__":
    unittest.main()
