"""Rooms, over HTTP."""

from __future__ import annotations

import re

import httpx
import pytest

from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def test_a_room_is_created_read_changed_and_deleted(user: httpx.AsyncClient) -> None:
    """The short slug that is sent comes back in a namespace: a UUID, five hexadecimal digits, a slash."""
    answer = await user.post("/api/rooms", json={"name": "Studio", "slug": "studio", "description": "Where we record."})
    room = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-f]{5}/studio", room["slug"])
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", room["id"])
    changed = await user.put(
        f"/api/rooms/{room['id']}", json={"name": "Stage", "slug": room["slug"], "description": None}
    )
    assert (changed.status_code, changed.json()) == (200, {**room, "name": "Stage", "description": None})
    assert (await user.get(f"/api/rooms/{room['id']}")).json() == changed.json()
    assert (await user.get("/api/rooms")).json()[0] == changed.json()
    assert (await user.delete(f"/api/rooms/{room['id']}")).status_code == 204
    assert (await user.get(f"/api/rooms/{room['id']}")).status_code == 404


async def test_the_links_of_rooms_are_unique(user: httpx.AsyncClient) -> None:
    """409 on creating and on changing."""
    first = (await user.post("/api/rooms", json={"name": "Studio"})).json()
    assert (await user.post("/api/rooms", json={"name": "Other", "slug": "studio"})).status_code == 409
    second = (await user.post("/api/rooms", json={"name": "Studio"})).json()
    assert second["slug"] == first["slug"] + "-2"
    assert (await user.put(f"/api/rooms/{second['id']}", json={"slug": "studio"})).status_code == 409


async def test_a_room_is_cloned_under_its_own_link(user: httpx.AsyncClient) -> None:
    """A body may name the copy; without one, a name is made."""
    room = (await user.post("/api/rooms", json={"name": "Studio", "description": "Ours"})).json()
    bare = await user.post(f"/api/rooms/{room['id']}/clone")
    assert (bare.status_code, bare.json()["name"], bare.json()["description"]) == (201, "Studio copy", "Ours")
    named = (await user.post(f"/api/rooms/{room['id']}/clone", json={"name": "Stage", "slug": "on-stage"})).json()
    assert named["name"] == "Stage"
    assert named["slug"].endswith("/on-stage")
    assert len({room["id"], bare.json()["id"], named["id"]}) == 3


async def test_a_room_is_shared_with_addresses_and_users(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """201 with the room; a stranger's user id is a 404, something else than an address a 400."""
    room = (await user.post("/api/rooms", json={"name": "Studio"})).json()
    path = f"/api/rooms/{room['id']}/share"
    answer = await user.post(path, json={"emails": ["alan@example.com"]})
    assert (answer.status_code, answer.json()) == (201, {**room, "sharedWith": ["alan@example.com"]})
    sandbox.load({"users": [{"id": "kim", "email": "kim@example.com"}]})
    both = await user.post(path, json={"userIds": ["kim"]})
    assert both.json()["sharedWith"] == ["alan@example.com", "kim@example.com"]
    assert (await user.post(path, json={"userIds": ["nobody"]})).status_code == 404
    wrong = await user.post(path, json={"emails": ["nonsense"], "userIds": "all"})
    assert wrong.json()["message"] == ["each value in emails must be an email", "userIds must be an array"]


async def test_a_room_gets_another_link(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Of its own; that of another room is a 409."""
    blue, red = [(await user.post("/api/rooms", json={"name": name})).json() for name in ("Blue", "Red")]
    changed = await user.put(f"/api/rooms/{blue['id']}", json={"slug": "sky"})
    assert changed.status_code == 200
    assert next(row for row in sandbox.data["rooms"] if row["id"] == blue["id"])["slug"].endswith("sky")
    assert (await user.put(f"/api/rooms/{red['id']}", json={"slug": "sky"})).status_code == 409
