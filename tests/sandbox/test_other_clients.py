"""The calls that published clients of the live API make, one after the other, with the fields that are sent by default.

Each client here is rewritten from what is publicly known of one: an automation platform's integration with its webhooks, a
platform's polling sources, and a script that copies bookings into a table. What they read of an answer must be there.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from sessions_us.sandbox import Sandbox

from .conftest import Clock, Receiver

pytestmark = pytest.mark.anyio
CAPTURED = [
    f"{family}_{moment}" for family in ("BOOKING", "EVENT", "SESSION") for moment in ("CREATED", "STARTED", "ENDED")
]
TRIGGERS = [*CAPTURED, "EVENT_PUBLISHED", "EVENT_NEW_REGISTRATION", "TRANSCRIPT_READY", "TAKEAWAY_READY"]
NOON = "2026-03-02T12:00:00.000Z"


@pytest.fixture
async def sandbox(anyio_backend: str, clock: Clock) -> AsyncIterator[Sandbox]:
    async with Sandbox(limit=1000, clock=clock) as serving:
        yield serving


@pytest.fixture
async def api(sandbox: Sandbox, checked: dict[str, list[Any]]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": sandbox.user_key, "accept": "application/json"}
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/api", headers=headers, event_hooks=checked) as client:
        yield client


def slug_of(name: str) -> str:
    """As the integration makes it: nothing is left of a name without Latin letters, and a hyphen may stand at an end."""
    bare = re.sub(r"[^\w\s-]", "", name.strip().lower(), flags=re.ASCII)
    return re.sub(r"-+", "-", re.sub(r"\s+", "-", bare))


async def make(api: httpx.AsyncClient, path: str, name: str, start: str = NOON, end: str = NOON, **more: str) -> Any:
    """What the integration's two actions send; its form has equal times unless they are changed."""
    answer = await api.post(path, json={"name": name, "startAt": start, "plannedEnd": end, "timeZone": "CET", **more})
    assert answer.is_success
    return answer.json()


async def test_the_integration_hears_of_everything(
    api: httpx.AsyncClient, sandbox: Sandbox, receiver: tuple[Receiver, str]
) -> None:
    """A key that is tried, 13 subscriptions, one of each object made, held and ended: each trigger fires, and the rest is
    silent once the subscriptions are gone."""
    receiving, url = receiver
    assert (await api.get("/sessions")).is_success
    assert (await api.get("/sessions", headers={"x-api-key": "another"})).is_error
    hooks = {}
    for trigger in TRIGGERS:
        asked = {"url": url, "trigger": trigger, "permission": "organization", "linkPublicKey": True}
        hooks[trigger] = (await api.post("/webhooks", json={**asked, "integration": "ACTIVE_PIECES"})).json()["id"]
    session = await make(api, "/sessions", "Weekly")
    assert session["name"] == "Weekly"
    assert session["sessionLink"].startswith("https://")
    made = await make(api, "/events", "Open day", slug="open-day")
    listed = {each["id"]: each["session"]["name"] for each in (await api.get("/events")).json()}
    assert listed[made["id"]] == "Open day"
    assert (await api.post(f"/events/{made['id']}/publish")).is_success
    await api.post(f"/events/{made['id']}/register")
    await api.post("/bookings", json={"bookingPageId": sandbox.team_page_id, "startAt": NOON})
    held = {each["id"] for each in sandbox.data["sessions"] if each["startAt"] == NOON}
    assert len(held) == 3
    for each in held:
        sandbox.start_session(each)
        sandbox.end_session(each)
    await sandbox.settle()
    assert {each["trigger"] for each in receiving.received} == set(TRIGGERS)
    assert all(("eventId" if "NEW" in each["trigger"] else "session") in each["data"] for each in receiving.received)
    for hook in hooks.values():
        assert (await api.delete(f"/webhooks/{hook}")).is_success
    heard = len(receiving.received)
    await make(api, "/sessions", "Unheard")
    await sandbox.settle()
    assert len(receiving.received) == heard


@pytest.mark.parametrize("name", ["Weekly", "Weekly!", "- Q & A -", "Ședință", "会議", "!"])
async def test_the_integration_makes_an_event_of_any_name_each_week(api: httpx.AsyncClient, name: str) -> None:
    """The same name and slug again make another event, with a slug of its own; an empty slug is none."""
    events = [await make(api, "/events", name, slug=slug_of(name)) for _ in range(3)]
    assert len({each["id"] for each in events}) == len({each["slug"] for each in events}) == 3
    assert [each["session"]["name"] for each in events] == [name] * 3


@pytest.mark.parametrize("ended", [False, True])
async def test_a_polling_source_finds_sessions(api: httpx.AsyncClient, sandbox: Sandbox, ended: bool) -> None:
    """It begins with page 0, asks for rows that it does not get, tells by `endedAt` what is over, and dates by `startAt`."""
    session = await make(api, "/sessions", "Polled")
    if ended:
        sandbox.end_session(session["id"])
    rows = (await api.get("/sessions", params={"page": 0, "per_page": 100})).json()
    assert len(rows) == 20
    found = [each for each in rows if bool(each["endedAt"]) is ended]
    assert found[0]["id"] == session["id"]
    assert all(datetime.fromisoformat(each["startAt"]) for each in found)


async def test_a_script_copies_the_guests_of_bookings(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Page 1 of a page's bookings, and of each one's session the first participant who is not the host: with an address and a
    name, as guest or as user."""
    sandbox.load(
        {
            "booking_pages": [{"id": "demo", "name": "Demo"}],
            "bookings": [
                {"bookingPageId": "demo", "startAt": f"2026-03-0{day}T09:00:00Z", "participantName": f"Guest {day}"}
                | {"participantEmail": f"guest{day}@example.org"}
                for day in (5, 4, 3)
            ],
        }
    )
    bookings = (await api.get("/booking-pages/demo/bookings?page=1")).json()
    copied = []
    for booking in sorted(bookings, key=lambda each: datetime.fromisoformat(each["startAt"])):
        participants = (await api.get(f"/sessions/{booking['sessionId']}/participants")).json()
        guest = next(each for each in participants if not each["isOwner"])
        person = guest["guest"] or guest["user"]
        copied.append((person["email"], f"{person['firstName'] or ''} {person['lastName'] or ''}".strip()))
    assert copied == [(f"guest{day}@example.org", f"Guest {day}") for day in (3, 4, 5)]
