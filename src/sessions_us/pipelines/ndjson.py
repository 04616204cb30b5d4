"""The NDJSON sink: one row per line, one file per resource."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from attrs import asdict, define

from ..errors import ExportError
from .durable import checksum, hold, replace, sync_directory
from .rows import as_json, key_of
from .sink import Row

__all__ = ("NDJSONSink",)

_FILE_ENDINGS: Final = {".ndjson", ".jsonl", ".json"}


class NDJSONSink:
    """Writes one JSON object per line, with wire names and nested children.

    A checkpoint holds the length and checksum of each file. `open` truncates what follows, such as a torn line. At the end
    of a run, a new file without superseded lines replaces the old one.

    Args:
        path: for one resource a file that ends in `.ndjson`, `.jsonl` or `.json`; otherwise a directory with a file per
            resource, such as `sessions.ndjson`. It is created if it does not exist.
    """

    rows_per_commit: int = 1_000
    seconds_per_commit: float = 1.0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path).absolute()
        self._files: dict[str, _Lines] = {}

    @property
    def identity(self) -> str:
        return f"NDJSON in {self.path}"

    def open(self, checkpoint: str | None, resources: Sequence[str]) -> None:
        paths = self._paths(resources)
        known: dict[str, dict[str, Any]] = {} if checkpoint is None else json.loads(checkpoint)
        for resource, path in paths.items():
            file = self._files[resource] = _Lines(path)
            if checkpoint is None:
                file.begin()
            else:
                file.go_on(known[resource])

    def write(self, resource: str, rows: Sequence[Row]) -> None:
        self._files[resource].write(rows)

    def commit(self) -> str:
        for file in self._files.values():
            file.commit()
        return self._checkpoint()

    def finish(self, counts: Mapping[str, int]) -> Iterator[str]:
        for resource, file in self._files.items():
            if file.length.rows != counts[resource]:
                file.rewrite(counts[resource])
                yield self._checkpoint()  # from here on it is the new file that counts, wherever a crash leaves it
                file.take_rewritten()
                yield self._checkpoint()
            file.is_closed = True
        yield self._checkpoint()

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _paths(self, resources: Sequence[str]) -> dict[str, Path]:
        is_file = self.path.suffix.lower() in _FILE_ENDINGS and not self.path.is_dir()
        if is_file and len(resources) > 1:
            raise ExportError(f"{self.path} is the name of one file: several resources need a directory")
        if not is_file and self.path.exists() and not self.path.is_dir():
            raise ExportError(f"{self.path} is a file: give a directory, or a name that ends in .ndjson")
        return {resource: self.path if is_file else self.path / f"{resource}.ndjson" for resource in resources}

    def _checkpoint(self) -> str:
        return json.dumps({resource: file.checkpoint() for resource, file in self._files.items()})


@define
class _Length:
    """The committed part of a file.

    Attributes:
        size: bytes.
        rows: lines.
        sum: the CRC-32 of these bytes.
    """

    size: int = 0
    rows: int = 0
    sum: int = 0

    def add(self, line: bytes) -> None:
        self.size += len(line)
        self.rows += 1
        self.sum = zlib.crc32(line, self.sum)


class _Lines:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.path = path = path.resolve()  # what a link points to is replaced, and not the link
        self.length = _Length()
        self.is_closed = False
        self._rewritten = path.with_name(f".{path.name}.rewritten")
        self._rewritten_length: _Length | None = None
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        """Create the file."""
        if self.path.exists() and self.path.stat().st_size:
            raise ExportError(
                f"{self.path} is there already, and the state knows nothing of it: export to another place, or move it away"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab")  # which cuts nothing off that another export has written
        hold(self._file.fileno(), self.path)
        self._rewritten.unlink(missing_ok=True)
        sync_directory(self.path.parent)

    def go_on(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the file to its checkpoint, whatever was written after that."""
        length = _Length(**checkpoint["length"])
        if checkpoint["rewritten"] is not None:
            length = _Length(**checkpoint["rewritten"])
            if self._rewritten.exists():
                self._check(self._rewritten, length)
                replace(self._rewritten, self.path)
        self._rewritten.unlink(missing_ok=True)  # an incomplete one, of no checkpoint
        size = self._check(self.path, length)
        if checkpoint["closed"] and size > length.size:
            raise ExportError(
                f"{self.path} has {size - length.size} bytes more than the export wrote: take them out (all after byte "
                f"{length.size}), or start over with another state and another place"
            )
        self.length = length
        self._file = self.path.open("r+b")
        hold(self._file.fileno(), self.path)
        self._file.truncate(length.size)
        self._file.seek(length.size)

    def write(self, rows: Sequence[Row]) -> None:
        file = self._opened()
        for row in rows:
            line = f"{as_json(row)}\n".encode()
            file.write(line)
            self.length.add(line)

    def commit(self) -> None:
        file = self._opened()
        file.flush()
        os.fsync(file.fileno())

    def checkpoint(self) -> dict[str, Any]:
        rewritten = None if self._rewritten_length is None else asdict(self._rewritten_length)
        return {"length": asdict(self.length), "rewritten": rewritten, "closed": self.is_closed}

    def rewrite(self, rows: int) -> None:
        """Write a second file without the superseded lines."""
        self._rewritten_length = length = _Length()
        with self._rewritten.open("wb") as file:
            shutil.copymode(self.path, self._rewritten)  # before there is a row in it that others could read
            for line in _latest(self.path):
                file.write(line)
                length.add(line)
            file.flush()
            os.fsync(file.fileno())
        if length.rows != rows:
            raise ExportError(
                f"{self.path} has {length.rows} rows where the state knows of {rows}: start over with another state and "
                "another place"
            )

    def take_rewritten(self) -> None:
        """Replace the first file by the second."""
        self.close()  # some systems replace no open file
        replace(self._rewritten, self.path)
        self.length, self._rewritten_length = self._rewritten_length or self.length, None
        self._file = self.path.open("r+b")
        hold(self._file.fileno(), self.path)
        self._file.seek(self.length.size)

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):  # what was not committed does not count
                file.close()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ExportError(f"{self.path} is not open")
        return self._file

    @staticmethod
    def _check(path: Path, length: _Length) -> int:
        """Return the size of a file after checking that it starts with the committed bytes."""
        size = path.stat().st_size if path.exists() else None
        if size is None:
            problem = "is gone"
        elif size < length.size:
            problem = f"has {size} bytes, but {length.size} were committed"
        elif checksum(path, length.size) != length.sum:
            problem = "was changed by somebody else"
        else:
            return size
        raise ExportError(
            f"{path} {problem}: bring it back from a copy, or start over with another state and another place"
        )


def _latest(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, only the last one of each id."""
    index = sqlite3.connect("", isolation_level=None)  # a file of its own that goes with it, so that memory stays flat
    try:
        index.execute("PRAGMA cache_size = -500")
        index.execute("PRAGMA synchronous = OFF")
        index.execute("CREATE TABLE last (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        index.execute("BEGIN")
        with path.open("rb") as file:
            for number, line in enumerate(file):
                key = key_of(json.loads(line)) or f"\0{number}"
                index.execute("INSERT OR REPLACE INTO last VALUES (?, ?)", (key, number))
        wanted = index.execute("SELECT line FROM last ORDER BY line")
        with path.open("rb") as file:
            lines = enumerate(file)
            for (last,) in wanted:
                yield next(line for number, line in lines if number == last)
    finally:
        index.close()
