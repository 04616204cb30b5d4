"""Records as JSON: bare objects in camelCase, times in UTC with milliseconds and `Z`.

`Serializer` makes the answers of the API. By default they have the fields that a client of the live API uses, that a captured
payload shows or that the vendor documents, and the least besides that makes the API usable. With `everything` they also have
the fields that are only inferred. The functions make what webhooks say, which is what captured payloads say and nothing else.
docs/sandbox.md lists both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

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
    Utterance,
    WebhookRecord,
)
from .refusals import Refusal

if TYPE_CHECKING:
    from .state import State

Json = dict[str, Any]
Row = TypeVar("Row")

PAGE_SIZE = 20


@lru_cache(maxsize=100_000)  # most dates of a list are sent with every page
def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_null(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def page_of(rows: Sequence[Row], query: Mapping[str, str], base: int) -> Sequence[Row]:
    """The rows of one page of 20. No `page` is the first page, 0 too where pages count from 1; past the end is empty."""
    asked = query.get("page", "")
    if not asked:
        number = base
    elif asked.isascii() and asked.isdecimal():
        number = max(int(asked.lstrip("0")[:18] or "0"), base)  # more digits are past the end all the same
    else:
        raise Refusal(400, ["page must be an integer number", "page must not be less than 0"])
    first = (number - base) * PAGE_SIZE
    return rows[first : first + PAGE_SIZE]


class Serializer:
    """The answers of the API.

    Args:
        state: knows what objects refer to.
        everything: also the fields that are only inferred.
    """

    def __init__(self, state: State, *, everything: bool) -> None:
        self._state = state
        self._everything = everything

    def session(self, value: SessionRecord) -> Json:
        fields = told_session(self._state, value)
        if value.extra:
            fields = {**value.extra, **fields}
        fields["sessionLink"] = f"https://app.sessions.us/session/{value.id}"
        if self._everything:
            fields["plannedEnd"] = iso_or_null(value.planned_end)
            fields["timeZone"] = value.time_zone
        return fields

    def booking(self, value: BookingRecord) -> Json:
        fields = {
            **value.extra,
            **_booked(value),
            "startAt": iso(value.start_at),
            "sessionId": value.session_id,
        }
        if self._everything:
            fields["bookingPageId"] = value.page_id
            fields["timeZone"] = value.time_zone
            fields["cancelledAt"] = iso_or_null(value.cancelled_at)
        return fields

    def booking_page(self, value: BookingPageRecord) -> Json:
        fields = {**value.extra, "id": value.id, "name": value.name}
        if self._everything:
            fields |= {
                "slug": value.slug,
                "description": value.description,
                "duration": value.duration,
                "timeZone": value.time_zone,
                "createdAt": iso(value.created_at),
                "updatedAt": iso(value.updated_at),
            }
        return fields

    def collaborator(self, value: CollaboratorRecord) -> Json:
        fields = {**value.extra, "id": value.id, "email": value.email, "user": person(value.user)}
        if self._everything:
            fields |= {
                "userId": None if value.user is None else value.user.id,
                "role": value.role,
                "priority": value.priority,
            }
        return fields

    def room(self, value: RoomRecord) -> Json:
        fields = {**value.extra, "id": value.id, "name": value.name, "slug": self._state.namespaced(value.slug)}
        if self._everything:
            fields |= {"description": value.description, "sharedWith": list(value.shared_with)}
        return fields

    def event(self, value: EventRecord) -> Json:
        wrapped = self._state.sessions[value.session_id]
        session: Json = {"id": wrapped.id, "name": wrapped.name}
        fields: Json = {
            **value.extra,
            "id": value.id,
            "slug": self._state.namespaced(value.slug),
            "session": session,
        }
        if self._everything:
            session["startAt"] = iso_or_null(wrapped.start_at)
            session["plannedEnd"] = iso_or_null(wrapped.planned_end)
            session["timeZone"] = wrapped.time_zone
            fields |= {"isPublished": value.published, "isPublic": value.public}
        return fields

    def webhook(self, value: WebhookRecord) -> Json:
        fields = {**value.extra, "id": value.id}
        if self._everything:
            fields |= {
                "url": value.url,
                "trigger": value.trigger,
                "permission": value.permission,
                "linkPublicKey": value.link_public_key,
                "integration": value.integration,
            }
        return fields


def person(value: Person | None) -> Json | None:
    if value is None:
        return None
    return {"id": value.id, "email": value.email, "firstName": value.first_name, "lastName": value.last_name}


def participant(value: ParticipantRecord) -> Json:
    who = person(value.person)
    guest, user = (who, None) if value.is_guest else (None, who)
    return {"id": value.id, "isOwner": value.is_owner, "guest": guest, "user": user}


def participants(session: SessionRecord) -> list[Json]:
    return [participant(value) for value in session.participants]


def told_session(state: State, value: SessionRecord) -> Json:
    """A session as webhooks tell of it: the twelve keys of the captured payloads."""
    room = state.rooms.get(value.room_id or "")
    booked = state.bookings.get(value.booking_id or "")
    wrapped_by = state.events.get(value.event_id or "")
    return {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "quickSession": value.quick,
        "room": None if room is None else {"id": room.id, "slug": state.namespaced(room.slug)},
        "createdAt": iso(value.created_at),
        "startAt": iso_or_null(value.start_at),
        "actualStart": iso_or_null(value.actual_start),
        "endedAt": iso_or_null(value.ended_at),
        "booking": None if booked is None else _booked(booked),
        "event": None if wrapped_by is None else {"id": wrapped_by.id, "slug": state.namespaced(wrapped_by.slug)},
        "participants": participants(value),
    }


def _booked(value: BookingRecord) -> Json:
    return {
        "id": value.id,
        "name": value.name,
        "participantName": value.participant_name,
        "participantEmail": value.participant_email,
        "guests": value.guests,
    }


def registration(value: Registration) -> Json:
    return {"id": value.id, "email": value.email, "firstName": value.first_name, "form": value.form}


def takeaways(text: str | None) -> Json | None:
    if text is None:
        return None
    paragraphs = [
        {
            "type": "paragraph",
            "attrs": {"textAlign": "left", "indent": 0},
            "content": [{"type": "text", "text": line}],
        }
        for line in text.splitlines()
    ]
    return {"takeawaysText": text, "takeawaysRaw": {"type": "doc", "content": paragraphs}}


def transcripts(values: Iterable[Utterance]) -> list[Json]:
    return [
        {
            "participantId": value.participant_id,
            "sourceTimestamp": iso(value.at),
            "sourceLanguage": value.language,
            "content": [{"text": value.text, "language": value.language}],
        }
        for value in values
    ]


def slots(values: Iterable[tuple[datetime, datetime]]) -> list[Json]:
    return [{"startAt": iso(start), "endAt": iso(end)} for start, end in values]
