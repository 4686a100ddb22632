"""docs/coverage page: python3 -B tests/torture/page.py writes docs/crash-coverage.md from the table."""
HOW = ""


def rows(modes):
    return []


def read_rows():
    return []
