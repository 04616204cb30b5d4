"""What was booked here, in a file that all workers share.

The API has no way to read a single booking, and asking for all of them would cost a guest's page a request or two of the ten
that a minute has. So the site remembers what it booked. It also remembers each form that was sent, so that the second of two
clicks books nothing, whichever worker it reaches.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from dataclasses import dataclass
from datetime import datetime

from .site_file import SiteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS booked (id TEXT PRIMARY KEY, cancelled INTEGER, about TEXT);
CREATE TABLE IF NOT EXISTS submissions (nonce TEXT PRIMARY KEY, sent_at REAL, location TEXT);
"""
_KEPT = 24 * 3600.0  # seconds for which a form is known as sent


@dataclass(frozen=True)
class Entry:
    """One booking that was made here.

    Attributes:
        minutes: how long it lasts; None where the API did not say.
        zone: the one that the visitor chose, an IANA name.
        guests: the addresses of who else was invited.
        session_id: of the meeting; None where the API did not say.
        link: where to join it, once somebody asked.
    """

    id: str
    page_id: str
    page_name: str
    minutes: int | None
    start_at: datetime
    zone: str
    name: str
    email: str
    guests: tuple[str, ...] = ()
    session_id: str | None = None
    link: str | None = None
    cancelled: bool = False


class Diary:
    """Bookings made here, and forms that were sent."""

    def __init__(self, file: SiteFile) -> None:
        self._file = file
        file.create(_SCHEMA)

    # -- forms that were sent

    async def claim(self, nonce: str) -> bool:
        """Whether this is the first time that the form is sent. If so, `settle` or `release` it."""

        def step(file: sqlite3.Connection) -> bool:
            file.execute("DELETE FROM submissions WHERE sent_at < ?", (time.time() - _KEPT,))
            added = file.execute("INSERT OR IGNORE INTO submissions VALUES (?, ?, NULL)", (nonce, time.time()))
            return added.rowcount == 1

        return await self._file.do(step)

    async def settle(self, nonce: str, location: str) -> None:
        """It worked: who sends the form again is led to where the first one was."""
        await self._file.do(
            lambda file: file.execute("UPDATE submissions SET location = ? WHERE nonce = ?", (location, nonce))
        )

    async def release(self, nonce: str) -> None:
        """Nothing happened: the form may be sent again."""
        await self._file.do(lambda file: file.execute("DELETE FROM submissions WHERE nonce = ?", (nonce,)))

    async def outcome(self, nonce: str, patience: float = 10.0) -> str | None:
        """Where the first sending of a form led; None if it failed, so that the form may be sent again.

        Raises:
            TimeoutError: it is not known within `patience` seconds.
        """
        until, query = time.monotonic() + patience, "SELECT location FROM submissions WHERE nonce = ?"
        while True:
            row = await self._file.do(lambda file: file.execute(query, (nonce,)).fetchone())
            if row is None or row[0] is not None:
                return row[0] if row else None
            if time.monotonic() > until:
                raise TimeoutError
            await asyncio.sleep(0.1)

    # -- bookings

    async def write(self, entry: Entry) -> None:
        about = json.dumps(vars(entry) | {"start_at": entry.start_at.isoformat()})
        row = entry.id, entry.cancelled, about
        await self._file.do(lambda file: file.execute("INSERT OR REPLACE INTO booked VALUES (?, ?, ?)", row))

    async def find(self, id: str) -> Entry | None:
        query = "SELECT about FROM booked WHERE id = ?"
        row = await self._file.do(lambda file: file.execute(query, (id,)).fetchone())
        if row is None:
            return None
        about = json.loads(row[0])
        about |= {"start_at": datetime.fromisoformat(about["start_at"]), "guests": tuple(about["guests"])}
        return Entry(**about)

    async def cancelled(self) -> set[str]:
        """The ids of the bookings that were cancelled here: the API's list does not tell."""
        rows = await self._file.do(lambda file: file.execute("SELECT id FROM booked WHERE cancelled").fetchall())
        return {row[0] for row in rows}
