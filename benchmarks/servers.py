"""Servers that limit requests, each by a limiter that others wrote and with the headers of a server that exists.

They run behind uvicorn on loopback, in a process of their own, each kind on a port of its own and with a count for each key.
What was admitted and what got a 429 is in their logs. Only `nest` counts with code of this project: @nestjs/throttler as the
sandbox has it, rebuilt from its source, for it has no counterpart in Python.

Also a program: `python -m benchmarks.servers` reads one line of JSON, writes one with the addresses, and ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import httpx
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from throttled.asyncio import MemoryStore, Throttled
from throttled.rate_limiter import per_duration

from sessions_us.sandbox.limits import ServerLimit as Nest
from sessions_us.sandbox.server import LoopbackServer

__all__ = ("KINDS", "ROOT", "Hit", "Servers", "Speed")

ROOT = Path(__file__).resolve().parents[1]

Headers = dict[str, str]
Take = Callable[[str], Awaitable[tuple[bool, Headers]]]
"""Counts one request of a key: whether it is admitted, and the headers that say so."""


class Speed(NamedTuple):
    """What the servers allow, and how far away they are.

    Attributes:
        limit, window: requests per so many whole seconds.
        nearest, farthest: seconds of latency each way, drawn for each way, so that requests overtake each other.
    """

    limit: int = 10
    window: int = 60
    nearest: float = 0.05
    farthest: float = 0.1


class Hit(NamedTuple):
    """One line of a server's log: when it counted a request, in epoch seconds, and whether it admitted it."""

    at: float
    admitted: bool


class _Admission(NamedTuple):
    """`reset`: seconds until there is more; `retry`: until a refused request would be admitted."""

    admitted: bool
    remaining: int
    reset: float
    retry: float


_Counter = Callable[[str], Awaitable[_Admission]]


# -- what counts -------------------------------------------------------------------------------------------------------


def _limits(strategy: type[RateLimiter], speed: Speed) -> _Counter:
    limiter, item = strategy(MemoryStorage()), RateLimitItemPerSecond(speed.limit, speed.window)

    async def count(key: str) -> _Admission:
        admitted = await limiter.hit(item, key)
        stats = await limiter.get_window_stats(item, key)
        left = max(0.0, stats.reset_time - time.time())
        return _Admission(admitted, stats.remaining, left, left)

    return count


def _throttled(using: str, speed: Speed) -> _Counter:
    quota = per_duration(timedelta(seconds=speed.window), speed.limit)
    limiter = Throttled(using=using, quota=quota, store=MemoryStore())

    async def count(key: str) -> _Admission:
        result = await limiter.limit(key)
        state = result.state
        return _Admission(not result.limited, int(state.remaining), state.reset_after, state.retry_after)

    return count


def _nest(speed: Speed) -> Take:
    limiter = Nest(speed.limit, speed.window, "nestjs")

    async def take(key: str) -> tuple[bool, Headers]:
        verdict = limiter.take(key, time.time())
        return verdict.admitted, verdict.headers

    return take


# -- how it is told ----------------------------------------------------------------------------------------------------


def _delta(prefix: str, rounded: Callable[[float], int], counter: _Counter, speed: Speed, policy: bool = False) -> Take:
    """Seconds until the reset."""

    async def take(key: str) -> tuple[bool, Headers]:
        count = await counter(key)
        headers = {f"{prefix}-Policy": f"{speed.limit};w={speed.window}"} if policy else {}
        headers |= _three(prefix, speed, count, rounded(count.reset))
        if not count.admitted:
            headers["Retry-After"] = str(rounded(count.retry))
        return count.admitted, headers

    return take


def _epoch(counter: _Counter, speed: Speed) -> Take:
    """The reset as a moment on the server's clock, which its `Date` tells."""

    async def take(key: str) -> tuple[bool, Headers]:
        count = await counter(key)
        headers = _three("X-RateLimit", speed, count, math.ceil(time.time() + count.reset))
        if not count.admitted:
            headers["Retry-After"] = str(math.ceil(count.retry))
        return count.admitted, headers

    return take


def _silent(counter: _Counter) -> Take:
    async def take(key: str) -> tuple[bool, Headers]:
        return (await counter(key)).admitted, {}

    return take


def _three(prefix: str, speed: Speed, count: _Admission, reset: int) -> Headers:
    values = str(speed.limit), str(count.remaining), str(reset)
    return dict(zip((f"{prefix}-Limit", f"{prefix}-Remaining", f"{prefix}-Reset"), values, strict=True))


def _plain(rounded: Callable[[float], int], counter: Callable[[Speed], _Counter]) -> Callable[[Speed], Take]:
    return lambda speed: _delta("X-RateLimit", rounded, counter(speed), speed)


def _fixed(speed: Speed) -> _Counter:
    return _limits(FixedWindowRateLimiter, speed)


def _moving(speed: Speed) -> _Counter:
    return _limits(MovingWindowRateLimiter, speed)


def _sliding(speed: Speed) -> _Counter:
    return _limits(SlidingWindowCounterRateLimiter, speed)


def _gcra(speed: Speed) -> _Counter:
    return _throttled("gcra", speed)


KINDS: dict[str, Callable[[Speed], Take]] = {
    "draft-6": lambda speed: _delta("RateLimit", math.ceil, _fixed(speed), speed, policy=True),
    "legacy": lambda speed: _epoch(_fixed(speed), speed),
    "nest": _nest,
    "none": lambda speed: _silent(_fixed(speed)),
    "aligned": _plain(math.ceil, lambda speed: _throttled("fixed_window", speed)),
    "counter": _plain(math.ceil, _sliding),
    "moving": _plain(math.ceil, _moving),
    "gcra": _plain(math.ceil, _gcra),
    "floor": _plain(math.floor, _fixed),
    "counter-floor": _plain(math.floor, _sliding),
    "moving-floor": _plain(math.floor, _moving),
    "gcra-floor": _plain(math.floor, _gcra),
}
"""A window that opens with the first request (`limits`), told in two families, not at all, and rounded down; NestJS; a window
that the clock cuts (throttled-py, which knows whole seconds only); and what slides: a weighted counter and a log (`limits`), and
a bucket that refills one by one (throttled-py), each rounded up and down."""


# -- serving -----------------------------------------------------------------------------------------------------------


def _app(take: Take, speed: Speed, log: defaultdict[str, list[Hit]]) -> Starlette:
    async def limited(request: Request) -> Response:
        headers = request.headers
        key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        await asyncio.sleep(random.uniform(speed.nearest, speed.farthest))
        admitted, said = await take(key)
        log[key].append(Hit(time.time(), admitted))
        said["Date"] = formatdate(usegmt=True)
        await asyncio.sleep(random.uniform(speed.nearest, speed.farthest))
        if admitted:
            return JSONResponse({"path": request.url.path}, headers=said)
        return JSONResponse({"message": "Too Many Requests"}, 429, said)

    async def told(request: Request) -> Response:
        return JSONResponse(log)

    return Starlette(routes=[Route("/api/{path:path}", limited), Route("/log", told)])


async def _serve(kinds: Sequence[str], speed: Speed) -> None:
    servers = {
        kind: LoopbackServer(_app(KINDS[kind](speed), speed, defaultdict(list)), "127.0.0.1", 0) for kind in kinds
    }
    for server in servers.values():
        await server.start()
    print(json.dumps({kind: server.url for kind, server in servers.items()}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for server in servers.values():
        await server.stop()


class Servers:
    """Servers of several kinds, in one process that ends with the context.

    Args:
        kinds: of `KINDS`.
        speed: what they allow.

    Attributes:
        urls: where each kind listens.
    """

    def __init__(self, kinds: Sequence[str], speed: Speed) -> None:
        self.kinds, self.speed = kinds, speed
        self.urls: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        program = sys.executable, "-m", "benchmarks.servers"
        self._process = await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe, cwd=ROOT)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([self.kinds, self.speed]).encode() + b"\n")
        try:
            async with asyncio.timeout(30):
                self.urls = json.loads(await self._process.stdout.readline())
        except BaseException:
            self._process.kill()
            await self._process.wait()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.communicate(b"")  # the end of its input is its own

    async def log(self, kind: str) -> dict[str, list[Hit]]:
        """What a server counted, for each key, in the order in which it did."""
        async with httpx.AsyncClient(base_url=self.urls[kind]) as client:
            told: dict[str, list[list[float]]] = (await client.get("/log")).raise_for_status().json()
        return {key: [Hit(at, bool(admitted)) for at, admitted in hits] for key, hits in told.items()}


if __name__ == "__main__":
    kinds, numbers = json.loads(sys.stdin.readline())
    asyncio.run(_serve(kinds, Speed(*numbers)))
