"""Counts the tests in ctest's log: prints "PASSED FAILED".

Each cmocka test and each unittest method counts; a program that ended badly without saying which of
its tests failed counts as one failure. Skipped tests are named, and count as neither.
"""
import re
import sys


def count(log):
    passed = failed = 0
    for block in re.split(r"^\d+/\d+ Testing: ", log, flags=re.M)[1:]:
        name = block.split("\n", 1)[0]
        ok = bool(re.search(r"^Test Passed\.", block, re.M))
        good = sum(map(int, re.findall(r"^\[  PASSED  \] (\d+) test", block, re.M)))
        bad = sum(map(int, re.findall(r"^\[  FAILED  \] (\d+) test", block, re.M)))
        for ran in re.findall(r"^Ran (\d+) tests? in", block, re.M):
            tail = re.findall(r"(failures|errors|skipped)=(\d+)", block)
            numbers = {key: int(value) for key, value in tail}
            bad += numbers.get("failures", 0) + numbers.get("errors", 0)
            skipped = numbers.get("skipped", 0)
            good += int(ran) - skipped - numbers.get("failures", 0) - numbers.get("errors", 0)
            if skipped:
                print(f"{skipped} skipped in {name}", file=sys.stderr)
        if not ok and bad == 0:
            bad = 1
        if ok and good + bad == 0:
            good = 1
        passed += good
        failed += bad
    return passed, failed


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log_file:
        print(*count(log_file.read()))
