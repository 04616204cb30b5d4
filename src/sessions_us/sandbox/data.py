"""What the sandbox holds, as JSON objects by resource: read and removed beside the API; `loading` changes and adds."""

from __future__ import annotations

from . import serializer
from .records import SessionRecord
from .serializer import Json
from .state import State, newest

# What others refer to comes first.
RESOURCES = ("rooms", "booking_pages", "sessions", "bookings", "events", "webhooks")


def rows_of(state: State) -> dict[str, list[Json]]:
    """All objects of each resource, newest first, as the API sends them and with what belongs to them alone."""
    return {
        "rooms": [serializer.room(state, each) for each in newest(state.rooms.values())],
        "booking_pages": [
            {
                **serializer.booking_page(page),
                "collaborators": [serializer.collaborator(each) for each in newest(page.collaborators.values())],
            }
            for page in newest(state.booking_pages.values())
        ],
        "sessions": [session_row(state, each) for each in newest(state.sessions.values())],
        "bookings": [serializer.booking(state, each) for each in newest(state.bookings.values())],
        "events": [serializer.event(state, each) for each in newest(state.events.values())],
        "webhooks": [serializer.webhook(each) for each in newest(state.webhooks.values())],
    }


def session_row(state: State, session: SessionRecord) -> Json:
    """A session with its participants, transcripts and takeaways."""
    return {
        **serializer.session(state, session),
        "transcripts": serializer.transcripts(session.transcripts),
        "takeaways": serializer.takeaways(session),
    }


def remove(state: State, resource: str, id: str) -> None:
    """Remove an object as its DELETE does. A booking or an event goes with its session, and the session with it.

    Raises:
        KeyError: there is no such object.
        ValueError: there is no such resource.
    """
    match resource:
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
