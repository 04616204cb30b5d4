"""Metrics: each that is documented, and the gauges of quotas and exports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.collecting import Collected
from support.rooms import SPENT, client
from support.scripted import Numbered, Say, Scripted, unused_port
from support.waiting import cancelled, start, until

from sessions_us import (
    CacheHit,
    CallEnded,
    CallStarted,
    ExportProgress,
    GuestClient,
    OtherClientsSeen,
    PagingSurprise,
    Quota,
    RedisStore,
    RequestGranted,
    RequestSent,
    RequestThrottled,
    ResponseReceived,
    RetryScheduled,
    SchemaDrift,
    UserClient,
)
from sessions_us.pipelines import NDJSONSink, export
from sessions_us.telemetry import Telemetry, instrument, uninstrument

pytestmark = pytest.mark.anyio

GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def collected() -> Iterator[Collected]:
    """What is collected; nothing listens to all clients after the test."""
    yield Collected()
    uninstrument()


def documented() -> dict[str, tuple[str, str, set[str]]]:
    """The type, the unit and the attributes of each metric in the guide."""
    rows = re.findall(r"^\| `([\w.]+)` \| (\w+) \| `([^`]+)` \|([^|]*)\|", GUIDE.read_text("utf-8"), re.MULTILINE)
    return {name: (kind, unit, set(re.findall(r"`([^`]+)`", attributes))) for name, kind, unit, attributes in rows}


async def test_every_metric_is_documented_as_it_is(collected: Collected) -> None:
    """With its type, its unit and its attributes; the guide names no other."""
    telemetry = Telemetry(**collected.providers)
    async with Numbered() as server, client(server) as user:
        await user.rooms.get("r1")
        here = {"call": 0, "operation": "list_rooms"}
        got = {**here, "method": "GET", "path": "/api/rooms", "attempt": 1}
        for event in (
            CallStarted(**here, role="USER", origin=server.url),
            RequestGranted(**here, lane="interactive", waited=1.0),
            RequestSent(**got),
            ResponseReceived(**got, status_code=429, elapsed=1.0),
            RequestThrottled(**here, retry_after=None),
            RetryScheduled(**here, attempt=2, delay=1.0, reason="429"),
            CacheHit(**here, age=1.0, why="fresh"),
            SchemaDrift(**here, field="a", problem="b"),
            CallEnded(**here, outcome="answered", status_code=200, error=None, attempts=1, waited=1.0, elapsed=2.0),
            OtherClientsSeen(used_by_others=3),
            PagingSurprise(operation="list_rooms", expected="a", came="b"),
        ):
            telemetry(event)
        failed = {"outcome": "status_error", "status_code": 404, "error": "NotFoundError", "attempts": 1}
        telemetry(CallEnded(**here, **failed, waited=1.0, elapsed=2.0))
        progress: dict[str, Any] = {"resource": "rooms", "done": 1, "total": 2, "requests": 3, "requests_left": 4}
        telemetry(ExportProgress(**progress, stage="fetching", seconds_left=5.0))
        found = collected.described()

    assert found == documented()
    assert collected.metrics()["sessions_us.pages"] == [({"sessions_us.operation": "list_rooms"}, 1)]
    assert collected.metrics()["sessions_us.other_clients.requests"] == [({}, 3)]


async def test_quotas_and_queues_when_metrics_are_collected(collected: Collected) -> None:
    """What the server said is left, and who waits; those of a client that was closed are gone."""
    instrument(**collected.providers)
    async with Numbered() as server:
        server.headers = SPENT
        async with client(server, quota=Quota(limit=10)) as user:
            assert "sessions_us.quota.limit" not in collected.metrics()
            await user.rooms.get("r1")
            waiting = start(*(user.rooms.get(f"w{number}") for number in range(3)))
            await until(lambda: user.quota.snapshot().waiting["interactive"] == 3)
            found = collected.metrics()
            await cancelled(*waiting)
        assert collected.metrics().get("sessions_us.quota.limit", []) == []

    port = int(server.url.rpartition(":")[2])
    of_key = {"sessions_us.role": "USER", "server.address": "127.0.0.1", "server.port": port}
    assert found["sessions_us.quota.limit"] == [(of_key, 10)]
    assert found["sessions_us.quota.remaining"] == [(of_key, 0)]
    assert found["sessions_us.quota.store.up"] == [(of_key, 1)]
    lengths = {point["sessions_us.lane"]: value for point, value in found["sessions_us.queue.length"]}
    assert lengths == {"interactive": 3, "background": 0}


async def test_each_role_has_a_budget_of_its_own(collected: Collected) -> None:
    """And of several keys of a role, the one with the least left is told."""
    instrument(**collected.providers)
    left = iter("9753")
    script = [
        Say(body={"id": "r1"}, headers={"ratelimit-limit": "10", "ratelimit-remaining": next(left)}) for _ in "1234"
    ]
    async with Scripted(*script) as server:
        guest = GuestClient("guest", base_url=server.url)
        async with client(server, quota=Quota()) as one, client(server, quota=Quota()) as other, guest:
            await one.rooms.get("r1")
            await guest.bookings.cancel("b1")
            await other.rooms.get("r1")
            found = {
                point["sessions_us.role"]: value for point, value in collected.metrics()["sessions_us.quota.remaining"]
            }

    assert found == {"USER": 5, "GUEST": 7}


async def test_a_store_that_is_down(collected: Collected) -> None:
    """The quota goes on without it, and a gauge says so."""
    store = RedisStore(f"redis://127.0.0.1:{unused_port()}")
    async with Numbered() as server, client(server, quota=Quota(store=store)) as user:
        instrument(**collected.providers)
        await user.rooms.get("r1")
        ((_, up),) = collected.metrics()["sessions_us.quota.store.up"]
        told = user.quota.snapshot().store

    assert (up, told) == (0, "alone")


async def test_the_progress_of_an_export(collected: Collected, sessions_user: UserClient, tmp_path: Path) -> None:
    """Without an `on_event` of its own, if all clients are measured."""
    instrument(**collected.providers)
    sink = NDJSONSink(tmp_path / "out")
    report = await export(sessions_user, ["rooms"], sink, state=tmp_path / "state")
    found = collected.metrics()

    rooms = {"sessions_us.resource": "rooms"}
    assert found["sessions_us.export.done"] == [(rooms, report.resources["rooms"].rows)]
    assert found["sessions_us.export.total"] == [(rooms, report.resources["rooms"].rows)]
    assert found["sessions_us.export.requests_left"] == [({}, 0)]
    assert dict(found["sessions_us.pages"][0][0]) == {"sessions_us.operation": "list_rooms"}
    assert found["sessions_us.pages"][0][1] == report.requests
