"""What was booked here, in a file that all workers share.

The API has no way to read a single booking, and asking for all of them would cost a guest's page a request or two of the ten
that a minute has. So the site remembers what it booked. It also remembers each form that was sent, so that the second of two
clicks books nothing, whichever worker it reaches.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bookings (
    id TEXT PRIMARY KEY, page_id TEXT, page_name TEXT, minutes INTEGER, start_at TEXT, zone TEXT, name TEXT, email TEXT,
    cancelled INTEGER DEFAULT 0
);
CREATE TABLE IF NOT EXISTS submissions (nonce TEXT PRIMARY KEY, sent_at REAL, location TEXT);
"""
_KEPT = 24 * 3600.0  # seconds for which a form is known as sent


@dataclass(frozen=True)
class Entry:
    """One booking that was made here. `zone` is the one that the visitor chose, an IANA name."""

    id: str
    page_id: str
    page_name: str
    minutes: int | None
    start_at: datetime
    zone: str
    name: str
    email: str
    cancelled: bool = False


class Diary:
    """Bookings made here, and forms that were sent. Each step is one short transaction, off the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600)  # it holds names and addresses
        with closing(self._connect()) as file:
            file.execute("PRAGMA journal_mode = WAL")
            file.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5.0)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def step() -> T:
            with closing(self._connect()) as file, file:
                return work(file)

        return await asyncio.to_thread(step)

    # -- forms that were sent

    async def claim(self, nonce: str) -> bool:
        """Whether this is the first time that the form is sent. If so, `settle` or `release` it."""

        def step(file: sqlite3.Connection) -> bool:
            file.execute("DELETE FROM submissions WHERE sent_at < ?", (time.time() - _KEPT,))
            added = file.execute("INSERT OR IGNORE INTO submissions VALUES (?, ?, NULL)", (nonce, time.time()))
            return added.rowcount == 1

        return await self._do(step)

    async def settle(self, nonce: str, location: str) -> None:
        """It worked: who sends the form again is led to where the first one was."""
        await self._do(
            lambda file: file.execute("UPDATE submissions SET location = ? WHERE nonce = ?", (location, nonce))
        )

    async def release(self, nonce: str) -> None:
        """Nothing happened: the form may be sent again."""
        await self._do(lambda file: file.execute("DELETE FROM submissions WHERE nonce = ?", (nonce,)))

    async def outcome(self, nonce: str, patience: float = 10.0) -> str | None:
        """Where the first sending of a form led; None if it failed, so that the form may be sent again.

        Raises:
            TimeoutError: it is not known within `patience` seconds.
        """
        until, query = time.monotonic() + patience, "SELECT location FROM submissions WHERE nonce = ?"
        while True:
            row = await self._do(lambda file: file.execute(query, (nonce,)).fetchone())
            if row is None or row[0] is not None:
                return row[0] if row else None
            if time.monotonic() > until:
                raise TimeoutError
            await asyncio.sleep(0.1)

    # -- bookings

    async def write(self, entry: Entry) -> None:
        row = (
            entry.id,
            entry.page_id,
            entry.page_name,
            entry.minutes,
            entry.start_at.isoformat(),
            entry.zone,
            entry.name,
            entry.email,
            entry.cancelled,
        )
        await self._do(lambda file: file.execute(f"INSERT OR REPLACE INTO bookings VALUES ({'?, ' * 8}?)", row))

    async def find(self, id: str) -> Entry | None:
        row = await self._do(lambda file: file.execute("SELECT * FROM bookings WHERE id = ?", (id,)).fetchone())
        if row is None:
            return None
        found, page_id, page_name, minutes, start_at, *rest, cancelled = row
        zone, name, email = rest
        start = datetime.fromisoformat(start_at)
        return Entry(found, page_id, page_name, minutes, start, zone, name, email, bool(cancelled))

    async def cancelled(self) -> set[str]:
        """The ids of the bookings that were cancelled here: the API's list does not tell."""
        rows = await self._do(lambda file: file.execute("SELECT id FROM bookings WHERE cancelled").fetchall())
        return {row[0] for row in rows}
