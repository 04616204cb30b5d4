"""The file that all workers of the site share."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class SiteFile:
    """A SQLite file. Each step is one short transaction, off the event loop.

    It keeps SQLite's own journal: the switch to WAL does not wait for a lock, and all workers open the file in the same moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600)  # it holds names and addresses

    def create(self, schema: str) -> None:
        """Create tables that are not there yet."""
        with closing(self._connect()) as file:
            file.executescript(schema)

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the work gives; it is done as a whole or not at all."""

        def step() -> T:
            with closing(self._connect()) as file, file:
                return work(file)

        return await asyncio.to_thread(step)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5.0)
