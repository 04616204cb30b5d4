"""What a test needs to put an application under pressure: late answers, failures by chance, others on the key, typed records."""

from __future__ import annotations

import time

import httpx
import pytest

from sessions_us.sandbox import ReceivedRequest, Sandbox
from sessions_us.sandbox.faults import can_match

from .conftest import Clock

pytestmark = pytest.mark.anyio


async def test_one_answer_is_late(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """By `delay`, though the request is carried out at once; the others are not."""
    sandbox.fail(delay=0.3, path="/api/rooms", method="POST")
    began = time.monotonic()
    assert (await user.get("/api/rooms")).status_code == 200
    answer = await user.post("/api/rooms", json={"name": "Late"}, timeout=30)
    assert answer.status_code == 201
    assert time.monotonic() - began >= 0.3


async def test_a_late_failure(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A client that gives up sees neither; what was asked for is not done."""
    sandbox.fail(500, delay=60.0)
    with pytest.raises(httpx.ReadTimeout):
        await user.post("/api/rooms", json={"name": "Late"}, timeout=0.2)
    assert [row["name"] for row in sandbox.data["rooms"] if row["name"] == "Late"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"delay": -1.0},
        {"delay": float("inf")},
        {"status": 500, "times": 0},
        {"status": 500, "chance": 0},
        {"status": 500, "chance": 1.5},
    ],
)
async def test_a_fault_without_sense_is_an_error(sandbox: Sandbox, wrong: dict[str, float]) -> None:
    """At once."""
    with pytest.raises(ValueError, match=r"fault|delay|times|chance"):
        sandbox.fail(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (None, "/rooms"),
        (None, "api/rooms"),
        (None, "/api/rooms/x/y"),
        (None, "/api/guests"),
        (None, "/api/rooms/{id}/{more}/{most}"),
        (None, "/{id}"),
        ("PATCH", None),
        ("DELETE", "/api/rooms"),
        ("GET", "/api/bookings/*"),
        (None, "https://api.app.sessions.us/api/rooms"),
    ],
)
async def test_a_fault_that_matches_no_operation_is_an_error(
    sandbox: Sandbox, method: str | None, path: str | None
) -> None:
    """It would never be met, and a test would pass for the wrong reason."""
    with pytest.raises(ValueError, match="no operation is"):
        sandbox.fail(500, method=method, path=path)


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        ("*", "/api/rooms"),
        ("/api/*", "/api/sessions/{id}/participants"),
        ("/api/sessions/*", "/api/sessions/{id}"),
        ("/api/sessions/5645d810", "/api/sessions/{id}"),
        ("/api/sessions/*/participants", "/api/sessions/{id}/participants"),
        ("*/participants", "/api/sessions/{id}/participants"),
        ("/api/rooms/", "/api/rooms"),
        ("/api/room?", "/api/rooms"),
        ("/api/rooms/[0-9]*", "/api/rooms/{id}"),
    ],
)
async def test_patterns_of_paths(pattern: str, template: str) -> None:
    """What can be met is taken."""
    assert can_match(pattern, template)


async def test_failures_by_chance(clock: Clock) -> None:
    """As many of the requests as asked for, for ever, and the same ones for the same seed."""

    async def failed(seed: int) -> list[int]:
        sandbox = Sandbox(limit=10_000, clock=clock, seed=seed, empty=True)
        sandbox.fail(502, chance=0.2, times=None)
        headers = {"x-api-key": sandbox.user_key}
        async with httpx.AsyncClient(transport=sandbox.transport, base_url="http://x", headers=headers) as client:
            statuses = [(await client.get("/api/rooms")).status_code for _ in range(500)]
        return [number for number, status in enumerate(statuses) if status == 502]

    found = await failed(1)
    assert 60 <= len(found) <= 140
    assert found == await failed(1) != await failed(2)


async def test_others_use_the_key(clock: Clock) -> None:
    """Their requests take places in the window, evenly spread, and are neither recorded nor counted as admitted."""
    async with Sandbox(limit=10, window=60, clock=clock, noise=(6, 60)) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:

            async def left() -> int:
                return int((await user.get("/api/rooms")).headers["ratelimit-remaining"])

            assert await left() == 9
            clock.now += 25  # two of them
            assert await left() == 6
            clock.now += 30  # three more
            assert await left() == 2
            assert (sandbox.limiter.admitted, len(sandbox.requests)) == (3, 3)
            clock.now += 86_400
            assert await left() >= 3


async def test_requests_are_typed(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A record says to which operation the request went, and what was left of the quota then."""
    await user.get("/api/sessions/none/participants")
    async with httpx.AsyncClient(base_url=sandbox.url, headers=user.headers) as unchecked:
        await unchecked.get("/api/nothing")
    first, second = sandbox.requests
    assert isinstance(first, ReceivedRequest)
    assert (first.number, first.route, first.status) == (0, "/api/sessions/{id}/participants", 404)
    assert (first.remaining, first.resets_in) == (999, 60)
    assert (second.number, second.route, second.remaining) == (1, None, 998)
