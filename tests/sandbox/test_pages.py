"""Pages of 20, over HTTP."""

from __future__ import annotations

import sys
from types import FrameType

import httpx
import pytest

from sessions_us.sandbox import Sandbox

from .conftest import Clock

pytestmark = pytest.mark.anyio
LISTS = {
    "/api/booking-pages": 25,
    "/api/bookings": 34,
    "/api/rooms": 23,
    "/api/sessions": 47 + 25 + 34,
    "/api/events": 25,
}


async def rows(client: httpx.AsyncClient, path: str, page: object) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await client.get(path, params={} if page is None else {"page": str(page)})).json()
    return found


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_comes_in_pages_of_twenty(user: httpx.AsyncClient, path: str) -> None:
    """Pages from 1, each row once, the rest on the last, nothing past the end; none and 0 are the first page."""
    count = LISTS[path]
    pages = [await rows(user, path, number) for number in range(1, count // 20 + 3)]
    assert [len(page) for page in pages] == [20] * (count // 20) + [count % 20, 0]
    assert len({row["id"] for page in pages for row in page}) == count
    assert await rows(user, path, None) == await rows(user, path, 0) == pages[0]


@pytest.mark.parametrize("path", ["/api/sessions", "/api/booking-pages"])
async def test_the_newest_comes_first(user: httpx.AsyncClient, path: str) -> None:
    """By the time of making."""
    made = [str(row["createdAt"]) for number in (1, 2) for row in await rows(user, path, number)]
    assert made == sorted(made, reverse=True)


async def test_of_the_same_moment_the_later_comes_first(user: httpx.AsyncClient) -> None:
    """The clock stands still here."""
    for name in ("first", "second"):
        await user.post("/api/rooms", json={"name": name})
    assert [row["name"] for row in (await rows(user, "/api/rooms", 1))[:2]] == ["second", "first"]


@pytest.mark.parametrize("page", ["-1", "one", "1.0", "٣", "%ff"])
async def test_a_page_is_a_number(user: httpx.AsyncClient, page: str) -> None:
    """400 for anything else."""
    assert (await user.get("/api/rooms", params={"page": page})).status_code == 400


async def test_a_page_far_behind_the_end_is_empty(user: httpx.AsyncClient) -> None:
    """However long its number; zeros in front of one do not matter."""
    assert (await user.get("/api/rooms", params={"page": "9" * 5000})).json() == []
    third = await user.get("/api/rooms", params={"page": "0" * 30 + "2"})
    assert third.json() == await rows(user, "/api/rooms", 2)


async def test_pages_may_count_from_zero(clock: Clock) -> None:
    """With page_base=0, 1 is the second page."""
    async with Sandbox(page_base=0, clock=clock) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            assert await rows(user, "/api/rooms", None) == await rows(user, "/api/rooms", 0)
            assert len(await rows(user, "/api/rooms", 1)) == 3


async def test_the_same_seed_makes_the_same_data_and_other_keys(clock: Clock) -> None:
    """With the same clock; another seed makes other data; an empty sandbox has none, but for the colleague's page."""

    async def data(sandbox: Sandbox) -> list[object]:
        headers = {"x-api-key": sandbox.user_key}
        async with httpx.AsyncClient(transport=sandbox.transport, base_url="http://sandbox", headers=headers) as user:
            return [(await user.get(path)).json() for path in LISTS]

    first, again, other = Sandbox(clock=clock), Sandbox(clock=clock), Sandbox(clock=clock, seed=2)
    assert await data(first) == await data(again) != await data(other)
    assert len({first.user_key, first.guest_key, again.user_key, again.guest_key}) == 4
    empty = Sandbox(clock=clock, empty=True)
    assert await data(empty) == [[]] * len(LISTS)
    headers = {"x-api-key": empty.user_key}
    async with httpx.AsyncClient(transport=empty.transport, base_url="http://sandbox", headers=headers) as user:
        assert (await user.get(f"/api/booking-pages/{empty.team_page_id}")).json()["name"] == "Team intro"


async def test_a_page_costs_the_same_among_many(clock: Clock) -> None:
    """Rows that are not on the page are neither sorted again nor serialized: the calls of functions are counted."""

    async def calls(sessions: int) -> int:
        rows = [{"id": f"s{number}", "name": f"Session {number}"} for number in range(sessions)]
        sandbox = Sandbox(limit=1000, clock=clock, empty=True, data={"sessions": rows})
        headers = {"x-api-key": sandbox.user_key}
        async with httpx.AsyncClient(transport=sandbox.transport, base_url="http://sandbox", headers=headers) as user:
            await rows_of(user)  # the list is sorted
            counted = 0

            def count(frame: FrameType, event: str, argument: object) -> None:
                nonlocal counted
                counted += event == "call"

            sys.setprofile(count)
            try:
                await rows_of(user)
            finally:
                sys.setprofile(None)
        return counted

    async def rows_of(user: httpx.AsyncClient) -> None:
        assert len((await user.get("/api/sessions")).json()) == 20

    few, many = await calls(40), await calls(4000)
    assert many <= few * 1.1
