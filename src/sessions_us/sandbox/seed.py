"""Data to begin with: the same for the same seed and the same clock, and enough of everything to turn pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from . import life
from .body import is_zone
from .records import (
    BookingPageRecord,
    CollaboratorRecord,
    ParticipantRecord,
    Person,
    RoomRecord,
    SessionRecord,
)
from .slots import free
from .state import State, slug_of

_FIRST = ("Ada", "Annie", "Dorothy", "Frances", "Hedy", "Joan", "Karen", "Lynn", "Margaret", "Mary", "Radia", "Sophie")
_LAST = (
    "Allen",
    "Clarke",
    "Conway",
    "Easley",
    "Hamilton",
    "Jackson",
    "Lamarr",
    "Lovelace",
    "Perlman",
    "Vaughan",
    "Wilson",
)
_TOPICS = (
    "Roadmap",
    "Design review",
    "Onboarding",
    "Retrospective",
    "Budget",
    "Hiring",
    "Support",
    "Research",
    "Launch",
)
_ZONES = ("Europe/Bucharest", "America/New_York", "Asia/Tokyo", "UTC")
PAGES, BOOKINGS, COLLABORATORS, ROOMS, EVENTS, SESSIONS = 25, 34, 22, 23, 25, 47


def fill(state: State) -> None:
    """25 booking pages, 34 upcoming bookings and 22 collaborators on the newest of them, 23 rooms, 25 events, 47 sessions
    of other kinds (planned, ended with takeaways and transcripts, quick ones), every one with participants."""
    now = state.now()
    _rooms(state, now)
    _booking_pages(state, now)
    _sessions(state, now)
    _events(state, now)
    _bookings(state, now)


def _before(now: datetime, number: int, count: int) -> datetime:
    """Spread over the time before now; the higher the number, the later."""
    return now - timedelta(hours=7 * (count - number))


def _zone(number: int) -> str:
    zone = _ZONES[number % len(_ZONES)]
    return zone if is_zone(zone) else "UTC"


def _guest(state: State) -> tuple[str, str, str]:
    first, last = state.random.choice(_FIRST), state.random.choice(_LAST)
    return first, last, f"{first}.{last}@example.org".lower()


def _rooms(state: State, now: datetime) -> None:
    for number in range(ROOMS):
        name = f"{_TOPICS[number % len(_TOPICS)]} room {number + 1}"
        description = None if number % 2 else f"Where we talk about {_TOPICS[number % len(_TOPICS)].lower()}."
        room = RoomRecord(state.new_id(), name, slug_of(name), _before(now, number, ROOMS), state.user.id, description)
        state.rooms[room.id] = room


def _booking_pages(state: State, now: datetime) -> None:
    for number in range(PAGES):
        name = f"{_TOPICS[number % len(_TOPICS)]} call {number + 1}"
        state.add_booking_page(
            name,
            slug_of(name),
            created_at=_before(now, number, PAGES),
            duration=(30, 45, 60)[number % 3],
            time_zone=_zone(number),
            description=None if number % 3 == 0 else f"A call about {_TOPICS[number % len(_TOPICS)].lower()}.",
        )
    page = _newest_page(state)
    for number in range(COLLABORATORS):
        user = state.team[number] if number < len(state.team) else None
        email = user.email if user else f"teammate{number + 1}@example.com"
        joined = page.created_at + timedelta(minutes=number)
        added = CollaboratorRecord(state.new_id(), email, joined, user, ("Editor", "Member")[number % 2], number)
        page.collaborators[added.id] = added


def _newest_page(state: State) -> BookingPageRecord:
    return list(state.booking_pages.values())[-1]


def _bookings(state: State, now: datetime) -> None:
    page = _newest_page(state)
    # From the day after tomorrow on, every other slot: near ones and the gaps stay free for whoever books.
    from_day = (now + timedelta(days=2)).astimezone(ZoneInfo(page.time_zone))
    open_slots = list(free(page, [], from_day, from_day + timedelta(days=30), now))[::2]
    for number, (start, _) in zip(range(BOOKINGS), open_slots, strict=False):
        first, last, email = _guest(state)
        guests: list[str | dict[str, object]] = [] if number % 4 else [_guest(state)[2]]
        made = now - timedelta(minutes=11 * (BOOKINGS - number))
        state.add_booking(page, start, f"{first} {last}", email, guests=guests, created_at=made)


def _events(state: State, now: datetime) -> None:
    for number in range(EVENTS):
        name = f"{_TOPICS[number % len(_TOPICS)]} webinar {number + 1}"
        start = (now + timedelta(days=number + 1)).replace(minute=0, second=0, microsecond=0)
        event = state.add_event(
            name,
            slug_of(name),
            created_at=_before(now, number, EVENTS),
            start_at=start,
            planned_end=start + timedelta(hours=1),
            time_zone=_zone(number),
        )
        event.published, event.public = number % 2 == 0, number % 4 == 0
        for _ in range(number % 3):
            first, last, email = _guest(state)
            if all(each.email != email for each in event.registrations):
                state.register(event, email, first, last, [])


def _sessions(state: State, now: datetime) -> None:
    rooms = list(state.rooms.values())
    for number in range(SESSIONS):
        created = _before(now, number, SESSIONS)
        session = state.add_session(
            f"{_TOPICS[number % len(_TOPICS)]} {number + 1}", created_at=created, time_zone=_zone(number)
        )
        for _ in range(1 + number % 3):
            first, last, email = _guest(state)
            state.invite(session, email, first, last)
        if number % 9 == 8:
            _plan(session, now + timedelta(days=number % 7 + 1))
            state.plan(session)
        elif number % 6 == 5:
            session.quick = True
            _hold(session, created)
        else:
            _plan(session, created + timedelta(hours=2))
            _leave_notes(session, _hold(session, created + timedelta(hours=2, seconds=37)))
        if number % 5 == 0:
            session.room_id = rooms[number % len(rooms)].id
    # A guest who gave neither a last name nor an address, as rooms allow.
    latest = list(state.sessions.values())[-1]
    latest.participants.append(
        ParticipantRecord(state.new_id(), False, Person(state.new_id(), None, "Visitor"), is_guest=True)
    )


def _plan(session: SessionRecord, start: datetime) -> None:
    session.start_at = start.replace(minute=0, second=0, microsecond=0)
    session.planned_end = session.start_at + timedelta(hours=1)


def _hold(session: SessionRecord, start: datetime) -> datetime:
    session.actual_start, session.ended_at = start, start + timedelta(minutes=42)
    return start


def _leave_notes(session: SessionRecord, start: datetime) -> None:
    session.takeaways = life.notes(session)
    session.transcripts = life.spoken(session, start + timedelta(milliseconds=363), start + timedelta(minutes=42))
