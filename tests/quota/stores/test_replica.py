"""Several limiters that share a state through a store, in virtual time: randomised, with cancellations, deaths and outages."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from support.clock import run
from support.further import further
from support.server_models import Server, Style

from sessions_us.errors import QuotaTimeoutError
from sessions_us.events import ClientEvent, StoreRecovered, StoreUnavailable
from sessions_us.quota import Lane, Lease, Limiter, Quota
from sessions_us.quota.clock import LoopClock
from sessions_us.quota.dispatcher import LEASE_MARGIN
from sessions_us.quota.rules.state import STALE_AFTER, QuotaState
from sessions_us.quota.stores import Held, StoreFailure
from sessions_us.quota.stores.codec import from_text, to_text
from sessions_us.quota.stores.replica import RETRY

LIMIT, WINDOW = 10, 60.0
HEADERLESS = "none"


class Depot:
    """What Redis would hold, in virtual time: its steps take a while, its clock is its own, and it can be made to fail."""

    shared = True

    def __init__(self, dice: random.Random, fallback: float | None = 0.25, latency: float = 0.002) -> None:
        self.fallback = fallback
        self.held: dict[str, tuple[int, str]] = {}
        self.down = False
        self.hangs = False
        self.closed = 0
        self.dice = dice
        self.latency = latency
        self.versions = 0

    def of(self, loop: asyncio.AbstractEventLoop) -> Depot:
        return self

    async def load(self, name: str) -> Held:
        await self.way()
        held = self.read(name)
        await self.way()
        return held

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        await self.way()
        held = self.read(name)
        accepted = held.version == version
        if accepted:
            self.versions += 1
            self.held[name] = self.versions, to_text(state)
            held = self.read(name)
        await self.way()
        return accepted, held

    async def aclose(self) -> None:
        self.closed += 1

    def read(self, name: str) -> Held:
        version, text = self.held.get(name, (0, ""))
        return Held(version, from_text(text) if text else None, asyncio.get_running_loop().time() + 5e8)

    async def way(self) -> None:
        if self.hangs:
            await asyncio.sleep(2)
        if self.down or self.hangs:
            raise StoreFailure("down")
        await asyncio.sleep(self.dice.expovariate(1 / self.latency))


class Process:
    """The store as one process has it: it reaches the depot, until the process is cut off with a depot of its own."""

    shared = True

    def __init__(self, depot: Depot) -> None:
        self.depot = depot
        self.fallback = depot.fallback

    def of(self, loop: asyncio.AbstractEventLoop) -> Process:
        return self

    async def load(self, name: str) -> Held:
        return await self.depot.load(name)

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        return await self.depot.swap(name, version, state)

    async def aclose(self) -> None:
        await self.depot.aclose()


class Company:
    """Limiters of several processes, each with a clock of its own, and the server that counts them all."""

    def __init__(self, model: str, seed: int, processes: int = 4, fallback: float | None = 0.25, **style: str) -> None:
        self.dice = random.Random(seed)
        self.loop = asyncio.get_running_loop()
        self.server = Server(model, Style(**style), limit=LIMIT)  # type: ignore[arg-type]
        self.depot = Depot(self.dice, fallback)
        self.events: list[list[ClientEvent]] = [[] for _ in range(processes)]
        self.stores = [Process(self.depot) for _ in range(processes)]
        self.limiters = [self.limiter(*each) for each in zip(self.stores, self.events, strict=True)]
        self.served: list[tuple[float, float]] = []

    def limiter(self, store: Process, events: list[ClientEvent]) -> Limiter:
        ahead = self.dice.uniform(0, 1e5)
        quota = Quota(LIMIT, WINDOW, store=store)
        return Limiter(quota, name="key", clock=LoopClock(lambda: self.loop.time() + ahead), emit=events.append)

    async def call(self, limiter: Limiter, lane: Lane = "interactive", timeout: float = 30.0) -> int:
        asked = self.loop.time()
        lease = await limiter.acquire(lane=lane, deadline=None, timeout=timeout)
        granted = self.loop.time()
        try:
            await asyncio.sleep(0.02 + self.dice.expovariate(20))
            answer = self.server.hit(self.loop.time())
            await asyncio.sleep(0.02 + self.dice.expovariate(20))
        except asyncio.CancelledError:
            await lease.unknown()
            raise
        await lease.done(answer.status, answer.headers)
        self.served.append((asked, granted))
        return answer.status

    async def impatient(self, limiter: Limiter) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.dice.choice((0.001, 0.01, 1.0, 90.0)) * self.dice.random()):
                await self.call(limiter)

    def state(self) -> QuotaState:
        return from_text(self.depot.held["key"][1])

    async def settled(self) -> None:
        """Nothing is left behind: no ticket, no lease, no connection."""
        for limiter in self.limiters:
            assert not limiter.in_use
            await limiter.leave(self)
        state = self.state().tidied(self.loop.time() + 5e8 + STALE_AFTER)
        assert not state.interactive
        assert not state.background
        assert not state.window.flights
        assert self.depot.closed


@pytest.mark.parametrize("model", ["fixed", "aligned", "log", "nest", "gcra", HEADERLESS])
@pytest.mark.parametrize("seed", [0, *further(1)])
def test_four_processes_get_no_429_and_keep_the_order(model: str, seed: int) -> None:
    """Bursts of all four at once, some of whose callers give up at any moment; 60 that don't are served, in order."""

    async def main() -> None:
        headerless = model == HEADERLESS
        company = Company("fixed" if headerless else model, seed, **({"family": "none"} if headerless else {}))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(15):
                for limiter in company.limiters:
                    tasks.create_task(company.call(limiter))
                    if company.dice.random() < 0.2:
                        tasks.create_task(company.impatient(limiter))
                    await asyncio.sleep(company.dice.expovariate(10))
        assert company.server.refused == 0
        assert len(company.served) >= 60
        for asked, granted in company.served:
            assert not [each for each in company.served if each[0] > asked + 0.05 and each[1] < granted - 0.05]
        await company.settled()

    run(main())


def test_sharing_costs_little_time() -> None:
    """60 requests of four processes on a server with windows take little longer than the five windows that they need."""

    async def main() -> float:
        company = Company("fixed", 1)
        start = company.loop.time()
        await asyncio.gather(*(company.call(limiter) for _ in range(15) for limiter in company.limiters))
        assert company.server.refused == 0
        return company.loop.time() - start

    assert run(main()) < 1.04 * 5 * WINDOW


def test_interactive_work_goes_before_background_work_of_other_processes() -> None:
    """Lanes hold for the whole state, not only inside a process."""

    async def main() -> None:
        company = Company("fixed", 1, processes=2)
        one, other = company.limiters
        async with asyncio.TaskGroup() as tasks:
            for _ in range(30):
                tasks.create_task(company.call(one, "background"))
            await asyncio.sleep(30)
            start = company.loop.time()
            await company.call(other)
            assert company.loop.time() - start < 1
        assert company.server.refused == 0

    run(main())


def test_leases_and_places_of_a_dead_process_are_taken_back() -> None:
    """A lease when its time is over, a place in the queue when the heart stops: not earlier, and nobody needs to be told."""

    async def main() -> None:
        company = Company("fixed", 3, processes=2)
        dead, other = company.limiters
        lease = await dead.acquire(lane="interactive", deadline=None, timeout=10.0)
        waiting = [asyncio.create_task(dead.acquire(lane="interactive", deadline=None)) for _ in range(3)]
        await asyncio.sleep(0.1)
        start = company.loop.time()
        assert company.state().window.probe is not None
        # From here on nothing that it does reaches the others, not even cleaning up.
        company.stores[0].depot = Depot(company.dice)
        assert await company.call(other) == 200
        took = company.loop.time() - start
        assert STALE_AFTER < took < 10.0 + LEASE_MARGIN + WINDOW + 1
        assert company.server.refused == 0
        for task in waiting:
            task.cancel()
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(outcome, Lease):
                await outcome.refund()
        await lease.unknown()

    run(main())


@pytest.mark.parametrize("cancellations", [1, 2, 3])
def test_a_caller_who_is_cancelled_again_and_again_leaves_nothing(cancellations: int) -> None:
    """What a slow store had taken down for it is given back, however little patience there is for giving it back."""

    async def main() -> None:
        company = Company("fixed", 1, processes=1)
        (limiter,) = company.limiters
        await company.call(limiter)
        held = await limiter.acquire(lane="interactive", deadline=None)
        asking = asyncio.create_task(limiter.acquire(lane="interactive", deadline=None))
        for _ in range(cancellations):
            await asyncio.sleep(0.0005)
            asking.cancel()
        await asyncio.wait([asking])
        await asyncio.sleep(0.1)
        state = company.state()
        assert state.interactive == ()
        assert len(state.window.flights) == 1
        await held.refund()
        await company.settled()

    run(main())


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("seed", [0, *further(1)])
def test_an_outage_is_told_once_and_no_429_comes_of_it(hangs: bool, seed: int) -> None:
    """Alone each takes its share and expects the others; together again they go on as before."""

    async def main() -> None:
        company = Company("fixed", seed)
        async with asyncio.TaskGroup() as tasks:
            for number in range(30):
                for limiter in company.limiters:
                    tasks.create_task(company.call(limiter))
                await asyncio.sleep(company.dice.uniform(3, 6))
                if number == 8:
                    setattr(company.depot, "hangs" if hangs else "down", True)
                if number == 16:
                    company.depot.hangs = company.depot.down = False
        assert len(company.served) == 120
        for events in company.events:
            told = [type(event) for event in events if isinstance(event, StoreUnavailable | StoreRecovered)]
            assert told == [StoreUnavailable, StoreRecovered]
            (recovered,) = (event for event in events if isinstance(event, StoreRecovered))
            assert 10 < recovered.elapsed < 90
        assert company.server.refused <= 2
        await company.settled()

    run(main())


async def left_alone() -> tuple[Company, Limiter]:
    """A process whose store failed after its first request."""
    company = Company("fixed", 1, processes=1, fallback=0.25)
    (limiter,) = company.limiters
    await company.call(limiter)
    company.depot.down = True
    return company, limiter


def test_alone_a_process_takes_no_more_than_its_share() -> None:
    """A quarter of ten is two, in any window, though nobody else is there and the server would allow ten."""

    async def main() -> None:
        company, limiter = await left_alone()
        await asyncio.gather(*(company.call(limiter) for _ in range(12)))
        granted = sorted(granted for _, granted in company.served)[1:]
        assert all(later - earlier >= WINDOW for earlier, later in zip(granted, granted[2:], strict=False))

    run(main())


def test_alone_it_is_told_when_the_share_has_room_again() -> None:
    """Whoever has less patience is refused at once, and whoever waits is not told too much."""

    async def main() -> None:
        company, limiter = await left_alone()
        asked = company.loop.time()
        await company.call(limiter)
        with pytest.raises(QuotaTimeoutError) as caught:
            await limiter.acquire(lane="interactive", deadline=limiter.clock.now() + WINDOW / 3)
        assert company.loop.time() < asked + WINDOW / 3
        assert caught.value.retry_after is not None
        told = company.loop.time() + caught.value.retry_after
        await company.call(limiter)
        assert told <= company.served[-1][1] < told + WINDOW / LIMIT + 1

    run(main())


def test_refusing_is_at_once_and_ends_with_the_outage() -> None:
    """`refuse`: who waits and who comes is told that nothing was sent; an answer in flight is not lost."""

    async def main() -> None:
        company = Company("fixed", 1, processes=1, fallback=None)
        (limiter,) = company.limiters
        lease = await limiter.acquire(lane="interactive", deadline=None)
        waiting = asyncio.create_task(company.call(limiter))
        await asyncio.sleep(0.5)
        company.depot.down = True
        with pytest.raises(QuotaTimeoutError, match="refuse") as caught:
            await waiting
        assert caught.value.retry_after == RETRY
        answer = company.server.hit(company.loop.time())
        await lease.done(answer.status, answer.headers)
        with pytest.raises(QuotaTimeoutError, match="refuse"):
            await company.call(limiter)
        company.depot.down = False
        await asyncio.sleep(RETRY)
        assert await company.call(limiter) == 200
        assert company.server.refused == 0
        assert [type(event) for event in company.events[0] if isinstance(event, StoreUnavailable | StoreRecovered)] == [
            StoreUnavailable,
            StoreRecovered,
        ]

    run(main())


@pytest.mark.parametrize(("fallback", "status"), [(0.25, "alone"), (None, "refusing")])
def test_an_idle_process_notices_the_end_of_an_outage(fallback: float | None, status: str) -> None:
    """A probe that only looks must not keep a process out of work for ever."""

    async def main() -> None:
        company = Company("fixed", 1, processes=1, fallback=fallback)
        (limiter,) = company.limiters
        limiter.join(company)  # as a client that is open
        lease = await limiter.acquire(lane="interactive", deadline=None, owner=company)
        company.depot.down = True
        await lease.refund()
        assert limiter.snapshot().store == status
        company.depot.down = False
        await asyncio.sleep(2 * RETRY)
        assert limiter.snapshot().store == "up"
        assert [type(event) for event in company.events[0] if isinstance(event, StoreUnavailable | StoreRecovered)] == [
            StoreUnavailable,
            StoreRecovered,
        ]

    run(main())


def test_a_store_that_loses_the_state_is_given_it_again() -> None:
    """As Redis does when it is started again: those who wait keep their places, and nothing is counted twice or not at all."""

    async def main() -> None:
        company = Company("fixed", 5)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                for limiter in company.limiters:
                    tasks.create_task(company.call(limiter))
            for _ in range(6):
                await asyncio.sleep(company.dice.uniform(5, 40))
                company.depot.held.clear()
        assert len(company.served) == 40
        assert company.server.refused == 0

    run(main())
