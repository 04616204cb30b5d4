"""A SQLite file of several processes: opened, replaced and closed as it has to be, and used off the event loop."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ...events import logger
from .store import StoreFailure

__all__ = ("SQLiteFile",)

T = TypeVar("T")
_BUSY = 0.01  # seconds between two attempts at a statement that ignores SQLite's busy timeout


class SQLiteFile:
    """A file with tables that only its owner can read (mode 0600), and the one thread that uses it.

    Args:
        path: of the file; its directory must exist.
        schema: the statement that creates its table.
        timeout: seconds for one step.
        thread: the name of the thread.
    """

    def __init__(self, path: Path, schema: str, timeout: float, thread: str) -> None:
        self.path = path
        self._schema = schema
        self._timeout = timeout
        self._thread = thread
        self._workers: dict[int, ThreadPoolExecutor] = {}  # by process
        weakref.finalize(self, _close, id(self))

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a step in the thread, and return its result.

        Raises:
            StoreFailure: the file can't be used, or the step took too long. It may have been carried out.
        """
        return await self._in_thread(lambda: work(self._connection()))

    async def aclose(self) -> None:
        """Close the file. The next step opens it again."""
        try:
            await self._in_thread(lambda: _close(id(self)))
        except StoreFailure as failure:
            logger.warning("%s could not be closed: %s", self.path, failure)
        finally:
            worker = self._workers.pop(os.getpid(), None)
            if worker is not None:
                worker.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        worker = self._workers.get(os.getpid())
        if worker is None:
            worker = self._workers[os.getpid()] = ThreadPoolExecutor(1, self._thread)
        # SQLite keeps to the time limit by itself. The outer limit is for a disk that does not answer at all. A step that timed
        # out ends before the next one begins, because there is one thread.
        step = asyncio.get_running_loop().run_in_executor(worker, work)
        try:
            async with asyncio.timeout(2 * self._timeout):
                return await step
        except TimeoutError:
            raise StoreFailure("no answer in time") from None
        except (sqlite3.Error, OSError) as problem:
            raise StoreFailure(f"{type(problem).__name__}: {problem}") from None

    def _connection(self) -> sqlite3.Connection:
        """Return the open file. Open it again after a fork, or if it was replaced or removed."""
        connection, inode = _open.get((os.getpid(), id(self)), (None, None))
        if connection is not None and inode == _inode(self.path):
            return connection
        _close(id(self))
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = _connect(self.path, self._schema, self._timeout)
        _open[os.getpid(), id(self)] = connection, _inode(self.path)
        return connection


# The open files and their inodes, by process and `SQLiteFile`. A fork keeps those of its parent here, because closing them could
# disturb the parent.
_open: dict[tuple[int, int], tuple[sqlite3.Connection, int | None]] = {}


def _connect(path: Path, schema: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _repeat_while_busy(timeout, lambda: connection.execute("PRAGMA journal_mode = WAL"))
        # A crash of the host may lose the last steps. They would be useless after it.
        connection.execute("PRAGMA synchronous = NORMAL")
        _repeat_while_busy(timeout, lambda: connection.executescript(schema))
    except BaseException:
        connection.close()
        raise
    return connection


def _repeat_while_busy(timeout: float, step: Callable[[], object]) -> None:
    """Repeat a step that fails because another process uses the file. Switching to WAL ignores the busy timeout."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            step()
            return
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY)


def _close(file: int) -> None:
    connection, _ = _open.pop((os.getpid(), file), (None, None))
    if connection is not None:
        connection.close()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
