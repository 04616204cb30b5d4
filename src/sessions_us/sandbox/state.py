"""Everything that one sandbox remembers, and the changes that keep it consistent: a booking has its session, an event
wraps one, slugs are unique, and every change that has a trigger is announced."""

from __future__ import annotations

import random
import re
import threading
import uuid
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from . import serializer
from .records import (
    BookingPageRecord,
    BookingRecord,
    CollaboratorRecord,
    EventRecord,
    ParticipantRecord,
    Person,
    Registration,
    RoomRecord,
    SessionRecord,
    WebhookRecord,
)
from .refusals import Refusal, not_found
from .slots import overlaps

Noun = TypeVar(
    "Noun", SessionRecord, BookingRecord, BookingPageRecord, RoomRecord, EventRecord, CollaboratorRecord, WebhookRecord
)

TRIGGERS = frozenset(
    [
        f"{family}_{moment}"
        for family in ("SESSION", "BOOKING", "EVENT")
        for moment in ("CREATED", "UPDATED", "STARTED", "ENDED")
    ]
    + ["EVENT_PUBLISHED", "EVENT_NEW_REGISTRATION", "TAKEAWAY_READY", "TRANSCRIPT_READY", "RECORDING_STATUS_CHANGED"]
)
PERMISSIONS = ("personal", "organization")


class State:
    """The data of one workspace, seen by one user.

    Attributes:
        lock: held by whoever reads or changes anything here: the socket, an in-process transport and the test that arranges the
            data may live in different threads.

    Args:
        clock: seconds since the epoch.
        seed: makes ids repeatable.
        page_base: the number of the first page.
        extras: send plausible fields that no source names.
        announce: hears (trigger, data) of every change that has a trigger.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        seed: int,
        page_base: int,
        extras: bool,
        announce: Callable[[str, serializer.Json], None],
    ) -> None:
        self._clock = clock
        self._announce = announce
        self.lock: threading.RLock = threading.RLock()
        self.random: random.Random = random.Random(seed)
        self.page_base = page_base
        self.extras = extras
        self.sessions: dict[str, SessionRecord] = {}
        self.booking_pages: dict[str, BookingPageRecord] = {}
        self.bookings: dict[str, BookingRecord] = {}
        self.rooms: dict[str, RoomRecord] = {}
        self.events: dict[str, EventRecord] = {}
        self.webhooks: dict[str, WebhookRecord] = {}
        self.namespace: str = f"{self.new_id()}-{self.random.getrandbits(20):05x}"
        self.user: Person = Person(self.new_id(), "grace@example.com", "Grace", "Hopper")
        self.team: list[Person] = [
            Person(self.new_id(), f"{first.lower()}@example.com", first, last)
            for first, last in (
                ("Katherine", "Johnson"),
                ("Alan", "Turing"),
                ("Edsger", "Dijkstra"),
                ("Barbara", "Liskov"),
            )
        ]
        # A user can't book on a page of their own; this one is a colleague's, and so in none of the user's lists.
        self.team_page: BookingPageRecord = self.add_booking_page("Team intro", "team-intro", owner=self.team[0])

    def now(self) -> datetime:
        moment = datetime.fromtimestamp(self._clock(), UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def namespaced(self, slug: str) -> str:
        return f"{self.namespace}/{slug}"

    def announce(self, session: SessionRecord, moment: str) -> None:
        """Tell of a change to a session under the family that it belongs to: BOOKING, EVENT or SESSION."""
        family = "BOOKING" if session.booking_id else "EVENT" if session.event_id else "SESSION"
        self._announce(f"{family}_{moment}", {"session": serializer.session(self, session)})

    # people

    def teammate(self, user_id: str | None, email: str | None) -> Person | None:
        everyone = [self.user, *self.team]
        return next((each for each in everyone if each.id == user_id or (email and each.email == email)), None)

    def host(self) -> ParticipantRecord:
        return ParticipantRecord(self.new_id(), is_owner=True, person=self.user)

    def invite(
        self, session: SessionRecord, email: str | None, first_name: str | None, last_name: str | None = None
    ) -> ParticipantRecord:
        """The participant with this address, added if there is none yet."""
        for present in session.participants:
            if email is not None and present.person.email == email:
                return present
        member = self.teammate(None, email)
        invited = member or Person(self.new_id(), email, first_name, last_name)
        joined = ParticipantRecord(self.new_id(), is_owner=False, person=invited, is_guest=member is None)
        session.participants.append(joined)
        return joined

    # sessions

    def add_session(self, name: str, **fields: Any) -> SessionRecord:
        created = fields.pop("created_at", None) or self.now()
        session = SessionRecord(self.new_id(), name, created, participants=[self.host()], **fields)
        self.sessions[session.id] = session
        return session

    def remove_session(self, session: SessionRecord) -> None:
        """A booking or an event does not outlive its session."""
        del self.sessions[session.id]
        self.bookings.pop(session.booking_id or "", None)
        self.events.pop(session.event_id or "", None)

    # bookings

    def add_booking_page(
        self,
        name: str,
        slug: str,
        *,
        owner: Person | None = None,
        created_at: datetime | None = None,
        duration: int = 30,
        time_zone: str = "UTC",
        description: str | None = None,
    ) -> BookingPageRecord:
        created = created_at or self.now()
        page = BookingPageRecord(
            self.new_id(), owner or self.user, name, slug, created, created, duration, time_zone, description
        )
        self.booking_pages[page.id] = page
        return page

    def add_booking(
        self,
        page: BookingPageRecord,
        start_at: datetime,
        name: str,
        email: str | None,
        *,
        guests: list[str | dict[str, Any]] | None = None,
        time_zone: str | None = None,
        created_at: datetime | None = None,
    ) -> BookingRecord:
        """A booking always comes with a session; the participant's whole name becomes the guest's first name."""
        end_at = self.require_free(page, start_at, None)
        session = self.add_session(
            f"{page.name} with {name}",
            start_at=start_at,
            planned_end=end_at,
            time_zone=time_zone or page.time_zone,
            created_at=created_at,
        )
        booking = BookingRecord(
            self.new_id(),
            page.id,
            session.id,
            session.created_at,
            session.name,
            name,
            email,
            self.guests(guests or []),
            start_at,
            end_at,
            time_zone or page.time_zone,
        )
        self.bookings[booking.id] = booking
        session.booking_id = booking.id
        session.participants[0].person = page.owner
        self.invite(session, email, name)
        self.invite_guests(session, booking)
        return booking

    def require_free(self, page: BookingPageRecord, start_at: datetime, moved: BookingRecord | None) -> datetime:
        """The end of a booking at `start_at`; 409 if another one stands in the way. Office hours are not insisted on."""
        end_at = start_at + timedelta(minutes=page.duration)
        taken = [
            (other.start_at, other.end_at)
            for other in self.bookings.values()
            if other.page_id == page.id and other is not moved and other.cancelled_at is None
        ]
        if overlaps(taken, start_at, end_at):
            raise Refusal(409, "The slot is no longer available")
        return end_at

    def guests(self, values: Iterable[str | dict[str, Any]]) -> list[str | dict[str, Any]]:
        return [value if isinstance(value, str) else {"id": self.new_id(), **value} for value in values]

    def invite_guests(self, session: SessionRecord, booking: BookingRecord) -> None:
        for guest in booking.guests:
            if isinstance(guest, str):
                self.invite(session, guest, guest.partition("@")[0])
            else:
                self.invite(session, guest.get("email"), guest.get("firstName"), guest.get("lastName"))

    # events

    def add_event(self, name: str, slug: str, **fields: Any) -> EventRecord:
        """A draft, wrapping a new session; such a session has no description until it gets one."""
        session = self.add_session(name, **{"description": None, **fields})
        event = EventRecord(self.new_id(), slug, session.id, session.created_at)
        self.events[event.id] = event
        session.event_id = event.id
        return event

    def register(
        self, event: EventRecord, email: str, first_name: str, last_name: str | None, form: list[Any]
    ) -> Registration:
        if any(each.email == email for each in event.registrations):
            raise Refusal(409, "Already registered to this event")
        joined = self.invite(self.sessions[event.session_id], email, first_name, last_name)
        fixed = [{"question": "Name", "answer": first_name}, {"question": "Email", "answer": email}]
        registration = Registration(joined.id, email, first_name, fixed + form)
        event.registrations.append(registration)
        data = {
            "eventId": event.id,
            "sessionId": event.session_id,
            "registeredParticipant": serializer.registration(registration),
        }
        self._announce("EVENT_NEW_REGISTRATION", data)
        return registration

    def publish(self, event: EventRecord) -> None:
        if not event.published:
            event.published = True
            self.announce(self.sessions[event.session_id], "PUBLISHED")

    # what the API itself has no call for

    def start(self, session: SessionRecord) -> None:
        session.actual_start = session.actual_start or self.now()
        self.announce(session, "STARTED")

    def end(self, session: SessionRecord, takeaways: str | None) -> None:
        session.actual_start = session.actual_start or self.now()
        session.ended_at = self.now()
        self.announce(session, "ENDED")
        if takeaways is not None:
            session.takeaways = takeaways
            self._announce("TAKEAWAY_READY", {"session": {"id": session.id, **(serializer.takeaways(session) or {})}})
        if session.transcripts:
            spoken = serializer.transcripts(session.transcripts)
            self._announce("TRANSCRIPT_READY", {"session": {"id": session.id, "transcripts": spoken}})

    # slugs

    def unique_slug(self, wanted: str | None, name: str, taken: Collection[str]) -> str:
        """A slug that was asked for, 409 if it is taken; else one made from the name, with a number if need be."""
        if wanted is not None:
            if wanted in taken:
                raise Refusal(409, "The slug is already in use")
            return wanted
        made = slug_of(name) or self.new_id()[:8]
        number = 1
        while (slug := made if number == 1 else f"{made}-{number}") in taken:
            number += 1
        return slug

    def slugs(
        self, noun: Iterable[RoomRecord] | Iterable[EventRecord] | Iterable[BookingPageRecord], but: object = None
    ) -> set[str]:
        return {each.slug for each in noun if each is not but}


def slug_of(name: str) -> str:
    kept = re.sub(r"[^\w\s-]", "", name.strip().lower())
    return re.sub(r"-+", "-", re.sub(r"\s", "-", kept)).strip("-")


def find(nouns: dict[str, Noun], id: str, noun: str) -> Noun:
    found = nouns.get(id)
    if found is None:
        raise not_found(noun)
    return found


def newest(nouns: Iterable[Noun]) -> list[Noun]:
    """Newest first; of two made in the same millisecond, the later one first."""
    rows = list(nouns)
    rows.reverse()
    rows.sort(key=lambda each: each.created_at, reverse=True)
    return rows
