"""What booking pages and events are called, in a file that all workers share.

The API's lists tell it, so a page of the site that shows one of them need not ask again, and a form that comes back filled in
waits for nothing. The API promises no more than ids and names: all else may be missing.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sessions_us import BookingPage, Event

from .site_file import SiteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS known (kind TEXT, id TEXT, about TEXT, told_at REAL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS asked (id TEXT PRIMARY KEY, at REAL);
"""
_OLD = 24 * 3600.0  # seconds after which it is worth a request to ask again
_AGAIN = 600.0  # seconds until somebody else may ask for the same


@dataclass(frozen=True)
class PageDetails:
    """A booking page."""

    id: str
    name: str = "Book a time"
    description: str | None = None
    minutes: int | None = None
    zone: str | None = None


@dataclass(frozen=True)
class EventFacts:
    """An event. Where the API does not say when it is, its page does not either."""

    id: str
    name: str = "Event"
    start_at: datetime | None = None
    end_at: datetime | None = None
    zone: str | None = None


class Catalog:
    """Booking pages and events that were seen."""

    def __init__(self, file: SiteFile) -> None:
        self._file = file
        file.create(_SCHEMA)

    async def page(self, id: str) -> PageDetails:
        """One booking page; of one that was never seen, no more than its id."""
        about, _ = await self._find("page", id)
        return PageDetails(id, **about)

    async def event(self, id: str) -> tuple[EventFacts, bool]:
        """One event, and whether that is worth asking for again."""
        about, is_old = await self._find("event", id)
        return _event(id, about), is_old

    async def events(self, ids: Iterable[str]) -> list[EventFacts]:
        """Those of these events that were seen."""
        found = [(each, await self._find("event", each)) for each in ids]
        return [_event(each, about) for each, (about, _) in found if about]

    async def saw_pages(self, pages: Iterable[BookingPage]) -> list[PageDetails]:
        """Remember what the API said of booking pages, and return it."""
        facts = [
            PageDetails(each.id, each.name or "Untitled", each.description, each.duration, each.time_zone)
            for each in pages
        ]
        await self._learn("page", facts)
        return facts

    async def saw_events(self, events: Iterable[Event]) -> None:
        """Remember what the API said of events."""
        facts = []
        for each in events:
            session = each.session
            if session is not None:
                name = session.name or "Event"
                facts.append(EventFacts(each.id, name, session.start_at, session.planned_end, session.time_zone))
        await self._learn("event", facts)

    async def is_to_be_asked(self, page_id: str) -> bool:
        """Whether to ask for a booking page that was never seen, or long ago: yes for one worker, once in a while."""
        _, is_old = await self._find("page", page_id)
        if not is_old:
            return False
        now = time.time()

        def step(file: sqlite3.Connection) -> bool:
            file.execute("DELETE FROM asked WHERE at < ?", (now - _AGAIN,))
            return file.execute("INSERT OR IGNORE INTO asked VALUES (?, ?)", (page_id, now)).rowcount == 1

        return await self._file.do(step)

    async def _find(self, kind: str, id: str) -> tuple[dict[str, Any], bool]:
        query = "SELECT about, told_at FROM known WHERE kind = ? AND id = ?"
        row = await self._file.do(lambda file: file.execute(query, (kind, id)).fetchone())
        return ({}, True) if row is None else (json.loads(row[0]), time.time() - row[1] > _OLD)

    async def _learn(self, kind: str, facts: Iterable[PageDetails | EventFacts]) -> None:
        rows = [(kind, each.id, _text(each), time.time()) for each in facts]
        await self._file.do(lambda file: file.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?)", rows))


def _text(facts: PageDetails | EventFacts) -> str:
    return json.dumps({name: value for name, value in vars(facts).items() if name != "id"}, default=datetime.isoformat)


def _event(id: str, about: dict[str, Any]) -> EventFacts:
    for name in {"start_at", "end_at"} & about.keys():
        about[name] = about[name] and datetime.fromisoformat(about[name])
    return EventFacts(id, **about)
