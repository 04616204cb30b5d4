"""JSON that a person gives: in a file, in the standard input, or as the value of an option."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

__all__ = ("json_in", "json_of")

_MOST_BYTES: Final = 64 * 1024 * 1024
"""As many as a sandbox takes."""


def json_in(file: Path, *, stdin: bool = False) -> Any:
    """Return the JSON of a file of at most 64 MiB.

    Args:
        file: its path.
        stdin: whether `-` is the standard input.

    Raises:
        OSError: it can't be read.
        ValueError: it is too large, or no JSON.
    """
    is_stdin = stdin and str(file) == "-"
    if is_stdin and sys.stdin is None:
        raise OSError("the standard input is closed")
    with nullcontext(sys.stdin.buffer) if is_stdin else file.open("rb") as source:
        content = source.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES // 1024**2} MiB")
    return json_of(content)


def json_of(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
