"""The cache: copies as old as the options allow. A write drops what it invalidates."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sessions_us_api.operations import OPERATIONS
from support.clock import HandClock
from support.rooms import client, spend, warm
from support.scripted import Numbered, Say
from support.stages import Inner, answer, lost, read, refusal, write
from support.waiting import cancelled, outcome, start, tasks, until

from sessions_us import (
    CacheHit,
    ClientClosedError,
    GuestClient,
    NotFoundError,
    QuotaTimeoutError,
    RetryPolicy,
    ServerError,
    UserClient,
)
from sessions_us._send.cache import Cache
from sessions_us._send.cache_memory import CacheMemory
from sessions_us._send.call import Answer, Name, Which

pytestmark = pytest.mark.anyio

DAY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


# -- how old a copy may be -----------------------------------------------------------------------------------------------


async def test_nothing_is_kept_by_default():
    """Each read is a request unless an option says otherwise."""
    async with Numbered() as server, client(server) as user:
        assert [(await user.rooms.get("r1")).name for _ in range(2)] == ["1", "2"]


async def test_a_fresh_copy_is_the_answer(clock):
    """Each reader decides how old is too old, and decodes its own."""
    events: list[Any] = []
    async with Numbered() as server, client(server, cache_ttl=30, on_event=events.append, clock=clock) as user:
        first = await user.rooms.get("r1")
        clock.advance(29)
        again = await user.rooms.get("r1")
        demanding = await user.with_options(cache_ttl=10).rooms.get("r1")
        clock.advance(31)
        late = await user.rooms.get("r1")

    assert [room.name for room in (first, again, demanding, late)] == ["1", "1", "2", "3"]
    assert first is not again
    hits = [(hit.operation, hit.age, hit.why) for hit in events if isinstance(hit, CacheHit)]
    assert hits == [("get_room", 29.0, "fresh")]


@pytest.mark.parametrize("step", [0.01, 0.1, 0.2, 0.3, 0.4, 0.6])
async def test_no_moment_is_between_fresh_and_stale(step):
    """However fast time passes while the copy is looked at, one of the two options gives it."""

    class Fast(HandClock):
        def now(self) -> float:
            self.advance(step)
            return super().now()

    async with Numbered() as server, client(server, cache_ttl=1, stale_if_error=600, clock=Fast()) as user:
        await user.rooms.get("r1")
        server.status = 503
        assert {(await user.rooms.get("r1")).name for _ in range(9)} == {"1"}


@pytest.mark.parametrize("shared", [False, True])
async def test_no_moment_is_between_an_answer_and_its_copy(clock, shared):
    """Readers that begin in each turn of the event loop, before and after the answer, cost one request."""
    async with Numbered() as server, client(server, cache_ttl=30, clock=clock) as user:
        other = user.with_options(cache_ttl=20) if shared else user
        readers = []
        while not readers or not readers[0].done():
            readers.append(asyncio.create_task((other if len(readers) % 2 else user).rooms.get("r1")))
            await asyncio.sleep(0)
        names = {room.name for room in await asyncio.gather(*readers)}

    assert names == {"1"}
    assert len(server.arrived) == 1


async def test_a_read_after_an_answer_is_a_request(clock):
    """What keeps an answer for those that take copies gives it to nobody else: each of these asks again."""
    async with Numbered() as server, client(server, stale_if_error=30, clock=clock) as user:
        first = asyncio.create_task(user.rooms.get("r1"))
        names = [(await first).name, *[(await user.rooms.get("r1")).name for _ in range(2)]]

    assert names == ["1", "2", "3"]


async def test_a_stale_copy_is_renewed(clock):
    """The copy is given at once. One renewal serves all readers, in the background."""
    async with Numbered() as server:
        async with client(server, cache_ttl=10, stale_while_revalidate=20, clock=clock) as user:
            await user.rooms.get("r1")
            clock.advance(15)
            server.hold()
            before = tasks()
            stale = await asyncio.gather(*(user.rooms.get("r1") for _ in range(5)))
            await until(lambda: len(server.arrived) == 2)
            server.release()
            await until(lambda: tasks() <= before)
            renewed = await user.rooms.get("r1")
            assert len(server.arrived) == 2
            clock.advance(31)
            too_old = await user.rooms.get("r1")

    assert {room.name for room in stale} == {"1"}
    assert (renewed.name, too_old.name) == ("2", "3")


async def test_a_renewal_outlives_its_visitors(clock):
    """A caller that joins a renewal and leaves does not end it: it was begun for the next reader."""
    async with Numbered() as server:
        async with client(server, cache_ttl=10, stale_while_revalidate=20, clock=clock) as user:
            await user.rooms.get("r1")
            clock.advance(15)
            server.hold()
            before = tasks()
            await user.rooms.get("r1")
            visitor = asyncio.create_task(user.with_options(cache_ttl=0, stale_while_revalidate=0).rooms.get("r1"))
            await until(lambda: len(server.arrived) == 2)
            await cancelled(visitor)
            server.release()
            await until(lambda: tasks() <= before)

            assert (await user.rooms.get("r1")).name == "2"
            assert len(server.arrived) == 2


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_copy_stands_in_for_an_error(status, clock):
    """As long as `stale_if_error` allows. Without a copy the error is the answer."""
    async with Numbered() as server, client(server, cache_ttl=10, stale_if_error=60, clock=clock) as user:
        await user.rooms.get("r1")
        clock.advance(65)
        server.status = status
        assert (await user.rooms.get("r1")).name == "1"
        assert len(server.arrived) == 2
        server.status = 500
        clock.advance(70)
        with pytest.raises(ServerError):
            await user.rooms.get("r1")


async def test_a_copy_stands_in_for_a_spent_quota(clock):
    """A site goes on showing what it has. There is nothing to show of what was never read."""
    async with Numbered() as server, client(server, stale_if_error=60, max_wait=5, clock=clock) as user:
        await spend(user, server)
        assert (await user.rooms.get("first")).name == "1"
        with pytest.raises(QuotaTimeoutError):
            await user.rooms.get("never seen")


async def test_a_copy_stands_in_for_a_lost_server():
    """Nobody listens any more."""
    async with Numbered() as server:
        user = client(server, stale_if_error=60)
        before = await user.rooms.get("r1")
    async with user:
        after = await user.rooms.get("r1")

    assert after.name == before.name


async def test_no_copy_stands_in_for_a_404(clock):
    """A 404 tells something of the object. No error is kept."""
    async with Numbered() as server, client(server, cache_ttl=1, stale_if_error=60, clock=clock) as user:
        await user.rooms.get("r1")
        clock.advance(2)
        server.status = 404
        with pytest.raises(NotFoundError):
            await user.rooms.get("r1")
        server.status = 200
        assert (await user.rooms.get("r1")).name == "3"


async def test_a_renewal_that_fails_has_a_rest(clock):
    """One attempt, whatever `retries` says. The next one begins 5 s later, 10 s after the second failure, and so on."""
    sent = []
    async with Numbered() as server:
        options = {"cache_ttl": 1, "stale_while_revalidate": 1000, "retries": RetryPolicy(backoff=0)}
        async with client(server, clock=clock, **options) as user:
            await user.rooms.get("r1")
            await user.rooms.list().collect()
            server.status = 500
            before = tasks()
            for _ in range(40):
                clock.advance(1)
                already = len(server.arrived)
                assert (await user.rooms.get("r1")).name == "1"
                assert len(await user.rooms.list().collect()) == 1
                await until(lambda: tasks() <= before)
                sent.append(len(server.arrived) - already)
            server.status = 200
            clock.advance(40)
            await user.rooms.get("r1")
            await until(lambda: tasks() <= before)
            assert (await user.rooms.get("r1")).name != "1"

    assert [second for second, requests in enumerate(sent, 1) if requests] == [1, 6, 16, 36]
    assert set(sent) == {0, 2}


async def test_a_rest_is_no_shorter_than_the_age_that_is_allowed(clock):
    """A copy that may be a minute old is not asked for again after five seconds."""
    async with Numbered() as server:
        async with client(server, cache_ttl=60, stale_while_revalidate=1000, clock=clock) as user:
            await user.rooms.get("r1")
            server.status = 500
            before = tasks()
            for seconds in (60, 59, 1):
                clock.advance(seconds)
                await user.rooms.get("r1")
                await until(lambda: tasks() <= before)

    assert len(server.arrived) == 3


async def test_a_renewal_that_gets_a_404_drops_the_copy(clock):
    """What is gone is shown once more at most. A status that tells nothing of the object drops nothing."""
    async with Numbered() as server:
        stale = {"stale_while_revalidate": 60, "stale_if_error": 60}
        async with client(server, cache_ttl=1, clock=clock, **stale) as user:
            await user.rooms.get("r1")
            clock.advance(2)
            before = tasks()
            for server.status in (500, 404):
                assert (await user.rooms.get("r1")).name == "1"
                await until(lambda: tasks() <= before)
                clock.advance(5)
            with pytest.raises(NotFoundError):
                await user.rooms.get("r1")
            server.status = 500
            with pytest.raises(ServerError):
                await user.rooms.get("r1")


# -- time goes forward ---------------------------------------------------------------------------------------------------


async def test_a_forced_answer_takes_the_place_of_the_copy(clock):
    """A read with `cache_ttl=0` sends, and what it got is the copy from then on: of a single read, and of a list."""
    async with Numbered() as server, client(server, cache_ttl=60, clock=clock) as user:
        fresh = user.with_options(cache_ttl=0)
        reads = (lambda each: each.rooms.get("r1"), lambda each: each.request("GET", "/api/rooms/r2"))
        for read_it in reads:
            first = await read_it(user)
            forced = await read_it(fresh)
            assert forced != first
            assert await read_it(user) == forced
        before = await user.rooms.list().collect()
        after = await fresh.rooms.list().collect()
        assert after[0].name != before[0].name
        sent = len(server.arrived)
        assert [room.name for room in await user.rooms.list().collect()] == [room.name for room in after]
        assert len(server.arrived) == sent


async def test_a_forced_404_drops_the_copy(clock):
    """What is gone is not shown again."""
    async with Numbered() as server, client(server, cache_ttl=60, clock=clock) as user:
        await user.rooms.get("r1")
        server.status = 404
        for each in (user.with_options(cache_ttl=0), user):
            with pytest.raises(NotFoundError):
                await each.rooms.get("r1")


async def test_an_answer_that_is_too_large_to_keep_drops_the_copy(clock):
    """The copy is older, whatever the reader's options."""
    large = Say(body={"id": "r1", "name": "new", "note": "x" * (17 * 1024 * 1024)})
    async with Numbered() as server, client(server, cache_ttl=60, clock=clock) as user:
        for each in (user.with_options(cache_ttl=0), user.with_options(cache_ttl=1)):
            server.then(Say(body={"id": "r1", "name": "old"}))
            clock.advance(61)
            assert (await user.rooms.get("r1")).name == "old"
            clock.advance(1)
            server.then(large)
            assert (await each.rooms.get("r1")).name == "new"
            server.then(Say(body={"id": "r1", "name": "newer"}))
            assert (await user.rooms.get("r1")).name == "newer"


async def test_an_answer_that_is_cut_drops_the_copy(clock):
    """Nobody knows what it said, but the copy is older."""
    async with Numbered() as server, client(server, cache_ttl=60, clock=clock) as user:
        assert (await user.rooms.get("r1")).name == "1"
        server.then(Say(raw=b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"))
        await outcome(user.with_options(cache_ttl=0).rooms.get("r1"))
        server.then(Say(body={"id": "r1", "name": "new"}))
        assert (await user.rooms.get("r1")).name == "new"


async def test_alone_an_earlier_answer_takes_no_place(clock):
    """A forced read began before a write, and its answer comes last. What was read after the write stays."""
    memory, slow, quick = CacheMemory(), Inner(answer("old"), held=True), Inner(answer("kept"))
    cache = stage(quick, clock, memory)
    await cache.send(read(clock, cache_ttl=60))
    (forced,) = start(stage(slow, clock, memory).send(read(clock)))
    await until(lambda: slow.calls)
    await stage(Inner(), clock, memory).send(write(clock))
    await cache.send(read(clock, cache_ttl=60))
    slow.gate.set()

    assert await forced == answer("old")
    assert await cache.send(read(clock, cache_ttl=60)) == answer("kept")
    assert len(quick.calls) == 2


async def test_alone_a_later_answer_drops_a_copy_that_came_meanwhile(clock):
    """There was no copy when the read without `cache_ttl` began."""
    memory, slow, quick = CacheMemory(), Inner(answer("new"), held=True), Inner(answer("old"), answer("newer"))
    cache = stage(quick, clock, memory)
    (forced,) = start(stage(slow, clock, memory).send(read(clock)))
    await until(lambda: slow.calls)
    await cache.send(read(clock, cache_ttl=60))
    slow.gate.set()
    await forced

    assert await cache.send(read(clock, cache_ttl=60)) == answer("newer")


# -- forgetting ----------------------------------------------------------------------------------------------------------


async def test_forget_drops_all_copies_of_the_key(clock):
    """For all clients of the key, and for no other key."""
    key = f"key-{uuid4()}"
    async with (
        Numbered() as server,
        client(server, key, cache_ttl=60) as user,
        client(server, cache_ttl=60) as stranger,
    ):
        for each in (user, stranger):
            await cached(each, server)
        async with client(server, key) as other:
            other.with_options(lane="background").forget()

        assert await cached(user, server) == set()
        assert await cached(stranger, server) == ALL


async def test_forget_counts_for_what_is_in_flight(clock):
    """A read that was in flight may have been answered before the change: it is not joined, and its answer is not kept."""
    async with Numbered() as server, client(server, cache_ttl=60) as user:
        await warm(user, server, "GET")
        before = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        user.forget()
        after = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: len(server.arrived) == 2)
        server.release()

        assert ((await before).name, (await after).name) == ("1", "2")
        assert (await user.rooms.get("r1")).name == "2"


async def test_forget_in_the_midst_of_a_list(clock):
    """A list that was given from copies begins again; no row comes twice."""
    async with Numbered() as server, client(server, cache_ttl=60) as user:
        await user.rooms.list().collect()
        rooms = user.rooms.list()
        first = await anext(aiter(rooms))
        user.forget()
        await rooms.collect()

        assert first.name == "1"
        assert (await user.rooms.list().collect())[0].name != "1"


# -- writes --------------------------------------------------------------------------------------------------------------


async def cached(user: UserClient, server: Numbered) -> set[str]:
    """Which of these reads a copy answers."""
    reads = {
        "room": lambda: user.rooms.get("r1"),
        "session": lambda: user.sessions.get("s1"),
        "slots": lambda: user.booking_pages.slots("p1", start=DAY, end=DAY),
        "by path": lambda: user.request("GET", "/api/anything"),
    }
    kept = set()
    for name, make in reads.items():
        before = len(server.arrived)
        await make()
        if len(server.arrived) == before:
            kept.add(name)
    return kept


ALL = {"room", "session", "slots", "by path"}

WRITES = {
    "a room": (lambda user: user.rooms.create(name="Room"), {"session", "slots"}),
    "a session": (lambda user: user.sessions.delete("s1"), {"room"}),
    "a booking": (lambda user: user.bookings.cancel("b1"), {"room"}),
    "a page": (lambda user: user.booking_pages.update("p1", name="Page"), {"room", "session"}),
    "a webhook": (lambda user: user.webhooks.delete("w1"), ALL),
    "who knows": (lambda user: user.request("POST", "/api/anything"), set()),
    "nothing": (lambda user: user.request("OPTIONS", "/api/anything"), ALL),
}


@pytest.mark.parametrize(("change", "left"), WRITES.values(), ids=WRITES.keys())
async def test_a_write_drops_what_it_invalidates(change, left):
    """As the overlay says, through any client of the key. A read that the document does not know is dropped by every write."""
    key = f"key-{uuid4()}"
    async with Numbered() as server, client(server, key, cache_ttl=60) as user, client(server, key) as other:
        async with client(server, cache_ttl=60) as stranger:
            for each in (user, stranger):
                assert await cached(each, server) == set()
                assert await cached(each, server) == ALL
            await outcome(change(other))

            assert await cached(user, server) == left
            assert await cached(stranger, server) == ALL


async def test_a_guests_write_concerns_all_keys():
    """A guest books with a key of its own, and the slot is gone for everybody."""
    async with Numbered() as server, client(server, cache_ttl=60) as user:
        await cached(user, server)
        async with GuestClient(f"key-{uuid4()}", base_url=server.url) as guest:
            await guest.bookings.cancel("b1")

        assert await cached(user, server) == {"room"}


async def test_an_unsent_write_drops_nothing():
    """The write was refused for want of quota."""
    async with Numbered() as server, client(server, cache_ttl=60, max_wait=1) as user:
        await spend(user, server)
        with pytest.raises(QuotaTimeoutError):
            await user.rooms.create(name="Room")

        assert (await user.rooms.get("first")).name == "1"
        assert server.arrived == []


async def test_a_read_before_a_write_is_not_kept():
    """A read after a write gets what the write wrote."""
    async with Numbered() as server, client(server, cache_ttl=60) as user:
        await warm(user, server)
        before = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        change = asyncio.create_task(user.rooms.update("r1", name="New"))
        await until(lambda: len(server.arrived) == 2)
        server.release()
        await change
        after = await user.rooms.get("r1")

        await before
        assert after.name == "3"
        assert (await user.rooms.get("r1")).name == "3"


async def test_a_write_spoils_a_read_in_flight():
    """The write ends while the read is in flight. The answer is given to its caller, and not kept."""
    async with Numbered() as server, client(server, cache_ttl=60) as user:
        await warm(user, server, "GET")
        before = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        await user.rooms.update("r1", name="New")
        server.release()

        assert (await before).name == "1"
        assert (await user.rooms.get("r1")).name == "3"


async def test_a_read_before_a_write_is_not_joined():
    """The write has ended, and the read is still in flight."""
    async with Numbered() as server, client(server, cache_ttl=60) as user:
        await warm(user, server, "GET")
        before = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        await user.rooms.update("r1", name="New")
        after = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: len(server.arrived) == 3)
        server.release()

        assert ((await before).name, (await after).name) == ("1", "3")
        assert (await user.rooms.get("r1")).name == "3"
        assert server.requests == ["GET /api/rooms/r1", "PUT /api/rooms/r1", "GET /api/rooms/r1"]


def test_every_write_says_what_it_invalidates():
    """Only webhooks have no reads. A read invalidates nothing, and what is invalidated is a read."""
    silent = {
        operation.id for operation in OPERATIONS.values() if not operation.repeatable and not operation.invalidates
    }

    assert silent == {"create_webhook", "delete_webhook"}
    for operation in OPERATIONS.values():
        assert not (operation.repeatable and operation.invalidates)
        assert all(OPERATIONS[each].repeatable for each in operation.invalidates)


async def test_no_name_of_a_copy_holds_the_key():
    """Copies are named by a digest of the key."""
    key = f"key-{uuid4()}"
    async with Numbered() as server, client(server, key, cache_ttl=60) as user:
        await user.rooms.get("copied")

        names = [repr(each) for each in gc.get_objects() if isinstance(each, Name)]
        assert any("/api/rooms/copied" in name for name in names)
        assert not any(key in name for name in names)


# -- the stage alone -----------------------------------------------------------------------------------------------------


def stage(inner: Inner, clock: HandClock, memory: CacheMemory | None = None) -> Cache:
    return Cache(inner, clock.now, memory=CacheMemory() if memory is None else memory)


async def test_alone_it_keeps_what_the_call_allows(clock):
    """A call without `cache_ttl` is answered by the inner stage, and its answer is not kept."""
    inner = Inner(answer("one"), answer("two"), answer("three"))
    cache = stage(inner, clock)

    assert await cache.send(read(clock)) == answer("one")
    assert await cache.send(read(clock, cache_ttl=5)) == answer("two")
    clock.advance(4.9)
    assert await cache.send(read(clock, cache_ttl=5)) == answer("two")
    clock.advance(0.1)
    assert await cache.send(read(clock, cache_ttl=5)) == answer("three")


async def test_alone_a_flawed_answer_is_not_kept(clock):
    """The body is not whole."""
    inner = Inner(Answer(200, b"{", "cut"), answer("whole"))
    cache = stage(inner, clock)

    assert (await cache.send(read(clock, cache_ttl=5))).flaw
    assert await cache.send(read(clock, cache_ttl=5)) == answer("whole")


async def test_alone_caches_share_a_memory(clock):
    """A write through one cache drops the copies that another one kept."""
    memory, inner, other = CacheMemory(), Inner(answer("one"), answer("two")), Inner()
    cache = stage(inner, clock, memory)

    await cache.send(read(clock, cache_ttl=60))
    await stage(other, clock, memory).send(write(clock))
    assert await cache.send(read(clock, cache_ttl=60)) == answer("two")


async def test_alone_a_write_spoils_what_is_in_flight(clock):
    """The answer of a read that began before the write ended is not kept, even if the write went through another cache."""
    memory, inner = CacheMemory(), Inner(answer("old"), answer("new"), held=True)
    cache = stage(inner, clock, memory)
    (before,) = start(cache.send(read(clock, cache_ttl=60)))
    await until(lambda: inner.calls)
    await stage(Inner(), clock, memory).send(write(clock))
    inner.gate.set()

    assert await before == answer("old")
    assert await cache.send(read(clock, cache_ttl=60)) == answer("new")
    assert await cache.send(read(clock, cache_ttl=60)) == answer("new")


@pytest.mark.parametrize("failure", [refusal(503), refusal(429), lost("unknown"), lost("no")])
async def test_alone_a_copy_stands_in(failure, clock):
    """A copy stands in for a failure that tells nothing of the object."""
    cache = stage(Inner(answer("one"), failure), clock)
    options = {"cache_ttl": 1, "stale_if_error": 9}

    await cache.send(read(clock, **options))
    clock.advance(9.9)
    assert await cache.send(read(clock, **options)) == answer("one")
    clock.advance(0.1)
    with pytest.raises(type(failure)):
        await cache.send(read(clock, **options))


@pytest.mark.parametrize("what", ["write", "forget"])
async def test_alone_an_answer_of_another_thread_is_not_kept_while_a_change_ends(clock, what):
    """It comes in the middle of the step that drops copies, and was asked for before the change."""
    inner = Inner(answer("old"), held=True)

    class Crowded(CacheMemory):
        def drop(self, which: Which) -> None:
            super().drop(which)
            inner.gate.set()
            with pytest.raises(StopIteration):
                reading.send(None)

    memory = Crowded()
    reading = stage(inner, clock, memory).send(read(clock, cache_ttl=60))
    reading.send(None)  # it is asked, and has no answer yet
    other = stage(Inner(), clock, memory)
    if what == "write":
        await other.send(write(clock))
    else:
        other.forget(lambda name, operation: True)

    assert not memory.copies


async def test_alone_closing_ends_renewals(clock):
    """The renewal that waits for the inner stage is cancelled, and the inner stage is closed."""
    inner = Inner(answer("one"))
    cache, before = stage(inner, clock), tasks()
    await cache.send(read(clock, stale_while_revalidate=60))
    inner.gate.clear()
    assert await cache.send(read(clock, stale_while_revalidate=60)) == answer("one")
    await until(lambda: len(inner.calls) == 2)
    assert inner.calls[1].waiters.lane == "background"
    assert len(tasks() - before) == 1
    await cache.aclose()

    assert tasks() == before
    assert inner.closed == 1
    with pytest.raises(ClientClosedError):
        cache.check()
    with pytest.raises(ClientClosedError):
        await cache.send(read(clock, stale_while_revalidate=60))
