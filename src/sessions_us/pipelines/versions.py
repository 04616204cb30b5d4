"""The rows of a state as sinks get them: with their children, and with a version, the number of their last change."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from attrs import frozen

from .plan import Resource
from .rows import as_json
from .sink import Row
from .statefile import StateFile

__all__ = ("Changes", "StoredRows", "Versions")

_MOST_ROWS: Final = 1_000
_MOST_CHARACTERS: Final = 4_000_000
"""How much is in memory at once."""


@frozen
class Changes:
    """Rows of one resource that are new or have changed.

    Attributes:
        resource: the resource.
        rows: the rows.
        erased: the keys of rows to delete.
        version: the version of the last one.
    """

    resource: str
    rows: Sequence[Row]
    erased: list[str]
    version: int


class Stored(NamedTuple):
    """A row as it is stored: JSON without its children, with its checksum."""

    resource: str
    key: str
    text: str
    sum: int
    deleted_at: str | None


class Versions:
    """Gives each change of a row a number. A sink has got all changes up to one.

    Args:
        file: the file of the state.
        resources: the resources of the job by name, in order.
        clock: tells the time.

    Attributes:
        last: the version of the last change.
    """

    def __init__(self, file: StateFile, resources: Mapping[str, Resource], clock: Callable[[], datetime]) -> None:
        self._file = file
        self._resources = resources
        self._clock = clock
        (last,) = file.one("SELECT COALESCE(MAX(version), 0) FROM rows")
        self.last: int = last

    # -- for sinks ---------------------------------------------------------------------------------------------------

    def delivered(self, sink: str) -> tuple[int, str | None]:
        """Return the version up to which a sink has all changes, and its checkpoint; None if it is new."""
        found = self._file.get(f"sink {sink}")
        if found is None:
            return 0, None
        version, checkpoint = json.loads(found)
        return version, checkpoint

    def deliver(self, sink: str, version: int, checkpoint: str) -> None:
        """Commit that a sink has all changes up to a version."""
        self._file.set(f"sink {sink}", json.dumps([version, checkpoint]))
        self._file.commit()

    @property
    def resources(self) -> list[str]:
        """The names of the resources."""
        return list(self._resources)

    def changed(self, version: int) -> list[str]:
        """Return the resources with changes after a version."""
        found = {name for (name,) in self._file.query("SELECT DISTINCT resource FROM rows WHERE version > ?", version)}
        return [name for name in self._resources if name in found]

    def rows(self, resource: str) -> StoredRows:
        """Return all rows of a resource, in the order in which they were first seen."""
        return StoredRows(self, resource)

    def stored(self, resource: str) -> Iterator[Stored]:
        """Yield all rows of a resource as they are stored. No query stays open between two of them."""
        last = 0
        while found := _within_bounds(
            self._file.stream(
                "SELECT key, row, sum, deleted_at, seq, LENGTH(row) FROM rows NOT INDEXED"
                " WHERE resource = ? AND version > 0 AND erased IS NULL AND seq > ? ORDER BY seq LIMIT ?",
                *(resource, last, _MOST_ROWS),
            )
        ):
            for *row, last, _ in found:  # noqa: B007
                yield Stored(resource, *row)

    def changes(self, version: int, limit: int) -> Iterator[Changes]:
        """Yield the next changes after a version, at most so many rows, by resource."""
        found = _within_bounds(
            self._file.stream(
                "SELECT resource, key, row, sum, deleted_at, erased, version, LENGTH(row) + COALESCE((SELECT SUM(LENGTH(value))"
                " FROM children c WHERE c.resource = r.resource AND c.key = r.key), 0)"
                " FROM rows r WHERE version > ? ORDER BY version LIMIT ?",
                *(version, limit),
            )
        )
        for name in self._resources:
            own = [(Stored(*row), erased) for *row, erased, _, _ in found if row[0] == name]
            kept = [self.composed(row) for row, erased in own if erased is None]
            if own:
                yield Changes(name, kept, [row.key for row, erased in own if erased is not None], found[-1][-2])

    def line(self, row: Stored) -> str:
        """Return a row with its children as JSON."""
        if self._resources[row.resource].children or row.deleted_at is not None:
            return as_json(self.composed(row))
        return self._file.text(row.text, row.sum)

    def composed(self, row: Stored) -> dict[str, Any]:
        """Return a row with its children."""
        whole: dict[str, Any] = self._file.json(row.text, row.sum)
        children = self._resources[row.resource].children
        stored = (
            {
                name: (value, sum_)
                for name, value, sum_ in self._file.query(
                    "SELECT name, value, sum FROM children WHERE resource = ? AND key = ?", row.resource, row.key
                )
            }
            if children
            else {}
        )
        for child in children:
            value, sum_ = stored.get(child.name, (None, None))
            if child.is_in_rows and whole.get(child.name):
                continue
            if value is not None:
                whole[child.name] = self._file.json(value, sum_)
            elif child.name not in stored:  # else it could not be read
                whole[child.name] = child.nothing
        if row.deleted_at is not None:
            whole["deleted_at"] = row.deleted_at
        return whole

    # -- changes -----------------------------------------------------------------------------------------------------

    def next(self, line: str, before: bytes | None) -> tuple[bytes, int] | None:
        """Return the digest and the version of a row that is about to be written; None if it is as before.

        Args:
            line: the row as JSON.
            before: the digest with which it was written last.
        """
        digest = blake2b(line.encode(), digest_size=16).digest()
        if digest == before:
            return None
        self.last += 1
        return digest, self.last

    def renew(self, resource: str, key: str) -> None:
        """Give a row a new version, if the row or its children are others than before."""
        text, sum_, before, deleted_at = self._file.one(
            "SELECT row, sum, written, deleted_at FROM rows WHERE resource = ? AND key = ?", resource, key
        )
        renewed = self.next(self.line(Stored(resource, key, text, sum_, deleted_at)), before)
        if renewed is None:
            return
        self._file.change(
            "UPDATE rows SET written = ?, version = ? WHERE resource = ? AND key = ?", *renewed, resource, key
        )
        self.count(resource, added=before is None, changed=before is not None)

    def count(self, resource: str, *, added: int, changed: int) -> None:
        """Count rows that this run writes."""
        self._file.change(
            "UPDATE resources SET added = added + ?, changed = changed + ? WHERE name = ?", added, changed, resource
        )

    def mark(self, resource: str, key: str) -> None:
        """Mark a row as one that the server no longer has."""
        self._part_with(resource, key, written=b"")

    def erase(self, resource: str, key: str, run: int) -> None:
        """Erase a row and its children. The key stays, so that sinks of later runs hear of it."""
        self._part_with(resource, key, written=None)
        self._file.change("DELETE FROM children WHERE resource = ? AND key = ?", resource, key)
        self._file.change(
            "UPDATE rows SET erased = ?, row = '{}', sum = ?, awaits = 0 WHERE resource = ? AND key = ?",
            *(run, zlib.crc32(b"{}"), resource, key),
        )

    def _part_with(self, resource: str, key: str, *, written: bytes | None) -> None:
        self.last += 1
        self._file.change(
            "UPDATE rows SET deleted_at = COALESCE(deleted_at, ?), version = ?, written = ? WHERE resource = ? AND key = ?",
            *(self._clock().isoformat(timespec="milliseconds"), self.last, written, resource, key),
        )


class StoredRows:
    """All rows of a resource, read one by one: as mappings, or as lines of JSON."""

    def __init__(self, versions: Versions, resource: str) -> None:
        self._versions = versions
        self._resource = resource

    def __iter__(self) -> Iterator[Row]:
        return map(self._versions.composed, self._versions.stored(self._resource))

    def lines(self) -> Iterator[str]:
        """Yield each row as JSON in one line."""
        return map(self._versions.line, self._versions.stored(self._resource))


def _within_bounds(found: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the first rows of a query that may be in memory at once. The last value of each is its size."""
    taken, left = [], _MOST_CHARACTERS
    for row in found:
        taken.append(row)
        left -= row[-1]
        if left <= 0:
            break
    return taken
