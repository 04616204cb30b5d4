"""Decide which children of a row to ask for, and where a quick run may stop. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import frozen

from .plan import Child

__all__ = ("Asked", "Order", "expected_change", "is_awaited", "is_due", "is_newest_first")

_UNKNOWN: Final = object()


@frozen
class Asked:
    """An earlier request for a kind of children of a row.

    Attributes:
        found: whether there were any.
        by_this_process: whether this process sent it.
    """

    found: bool
    by_this_process: bool


def is_due(
    child: Child, row: Mapping[str, Any], asked: Asked | None, *, changed: bool, now: datetime, patience: timedelta
) -> bool:
    """Return whether to ask for the children of a row.

    Args:
        child: the kind of children.
        row: the row as its list has it.
        asked: the last answered request for them; None if there was none.
        changed: whether the row is new or has changed since then.
        now: the current time.
        patience: how long after a session's end missing takeaways and transcripts are asked for.
    """
    if (child.is_in_rows and row.get(child.name)) or (child.comes_late and not _has_begun(row, now)):
        return False
    if asked is None or changed:
        return True
    if asked.by_this_process:
        return False
    return not row.get("endedAt") or is_awaited(child, row, found=asked.found, now=now, patience=patience)


def is_awaited(child: Child, row: Mapping[str, Any], *, found: bool, now: datetime, patience: timedelta) -> bool:
    """Return whether children that are missing may still appear, so that later runs ask again."""
    if found or not child.comes_late or not row.get("endedAt"):
        return False
    ended = _moment(row["endedAt"])
    return ended is None or now - ended < patience


def expected_change(row: Mapping[str, Any], now: datetime) -> float | None:
    """Return when the list is expected to show another row: at a session's start; now, while it is on; else None."""
    if row.get("endedAt"):
        return None
    start = _moment(row.get("startAt"))
    if row.get("actualStart"):
        return now.timestamp()
    return None if start is None else start.timestamp()


def is_newest_first(rows: Sequence[Any]) -> bool:
    """Return whether a page shows that its list has the newest rows first, so that new rows are at its beginning."""
    texts = _made(rows)
    return len(texts) == len(rows) > 1 and texts == sorted(texts, reverse=True) and texts[0] > texts[-1]


@frozen
class Order:
    """The order of a list, as far as it was read.

    Attributes:
        is_newest_first: whether no row so far was made after one before it.
        last: when the last row was made, as the server wrote it; None at the beginning.
    """

    is_newest_first: bool = True
    last: str | None = None

    def after(self, rows: Sequence[Any]) -> Order:
        """Return the order with one more page. A row that does not tell when it was made leaves the order open."""
        texts = _made(rows)
        read = texts if self.last is None else [self.last, *texts]
        follows = len(texts) == len(rows) and read == sorted(read, reverse=True)
        return Order(self.is_newest_first and follows, texts[-1] if texts else self.last)


def _made(rows: Sequence[Any]) -> list[str]:
    """Return when rows were made, for those that tell it."""
    made = [row.get("createdAt") for row in rows if isinstance(row, dict)]
    return [moment for moment in made if isinstance(moment, str)]


def _has_begun(row: Mapping[str, Any], now: datetime) -> bool:
    if row.get("actualStart") or row.get("endedAt"):
        return True
    if row.get("actualStart", _UNKNOWN) is None:
        return False
    start = _moment(row.get("startAt"))  # a list that does not tell of starts
    return start is None or start <= now


def _moment(text: Any) -> datetime | None:
    """Return an aware moment; None for what is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None
