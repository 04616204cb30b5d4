"""The NDJSON sink: one row per line, one file per resource."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ..errors import ExportError
from .durable import Hold, fingerprint, replacing
from .rows import lines_of
from .sink import Row
from .unknown import require_unknown

__all__ = ("NDJSONSink",)

_FILE_ENDINGS: Final = {".ndjson", ".jsonl", ".json"}


class NDJSONSink:
    """Writes one JSON object per line, with wire names and nested children.

    Each write replaces the whole file in one step, so readers never see half a row or half an export.

    Args:
        path: for one resource a file that ends in `.ndjson`, `.jsonl` or `.json`; otherwise a directory with a file per
            resource, such as `sessions.ndjson`. It is created if it does not exist.
    """

    is_whole: bool = True
    rows_per_commit: int = 1_000
    seconds_per_commit: float = 30.0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path).absolute()
        self._files: dict[str, Path] = {}
        self._hold = Hold()

    @property
    def identity(self) -> str:
        return f"NDJSON in {self.path}"

    def open(self, checkpoint: str | None, resources: Sequence[str]) -> bool:
        self._files = self._paths(resources)
        is_there = checkpoint in {None, "", fingerprint(self._files)}
        for path in self._files.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():  # or its time would change, and the next run would write it again
                path.touch()
            self._lock(path)
            if checkpoint is None:  # looked at only now, when no other export can write there
                require_unknown(path, self.path, self.identity)
        return is_there

    def write(self, resource: str, rows: Iterable[Row], erased: Sequence[str] = ()) -> None:
        path = self._files[resource]
        with replacing(path) as new, new.open("wb") as file:
            file.writelines(f"{line}\n".encode() for line in lines_of(rows))
        self._lock(path)

    def commit(self) -> str:
        return fingerprint(self._files)

    def close(self) -> None:
        self._hold.close()

    def _lock(self, path: Path) -> None:
        self._hold.take(path, f"{path} is in use: another export writes there; wait for its end, or stop it")

    def _paths(self, resources: Sequence[str]) -> dict[str, Path]:
        is_file = self.path.suffix.lower() in _FILE_ENDINGS and not self.path.is_dir()
        if is_file and len(resources) > 1:
            raise ExportError(f"{self.path} is the name of one file: several resources need a directory")
        if not is_file and self.path.exists() and not self.path.is_dir():
            raise ExportError(f"{self.path} is a file: give a directory, or a name that ends in .ndjson")
        return {resource: self.path if is_file else self.path / f"{resource}.ndjson" for resource in resources}
