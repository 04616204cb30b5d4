"""The id of a row: one rule for models, lists, exports and webhooks."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ("as_id", "row_id")


def as_id(value: object) -> str | None:
    """Return a value as an id: a string that is not empty, or a whole number as text. None for anything else."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def row_id(row: object) -> str | None:
    """Return the id of a row as text; None if the row has none."""
    return as_id(row.get("id")) if isinstance(row, Mapping) else None
