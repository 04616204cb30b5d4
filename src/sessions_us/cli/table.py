"""Rows as a table for people. Nothing is cut without a mark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .text import one_line

__all__ = ("cell", "table", "values_at")

_GAP = 3  # columns between two cells
_LEAST = 12  # a text with spaces is not folded to less than this
_SHORT = 8  # what is left of an id, before the mark
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def table(columns: Mapping[str, str], rows: Sequence[Any], width: int) -> RenderableType:
    """Make a table that fits. Where there is no room, ids are shortened, texts go on in the next line, and columns without a
    value, then the last ones, are left out and named below.

    Args:
        columns: headings, and the path of the value in a row: wire names with dots; several paths are joined by `+`. The most
            important come first.
        rows: JSON values.
        width: width of the terminal.
    """
    cells = {heading: [cell(row, where) for row in rows] for heading, where in columns.items()}
    shortens = sum(_natural(heading, texts) + _GAP for heading, texts in cells.items()) - _GAP > width
    empty = [heading for heading, texts in cells.items() if shortens and not any(texts)]
    if shortens:
        cells = {heading: [_shortened(text) for text in texts] for heading, texts in cells.items() if any(texts)}
    widths = _widths(cells, width)
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading, columns_wide in widths.items():
        drawn.add_column(heading, overflow="fold", width=columns_wide)
    for number in range(len(rows)):
        drawn.add_row(*(Text(cells[heading][number]) for heading in widths))
    hidden = [heading for heading in cells if heading not in widths]
    notes = []
    if empty:
        notes.append(f"Empty: {', '.join(empty)}.")
    if hidden:
        notes.append(f"Not shown for want of room: {', '.join(hidden)}.")
    if any(text.endswith("…") for heading in widths for text in cells[heading]):
        notes.append("Ids are shortened.")
    if not notes:
        return drawn
    return Group(drawn, Text(f"{' '.join(notes)} All is in --json.", "dim"))


def _widths(cells: Mapping[str, Sequence[str]], width: int) -> dict[str, int]:
    """Return the widths of the columns that there is room for."""
    natural = {heading: _natural(heading, texts) for heading, texts in cells.items()}
    least = {heading: min(natural[heading], _least(heading, texts)) for heading, texts in cells.items()}
    kept = list(cells)
    while len(kept) > 1 and sum(least[heading] for heading in kept) + _GAP * (len(kept) - 1) > width:
        kept.pop()
    left = width - sum(least[heading] for heading in kept) - _GAP * (len(kept) - 1)
    widths = {}
    for heading in kept:
        more = max(0, min(natural[heading] - least[heading], left))
        widths[heading] = least[heading] + more if len(kept) > 1 else min(natural[heading], width)
        left -= more
    return widths


def _natural(heading: str, texts: Sequence[str]) -> int:
    return max(map(cell_len, [heading, *texts]))


def _least(heading: str, texts: Sequence[str]) -> int:
    """Return the least width of a column: words stay whole, so that an address is in one line."""
    words = max((cell_len(word) for text in texts for word in text.split()), default=0)
    whole = max(map(cell_len, texts), default=0) if all(map(_is_short, texts)) else 0
    return max(cell_len(heading), min(words, 40), whole, min(_LEAST, _natural(heading, texts)))


def _is_short(text: str) -> bool:
    return len(text) <= len("2026-01-01 00:00")


def _shortened(text: str) -> str:
    return f"{text[:_SHORT]}…" if _ID.fullmatch(text) else text


def cell(row: Any, where: str) -> str:
    """Return the text of a cell."""
    return " ".join(_shown(value) for path in where.split("+") for value in values_at(row, path.split(".")))


def values_at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """Return the values under a path of names, in each item of a list."""
    if not path:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        yield from values_at(value.get(path[0]), path[1:])
    elif isinstance(value, list):
        for item in value:
            yield from values_at(item, path)


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return str(len(value))
        case dict():
            return one_line(str(value.get("name") or value.get("id") or f"{len(value)} fields"))
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
