"""Read and remove the sandbox's data without the API. `loading` adds and changes."""

from __future__ import annotations

from typing import Any, Protocol

from . import serializer
from .records import BookingRecord, SessionRecord
from .serializer import Json
from .shelf import newest
from .state import State


class Extended(Protocol):
    @property
    def extra(self) -> dict[str, Any]: ...


RESOURCES = ("rooms", "booking_pages", "sessions", "bookings", "events", "webhooks", "users")


def rows_of(state: State) -> dict[str, list[Json]]:
    """Return all objects by resource, newest first, with all fields, their owners and their dependent objects."""
    whole = state.complete
    return {
        "rooms": [
            {**_apart(whole.room(each), each), **_owner(state, each.owner_id)} for each in newest(state.rooms.values())
        ],
        "booking_pages": [
            {
                **_apart(whole.booking_page(page), page),
                **_owner(state, page.owner.id),
                "collaborators": [
                    _apart(whole.collaborator(each), each) for each in newest(page.collaborators.values())
                ],
            }
            for page in newest(state.booking_pages.values())
        ],
        "sessions": [session_row(state, each) for each in newest(state.sessions.values())],
        "bookings": [_booking_row(state, each) for each in newest(state.bookings.values())],
        "events": [_apart(whole.event(each), each) for each in newest(state.events.values())],
        "webhooks": [
            {**_apart(whole.webhook(each), each), **_owner(state, each.owner_id)}
            for each in newest(state.webhooks.values())
        ],
        "users": [serializer.person(each) or {} for each in state.users.values()],
    }


def session_row(state: State, session: SessionRecord) -> Json:
    """Return a session with its participants, transcripts and takeaways, and with its owner, if that is not a host."""
    hosts = [each.person.id for each in session.participants if each.is_owner]
    return {
        **_apart(state.complete.session(session), session),
        **({} if session.owner_id in hosts else {"ownerId": session.owner_id}),
        "transcripts": serializer.transcripts(session.transcripts),
        "takeaways": serializer.takeaways(session.takeaways),
    }


def _booking_row(state: State, booking: BookingRecord) -> Json:
    booker = {} if booking.booker_id is None else {"bookerId": booking.booker_id}
    return {**_apart(state.complete.booking(booking), booking), **booker}


def _owner(state: State, owner_id: str) -> Json:
    """What names no owner is of the user of the sandbox's keys."""
    return {} if owner_id == state.user.id else {"ownerId": owner_id}


def _apart(row: Json, record: Extended) -> Json:
    """Return a row with its unknown fields in one object, so that `load` can tell them from misspelt ones."""
    known = {name: value for name, value in row.items() if name not in record.extra}
    return {**known, "extra": dict(record.extra)} if record.extra else known


def remove(state: State, resource: str, id: str) -> None:
    """Remove an object. A session is removed with its booking or event, and these with their session.

    Raises:
        KeyError: there is no such object.
        ValueError: there is no such resource.
    """
    match resource:
        case "users":
            if id == state.user.id:
                raise ValueError("the user of the sandbox's keys can't be removed")
            del state.users[id]
        case "sessions":
            state.remove_session(state.sessions[id])
        case "bookings":
            state.remove_session(state.sessions[state.bookings[id].session_id])
        case "events":
            state.remove_session(state.sessions[state.events[id].session_id])
        case "rooms":
            del state.rooms[id]
        case "booking_pages":
            del state.booking_pages[id]
        case "webhooks":
            del state.webhooks[id]
        case _:
            raise ValueError(f"resource must be one of {', '.join(RESOURCES)}, not {resource!r}")
