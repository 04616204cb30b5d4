"""The quota over real HTTP: the sandbox counts, in each header family, and serves no 429."""

from __future__ import annotations

import asyncio
from typing import get_args
from uuid import uuid4

import pytest
from support.scripted import Say, Scripted

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


async def test_no_header_family_leads_to_a_429():
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


def test_a_key_has_one_quota():
    """Two ideas of one budget can't both be kept; an equal one is the same idea."""
    key = f"key-{uuid4()}"
    open_clients = [UserClient(key, quota=Quota(limit=10)), UserClient(key, quota=Quota(limit=10))]

    with pytest.raises(ConfigurationError, match="same key"):
        UserClient(key, quota=Quota(limit=20))
    assert {user.quota.snapshot().limit for user in open_clients} == {10}


async def test_one_quota_object_is_one_budget():
    """For a server that counts per user or address. An equal quota of another key is another budget."""
    shared, equal = Quota(limit=7), Quota(limit=7)
    told = {"ratelimit-limit": "7", "ratelimit-remaining": "2", "ratelimit-reset": "40"}
    async with Scripted(Say(body={"id": "r1"}, headers=told)) as server:
        one, other, apart = (
            UserClient(f"key-{uuid4()}", base_url=server.url, quota=quota) for quota in (shared, shared, equal)
        )
        async with one, other, apart:
            await one.rooms.get("r1")
            assert [each.quota.snapshot().remaining for each in (one, other, apart)] == [2, 2, 7]


def test_the_quota_comes_from_the_environment(monkeypatch):
    """SESSIONS_QUOTA is for deployments; a bad one is refused with its name."""
    monkeypatch.setenv("SESSIONS_QUOTA", "30/10s")

    snapshot = UserClient(f"key-{uuid4()}").quota.snapshot()

    assert (snapshot.limit, snapshot.window, snapshot.remaining) == (30, 10.0, 30)
    monkeypatch.setenv("SESSIONS_QUOTA", "many")
    with pytest.raises(ConfigurationError, match="SESSIONS_QUOTA"):
        UserClient(f"key-{uuid4()}")
