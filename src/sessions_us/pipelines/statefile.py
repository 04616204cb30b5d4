"""The file of a state: SQLite for one process at a time, with detection of damage and errors that name a remedy."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from ..errors import ExportError
from .durable import Hold

__all__ = ("StateFile", "connection", "knows")

_OURS: Final = 0x5E551045
"""The application id in the file's header, so that another database is not taken for a state."""
_VERSION: Final = 6
_BUSY: Final = 30.0
"""Seconds to wait while another process reads the file or notes something in it."""

_OTHER_KEY: Final = (
    "the state {} is of another key for this server: if this key takes the place of that one, run the export once with "
    "new_key=True (--new-key); else give this one a state and a place for the rows of its own"
)
_IN_USE: Final = "the state {} is in use: another export of this job is running; wait for its end, or stop it"


class StateFile:
    """A SQLite file for one job. It is used in one thread.

    Only its owner can read it. Another export can't open it meanwhile; the lock is the operating system's, so it ends with
    the process. Others may read it.

    Args:
        path: the file. Its directory must exist.
        tables: the tables of a new file.
        job: the properties of the job, by the names that errors use.
        new_key: whether the job's `key` may be another one than before; the file has this one from its next commit.

    Attributes:
        has_new_key: whether it was another one.

    Raises:
        ExportError: the file is unusable, damaged, in use, of another version, or of another job.
    """

    def __init__(self, path: Path, tables: Sequence[str], job: Mapping[str, str], *, new_key: bool = False) -> None:
        self.path: Path = path.absolute()
        self._hold = Hold()
        self._damage: ExportError | None = None
        self._name = _claim(self.path)
        try:
            _require_writable(self.path)
            self._hold.take(self.path, _IN_USE.format(self.path))
            with self._explained():
                self._db = connection(self.path)
        except BaseException:
            self._release()
            raise
        try:
            self._check_format(tables)
            self.has_new_key: bool = self._takes_key(job, may_be_new=new_key)
        except BaseException:
            self.close()
            raise

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._explained():
            return self._db.execute(sql, values).fetchall()

    def lookups(self, sql: str, places: Iterable[Sequence[object]]) -> list[tuple[Any, ...] | None]:
        """Return the first row of a query for each set of values; None where there is none."""
        with self._explained():
            return [self._db.execute(sql, values).fetchone() for values in places]

    def stream(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query. Nothing may be changed meanwhile."""
        with self._explained():
            yield from self._db.execute(sql, values)

    def one(self, sql: str, *values: object) -> tuple[Any, ...]:
        """Return the only row of a query."""
        rows = self.query(sql, *values)
        if not rows:
            raise self.damaged()
        return rows[0]

    def counts(self, sql: str, *values: object) -> dict[str, int]:
        """Return a query of names and numbers as a mapping."""
        return dict(self.query(sql, *values))

    def change(self, sql: str, *values: object) -> None:
        """Execute a statement in the transaction that the next `commit` ends."""
        self.change_each(sql, [values])

    def change_each(self, sql: str, each: Iterable[Sequence[object] | Mapping[str, object]]) -> None:
        """Execute a statement for each set of values in the transaction that the next `commit` ends."""
        with self._explained():
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(sql, each)

    def commit(self) -> None:
        """Make the changes durable, unless the file turned out to be damaged."""
        if self._damage is not None:
            raise self._damage
        with self._explained():
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def get(self, name: str) -> str | None:
        """Return a setting of the job."""
        found = self.query("SELECT value, sum FROM job WHERE name = ?", _storable(name))
        if not found:
            return None
        value, sum_ = found[0]
        if not isinstance(value, str) or crc32(value.encode()) != sum_:
            raise self.damaged()
        return value

    def text(self, text: str, sum_: int) -> str:
        """Return the text of a column, if it is what was written there."""
        if crc32(str(text).encode()) != sum_:
            raise self.damaged()
        return text

    def json(self, text: str, sum_: int) -> Any:
        """Return the JSON of a column, if it is what was written there."""
        return json.loads(self.text(text, sum_))

    def set(self, name: str, value: str) -> None:
        self.change("INSERT OR REPLACE INTO job VALUES (?, ?, ?)", _storable(name), value, crc32(value.encode()))

    def close(self) -> None:
        """Close the file. Uncommitted changes are lost."""
        with suppress(sqlite3.Error):
            self._db.close()
        self._release()

    def _release(self) -> None:
        self._hold.close()
        _OPEN.discard(self._name)

    def damaged(self) -> ExportError:
        """Return the error to raise. From here on nothing is committed."""
        self._damage = self._damage or ExportError(
            f"the state {self.path} is damaged; nothing was changed. Bring it back from a copy, or start over with another "
            "state and another place for the rows"
        )
        return self._damage

    def _check_format(self, tables: Sequence[str]) -> None:
        if self.one("SELECT COUNT(*) FROM sqlite_master") == (0,):
            for statement in (
                f"PRAGMA application_id = {_OURS}",
                f"PRAGMA user_version = {_VERSION}",
                "CREATE TABLE job (name TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL)",
                *tables,
            ):
                self.change(statement)
            return
        if self.one("PRAGMA application_id") != (_OURS,):
            raise ExportError(f"{self.path} is a database, but no state of an export: give another path for the state")
        (version,) = self.one("PRAGMA user_version")
        if version > _VERSION:
            raise ExportError(f"the state {self.path} is of a newer version of sessions-us: go on with that one")
        if version < _VERSION:
            raise ExportError(
                f"the state {self.path} is of an older version of sessions-us, which this one can't go on from: finish with "
                "that one, or start over with another state and another place for the rows"
            )
        if self.one("PRAGMA quick_check(1)") != ("ok",):
            raise self.damaged()

    def _takes_key(self, job: Mapping[str, str], *, may_be_new: bool) -> bool:
        """Refuse another job. Returns whether the key is another one than before."""
        known = self.get("job")
        before: dict[str, str] = dict(job) if known is None else json.loads(known)
        differs = [name for name, value in job.items() if before.get(name) != value]
        if differs == ["key"] and not may_be_new:
            raise ExportError(_OTHER_KEY.format(self.path))
        if differs not in ([], ["key"]):
            shown = "; ".join(f"{name}: {before.get(name)}, and not {job[name]}" for name in differs)
            raise ExportError(
                f"the state {self.path} is of another job ({shown}): give this one a state and a place for the rows of its "
                "own, or run that one"
            )
        self.set("job", json.dumps(dict(job)))
        return bool(differs)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of SQLite into errors that name a remedy."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise ExportError(_IN_USE.format(self.path)) from error
            if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or "UTF-8" in str(error):
                raise self.damaged() from error
            raise ExportError(
                f"the state {self.path} can't be used: {error}. Put that right and run the same export again; what was "
                "committed is untouched"
            ) from error


def connection(path: Path) -> sqlite3.Connection:
    """Open a state's file for any process that has a right to."""
    db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    try:
        for setting in ("synchronous = FULL", "trusted_schema = OFF", "secure_delete = ON"):
            db.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        db.close()
        raise
    return db


_OPEN: Final[set[Path]] = set()
"""The states that are open in this process. To open and close such a file once more would drop SQLite's locks."""
_CLAIMING: Final = threading.Lock()


def knows(path: Path, setting: str) -> bool:
    """Return whether a file is a state with a setting. A state that is open in this process is not looked at."""
    if path.resolve() in _OPEN:
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as db:
            return bool(db.execute("SELECT 1 FROM job WHERE name = ?", (_storable(setting),)).fetchall())
    except sqlite3.Error:
        return False


def _storable(name: str) -> str:
    """Return a name as SQLite can hold it: the path of a file in it may have bytes that are no UTF-8."""
    return name.encode(errors="backslashreplace").decode()


def _claim(path: Path) -> Path:
    name = path.resolve()
    with _CLAIMING:
        if name in _OPEN:
            raise ExportError(_IN_USE.format(path))
        _OPEN.add(name)
    return name


def _require_writable(path: Path) -> None:
    if not path.parent.is_dir():
        raise ExportError(f"the state {path} can't be made: there is no directory {path.parent}")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        mode = path.stat().st_mode
    except OSError as error:
        raise ExportError(f"the state {path} can't be written: {error.strerror}") from error
    if not mode & stat.S_IWUSR:  # some users may write all the same, and should not
        raise ExportError(f"the state {path} is read-only: make it writable, or give another path for the state")
