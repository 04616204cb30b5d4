"""Load data into the sandbox. All rows are read into records first; the state changes only if every row is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from . import serializer
from .body import Body
from .data import RESOURCES, Extended, session_row
from .fields import FIELDS, PARTICIPANT, PERSON, UTTERANCE
from .records import (
    BookingPageRecord,
    BookingRecord,
    CollaboratorRecord,
    EventRecord,
    ParticipantRecord,
    Person,
    RoomRecord,
    SessionRecord,
    Utterance,
    WebhookRecord,
)
from .routes.webhooks import read_webhook
from .serializer import Json, iso
from .shelf import Dated
from .state import Key, State

_SHOWN = 10  # problems in one error

# What `data` has besides the API's own fields.
_OWNED = frozenset({"extra", "ownerId"})
_BESIDE: Mapping[str, frozenset[str]] = {
    "users": frozenset(),
    "bookings": frozenset({"extra", "bookerId"}),
    "events": frozenset({"extra"}),
}


def load(state: State, data: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[str]]:
    """Add and change objects: all of them, or none if a row is wrong.

    Returns:
        The ids, by resource and in the order of the rows.

    Raises:
        ValueError: rows are wrong. The message names them.
    """
    drawn = state.random.getstate()
    loading = _Loading(state)
    loading.read(_as_json(data))
    if loading.problems:
        state.random.setstate(drawn)  # later ids are as if nothing had been tried
        more = len(loading.problems) - _SHOWN
        shown = "; ".join(loading.problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise ValueError(f"the data can't be loaded: {shown}")
    loading.commit()
    return loading.ids


def _as_json(data: object) -> Any:
    """Return a copy of the data. Refuse what a JSON answer in UTF-8 could not hold."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the data can't be loaded: it is not JSON in UTF-8: {error}") from None
    return json.loads(text)


class _Loading:
    """One load. A row of an existing object is merged over the object's own fields, and then read like a new row."""

    def __init__(self, state: State) -> None:
        self.problems: list[str] = []
        self.ids: dict[str, list[str]] = {}
        self._state = state
        self._now = state.now()
        self._users: dict[str, Person] = {}
        self._keys: dict[str, str] = {}
        self._rooms: dict[str, RoomRecord] = {}
        self._pages: dict[str, BookingPageRecord] = {}
        self._sessions: dict[str, SessionRecord] = {}
        self._bookings: dict[str, BookingRecord] = {}
        self._events: dict[str, EventRecord] = {}
        self._webhooks: dict[str, WebhookRecord] = {}

    def read(self, data: Any) -> None:
        """Read all rows into records, and collect the problems."""
        if not isinstance(data, dict):
            self.problems.append("it must be an object that maps resources to arrays")
            return
        unknown = sorted(data.keys() - set(RESOURCES))
        self.problems += [f"{name!r} is none of {', '.join(RESOURCES)}" for name in unknown]
        readers: Mapping[str, Callable[[str, Json], None]] = {
            "users": self._user,
            "rooms": self._room,
            "booking_pages": self._page,
            "sessions": self._session,
            "bookings": self._booking,
            "events": self._event,
            "webhooks": self._webhook,
        }
        for resource in readers:  # a resource comes after those that its rows refer to
            if resource in data:
                rows = self._objects(resource, data[resource], FIELDS[resource] | _BESIDE.get(resource, _OWNED))
                self.ids[resource] = [row["id"] for _, row in rows]
                for where, row in rows:
                    readers[resource](where, row)
        self._check_owners(data)

    def commit(self) -> None:
        """Put the records into the state."""
        state = self._state
        for user in self._users.values():
            known = state.users.setdefault(user.id, user)  # participants hold the same object
            known.email, known.first_name, known.last_name = user.email, user.first_name, user.last_name
        state.keys.update({key: Key("user", owner, f"user {owner}") for key, owner in self._keys.items()})
        state.rooms.put(self._rooms)
        state.booking_pages.put(self._pages)
        state.sessions.put(self._sessions)
        state.bookings.put(self._bookings)
        state.events.put(self._events)
        state.webhooks.put(self._webhooks)
        for session in self._sessions.values():
            state.plan(session)

    # arrays and objects

    def _objects(self, where: str, rows: object, fields: frozenset[str]) -> list[tuple[str, Json]]:
        """Return the objects of an array with their places. An object without an id gets one."""
        if not isinstance(rows, list):
            self.problems.append(f"{where} must be an array")
            return []
        places = [(f"{where}[{number}]", row) for number, row in enumerate(rows)]
        found = [(place, row) for place, row in places if self._is_object(row, place, fields)]
        seen: set[str] = set()
        for place, row in found:
            if row.setdefault("id", None) is None:
                row["id"] = self._state.new_id()
            elif not isinstance(row["id"], str) or not row["id"] or row["id"] in seen:
                self.problems.append(f"{place}: id must be a string of its own")
                row["id"] = self._state.new_id()
            seen.add(row["id"])
        return found

    def _is_object(self, row: object, where: str, fields: frozenset[str]) -> TypeGuard[Json]:
        if not isinstance(row, dict):
            self.problems.append(f"{where} must be an object")
            return False
        self.problems += [f"{where}: there is no field {name!r}" for name in sorted(row.keys() - fields)]
        return True

    def _check(self, where: str, body: Body) -> None:
        self.problems += [f"{where}: {problem}" for problem in body.problems]

    # resources

    def _user(self, where: str, row: Json) -> None:
        known = self._state.users.get(row["id"])
        body = Body({**({} if known is None else serializer.person(known) or {}), **row})
        email = body.email("email", required=True)
        first, last = body.text("firstName", nullable=True), body.text("lastName", nullable=True)
        key = body.text("key")
        if key is not None and self._owner_of(key, row["id"]) != row["id"]:
            body.wrong("key is the key of another user, or of the sandbox itself")
        self._check(where, body)
        self._users[row["id"]] = Person(row["id"], email, first, last)
        if key is not None:
            self._keys[key] = row["id"]

    def _owner_of(self, key: str, otherwise: str) -> str | None:
        """Return whose a key is; None for a key of the sandbox itself, `otherwise` for one that nobody has."""
        if self._state.is_own_key(key):
            return None
        there = self._state.keys.get(key)
        if there is not None and there.user_id in self._state.users:
            return there.user_id
        return self._keys.get(key, otherwise)

    def _room(self, where: str, row: Json) -> None:
        known = self._state.rooms.get(row["id"])
        before = self._created(known)
        if known is not None:
            before |= self._state.complete.room(known)
        body = Body({**before, **row})
        fields: dict[str, Any] = {
            "name": body.text("name", required=True),
            "slug": self._slug(body, self._state.rooms, self._rooms, row["id"]),
            "description": body.text("description", nullable=True),
            "created_at": body.moment("createdAt", required=True),
            "shared_with": body.texts("sharedWith", emails=True),
            "owner_id": self._owner(body, known.owner_id if known else None).id,
            "extra": self._extra(body, known),
        }
        self._check(where, body)
        self._rooms[row["id"]] = RoomRecord(row["id"], **fields) if known is None else replace(known, **fields)

    def _page(self, where: str, row: Json) -> None:
        known = self._state.booking_pages.get(row["id"])
        before = {"duration": 30, "timeZone": "UTC", **self._created(known)}
        before["updatedAt"] = row.get("createdAt", before["createdAt"])
        if known is not None:
            before |= self._state.complete.booking_page(known)
        body = Body({**before, **row})
        owner = self._owner(body, known.owner.id if known else None)
        own = {page.id: page for page in self._state.booking_pages.values() if page.owner.id == owner.id}
        fields: dict[str, Any] = {
            "owner": owner,
            "extra": self._extra(body, known),
            "name": body.text("name", required=True),
            "slug": self._slug(body, own, self._pages, row["id"]),
            "description": body.text("description", nullable=True),
            "duration": body.whole("duration", least=5, most=24 * 60) or 30,
            "time_zone": body.zone() or "UTC",
            "created_at": body.moment("createdAt", required=True),
            "updated_at": body.moment("updatedAt", required=True),
        }
        self._check(where, body)
        if "collaborators" in row:
            old = {} if known is None else known.collaborators
            fields["collaborators"] = self._collaborators(f"{where}.collaborators", row["collaborators"], old)
        if known is None:
            self._pages[row["id"]] = BookingPageRecord(row["id"], **fields)
        else:
            self._pages[row["id"]] = replace(known, **fields)

    def _collaborators(
        self, where: str, rows: object, old: Mapping[str, CollaboratorRecord]
    ) -> dict[str, CollaboratorRecord]:
        found: dict[str, CollaboratorRecord] = {}
        for place, row in self._objects(where, rows, FIELDS["collaborators"] | {"extra"}):
            body = Body(row)
            user, email = row.get("user"), body.email("email")
            account = body.text("userId")
            member = self._member(account, email) if user is None else self._person(f"{place}.user", user)
            if account is not None and member is None:
                body.wrong("userId must be the id of somebody on the team")
            role = body.text("role")
            added = old[row["id"]].created_at if row["id"] in old else self._now
            priority = body.whole("priority", least=0, most=1000)
            self._check(place, body)
            address = email or (member.email if member else None)
            found[row["id"]] = CollaboratorRecord(
                row["id"], address, added, member, role, priority, self._extra(body, old.get(row["id"]))
            )
        return dict(reversed(found.items()))  # lists begin with the newest, the state's dictionaries end with it

    def _session(self, where: str, row: Json, description: str | None = "") -> None:
        known = self._state.sessions.get(row["id"])
        before = {"description": description, "timeZone": "UTC", **self._created(known)}
        if known is not None:
            before |= session_row(self._state, known)
        body = Body({**before, **row})
        fields: dict[str, Any] = {
            "name": body.text("name", required=True),
            "description": body.text("description", nullable=True),
            "quick": bool(body.flag("quickSession")),
            "room_id": self._room_id(body),
            "created_at": body.moment("createdAt", required=True),
            "start_at": body.moment("startAt"),
            "planned_end": body.moment("plannedEnd"),
            "actual_start": body.moment("actualStart"),
            "ended_at": body.moment("endedAt"),
            "time_zone": body.zone(),
            "takeaways": _takeaways(body),
        }
        fields["extra"] = self._extra(body, known)
        owner = self._owner(body, known.owner_id if known else None)
        self._check(where, body)
        if "participants" in row:
            fields["participants"] = self._participants(f"{where}.participants", row["participants"])
            hosts = [each.person.id for each in fields["participants"] if each.is_owner and not each.is_guest]
            users = {**self._users, **self._state.users}
            owner = users.get(hosts[0], owner) if hosts and "ownerId" not in row else owner
        elif known is None:
            fields["participants"] = [self._state.host(owner)]
        fields["owner_id"] = owner.id
        if "transcripts" in row:
            fields["transcripts"] = self._transcripts(f"{where}.transcripts", row["transcripts"])
        self._sessions[row["id"]] = SessionRecord(row["id"], **fields) if known is None else replace(known, **fields)

    def _room_id(self, body: Body) -> str | None:
        room = body.get("room")
        if room is None:
            return None
        named = room.get("id") if isinstance(room, dict) else None
        if not isinstance(named, str) or (named not in self._rooms and named not in self._state.rooms):
            body.wrong("room must be null or have the id of a room")
        return named

    def _participants(self, where: str, rows: object) -> list[ParticipantRecord]:
        found = []
        for place, row in self._objects(where, rows, PARTICIPANT):
            body, user, guest = Body(row), row.get("user"), row.get("guest")
            if (user is None) == (guest is None):
                body.wrong("one of user and guest is required, and the other null")
            owner = bool(body.flag("isOwner"))
            self._check(place, body)
            person = self._person(f"{place}.{'user' if guest is None else 'guest'}", user if guest is None else guest)
            found.append(ParticipantRecord(row["id"], owner, person, is_guest=user is None))
        return found

    def _person(self, where: str, row: object) -> Person:
        """Read a person. Missing fields come from the member of the team with the same id or address, if there is one."""
        if row is None or not self._is_object(row, where, PERSON):
            return Person("", None, None)
        given = {name: value for name, value in row.items() if value is not None}
        wrong = [name for name, value in sorted(given.items()) if not isinstance(value, str)]
        self.problems += [f"{where}: {name} must be a string" for name in wrong]
        member = None if wrong else self._member(given.get("id"), given.get("email"))
        known = {} if member is None else serializer.person(member) or {}
        full = {"id": None, "email": None, "firstName": None, "lastName": None, **known, **row}
        return Person(full["id"] or self._state.new_id(), full["email"], full["firstName"], full["lastName"])

    def _transcripts(self, where: str, rows: object) -> list[Utterance]:
        found = []
        for place, row in self._objects(where, rows, UTTERANCE):
            body = Body(row)
            speaker, moment = body.text("participantId", required=True), body.moment("sourceTimestamp", required=True)
            said = body.objects("content")
            text = said[0].get("text") if len(said) == 1 else None
            if not isinstance(text, str):
                body.wrong("content must be an array of one object with a text")
            language = body.text("sourceLanguage") or "en"
            self._check(place, body)
            found.append(Utterance(speaker, moment, text or "", language))
        return found

    def _booking(self, where: str, row: Json) -> None:
        known = self._state.bookings.get(row["id"])
        before: Json = {}
        if known is not None:
            before = {**self._created(known), **self._state.complete.booking(known), "bookerId": known.booker_id}
        body = Body({**before, **row})
        page_id, start = body.text("bookingPageId", required=True), body.moment("startAt", required=True)
        name = body.text("participantName", required=True)
        email = body.email("participantEmail")
        guests, zone = self._state.guests(body.mixed("guests")), body.zone()
        created, cancelled_at = body.moment("createdAt"), body.moment("cancelledAt")
        title, booker = body.text("name"), body.text("bookerId")
        if booker is not None and booker != before.get("bookerId") and self._member(booker, None) is None:
            body.wrong("bookerId must be the id of a user")
        extra = self._extra(body, known)
        page = self._pages.get(page_id) or self._state.booking_pages.get(page_id)
        if page is None and (known is None or known.page_id != page_id):
            body.wrong("bookingPageId must be the id of a booking page")
        length = known.end_at - known.start_at if known else timedelta(minutes=page.duration if page else 30)
        zone = zone or (page.time_zone if page else "UTC")
        session = self._part(body, "sessionId", body.get("sessionId"), known, row["id"])
        self._check(where, body)
        if body.problems:
            return
        booking = BookingRecord(
            row["id"], page_id, "", self._now, "", name, email, guests, start, start + length, zone
        )  # fmt: skip
        if session is None:
            session = self._booked_session(booking, page, created)
        booking.session_id = session.id
        booking.created_at = created or session.created_at
        booking.name = title or session.name
        booking.cancelled_at = cancelled_at
        booking.collaborator_id = known.collaborator_id if known else None
        booking.booker_id, booking.extra = booker, extra
        session.booking_id = booking.id
        if session.id not in self.ids.get("sessions", ()):
            session.start_at, session.planned_end = booking.start_at, booking.end_at
        self._bookings[booking.id] = booking

    def _booked_session(
        self, booking: BookingRecord, page: BookingPageRecord | None, created: datetime | None
    ) -> SessionRecord:
        """Make the session of a booking that names none, as the API does."""
        name = f"{page.name if page else 'Booking'} with {booking.participant_name}"
        host = self._state.host(page.owner if page else None)
        session = SessionRecord(
            self._state.new_id(), name, created or self._now, host.person.id, time_zone=booking.time_zone
        )
        self._state.invite(session, booking.participant_email, booking.participant_name)
        session.participants.append(host)
        self._state.invite_guests(session, booking)
        self._sessions[session.id] = session
        return session

    def _event(self, where: str, row: Json) -> None:
        known = self._state.events.get(row["id"])
        before: Json = {}
        if known is not None:
            before = {
                **self._created(known),
                "slug": known.slug,
                "isPublished": known.published,
                "isPublic": known.public,
            }
        wrapped = row.pop("session", None)
        if known is not None and wrapped is None:
            wrapped = {"id": known.session_id}
        if not self._is_object(wrapped, f"{where}.session", FIELDS["sessions"] | _OWNED):
            return
        if wrapped.get("id") is None:
            wrapped["id"] = known.session_id if known else self._state.new_id()
        if not isinstance(wrapped["id"], str) or not wrapped["id"]:
            self.problems.append(f"{where}.session: id must be a string")
            return
        if wrapped["id"] not in self._sessions:
            self._session(f"{where}.session", wrapped, description=None)
        body = Body({**before, "name": self._sessions[wrapped["id"]].name, **row})
        session = self._part(body, "session.id", wrapped["id"], known, row["id"])
        fields: dict[str, Any] = {
            "slug": self._slug(body, self._state.events, self._events, row["id"]),
            "published": bool(body.flag("isPublished")),
            "public": bool(body.flag("isPublic")),
            "extra": self._extra(body, known),
        }
        created = body.moment("createdAt")
        self._check(where, body)
        if session is None:
            return
        session.event_id = row["id"]
        fields["created_at"] = created or session.created_at
        self._events[row["id"]] = (
            EventRecord(row["id"], session_id=session.id, **fields) if known is None else replace(known, **fields)
        )

    def _webhook(self, where: str, row: Json) -> None:
        known = self._state.webhooks.get(row["id"])
        body = Body({**({} if known is None else self._state.complete.webhook(known)), **row})
        owner = self._owner(body, known.owner_id if known else None)
        created = self._now if known is None else known.created_at
        webhook = self._webhooks[row["id"]] = read_webhook(body, row["id"], created, owner.id)
        webhook.extra = self._extra(body, known)
        self._check(where, body)

    # what rows share

    def _member(self, id: str | None, email: str | None) -> Person | None:
        """Return the user with an id or an address; of those of this load too."""
        loaded = self._users.values()
        return self._state.teammate(id, email) or next(
            (each for each in loaded if each.id == id or (email and each.email == email)), None
        )

    def _owner(self, body: Body, known: str | None) -> Person:
        """Return the user whom a row names as its owner; else the owner so far, or the user of the sandbox's keys."""
        named = body.text("ownerId") or known
        users = {**self._users, **self._state.users}
        if named is not None and named not in users and named != known:
            body.wrong("ownerId must be the id of a user")
        return users.get(named or "", self._state.user)

    def _extra(self, body: Body, known: Extended | None) -> dict[str, Any]:
        given = body.get("extra")
        if given is not None and not isinstance(given, dict):
            body.wrong("extra must be an object")
        return given if isinstance(given, dict) else dict(known.extra) if known is not None else {}

    def _created(self, known: Dated | None) -> Json:
        return {"createdAt": iso(self._now if known is None else known.created_at)}

    def _slug(self, body: Body, there: Mapping[str, Any], loaded: Mapping[str, Any], id: str) -> str:
        """Return the slug of a row, or one made from its name. A slug that another object has is a problem."""
        taken = {each.slug for each in {**there, **loaded}.values() if each.id != id}
        asked = body.slug()
        if asked is None:
            return self._state.unique_slug(None, str(body.get("name")), taken)
        if asked in taken:
            body.wrong(f"slug {asked!r} is already in use")
        return asked

    def _part(
        self, body: Body, field: str, id: object, known: BookingRecord | EventRecord | None, owner: str
    ) -> SessionRecord | None:
        """Return the session of a booking or an event as a record that may be changed. None if no usable session is named."""
        if id is None:
            return None
        if known is not None and id != known.session_id:
            body.wrong(f"{field} can't become another")
            return None
        session = self._sessions.get(str(id))
        if session is None and str(id) in self._state.sessions:
            session = self._sessions[str(id)] = replace(self._state.sessions[str(id)])
        if session is None:
            body.wrong(f"{field} must be the id of a session")
        elif {session.booking_id, session.event_id} - {None, owner}:
            body.wrong(f"{field} is the session of another booking or event")
        else:
            return session
        return None

    def _check_owners(self, data: Json) -> None:
        """Check `booking` and `event` of the sessions' rows, and move the bookings of sessions that were moved."""
        rows = data.get("sessions")
        for number, row in enumerate(rows if isinstance(rows, list) else ()):
            session = self._sessions.get(row.get("id", "")) if isinstance(row, dict) else None
            if session is None:
                continue
            for field, owner in (("booking", session.booking_id), ("event", session.event_id)):
                named = row.get(field)
                if named is not None and (not isinstance(named, dict) or named.get("id") != owner):
                    self.problems.append(
                        f"sessions[{number}]: {field} must be null, or one of the {field}s, with this session"
                    )
            booking = self._state.bookings.get(session.booking_id or "")
            if booking is not None and booking.id not in self._bookings and session.start_at is not None:
                end = session.planned_end or session.start_at + (booking.end_at - booking.start_at)
                self._bookings[booking.id] = replace(booking, start_at=session.start_at, end_at=end)


def _takeaways(body: Body) -> str | None:
    """Read takeaways that are a text or the API's object."""
    given = body.get("takeaways")
    text = given.get("takeawaysText") if isinstance(given, dict) else given
    if given is not None and not isinstance(text, str):
        body.wrong("takeaways must be null, a text, or an object with a takeawaysText")
    return text if isinstance(text, str) else None
