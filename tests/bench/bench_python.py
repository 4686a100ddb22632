#!/usr/bin/env python3
"""What an error costs a Python program that reports it by towbar.py, and by pyrollbar if this Python
has it. One JSON object a line, in the form of towbar-bench.

    TOWBAR_BUILD=build python3 tests/bench/bench_python.py [PREFIX...]

Each value is the median over ROUNDS rounds of a round's median (or 95th percentile). limit is what
no client can go below, measured in turn with it: the same item through json.dumps, and a bare
exchange with the same agent over a connection that stays, or a bare file of the same size in the
same folder. socket and spool are errors in a row. rested: the program and the agent sleep between
two errors, so that each time both have to be woken up and their caches filled, the limit's too.
"""

import json
import os
import re
import socket
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import towbar as support  # noqa: E402
from test_towbar_py import TRACE, SPAN, load_client  # noqa: E402

ROUNDS, PER_ROUND, REST_S = 7, 100, 0.002
DEPTH, N_HEADERS = 15, 25


def error(depth=DEPTH):
    if depth > 0:
        error(depth - 1)
    raise ValueError("no such feed")


def caught():
    try:
        error()
    except ValueError as err:
        return err


def environ():
    """Of a request that makes an item of about 9 kB."""
    env = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/api/activities/home", "QUERY_STRING": "user=andrew",
        "HTTP_HOST": "127.0.0.1:4567", "HTTP_TRACEPARENT": f"00-{TRACE}-{SPAN}-01",
        "wsgi.url_scheme": "http",
    }  # fmt: skip
    env.update({f"HTTP_X_HEADER_{n}": "value " * 37 for n in range(N_HEADERS)})
    return env


def median_of_round(run, percent, rest_s):
    times = []
    for _ in range(PER_ROUND):
        if rest_s > 0:
            time.sleep(rest_s)
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    times.sort()
    return times[min(len(times) * percent // 100, len(times) - 1)]


def compare(name, ours, limit, peers=()):
    """Prints one line; the contenders take turns."""
    percent = int(name.rpartition(".p")[2])
    rest_s = REST_S if ".rested." in name else 0
    runs = [ours, limit, *(run for _, run in peers)]
    for run in runs:
        median_of_round(run, percent, rest_s)  # to warm up
    rounds = [[median_of_round(run, percent, rest_s) for run in runs] for _ in range(ROUNDS)]
    values = [round(statistics.median(column) * 1e6, 1) for column in zip(*rounds)]
    line = {
        "name": name, "value": values[0], "unit": "us", "limit": values[1],
        "ratio": round(values[0] / values[1], 2),
    }  # fmt: skip
    for (peer, _), value in zip(peers, values[2:]):
        line.update(peer=peer, peer_value=value)
    print(json.dumps(line), flush=True)


class Bench(support.Case):
    def runTest(self):
        pass

    def prepare(self):
        self.setUp()
        self.client = load_client()
        self.client.init("bench", "test", "1", support.SOURCE, self.socket, self.spool)
        self.err, self.environ = caught(), environ()
        data = self.client._data(
            self.client._exception_body(self.err), "error", self.environ, None, None, None
        )
        self.envelope = {"data": data}
        self.item = json.dumps(self.envelope).encode()

    def report(self):
        self.environ.pop("towbar.reported", None)
        if self.client.report_exc_info(self.err, self.environ) is None:
            raise RuntimeError(self.client.status())

    def exchange(self):
        item = json.dumps(self.envelope).encode()
        head = f"POST /api/1/item/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(item)}\r\n\r\n"
        self.connection.sendall(head.encode() + item)
        if b" 200 " not in self.connection.recv(4096):
            raise RuntimeError("the agent did not take it")

    def write_file(self):
        item = json.dumps(self.envelope).encode()
        self.n = getattr(self, "n", 0) + 1
        path = os.path.join(self.spool, "in", f"x{self.n}")
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        os.write(file, item)
        os.close(file)

    def pyrollbar(self, agent):
        try:
            import rollbar
        except ImportError:
            return ()
        address = re.search(r"is up: (http://127\.0\.0\.1:\d+)", agent.log).group(1)
        os.environ["no_proxy"] = "127.0.0.1"
        rollbar.init(
            "towbar", "test", endpoint=address + "/api/1/", handler="blocking", root=support.SOURCE,
            allow_logging_basic_config=False,
        )  # fmt: skip

        def report():
            rollbar.report_exc_info((ValueError, self.err, self.err.__traceback__))

        return (("pyrollbar, blocking", report),)

    def run_all(self, wanted):
        if wanted("python.item.bytes"):
            print(json.dumps({"name": "python.item.bytes", "value": len(self.item), "unit": "B"}))
        with self.agent() as agent:
            agent.wait_log("is up: ")
            self.connection = socket.socket(socket.AF_UNIX)
            self.connection.connect(self.socket)
            for name in (
                "python.error.socket.p50", "python.error.socket.p95", "python.error.rested.p50",
            ):  # fmt: skip
                if wanted(name):
                    compare(name, self.report, self.exchange)
            if wanted("python.error.pyrollbar.p50"):
                peers = self.pyrollbar(agent)
                if peers:  # else there is nothing to compare with
                    compare("python.error.pyrollbar.p50", self.report, self.exchange, peers)
            self.connection.close()
        for name in ("python.error.spool.p50", "python.error.spool.p95"):
            if wanted(name):
                compare(name, self.report, self.write_file)


def main():
    prefixes = tuple(word for word in sys.argv[1:] if not word.startswith("-"))
    bench = Bench()
    bench.prepare()
    try:
        bench.run_all(lambda name: not prefixes or name.startswith(prefixes))
    finally:
        bench.doCleanups()


if __name__ == "__main__":
    main()
