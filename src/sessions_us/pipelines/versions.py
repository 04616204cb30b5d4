"""The rows of a state as sinks get them: with their children, and with a version, the number of their last change."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from .plan import Resource
from .rows import digest_of
from .sink import Row
from .statefile import StateFile

__all__ = ("Changes", "Versions")

_CHUNK: Final = 50
"""Rows that are in memory at once."""


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
    rows: list[Row]
    erased: list[str]
    version: int


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

    def rows(self, resource: str) -> Iterator[Row]:
        """Yield all rows of a resource, in the order in which they were first seen."""
        last = 0
        while found := self._file.query(  # no query is left open if the sink fails
            "SELECT seq, key, row, sum, deleted_at FROM rows WHERE resource = ? AND version > 0 AND erased IS NULL AND seq > ?"
            " ORDER BY seq LIMIT ?",
            *(resource, last, _CHUNK),
        ):
            for last, key, text, sum_, deleted_at in found:  # noqa: B007
                yield self._composed(resource, key, self._file.json(text, sum_), deleted_at)

    def changes(self, version: int, limit: int) -> Iterator[Changes]:
        """Yield the next changes after a version, at most so many rows, by resource."""
        found = self._file.query(
            "SELECT resource, key, row, sum, deleted_at, erased, version FROM rows WHERE version > ? ORDER BY version LIMIT ?",
            version,
            limit,
        )
        for name in self._resources:
            own = [row for row in found if row[0] == name]
            kept = [
                self._composed(name, key, self._file.json(text, sum_), deleted_at)
                for _, key, text, sum_, deleted_at, erased, _ in own
                if erased is None
            ]
            if own:
                yield Changes(name, kept, [key for _, key, *_, erased, _ in own if erased is not None], found[-1][-1])

    def _composed(self, resource: str, key: str, row: dict[str, Any], deleted_at: str | None = None) -> Row:
        """Return a row with its children."""
        children = self._resources[resource].children
        stored = {
            name: (value, sum_)
            for name, value, sum_ in self._file.query(
                "SELECT name, value, sum FROM children WHERE resource = ? AND key = ?", resource, key
            )
        }
        for child in children:
            value, sum_ = stored.get(child.name, (None, None))
            if child.is_in_rows and row.get(child.name):
                continue
            if value is not None:
                row[child.name] = self._file.json(value, sum_)
            elif child.name not in stored:  # else it could not be read
                row[child.name] = child.nothing
        if deleted_at is not None:
            row["deleted_at"] = deleted_at
        return row

    # -- changes -----------------------------------------------------------------------------------------------------

    def renew(self, resource: str, key: str) -> None:
        """Give a row a new version, if the row or its children are others than before."""
        text, sum_, before, deleted_at = self._file.one(
            "SELECT row, sum, written, deleted_at FROM rows WHERE resource = ? AND key = ?", resource, key
        )
        digest = digest_of(self._composed(resource, key, self._file.json(text, sum_), deleted_at))
        if digest == before:
            return
        self.last += 1
        self._file.change(
            "UPDATE rows SET written = ?, version = ? WHERE resource = ? AND key = ?", digest, self.last, resource, key
        )
        self._file.change(
            "UPDATE resources SET added = added + ?, changed = changed + ? WHERE name = ?",
            *(before is None, before is not None, resource),
        )

    def mark(self, resource: str, key: str) -> None:
        """Mark a row as one that the server no longer has."""
        self._part_with(resource, key, written=b"")

    def erase(self, resource: str, key: str, run: int) -> None:
        """Erase a row and its children. The key stays, so that sinks of later runs hear of it."""
        self._part_with(resource, key, written=None)
        self._file.change("DELETE FROM children WHERE resource = ? AND key = ?", resource, key)
        self._file.change(
            "UPDATE rows SET erased = ?, row = '{}', sum = ?, listed = x'', awaits = 0 WHERE resource = ? AND key = ?",
            *(run, zlib.crc32(b"{}"), resource, key),
        )

    def _part_with(self, resource: str, key: str, *, written: bytes | None) -> None:
        self.last += 1
        self._file.change(
            "UPDATE rows SET deleted_at = COALESCE(deleted_at, ?), version = ?, written = ? WHERE resource = ? AND key = ?",
            *(self._clock().isoformat(timespec="milliseconds"), self.last, written, resource, key),
        )
