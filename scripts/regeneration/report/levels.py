"""Whom a change breaks."""

from __future__ import annotations

from typing import Final, Literal

Level = Literal["breaking for callers", "breaking for parsing", "harmless"]
CALLERS: Final[Level] = "breaking for callers"
PARSING: Final[Level] = "breaking for parsing"
HARMLESS: Final[Level] = "harmless"


def retyped(before: str, after: str, sent: bool) -> Level:
    """A wider type is fine to send and unsafe to receive; a narrower one the other way round."""
    wider = {("integer", "number"), ("date-time", "string"), ("date", "string")}
    if (before, after) in wider or after in ("anything", "one of several"):
        return HARMLESS if sent else PARSING
    if (before, after) == ("number", "integer") or before == "anything":
        return CALLERS if sent else HARMLESS
    return CALLERS if sent else PARSING
