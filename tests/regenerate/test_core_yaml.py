"""YAML read as JSON sees it."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("yaml", reason="needs the dependency group `regenerate`")

from regeneration.document import InputError
from regeneration.overlay.core_yaml import parse_yaml


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on", "on"),
        ("no", "no"),
        ("Y", "Y"),
        ("2026-01-02", "2026-01-02"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("-3", -3),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.0.0", "1.0.0"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("''", ""),
        ("'true'", "true"),
        ("'200'", "200"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("=", "="),
        ("", None),
    ],
)
def test_scalars_follow_the_core_schema(text: str, expected: Any) -> None:
    """Only null, booleans and numbers of YAML 1.2 are not strings; quoted ones always are."""
    value = parse_yaml(f"key: {text}".encode(), "f")["key"]
    assert (value, type(value)) == (expected, type(expected))


def test_keys_are_strings() -> None:
    """Status codes, switches and nulls as keys stay the words that they are in JSON."""
    assert parse_yaml(b"{200: a, on: b, null: c, 1.5: d, <<: e}", "f") == {
        "200": "a", "on": "b", "null": "c", "1.5": "d", "<<": "e",
    }  # fmt: skip


def test_aliases_are_copies() -> None:
    """What an alias repeats is equal and not the same object."""
    value = parse_yaml(b"a: &x {n: [1]}\nb: *x\n", "f")
    assert value == {"a": {"n": [1]}, "b": {"n": [1]}}
    assert value["a"] is not value["b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x {n: 1}\nb: {<<: *x}", "the merge key << is not of YAML 1.2"),
        ("a: 1\nb: {x: 1, x: 2}\n", "line 2: the key 'x' appears twice"),
        ("? [1]\n: 2\n", "a key must be a plain word"),
        ("a: !!timestamp 2026-01-02", "tag .* has no meaning"),
        ("a: !!python/object/apply:os.getcwd []", "tag .* has no meaning"),
        ("a: !mine x", "tag !mine has no meaning"),
        ("a: &x [*x]", "an alias contains itself"),
        ("a: .inf", "JSON has no .inf"),
        ("a: [", "f is not usable YAML"),
        ("a: 1\n---\nb: 2", "f is not usable YAML"),
    ],
)
def test_what_json_cannot_hold_is_an_error(text: str, message: str) -> None:
    """Nothing is dropped, guessed or run."""
    with pytest.raises(InputError, match=message):
        parse_yaml(text.encode(), "f")


def test_the_wrong_encoding_is_an_error() -> None:
    """Bytes that are no UTF-8 are refused in one line."""
    with pytest.raises(InputError, match="not usable YAML"):
        parse_yaml(b"a: \xff", "f")
