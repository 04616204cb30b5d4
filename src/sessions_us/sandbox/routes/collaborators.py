"""Collaborators of a booking page.

Known: four operations on one path without an id of the collaborator, so its identity travels in the body (or, for DELETE, in
the query). Assumed: that it is `collaboratorId`, `userId` or `email`.
"""

from __future__ import annotations

from ..body import Body
from ..call import RoutedRequest, Routes
from ..records import BookingPageRecord, CollaboratorRecord
from ..refusals import Refusal, not_found
from ..shelf import newest
from ..state import find
from .booking_pages import own_page


def named(page: BookingPageRecord, body: Body) -> CollaboratorRecord:
    """The collaborator that a body names by one of its identities."""
    own_id, user_id, email = body.text("collaboratorId"), body.text("userId"), body.text("email")
    if not (own_id or user_id or email):
        body.wrong("one of collaboratorId, userId and email is required")
    body.check()
    for each in page.collaborators.values():
        user = each.user.id if each.user else None
        if (own_id and each.id == own_id) or (user_id and user == user_id) or (email and each.email == email):
            return each
    raise not_found("Collaborator")


def _page(call: RoutedRequest) -> BookingPageRecord:
    return find(call.state.booking_pages, call.id, "Booking page")


def list_(call: RoutedRequest) -> object:
    return call.page(newest(_page(call).collaborators.values()), call.state.answers.collaborator)


def create(call: RoutedRequest) -> object:
    state, body, page = call.state, call.body(), own_page(call)
    user_id, email = body.text("userId"), body.email("email")
    role, priority = body.text("role"), body.whole("priority", least=0, most=1000)
    if not (user_id or email):
        body.wrong("one of userId and email is required")
    body.check()
    user = state.teammate(user_id, email)
    if user is None and email is None:
        raise not_found("User")
    address = user.email if user else email
    if any(each.email == address for each in page.collaborators.values()):
        raise Refusal(409, "Already a collaborator of this booking page")
    extra = body.unknown("collaborators")
    added = CollaboratorRecord(state.new_id(), address, state.now(), user, role, priority, extra)
    page.collaborators[added.id] = added
    return state.answers.collaborator(added)


def update(call: RoutedRequest) -> object:
    body, page = call.body(), own_page(call)
    role, priority = body.text("role"), body.whole("priority", least=0, most=1000)
    changed = named(page, body)
    changed.role = role or changed.role
    changed.priority = changed.priority if priority is None else priority
    changed.extra |= body.unknown("collaborators")
    return call.state.answers.collaborator(changed)


def delete(call: RoutedRequest) -> object:
    page = own_page(call)
    del page.collaborators[named(page, call.body_or_query()).id]
    return None


ROUTES: Routes = {
    ("GET", "/api/booking-pages/{id}/collaborators"): list_,
    ("POST", "/api/booking-pages/{id}/collaborators"): create,
    ("PUT", "/api/booking-pages/{id}/collaborators"): update,
    ("DELETE", "/api/booking-pages/{id}/collaborators"): delete,
}
