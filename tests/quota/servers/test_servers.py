"""The quota against real limiters of others, behind real sockets in another process; their logs count the 429s."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import httpx
import pytest

from benchmarks.servers import KINDS, Hit, Servers, Speed
from sessions_us import Quota, UserClient

pytestmark = pytest.mark.anyio

# Resets are told in whole seconds, so two windows can be told apart while a round trip takes at most `window - 2` seconds.
# This loop is busy for a second when it makes all the clients at once on a slow machine.
SPEED = Speed(limit=10, window=5, nearest=0.005, farthest=0.05)
SILENT = "none"
REQUESTS = 22


class Start(NamedTuple):
    """How many others have taken of the key before, and how many of our requests are background work."""

    taken: int = 0
    background: int = 0


FRESH, HALF_USED, USED_UP = Start(), Start(taken=5, background=15), Start(taken=10)
Logs = dict[Start, dict[str, list[Hit]]]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def logs() -> Logs:
    """Each start against each server, all side by side, for waiting is all that takes time; without what others took."""
    starts = FRESH, HALF_USED, USED_UP
    async with Servers(list(KINDS), SPEED) as servers, httpx.AsyncClient() as other:
        await asyncio.gather(*(send(servers.urls[kind], other, start) for start in starts for kind in KINDS))
        told = {kind: await servers.log(kind) for kind in KINDS}
    return {start: {kind: told[kind][key(start)] for kind in KINDS} for start in starts}


def key(start: Start) -> str:
    return f"key-{start.taken}-{start.background}"


async def send(url: str, other: httpx.AsyncClient, start: Start) -> None:
    """Requests at once, after others have taken some. All have to be served."""
    paths = [f"{url}/api/others/{number}" for number in range(start.taken)]
    await asyncio.gather(*(other.get(path, headers={"x-api-key": key(start)}, timeout=30) for path in paths))
    quota = Quota(limit=SPEED.limit, window=SPEED.window)
    async with UserClient(key(start), base_url=url, quota=quota) as user:
        lanes = [user.with_options(lane="background")] * start.background
        clients = lanes + [user] * (REQUESTS - start.background)
        calls = (client.request("GET", f"/api/calls/{number}") for number, client in enumerate(clients))
        assert await asyncio.gather(*calls) == [{"path": f"/api/calls/{number}"} for number in range(REQUESTS)]


def admitted(logs: Logs, start: Start) -> dict[str, int]:
    """Of our own requests, by kind of server."""
    return {kind: sum(hit.admitted for hit in hits[start.taken :]) for kind, hits in logs[start].items()}


def refused(logs: Logs, start: Start) -> dict[str, int]:
    """Of our own requests, by kind of server."""
    return {kind: sum(not hit.admitted for hit in hits[start.taken :]) for kind, hits in logs[start].items()}


async def test_a_fresh_key_gets_no_429_from_any_server(logs: Logs) -> None:
    """Whatever the server counts, however it rounds, and whether it tells anything at all."""
    assert refused(logs, FRESH) == dict.fromkeys(KINDS, 0)
    assert admitted(logs, FRESH) == dict.fromkeys(KINDS, REQUESTS)


async def test_a_key_that_others_have_half_used_gets_no_429(logs: Logs) -> None:
    """The first answer tells what is left. A server that tells nothing can only say so by a 429, and says it once.

    Most of it is background work: the lanes decide who goes, not how many.
    """
    counts = refused(logs, HALF_USED)

    assert counts.pop(SILENT) <= 1
    assert counts == dict.fromkeys(counts, 0)
    assert admitted(logs, HALF_USED) == dict.fromkeys(KINDS, REQUESTS)


async def test_a_key_that_others_have_used_up_gets_one_429_and_loses_nothing(logs: Logs) -> None:
    """Nobody can know before the first answer; some servers free a slot before they count the first request."""
    counts = refused(logs, USED_UP)

    assert {kind: count for kind, count in counts.items() if count > 1} == {}
    assert admitted(logs, USED_UP) == dict.fromkeys(KINDS, REQUESTS)
    hits = logs[USED_UP]["draft-6"]
    in_time = hits[USED_UP.taken].at < hits[0].at + SPEED.window - 0.1
    assert counts["draft-6"] == 1 or not in_time
