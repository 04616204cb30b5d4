"""The limit, per key, in each family of headers, over HTTP with a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

import httpx
import pytest

from sessions_us.sandbox import HeaderFamily, Sandbox
from sessions_us.sandbox.limits import HEADER_FAMILIES

from .conftest import Clock

pytestmark = pytest.mark.anyio
FIXED: tuple[HeaderFamily, ...] = ("x-ratelimit", "x-rate-limit", "epoch", "draft-6", "draft-7", "draft-8", "none")


@asynccontextmanager
async def asking(
    clock: Clock, headers: HeaderFamily, *, limit: int = 3, window: float = 60.0, retry_after: bool | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, Sandbox]]:
    sandbox = Sandbox(limit=limit, window=window, headers=headers, retry_after=retry_after, clock=clock, empty=True)
    async with sandbox, httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as client:
        yield client, sandbox


def limits(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if "limit" in name or "retry" in name}


@pytest.mark.parametrize("family", FIXED)
async def test_a_fixed_window_opens_with_the_first_request(clock: Clock, family: HeaderFamily) -> None:
    """Three pass, the fourth and fifth do not, however late in the window; at its end three pass again."""
    async with asking(clock, family) as (client, sandbox):
        clock.now += 0.7
        statuses = []
        for wait in (0, 30, 29, 0, 0.9, 0.1, 0, 0, 0):
            clock.now += wait
            statuses.append((await client.get("/api/rooms")).status_code)
        assert statuses == [200, 200, 200, 429, 429, 200, 200, 200, 429]
        assert (sandbox.limiter.admitted, sandbox.limiter.refused) == (6, 3)


EXPECTED: dict[HeaderFamily, dict[str, str]] = {
    "nestjs": {"x-ratelimit-limit": "3", "x-ratelimit-remaining": "1", "x-ratelimit-reset": "54"},
    "x-ratelimit": {"x-ratelimit-limit": "3", "x-ratelimit-remaining": "1", "x-ratelimit-reset": "54"},
    "x-rate-limit": {"x-rate-limit-limit": "3", "x-rate-limit-remaining": "1", "x-rate-limit-reset": "54"},
    "epoch": {"x-ratelimit-limit": "3", "x-ratelimit-remaining": "1", "x-ratelimit-reset": "1772431260"},
    "draft-6": {
        "ratelimit-policy": "3;w=60",
        "ratelimit-limit": "3",
        "ratelimit-remaining": "1",
        "ratelimit-reset": "54",
    },
    "draft-7": {"ratelimit-policy": "3;w=60", "ratelimit": "limit=3, remaining=1, reset=54"},
    "draft-8": {"ratelimit-policy": '"api"; q=3; w=60; pk=:…:', "ratelimit": '"api"; r=1; t=54'},
    "none": {},
}


@pytest.mark.parametrize("family", HEADER_FAMILIES)
async def test_the_headers_tell_what_is_left(clock: Clock, family: HeaderFamily) -> None:
    """The second of three requests, 6.3 s into the window: 53.7 s are left, told as 54 (or as the moment of the end)."""
    async with asking(clock, family) as (client, _):
        await client.get("/api/rooms")
        clock.now += 6.3
        answer = await client.get("/api/rooms")
        told = limits(answer)
        if family == "draft-8":
            policy, partition, _ = told["ratelimit-policy"].split(":")
            assert len(partition) >= 12
            told["ratelimit-policy"] = f"{policy}:…:"
        assert told == EXPECTED[family]
        assert parsedate_to_datetime(answer.headers["date"]).timestamp() == int(clock.now)
        assert answer.headers.get_list("date") == [answer.headers["date"]]


@pytest.mark.parametrize("family", HEADER_FAMILIES)
async def test_a_refusal_tells_what_the_named_server_tells(clock: Clock, family: HeaderFamily) -> None:
    """Body, media type and headers of a 429, 6.3 s into the window."""
    async with asking(clock, family) as (client, sandbox):
        for _ in range(3):
            await client.get("/api/rooms")
        clock.now += 6.3
        answer = await client.get("/api/rooms")
        assert answer.status_code == sandbox.requests[-1].status == 429
        told = limits(answer)
        if family == "nestjs":
            assert told == {"retry-after": "60"}
            assert answer.json() == {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"}
        elif family in ("x-rate-limit", "none"):
            assert "retry-after" not in told
            assert answer.json()["statusCode"] == 429
        else:
            assert told["retry-after"] == "54"
            if family == "x-ratelimit":
                assert answer.json()["message"] == "Rate limit exceeded, retry in 54 seconds"
            else:
                assert answer.text.startswith("Too many requests")
        assert any("0" in value for name, value in told.items() if "remaining" in name) or family in (
            "nestjs",
            "draft-7",
            "draft-8",
            "none",
        )


@pytest.mark.parametrize("family", HEADER_FAMILIES)
@pytest.mark.parametrize("told", [True, False])
async def test_retry_after_is_told_or_not(clock: Clock, family: HeaderFamily, told: bool) -> None:
    """Whatever the family does by itself."""
    async with asking(clock, family, limit=1, retry_after=told) as (client, _):
        first, second = await client.get("/api/rooms"), await client.get("/api/rooms")
        assert "retry-after" not in first.headers
        assert second.headers.get("retry-after") == ("60" if told else None)


async def test_nestjs_enforces_a_log_behind_its_window(clock: Clock) -> None:
    """A slot frees when its own request is a window old, not when the announced window ends."""
    async with asking(clock, "nestjs") as (client, _):
        remaining, resets = [], []
        for wait in (0, 50, 0, 10, 50):
            clock.now += wait
            answer = await client.get("/api/rooms")
            remaining.append(answer.headers["x-ratelimit-remaining"])
            resets.append(answer.headers["x-ratelimit-reset"])
        assert remaining == ["2", "1", "0", "0", "1"]
        assert resets == ["60", "10", "10", "60", "10"]


async def test_nestjs_blocks_for_a_whole_window_from_the_violation(clock: Clock) -> None:
    """What is sent meanwhile neither passes nor prolongs it; afterwards the whole limit is there."""
    async with asking(clock, "nestjs") as (client, sandbox):
        answers = []
        for wait in (0, 0, 0, 30, 30, 29.5, 0.4997, 0, 0, 0):  # whole milliseconds count
            clock.now += wait
            answer = await client.get("/api/rooms")
            answers.append(answer.headers.get("retry-after", answer.status_code))
        assert answers == [200, 200, 200, "60", "30", "1", 200, 200, 200, "60"]
        assert sandbox.limiter.refused == 4


async def test_each_key_has_its_own_window(clock: Clock) -> None:
    """The guest is not served less because the user was served."""
    async with asking(clock, "draft-6", limit=1) as (client, sandbox):
        as_guest = {"x-api-key": sandbox.guest_key}
        assert (await client.get("/api/rooms")).status_code == 200
        assert (await client.get("/api/rooms")).status_code == 429
        assert (await client.get("/api/rooms", headers=as_guest)).status_code == 403
        assert (await client.get("/api/rooms", headers=as_guest)).status_code == 429


@pytest.mark.parametrize("family", ["draft-6", "nestjs"])
async def test_refusals_of_other_kinds_count(clock: Clock, family: HeaderFamily) -> None:
    """400, 404 and 403 use up the limit and tell of it; an unknown path does not where guards don't see it."""
    async with asking(clock, family, limit=10) as (client, _):
        prefix = "ratelimit" if family == "draft-6" else "x-ratelimit"
        left = []
        for method, path in (("POST", "/api/rooms"), ("GET", "/api/rooms/x"), ("GET", "/api/x"), ("GET", "/api/rooms")):
            left.append((await client.request(method, path)).headers.get(f"{prefix}-remaining"))
        assert left == (["9", "8", "7", "6"] if family == "draft-6" else ["9", "8", None, "7"])


async def test_a_window_may_be_short(clock: Clock) -> None:
    """A fraction of a second is told rounded up."""
    async with asking(clock, "draft-7", limit=1, window=2.5) as (client, sandbox):
        assert limits(await client.get("/api/rooms"))["ratelimit-policy"] == "1;w=3"
        clock.now += 2.49
        assert (await client.get("/api/rooms")).status_code == 429
        clock.now += 0.02
        assert (await client.get("/api/rooms")).status_code == 200
        sandbox.limiter.reset()
        assert (await client.get("/api/rooms")).status_code == 200


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 0},
        {"window": 0},
        {"window": float("nan")},
        {"headers": "x"},
        {"page_base": 2},
        {"latency": (2, 1)},
        {"empty": "no"},
        {"retry_after": "no"},
        {"host": ""},
    ],
)
async def test_options_must_make_sense(options: dict[str, object]) -> None:
    """ValueError naming the option."""
    with pytest.raises(ValueError, match=next(iter(options))):
        Sandbox(**options)  # type: ignore[arg-type]
