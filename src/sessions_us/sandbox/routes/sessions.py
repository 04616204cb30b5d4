"""Sessions, with what is left of them: takeaways and transcripts.

Known: the fields of a request, of which `name` and `startAt` are required here; `sessionLink` in the answer; bare arrays.
Assumed: newest first; that PUT changes what it names, and that a new `startAt` alone moves `plannedEnd` along; null for
takeaways that do not exist; that deleting a session deletes the booking or the event around it; that the sessions of colleagues
can be read, and changed by their owner alone.
"""

from __future__ import annotations

from datetime import datetime

from .. import serializer
from ..body import Body
from ..call import RoutedRequest, Routes
from ..records import SessionRecord
from ..state import find


def _session(call: RoutedRequest) -> SessionRecord:
    return find(call.state.sessions, call.id, "Session")


def _own_session(call: RoutedRequest) -> SessionRecord:
    session = _session(call)
    booking = call.state.bookings.get(session.booking_id or "")
    call.require_own(call.user.id in (session.owner_id, booking.booker_id if booking else None))
    return session


def schedule(
    body: Body, starts: datetime | None = None, ends: datetime | None = None
) -> tuple[datetime | None, datetime | None]:
    """`startAt` and `plannedEnd`, where `starts` and `ends` hold so far; wrong if the end is before the start.

    A new start alone moves the end along: an end that is not shown can't be asked for.
    """
    start_at = body.moment("startAt", required=starts is None) or starts
    end = body.moment("plannedEnd")
    if end is None and ends is not None and starts is not None and start_at is not None:
        end = body.moved("plannedEnd", ends, start_at - starts)
    if start_at is not None and end is not None and end < start_at:
        body.wrong("plannedEnd must not be before startAt")
    return start_at, end


def list_(call: RoutedRequest) -> object:
    return call.page(call.state.sessions.own(call.user.id), call.state.answers.session)


def create(call: RoutedRequest) -> object:
    state, body = call.state, call.body()
    name, description = body.text("name", required=True), body.text("description", nullable=True)
    start_at, planned_end = schedule(body)
    zone = body.zone()
    body.check()
    session = state.add_session(
        name,
        owner=call.user,
        description=description or "",
        start_at=start_at,
        planned_end=planned_end,
        time_zone=zone or "UTC",
        extra=body.unknown("sessions"),
    )
    state.announce(session, "CREATED")
    return state.answers.session(session)


def get(call: RoutedRequest) -> object:
    return call.state.answers.session(_session(call))


def update(call: RoutedRequest) -> object:
    state, body, session = call.state, call.body(), _own_session(call)
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
    session.extra |= body.unknown("sessions")
    state.plan(session)
    state.announce(session, "UPDATED")
    return state.answers.session(session)


def delete(call: RoutedRequest) -> object:
    call.state.remove_session(_own_session(call))
    return None


def takeaways(call: RoutedRequest) -> object:
    return serializer.takeaways(_session(call).takeaways)


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
