"""What others said, made safe for a terminal and for one line. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from ..pipelines.rows import finite

__all__ = ("json_line", "one_line")

# Control characters, among them those that begin an escape sequence; what turns the direction of writing around; and halves
# of characters, which can't be encoded.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(said: object) -> str:
    """A text in one line without anything that a terminal would obey; white space is one space."""
    return _UNSAFE.sub("\ufffd", " ".join(str(said).split()))


def json_line(row: Any, *, ascii: bool = False) -> str:
    """A JSON value in one line, without the line's end. What a terminal would obey is escaped, as JSON allows; what JSON does not
    have is text, see `finite`.

    Args:
        row: any JSON value.
        ascii: escape all letters beyond ASCII.
    """
    try:
        written = json.dumps(row, ensure_ascii=ascii, allow_nan=False, separators=(",", ":"))
    except ValueError:
        written = json.dumps(finite(row), ensure_ascii=ascii, separators=(",", ":"))
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
