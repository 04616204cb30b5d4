"""Events; each wraps one session and is reached by its own id or by that session's.

Known: the fields of a request, the short slug sent and the namespaced one returned, that publishing takes no body. Assumed:
that publishing twice does no more than once, that toggling flips, that one may register to a draft, and 409 for a slug in use
and for registering twice with one address.
"""

from __future__ import annotations

from .. import serializer
from ..call import RoutedRequest, Routes
from ..records import EventRecord
from ..refusals import not_found
from ..state import newest
from .sessions import schedule


def _event(call: RoutedRequest) -> EventRecord:
    session = call.state.sessions.get(call.id)
    found = call.state.events.get(session.event_id or "" if session else call.id)
    if found is None:
        raise not_found("Event")
    return found


def list_(call: RoutedRequest) -> object:
    return call.page([serializer.event(call.state, each) for each in newest(call.state.events.values())])


def create(call: RoutedRequest) -> object:
    state, body = call.state, call.body()
    name, slug, description = body.text("name", required=True), body.slug(), body.text("description", nullable=True)
    start_at, planned_end = schedule(body)
    zone = body.zone()
    body.check()
    event = state.add_event(
        name,
        state.unique_slug(slug, name, state.slugs(state.events.values())),
        description=description,
        start_at=start_at,
        planned_end=planned_end,
        time_zone=zone or "UTC",
    )
    state.announce(state.sessions[event.session_id], "CREATED")
    return serializer.event(state, event)


def publish(call: RoutedRequest) -> object:
    call.body()
    event = _event(call)
    call.state.publish(event)
    return serializer.event(call.state, event)


def toggle_public(call: RoutedRequest) -> object:
    call.body()
    event = _event(call)
    event.public = not event.public
    call.state.announce(call.state.sessions[event.session_id], "UPDATED")
    return serializer.event(call.state, event)


def clone(call: RoutedRequest) -> object:
    """A private draft with the same times and nobody registered."""
    state, body, event = call.state, call.body(), _event(call)
    name, slug = body.text("name"), body.slug()
    body.check()
    original = state.sessions[event.session_id]
    copy = state.add_event(
        name or original.name,
        state.unique_slug(slug, name or original.name, state.slugs(state.events.values())),
        description=original.description,
        start_at=original.start_at,
        planned_end=original.planned_end,
        time_zone=original.time_zone,
    )
    state.announce(state.sessions[copy.session_id], "CREATED")
    return serializer.event(state, copy)


def register(call: RoutedRequest) -> object:
    """The user of the key."""
    state, body, event = call.state, call.body(), _event(call)
    form = body.objects("form")
    body.check()
    user = state.user
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
