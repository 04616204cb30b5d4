"""One randomised run of the limiter against one server model in virtual time. Everything follows from the seed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import NamedTuple

from support.clock import run
from support.server_models import Server, Style

from sessions_us.quota import Lane, Lease, Limiter, Quota
from sessions_us.quota.clock import LoopClock

__all__ = ("Outcome", "Scenario", "simulate")

GIVES_UP = 30.0  # seconds, as long as the client waits for an answer


class Scenario(NamedTuple):
    """What is simulated.

    Attributes:
        lost: the share of requests whose answer never comes; half of them did not reach the server either.
        cancelled: the share of callers who give up while they wait, at a random moment.
        known_start: nobody used the key before.
        stalled: the share of requests that are up to 25 seconds on their way.
        base, jitter: seconds of latency each way: at least, and the mean of an exponential on top. Answers overtake.
        clients: how many limiters, that know nothing of each other, use the key.
    """

    model: str
    seed: int
    style: Style = Style()
    requests: int = 80
    lost: float = 0.0
    cancelled: float = 0.0
    known_start: bool = False
    stalled: float = 0.0
    base: float = 0.03
    jitter: float = 0.04
    clients: int = 1
    burst: bool = False

    def start(self) -> float:
        """The virtual second at which it starts: anywhere in a minute."""
        return 1020.0 + random.Random(f"start {self.seed}").uniform(0, 60)


class Outcome(NamedTuple):
    """What came out: requests that arrived at the server, its 429s, callers served, seconds from first to last answer."""

    arrived: int
    refused: int
    served: int
    makespan: float


def simulate(scenario: Scenario) -> Outcome:
    """Run one scenario.

    Raises:
        RuntimeError: somebody waits forever.
    """
    return run(_Run(scenario).main(), start=scenario.start())


class _Run:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = random.Random(scenario.seed)
        self.server = Server(scenario.model, scenario.style)
        self.served = 0
        self.last = 0.0

    async def main(self) -> Outcome:
        loop, random = asyncio.get_running_loop(), self.random
        if not self.scenario.known_start:
            # Some were used by somebody else in the last window, but not all: with none left the first request can't but fail.
            before = sorted(random.uniform(0, 60) for _ in range(random.randint(0, self.server.limit - 1)))
            now = loop.time()
            for moment in before:
                self.server.hit(now - 60 + moment)
            self.server.refused = 0
        arrived = len(self.server.arrivals)
        start = loop.time()
        await asyncio.gather(*(self.client() for _ in range(self.scenario.clients)))
        return Outcome(len(self.server.arrivals) - arrived, self.server.refused, self.served, self.last - start)

    async def client(self) -> None:
        limiter = Limiter(Quota(), clock=LoopClock(asyncio.get_running_loop().time))
        async with asyncio.TaskGroup() as tasks:
            left = self.scenario.requests
            while left:
                count = left if self.scenario.burst else min(left, self.random.choice((1, 2, 5, 10, 15, 25)))
                left -= count
                gap = 0.0 if self.scenario.burst else self.random.choice((0.0, 0.0, 0.5, 3.0, 7.0, 15.0))
                for _ in range(count):
                    tasks.create_task(self.caller(limiter))
                    if gap:
                        await asyncio.sleep(self.random.expovariate(1 / gap))
                if left:
                    await asyncio.sleep(self.random.choice((0.0, 5.0, 30.0, 70.0, 200.0)) * self.random.random())
        snapshot = limiter.snapshot()
        assert snapshot.in_flight == 0
        assert sum(snapshot.waiting.values()) == 0

    async def caller(self, limiter: Limiter) -> None:
        if self.random.random() >= self.scenario.cancelled:
            await self.call(limiter)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.random.choice((0.0, 0.1, 5.0, 90.0)) * self.random.random()):
                await self.call(limiter)

    async def call(self, limiter: Limiter) -> None:
        lane: Lane = "background" if not self.scenario.burst and self.random.random() < 0.3 else "interactive"
        lease = await limiter.acquire(lane=lane, deadline=None)
        while not await self.attempt(lease):
            lease = await limiter.acquire(lane=lane, deadline=None, arrival=lease.arrival, front=True)
        self.served += 1
        self.last = max(self.last, asyncio.get_running_loop().time())

    async def attempt(self, lease: Lease) -> bool:
        """One request; False for a 429. A cancelled or lost one may have reached the server, or reach it no more."""
        random, scenario = self.random, self.scenario
        lost = random.random() < scenario.lost
        try:
            if lost and random.random() < 0.5:
                await asyncio.sleep(GIVES_UP)
                await lease.unknown()
                return True
            stall = random.uniform(0, 25) if random.random() < scenario.stalled else 0.0
            await asyncio.sleep(scenario.base + random.expovariate(1 / scenario.jitter) + stall)
            answer = self.server.hit(asyncio.get_running_loop().time())
            await asyncio.sleep(GIVES_UP if lost else scenario.base + random.expovariate(1 / scenario.jitter))
        except asyncio.CancelledError:
            await lease.unknown()
            raise
        if lost:
            await lease.unknown()
            return True
        await lease.done(answer.status, answer.headers)
        return answer.status != 429
