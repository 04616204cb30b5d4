"""Records as they go over the wire: bare objects in camelCase, times in UTC with milliseconds and `Z`.

Only fields that the document knows are sent, unless the sandbox was asked for `extras`: then also plausible ones that no
source names (a booking's `cancelledAt`, an event's `isPublished` and `isPublic`, a room's `sharedWith`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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

PAGE_SIZE = 20


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def page_of(rows: Sequence[Json], query: Mapping[str, str], base: int) -> list[Json]:
    """The rows of one page of 20. No `page` is the first page, 0 too where pages count from 1; past the end is empty."""
    asked = query.get("page", "")
    if not asked:
        number = base
    elif asked.isascii() and asked.isdecimal() and len(asked) < 10:
        number = max(int(asked), base)
    else:
        raise Refusal(400, ["page must be an integer number", "page must not be less than 0"])
    first = (number - base) * PAGE_SIZE
    return list(rows[first : first + PAGE_SIZE])


def person(value: Person | None) -> Json | None:
    if value is None:
        return None
    return {"id": value.id, "email": value.email, "firstName": value.first_name, "lastName": value.last_name}


def participant(value: ParticipantRecord) -> Json:
    return {
        "id": value.id,
        "isOwner": value.is_owner,
        "guest": person(value.person) if value.is_guest else None,
        "user": None if value.is_guest else person(value.person),
    }


def participants(session: SessionRecord) -> list[Json]:
    return [participant(value) for value in session.participants]


def session(state: State, value: SessionRecord) -> Json:
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
        "startAt": _iso(value.start_at),
        "actualStart": _iso(value.actual_start),
        "endedAt": _iso(value.ended_at),
        "plannedEnd": _iso(value.planned_end),
        "timeZone": value.time_zone,
        "sessionLink": f"https://app.sessions.us/session/{value.id}",
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


def booking(state: State, value: BookingRecord) -> Json:
    fields = {
        **_booked(value),
        "startAt": iso(value.start_at),
        "sessionId": value.session_id,
        "bookingPageId": value.page_id,
        "timeZone": value.time_zone,
    }
    if state.extras:
        fields["cancelledAt"] = _iso(value.cancelled_at)
    return fields


def booking_page(value: BookingPageRecord) -> Json:
    return {
        "id": value.id,
        "name": value.name,
        "slug": value.slug,
        "description": value.description,
        "duration": value.duration,
        "timeZone": value.time_zone,
        "createdAt": iso(value.created_at),
        "updatedAt": iso(value.updated_at),
    }


def collaborator(value: CollaboratorRecord) -> Json:
    return {
        "id": value.id,
        "userId": None if value.user is None else value.user.id,
        "email": value.email,
        "role": value.role,
        "priority": value.priority,
        "user": person(value.user),
    }


def slots(values: Iterable[tuple[datetime, datetime]]) -> list[Json]:
    return [{"startAt": iso(start), "endAt": iso(end)} for start, end in values]


def room(state: State, value: RoomRecord) -> Json:
    fields: Json = {
        "id": value.id,
        "name": value.name,
        "slug": state.namespaced(value.slug),
        "description": value.description,
    }
    if state.extras:
        fields["sharedWith"] = list(value.shared_with)
    return fields


def event(state: State, value: EventRecord) -> Json:
    wrapped = state.sessions[value.session_id]
    fields: Json = {
        "id": value.id,
        "slug": state.namespaced(value.slug),
        "session": {
            "id": wrapped.id,
            "name": wrapped.name,
            "startAt": _iso(wrapped.start_at),
            "plannedEnd": _iso(wrapped.planned_end),
            "timeZone": wrapped.time_zone,
        },
    }
    if state.extras:
        fields |= {"isPublished": value.published, "isPublic": value.public}
    return fields


def registration(value: Registration) -> Json:
    return {"id": value.id, "email": value.email, "firstName": value.first_name, "form": value.form}


def takeaways(value: SessionRecord) -> Json | None:
    if value.takeaways is None:
        return None
    paragraphs = [
        {
            "type": "paragraph",
            "attrs": {"textAlign": "left", "indent": 0},
            "content": [{"type": "text", "text": line}],
        }
        for line in value.takeaways.splitlines()
    ]
    return {"takeawaysText": value.takeaways, "takeawaysRaw": {"type": "doc", "content": paragraphs}}


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


def webhook(value: WebhookRecord) -> Json:
    return {
        "id": value.id,
        "url": value.url,
        "trigger": value.trigger,
        "permission": value.permission,
        "linkPublicKey": value.link_public_key,
        "integration": value.integration,
    }
