"""The comparison that the other tests rely on sees every kind of change."""

import unittest

import rig  # noqa: F401 puts tests/support where it is found
import raw_json

SENT = '{"a": 9007199254740993, "b": {"c": [1.0, null], "d": "x\\u00e9"}, "e": {}}'


class CompareTest(unittest.TestCase):
    def check(self, before, after, changed=None, added=None):
        self.assertEqual(SENT.count(before), 1)
        got = raw_json.compare(SENT, SENT.replace(before, after))
        self.assertEqual(got, (changed or {}, added or {}))

    def refused(self, before, after):
        self.assertEqual(SENT.count(before), 1)
        with self.assertRaises(raw_json.Difference):
            raw_json.compare(SENT, SENT.replace(before, after))

    def test_the_same_text_has_no_difference(self):
        self.check("1.0", "1.0")

    def test_a_number_that_was_read_and_written_again_shows(self):
        self.check("9007199254740993", "9.007199254740993e15",
                   {"a": ("9007199254740993", "9.007199254740993e15")})  # fmt: skip
        self.check("1.0", "1", {"b.c.0": ("1.0", "1")})

    def test_an_escape_that_was_decoded_shows(self):
        self.check("\\u00e9", "é", {"b.d": ('"x\\u00e9"', '"xé"')})

    def test_a_container_that_became_a_mask_is_one_change(self):
        self.check('{"c": [1.0, null], "d": "x\\u00e9"}', '"********"',
                   {"b": ('{"c": [1.0, null], "d": "x\\u00e9"}', '"********"')})  # fmt: skip

    def test_what_was_added_at_an_end_is_named(self):
        self.check("null]", "null,7]", added={"b.c.2": "7"})
        self.check("{}", '{"f":[],"g":1}', added={"e.f": "[]", "e.g": "1"})
        self.check("{}}", '{},"f":1}', added={"f": "1"})

    def test_order_and_loss_are_refused(self):
        self.refused('"a": 9007199254740993, ', "")
        self.refused('"a": 9007199254740993, ', '"0": 1, "a": 9007199254740993, ')
        self.refused("[1.0, null]", "[1.0]")

    def test_white_space_counts(self):
        self.refused("[1.0, null]", "[1.0,null]")


if __name__ == "__main__":
    unittest.main()
