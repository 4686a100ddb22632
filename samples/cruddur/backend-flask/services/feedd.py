"""Calls feedd, one TCP connection for each call. FEEDD_URL says where it listens."""

import http.client
import os
import re
import urllib.parse

URL = urllib.parse.urlsplit(os.getenv("FEEDD_URL") or "http://127.0.0.1:4568")
TIMEOUT_S = 5
FEED_MAX_BYTES = 1 << 20


class FeedUnavailable(ConnectionError):
    """feedd did not answer: it is not there, or it died over this very request."""


class FeedFailed(RuntimeError):
    """feedd answered that it could not; it has reported why."""


def is_user(name):
    return re.fullmatch(r"[a-z0-9]{1,31}", name) is not None


def feed(user, trace):
    """The messages of a user, oldest first. trace: the headers that carry the request's trace."""
    connection = http.client.HTTPConnection(URL.hostname, URL.port or 80, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/feed?user={user}", headers=trace)
        reply = connection.getresponse()
        text = reply.read(FEED_MAX_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as err:
        raise FeedUnavailable(f"feedd at {URL.netloc} did not answer") from err
    finally:
        connection.close()
    if reply.status != 200:
        raise FeedFailed(f"feedd answered {reply.status} for the feed of {user}")
    return text.splitlines()
