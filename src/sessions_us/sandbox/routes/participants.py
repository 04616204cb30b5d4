"""Participants of a session.

Known: the list is a bare array, not paginated, with `guest` or `user` null. Assumed: that one adds by e-mail address, changes
by id or address, removes by ids or addresses (in the body or the query), gets the whole list back, and keeps the host.
"""

from __future__ import annotations

from typing import Any

from .. import serializer
from ..call import RoutedRequest, Routes
from ..records import ParticipantRecord, SessionRecord
from ..refusals import Refusal, not_found
from ..state import find


def _session(call: RoutedRequest) -> SessionRecord:
    return find(call.state.sessions, call.id, "Session")


def _own_session(call: RoutedRequest) -> SessionRecord:
    session = _session(call)
    call.require_own(session.owner_id == call.user.id)
    return session


def _present(session: SessionRecord, id: Any, email: Any) -> ParticipantRecord:
    for each in session.participants:
        if (id is not None and each.id == id) or (email is not None and each.person.email == email):
            return each
    raise not_found("Participant")


def list_(call: RoutedRequest) -> object:
    return serializer.participants(_session(call))


def add(call: RoutedRequest) -> object:
    state, body, session = call.state, call.body(), _own_session(call)
    emails = body.texts("emails", emails=True)
    if not emails:
        body.wrong("emails should not be empty")
    body.check()
    for email in emails:
        state.invite(session, email, email.partition("@")[0])
    state.announce(session, "UPDATED")
    return serializer.participants(session)


def update(call: RoutedRequest) -> object:
    state, body, session = call.state, call.body(), _own_session(call)
    changes = body.objects("participants")
    if not changes:
        body.wrong("participants should not be empty")
    for change in changes:
        for field in ("firstName", "lastName"):
            if not isinstance(change.get(field), str | None):
                body.wrong(f"participants: {field} must be a string")
    body.check()
    # All are looked up before one is changed: a 404 changes nothing.
    present = [_present(session, change.get("id"), change.get("email")) for change in changes]
    for participant, change in zip(present, changes, strict=True):
        # A user's name belongs to their account.
        person = participant.person
        if participant.is_guest:
            person.first_name = change.get("firstName", person.first_name)
            person.last_name = change.get("lastName", person.last_name)
    state.announce(session, "UPDATED")
    return serializer.participants(session)


def delete(call: RoutedRequest) -> object:
    state, session = call.state, _own_session(call)
    body = call.body_or_query("participantIds", "emails")
    ids, emails = body.texts("participantIds"), body.texts("emails")
    if not (ids or emails):
        body.wrong("one of participantIds and emails is required")
    body.check()
    leaving = [_present(session, each, None) for each in ids] + [_present(session, None, each) for each in emails]
    if any(each.is_owner for each in leaving):
        raise Refusal(400, "The owner cannot be removed from a session")
    session.participants = [each for each in session.participants if each not in leaving]
    state.announce(session, "UPDATED")
    return None


ROUTES: Routes = {
    ("GET", "/api/sessions/{id}/participants"): list_,
    ("POST", "/api/sessions/{id}/participants"): add,
    ("PUT", "/api/sessions/{id}/participants"): update,
    ("DELETE", "/api/sessions/{id}/participants"): delete,
}
