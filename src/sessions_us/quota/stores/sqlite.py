"""The states of all processes of one host, in a SQLite file."""

from __future__ import annotations

import os
import sqlite3
import time
from functools import cache, partial
from math import inf
from pathlib import Path

from ...errors import ConfigurationError
from .shared_store import Change, Found, OnStoreFailure, SharedStore
from .sqlite_file import SQLiteFile

__all__ = ("SQLiteStore",)

_BY_EFFECTIVE_USER = os.access in os.supports_effective_ids

# The number in the table's name is `codec.FORMAT`.
_CREATE = """
CREATE TABLE IF NOT EXISTS sessions_us_quota_3
(name TEXT PRIMARY KEY, version INTEGER, boot TEXT, at REAL, state TEXT) WITHOUT ROWID
"""
_READ = "SELECT version, boot, at, CASE version WHEN ? THEN NULL ELSE state END FROM sessions_us_quota_3 WHERE name = ?"
_WRITE = "INSERT OR REPLACE INTO sessions_us_quota_3 (name, version, boot, at, state) VALUES (?, ?, ?, ?, ?)"


class SQLiteStore(SharedStore):
    """The quota of all processes of one user on one host that give the same path.

    The file must be on a disk of this host: file locks are unreliable on network file systems, and another host has another
    clock. Only its owner can read it (mode 0600), and it holds no key: names in it are digests. Times in it are of the
    monotonic clock that all processes share; after a restart of the host what was counted is forgotten.

    No step runs on the event loop, and each is bounded in time. Two stores with the same path and options are equal.

    Args:
        path: the file; its directory must exist.
        on_store_failure: what to do while the file can't be used: `"local"`, go on alone with a share of the quota, or
            `"refuse"`, send nothing (`QuotaTimeoutError`). Both emit an event, and end when the file can be used again.
        share: the part of the quota that this process uses alone. 1 divided by the number of processes is safe.
        timeout: seconds for one step.

    Raises:
        ConfigurationError: an argument that makes no sense.
    """

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
        if self.path.exists() and not os.access(self.path, os.R_OK | os.W_OK, effective_ids=_BY_EFFECTIVE_USER):
            raise ConfigurationError(
                f"SQLiteStore({str(path)!r}): this user can't read and write the file. The processes of one user share a "
                "store; for those of several there is RedisStore."
            )
        super().__init__((self.path,), str(self.path), on_store_failure, share, timeout)
        self._copy = partial(type(self), path, on_store_failure=on_store_failure, share=share, timeout=timeout)
        self._file = SQLiteFile(self.path, _CREATE, self.timeout, "sessions-us quota")

    async def aclose(self) -> None:
        """Close the file. The next step opens it again."""
        await self._file.aclose()

    async def _ask(self, name: str, known: int | None, change: Change | None) -> Found:
        return await self._file.run(partial(_exchanged, name=name, known=known, change=change))


def _exchanged(connection: sqlite3.Connection, name: str, known: int | None, change: Change | None) -> Found:
    if change is None:
        return _read(connection, name, known)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        found = _read(connection, name, known)
        if found.version != change.replaced:
            return found
        connection.execute(_WRITE, (name, change.version, boot_id(), time.monotonic(), change.text))
    return Found(change.version, time.monotonic())


def _read(connection: sqlite3.Connection, name: str, known: int | None) -> Found:
    row = connection.execute(_READ, (known, name)).fetchone()
    version, boot, at, text = row or (0, None, 0.0, None)
    return Found(version, time.monotonic(), at if boot == boot_id() else inf, text)


def _is_path(given: object) -> bool:
    name = os.fspath(given) if isinstance(given, str | os.PathLike) else given
    return isinstance(name, str) and name not in ("", ":memory:") and "\0" not in name


@cache
def boot_id() -> str:
    """Identify the start of the host, because the monotonic clock begins again with each start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # This system has no such file. The moment of the start, to a quarter of a day, distinguishes starts well enough.
        # A clock that went back is noticed as well.
        return str(round((time.time() - time.monotonic()) / 21600))
