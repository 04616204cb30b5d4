"""The quota over real HTTP: the sandbox counts, in each header family, and serves no 429."""

from __future__ import annotations

import asyncio
from typing import get_args
from uuid import uuid4

import pytest

from sessions_us import ConfigurationError, Quota, UserClient
from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.limits import HeaderFamily

pytestmark = pytest.mark.anyio

FAMILIES: tuple[HeaderFamily, ...] = get_args(HeaderFamily)
WINDOW = 2.0


async def refused(family: HeaderFamily) -> tuple[int, int]:
    """45 requests at once, 10 in a window: how many were admitted and how many got a 429."""
    async with Sandbox(limit=10, window=WINDOW, headers=family, latency=(0.0, 0.02)) as sandbox:
        quota = Quota(limit=10, window=WINDOW)
        async with UserClient(sandbox.user_key, base_url=sandbox.url, quota=quota) as user:
            rooms = await user.rooms.list().collect(limit=15)
            calls = (user.rooms.update(rooms[number % len(rooms)].id, name=f"Room {number}") for number in range(44))
            got = await asyncio.gather(*calls)  # writes, for of the same reads only one would be sent
            assert [room and room.name for room in got] == [f"Room {number}" for number in range(44)]
        return sandbox.limiter.admitted, sandbox.limiter.refused


async def test_45_requests_at_10_in_a_window_get_no_429_in_any_header_family():
    """The families run side by side, each against a sandbox of its own that follows the algorithm of its kind of server."""
    counts = dict(zip(FAMILIES, await asyncio.gather(*map(refused, FAMILIES)), strict=True))

    assert counts == dict.fromkeys(FAMILIES, (45, 0))
    assert len(counts) == 8


async def test_clients_of_one_key_share_one_budget():
    """In a process the quota belongs to the key, not to the client."""
    async with Sandbox(limit=5, window=60) as sandbox:
        options = {"base_url": sandbox.url, "quota": Quota(limit=5, window=60), "max_wait": 0}
        async with UserClient(sandbox.user_key, **options) as one, UserClient(sandbox.user_key, **options) as other:
            await one.rooms.list().collect(limit=1)
            await other.rooms.list().collect(limit=1)
            assert one.quota.snapshot().remaining == other.quota.snapshot().remaining == 3


def test_another_quota_for_the_same_key_is_refused():
    """Two ideas of one budget can't both be kept; an equal one is the same idea."""
    key = f"key-{uuid4()}"
    UserClient(key, quota=Quota(limit=10))

    UserClient(key, quota=Quota(limit=10))

    with pytest.raises(ConfigurationError, match="same key"):
        UserClient(key, quota=Quota(limit=20))


async def test_two_keys_share_a_budget_only_through_one_quota_object():
    """For a server that counts per user or address."""
    shared, equal = Quota(limit=7), Quota(limit=7)
    keys = [f"key-{uuid4()}" for _ in range(3)]
    one, other = (UserClient(key, quota=shared) for key in keys[:2])
    apart = UserClient(keys[2], quota=equal)

    assert one._calls.transport.limiter is other._calls.transport.limiter
    assert apart._calls.transport.limiter is not one._calls.transport.limiter


def test_the_quota_comes_from_the_environment(monkeypatch):
    """SESSIONS_QUOTA is for deployments; a bad one is refused with its name."""
    monkeypatch.setenv("SESSIONS_QUOTA", "30/10s")

    snapshot = UserClient(f"key-{uuid4()}").quota.snapshot()

    assert (snapshot.limit, snapshot.window, snapshot.remaining) == (30, 10.0, 30)
    monkeypatch.setenv("SESSIONS_QUOTA", "many")
    with pytest.raises(ConfigurationError, match="SESSIONS_QUOTA"):
        UserClient(f"key-{uuid4()}")
