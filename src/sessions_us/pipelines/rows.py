"""Rows: what names one, whether it is the same as before, and how it is written."""

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
    """Sixteen bytes that are the same for the same row, in whatever order its fields come."""
    return blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=16).digest()


def as_json(value: object) -> str:
    """Compact JSON in one line. Half a surrogate pair, which no encoding can hold, stays an escape; see `finite`."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        value = finite(value)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if is_text(text) else json.dumps(value, separators=(",", ":"))


def finite(value: Any) -> Any:
    """The same with `"NaN"`, `"Infinity"` or `"-Infinity"` for numbers that JSON does not have, as Protocol Buffers write them.

    Python reads such numbers, and takes 1e999 for infinity, so they may come from a server.
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
    """Whether UTF-8 can hold it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
