"""Several callers behind one request, at the limiter's front door and in virtual time."""

from __future__ import annotations

import asyncio

from support.clock import run

from sessions_us._send.waiters import Waiters
from sessions_us.errors import QuotaTimeoutError
from sessions_us.quota import Lane, Limiter, Quota
from sessions_us.quota.clock import LoopClock


def test_a_promoted_request_keeps_its_arrival_number():
    """Work that becomes urgent goes before urgent work that came after it, and behind what came before."""

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        limiter, order = Limiter(Quota(limit=1, window=10), clock=LoopClock(loop.time)), list[str]()
        waiters: Waiters[None] = Waiters("background", loop.time)

        async def call(operation: str, lane: Lane, joint: Waiters[None] | None = None) -> None:
            lease = await limiter.acquire(lane=lane, deadline=None, operation=operation, callers=joint)
            order.append(f"{operation} {lease.lane}")
            await lease.done(200, [])

        calls = []
        for operation, lane, joint in (
            ("used", "interactive", None),
            ("export", "background", None),
            ("before", "interactive", None),
            ("shared", "background", waiters),
            ("after", "interactive", None),
        ):
            calls.append(asyncio.create_task(call(operation, lane, joint)))  # type: ignore[arg-type]
            await asyncio.sleep(0)
        await limiter.raise_lane(waiters, "interactive")
        await limiter.raise_lane(waiters, "interactive")
        assert limiter.snapshot().waiting == {"interactive": 3, "background": 1}
        await asyncio.gather(*calls)
        return order

    order = run(main())

    assert [each for each in order if not each.startswith("export")] == [
        "used interactive",
        "before interactive",
        "shared interactive",
        "after interactive",
    ]


def test_each_caller_is_refused_at_its_own_deadline_and_the_request_with_the_last():
    """One ticket, three patiences: in virtual time each error comes when its wait is over."""

    async def main() -> tuple[list[float], int]:
        loop = asyncio.get_running_loop()
        limiter = Limiter(Quota(limit=1, window=1000), clock=LoopClock(loop.time))
        lease = await limiter.acquire(lane="interactive", deadline=None)  # the server is silent: nothing is known
        waiters: Waiters[None] = Waiters("interactive", loop.time)
        callers = [waiters.begin(7), waiters.join("interactive", 5)[0], waiters.join("interactive", 3)[0]]
        began, ends = loop.time(), list[float]()

        async def hear(number: int) -> None:
            outcome = await callers[number].future
            assert isinstance(outcome, QuotaTimeoutError)
            ends.append(round(loop.time() - began))

        hearing = [asyncio.create_task(hear(number)) for number in range(3)]
        try:
            await limiter.acquire(lane="interactive", deadline=None, callers=waiters)
        except QuotaTimeoutError:
            await asyncio.gather(*hearing)
        waiting = limiter.snapshot().waiting["interactive"]
        await lease.refund()
        return ends, waiting

    assert run(main()) == ([3, 5, 7], 0)
