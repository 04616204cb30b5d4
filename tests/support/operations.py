"""Each of the 47 operations as a caller writes it, with what must arrive at the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from sessions_us import GuestClient, UserClient

START = datetime(2030, 5, 6, 12, 0, tzinfo=timezone(timedelta(hours=3)))
END = START + timedelta(hours=1)
START_WIRE, END_WIRE = "2030-05-06T09:00:00.000Z", "2030-05-06T10:00:00.000Z"
ZONE = "Europe/Bucharest"
PLAN = {"name": "Kick-off", "startAt": START_WIRE, "plannedEnd": END_WIRE, "timeZone": ZONE}


@dataclass(frozen=True)
class World:
    """Ids of things that are there, and on which each operation can succeed."""

    page: str
    team_page: str
    collaborator: str
    booking: str
    guest_booking: str
    room: str
    session: str
    participant: str
    event: str
    webhook: str


@dataclass(frozen=True)
class Case:
    """One call of one operation.

    Attributes:
        operation: its operationId.
        call: makes the call.
        method, path: what must arrive; `{page}` and the like stand for an id of the world.
        body: the JSON body that must arrive, None for no body at all.
    """

    operation: str
    call: Callable[[Any, World], Awaitable[object]]
    method: str
    path: str
    body: Any = None

    @property
    def role(self) -> str:
        return "guest" if "guest" in self.operation else "user"


def user(operation: str, call: Callable[[UserClient, World], Awaitable[object]], route: str, body: Any = None) -> Case:
    method, path = route.split()
    return Case(operation, call, method, path, body)


def guest(
    operation: str, call: Callable[[GuestClient, World], Awaitable[object]], route: str, body: Any = None
) -> Case:
    method, path = route.split()
    return Case(operation, call, method, path, body)


def ids(body: Any, world: World) -> Any:
    """A body with the ids of the world filled in."""
    if isinstance(body, dict):
        return {name: ids(value, world) for name, value in body.items()}
    if isinstance(body, list):
        return [ids(value, world) for value in body]
    return getattr(world, body[1:-1]) if isinstance(body, str) and body.startswith("{") else body


CASES = [
    user("list_booking_pages", lambda c, w: c.booking_pages.list().collect(1), "GET /api/booking-pages"),
    user(
        "create_booking_page",
        lambda c, w: c.booking_pages.create(name="Page", duration=30, time_zone=ZONE),
        "POST /api/booking-pages",
        {"name": "Page", "duration": 30, "timeZone": ZONE},
    ),
    user("get_booking_page", lambda c, w: c.booking_pages.get(w.page), "GET /api/booking-pages/{page}"),
    user(
        "update_booking_page",
        lambda c, w: c.booking_pages.update(w.page, name="New", extra={"colour": None}),
        "PUT /api/booking-pages/{page}",
        {"name": "New", "colour": None},
    ),
    user("delete_booking_page", lambda c, w: c.booking_pages.delete(w.page), "DELETE /api/booking-pages/{page}"),
    user(
        "list_booking_page_slots",
        lambda c, w: c.booking_pages.slots(w.page, start=START, end=END),
        "POST /api/booking-pages/{page}/slots",
        {"start": START_WIRE, "end": END_WIRE},
    ),
    user(
        "list_booking_page_bookings",
        lambda c, w: c.booking_pages.bookings(w.page).collect(1),
        "GET /api/booking-pages/{page}/bookings",
    ),
    user(
        "list_booking_page_collaborators",
        lambda c, w: c.booking_pages.collaborators.list(w.page).collect(1),
        "GET /api/booking-pages/{page}/collaborators",
    ),
    user(
        "create_booking_page_collaborator",
        lambda c, w: c.booking_pages.collaborators.create(w.page, email="grace@example.com"),
        "POST /api/booking-pages/{page}/collaborators",
        {"email": "grace@example.com"},
    ),
    user(
        "update_booking_page_collaborator",
        lambda c, w: c.booking_pages.collaborators.update(w.page, collaborator_id=w.collaborator, priority=2),
        "PUT /api/booking-pages/{page}/collaborators",
        {"collaboratorId": "{collaborator}", "priority": 2},
    ),
    user(
        "delete_booking_page_collaborator",
        lambda c, w: c.booking_pages.collaborators.delete(w.page, collaborator_id=w.collaborator),
        "DELETE /api/booking-pages/{page}/collaborators",
        {"collaboratorId": "{collaborator}"},
    ),
    user("list_bookings", lambda c, w: c.bookings.list().collect(1), "GET /api/bookings"),
    user(
        "create_booking",
        lambda c, w: c.bookings.create(
            booking_page_id=w.team_page, start_at=START, participant_name="Ada", participant_email="ada@example.com"
        ),
        "POST /api/bookings",
        {
            "bookingPageId": "{team_page}",
            "startAt": START_WIRE,
            "participantName": "Ada",
            "participantEmail": "ada@example.com",
        },
    ),
    user(
        "update_booking",
        lambda c, w: c.bookings.update(w.booking, participant_name="Ada L"),
        "PUT /api/bookings/{booking}",
        {"participantName": "Ada L"},
    ),
    user("cancel_booking", lambda c, w: c.bookings.cancel(w.booking), "POST /api/bookings/{booking}"),
    user("delete_booking", lambda c, w: c.bookings.delete(w.booking), "DELETE /api/bookings/{booking}"),
    user(
        "change_booking_collaborator",
        lambda c, w: c.bookings.change_collaborator(w.booking, collaborator_id=w.collaborator),
        "POST /api/bookings/{booking}/collaborator",
        {"collaboratorId": "{collaborator}"},
    ),
    guest(
        "create_guest_booking",
        lambda c, w: c.bookings.create(
            booking_page_id=w.page,
            start_at=START,
            participant_name="Ada",
            participant_email="ada@example.com",
            guests=["bob@example.com"],
            time_zone=ZONE,
        ),
        "POST /api/guests/bookings",
        {
            "bookingPageId": "{page}",
            "startAt": START_WIRE,
            "participantName": "Ada",
            "participantEmail": "ada@example.com",
            "guests": ["bob@example.com"],
            "timeZone": ZONE,
        },
    ),
    guest(
        "update_guest_booking",
        lambda c, w: c.bookings.update(w.guest_booking, participant_name="Ada L"),
        "PUT /api/guests/bookings/{guest_booking}",
        {"participantName": "Ada L"},
    ),
    guest(
        "cancel_guest_booking",
        lambda c, w: c.bookings.cancel(w.guest_booking),
        "POST /api/guests/bookings/{guest_booking}",
    ),
    guest(
        "register_guest_to_event",
        lambda c, w: c.events.register(
            w.event, email="ada@example.com", first_name="Ada", form=[{"question": "Name", "answer": "Ada"}]
        ),
        "POST /api/guests/events/{event}/register",
        {"email": "ada@example.com", "firstName": "Ada", "form": [{"question": "Name", "answer": "Ada"}]},
    ),
    user("list_rooms", lambda c, w: c.rooms.list().collect(1), "GET /api/rooms"),
    user("create_room", lambda c, w: c.rooms.create(name="Room"), "POST /api/rooms", {"name": "Room"}),
    user("get_room", lambda c, w: c.rooms.get(w.room), "GET /api/rooms/{room}"),
    user(
        "update_room",
        lambda c, w: c.rooms.update(w.room, description="d"),
        "PUT /api/rooms/{room}",
        {"description": "d"},
    ),
    user("delete_room", lambda c, w: c.rooms.delete(w.room), "DELETE /api/rooms/{room}"),
    user("clone_room", lambda c, w: c.rooms.clone(w.room), "POST /api/rooms/{room}/clone"),
    user(
        "share_room",
        lambda c, w: c.rooms.share(w.room, emails=["bob@example.com"]),
        "POST /api/rooms/{room}/share",
        {"emails": ["bob@example.com"]},
    ),
    user("list_sessions", lambda c, w: c.sessions.list().collect(1), "GET /api/sessions"),
    user(
        "create_session",
        lambda c, w: c.sessions.create(name="Kick-off", start_at=START, planned_end=END, time_zone=ZONE),
        "POST /api/sessions",
        PLAN,
    ),
    user("get_session", lambda c, w: c.sessions.get(w.session), "GET /api/sessions/{session}"),
    user(
        "update_session",
        lambda c, w: c.sessions.update(w.session, start_at=START, planned_end=END),
        "PUT /api/sessions/{session}",
        {"startAt": START_WIRE, "plannedEnd": END_WIRE},
    ),
    user("delete_session", lambda c, w: c.sessions.delete(w.session), "DELETE /api/sessions/{session}"),
    user(
        "list_session_participants",
        lambda c, w: c.sessions.participants.list(w.session),
        "GET /api/sessions/{session}/participants",
    ),
    user(
        "add_session_participants",
        lambda c, w: c.sessions.participants.add(w.session, emails=["eve@example.com"]),
        "POST /api/sessions/{session}/participants",
        {"emails": ["eve@example.com"]},
    ),
    user(
        "update_session_participants",
        lambda c, w: c.sessions.participants.update(w.session, participants=[{"id": w.participant}]),
        "PUT /api/sessions/{session}/participants",
        {"participants": [{"id": "{participant}"}]},
    ),
    user(
        "delete_session_participants",
        lambda c, w: c.sessions.participants.delete(w.session, participant_ids=[w.participant]),
        "DELETE /api/sessions/{session}/participants",
        {"participantIds": ["{participant}"]},
    ),
    user(
        "get_session_takeaways",
        lambda c, w: c.sessions.takeaways(w.session),
        "GET /api/sessions/{session}/takeaways",
    ),
    user(
        "get_session_transcripts",
        lambda c, w: c.sessions.transcripts(w.session),
        "GET /api/sessions/{session}/transcripts",
    ),
    user("list_events", lambda c, w: c.events.list().collect(1), "GET /api/events"),
    user(
        "create_event",
        lambda c, w: c.events.create(name="Kick-off", start_at=START, planned_end=END, time_zone=ZONE),
        "POST /api/events",
        {**PLAN, "slug": "kick-off"},
    ),
    user("publish_event", lambda c, w: c.events.publish(w.event), "POST /api/events/{event}/publish"),
    user("toggle_event_public", lambda c, w: c.events.toggle_public(w.event), "POST /api/events/{event}/toggle-public"),
    user("clone_event", lambda c, w: c.events.clone(w.event), "POST /api/events/{event}/clone"),
    user("register_to_event", lambda c, w: c.events.register(w.event), "POST /api/events/{event}/register"),
    user(
        "create_webhook",
        lambda c, w: c.webhooks.create(url="https://example.com/hook", trigger="SESSION_CREATED"),
        "POST /api/webhooks",
        {"url": "https://example.com/hook", "trigger": "SESSION_CREATED", "permission": "personal"},
    ),
    user("delete_webhook", lambda c, w: c.webhooks.delete(w.webhook), "DELETE /api/webhooks/{webhook}"),
]
