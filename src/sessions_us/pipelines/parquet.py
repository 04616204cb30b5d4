"""The Parquet sink: typed columns, one file per resource."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ExportError
from .durable import Hold, fingerprint, replacing
from .rows import lines_of
from .schema import Column, columns, fit
from .sink import Row
from .unknown import require_unknown

__all__ = ("ParquetSink", "arrow_schema")

_GROUP: Final = 250
_GROUP_CHARACTERS: Final = 4_000_000
"""The most rows of a row group, and how long they may be as JSON: a group is in memory until it is written."""


class ParquetSink:
    """Writes typed columns under wire names to `DIRECTORY/RESOURCE.parquet`.

    The types are those of the API's document; see `columns`. A value that is undocumented or does not fit is JSON text in
    the column `additional_properties` of its object.

    Each write replaces the whole file in one step, so readers never see half of it.

    Args:
        path: the directory. It is created if it does not exist.
    """

    is_whole: bool = True
    rows_per_commit: int = 10_000
    seconds_per_commit: float = 60.0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path).absolute()
        self._files: dict[str, Path] = {}
        self._hold = Hold()

    @property
    def identity(self) -> str:
        return f"Parquet in {self.path}"

    def open(self, checkpoint: str | None, resources: Sequence[str]) -> bool:
        if self.path.exists() and not self.path.is_dir():
            raise ExportError(f"{self.path} is a file: Parquet goes into a directory")
        self._files = {resource: self.path / f"{resource}.parquet" for resource in resources}
        self.path.mkdir(parents=True, exist_ok=True)
        self._hold.take(self.path, f"{self.path} is in use: another export writes there; wait for its end, or stop it")
        if checkpoint is None:  # looked at only now, when no other export can write there
            for path in self._files.values():
                require_unknown(path, self.path, self.identity)
        return checkpoint in {None, "", fingerprint(self._files)}

    def write(self, resource: str, rows: Iterable[Row], erased: Sequence[str] = ()) -> None:
        schema = arrow_schema(resource)
        with (
            replacing(self._files[resource]) as new,
            new.open("wb") as target,  # which is closed, whatever the writer does after a failure
            pq.ParquetWriter(target, schema, compression="zstd") as file,
        ):
            for group in _groups(rows):
                file.write_table(pa.Table.from_pylist([_fitted(resource, row) for row in group], schema=schema))

    def commit(self) -> str:
        return fingerprint(self._files)

    def close(self) -> None:
        self._hold.close()


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for line in lines_of(rows):
        group.append(json.loads(line))
        size += len(line)
        if len(group) == _GROUP or size >= _GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


@cache
def arrow_schema(resource: str) -> pa.Schema:
    """Return the columns of a resource as an Arrow schema.

    Raises:
        KeyError: there is no such resource.
    """
    return pa.schema([(column.name, _arrow_type(column)) for column in (*columns(resource), _DELETED_AT)])


def _fitted(resource: str, row: Row) -> dict[str, Any]:
    """Return a row that fits the schema."""
    own = dict(row)
    deleted_at = own.pop(_DELETED_AT.name, None)
    return {
        **fit(resource, own),
        _DELETED_AT.name: None if deleted_at is None else datetime.fromisoformat(deleted_at),
    }


_DELETED_AT: Final = Column("deleted_at", "timestamp")
"""The column for rows that the server no longer has, if they are marked."""


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
