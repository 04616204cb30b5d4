"""Text that a server chose, made safe for a line of a log or of a message. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ("escaped",)

_LONGEST: Final = 200  # characters


def escaped(text: str) -> str:
    """Return a text in one line of at most 200 characters. What can't be printed is escaped as `repr` does it, so that no
    server ends a line, begins another one, or speaks to a terminal.
    """
    if text.isprintable() and len(text) <= _LONGEST:
        return text
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
