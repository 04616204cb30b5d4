"""Whom a change breaks."""

from __future__ import annotations

from typing import Final, Literal

Level = Literal["breaking for callers", "breaking for parsing", "harmless"]
CALLERS: Final[Level] = "breaking for callers"
PARSING: Final[Level] = "breaking for parsing"
HARMLESS: Final[Level] = "harmless"


def narrowed(narrower: bool, sent: bool) -> Level:
    """Whom it breaks that a value may be less than before (narrower) or more."""
    if sent:
        return CALLERS if narrower else HARMLESS
    return HARMLESS if narrower else PARSING


def retyped(before: str, after: str, sent: bool) -> Level:
    """A wider type is fine to send and unsafe to receive; a narrower one the other way round."""
    wider = {("integer", "number"), ("date-time", "string"), ("date", "string")}
    if (before, after) in wider or after in ("anything", "one of several"):
        return narrowed(False, sent)
    if (before, after) == ("number", "integer") or before == "anything":
        return narrowed(True, sent)
    return CALLERS if sent else PARSING
