"""The tests against the sandbox: a Sessions API on this machine, which keeps state and can be made to fail.

`sessions_sandbox`, `sessions_user` and `sessions_guest` come with sessions-us[sandbox]. The clients wait for the quota in the
sandbox's time, so no test waits a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from app import SECRET, app, minutes

from sessions_us import GuestClient, RetryPolicy, UserClient
from sessions_us.fastapi import get_guest, get_user
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
AT = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
ONCE = RetryPolicy(attempts=1)  # where the failure itself is what a test is about


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def clients(sessions_user: UserClient, sessions_guest: GuestClient) -> Iterator[None]:
    """The application's clients are those of the sandbox."""
    app.dependency_overrides = {get_user: lambda: sessions_user, get_guest: lambda: sessions_guest}
    yield
    app.dependency_overrides = {}
    minutes.clear()


@pytest.fixture
async def visitor() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        yield client


@pytest.fixture
def wanted(sessions_sandbox: Sandbox) -> dict[str, str]:
    page = sessions_sandbox.load({"booking_pages": [{"name": "Intro", "duration": 30}]})["booking_pages"][0]
    return {"page": page, "at": AT.isoformat(), "name": "Ada", "email": "ada@example.org"}


async def test_a_call_is_booked(visitor: httpx.AsyncClient, wanted: dict[str, str], sessions_sandbox: Sandbox) -> None:
    booked = await visitor.post("/calls", json=wanted)
    assert booked.status_code == 201
    (booking,) = [row for row in sessions_sandbox.data["bookings"] if row["bookingPageId"] == wanted["page"]]
    assert (booking["participantName"], booking["sessionId"]) == ("Ada", booked.json()["session"])
    (request,) = sessions_sandbox.requests
    assert (request.method, request.route, request.key_role) == ("POST", "/api/guests/bookings", "guest")


async def test_two_want_the_same_time(visitor: httpx.AsyncClient, wanted: dict[str, str]) -> None:
    answers = await asyncio.gather(*(visitor.post("/calls", json={**wanted, "name": name}) for name in ("Ada", "Bob")))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_a_call_is_held(visitor: httpx.AsyncClient, wanted: dict[str, str], sessions_sandbox: Sandbox) -> None:
    """A session's life: by its host, or, with `advance`, by the clock. What the sandbox announces is what the app receives."""
    session = (await visitor.post("/calls", json=wanted)).json()["session"]
    assert (await visitor.get(f"/calls/{session}")).json()["state"] == "planned"
    sessions_sandbox.start_session(session)
    assert (await visitor.get(f"/calls/{session}")).json()["state"] == "live"
    sessions_sandbox.end_session(session, takeaways="We agreed.")
    await visitor.post(f"/hooks/{SECRET}", json=sessions_sandbox.trigger("TAKEAWAY_READY", id=session))
    assert (await visitor.get(f"/calls/{session}")).json()["minutes"] == "We agreed."


async def test_the_subscription_is_told(visitor: httpx.AsyncClient, sessions_sandbox: Sandbox) -> None:
    """A webhook out: this port is closed, and the sandbox keeps what it tried to deliver."""
    await visitor.post("/subscriptions", params={"url": "http://127.0.0.1:1"})
    (session,) = sessions_sandbox.load({"sessions": [{"name": "Kick-off"}]})["sessions"]
    sessions_sandbox.end_session(session, takeaways="We agreed.")
    await sessions_sandbox.settle()
    (delivery,) = sessions_sandbox.deliveries
    assert (delivery.url, delivery.payload["trigger"]) == (f"http://127.0.0.1:1/hooks/{SECRET}", "TAKEAWAY_READY")


@pytest.mark.sessions_sandbox(limit=10, window=60)
async def test_many_visitors(visitor: httpx.AsyncClient, sessions_sandbox: Sandbox) -> None:
    """Forty sessions at ten requests a minute: three minutes for visitors, no time for the test."""
    ids = [row["id"] for row in sessions_sandbox.data["sessions"]][:40]
    answers = await asyncio.gather(*(visitor.get(f"/calls/{each}") for each in ids))
    assert {answer.status_code for answer in answers} == {200}
    assert {request.status for request in sessions_sandbox.requests} == {200}


async def test_a_429(visitor: httpx.AsyncClient, wanted: dict[str, str], sessions_sandbox: Sandbox) -> None:
    """The client comes back when it may, and the visitor does not notice."""
    sessions_sandbox.fail(429, headers={"Retry-After": "30"})
    assert (await visitor.post("/calls", json=wanted)).status_code == 201
    assert [request.status for request in sessions_sandbox.requests] == [429, 201]


@pytest.mark.parametrize("fault", [500, "lost"])
async def test_an_outage(
    visitor: httpx.AsyncClient, sessions_sandbox: Sandbox, sessions_user: UserClient, fault: int | str
) -> None:
    """An error of the API, and an answer that never came."""
    app.dependency_overrides[get_user] = lambda: sessions_user.with_options(retries=ONCE)
    sessions_sandbox.fail(fault, path="/api/sessions/*")  # type: ignore[arg-type]
    session = sessions_sandbox.data["sessions"][0]["id"]
    assert (await visitor.get(f"/calls/{session}")).status_code in (502, 503)
    assert (await visitor.get(f"/calls/{session}")).status_code == 200


async def test_a_slow_answer(visitor: httpx.AsyncClient, sessions_sandbox: Sandbox, sessions_user: UserClient) -> None:
    app.dependency_overrides[get_user] = lambda: sessions_user.with_options(timeout=0.05, retries=ONCE)
    sessions_sandbox.fail(delay=60.0)
    session = sessions_sandbox.data["sessions"][0]["id"]
    assert (await visitor.get(f"/calls/{session}")).status_code == 504
