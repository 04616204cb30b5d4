"""Rows: their keys, their digests, and how they are written."""

from __future__ import annotations

import json
import math
from hashlib import blake2b
from typing import Any

from .._calls.row_id import row_id

__all__ = ("as_json", "digest_of", "finite", "is_text", "key_of")


def key_of(row: object) -> str | None:
    """The id of a row as text; None where there is none, or none that UTF-8 can hold."""
    name = row_id(row)
    return name if name is not None and is_text(name) else None


def digest_of(row: object) -> bytes:
    """Return a digest of a row, 16 bytes, which does not depend on the order of fields."""
    return blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=16).digest()


def as_json(value: object) -> str:
    """Return compact JSON in one line. Half a surrogate pair, which no encoding can hold, stays an escape; see `finite`."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        value = finite(value)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if is_text(text) else json.dumps(value, separators=(",", ":"))


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
