"""Rows: their keys, how they are written, and whether two are the same."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

from .._calls.row_id import row_id
from .sink import Lines, Row

__all__ = ("as_json", "digest_of", "finite", "is_same", "is_text", "key_of", "lines_of")

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def key_of(row: object) -> str | None:
    """The id of a row as text; None where there is none, or none that UTF-8 can hold."""
    name = row_id(row)
    return name if name is not None and is_text(name) else None


def digest_of(row: object) -> bytes:
    """Return a digest of a row, 16 bytes, which does not depend on the order of fields."""
    return blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=16).digest()


def is_same(one: str, other: str) -> bool:
    """Return whether two JSON texts say the same. The order of fields says nothing."""
    return one == other or digest_of(json.loads(one)) == digest_of(json.loads(other))


def as_json(value: object) -> str:
    """Return compact JSON in one line. Half a surrogate pair, which no encoding can hold, stays an escape; see `finite`."""
    try:
        text = _COMPACT.encode(value)
    except ValueError:
        value = finite(value)
        text = _COMPACT.encode(value)
    return text if is_text(text) else json.dumps(value, separators=(",", ":"))


def lines_of(rows: Iterable[Row]) -> Iterator[str]:
    """Return each row as JSON in one line."""
    return rows.lines() if isinstance(rows, Lines) else map(as_json, rows)


def finite(value: Any) -> Any:
    """Return a value with `"NaN"`, `"Infinity"` or `"-Infinity"` for numbers that JSON does not have, as in Protocol
    Buffers.

    Python's decoder accepts such numbers, and reads 1e999 as infinity, so a server may send them.
    """
    match value:
        case dict():
            return {name: finite(item) for name, item in value.items()}
        case list():
            return [finite(item) for item in value]
        case float():
            return value if math.isfinite(value) else json.dumps(value)
        case _:
            return value


def is_text(value: str) -> bool:
    """Return whether UTF-8 can encode a text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
