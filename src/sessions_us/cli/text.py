"""Make foreign text safe for a terminal and for one line. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from ..pipelines.rows import finite

__all__ = ("counted", "json_line", "one_line")

# Control characters, among them those that begin an escape sequence; what turns the direction of writing around; and halves
# of characters, which can't be encoded.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: object) -> str:
    """Return a text in one line without control sequences of a terminal. White space becomes one space."""
    return _UNSAFE.sub("\ufffd", " ".join(str(text).split()))


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2 rows`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def json_line(row: Any, *, ascii: bool = False) -> str:
    """Return a JSON value in one line, without the line's end. Control characters are escaped, as JSON allows; numbers that
    JSON does not have become text, see `finite`.

    Args:
        row: any JSON value.
        ascii: escape all letters beyond ASCII.
    """
    try:
        written = json.dumps(row, ensure_ascii=ascii, allow_nan=False, separators=(",", ":"))
    except ValueError:
        written = json.dumps(finite(row), ensure_ascii=ascii, separators=(",", ":"))
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
