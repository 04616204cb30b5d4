"""Connections: of one key to one origin, in one event loop at a time."""

from __future__ import annotations

import asyncio

import pytest
from support.rooms import PLENTY, SESSION, client, read, retrying
from support.scripted import Numbered, Say, Scripted, Silence
from support.waiting import until

from sessions_us import ConfigurationError, UserClient

pytestmark = pytest.mark.anyio


async def test_a_cancelled_call_frees_its_connection():
    """No lease, no connection, and the next call goes out."""
    async with Scripted(Silence(), Say(body=SESSION)) as server, retrying(server) as user:
        call = asyncio.create_task(read(user))
        await until(lambda: server.arrived)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert user.quota.snapshot().in_flight == 0
        assert (await user.sessions.get("s1")).id == "s1"


async def test_no_attempt_waits_for_a_connection():
    """What the quota lets go goes: `timeout` is for the server, and not for a place among our own connections."""
    async with Numbered() as server, client(server) as user:
        server.headers = PLENTY
        await asyncio.gather(*(user.rooms.get(f"first-{number}") for number in range(100)))  # past the slow start
        server.arrived.clear()
        server.hold()
        reads = [asyncio.create_task(user.rooms.get(f"r{number}")) for number in range(40)]
        await until(lambda: len(server.arrived) == 40)
        server.release()

        assert [room.id for room in await asyncio.gather(*reads)] == [f"r{number}" for number in range(40)]


def test_a_client_in_one_loop_after_another():
    """The second `asyncio.run` gets connections of its own. What is known of the quota stays."""
    told = {"ratelimit-limit": "10", "ratelimit-remaining": "7", "ratelimit-reset": "40", "connection": "close"}
    server = Scripted(Say(body=SESSION, headers=told))

    async def once() -> UserClient:
        async with server:
            user = retrying(server)
            await read(user)
            return user

    async def again(user: UserClient) -> int:
        async with server, user:
            await read(user)
            return user.quota.snapshot().remaining

    user = asyncio.run(once())
    assert asyncio.run(again(user)) == 7
    assert len(server.arrived) == server.connections == 2


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_gets_a_clear_error(anyio_backend):
    """The client is for asyncio."""
    with pytest.raises(ConfigurationError, match="trio"):
        await read(retrying("http://127.0.0.1:9"))
    with pytest.raises(ConfigurationError, match="trio"):
        async with retrying("http://127.0.0.1:9"):
            pass
