"""Copies in a SQLite file, for the processes of one host."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from ...quota.stores.sqlite import boot_id
from ...quota.stores.sqlite_file import SQLiteFile
from .place import MOST_BYTES, MOST_COPIES, WRITTEN, FoundCopy, Kept

__all__ = ("SQLitePlace",)

# Times are of the monotonic clock, which all processes of a host share. What is from before its restart is never found.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS generations (scope TEXT PRIMARY KEY, token TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writes (boot TEXT, scope TEXT, id TEXT, expires REAL, PRIMARY KEY (boot, scope, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS copies
(name TEXT PRIMARY KEY, boot TEXT, stamp TEXT, version TEXT, at REAL, expires REAL, claimed REAL, size INTEGER, text BLOB);
"""
_IS_WRITTEN = "SELECT 1 FROM writes WHERE boot = ? AND expires > ? AND scope IN (SELECT value FROM json_each(?))"
_GENERATIONS = "SELECT scope, token FROM generations WHERE scope IN (SELECT value FROM json_each(?))"
_FIND = """
SELECT version, at, CASE version WHEN ? THEN NULL ELSE text END FROM copies
WHERE name = ? AND stamp = ? AND boot = ? AND expires > ?
"""
_IS_LATER = "SELECT 1 FROM copies WHERE name = ? AND stamp = ? AND boot = ? AND at > ?"
_KEEP = "INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)"
_CLAIM = "UPDATE copies SET claimed = ? WHERE name = ? AND version = ? AND claimed <= ?"
_CLEAN_UP = "DELETE FROM copies WHERE boot != ? OR expires <= ?"
_BOUND = """
DELETE FROM copies WHERE name IN (SELECT name FROM (
  SELECT name, row_number() OVER newest AS place, sum(size) OVER newest AS bytes FROM copies
  WINDOW newest AS (ORDER BY at DESC, name ROWS UNBOUNDED PRECEDING)
) WHERE place > ? OR bytes > ?)
"""


class SQLitePlace:
    """Copies in a file that only its owner can read.

    Args:
        path: of the file; its directory must exist.
        timeout: seconds for one step.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._file = SQLiteFile(path, _SCHEMA, timeout, "sessions-us copies")

    async def find(self, name: str, scopes: Sequence[str], known: str) -> FoundCopy:
        def step(file: sqlite3.Connection) -> FoundCopy:
            with file:
                file.execute("BEGIN DEFERRED")
                found = _found(file, name, scopes, known)
            if found is None:
                with file:
                    file.execute("BEGIN IMMEDIATE")
                    rows = [(scope, secrets.token_hex(8)) for scope in scopes]
                    file.executemany("INSERT OR IGNORE INTO generations VALUES (?, ?)", rows)
                    found = _found(file, name, scopes, known)
            return found or FoundCopy("")

        return await self._file.run(step)

    async def keep(self, name: str, scopes: Sequence[str], kept: Kept) -> None:
        def step(file: sqlite3.Connection) -> None:
            now = time.monotonic()
            at = now - kept.age
            with file:
                file.execute("BEGIN IMMEDIATE")
                is_later = file.execute(_IS_LATER, (name, kept.stamp, boot_id(), at)).fetchone()
                if _stamp(file, scopes) != kept.stamp or is_later:
                    return
                file.execute(_CLEAN_UP, (boot_id(), now))
                size = len(kept.text) + len(name)
                row = name, boot_id(), kept.stamp, kept.version, at, at + kept.ttl, size, kept.text
                file.execute(_KEEP, row)
                file.execute(_BOUND, (MOST_COPIES, MOST_BYTES))

        await self._file.run(step)

    async def remove(self, name: str) -> None:
        await self._file.run(lambda file: file.execute("DELETE FROM copies WHERE name = ?", (name,)))

    async def claim(self, name: str, version: str, seconds: float) -> bool:
        def step(file: sqlite3.Connection) -> bool:
            now = time.monotonic()
            return file.execute(_CLAIM, (now + seconds, name, version, now)).rowcount == 1

        return await self._file.run(step)

    async def begin(self, write: str, scopes: Sequence[str], seconds: float) -> None:
        def step(file: sqlite3.Connection) -> None:
            now = time.monotonic()
            with file:
                file.execute("BEGIN IMMEDIATE")
                _raise(file, scopes)
                file.execute("DELETE FROM writes WHERE boot != ? OR expires <= ?", (boot_id(), now))
                rows = [(boot_id(), scope, write, now + seconds) for scope in scopes]
                file.executemany("INSERT OR REPLACE INTO writes VALUES (?, ?, ?, ?)", rows)

        await self._file.run(step)

    async def end(self, write: str, scopes: Sequence[str]) -> None:
        def step(file: sqlite3.Connection) -> None:
            with file:
                file.execute("BEGIN IMMEDIATE")
                _raise(file, scopes)
                file.execute("DELETE FROM writes WHERE id = ?", (write,))

        await self._file.run(step)

    async def aclose(self) -> None:
        await self._file.aclose()


def _found(file: sqlite3.Connection, name: str, scopes: Sequence[str], known: str) -> FoundCopy | None:
    """What is kept; None if a scope has no generation yet."""
    stamp, now = _stamp(file, scopes), time.monotonic()
    row = file.execute(_FIND, (known, name, stamp, boot_id(), now)).fetchone()
    if stamp is None or row is None:
        return None if stamp is None else FoundCopy(stamp)
    version, at, text = row
    return FoundCopy(stamp, version, now - at, text)


def _stamp(file: sqlite3.Connection, scopes: Sequence[str]) -> str | None:
    """The generations of scopes, and whether a write of one of them is in flight. None if one has no generation yet."""
    among = json.dumps(scopes)
    found = dict(file.execute(_GENERATIONS, (among,)).fetchall())
    if len(found) < len(scopes):
        return None
    is_written = file.execute(_IS_WRITTEN, (boot_id(), time.monotonic(), among)).fetchone()
    return (WRITTEN if is_written else "") + "".join(found[scope] for scope in scopes)


def _raise(file: sqlite3.Connection, scopes: Sequence[str]) -> None:
    rows = [(scope, secrets.token_hex(8)) for scope in scopes]
    file.executemany("INSERT OR REPLACE INTO generations VALUES (?, ?)", rows)
