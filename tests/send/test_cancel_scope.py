"""`with_options(abort_on=…)`: calls end when nobody waits for them any more, and nothing stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.interrupted import Interposed
from support.scripted import Numbered, Say, Scripted
from support.waiting import until

from sessions_us import (
    CallAbandonedError,
    ConfigurationError,
    Quota,
    RateLimitedError,
    RetryPolicy,
    SQLiteStore,
    UserClient,
)

pytestmark = pytest.mark.anyio

Call = Callable[[UserClient], Awaitable[object]]
CALLS: dict[str, Call] = {
    "read": lambda user: user.rooms.get("r1"),
    "write": lambda user: user.rooms.update("r1", name="n"),
    "page": lambda user: user.rooms.list().collect(limit=1),
}


@asynccontextmanager
async def held(limit: int, **options: Any) -> AsyncIterator[tuple[UserClient, Numbered]]:
    """A client of a server that holds its answers back, and allows so many requests an hour."""
    async with Numbered(held=True) as server:
        server.headers = {
            "ratelimit-limit": str(limit), "ratelimit-remaining": str(limit - 1), "ratelimit-reset": "3600"
        }  # fmt: skip
        quota = {"quota": Quota(limit, 3600.0)}
        async with UserClient(f"k-{uuid4()}", base_url=server.url, **{**quota, **options}) as user:
            try:
                yield user, server
            finally:
                server.release()


def left(user: UserClient) -> tuple[int, int]:
    """How many calls wait, and how many are in flight."""
    snapshot = user.quota.snapshot()
    return sum(snapshot.waiting.values()), snapshot.in_flight


def nobody() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("call", CALLS)
async def test_what_waits_leaves_the_queue(call: str, shared: bool, tmp_path: Path) -> None:
    """With an error that says why, and nothing is sent; in one process and with a store that several use."""
    quota = Quota(1, 3600.0, store=SQLiteStore(tmp_path / "quota.db") if shared else None)
    async with held(1, quota=quota) as (user, server):
        first = asyncio.create_task(user.rooms.get("first"))
        await until(lambda: server.arrived)
        abort_on = nobody()
        second = asyncio.ensure_future(CALLS[call](user.with_options(abort_on=abort_on)))
        await until(lambda: left(user)[0] == 1)
        abort_on.set_result(None)
        with pytest.raises(CallAbandonedError, match="nobody waits"):
            await asyncio.wait_for(second, 20)

        assert left(user) == (0, 1)
        server.release()
        await first
        assert server.requests == ["GET /api/rooms/first"]


@pytest.mark.parametrize("call", CALLS)
async def test_nothing_begins_for_nobody(call: str) -> None:
    """A call whose visitor has left already is refused before anything is sent, though there is quota."""
    async with held(10) as (user, server):
        abort_on = nobody()
        abort_on.set_result(None)
        with pytest.raises(CallAbandonedError, match="nobody waits"):
            await asyncio.wait_for(CALLS[call](user.with_options(abort_on=abort_on)), 20)

        assert (server.requests, left(user)) == ([], (0, 0))


async def test_a_write_in_flight_goes_on() -> None:
    """The one could leave a doubt behind; the other only costs."""
    for call, outcome in (("write", "Room"), ("read", "CallAbandonedError")):
        async with held(10) as (user, server):
            abort_on = nobody()
            task = asyncio.ensure_future(CALLS[call](user.with_options(abort_on=abort_on)))
            await until(lambda: server.arrived)
            abort_on.set_result(None)
            if call == "read":
                await until(lambda: server.gone)
            server.release()
            (ended,) = await asyncio.gather(task, return_exceptions=True)

            assert type(ended).__name__ == outcome
            assert (server.gone, left(user)) == (int(call == "read"), (0, 0))


async def test_the_caller_can_still_be_cancelled() -> None:
    """That is told as what it is, also when both happen at once."""
    for both in (False, True):
        async with held(1) as (user, server):
            abort_on = nobody()
            first = asyncio.create_task(user.rooms.get("first"))
            await until(lambda: server.arrived)
            task = asyncio.ensure_future(CALLS["write"](user.with_options(abort_on=abort_on)))
            await until(lambda: left(user)[0] == 1)
            if both:
                abort_on.set_result(None)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert left(user) == (0, 1)
            server.release()
            await first


async def test_no_write_is_repeated_for_nobody() -> None:
    """It was sent, so the caller gets its failure."""
    async with Scripted(Say(429, None, {"retry-after": "0.2"}), Say(200, {"id": "r1"})) as server:
        async with UserClient(f"k-{uuid4()}", base_url=server.url, retries=RetryPolicy(attempts=3)) as user:
            abort_on = nobody()
            task = asyncio.ensure_future(CALLS["write"](user.with_options(abort_on=abort_on)))
            await until(lambda: server.arrived)
            abort_on.set_result(None)
            with pytest.raises(RateLimitedError):
                await task
        assert len(server.arrived) == 1


async def test_the_visitor_may_leave_at_any_step() -> None:
    """At every step of a call: it ends one way or the other, and leaves no lease, no place and no flight."""
    outcomes: set[str] = set()
    async with Scripted(Say(200, [{"id": "r1", "name": "n"}])) as server:
        for call in CALLS:
            for step in range(40):
                async with UserClient(f"k-{uuid4()}", base_url=server.url) as user:
                    abort_on = nobody()
                    leaving = Interposed(
                        CALLS[call](user.with_options(abort_on=abort_on)), step, partial(abort_on.set_result, None)
                    )
                    (outcome,) = await asyncio.gather(_awaited(leaving), return_exceptions=True)
                    outcomes.add(type(outcome).__name__)
                    await until(lambda: left(user) == (0, 0))
                    assert await user.rooms.get("again")
                if not abort_on.done():
                    break
            else:
                raise AssertionError("the call has more steps than were tried")
    assert outcomes == {"Room", "list", "CallAbandonedError"}


async def _awaited(step: Awaitable[object]) -> object:
    return await step


@pytest.mark.parametrize("value", [5.0, "soon", True])
def test_it_is_a_future(value: Any) -> None:
    """Anything else is refused where it is given."""
    with pytest.raises(ConfigurationError, match=r"abort_on is an asyncio\.Future"):
        UserClient("k").with_options(abort_on=value)
