"""The life of a session: planned, live, over; by its host, and by the clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.state import TRIGGERS

from .conftest import Clock

pytestmark = pytest.mark.anyio
PLAN = {"name": "Kick-off", "startAt": "2026-03-02T07:00:00.000Z", "plannedEnd": "2026-03-02T08:00:00.000Z"}
HOUR = 3600


def told(sandbox: Sandbox) -> list[str]:
    return [each.payload["trigger"] for each in sandbox.deliveries]


@pytest.fixture
def heard(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a webhook for each trigger. They can't be delivered, which is recorded all the same."""
    url = "http://sessions.invalid/"
    sandbox.load({"webhooks": [{"url": url, "trigger": each, "permission": "personal"} for each in sorted(TRIGGERS)]})
    return sandbox


async def made(user: httpx.AsyncClient, **fields: Any) -> str:
    session: str = (await user.post("/api/sessions", json={**PLAN, **fields})).json()["id"]
    return session


async def test_a_session_starts_once_and_ends_once(user: httpx.AsyncClient, heard: Sandbox) -> None:
    """No second start, none after the end, no second end; each refusal changes and announces nothing."""
    session = await made(user)
    heard.start_session(session)
    with pytest.raises(ValueError, match="only a planned session can start, and this one is live"):
        heard.start_session(session)
    heard.end_session(session)
    ended = (await user.get(f"/api/sessions/{session}")).json()
    for again in (heard.start_session, heard.end_session):
        with pytest.raises(ValueError, match="this one is over"):
            again(session)
    await heard.settle()
    assert (await user.get(f"/api/sessions/{session}")).json() == ended
    assert told(heard) == [
        *("SESSION_CREATED", "SESSION_STARTED", "SESSION_ENDED"),
        *("RECORDING_STATUS_CHANGED", "TAKEAWAY_READY", "TRANSCRIPT_READY"),
    ]


async def test_a_planned_session_that_ends_started_first(user: httpx.AsyncClient, heard: Sandbox) -> None:
    """Both are announced."""
    heard.end_session(await made(user), takeaways="", transcript=())
    await heard.settle()
    assert told(heard) == ["SESSION_CREATED", "SESSION_STARTED", "SESSION_ENDED", "RECORDING_STATUS_CHANGED"]


async def test_a_cancelled_booking_does_not_start(user: httpx.AsyncClient, sandbox: Sandbox, clock: Clock) -> None:
    """Not by its host, and not by the clock."""
    wanted = {"bookingPageId": sandbox.team_page_id, "startAt": PLAN["startAt"]}
    booking = (await user.post("/api/bookings", json=wanted)).json()
    await user.post(f"/api/bookings/{booking['id']}")
    for act in (sandbox.start_session, sandbox.end_session):
        with pytest.raises(ValueError, match="cancelled"):
            act(booking["sessionId"])
    sandbox.advance(2 * HOUR)
    session = (await user.get(f"/api/sessions/{booking['sessionId']}")).json()
    assert (session["actualStart"], session["endedAt"]) == (None, None)


async def test_a_session_lives_by_its_plan(user: httpx.AsyncClient, heard: Sandbox, clock: Clock) -> None:
    """It starts and ends at the moments of its plan, though the clock jumps far beyond; notes and transcript follow."""
    session = await made(user)
    await user.post(f"/api/sessions/{session}/participants", json={"emails": ["ada@example.org"]})
    clock.now += 1.5 * HOUR
    live = (await user.get(f"/api/sessions/{session}")).json()
    assert (live["actualStart"], live["endedAt"]) == (PLAN["startAt"], None)
    assert (await user.get(f"/api/sessions/{session}/takeaways")).json() is None
    heard.advance(10 * HOUR)
    over = (await user.get(f"/api/sessions/{session}")).json()
    assert (over["actualStart"], over["endedAt"]) == (PLAN["startAt"], PLAN["plannedEnd"])
    notes = (await user.get(f"/api/sessions/{session}/takeaways")).json()
    spoken = (await user.get(f"/api/sessions/{session}/transcripts")).json()
    assert "Kick-off" in notes["takeawaysText"]
    assert {each["participantId"] for each in spoken} == {each["id"] for each in over["participants"]}
    assert all(PLAN["startAt"] < each["sourceTimestamp"] < PLAN["plannedEnd"] for each in spoken)
    await heard.settle()
    assert told(heard)[-5:] == [
        *("SESSION_STARTED", "SESSION_ENDED", "RECORDING_STATUS_CHANGED", "TAKEAWAY_READY", "TRANSCRIPT_READY"),
    ]
    started = next(each for each in heard.deliveries if each.payload["trigger"] == "SESSION_STARTED")
    assert started.payload["data"]["session"]["endedAt"] is None


async def test_a_plan_may_change(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """What counts is the plan when the moment comes; a session that was started by hand ends by its plan."""
    moved, early = await made(user), await made(user)
    await user.put(
        f"/api/sessions/{moved}", json={"startAt": "2026-03-02T09:00:00Z", "plannedEnd": "2026-03-02T10:00:00Z"}
    )
    sandbox.start_session(early)
    sandbox.advance(2.5 * HOUR)
    rows = {row["id"]: row for row in sandbox.data["sessions"]}
    assert rows[moved]["actualStart"] is None
    assert (rows[early]["actualStart"], rows[early]["endedAt"]) == ("2026-03-02T06:00:00.000Z", PLAN["plannedEnd"])
    sandbox.advance(2 * HOUR)
    rows = {row["id"]: row for row in sandbox.data["sessions"]}
    assert (rows[moved]["actualStart"], rows[moved]["endedAt"]) == (
        "2026-03-02T09:00:00.000Z",
        "2026-03-02T10:00:00.000Z",
    )


async def test_what_was_planned_for_the_past_does_not_start(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A session of yesterday that nobody held stays as it is."""
    session = await made(user, startAt="2026-03-01T07:00:00Z", plannedEnd="2026-03-01T08:00:00Z")
    sandbox.advance(HOUR)
    assert (await user.get(f"/api/sessions/{session}")).json()["actualStart"] is None


async def test_not_started_bookings_are_those_that_have_not_started(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """One that was held early leaves the page's list before its time has come."""
    page = (await user.get("/api/booking-pages")).json()[0]["id"]
    first, second = (await user.get(f"/api/booking-pages/{page}/bookings")).json()[:2]
    sandbox.end_session(first["sessionId"])
    assert (await user.get(f"/api/booking-pages/{page}/bookings")).json()[0] == second


async def test_webhooks_come_without_a_request(anyio_backend: str) -> None:
    """A sandbox that nobody asks starts its sessions all the same, by its own timer."""
    async with Sandbox(empty=True) as sandbox:
        soon = sandbox.clock.now() + 0.05
        moment = {"startAt": _iso(soon), "plannedEnd": _iso(soon + 0.05)}
        url = "http://sessions.invalid/"
        sandbox.load({"webhooks": [{"url": url, "trigger": "SESSION_ENDED"}], "sessions": [{"name": "Soon", **moment}]})
        while not sandbox.deliveries:
            await asyncio.sleep(0.005)
        assert told(sandbox) == ["SESSION_ENDED"]


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


async def test_all_seventeen_triggers_happen(user: httpx.AsyncClient, heard: Sandbox) -> None:
    """For objects that one made, by the API and the clock alone."""
    session = await made(user)
    await user.put(f"/api/sessions/{session}", json={"name": "Start"})
    wanted = {"bookingPageId": heard.team_page_id, "startAt": PLAN["startAt"]}
    booking = (await user.post("/api/bookings", json=wanted)).json()
    await user.put(f"/api/bookings/{booking['id']}", json={"participantName": "Ada"})
    event = (await user.post("/api/events", json=PLAN)).json()
    for action in ("publish", "toggle-public", "register"):
        await user.post(f"/api/events/{event['id']}/{action}")
    heard.advance(3 * HOUR)
    await heard.settle()
    assert set(told(heard)) == TRIGGERS
    assert len(TRIGGERS) == 17


@pytest.mark.parametrize("name", sorted(TRIGGERS))
async def test_a_trigger_is_told_on_demand(heard: Sandbox, name: str) -> None:
    """It tells of the newest object that fits, and of no other; nothing changes."""
    before = heard.data
    payload = heard.trigger(name)
    await heard.settle()
    assert [each.payload for each in heard.deliveries] == [payload]
    assert payload["trigger"] == name
    assert heard.data == before


async def test_a_trigger_must_fit(heard: Sandbox) -> None:
    """A name that is none, an object that is none, or of another kind."""
    data = heard.data
    with pytest.raises(ValueError, match="the name of a trigger must be one of BOOKING_CREATED"):
        heard.trigger("SESSION_EATEN")
    with pytest.raises(KeyError):
        heard.trigger("SESSION_CREATED", id="nobody")
    with pytest.raises(
        ValueError, match="BOOKING_CREATED does not tell of the session of an event; EVENT_CREATED tells"
    ):
        heard.trigger("BOOKING_CREATED", id=data["events"][0]["id"])
    with pytest.raises(ValueError, match=r"EVENT_PUBLISHED does not tell of the session of a booking$"):
        heard.trigger("EVENT_PUBLISHED", id=data["bookings"][0]["id"])
    booking = data["bookings"][1]
    assert heard.trigger("BOOKING_CREATED", id=booking["id"])["data"]["session"]["id"] == booking["sessionId"]
    with pytest.raises(ValueError, match="there is nothing that EVENT_CREATED could tell of"):
        Sandbox(empty=True).trigger("EVENT_CREATED")
