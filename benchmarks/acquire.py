"""What a place in the quota costs beside aiolimiter's: CPU time, in turns, in one run, in virtual time.

Both hold to 10 requests per 60 seconds, which pass at once here. Ours is the
whole of `acquire` and `done`, with the headers of a draft-6 server: it charges the very bucket of aiolimiter's that it is
compared with. Only the ratios mean anything; machines differ and are shared.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any

from aiolimiter import AsyncLimiter

from benchmarks.figures import Figure
from sessions_us.quota import Limiter, Quota
from sessions_us.quota.clock import LoopClock

__all__ = ("measure",)

LIMIT, WINDOW = 10, 60.0
BETWEEN = 6.5  # seconds between two requests that need not wait
CALLERS = 200
SLOW = "the least of all turns belongs to this machine; a busy one takes half as long again"
MORE = "aiolimiter adds two numbers; ours charges the same bucket, decides on window and lanes, and reads the answer's headers"
Run = Callable[[], Coroutine[Any, Any, int]]  # gives how many requests it made


class VirtualTime(selectors.DefaultSelector):
    """Virtual time: where the loop would sleep until its next timer, time jumps there."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self.now += max(timeout, 1e-6)
        return super().select(0)


class WindowServer:
    """A window that starts with the first request after the last one ended, told in the headers of draft 6."""

    def __init__(self) -> None:
        self.ends, self.used = 0.0, 0

    def headers(self, now: float) -> list[tuple[str, str]]:
        if now >= self.ends:
            self.ends, self.used = now + WINDOW, 0
        self.used += 1
        assert self.used <= LIMIT, "this would have been a 429"
        return [
            ("date", "Mon, 04 May 2026 09:00:00 GMT"),
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", "1234"),
            ("connection", "keep-alive"),
            ("x-request-id", "5f0c3a52"),
            ("ratelimit-policy", f"{LIMIT};w={WINDOW:.0f}"),
            ("ratelimit-limit", f"{LIMIT}"),
            ("ratelimit-remaining", f"{LIMIT - self.used}"),
            ("ratelimit-reset", f"{self.ends - now:.0f}"),
        ]


async def each(clock: VirtualTime) -> dict[str, Run]:
    """Requests that need not wait, one at a time. A second of them stands for the loop and its headers alone."""
    bucket, limiter, server = (
        AsyncLimiter(LIMIT, WINDOW),
        Limiter(Quota(LIMIT, WINDOW), clock=clock_of(clock)),
        WindowServer(),
    )
    many = 300

    async def nothing() -> int:
        for _ in range(many):
            clock.now += BETWEEN
            server.headers(clock.now)
        return many

    async def theirs() -> int:
        for _ in range(many):
            clock.now += BETWEEN
            server.headers(clock.now)
            await bucket.acquire()
        return many

    async def ours() -> int:
        for _ in range(many):
            clock.now += BETWEEN
            lease = await limiter.acquire(lane="interactive", deadline=None)
            await lease.done(200, server.headers(clock.now))
        return many

    return {"nothing": nothing, "aiolimiter": theirs, "sessions-us": ours}


async def crowd(clock: VirtualTime) -> dict[str, Run]:
    """Requests of which nearly all wait, as those of a busy client do: a task each, all at once, twenty windows long."""

    async def together(one: Callable[[], Coroutine[Any, Any, None]]) -> int:
        clock.now += 10 * WINDOW
        await asyncio.gather(*(one() for _ in range(CALLERS)))
        return CALLERS

    async def nothing() -> int:
        server = WindowServer()

        async def one() -> None:
            clock.now += WINDOW
            server.headers(clock.now)

        return await together(one)

    async def theirs() -> int:
        server, bucket = WindowServer(), AsyncLimiter(LIMIT, WINDOW)

        async def one() -> None:
            await bucket.acquire()
            server.used = 0  # it would get 429s
            server.headers(clock.now)

        return await together(one)

    async def ours() -> int:
        server, limiter = WindowServer(), Limiter(Quota(LIMIT, WINDOW), clock=clock_of(clock))

        async def one() -> None:
            lease = await limiter.acquire(lane="interactive", deadline=None)
            await lease.done(200, server.headers(clock.now))

        return await together(one)

    return {"nothing": nothing, "aiolimiter": theirs, "sessions-us": ours}


def clock_of(clock: VirtualTime) -> LoopClock:
    return LoopClock(lambda: clock.now)


def least(state: Callable[[VirtualTime], Coroutine[Any, Any, dict[str, Run]]], rounds: int) -> dict[str, float]:
    """The least CPU microseconds for a request of each, in turns, so that noise hits all alike."""
    clock = VirtualTime()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    best: dict[str, float] = {}
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runs = runner.run(state(clock))
        for run in runs.values():
            runner.run(run())
        gc.collect()
        gc.disable()  # its pauses belong to whoever happens to run
        for _ in range(rounds):
            for name, run in runs.items():
                before = time.process_time()
                requests = runner.run(run())
                took = (time.process_time() - before) / requests * 1e6
                best[name] = min(took, best.get(name, took))
        gc.enable()
    idle = best.pop("nothing")
    return {name: took - idle for name, took in best.items()}


def measure(quick: bool) -> list[Figure]:
    """The figures of a place in the quota."""
    figures = []
    for crowded, title, state in (
        (False, "acquire + done, nobody waits", each),
        (True, f"acquire + done, {CALLERS} callers at once", crowd),
    ):
        took = least(state, 30 if quick else 150)
        theirs, ours = took["aiolimiter"], took["sessions-us"]
        figures.append(Figure(title, ours, "µs", None if crowded else 40, {"aiolimiter": theirs}, SLOW))
        figures.append(Figure(f"{title}, against aiolimiter", ours / theirs, "ratio", 5, why=MORE))
    return figures
