"""Each operation through the facade, over real loopback HTTP, to a sandbox that was written from the same document.

Requests and answers are checked against spec/openapi.json by openapi-core on the way.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from dataclasses import asdict

import httpx
import pytest
from support.contract import Checked, document
from support.operations import CASES, Case, World, ids

from sessions_us import GuestClient, PermissionDeniedError, UserClient
from sessions_us.events import SchemaDrift
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    async with Sandbox(limit=1000) as sandbox:
        yield sandbox


async def world_of(sandbox: Sandbox) -> World:
    """Ids on which each operation can succeed, found and made with plain httpx."""
    headers = {"x-api-key": sandbox.user_key}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers) as user:

        async def first(path: str) -> str:
            return str((await user.get(path)).json()[0]["id"])

        async def a_page_with(what: str) -> str:
            for page in (await user.get("/api/booking-pages")).json():
                if (await user.get(f"/api/booking-pages/{page['id']}/{what}")).json():
                    return str(page["id"])
            raise LookupError(what)

        page = await a_page_with("collaborators")
        plan = {"name": "Plain", "startAt": "2030-01-01T09:00:00.000Z", "plannedEnd": "2030-01-01T10:00:00.000Z"}
        plan |= {"timeZone": "UTC"}
        session = (await user.post("/api/sessions", json=plan)).json()["id"]
        await user.post(f"/api/sessions/{session}/participants", json={"emails": ["bob@example.com"]})
        participants = (await user.get(f"/api/sessions/{session}/participants")).json()
        hook = {"url": "https://example.com/hook", "trigger": "EVENT_CREATED", "permission": "personal"}
        event = (await user.post("/api/events", json={**plan, "slug": "plain"})).json()["id"]
        await user.post(f"/api/events/{event}/publish")
        booked = {"bookingPageId": page, "startAt": "2030-05-07T09:00:00.000Z"}
        booked |= {"participantName": "Eve", "participantEmail": "eve@example.com"}
        guest = {"x-api-key": sandbox.guest_key}
        world = World(
            page=page,
            team_page=sandbox.team_page_id,
            collaborator=await first(f"/api/booking-pages/{page}/collaborators"),
            booking=await first(f"/api/booking-pages/{page}/bookings"),
            guest_booking=(await user.post("/api/guests/bookings", json=booked, headers=guest)).json()["id"],
            room=await first("/api/rooms"),
            session=session,
            participant=next(each["id"] for each in participants if not each["isOwner"]),
            event=event,
            webhook=(await user.post("/api/webhooks", json=hook)).json()["id"],
        )
    assert all(asdict(world).values())
    return world


@pytest.mark.parametrize("case", CASES, ids=[case.operation for case in CASES])
async def test_an_operation_arrives_as_documented(case: Case, sandbox: Sandbox) -> None:
    """Method, path, query, key header and body, as received; nothing is an error, nothing is a drift."""
    world = await world_of(sandbox)
    before = len(sandbox.requests)
    surprises: list[object] = []
    kind, key = (UserClient, sandbox.user_key) if case.role == "user" else (GuestClient, sandbox.guest_key)
    async with Checked() as wire:
        client = kind(key, base_url=sandbox.url, transport=wire, strict=True, on_event=surprises.append)
        async with client:
            await case.call(client, world)

    (arrived,) = sandbox.requests[before:]
    assert f"{arrived.method} {arrived.path}" == f"{case.method} {case.path.format(**asdict(world))}"
    assert arrived.query == {}
    assert arrived.key_role == case.role
    assert arrived.headers["x-api-key"] == key
    if case.body is None:
        assert arrived.body == b""
        assert "content-type" not in arrived.headers
    else:
        assert json.loads(arrived.body) == ids(case.body, world)
        assert arrived.headers["content-type"] == "application/json"
    assert arrived.status is not None
    assert 200 <= arrived.status < 300
    # What the document does not know comes back as it was sent.
    drifts = [event for event in surprises if isinstance(event, SchemaDrift)]
    assert [drift.field for drift in drifts] == [name for name in case.body or () if name == "colour"]


def test_no_operation_is_left_out() -> None:
    """The table above is the document's."""
    described = {
        operation["operationId"]: (method.upper(), path)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if method in {"get", "put", "post", "delete"}
    }

    assert {case.operation for case in CASES} == described.keys()
    assert len(described) == 47
    assert {case.method for case in CASES if described[case.operation][0] != case.method} == set()


@pytest.mark.parametrize(
    "name",
    [
        "booking_pages",
        "bookings",
        "rooms",
        "sessions",
        "events",
        "booking_pages.bookings",
        "booking_pages.collaborators",
    ],
)
async def test_each_paginated_list_is_read_to_its_end(name: str, sandbox: Sandbox) -> None:
    """As many rows as the server has, each once, by pages of 20 as numbered."""
    world = await world_of(sandbox)
    async with Checked() as wire, UserClient(sandbox.user_key, base_url=sandbox.url, transport=wire) as user:
        noun, _, nested = name.partition(".")
        resource = getattr(user, noun)
        if nested == "bookings":
            pager = resource.bookings(world.page)
        elif nested:
            pager = resource.collaborators.list(world.page)
        else:
            pager = resource.list()
        before = len(sandbox.requests)
        items = await pager.collect()

    path = sandbox.requests[-1].path
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as plain:
        rows = [row["id"] for page in range(1, 12) for row in (await plain.get(path, params={"page": page})).json()]
    assert [item.id for item in items] == rows
    assert len(rows) == len(set(rows)) > 1
    asked = [request.query.get("page") for request in sandbox.requests[before:] if request.path == path]
    assert asked[: len(items) // 20 + 2][:1] == [None]


@pytest.mark.parametrize("page_base", [0, 1])
async def test_a_list_is_whole_whatever_its_page_base(page_base: int) -> None:
    """Nobody knows yet whether pages count from 0 or 1."""
    async with Sandbox(limit=1000, page_base=page_base) as sandbox:  # type: ignore[arg-type]
        async with UserClient(sandbox.user_key, base_url=sandbox.url) as user:
            items = await user.sessions.list().collect()
            assert len(items) > 40
            asked = len(sandbox.requests)

    assert len({item.id for item in items}) == len(items)
    assert asked == math.ceil(len(items) / 20) + page_base


async def test_a_guest_key_is_refused_by_the_server(sandbox: Sandbox) -> None:
    """The client has no such method. A request by path gets the server's 403."""
    async with GuestClient(sandbox.guest_key, base_url=sandbox.url) as guest:
        assert not hasattr(guest, "sessions")
        assert not hasattr(guest.events, "publish")
        with pytest.raises(PermissionDeniedError):
            await guest.request("GET", "/api/sessions")
    async with UserClient(sandbox.user_key, base_url=sandbox.url) as user:
        assert not hasattr(user, "guests")
