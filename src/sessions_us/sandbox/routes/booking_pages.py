"""Booking pages, their free slots and their bookings.

Known: the plural path, bare arrays, 20 a page, a page's list holding only bookings that have not started. Assumed: the fields
of a request, that `name` is required, that PUT changes what it names, that a cancelled booking leaves the page's list, that
the pages of colleagues can be read, and that only the owner may change one.
"""

from __future__ import annotations

from datetime import timedelta

from .. import serializer, slots
from ..call import RoutedRequest, Routes
from ..life import phase
from ..records import BookingPageRecord
from ..shelf import newest
from ..state import find

_LONGEST = timedelta(days=92)


def _page(call: RoutedRequest) -> BookingPageRecord:
    return find(call.state.booking_pages, call.id, "Booking page")


def own_page(call: RoutedRequest) -> BookingPageRecord:
    """The page, if it is the user's own."""
    page = _page(call)
    call.require_own(page.owner.id == call.user.id)
    return page


def list_(call: RoutedRequest) -> object:
    return call.page(call.state.booking_pages.own(call.user.id), call.state.answers.booking_page)


def create(call: RoutedRequest) -> object:
    state, body = call.state, call.body()
    name, slug = body.text("name", required=True), body.slug()
    duration, zone = body.whole("duration", least=5, most=24 * 60), body.zone()
    description = body.text("description", nullable=True)
    body.check()
    page = state.add_booking_page(
        name,
        state.unique_slug(slug, name, state.slugs(state.booking_pages.values())),
        owner=call.user,
        duration=duration or 30,
        time_zone=zone or "UTC",
        description=description,
    )
    page.extra = body.unknown("booking_pages")
    return state.answers.booking_page(page)


def get(call: RoutedRequest) -> object:
    return call.state.answers.booking_page(_page(call))


def update(call: RoutedRequest) -> object:
    state, body, page = call.state, call.body(), own_page(call)
    name, slug = body.text("name"), body.slug()
    duration, zone = body.whole("duration", least=5, most=24 * 60), body.zone()
    description = body.text("description", nullable=True)
    body.check()
    if slug is not None:
        page.slug = state.unique_slug(slug, page.name, state.slugs(state.booking_pages.values(), but=page))
    page.name = name or page.name
    page.duration = duration or page.duration
    page.time_zone = zone or page.time_zone
    if "description" in body:
        page.description = description
    page.extra |= body.unknown("booking_pages")
    page.updated_at = state.now()
    return state.answers.booking_page(page)


def delete(call: RoutedRequest) -> object:
    """What was booked on the page stays booked."""
    del call.state.booking_pages[own_page(call).id]
    return None


def compute_slots(call: RoutedRequest) -> object:
    body, page = call.body(), _page(call)
    start = body.moment("start", required=True, day=timedelta())
    end = body.moment("end", required=True, day=timedelta(days=1))
    body.zone()
    if not timedelta() <= end - start <= _LONGEST:
        body.wrong(f"end must be after start, by {_LONGEST.days} days at most")
    body.check()
    booked = [each for each in call.state.bookings.values() if each.page_id == page.id]
    return serializer.slots(slots.free(page, booked, start, end, call.state.now()))


def list_bookings(call: RoutedRequest) -> object:
    state, page = call.state, _page(call)
    upcoming = [
        each
        for each in newest(each for each in state.bookings.values() if each.page_id == page.id)
        if each.cancelled_at is None and phase(state.sessions[each.session_id]) == "planned"
    ]
    return call.page(upcoming, state.answers.booking)


ROUTES: Routes = {
    ("GET", "/api/booking-pages"): list_,
    ("POST", "/api/booking-pages"): create,
    ("GET", "/api/booking-pages/{id}"): get,
    ("PUT", "/api/booking-pages/{id}"): update,
    ("DELETE", "/api/booking-pages/{id}"): delete,
    ("POST", "/api/booking-pages/{id}/slots"): compute_slots,
    ("GET", "/api/booking-pages/{id}/bookings"): list_bookings,
}
