"""The limiter under eager tasks: a task may end before `create_task` returns."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.clock import VirtualLoop
from support.server_models import Server, Style

from sessions_us.errors import ClientClosedError
from sessions_us.events import ClientEvent, StoreRecovered, StoreUnavailable
from sessions_us.quota import Lane, Limiter, MemoryStore, Quota, SQLiteStore
from sessions_us.quota.clock import LoopClock
from sessions_us.quota.rules.state import QuotaState
from sessions_us.quota.stores import Held, Store, StoreFailure
from sessions_us.quota.stores.codec import from_text, to_text
from sessions_us.quota.stores.replica import RETRY

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12"),
    pytest.mark.skipif("SESSIONS_UVLOOP" in os.environ, reason="uvloop has no eager tasks"),
]
WAIT = 600.0  # seconds of virtual time after which a call hangs


class Instant:
    """A shared store whose steps don't suspend, unless it is told to be slow."""

    shared = True
    fallback: float | None = 0.5

    def __init__(self, slow: bool = False) -> None:
        self.held: dict[str, tuple[int, str]] = {}
        self.slow = slow
        self.down = False

    def of(self, loop: asyncio.AbstractEventLoop) -> Instant:
        return self

    async def load(self, name: str) -> Held:
        if self.slow:
            await asyncio.sleep(0)
        if self.down:
            raise StoreFailure("down")
        version, text = self.held.get(name, (0, ""))
        return Held(version, from_text(text) if text else None, asyncio.get_running_loop().time())

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        held = await self.load(name)
        if held.version != version:
            return False, held
        self.held[name] = version + 1, to_text(state)
        return True, await self.load(name)

    async def aclose(self) -> None:
        pass


def eagerly(main: Callable[[], Awaitable[None]], loop: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop) -> None:
    """Run under eager tasks."""

    async def eager() -> None:
        if sys.version_info >= (3, 12):
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await asyncio.create_task(within(main()))

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(eager())


async def within(call: Awaitable[None]) -> None:
    async with asyncio.timeout(WAIT):
        await call


class World:
    """A limiter and a server."""

    def __init__(self, store: Store | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.server = Server("fixed", Style(), limit=10)
        self.events: list[ClientEvent] = []
        self.limiter = Limiter(Quota(store=store), name="key", clock=LoopClock(self.loop.time), emit=self.events.append)

    async def call(self, lane: Lane = "interactive", seconds: float = 0.1, owner: object | None = None) -> None:
        lease = await self.limiter.acquire(lane=lane, deadline=None, owner=owner)
        await asyncio.sleep(seconds)
        answer = self.server.hit(self.loop.time())
        await lease.done(answer.status, answer.headers)


STORES: list[Callable[[], Store | None]] = [lambda: None, MemoryStore, Instant, lambda: Instant(slow=True)]


@pytest.mark.parametrize("store", STORES, ids=["none", "memory", "instant", "slow"])
def test_all_calls_are_served(store: Callable[[], Store | None]) -> None:
    """At once and after a wait, in both lanes, with calls that are cancelled in between."""

    async def main() -> None:
        world = World(store())
        tasks = [asyncio.create_task(world.call("background" if number % 3 else "interactive")) for number in range(25)]
        gone = [asyncio.create_task(world.call()) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in gone:
            task.cancel()
        await asyncio.gather(*tasks)
        await asyncio.gather(*gone, return_exceptions=True)
        assert world.server.refused == 0
        assert not world.limiter.in_use
        assert sum(world.limiter.snapshot().waiting.values()) == 0
        await world.limiter.leave(world)

    eagerly(main)


@pytest.mark.parametrize("slow", [False, True])
def test_a_store_that_fails_and_comes_back_stops_nobody(slow: bool) -> None:
    """While it is down, no step of the quota suspends, so each of its tasks ends within `create_task`."""

    async def main() -> None:
        store = Instant(slow)
        world = World(store)
        await world.call()
        store.down = True
        await asyncio.gather(*(asyncio.create_task(world.call()) for _ in range(8)))
        store.down = False
        await asyncio.sleep(RETRY)
        await asyncio.gather(*(asyncio.create_task(world.call()) for _ in range(8)))
        kinds = [type(event) for event in world.events if isinstance(event, StoreUnavailable | StoreRecovered)]
        assert kinds == [StoreUnavailable, StoreRecovered]
        assert world.server.refused == 0

    eagerly(main)


def test_a_listener_may_call_again() -> None:
    """An event is emitted from within a step of the quota. A task that its listener starts runs at once, and is served."""

    async def main() -> None:
        store, tasks = Instant(), []
        world = World(store)

        def hear(event: ClientEvent) -> None:
            if isinstance(event, StoreUnavailable):
                tasks.append(asyncio.create_task(world.call()))

        world.limiter = Limiter(Quota(store=store), name="key", clock=LoopClock(world.loop.time), emit=hear)
        await world.call()
        store.down = True
        await asyncio.gather(*(asyncio.create_task(world.call()) for _ in range(3)))
        await asyncio.gather(*tasks)
        assert len(tasks) == 1
        assert not world.limiter.in_use

    eagerly(main)


def test_closing_ends_the_waits() -> None:
    """Waiters of a shared store get their error, and nothing is left running."""

    async def main() -> None:
        world = World(Instant())
        tasks = [asyncio.create_task(world.call(seconds=1.0, owner=world)) for _ in range(12)]
        await asyncio.sleep(0.1)
        await world.limiter.leave(world)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {type(None), ClientClosedError}
        assert not world.limiter.in_use

    eagerly(main)


def test_a_file_serves_calls_that_wait(tmp_path: Path) -> None:
    """The real store, in real time: one call must wait for the answer of another, and one is cancelled while it waits."""

    async def main() -> None:
        limiter = Limiter(Quota(store=SQLiteStore(tmp_path / "quota.db")), name="key")
        first = await limiter.acquire(lane="interactive", deadline=None)
        second = asyncio.create_task(limiter.acquire(lane="interactive", deadline=None))
        third = asyncio.create_task(limiter.acquire(lane="interactive", deadline=None))
        await asyncio.sleep(0.2)
        third.cancel()
        await asyncio.wait([third], timeout=20)
        assert third.cancelled()
        await first.done(
            200, [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", "60")]
        )
        async with asyncio.timeout(20):
            await (await second).refund()
        await limiter.leave(main)

    eagerly(main, asyncio.new_event_loop)
