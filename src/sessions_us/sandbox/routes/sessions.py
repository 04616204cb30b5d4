"""Sessions, with what is left of them: takeaways and transcripts.

Known: the fields of a request, of which `name` and `startAt` are required here; `sessionLink` in the answer; bare arrays.
Assumed: newest first; that PUT changes what it names; null for takeaways that do not exist; that deleting a session deletes the
booking or the event around it.
"""

from __future__ import annotations

from datetime import datetime

from .. import serializer
from ..body import Body
from ..call import RoutedRequest, Routes
from ..records import SessionRecord
from ..state import find, newest


def _session(call: RoutedRequest) -> SessionRecord:
    return find(call.state.sessions, call.id, "Session")


def schedule(
    body: Body, starts: datetime | None = None, ends: datetime | None = None
) -> tuple[datetime | None, datetime | None]:
    """`startAt` and `plannedEnd`, where `starts` and `ends` hold so far; wrong if the end is not after the start."""
    start_at = body.moment("startAt", required=starts is None) or starts
    planned_end = body.moment("plannedEnd")
    end = planned_end or ends
    if start_at is not None and end is not None and end <= start_at:
        body.wrong("plannedEnd must be after startAt")
    return start_at, end


def list_(call: RoutedRequest) -> object:
    return call.page([serializer.session(call.state, each) for each in newest(call.state.sessions.values())])


def create(call: RoutedRequest) -> object:
    state, body = call.state, call.body()
    name, description = body.text("name", required=True), body.text("description", nullable=True)
    start_at, planned_end = schedule(body)
    zone = body.zone()
    body.check()
    session = state.add_session(
        name, description=description or "", start_at=start_at, planned_end=planned_end, time_zone=zone or "UTC"
    )
    state.announce(session, "CREATED")
    return serializer.session(state, session)


def get(call: RoutedRequest) -> object:
    return serializer.session(call.state, _session(call))


def update(call: RoutedRequest) -> object:
    state, body, session = call.state, call.body(), _session(call)
    name, description = body.text("name"), body.text("description", nullable=True)
    # A quick session was never planned, so nothing asks for its start.
    start_at, planned_end = schedule(body, session.start_at or session.created_at, session.planned_end)
    zone = body.zone()
    body.check()
    session.name = name or session.name
    if "description" in body:
        session.description = description
    if "startAt" in body:
        session.start_at = start_at
    session.planned_end, session.time_zone = planned_end, zone or session.time_zone
    booking = state.bookings.get(session.booking_id or "")
    if booking is not None and "startAt" in body and start_at is not None:
        booking.start_at, booking.end_at = start_at, planned_end or start_at + (booking.end_at - booking.start_at)
    state.announce(session, "UPDATED")
    return serializer.session(state, session)


def delete(call: RoutedRequest) -> object:
    call.state.remove_session(_session(call))
    return None


def takeaways(call: RoutedRequest) -> object:
    return serializer.takeaways(_session(call))


def transcripts(call: RoutedRequest) -> object:
    return serializer.transcripts(_session(call).transcripts)


ROUTES: Routes = {
    ("GET", "/api/sessions"): list_,
    ("POST", "/api/sessions"): create,
    ("GET", "/api/sessions/{id}"): get,
    ("PUT", "/api/sessions/{id}"): update,
    ("DELETE", "/api/sessions/{id}"): delete,
    ("GET", "/api/sessions/{id}/takeaways"): takeaways,
    ("GET", "/api/sessions/{id}/transcripts"): transcripts,
}
