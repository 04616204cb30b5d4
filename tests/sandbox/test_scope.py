"""Several users in one workspace: each has their own lists, changes their own objects, and hears what they asked to hear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
START = "2026-03-04T10:00:00.000Z"
ADA = {"participantName": "Ada", "participantEmail": "ada@example.org"}
KIM = {"id": "kim", "email": "kim@example.com", "firstName": "Kim", "lastName": "Lee", "key": "key-of-kim"}
LISTS = ("/api/booking-pages", "/api/bookings", "/api/rooms", "/api/sessions", "/api/events")
PLAN = {"name": "Theirs", "startAt": START}


@pytest.fixture
async def kim(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A colleague with a key of her own."""
    sandbox.load({"users": [KIM]})
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": KIM["key"]}) as client:
        yield client


async def ids(client: httpx.AsyncClient) -> dict[str, list[str]]:
    return {path: [row["id"] for row in (await client.get(path)).json()] for path in LISTS}


async def test_a_colleague_has_lists_of_her_own(kim: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """Empty at first; then what she made, which is in nobody else's."""
    before = await ids(user)
    assert await ids(kim) == {path: [] for path in LISTS}
    made = {
        path: (await kim.post(path, json=PLAN)).json()["id"]
        for path in ("/api/booking-pages", "/api/rooms", "/api/sessions", "/api/events")
    }
    hers = await ids(kim)
    assert {path: hers[path][-1] for path in made} | {"/api/sessions": hers["/api/sessions"][-1]} == made
    assert await ids(user) == before


async def test_a_colleagues_booking_is_in_no_list_of_mine(
    kim: httpx.AsyncClient, user: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    """A guest books on her page: the booking and its session are hers."""
    before = await ids(user)
    page = (await kim.post("/api/booking-pages", json={"name": "Call Kim"})).json()["id"]
    booking = (await guest.post("/api/guests/bookings", json={"bookingPageId": page, "startAt": START, **ADA})).json()
    assert await ids(user) == before
    assert (await ids(kim))["/api/bookings"] == [booking["id"]]
    assert (await ids(kim))["/api/sessions"] == [booking["sessionId"]]


async def test_what_i_booked_is_mine_too(kim: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """A booking on a colleague's page is in both lists, and both may change it."""
    page = (await kim.post("/api/booking-pages", json={"name": "Call Kim"})).json()["id"]
    booking = (await user.post("/api/bookings", json={"bookingPageId": page, "startAt": START})).json()
    assert (await ids(user))["/api/bookings"][0] == (await ids(kim))["/api/bookings"][0] == booking["id"]
    assert (await ids(user))["/api/sessions"][0] == booking["sessionId"]
    for client in (user, kim):
        moved = await client.put(f"/api/bookings/{booking['id']}", json={"participantName": "Grace"})
        assert moved.status_code == 200


async def test_what_belongs_to_others_can_be_read_and_not_changed(
    kim: httpx.AsyncClient, user: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    """403 for every write, and nothing changes; a guest may move the booking, whoever's it is."""
    page = (await kim.post("/api/booking-pages", json={"name": "Call Kim"})).json()["id"]
    room = (await kim.post("/api/rooms", json={"name": "Kim's"})).json()["id"]
    event = (await kim.post("/api/events", json=PLAN)).json()["id"]
    wanted = {"bookingPageId": page, "startAt": START, **ADA}
    booking = (await guest.post("/api/guests/bookings", json=wanted)).json()
    session = booking["sessionId"]
    hook = {"url": "https://example.org/", "trigger": "SESSION_CREATED"}
    webhook = (await kim.post("/api/webhooks", json=hook)).json()["id"]
    writes = [
        ("PUT", f"/api/booking-pages/{page}"),
        ("DELETE", f"/api/booking-pages/{page}"),
        ("POST", f"/api/booking-pages/{page}/collaborators"),
        ("PUT", f"/api/bookings/{booking['id']}"),
        ("POST", f"/api/bookings/{booking['id']}"),
        ("DELETE", f"/api/bookings/{booking['id']}"),
        ("POST", f"/api/bookings/{booking['id']}/collaborator"),
        ("PUT", f"/api/rooms/{room}"),
        ("DELETE", f"/api/rooms/{room}"),
        ("POST", f"/api/rooms/{room}/share"),
        ("PUT", f"/api/sessions/{session}"),
        ("DELETE", f"/api/sessions/{session}"),
        ("POST", f"/api/sessions/{session}/participants"),
        ("DELETE", f"/api/sessions/{session}/participants"),
        ("POST", f"/api/events/{event}/publish"),
        ("POST", f"/api/events/{event}/toggle-public"),
        ("DELETE", f"/api/webhooks/{webhook}"),
    ]
    before = await ids(kim)
    for method, path in writes:
        answer = await user.request(method, path)
        assert (method, path, answer.status_code) == (method, path, 403)
        assert answer.json()["message"] == "Forbidden: it belongs to another user"
    for path in (f"/api/booking-pages/{page}", f"/api/rooms/{room}", f"/api/sessions/{session}"):
        assert (await user.get(path)).status_code == 200
    assert await ids(kim) == before
    later = {"startAt": "2026-03-05T10:00:00.000Z"}
    assert (await guest.put(f"/api/guests/bookings/{booking['id']}", json=later)).status_code == 200


@pytest.mark.parametrize(("permission", "hears"), [("personal", ["Mine"]), ("organization", ["Mine", "Theirs"])])
async def test_a_webhook_hears_what_its_permission_says(
    sandbox: Sandbox, kim: httpx.AsyncClient, user: httpx.AsyncClient, permission: str, hears: list[str]
) -> None:
    """Personal: one's own sessions. Organization: those of the whole workspace."""
    body = {"url": "http://sessions.invalid/", "trigger": "SESSION_CREATED", "permission": permission}
    await user.post("/api/webhooks", json=body)
    await user.post("/api/sessions", json={"name": "Mine", "startAt": START})
    await kim.post("/api/sessions", json=PLAN)
    await sandbox.settle()
    assert [each.payload["data"]["session"]["name"] for each in sandbox.deliveries] == hears


async def test_keys_are_counted_apart(sandbox: Sandbox, kim: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """A key has a window of its own, and the record of its requests says that it is a USER key."""
    await user.get("/api/rooms")
    answer = await kim.get("/api/rooms")
    assert answer.headers["ratelimit-remaining"] == "999"
    assert [each.key_role for each in sandbox.requests] == ["user", "user"]
    sandbox.remove("users", "kim")
    assert (await kim.get("/api/rooms")).status_code == 401


async def test_rows_may_name_their_owner(sandbox: Sandbox, kim: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """Seeded data of several users; a wrong owner is an error that names the row."""
    host = {"isOwner": True, "user": {"id": "kim"}}
    sandbox.load(
        {
            "rooms": [{"name": "Kim's", "ownerId": "kim"}],
            "booking_pages": [{"id": "p", "name": "Call Kim", "ownerId": "kim"}],
            "sessions": [{"name": "Hosted by Kim", "participants": [host]}],
            "bookings": [{"bookingPageId": "p", "startAt": START, "participantName": "Ada"}],
            "events": [{"session": {"name": "Kim's event", "ownerId": "kim"}}],
        }
    )
    hers = await ids(kim)
    assert {path: len(found) for path, found in hers.items()} == {
        "/api/booking-pages": 1, "/api/bookings": 1, "/api/rooms": 1, "/api/sessions": 3, "/api/events": 1,
    }  # fmt: skip
    assert not set(hers["/api/sessions"]) & set((await ids(user))["/api/sessions"])
    with pytest.raises(ValueError, match=r"rooms\[0\]: ownerId must be the id of a user"):
        sandbox.load({"rooms": [{"name": "x", "ownerId": "nobody"}]})


@pytest.mark.parametrize(
    ("resource", "row", "field"),
    [
        ("rooms", {"name": "x", "ownerId": "nobody"}, "ownerId"),
        ("booking_pages", {"name": "x", "ownerId": "nobody"}, "ownerId"),
        ("sessions", {"name": "x", "ownerId": "nobody"}, "ownerId"),
        ("webhooks", {"url": "http://localhost/", "trigger": "EVENT_CREATED", "ownerId": "nobody"}, "ownerId"),
        ("bookings", {"startAt": START, "participantName": "Ada", "bookerId": "nobody"}, "bookerId"),
    ],
)
async def test_an_owner_must_be_there(sandbox: Sandbox, resource: str, row: dict[str, Any], field: str) -> None:
    """In every resource that names one, by an id; nothing is loaded otherwise."""
    more = {"bookingPageId": sandbox.team_page_id} if resource == "bookings" else {}
    before = sandbox.data
    with pytest.raises(ValueError, match=rf"{resource}\[0\]: {field} must be the id of a user"):
        sandbox.load({resource: [{**row, **more}]})
    assert sandbox.data == before


async def test_an_owner_may_come_with_what_is_owned(sandbox: Sandbox) -> None:
    """The host of a session is its owner, whether or not the two are loaded at once."""
    ann = {"id": "ann", "email": "ann@example.com"}
    hosted = {"id": "s", "name": "Hosted by Ann", "participants": [{"isOwner": True, "user": {"id": "ann"}}]}
    sandbox.load({"users": [ann], "sessions": [hosted]})
    assert "ownerId" not in next(row for row in sandbox.data["sessions"] if row["id"] == "s")


async def test_a_key_is_of_one_user(sandbox: Sandbox, kim: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """The sandbox's own keys and those of other users are refused; one's own, and one that is free again, are not."""
    ann = {"id": "ann", "email": "ann@example.com"}
    taken = kim.headers["x-api-key"]
    for key in (sandbox.user_key, sandbox.guest_key, taken):
        with pytest.raises(ValueError, match=r"users\[0\]: key is the key of another user, or of the sandbox itself"):
            sandbox.load({"users": [{**ann, "key": key}]})
    own = next(row for row in sandbox.data["users"] if row["email"] == "grace@example.com")
    with pytest.raises(ValueError, match="or of the sandbox itself"):
        sandbox.load({"users": [{"id": own["id"], "key": sandbox.guest_key}]})
    with pytest.raises(ValueError, match=r"users\[1\]: key is the key of another"):
        sandbox.load({"users": [{**ann, "key": "new"}, {"id": "bob", "email": "bob@example.com", "key": "new"}]})
    sandbox.load({"users": [{"id": "kim", "email": "kim@example.com", "key": taken}]})
    assert [(await each.get("/api/rooms")).status_code for each in (kim, user)] == [200, 200]
    sandbox.remove("users", "kim")
    sandbox.load({"users": [{**ann, "key": taken}]})
    assert (await kim.get("/api/rooms")).status_code == 200
