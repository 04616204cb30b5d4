"""The sandbox's time: it runs, it can be advanced, and a client that was given its clock waits in it."""

from __future__ import annotations

import asyncio
import contextvars
import math
import sys
import threading
import time
from datetime import datetime
from typing import Any

import httpx
import pytest
from sandbox.conftest import Clock

from sessions_us import UserClient
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def still(clock: Clock) -> Sandbox:
    """One whose time stands still until it is advanced."""
    return Sandbox(clock=clock, empty=True)


async def test_thirty_calls_at_ten_a_minute_take_no_minute() -> None:
    """Each window is waited for in the sandbox's time, no call is refused, and none is sent before its window."""
    async with Sandbox(limit=10, window=60) as sandbox:
        began, real = sandbox.clock.now(), time.monotonic()
        async with UserClient(sandbox.user_key, base_url=sandbox.url, clock=sandbox.clock) as user:
            calls = {asyncio.create_task(user.rooms.create(name=f"Room {number}")) for number in range(30)}
            while calls:
                done, calls = await asyncio.wait(calls, timeout=0.1)
                if not done:  # what is left waits for the quota
                    sandbox.advance(10)
                assert not [call for call in done if call.exception()]

        assert (sandbox.limiter.admitted, sandbox.limiter.refused) == (30, 0)
        at = [request.at - began for request in sandbox.requests]
        assert at[10] - at[0] >= 60
        assert at[20] - at[10] >= 60
        assert sandbox.clock.now() - began >= 120
        assert time.monotonic() - real < 60


async def test_what_is_dated_follows(still: Sandbox) -> None:
    """Objects, requests, the Date header and windows have the new time."""
    client = httpx.AsyncClient(
        transport=still.transport, base_url="http://sandbox", headers={"x-api-key": still.user_key}
    )
    async with client:
        await client.post("/api/sessions", json={"name": "Before", "startAt": "2030-01-01T09:00:00Z"})
        before = await client.get("/api/rooms")
        still.advance(90.5)
        after = await client.post("/api/sessions", json={"name": "After", "startAt": "2030-01-01T09:00:00Z"})

    (later, earlier) = (datetime.fromisoformat(row["createdAt"]) for row in still.data["sessions"])
    assert (later - earlier).total_seconds() == 90.5
    assert still.requests[-1].at - still.requests[0].at == 90.5
    assert (before.headers["ratelimit-remaining"], after.headers["ratelimit-remaining"]) == ("8", "9")
    assert before.headers["date"] == "Mon, 02 Mar 2026 06:00:00 GMT"
    assert after.headers["date"] == "Mon, 02 Mar 2026 06:01:30 GMT"


async def test_due_callbacks_are_called_in_order_each_at_its_moment(still: Sandbox) -> None:
    """Those of one moment in the order in which they were asked for; one that a callback asks for takes its place; what was
    cancelled or is not due is not called."""
    clock, called = still.clock, list[tuple[str, float]]()
    start = clock.now()

    def note(name: str) -> None:
        called.append((name, clock.now() - start))

    def again() -> None:
        note("again")
        clock.call_at(start + 7, lambda: note("seven"))

    clock.call_at(start + 9, lambda: note("nine"))
    clock.call_at(start + 5, again)
    clock.call_at(start + 8, lambda: note("cancelled")).cancel()
    clock.call_at(start + 9, lambda: note("nine too"))
    clock.call_at(start + 10.5, lambda: note("later"))
    still.advance(4)
    assert called == []

    still.advance(6)
    assert called == [("again", 5), ("seven", 7), ("nine", 9), ("nine too", 9)]
    assert clock.now() - start == 10
    still.advance(0.5)
    assert called[4:] == [("later", 10.5)]


async def test_without_advance_time_runs() -> None:
    """Callbacks come by themselves, what is due in the past at once, and an advance takes from a wait what it advances."""
    clock = (sandbox := Sandbox(empty=True)).clock
    over = [asyncio.Event() for _ in range(3)]
    start, real = clock.now(), time.monotonic()
    assert abs(start - time.time()) < 5
    clock.call_at(start + 0.05, over[0].set)
    clock.call_at(start - 1, over[1].set)
    clock.call_at(start + 1_000.05, over[2].set)
    await asyncio.wait_for(over[1].wait(), 10)
    await asyncio.wait_for(over[0].wait(), 10)
    assert 0.05 <= clock.now() - start < 10

    sandbox.advance(1_000 - (clock.now() - start))
    await asyncio.wait_for(over[2].wait(), 10)
    assert clock.now() - start >= 1_000.05
    assert time.monotonic() - real < 20


async def test_a_clock_that_stands_still_holds_its_callbacks(still: Sandbox, clock: Clock) -> None:
    """They are not called by real time, and are once the clock was moved by hand."""
    over = asyncio.Event()
    still.clock.call_at(clock.now + 0.02, over.set)
    await asyncio.sleep(0.1)
    assert not over.is_set()

    clock.now += 1
    await asyncio.wait_for(over.wait(), 10)


async def test_a_callback_has_the_context_of_its_maker_and_breaks_nobody(still: Sandbox) -> None:
    """What it raises goes to the event loop's handler, as with the loop's own timers."""
    who = contextvars.ContextVar("who", default="nobody")
    seen, failed = list[str](), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    who.set("maker")
    still.clock.call_at(still.clock.now() + 1, lambda: seen.append(who.get()))
    still.clock.call_at(still.clock.now() + 1, lambda: 1 / 0)
    still.clock.call_at(still.clock.now() + 1, lambda: seen.append("next"))
    who.set("advancer")
    still.advance(1)
    asyncio.get_running_loop().set_exception_handler(None)

    assert seen == ["maker", "next"]
    assert isinstance(failed[0]["exception"], ZeroDivisionError)


async def test_another_thread_may_advance(still: Sandbox) -> None:
    """The callback comes in the loop that waits, in its thread."""
    threads: list[threading.Thread] = []
    over = asyncio.Event()

    def called() -> None:
        threads.append(threading.current_thread())
        over.set()

    still.clock.call_at(still.clock.now() + 60, called)
    await asyncio.to_thread(still.advance, 60)
    await asyncio.wait_for(over.wait(), 10)

    assert threads == [threading.current_thread()]


def test_a_loop_that_is_gone_is_no_hindrance(still: Sandbox) -> None:
    """Who waited there waits no more; without a loop, `advance` calls."""
    called = list[str]()

    async def leave() -> None:
        still.clock.call_at(still.clock.now() + 1, lambda: called.append("gone"))

    asyncio.run(leave())
    still.clock.call_at(still.clock.now() + 2, lambda: called.append("here"))
    still.advance(5)

    assert called == ["here"]


@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan, math.inf])
async def test_time_does_not_go_back(still: Sandbox, seconds: float) -> None:
    """Nor anywhere that is no moment."""
    before = still.clock.now()
    with pytest.raises(ValueError, match="time goes on by 0 or more seconds, not by"):
        still.advance(seconds)
    assert still.clock.now() == before


async def test_time_moves_in_one_of_three_ways(still: Sandbox) -> None:
    """Whatever else is asked for changes nothing."""
    before = still.time
    with pytest.raises(ValueError, match="time must be one of runs, still, skips, not 'flies'"):
        still.time = "flies"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="time must be one of"):
        Sandbox(time="flies")  # type: ignore[arg-type]
    assert still.time == before


async def test_a_callback_may_end_the_program(still: Sandbox) -> None:
    """What ends a program goes to nobody's handler."""
    still.clock.call_at(still.clock.now() + 1, lambda: sys.exit(3))
    with pytest.raises(SystemExit):
        still.advance(1)


def test_without_a_loop_a_failure_is_the_advancers(still: Sandbox) -> None:
    """No event loop's handler could hear of it."""
    still.clock.call_at(still.clock.now() + 1, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        still.advance(1)


@pytest.mark.parametrize("start", ["2026-12-01T10:00:00.999999Z", "8900-01-01T10:00:00.123Z"])
async def test_a_start_that_clocks_round_comes_all_the_same(clock: Clock, start: str) -> None:
    """Finer than a millisecond, or so far away that a float has no milliseconds: the advance comes to its end, and the session
    starts and ends at the moments that are shown."""
    clock.now = datetime.fromisoformat(start).timestamp() - 86_400
    async with Sandbox(clock=clock, time="still", empty=True, fields="all") as sandbox:
        headers = {"x-api-key": sandbox.user_key}
        async with httpx.AsyncClient(base_url=sandbox.url, headers=headers) as user:
            plans = [{"startAt": start, "plannedEnd": start.replace(":00:00", f":{n:02}:00")} for n in range(9)]
            made = [(await user.post("/api/sessions", json={"name": "Fine", **plan})).json() for plan in plans]
            assert (await user.post("/_sandbox/clock", json={"seconds": 864_000})).status_code == 200
        rows = {row["id"]: row for row in sandbox.data["sessions"]}
    for each in made:
        assert (rows[each["id"]]["actualStart"], rows[each["id"]]["endedAt"]) == (each["startAt"], each["plannedEnd"])
