"""The story of the demo: a few days of a small company."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from ..._calls.pager import Pager
from ...client import GuestClient, UserClient
from ...errors import PermissionDeniedError

__all__ = ("CHAPTERS", "Unexpected")

ZONE = "Europe/Bucharest"

Tell = Callable[[str], None]
Chapter = Callable[[UserClient, GuestClient, Tell], Awaitable[None]]


class Unexpected(Exception):
    """A step of the story had an unexpected result."""


T = TypeVar("T")


def _there(value: T | None) -> T:
    """Return an answer that may be empty with the API, but not here."""
    if value is None:
        raise Unexpected("an answer was empty")
    return value


def _expect(fact: bool, otherwise: str) -> None:
    if not fact:
        raise Unexpected(otherwise)


async def bookings(user: UserClient, guest: GuestClient, tell: Tell) -> None:
    page = _there(await user.booking_pages.create(name="Office hours", duration=30, time_zone=ZONE))
    start = datetime.now(UTC) + timedelta(days=1)
    end = start + timedelta(days=7)
    slots = await user.booking_pages.slots(page.id, start=start, end=end, time_zone=ZONE)
    _expect(len(slots) > 2, "the page has no slots")
    first, second = _there(slots[0].start_at), _there(slots[1].start_at)
    tell(f"{len(slots)} slots are free; the first is {_when(first)}")
    booking = _there(
        await guest.bookings.create(
            booking_page_id=page.id,
            start_at=first,
            participant_name="Ada Lovelace",
            participant_email="ada@example.com",
        )
    )
    booking = _there(await guest.bookings.update(booking.id, start_at=second))
    left = await user.booking_pages.slots(page.id, start=start, end=end, time_zone=ZONE)
    _expect(len(left) == len(slots) - 1, "the booking took no slot")
    tell(f"{booking.participant_name} moved to {_when(booking.start_at)}: {len(left)} slots left")
    await guest.bookings.cancel(booking.id)
    left = await user.booking_pages.slots(page.id, start=start, end=end, time_zone=ZONE)
    _expect(len(left) == len(slots), "the cancelled booking still takes its slot")
    tell(f"and cancelled: {len(left)} slots again")


async def lists(user: UserClient, guest: GuestClient, tell: Tell) -> None:
    tell("further pages of a list leave a reserve for more urgent calls")
    pages = await user.booking_pages.list().collect()
    tell(f"{len(pages)} booking pages")
    await _read(user.bookings.list(), "bookings", tell)
    await _read(user.sessions.list(), "sessions", tell)


async def _read(pager: Pager[T], noun: str, tell: Tell) -> None:
    total = 0
    async for page in pager.pages():
        total += len(page.items)
        tell(f"page {page.number}: {len(page.items)} {noun}")
    tell(f"{total} {noun} in all")


async def planning(user: UserClient, guest: GuestClient, tell: Tell) -> None:
    start = _morning(days=3)
    session = await user.sessions.create(
        name="Kick-off", start_at=start, planned_end=start + timedelta(hours=1), time_zone=ZONE
    )
    tell(f"{session.name} on {_when(session.start_at)}, at")
    tell(_there(session.session_link))
    await user.sessions.participants.add(session.id, emails=["ada@example.com", "charles@example.com"])
    present = await user.sessions.participants.list(session.id)
    _expect(len(present) == 3, "somebody is missing")
    names = [one.first_name or one.email for each in present if (one := each.user or each.guest)]
    tell(f"{len(present)} participants: {', '.join(map(str, names))}")
    later = start + timedelta(hours=2)
    await user.sessions.update(session.id, start_at=later, planned_end=later + timedelta(hours=1))
    moved = await user.sessions.get(session.id)
    _expect(moved.start_at == later, "the session did not move")
    tell(f"moved to {_when(moved.start_at)}")


async def memory(user: UserClient, guest: GuestClient, tell: Tell) -> None:
    ended = None
    async for session in user.sessions.list():
        if session.ended_at is not None and not session.quick_session:
            ended = session  # the pager asks for no more pages than this took
            break
    ended = _there(ended)
    # Two at once: the quota decides when each is sent, not the program.
    takeaways, transcripts = await asyncio.gather(
        user.sessions.takeaways(ended.id), user.sessions.transcripts(ended.id)
    )
    text = _there(_there(takeaways).takeaways_text)
    tell(f"{ended.name} ended on {_when(ended.ended_at)}. Takeaways: {text.splitlines()[0]}")
    _expect(bool(transcripts), "there are no transcripts")
    for said in _there(transcripts[0].content)[:1]:
        tell(f"{len(transcripts)} utterances; the first: “{said.text}”")


async def event(user: UserClient, guest: GuestClient, tell: Tell) -> None:
    start = _morning(days=14)
    event = await user.events.create(
        name="Open day", start_at=start, planned_end=start + timedelta(hours=2), time_zone=ZONE
    )
    tell(f"a draft under the name {_short(event.slug)}")
    await user.events.publish(event.id)
    await user.events.toggle_public(event.id)
    room = _there(await user.rooms.create(name="Open day backstage"))
    await user.rooms.share(room.id, emails=["katherine@example.com"])
    tell("published and made public; its room is shared with a colleague")
    ticket = _there(await guest.events.register(event.id, email="ada@example.com", first_name="Ada"))
    tell(f"{ticket.first_name} registered")
    copy = _there(await user.events.clone(event.id, name="Open day, second"))
    tell(f"cloned as {_short(copy.slug)}")
    await _read(user.events.list(), "events", tell)


async def roles(user: UserClient, guest: GuestClient, tell: Tell) -> None:
    _expect(not hasattr(guest, "sessions"), "a GuestClient has sessions")
    tell("a GuestClient has no .sessions, and a type checker says so")
    try:
        await guest.request("GET", "/api/sessions")
    except PermissionDeniedError as error:
        tell(f"whoever asks all the same hears: {error}")
    else:
        raise Unexpected("a guest's key may list the user's sessions")


CHAPTERS: Mapping[str, Chapter] = {
    "A booking page, and a guest who changes her mind": bookings,
    "Lists, page by page and window by window": lists,
    "A session with participants": planning,
    "What an ended session leaves": memory,
    "An event, published and shared, and a guest who registers": event,
    "The wrong key is refused, twice": roles,
}


def _morning(*, days: int) -> datetime:
    """Return ten o'clock, a number of days from now."""
    day = datetime.now(ZoneInfo(ZONE)) + timedelta(days=days)
    return day.replace(hour=10, minute=0, second=0, microsecond=0)


def _short(slug: str | None) -> str:
    """Return a slug without the workspace's namespace."""
    return _there(slug).rpartition("/")[2]


def _when(moment: datetime | None) -> str:
    return f"{_there(moment).astimezone(ZoneInfo(ZONE)):%a %d %b at %H:%M}"
