"""What tells the rows of a list from each other: their ids, or else their content without the fields that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final

from .._send.body import parsed
from .row_id import row_id

__all__ = ("RowNames", "Seen", "digest", "is_nameless")

_NAMELESS: Final = "\0"


class RowNames:
    """Names the rows of one list.

    Attributes:
        are_proven: whether two answers to one page had the same names.
    """

    def __init__(self) -> None:
        self.are_proven = False
        self._changing: frozenset[str] = frozenset()

    def of(self, rows: Sequence[Any]) -> list[str]:
        """The names of rows, in their order."""
        return [_name(row, self._changing) for row in rows]

    def learn(self, one: Sequence[Any], other: Sequence[Any]) -> bool:
        """Compare two answers to one page. Returns whether fields were found that changed, so that rows have other names."""
        rows, others = (
            [row for row in page if isinstance(row, Mapping) and row_id(row) is None] for page in (one, other)
        )
        found = _changing(rows, others, self._changing)
        self._changing |= found
        self.are_proven = _is_same_but_for(self._changing, rows, others)
        return bool(found)


class Seen:
    """The names that came before. Their hashes are kept, which take less memory than the names."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def add(self, names: Sequence[str]) -> set[str]:
        """Remember names. Returns those that did not come before."""
        fresh = {name for name in names if hash(name) not in self._hashes}
        self._hashes.update(map(hash, fresh))
        return fresh


def is_nameless(name: str) -> bool:
    """Whether a name is made of a row's content, for want of an id."""
    return name.startswith(_NAMELESS)


def digest(text: str) -> str:
    """A short text in the place of a long one."""
    return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def _name(row: Any, changing: frozenset[str]) -> str:
    if isinstance(row, str):
        with suppress(ValueError, RecursionError):  # it is read as the object that it is the JSON of
            row = parsed(row)
    if (name := row_id(row)) is not None:
        return name
    if isinstance(row, Mapping):
        row = {field: value for field, value in row.items() if field not in changing}
    return _NAMELESS + digest(repr(row))


def _changing(
    rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], known: frozenset[str]
) -> frozenset[str]:
    """The further fields without which at least half of the rows are the same in two answers, and without which they can still
    be told apart. Empty where there are none."""
    if not rows or not others or _is_same_but_for(known, rows, others):
        return frozenset()
    fields = {field for row in (*rows, *others) for field in row} - known
    pairs = list(zip(rows, others, strict=False))
    moved = {field for row, its_other in pairs for field in fields if row.get(field) != its_other.get(field)}
    candidates = [frozenset(moved), *(frozenset({field}) for field in sorted(fields, key=str))]
    for candidate in candidates:
        if candidate and 2 * len(candidate) <= len(fields) and _is_same_but_for(candidate | known, rows, others):
            return candidate
    return frozenset()


def _is_same_but_for(changing: frozenset[str], rows: Sequence[Any], others: Sequence[Any]) -> bool:
    names, other_names = ({_name(row, changing) for row in page} for page in (rows, others))
    told_apart = len(names) == len(rows) and len(other_names) == len(others)
    return told_apart and 2 * len(names & other_names) >= max(len(rows), len(others))
