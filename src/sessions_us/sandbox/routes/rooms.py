"""Rooms.

Known: their links are unique. Assumed: all fields; 409 for a link in use; that the link may be changed (two versions of the
documentation contradict each other); that sharing names e-mail addresses or users, that strangers may be invited, and that
only the owner may change a room.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..call import RoutedRequest, Routes
from ..records import RoomRecord
from ..refusals import Refusal, not_found
from ..state import State, find


def _room(call: RoutedRequest) -> RoomRecord:
    return find(call.state.rooms, call.id, "Room")


def _own_room(call: RoutedRequest) -> RoomRecord:
    room = _room(call)
    call.require_own(room.owner_id == call.user.id)
    return room


def _slug(state: State, wanted: str | None, name: str, but: RoomRecord | None = None) -> str:
    taken = state.slugs(state.rooms.values(), but=but)
    if wanted in taken:
        raise Refusal(409, "The slug is already in use")
    return state.unique_slug(wanted, name, taken)


def _add(
    call: RoutedRequest, name: str, slug: str | None, description: str | None, extra: Mapping[str, Any]
) -> RoomRecord:
    state = call.state
    unique = _slug(state, slug, name)
    room = RoomRecord(state.new_id(), name, unique, state.now(), call.user.id, description, extra=dict(extra))
    state.rooms[room.id] = room
    return room


def list_(call: RoutedRequest) -> object:
    return call.page(call.state.rooms.own(call.user.id), call.state.answers.room)


def create(call: RoutedRequest) -> object:
    body = call.body()
    name, slug, description = body.text("name", required=True), body.slug(), body.text("description", nullable=True)
    body.check()
    return call.state.answers.room(_add(call, name, slug, description, body.unknown("rooms")))


def get(call: RoutedRequest) -> object:
    return call.state.answers.room(_room(call))


def update(call: RoutedRequest) -> object:
    state, body, room = call.state, call.body(), _own_room(call)
    name, slug, description = body.text("name"), body.slug(), body.text("description", nullable=True)
    body.check()
    if slug is not None:
        room.slug = _slug(state, slug, room.name, but=room)
    room.name = name or room.name
    if "description" in body:
        room.description = description
    room.extra |= body.unknown("rooms")
    return state.answers.room(room)


def delete(call: RoutedRequest) -> object:
    """Sessions that ran in the room stay, without it."""
    del call.state.rooms[_own_room(call).id]
    return None


def clone(call: RoutedRequest) -> object:
    body, room = call.body(), _room(call)
    name, slug = body.text("name"), body.slug()
    body.check()
    extra = {**room.extra, **body.unknown("rooms")}
    return call.state.answers.room(_add(call, name or f"{room.name} copy", slug, room.description, extra))


def share(call: RoutedRequest) -> object:
    state, body, room = call.state, call.body(), _own_room(call)
    emails, user_ids = body.texts("emails", emails=True), body.texts("userIds")
    body.check()
    for user_id in user_ids:
        user = state.teammate(user_id, None)
        if user is None or user.email is None:
            raise not_found("User")
        emails.append(user.email)
    room.shared_with += [email for email in dict.fromkeys(emails) if email not in room.shared_with]
    return state.answers.room(room)


ROUTES: Routes = {
    ("GET", "/api/rooms"): list_,
    ("POST", "/api/rooms"): create,
    ("GET", "/api/rooms/{id}"): get,
    ("PUT", "/api/rooms/{id}"): update,
    ("DELETE", "/api/rooms/{id}"): delete,
    ("POST", "/api/rooms/{id}/clone"): clone,
    ("POST", "/api/rooms/{id}/share"): share,
}
