"""Rows as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from .text import one_line

__all__ = ("cell", "table")


def table(columns: Mapping[str, str], rows: Sequence[Any], width: int) -> Table:
    """Make a table. Long cells are wrapped, but ids stay in one line, so that they can be copied.

    Args:
        columns: headings, and the path of the value in a row: wire names with dots; several paths are joined by `+`.
        rows: JSON values.
        width: width of the terminal. If it is narrow, ids are wrapped too.
    """
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading, where in columns.items():
        longest = max((len(cell(row, where)) for row in rows), default=0) if heading == "id" else 0
        drawn.add_column(heading, overflow="fold", min_width=longest if 2 * longest <= width else None)
    for row in rows:
        drawn.add_row(*(Text(cell(row, where)) for where in columns.values()))
    return drawn


def cell(row: Any, where: str) -> str:
    """Return the text of a cell."""
    found = [value for path in where.split("+") for value in _at(row, path.split("."))]
    return " ".join(_shown(value) for value in found)


def _at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """Return the values under a path of names, in each item of a list."""
    if not path:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        yield from _at(value.get(path[0]), path[1:])
    elif isinstance(value, list):
        for item in value:
            yield from _at(item, path)


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return str(len(value))
        case str():
            return one_line(_moment(value) or value)
        case _:
            return one_line(value)


def _moment(text: str) -> str | None:
    """Format a date-time of the API to the minute, in UTC."""
    if len(text) < len("2026-01-01T00:00Z") or text[10:11] != "T":
        return None
    try:
        moment = datetime.fromisoformat(text)
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
