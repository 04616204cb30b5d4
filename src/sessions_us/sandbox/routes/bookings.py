"""Bookings, by the user and by guests: the same bookings, so a guest may change what a user sees.

Known: the bare POST on a booking's path cancels it, there is no GET for one booking, and a user can't book on their own page.
Assumed: all fields; 403 for one's own page; 409 for a taken slot and for a booking that is cancelled already; that a cancelled
booking keeps its session and stays in the user's list, while a deleted one takes its session along; that a booking is the
host's and, if a user booked, that user's own.
"""

from __future__ import annotations

from ..call import RoutedRequest, Routes
from ..records import BookingRecord
from ..refusals import Refusal
from ..state import find
from .collaborators import named


def list_(call: RoutedRequest) -> object:
    return call.page(call.state.bookings.own(call.user.id), call.state.answers.booking)


def create(call: RoutedRequest) -> object:
    return _create(call, as_guest=False)


def create_as_guest(call: RoutedRequest) -> object:
    return _create(call, as_guest=True)


def _create(call: RoutedRequest, *, as_guest: bool) -> object:
    state, body = call.state, call.body()
    page_id, start_at = body.text("bookingPageId", required=True), body.moment("startAt", required=True)
    name = body.text("participantName", required=as_guest)
    email = body.email("participantEmail", required=as_guest)
    guests, zone = body.mixed("guests"), body.zone()
    body.check()
    page = find(state.booking_pages, page_id, "Booking page")
    booker = call.user
    if page.owner.id == booker.id and not as_guest:
        raise Refusal(403, "You cannot book on your own booking page")
    booking = state.add_booking(
        page,
        start_at,
        name or f"{booker.first_name} {booker.last_name}",
        email or booker.email,
        guests=guests,
        time_zone=zone,
        booker=None if as_guest else booker,
        extra=body.unknown("bookings"),
    )
    state.announce(state.sessions[booking.session_id], "CREATED")
    return state.answers.booking(booking)


def _changeable(call: RoutedRequest, *, as_guest: bool) -> BookingRecord:
    """The booking. Guests are known by nothing but its id."""
    booking = find(call.state.bookings, call.id, "Booking")
    session = call.state.sessions[booking.session_id]
    call.require_own(as_guest or call.user.id in (session.owner_id, booking.booker_id))
    return booking


def _standing(call: RoutedRequest, *, as_guest: bool = False) -> BookingRecord:
    booking = _changeable(call, as_guest=as_guest)
    if booking.cancelled_at is not None:
        raise Refusal(409, "The booking is cancelled")
    return booking


def update(call: RoutedRequest) -> object:
    return _update(call, as_guest=False)


def update_as_guest(call: RoutedRequest) -> object:
    return _update(call, as_guest=True)


def _update(call: RoutedRequest, *, as_guest: bool) -> object:
    state, body, booking = call.state, call.body(), _standing(call, as_guest=as_guest)
    start_at, zone = body.moment("startAt"), body.zone()
    name, email = body.text("participantName"), body.email("participantEmail")
    guests = body.mixed("guests")
    body.check()
    session, page = state.sessions[booking.session_id], state.booking_pages.get(booking.page_id)
    if start_at is not None:
        length = booking.end_at - booking.start_at
        booking.end_at = state.require_free(page, start_at, booking) if page else start_at + length
        booking.start_at = start_at
        session.start_at, session.planned_end = booking.start_at, booking.end_at
        state.plan(session)
    if zone is not None:
        booking.time_zone = session.time_zone = zone
    # The guest who booked, if that was a guest and is still a participant; a user's name belongs to their account.
    known = [
        each.person for each in session.participants if each.is_guest and each.person.email == booking.participant_email
    ]
    for person in known:
        person.first_name = name or person.first_name
        person.email = email or person.email
    booking.participant_name = name or booking.participant_name
    booking.participant_email = email or booking.participant_email
    if "guests" in body:
        booking.guests = state.guests(guests)
        state.invite_guests(session, booking)
    booking.extra |= body.unknown("bookings")
    state.announce(session, "UPDATED")
    return state.answers.booking(booking)


def cancel(call: RoutedRequest) -> object:
    return _cancel(call, as_guest=False)


def cancel_as_guest(call: RoutedRequest) -> object:
    return _cancel(call, as_guest=True)


def _cancel(call: RoutedRequest, *, as_guest: bool) -> object:
    call.body()
    booking = _standing(call, as_guest=as_guest)
    booking.cancelled_at = call.state.now()
    return call.state.answers.booking(booking)


def delete(call: RoutedRequest) -> object:
    booking = _changeable(call, as_guest=False)
    call.state.remove_session(call.state.sessions[booking.session_id])
    return None


def change_collaborator(call: RoutedRequest) -> object:
    state, body, booking = call.state, call.body(), _standing(call)
    page = find(state.booking_pages, booking.page_id, "Booking page")
    chosen = named(page, body)
    booking.collaborator_id = chosen.id
    session = state.sessions[booking.session_id]
    host = next((each for each in session.participants if each.is_owner), None)
    if host is not None and chosen.user is not None:
        host.person = chosen.user
        session.owner_id = chosen.user.id
        state.sessions.changed()
        state.bookings.changed()
    state.announce(session, "UPDATED")
    return state.answers.booking(booking)


ROUTES: Routes = {
    ("GET", "/api/bookings"): list_,
    ("POST", "/api/bookings"): create,
    ("PUT", "/api/bookings/{id}"): update,
    ("POST", "/api/bookings/{id}"): cancel,
    ("DELETE", "/api/bookings/{id}"): delete,
    ("POST", "/api/bookings/{id}/collaborator"): change_collaborator,
    ("POST", "/api/guests/bookings"): create_as_guest,
    ("PUT", "/api/guests/bookings/{id}"): update_as_guest,
    ("POST", "/api/guests/bookings/{id}"): cancel_as_guest,
}
