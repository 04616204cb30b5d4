"""The Parquet sink: typed columns, in parts that a manifest lists."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from attrs import asdict, field, frozen

from ..errors import ExportError
from .durable import checksum, hold, replace, sync, sync_directory
from .schema import Column, columns, fit
from .sink import Row

__all__ = ("ParquetSink", "arrow_schema")

_MANIFEST: Final = "_manifest.json"
_NAME: Final = re.compile(r"part-\d{6,}\.parquet")
_SMALL: Final = 64 << 20
"""Maximum size in bytes of a part that is merged with others."""
_GROUP: Final = 2 << 20
"""Bytes in memory of a row group that a merge writes."""


@frozen
class Part:
    """A committed file.

    Attributes:
        name: file name in the directory of its resource.
        rows: number of rows.
        bytes: its size.
        sum: its CRC-32.
    """

    name: str
    rows: int
    bytes: int
    sum: int = field(repr=False)


class ParquetSink:
    """Writes typed columns under wire names to `DIRECTORY/RESOURCE/part-000001.parquet` and so on.

    The types are those of the API's document; see `columns`. A value that is undocumented or does not fit is JSON text in
    the column `additional_properties` of its object.

    A checkpoint lists the committed parts, as does `_manifest.json` for readers; `open` deletes the others. At the end of a
    run, superseded rows are dropped and small parts are merged, so that the `*.parquet` of a resource hold each row once.

    Args:
        path: the directory. It is created if it does not exist.
    """

    rows_per_commit: int = 10_000
    seconds_per_commit: float = 60.0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path).absolute()
        self._parts: dict[str, list[Part]] = {}
        self._next = 1
        self._open: dict[str, _Writer] = {}
        self._held: int | None = None

    @property
    def identity(self) -> str:
        return f"Parquet in {self.path}"

    def open(self, checkpoint: str | None, resources: Sequence[str]) -> None:
        if checkpoint is None:
            self._parts = {resource: [] for resource in resources}
            self._require_empty()
        else:
            known = json.loads(checkpoint)
            self._next = known["next"]
            self._parts = {name: [Part(**part) for part in known["parts"][name]] for name in resources}
            for resource, parts in self._parts.items():
                for part in parts:
                    self._check(self._place(resource) / part.name, part)
        for resource in resources:
            self._place(resource).mkdir(parents=True, exist_ok=True)
        if os.name != "nt":  # where a directory can't be opened
            self._held = os.open(self.path, os.O_RDONLY)
            hold(self._held, self.path)
        sync_directory(self.path)
        self._publish()

    def write(self, resource: str, rows: Sequence[Row]) -> None:
        if resource not in self._open:
            self._open[resource] = self._writer(resource)
        fitted = [fit(resource, row) for row in rows]
        self._open[resource].add(pa.Table.from_pylist(fitted, schema=arrow_schema(resource)))

    def commit(self) -> str:
        for resource, writer in self._open.items():
            self._parts[resource].append(writer.finish())
            sync_directory(self._place(resource))
        if self._open:
            self._open = {}
            self._write_manifest()
        return self._checkpoint()

    def finish(self, counts: Mapping[str, int]) -> Iterator[str]:
        for resource, parts in self._parts.items():
            superseded = sum(part.rows for part in parts) != counts[resource]
            merged = parts if superseded else [part for part in parts if part.bytes < _SMALL]
            if superseded or len(merged) > 1:
                part = self._merge(resource, merged, superseded=superseded)
                self._parts[resource] = [each for each in parts if each not in merged] + [part]
                if sum(each.rows for each in self._parts[resource]) != counts[resource]:
                    raise ExportError(
                        f"{self._place(resource)} has not the {counts[resource]} rows that the state knows of: start over "
                        "with another state and another place"
                    )
                yield self._checkpoint()
        self._publish()

    def close(self) -> None:
        for writer in self._open.values():
            writer.abandon()
        self._open.clear()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _place(self, resource: str) -> Path:
        return self.path / resource

    def _require_empty(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise ExportError(f"{self.path} is a file: Parquet goes into a directory")
        if any(self.path.rglob("*.parquet")):
            raise ExportError(
                f"{self.path} holds Parquet files that the state knows nothing of: export to another place, or move them away"
            )

    def _check(self, path: Path, part: Part) -> None:
        size = path.stat().st_size if path.exists() else None
        if size == part.bytes and checksum(path, part.bytes) == part.sum:
            return
        problem = "is gone" if size is None else "was changed by somebody else"
        raise ExportError(
            f"{path} {problem}: bring it back from a copy, or start over with another state and another place"
        )

    def _publish(self) -> None:
        """Write the manifest, then delete the parts that it does not list."""
        self._write_manifest()
        for resource, parts in self._parts.items():
            names = {part.name for part in parts}
            for path in self._place(resource).iterdir():
                if _NAME.fullmatch(path.name) and path.name not in names:
                    path.unlink()
            sync_directory(self._place(resource))

    def _write_manifest(self) -> None:
        manifest, new = self.path / _MANIFEST, self.path / f"{_MANIFEST}.new"
        files = {name: [f"{name}/{part.name}" for part in parts] for name, parts in self._parts.items()}
        new.write_text(json.dumps(files, indent=1) + "\n", encoding="utf-8")
        sync(new)
        replace(new, manifest)

    def _checkpoint(self) -> str:
        parts = {name: [asdict(part) for part in parts] for name, parts in self._parts.items()}
        return json.dumps({"next": self._next, "parts": parts})

    def _writer(self, resource: str) -> _Writer:
        number, self._next = self._next, self._next + 1
        path = self._place(resource) / f"part-{number:06}.parquet"
        return _Writer(path, arrow_schema(resource))

    def _merge(self, resource: str, parts: Sequence[Part], *, superseded: bool) -> Part:
        """Merge several parts into one with the latest row of each id."""
        writer = self._writer(resource)
        try:
            with closing(_Latest()) as latest:
                for number, part in enumerate(parts if superseded else ()):
                    for batch in self._batches(resource, part, ["id"]):
                        latest.note(batch.column("id").to_pylist(), number)
                for number, part in enumerate(parts):
                    for batch in self._batches(resource, part, None):
                        if superseded:
                            batch = batch.filter(pa.array(latest.are_of(batch.column("id").to_pylist(), number)))
                        writer.gather(pa.Table.from_batches([batch]))
            merged = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        sync_directory(self._place(resource))
        return merged

    def _batches(self, resource: str, part: Part, names: list[str] | None) -> Iterator[Any]:
        with pq.ParquetFile(self._place(resource) / part.name) as file:
            yield from file.iter_batches(batch_size=256, columns=names)


class _Latest:
    """An index of the part that has the latest row of each id, in a temporary file, so that memory stays flat."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA cache_size = -500",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE latest (id TEXT PRIMARY KEY, part INTEGER) WITHOUT ROWID",
            "BEGIN",
        ):
            self._db.execute(statement)

    def note(self, ids: Sequence[str | None], part: int) -> None:
        rows = [(each, part) for each in ids if each is not None]
        self._db.executemany("INSERT OR REPLACE INTO latest VALUES (?, ?)", rows)

    def are_of(self, ids: Sequence[str | None], part: int) -> list[bool]:
        """Return for each row of a part whether it is the latest of its id. A row without an id always is."""
        query = "SELECT part FROM latest WHERE id = ?"
        return [each is None or self._db.execute(query, (each,)).fetchone() == (part,) for each in ids]

    def close(self) -> None:
        self._db.close()


class _Writer:
    """A part that is being written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._rows = 0
        self._gathered: list[pa.Table] = []
        self._file = pq.ParquetWriter(path, schema, compression="zstd")

    def add(self, table: pa.Table) -> None:
        """Write a row group."""
        self._rows += table.num_rows
        self._file.write_table(table)

    def gather(self, table: pa.Table) -> None:
        """Collect rows, and write a row group once there are enough."""
        self._gathered.append(table)
        if sum(each.nbytes for each in self._gathered) >= _GROUP:
            self._write_gathered()

    def finish(self) -> Part:
        """Make the part durable."""
        self._write_gathered()
        self._file.close()
        sync(self._path)
        size = self._path.stat().st_size
        return Part(self._path.name, self._rows, size, checksum(self._path, size))

    def abandon(self) -> None:
        """Stop writing. The next `open` deletes the file."""
        with suppress(OSError, pa.ArrowException):
            self._file.close()

    def _write_gathered(self) -> None:
        if self._gathered:
            self.add(pa.concat_tables(self._gathered))
            self._gathered = []


@cache
def arrow_schema(resource: str) -> pa.Schema:
    """Return the columns of a resource as an Arrow schema.

    Raises:
        KeyError: there is no such resource.
    """
    return pa.schema([(column.name, _arrow_type(column)) for column in columns(resource)])


def _arrow_type(column: Column) -> pa.DataType:
    match column.kind:
        case "object":
            return pa.struct([(each.name, _arrow_type(each)) for each in column.fields])
        case "list" if column.item is not None:
            return pa.list_(_arrow_type(column.item))
        case kind:
            return _SCALARS[kind]


_SCALARS: Final[Mapping[str, pa.DataType]] = {
    "text": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "timestamp": pa.timestamp("ms", tz="UTC"),
    "date": pa.date32(),
    "json": pa.string(),
}
