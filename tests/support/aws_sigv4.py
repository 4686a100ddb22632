"""Signature version 4 as the service checks it, made anew from the text of AWS' documentation.

    verify(request, service, region, keys, now)     raises Refused with the name of AWS' error

keys: {key id: Key(secret, session, is_expired)}. The canonical request is made of what came over the
wire, so that a header which was signed and not sent, or sent and changed, is found.
"""

import calendar
import collections
import hashlib
import hmac
import re
import time
import urllib.parse

SKEW_MAX_S = 300
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/ ,]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)
DATE = re.compile(r"\d{8}T\d{6}Z")

Key = collections.namedtuple("Key", "secret session is_expired", defaults=("", False))


class Refused(Exception):
    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


def signing_key(secret, day, region, service):
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def canonical_path(path):
    """Each part encoded once more than it is on the wire, as for every service but S3."""
    return urllib.parse.quote(path or "/", safe="/-_.~")


def canonical_query(query):
    pairs = []
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        pairs.append(tuple(
            urllib.parse.quote(urllib.parse.unquote_plus(text), safe="-_.~")
            for text in (name, value)
        ))  # fmt: skip
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def canonical_request(method, target, headers, signed, body):
    """headers: (name, value) as they came."""
    path, _, query = target.partition("?")
    lines = []
    for name in signed:
        values = [value for header, value in headers if header.lower() == name]
        if not values:
            raise Refused("InvalidSignatureException", f"header {name} is signed and was not sent")
        lines.append(f"{name}:{','.join(' '.join(value.split()) for value in values)}\n")
    return "\n".join(
        [
            method, canonical_path(path), canonical_query(query), "".join(lines),
            ";".join(signed), hashlib.sha256(body).hexdigest(),
        ]
    )  # fmt: skip


def sign(secret, date, region, service, canonical):
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"
    key = signing_key(secret, date[:8], region, service)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def check_scope(found, service, region, date):
    key_id, day, of_region, of_service, _, _ = found.groups()
    if (of_region, of_service) != (region, service):
        raise Refused(
            "InvalidSignatureException",
            f"Credential should be scoped to a valid region ({region}) and to {service}, not "
            f"{of_region} and {of_service}",
        )
    if day != date[:8]:
        raise Refused("InvalidSignatureException", f"Date in scope {day} does not match {date}")
    return key_id


def check_key(keys, key_id, session):
    key = keys.get(key_id)
    if key is None:
        raise Refused(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    if key.session != session:
        raise Refused(
            "UnrecognizedClientException", "The security token included in the request is invalid"
        )
    if key.is_expired:
        raise Refused(
            "ExpiredTokenException", "The security token included in the request is expired"
        )
    return key


def verify(request, service, region, keys, now):
    headers = list(request.headers.items())
    names = [name.lower() for name, _ in headers]
    found = AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    date = request.headers.get("X-Amz-Date", "")
    if "authorization" not in names:
        raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    if not found or not DATE.fullmatch(date):
        raise Refused("IncompleteSignatureException", "Authorization or X-Amz-Date is not whole")
    key_id = check_scope(found, service, region, date)
    signed = found.group(5).split(";")
    if signed != sorted(set(signed)) or "host" not in signed:
        raise Refused("InvalidSignatureException", "SignedHeaders: not sorted, or without host")
    for name in names:
        if name.startswith("x-amz-") and name not in signed:
            raise Refused("InvalidSignatureException", f"header {name} must be signed")
    sent_at = calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    if sent_at < now - SKEW_MAX_S or sent_at > now + SKEW_MAX_S:
        word = "expired" if sent_at < now else "not yet current"
        limit = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now - SKEW_MAX_S))
        raise Refused("InvalidSignatureException", f"Signature {word}: {date} against {limit}")
    key = check_key(keys, key_id, request.headers.get("X-Amz-Security-Token", ""))
    canonical = canonical_request(request.method, request.path, headers, signed, request.body)
    expected = sign(key.secret, date, region, service, canonical)
    if not hmac.compare_digest(expected, found.group(6)):
        raise Refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. The "
            f"Canonical String for this request should have been '{canonical}'",
        )
