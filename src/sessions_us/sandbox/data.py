"""Read and remove the sandbox's data without the API. `loading` adds and changes."""

from __future__ import annotations

from . import serializer
from .records import SessionRecord
from .serializer import Json
from .state import State, newest

# A resource comes after those that its rows refer to.
RESOURCES = ("rooms", "booking_pages", "sessions", "bookings", "events", "webhooks")


def rows_of(state: State) -> dict[str, list[Json]]:
    """Return all objects by resource, newest first, as the API sends them, each with its dependent objects."""
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
    """Return a session with its participants, transcripts and takeaways."""
    return {
        **serializer.session(state, session),
        "transcripts": serializer.transcripts(session.transcripts),
        "takeaways": serializer.takeaways(session),
    }


def remove(state: State, resource: str, id: str) -> None:
    """Remove an object. A session is removed with its booking or event, and these with their session.

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
