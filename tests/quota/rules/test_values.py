"""States are values: what was given out never changes, whatever happens afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from support.clock import run
from support.server_models import MODELS, Server, Style

from sessions_us.quota import Lane, Limiter, MemoryStore, Quota
from sessions_us.quota.clock import LoopClock
from sessions_us.quota.rules.state import QuotaState
from sessions_us.quota.stores import Held
from sessions_us.quota.stores.codec import to_text


class Archive(MemoryStore):
    """Keeps all that was ever set, and what it looked like then."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[QuotaState, str]] = []

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        """Set it, and remember it."""
        self.kept.append((state, to_text(state)))
        return await super().swap(name, version, state)


@pytest.mark.parametrize("model", MODELS)
def test_no_state_changes_once_it_was_given_out(model: str) -> None:
    """Through answers, 429s, losses, refunds, and callers who give up or become urgent."""

    async def main() -> None:
        loop, chance, store = asyncio.get_running_loop(), random.Random(model), Archive()
        server = Server(model, Style())
        limiter = Limiter(Quota(store=store), clock=LoopClock(loop.time))

        async def call(number: int) -> None:
            await asyncio.sleep(chance.uniform(0, 200))
            lane: Lane = chance.choice(("interactive", "background"))
            lease = await limiter.acquire(lane=lane, deadline=None, front=number % 7 == 0)
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                await lease.unknown()
                raise
            match number % 5:
                case 0:
                    await lease.unknown()
                case 1:
                    await lease.refund()
                case 2:
                    await lease.done(429, [("Retry-After", "3")])
                case _:
                    answer = server.hit(loop.time())
                    await lease.done(answer.status, answer.headers)

        async def impatient(number: int) -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call(number), chance.uniform(0, 100))

        await asyncio.gather(*(call(number) for number in range(60)), *(impatient(number) for number in range(60, 90)))
        assert len(store.kept) > 100
        for state, text in store.kept:
            assert to_text(state) == text

    run(main())
