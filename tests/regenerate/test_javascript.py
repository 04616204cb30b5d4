"""JavaScript read as tokens."""

from __future__ import annotations

import pytest
from regeneration.pull.javascript import tokens


def texts(source: str) -> list[str]:
    return [token.text for token in tokens(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('a = "b\\"c"', ["a", "=", 'b"c']),
        (r"'it\'s \x41\u0042\u{43}\n'", ["it's ABC\n"]),
        (r"'\u{110000}'", ["\\u{110000}"]),
        ("'a\\\nb'", ["ab"]),
        ("`${origin}/doc`", ["/doc"]),
        ("a // 'b'\n/* c\n'd */ e", ["a", "e"]),
        ("a /* never closed", ["a"]),
        ("x = /[\"'/]/g; y", ["x", "=", ";", "y"]),
        ("match(/'/)", ["match", "(", ")"]),
        ("return /'/.test(b)", ["return", ".", "test", "(", "b", ")"]),
        ("a / b / 'c'", ["a", "/", "b", "/", "c"]),
        ("'https://x/y'", ["https://x/y"]),
        ("it's\nb: 'c'", ["it", "'", "s", "b", ":", "c"]),
        ("$a1 é", ["$a1", "é"]),
        ("", []),
    ],
)
def test_tokens(source: str, expected: list[str]) -> None:
    """Strings by their value; comments and regular expressions left out; what is no token does not end the reading."""
    assert texts(source) == expected


def test_tokens_know_where_they_stand() -> None:
    """The places are those in the source, whatever was left out."""
    source = '/* "no" */ key: "value"'
    assert [source[token.start : token.end] for token in tokens(source)] == ["key", ":", '"value"']


def test_what_is_no_javascript_is_given_up() -> None:
    """Each quote without an end costs a look at the rest, so there is a number of them that is enough."""
    assert len(texts('"\\' * 100_000)) <= 202
