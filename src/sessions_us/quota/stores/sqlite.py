"""The states of all processes of one host, in a file."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sessions_us.errors import ConfigurationError
from sessions_us.quota.rules.state import QuotaState
from sessions_us.quota.stores import codec, store
from sessions_us.quota.stores.store import Held, OnStoreFailure, StoreFailure

if TYPE_CHECKING:
    import sqlite3

__all__ = ("SQLiteStore",)

T = TypeVar("T")
_log = logging.getLogger("sessions_us")
_TABLE = f"sessions_us_quota_{codec.FORMAT}"
_BUSY = 0.01  # seconds between two attempts at what ignores SQLite's own busy timeout


class SQLiteStore:
    """The quota of all processes of one host that give the same path.

    The file must be on a disk of this host: locks of network file systems are not to be trusted, and another host has
    another clock. It is made for its owner alone (mode 0600), and holds no key: names in it are digests. Times in it are of
    the clock that all processes share and that never goes back; after a restart of the host what was counted is forgotten.

    No step runs on the event loop, and each is bounded in time. Two stores with the same path and options are equal.

    Args:
        path: the file; its directory must exist.
        on_store_failure: what to do while the file can't be used: `"local"`, go on alone with a share of the quota, or
            `"refuse"`, send nothing (`QuotaTimeoutError`). Both are events, and end by themselves.
        share: which part of the quota this process uses alone: 1 divided by how many processes there are is safe.
        timeout: seconds for one step.

    Raises:
        ConfigurationError: an argument that makes no sense.
    """

    shared = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        on_store_failure: OnStoreFailure = "local",
        share: float = 0.5,
        timeout: float = 2.0,
    ) -> None:
        if not _is_path(path):
            raise ConfigurationError(
                "SQLiteStore needs the path of a file; MemoryStore keeps the count in this process."
            )
        self.path: Path = Path(path).absolute()
        if not self.path.parent.is_dir():
            raise ConfigurationError(
                f"SQLiteStore({str(path)!r}): there is no directory {self.path.parent}; make it first."
            )
        if self.path.is_dir():
            raise ConfigurationError(f"SQLiteStore({str(path)!r}): this is a directory; give the path of a file in it.")
        self.fallback: float | None = store.fallback(on_store_failure, share)
        self._timeout = store.seconds(timeout)
        import_module("sqlite3")  # not by every program that only imports this package, nor later, on the event loop
        self._worker: ThreadPoolExecutor | None = None
        self._process = 0
        self._open: list[_Opened] = []
        self._known: dict[str, Held] = {}
        self._warned: set[str] = set()
        weakref.finalize(self, _close, self._open)

    async def load(self, name: str) -> Held:
        """What is held under a name.

        Raises:
            StoreFailure: the file can't be read.
        """
        return await self._step(lambda: self._read(self._connection(), name))

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        """Set the state if its version is still this one. (True, what was set), or (False, the newer one).

        Raises:
            StoreFailure: the file can't be written; it may have been all the same.
        """
        return await self._step(lambda: self._write(self._connection(), name, version, state))

    async def aclose(self) -> None:
        """Close the file. The next step opens it again."""
        try:
            await self._step(lambda: _close(self._open))
        except StoreFailure as failure:
            _log.warning("%r could not be closed: %s", self, failure)
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.shutdown(wait=False)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._same() == self._same()

    def __hash__(self) -> int:
        return hash(self._same())

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def _same(self) -> tuple[object, ...]:
        return self.path, self.fallback, self._timeout

    # -- in a worker thread ------------------------------------------------------------------------------------------

    async def _step(self, work: Callable[[], T]) -> T:
        import sqlite3

        if self._worker is None or self._process != os.getpid():
            self._worker, self._process = ThreadPoolExecutor(1, "sessions-us quota"), os.getpid()
        try:
            # SQLite keeps to the time limit by itself; the outer one is for a disk that does not answer at all. A step that was
            # given up ends before the next one begins: there is one thread.
            async with asyncio.timeout(2 * self._timeout):
                return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except TimeoutError:
            raise StoreFailure("no answer in time") from None
        except (sqlite3.Error, OSError) as problem:
            raise StoreFailure(f"{type(problem).__name__}: {problem}") from None

    def _connection(self) -> sqlite3.Connection:
        """The open file; opened again after a fork, and when somebody replaced or removed it."""
        if self._open:
            opened = self._open[0]
            if opened.process == os.getpid() and opened.inode == _inode(self.path):
                return opened.connection
            if opened.process != os.getpid():
                _inherited.append(self._open.pop())  # closing it here could disturb the parent
            self._known.clear()
            _close(self._open)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = _connect(self.path, self._timeout)
        self._open.append(_Opened(connection, os.getpid(), _inode(self.path)))
        return connection

    def _read(self, connection: sqlite3.Connection, name: str) -> Held:
        known = self._known.get(name)
        row = connection.execute(
            f"SELECT version, boot, at, CASE version WHEN ? THEN '' ELSE ledger END FROM {_TABLE} WHERE name = ?",  # noqa: S608
            (None if known is None else known.version, name),
        ).fetchone()
        now = time.monotonic()
        if row is None:
            return Held(0, None, now)
        version, boot, at, written = row
        if known is not None and known.version == version:
            return Held(version, known.state, now)
        state = None
        try:
            if boot != _boot():
                raise codec.Unreadable("from before the host was started")
            codec.check_time(at, now)
            state = codec.from_text(written)
        except codec.Unreadable as problem:
            _log.warning("%r: what it holds is not used (%s); the count begins anew", self, problem)
        return self._keep(name, Held(version, state, now))

    def _write(self, connection: sqlite3.Connection, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        written = codec.to_text(state)
        connection.execute("BEGIN IMMEDIATE")
        try:
            held = self._read(connection, name)
            if held.version != version:
                return False, held
            new = store.new_version()
            connection.execute(
                f"INSERT INTO {_TABLE} (name, version, boot, at, ledger) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
                " ON CONFLICT (name) DO UPDATE SET"
                " version = excluded.version, boot = excluded.boot, at = excluded.at, ledger = excluded.ledger",
                (name, new, _boot(), time.monotonic(), written),
            )
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return True, self._keep(name, Held(new, state, time.monotonic()))

    def _keep(self, name: str, held: Held) -> Held:
        self._known[name] = held
        return held


class _Opened:
    """An open file, by whom it was opened, and which file it is."""

    def __init__(self, connection: sqlite3.Connection, process: int, inode: int | None) -> None:
        self.connection = connection
        self.process = process
        self.inode = inode


_inherited: list[_Opened] = []


def _connect(path: Path, timeout: float) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _in_time(timeout, lambda: connection.execute("PRAGMA journal_mode = WAL"))
        # A crash of the host may lose the last steps: they would be of no use after it.
        connection.execute("PRAGMA synchronous = NORMAL")
        _in_time(
            timeout,
            lambda: connection.execute(
                f"CREATE TABLE IF NOT EXISTS {_TABLE}"
                " (name TEXT PRIMARY KEY, version INTEGER, boot TEXT, at REAL, ledger TEXT) WITHOUT ROWID"
            ),
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _in_time(timeout: float, step: Callable[[], object]) -> None:
    """Switching to WAL ignores the busy timeout, so that processes that start together would fail at it."""
    import sqlite3

    deadline = time.monotonic() + timeout
    while True:
        try:
            step()
            return
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY)


def _close(opened: list[_Opened]) -> None:
    while opened:
        each = opened.pop()
        if each.process == os.getpid():
            each.connection.close()


def _is_path(given: object) -> bool:
    name = os.fspath(given) if isinstance(given, str | os.PathLike) else given
    return isinstance(name, str) and name not in ("", ":memory:") and "\0" not in name


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


@cache
def _boot() -> str:
    """Which start of the host this is: its clock begins anew with each."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # No such name here. A moment, to the nearest quarter of a day, tells starts apart well enough: a clock that went
        # back is noticed as well.
        return str(round((time.time() - time.monotonic()) / 21600))
