"""Everything that one sandbox remembers, and the changes that keep it consistent: a booking has its session, an event
wraps one, slugs are unique, sessions live by their plans, and every change that has a trigger is announced."""

from __future__ import annotations

import random
import re
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from . import life, serializer
from .records import (
    BookingPageRecord,
    BookingRecord,
    EventRecord,
    ParticipantRecord,
    Person,
    Registration,
    RoomRecord,
    SessionRecord,
    WebhookRecord,
)
from .refusals import Refusal, not_found
from .serializer import Json, Serializer
from .shelf import Noun, Shelf
from .slots import overlaps
from .traffic import KeyRole

TRIGGERS = frozenset(
    [
        f"{family}_{moment}"
        for family in ("SESSION", "BOOKING", "EVENT")
        for moment in ("CREATED", "UPDATED", "STARTED", "ENDED")
    ]
    + ["EVENT_PUBLISHED", "EVENT_NEW_REGISTRATION", "TAKEAWAY_READY", "TRANSCRIPT_READY", "RECORDING_STATUS_CHANGED"]
)
PERMISSIONS = ("personal", "organization")


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: its role, whose it is, and what its requests are counted under."""

    role: KeyRole
    user_id: str
    counter: str


class State:
    """The data of one workspace and its users.

    Attributes:
        lock: held by whoever reads or changes anything here: the socket, an in-process transport and the test that arranges the
            data may live in different threads.
        agenda: when sessions start and end by their plans.
        user: to whom the keys of the sandbox belong.
        users: everyone in the workspace, by id.
        keys: what is known of each API key.
        answers: makes the answers of the API.
        complete: makes rows with all fields.

    Args:
        clock: seconds since the epoch.
        seed: makes ids repeatable.
        page_base: the number of the first page.
        everything: also send the fields that are only inferred.
        keys: the roles of the sandbox's own keys.
        send: gets a webhook and the payload to deliver to it.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        seed: int,
        page_base: int,
        everything: bool,
        keys: Mapping[str, KeyRole],
        send: Callable[[WebhookRecord, Json], None],
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._own_keys = dict(keys)
        self._send = send
        self.lock: threading.RLock = threading.RLock()
        self.page_base: int = page_base
        self.answers: Serializer = Serializer(self, everything=everything)
        self.complete: Serializer = Serializer(self, everything=True)
        self.agenda: life.Agenda = life.Agenda()
        self.sessions: Shelf[SessionRecord] = Shelf(self._is_own_session)
        self.booking_pages: Shelf[BookingPageRecord] = Shelf(lambda page, user_id: page.owner.id == user_id)
        self.bookings: Shelf[BookingRecord] = Shelf(lambda booking, user_id: self._is_own_part(booking, user_id))
        self.rooms: Shelf[RoomRecord] = Shelf(lambda room, user_id: room.owner_id == user_id)
        self.events: Shelf[EventRecord] = Shelf(lambda event, user_id: self._is_own_part(event, user_id))
        self.webhooks: Shelf[WebhookRecord] = Shelf(lambda webhook, user_id: webhook.owner_id == user_id)
        self.users: dict[str, Person] = {}
        self.keys: dict[str, Key] = {}
        self.begin()

    def begin(self) -> None:
        """Forget everything, and have a workspace with its users and the colleague's booking page again."""
        self.random: random.Random = random.Random(self._seed)
        for shelf in (self.sessions, self.booking_pages, self.bookings, self.rooms, self.events, self.webhooks):
            shelf.clear()
        self.agenda.clear()
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
        self.users.clear()
        self.users.update({each.id: each for each in (self.user, *self.team)})
        self.keys.clear()
        self.keys.update({key: Key(role, self.user.id, role) for key, role in self._own_keys.items()})
        # A user can't book on a page of their own; this one is a colleague's, and so in none of the user's lists.
        self.team_page: BookingPageRecord = self.add_booking_page("Team intro", "team-intro", owner=self.team[0])

    def now(self) -> datetime:
        moment = datetime.fromtimestamp(self._clock(), UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def namespaced(self, slug: str) -> str:
        return f"{self.namespace}/{slug}"

    def is_own_key(self, key: str) -> bool:
        """Whether a key is one of the sandbox itself, which are the same for ever."""
        return key in self._own_keys

    # webhooks

    def announce(self, session: SessionRecord, moment: str) -> None:
        """Tell of a change to a session under the family that it belongs to: BOOKING, EVENT or SESSION."""
        family = "BOOKING" if session.booking_id else "EVENT" if session.event_id else "SESSION"
        self.tell(f"{family}_{moment}", session, {"session": serializer.told_session(self, session)})

    def tell(self, trigger: str, session: SessionRecord, data: Json) -> None:
        """Send to the webhooks with this trigger: to those of the whole workspace, and to those of whose session it is."""
        for webhook in list(self.webhooks.values()):
            is_concerned = webhook.permission == "organization" or self._is_own_session(session, webhook.owner_id)
            if webhook.trigger == trigger and is_concerned:
                self._send(webhook, {"trigger": trigger, "data": data})

    # owners

    def _is_own_session(self, session: SessionRecord, user_id: str) -> bool:
        booking = self.bookings.get(session.booking_id or "")
        return session.owner_id == user_id or (booking is not None and booking.booker_id == user_id)

    def _is_own_part(self, part: BookingRecord | EventRecord, user_id: str) -> bool:
        return self._is_own_session(self.sessions[part.session_id], user_id)

    # people

    def teammate(self, user_id: str | None, email: str | None) -> Person | None:
        everyone = self.users.values()
        return next((each for each in everyone if each.id == user_id or (email and each.email == email)), None)

    def host(self, person: Person | None = None) -> ParticipantRecord:
        return ParticipantRecord(self.new_id(), is_owner=True, person=person or self.user)

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

    def add_session(self, name: str, *, owner: Person | None = None, **fields: Any) -> SessionRecord:
        created = fields.pop("created_at", None) or self.now()
        participants = [self.host(owner)]
        owner_id = participants[0].person.id
        session = SessionRecord(self.new_id(), name, created, owner_id, participants=participants, **fields)
        self.sessions[session.id] = session
        self.plan(session)
        return session

    def remove_session(self, session: SessionRecord) -> None:
        """A booking or an event does not outlive its session."""
        self.bookings.pop(session.booking_id or "", None)
        self.events.pop(session.event_id or "", None)
        del self.sessions[session.id]

    def plan(self, session: SessionRecord) -> None:
        """Keep the next moment of a session's plan, unless it has passed: what is planned for the past does not happen."""
        match life.phase(session):
            case "planned":
                moment = session.start_at
            case "live":
                moment = session.planned_end
            case "over":
                moment = None
        if moment is not None and moment >= self.now():
            self.agenda.add(moment, session.id)

    def catch_up(self) -> None:
        """Start and end the sessions whose moments have come."""
        for moment, session_id in self.agenda.due(self._clock()):
            session = self.sessions.get(session_id)
            if session is None or self._is_cancelled(session):
                continue
            match life.phase(session):
                case "planned" if session.start_at == moment:
                    self.start(session, moment)
                    if session.planned_end is not None and session.planned_end >= moment:
                        self.agenda.add(session.planned_end, session.id)
                case "live" if session.planned_end == moment:
                    self.end(session, at=moment)
                case _:
                    pass  # the plan was changed

    def start(self, session: SessionRecord, at: datetime | None = None) -> None:
        """Start a planned session.

        Raises:
            ValueError: it has started or ended, or its booking is cancelled.
        """
        if self._is_cancelled(session):
            raise ValueError("the booking of this session is cancelled, so it can't start")
        if (is_now := life.phase(session)) != "planned":
            raise ValueError(f"only a planned session can start, and this one is {is_now}")
        session.actual_start = at or self.now()
        self.announce(session, "STARTED")
        if at is None:
            self.plan(session)

    def end(
        self,
        session: SessionRecord,
        takeaways: str | None = None,
        transcript: Iterable[str] | None = None,
        at: datetime | None = None,
    ) -> None:
        """End a session; a planned one starts first. Recording, takeaways and transcript are ready at once.

        Raises:
            ValueError: it has ended, or its booking is cancelled.
        """
        if life.phase(session) == "over":
            raise ValueError("only a live session can end, and this one is over")
        if session.actual_start is None:
            self.start(session, at or self.now())
        session.ended_at = at or self.now()
        self.announce(session, "ENDED")
        text = life.notes(session) if takeaways is None else takeaways
        session.takeaways = text or session.takeaways
        started = session.actual_start or session.ended_at
        if transcript is not None:
            session.transcripts = life.spoken(session, started, session.ended_at, transcript)
        elif not session.transcripts:
            session.transcripts = life.spoken(session, started, session.ended_at)
        for trigger in ("RECORDING_STATUS_CHANGED", "TAKEAWAY_READY", "TRANSCRIPT_READY"):
            data = self._afterwards(trigger, session)
            if data is not None:
                self.tell(trigger, session, {"session": {"id": session.id, **data}})

    @staticmethod
    def _afterwards(trigger: str, session: SessionRecord) -> Json | None:
        """What there is to tell after a session's end; None if there is nothing."""
        if trigger == "TAKEAWAY_READY":
            return serializer.takeaways(session.takeaways)
        if trigger == "TRANSCRIPT_READY":
            return {"transcripts": serializer.transcripts(session.transcripts)} if session.transcripts else None
        return {}  # no payload of a recording is known

    def _is_cancelled(self, session: SessionRecord) -> bool:
        booking = self.bookings.get(session.booking_id or "")
        return booking is not None and booking.cancelled_at is not None

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
        booker: Person | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> BookingRecord:
        """A booking always comes with a session. The participant's whole name becomes the guest's first name, and the
        participant comes before the host, as in captured payloads."""
        end_at = self.require_free(page, start_at, None)
        session = self.add_session(
            f"{page.name} with {name}",
            owner=page.owner,
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
            booker_id=booker.id if booker else None,
            extra=dict(extra or {}),
        )
        session.booking_id = booking.id
        self.bookings[booking.id] = booking
        self.sessions.changed()  # it is the booker's too
        self.invite(session, email, name)
        session.participants.reverse()
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
        extra = fields.pop("extra", {})
        session = self.add_session(name, **{"description": None, **fields})
        event = EventRecord(self.new_id(), slug, session.id, session.created_at, extra=extra)
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
        self.tell("EVENT_NEW_REGISTRATION", self.sessions[event.session_id], registered(event, registration))
        return registration

    def publish(self, event: EventRecord) -> None:
        if not event.published:
            event.published = True
            self.announce(self.sessions[event.session_id], "PUBLISHED")

    # slugs

    def unique_slug(self, wanted: str | None, name: str, taken: Collection[str]) -> str:
        """The slug that was asked for or one made from the name, with a number if it is taken."""
        made = wanted or slug_of(name) or self.new_id()[:8]
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


def registered(event: EventRecord, registration: Registration) -> Json:
    """What EVENT_NEW_REGISTRATION says."""
    return {
        "eventId": event.id,
        "sessionId": event.session_id,
        "registeredParticipant": serializer.registration(registration),
    }


def find(nouns: Mapping[str, Noun], id: str, noun: str) -> Noun:
    found = nouns.get(id)
    if found is None:
        raise not_found(noun)
    return found
