"""Refuse to replace what no export of this state has written."""

from __future__ import annotations

from pathlib import Path

from ..errors import ExportError
from .statefile import knows

__all__ = ("require_unknown", "unknown")


def require_unknown(path: Path, place: Path, identity: str) -> None:
    """Refuse to replace a file that no export of this state has written.

    Args:
        path: the file.
        place: the file or the directory of the sink.
        identity: the sink.

    Raises:
        ExportError: there is such a file, and it is not empty.
    """
    if path.exists() and path.stat().st_size:
        raise unknown(f"{path} is there", place, identity)


def unknown(what: str, place: Path | None, identity: str) -> ExportError:
    """Return the error for rows that the state knows nothing of. It names the state that does, if it lies beside the place."""
    beside = [] if place is None else sorted(place.parent.glob("*.state"))
    other = next((state for state in beside if knows(state, f"sink {identity}")), None)
    remedy = "export to another place, or move it away" if other is None else f"{other} does, so give it as the state"
    return ExportError(f"{what} already, and the state knows nothing of it: {remedy}")
