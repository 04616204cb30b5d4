"""Events; each wraps one session and is reached by its own id or by that session's.

Known: the fields of a request, the short slug sent and the namespaced one returned, that publishing takes no body. Assumed:
that publishing twice does no more than once, that toggling flips, that one may register to a draft, that a slug in use gets a
number, and 409 for registering twice with one address.
"""

from __future__ import annotations

from typing import Any

from .. import serializer
from ..body import Body
from ..call import RoutedRequest, Routes
from ..fields import FIELDS
from ..records import EventRecord
from ..refusals import not_found
from .sessions import schedule


def _event(call: RoutedRequest) -> EventRecord:
    session = call.state.sessions.get(call.id)
    found = call.state.events.get(session.event_id or "" if session else call.id)
    if found is None:
        raise not_found("Event")
    return found


def _own_event(call: RoutedRequest) -> EventRecord:
    event = _event(call)
    call.require_own(call.state.sessions[event.session_id].owner_id == call.user.id)
    return event


def list_(call: RoutedRequest) -> object:
    return call.page(call.state.events.own(call.user.id), call.state.answers.event)


def create(call: RoutedRequest) -> object:
    state, body = call.state, call.body()
    name, slug, description = body.text("name", required=True), body.slug(), body.text("description", nullable=True)
    start_at, planned_end = schedule(body)
    zone = body.zone()
    body.check()
    event = state.add_event(
        name,
        state.unique_slug(slug, name, state.slugs(state.events.values())),
        owner=call.user,
        description=description,
        start_at=start_at,
        planned_end=planned_end,
        time_zone=zone or "UTC",
        extra=_unknown(body),
    )
    state.announce(state.sessions[event.session_id], "CREATED")
    return state.answers.event(event)


def _unknown(body: Body) -> dict[str, Any]:
    """The fields of neither the event nor its session."""
    return {name: value for name, value in body.unknown("events").items() if name not in FIELDS["sessions"]}


def publish(call: RoutedRequest) -> object:
    call.body()
    event = _own_event(call)
    call.state.publish(event)
    return call.state.answers.event(event)


def toggle_public(call: RoutedRequest) -> object:
    call.body()
    event = _own_event(call)
    event.public = not event.public
    call.state.announce(call.state.sessions[event.session_id], "UPDATED")
    return call.state.answers.event(event)


def clone(call: RoutedRequest) -> object:
    """A private draft with the same times and nobody registered."""
    state, body, event = call.state, call.body(), _own_event(call)
    name, slug = body.text("name"), body.slug()
    body.check()
    original = state.sessions[event.session_id]
    copy = state.add_event(
        name or original.name,
        state.unique_slug(slug, name or original.name, state.slugs(state.events.values())),
        owner=call.user,
        description=original.description,
        start_at=original.start_at,
        planned_end=original.planned_end,
        time_zone=original.time_zone,
    )
    state.announce(state.sessions[copy.session_id], "CREATED")
    return state.answers.event(copy)


def register(call: RoutedRequest) -> object:
    """The user of the key."""
    state, body, event = call.state, call.body(), _event(call)
    form = body.objects("form")
    body.check()
    user = call.user
    return serializer.registration(state.register(event, user.email or "", user.first_name or "", user.last_name, form))


def register_as_guest(call: RoutedRequest) -> object:
    state, body, event = call.state, call.body(), _event(call)
    email, first_name = body.email("email", required=True), body.text("firstName", required=True)
    last_name, form = body.text("lastName", nullable=True), body.objects("form")
    body.check()
    return serializer.registration(state.register(event, email, first_name, last_name, form))


ROUTES: Routes = {
    ("GET", "/api/events"): list_,
    ("POST", "/api/events"): create,
    ("POST", "/api/events/{id}/publish"): publish,
    ("POST", "/api/events/{id}/toggle-public"): toggle_public,
    ("POST", "/api/events/{id}/clone"): clone,
    ("POST", "/api/events/{id}/register"): register,
    ("POST", "/api/guests/events/{id}/register"): register_as_guest,
}
