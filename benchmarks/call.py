"""What calls cost: sent, from the cache, asked for by many at once, and after many others.

A call is one object or a page of 20, decoded, with the quota, single flight and events;
raw httpx gives dictionaries, and waits for nobody. Only the ratios mean anything; machines differ and are shared.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack

import httpx

from benchmarks.clients import CLIENTS, QUOTA, RAW
from benchmarks.figures import Figure
from benchmarks.loopback import KEY, serving
from benchmarks.turns import Work, in_turns
from sessions_us import UserClient

__all__ = ("measure",)

LEARNT = 1_000_000
BLOCK = 100


async def measure(quick: bool) -> list[Figure]:
    """The figures of one call."""
    return [*await sent(quick), await copied(quick), await identical(), await grown(quick)]


async def sent(quick: bool) -> list[Figure]:
    """Calls that are sent, beside those of other clients."""
    figures = []
    turns = 20 if quick else 200
    for kind, rows, goals in (("short", "", (1.10, 1.30)), ("flat", " of a dozen fields", (None, None))):
        with serving(kind) as url:
            async with AsyncExitStack() as stack:
                reads = {name: await stack.enter_async_context(make(url)) for name, make in CLIENTS.items()}
                one = await in_turns({name: each.one for name, each in reads.items()}, turns=turns, block=5)
                page = await in_turns({name: each.page for name, each in reads.items()}, turns=turns, block=5)
        figures.append(_against_raw(f"one call: an object{rows}", one, goals[0]))
        figures.append(_against_raw(f"one call: a page of 20 objects{rows}", page, goals[1]))
    return figures


def _against_raw(work: str, took: dict[str, float], goal: float | None) -> Figure:
    base = took.pop(RAW)
    ours = took.pop("sessions-us")
    beside = {name: each / base for name, each in took.items()}
    why = (
        f"{ours - base:.0f} µs beyond the {base:.0f} of raw httpx are spent on quota, single flight, events and models"
    )
    return Figure(work, ours / base, "ratio", goal, beside, why)


async def copied(quick: bool) -> Figure:
    """One object from the cache of the process."""
    with serving() as url:
        async with UserClient(KEY, base_url=url, quota=QUOTA, cache_ttl=3600) as user:
            works: dict[str, Work] = {"copy": lambda: user.sessions.get("s1")}
            took = await in_turns(works, turns=30 if quick else 200, block=20)
    return Figure("a copy from the cache, one object, decoded", took["copy"], "µs", 100)


async def identical() -> Figure:
    """How often a hundred identical reads are sent."""
    with serving() as url:
        async with UserClient(KEY, base_url=url, quota=QUOTA) as user, httpx.AsyncClient() as other:
            await asyncio.gather(*(user.sessions.get("s1") for _ in range(100)))
            served = int((await other.get(f"{url}/served")).text)
    return Figure("100 identical reads at once: requests sent", served, "count", 1)


class Stub(httpx.AsyncBaseTransport):
    """Answers at once, and tells a high limit."""

    def __init__(self) -> None:
        self._left = LEARNT

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        told = {"limit": f"{LEARNT}", "remaining": f"{self._left}", "reset": "60"}
        return httpx.Response(
            200, headers={f"ratelimit-{name}": each for name, each in told.items()}, json={"id": "s1"}
        )


async def grown(quick: bool) -> Figure:
    """A call after many others in a window whose limit the server told, against the first ones."""
    many = 20_000 if quick else 50_000
    blocks = []
    began = time.monotonic()
    async with UserClient(KEY, base_url="http://127.0.0.1", transport=Stub()) as user:
        for _ in range(many // BLOCK):
            before = time.process_time()
            for _ in range(BLOCK):
                await user.sessions.get("s1")
            blocks.append(time.process_time() - before)
    if (took := time.monotonic() - began) > 60:
        print(f"The calls took {took:.0f} s, more than the window: growth is told too low.", flush=True)
    tenth = len(blocks) // 10
    first, last = (statistics.quantiles(part, n=4)[0] for part in (blocks[:tenth], blocks[-tenth:]))
    why = "what is kept for each request of the window is gone through for each call"
    return Figure(f"a call after {many:,} calls, against the first {many // 10:,}", last / first, "ratio", 1.1, why=why)
