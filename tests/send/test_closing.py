"""Closing: a client ends what is its own, and nothing that belongs to others."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from support.clock import HandClock
from support.rooms import client, spend, warm
from support.scripted import Numbered, Say, Scripted, unused_port
from support.waiting import cancelled, outcome, start, tasks, until

from sessions_us import (
    ClientClosedError,
    NotFoundError,
    Quota,
    RequestTimeoutError,
    RetryPolicy,
    RetryScheduled,
    Room,
    TransportError,
)

pytestmark = pytest.mark.anyio


async def test_a_closed_client_sends_nothing():
    """Closing twice is harmless. Closing a copy closes nothing."""
    async with Numbered() as server:
        user = client(server)
        copy = user.with_options(timeout=3)
        await copy.aclose()
        await user.rooms.get("r1")
        await user.aclose()
        await user.aclose()
        for each in (user, copy):
            with pytest.raises(ClientClosedError):
                await each.rooms.get("r1")
            with pytest.raises(ClientClosedError):
                await each.rooms.create(name="Room")

    assert len(server.arrived) == 1


async def test_a_closed_client_joins_nobody():
    """The same read of another client is in flight."""
    key = f"key-{uuid4()}"
    async with Numbered(held=True) as server, client(server, key) as other:
        one = client(server, key)
        await one.aclose()
        calls = start(other.rooms.get("r1"))
        await until(lambda: server.arrived)
        with pytest.raises(ClientClosedError):
            await one.rooms.get("r1")
        server.release()
        await asyncio.gather(*calls)


async def test_a_closed_client_gives_no_copies():
    """Neither of single reads nor of lists."""
    async with Numbered() as server:
        async with client(server, cache_ttl=60) as user:
            await user.rooms.get("r1")
            await user.rooms.list().collect()
        for call in (user.rooms.get("r1"), user.rooms.list().collect()):
            with pytest.raises(ClientClosedError):
                await call


async def test_closing_fails_only_its_own_waiters():
    """Another client of the same key goes on waiting."""
    key = f"key-{uuid4()}"
    async with Numbered() as server:
        one, other = client(server, key), client(server, key)
        await spend(one, server)
        waiting = start(one.rooms.get("r2"), other.rooms.get("r3"))
        await until(lambda: one.quota.snapshot().waiting["interactive"] == 2)

        await one.aclose()

        with pytest.raises(ClientClosedError):
            await waiting[0]
        assert one.quota.snapshot().waiting["interactive"] == 1
        assert not waiting[1].done()
        await other.aclose()
        with pytest.raises(ClientClosedError):
            await waiting[1]


async def test_closing_ends_a_back_off():
    """The call says that the client was closed, never that something below it was."""
    backing_off = asyncio.Event()

    def hear(event: object) -> None:
        if isinstance(event, RetryScheduled):
            backing_off.set()

    policy = RetryPolicy(backoff=60, backoff_max=60)
    async with Scripted(Say(503, None, {"retry-after": "0.05"})) as server:
        user = client(server, retries=policy, on_event=hear, quota=Quota())
        call = asyncio.create_task(user.sessions.get("s1"))
        await backing_off.wait()
        await user.aclose()
        with pytest.raises(ClientClosedError):
            await call

    assert len(server.arrived) == 1


async def test_closing_ends_its_flights():
    """Another client that had joined a flight sends for itself."""
    key = f"key-{uuid4()}"
    async with Numbered(held=True) as server, client(server, key) as other:
        one = client(server, key)
        calls = start(one.rooms.get("r1"), one.rooms.get("r1"), other.rooms.get("r1"))
        await until(lambda: server.arrived)
        await one.aclose()

        for call in calls[:2]:
            with pytest.raises(ClientClosedError):
                await call
        await until(lambda: len(server.arrived) == 2)
        server.release()
        assert (await calls[2]).id == "r1"
        assert other.quota.snapshot().in_flight == 0


async def test_closing_leaves_the_flights_of_others():
    """A client that only joined takes its own callers along, and not the request."""
    key = f"key-{uuid4()}"
    async with Numbered(held=True) as server, client(server, key) as one:
        other = client(server, key)
        calls = start(one.rooms.get("r1"), other.rooms.get("r1"))
        await until(lambda: server.arrived)
        await other.aclose()
        with pytest.raises(ClientClosedError):
            await calls[1]
        server.release()

        assert (await calls[0]).name == "1"
    assert len(server.arrived) == 1


@pytest.mark.parametrize("statuses", [(200,), (404,)])
async def test_closing_waits_for_writes_in_flight(statuses):
    """They end as they would have; what only waits, or reads, ends at once. Nothing more is sent."""
    async with Numbered() as server:
        user = client(server)
        await warm(user, server)
        server.status = statuses[0]
        write, read = start(outcome(user.rooms.update("r1", name="New")), outcome(user.rooms.get("r2")))
        await until(lambda: len(server.arrived) == 2)
        closing = start(user.aclose(), user.aclose())
        assert isinstance(await read, ClientClosedError)
        with pytest.raises(ClientClosedError):
            await user.rooms.create(name="Room")
        assert not write.done()
        assert not any(each.done() for each in closing)
        server.release()
        await asyncio.gather(*closing)

    assert type(await write) is (Room if statuses == (200,) else NotFoundError)
    assert len(server.arrived) == 2


async def test_closing_waits_no_longer_than_a_timeout():
    """The server never answers. The write may have happened."""
    async with Numbered(held=True) as server:
        user = client(server, timeout=0.1)
        write = start(outcome(user.rooms.update("r1", name="New")))
        await until(lambda: server.arrived)
        await asyncio.wait_for(user.aclose(), 10)
        error = await write[0]

    assert isinstance(error, RequestTimeoutError)
    assert error.sent == "unknown"


async def test_closing_a_write_that_would_be_repeated():
    """The server says that it did nothing. The closed client does not send it again."""
    async with Numbered() as server:
        user = client(server, retries=RetryPolicy())
        await warm(user, server)
        server.status, server.headers = 429, {"retry-after": "30"}
        write = start(outcome(user.rooms.update("r1", name="New")))
        await until(lambda: server.arrived)
        closing = start(user.aclose())
        await asyncio.sleep(0)
        server.release()
        await asyncio.gather(*closing)

    assert isinstance(await write[0], ClientClosedError)
    assert len(server.arrived) == 1


async def test_closing_is_cut_off_with_its_task():
    """A closing that is cancelled while it waits for a write closes the connections."""
    async with Numbered(held=True) as server:
        user = client(server)
        write = start(outcome(user.rooms.update("r1", name="New")))
        await until(lambda: server.arrived)
        closing = asyncio.create_task(user.aclose())
        await asyncio.sleep(0)
        await cancelled(closing)

        assert isinstance(await asyncio.wait_for(write[0], 10), TransportError)


async def test_closing_ends_its_renewals():
    """A renewal waits in the background lane, and is not left behind."""
    clock, before = HandClock(), tasks()
    async with Numbered() as server:
        async with client(server, stale_while_revalidate=1000, clock=clock) as user:
            await spend(user, server)
            clock.advance(1)
            await user.rooms.get("first")
            await until(lambda: user.quota.snapshot().waiting["background"])
            assert user.quota.snapshot().waiting == {"interactive": 0, "background": 1}
            renewing = tasks() - before
            assert renewing
        assert all(task.done() for task in renewing)
        assert server.arrived == []


def test_a_flight_of_an_ended_loop_is_not_joined():
    """The next `asyncio.run` sends for itself."""
    port = unused_port()
    user = client(f"http://127.0.0.1:{port}")
    loop = asyncio.new_event_loop()
    call = loop.create_task(user.rooms.get("r1"))
    loop.run_until_complete(asyncio.sleep(0))
    abandoned = asyncio.all_tasks(loop)
    assert abandoned > {call}  # the task that sends is another one

    assert isinstance(asyncio.run(outcome(user.rooms.get("r1"))), TransportError)

    assert not any(task.done() for task in abandoned)
    call.cancel()
    loop.run_until_complete(asyncio.gather(*abandoned, return_exceptions=True))
    loop.close()


async def test_closing_before_the_first_step():
    """A client that joined a read whose client is closed before the read's task has begun sends the read itself."""
    key = f"key-{uuid4()}"
    async with Numbered() as server, client(server, key) as other:
        one = client(server, key)
        await other.rooms.get("r0")  # the quota is known, and waits for nobody
        first = start(outcome(one.rooms.get("r1")), other.rooms.get("r1"))
        await asyncio.sleep(0)  # both callers wait, and the task of the read is about to begin
        await one.aclose()
        refused, room = await asyncio.wait_for(asyncio.gather(*first), 10)

    assert isinstance(refused, ClientClosedError)
    assert room.id == "r1"
