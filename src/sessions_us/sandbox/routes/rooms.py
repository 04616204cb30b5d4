"""Rooms.

Known: their links are unique. Assumed: all fields; 409 for a link in use; that the link may be changed (two versions of the
documentation contradict each other); that sharing names e-mail addresses or users, and that strangers may be invited.
"""

from __future__ import annotations

from .. import serializer
from ..call import RoutedRequest, Routes
from ..records import RoomRecord
from ..refusals import not_found
from ..state import find, newest


def _room(call: RoutedRequest) -> RoomRecord:
    return find(call.state.rooms, call.id, "Room")


def _add(call: RoutedRequest, name: str, slug: str | None, description: str | None) -> RoomRecord:
    state = call.state
    unique = state.unique_slug(slug, name, state.slugs(state.rooms.values()))
    room = RoomRecord(state.new_id(), name, unique, state.now(), description)
    state.rooms[room.id] = room
    return room


def list_(call: RoutedRequest) -> object:
    return call.page([serializer.room(call.state, room) for room in newest(call.state.rooms.values())])


def create(call: RoutedRequest) -> object:
    body = call.body()
    name, slug, description = body.text("name", required=True), body.slug(), body.text("description", nullable=True)
    body.check()
    return serializer.room(call.state, _add(call, name, slug, description))


def get(call: RoutedRequest) -> object:
    return serializer.room(call.state, _room(call))


def update(call: RoutedRequest) -> object:
    state, body, room = call.state, call.body(), _room(call)
    name, slug, description = body.text("name"), body.slug(), body.text("description", nullable=True)
    body.check()
    if slug is not None:
        room.slug = state.unique_slug(slug, room.name, state.slugs(state.rooms.values(), but=room))
    room.name = name or room.name
    if "description" in body:
        room.description = description
    return serializer.room(state, room)


def delete(call: RoutedRequest) -> object:
    """Sessions that ran in the room stay, without it."""
    del call.state.rooms[_room(call).id]
    return None


def clone(call: RoutedRequest) -> object:
    body, room = call.body(), _room(call)
    name, slug = body.text("name"), body.slug()
    body.check()
    return serializer.room(call.state, _add(call, name or f"{room.name} copy", slug, room.description))


def share(call: RoutedRequest) -> object:
    state, body, room = call.state, call.body(), _room(call)
    emails, user_ids = body.texts("emails", emails=True), body.texts("userIds")
    body.check()
    for user_id in user_ids:
        user = state.teammate(user_id, None)
        if user is None or user.email is None:
            raise not_found("User")
        emails.append(user.email)
    room.shared_with += [email for email in dict.fromkeys(emails) if email not in room.shared_with]
    return serializer.room(state, room)


ROUTES: Routes = {
    ("GET", "/api/rooms"): list_,
    ("POST", "/api/rooms"): create,
    ("GET", "/api/rooms/{id}"): get,
    ("PUT", "/api/rooms/{id}"): update,
    ("DELETE", "/api/rooms/{id}"): delete,
    ("POST", "/api/rooms/{id}/clone"): clone,
    ("POST", "/api/rooms/{id}/share"): share,
}
