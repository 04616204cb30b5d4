"""This process's replica of the state: decisions are made on it, and set in the store if it still is the newest.

In process a step never suspends. With a store that others use too, the steps of several callers are put together and written by
one short task, so that no caller's cancellation cuts a step short, and a burst costs one step of the store. When the store
fails, the replica goes on alone, says so once, and looks for the store now and then.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, TypeVar

from attrs import evolve

from sessions_us.events import Emit, StoreRecovered, StoreUnavailable
from sessions_us.quota.rules.state import HEARTBEAT, QuotaState
from sessions_us.quota.rules.window import Window
from sessions_us.quota.stores import Held, Store, StoreFailure
from sessions_us.quota.stores.failover import Share, fail_back, fail_over

__all__ = ("AT_ONCE", "RETRY", "Decide", "Replica")

T = TypeVar("T")
Decide = Callable[[QuotaState, float], tuple[QuotaState, T]]

AT_ONCE = 25  # decisions in one turn of the event loop, or many waiters would keep it from everybody else
RETRY = 5.0  # seconds between two attempts to reach a store that failed
_CLOCK_STEP = 5.0  # seconds; a store's time that went back further was set back
_DRIFT = 0.001  # seconds by which two clocks may drift apart between two steps
_log = logging.getLogger("sessions_us")


class _Asked(NamedTuple):
    """A decision that waits to be written."""

    decide: Decide[Any]
    fresh: bool
    future: asyncio.Future[Any]


class _Failover:
    """Since the store failed. `leases`: its own at that moment; `found`: the store answers again."""

    def __init__(self, leases: frozenset[int], failure: StoreFailure, retry_at: float) -> None:
        self.leases = leases
        self.failure = failure
        self.retry_at = retry_at
        self.found = False


class Replica:
    """A state, and the store that it belongs to.

    Args:
        store: where the state lives.
        name: under which name.
        state: the state to begin with, where the store has none.
        alone: nobody else has the store, so there is nothing to set in it.
        clock: seconds that never go back.
        own: the numbers of the tickets and the leases of this process.
        emit: hears that the store failed, and that it is back.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        state: QuotaState,
        *,
        alone: bool,
        clock: Callable[[], float],
        own: Callable[[], tuple[Collection[int], Collection[int]]],
        emit: Emit,
    ) -> None:
        self.store = store
        self.state: QuotaState = evolve(state, leases=_numbers()) if store.shared else state
        self.skew: float = 0.0  # the store's time minus ours
        self._name = name
        self._alone = alone
        self._clock = clock
        self._own = own
        self._emit = emit
        self._version = 0
        self._answered_at: float | None = None  # when the store last answered
        self._asked: list[_Asked] = []
        self._writer: asyncio.Task[None] | None = None
        self._failover: _Failover | None = None
        self._share = Share(1.0 if store.fallback is None else store.fallback)

    def now(self) -> float:
        """The time that all users of the state share, in seconds."""
        return self._clock() + self.skew

    @property
    def failure(self) -> StoreFailure | None:
        """Why the store can't be used; None if it can."""
        return None if self._failover is None else self._failover.failure

    @property
    def must_refuse(self) -> bool:
        """Whether nothing may be sent, because the store can't be used and there is no share to go on with."""
        return self._failover is not None and self.store.fallback is None

    def has_room(self, window: Window, in_flight: int) -> bool:
        """Whether this process may send one more: while it is alone, its share is the limit."""
        return self._failover is None or self._share.has_room(window, in_flight, self.now())

    def opens_at(self, window: Window, in_flight: int) -> float:
        """When this process may send one more at the earliest, for the sake of its share."""
        now = self.now()
        return now if self._failover is None else self._share.opens_at(window, in_flight, now)

    def spend(self) -> None:
        """One of its leases ended, and its request may have counted."""
        self._share.spend(self.state.window, self.now())

    async def step(self, decide: Decide[T], *, fresh: bool = False) -> T:
        """Decide on the newest state, and set what comes out: again if somebody else was faster.

        Args:
            decide: state and time in; the same state or a new one, and a result, out. It may be called several times.
            fresh: ask the store first, so that also a decision to do nothing is one about the newest state.
        """
        if self._alone:
            self.state, result = decide(self.state, self._clock())
            return result
        if self.store.shared:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._asked.append(_Asked(decide, fresh, future))
            if self._writer is None:
                self._writer = asyncio.create_task(self._write())
            return await asyncio.shield(future)
        while True:
            state, result = decide(self.state, self._clock())
            if state is self.state:
                return result
            accepted, held = await self.store.swap(self._name, self._version, state)
            self._version, self.state = held.version, held.state or self.state
            if accepted:
                return result

    async def seek(self) -> None:
        """Look whether a store that failed is back, if it is time for it."""
        failover, now = self._failover, self._clock()
        if failover is None or failover.found or now < failover.retry_at:
            return
        failover.retry_at = now + RETRY
        try:
            await self.store.load(self._name)
        except StoreFailure:
            return
        failover.found = True
        await self.step(lambda state, now: (state, None))

    def bind(self) -> None:
        """Belong to a new event loop: whoever asked in the last one is gone with it."""
        self._asked, self._writer = [], None

    # -- the one task that writes ------------------------------------------------------------------------------------

    async def _write(self) -> None:
        batch: list[_Asked] = []
        try:
            while self._asked:
                batch, self._asked = self._asked[:AT_ONCE], self._asked[AT_ONCE:]
                for asked, result in zip(batch, await self._settle(batch), strict=True):
                    if not asked.future.done():
                        asked.future.set_result(result)
        except BaseException as error:
            for asked in (*batch, *self._asked):
                if asked.future.done():
                    continue
                if isinstance(error, Exception):
                    asked.future.set_exception(error)
                else:
                    asked.future.cancel()
            self._asked = []
            if not isinstance(error, Exception):
                raise
        finally:
            self._writer = None

    async def _settle(self, batch: list[_Asked]) -> list[Any]:
        """Make these decisions, one after the other, as one step of the store."""
        if self._failover is not None and self._failover.found:
            await self._fail_back(self._failover)
        # Nothing is decided before the store has told the time, nor after a pause in which the two clocks may have parted.
        recent = self._answered_at is not None and self._clock() < self._answered_at + HEARTBEAT
        fresh = not recent or any(asked.fresh for asked in batch)
        while True:
            try:
                if fresh and self._failover is None:
                    self._take(await self.store.load(self._name))
                before, now = self.state, self.now()
                state, results = before if self._failover else before.tidied(now), []
                for asked in batch:
                    state, result = asked.decide(state, now)
                    results.append(result)
                if state is before:
                    return results
                if self._failover:
                    self.state = state
                    return results
                accepted, held = await self.store.swap(self._name, self._version, state)
                self._take(held)
                if accepted:
                    return results
                fresh = False  # the newest came back
            except StoreFailure as failure:
                self._fail_over(failure)

    def _take(self, held: Held) -> None:
        if held.now is not None:
            self._follow(held.now)
        self._answered_at = self._clock()
        if held.state is not None:
            self.state = held.state
        elif self._version != held.version:
            # The store lost it. Ours goes on, with numbers that nobody has: it may not be the newest that there was.
            self.state = evolve(self.state, leases=_numbers())
        self._version = held.version

    def _follow(self, time: float) -> None:
        # The answer took a while, so the true difference is larger, never smaller: the largest seen is the best.
        skew = time - self._clock()
        if self._answered_at is None or skew > self.skew or self.skew - skew > _CLOCK_STEP:
            self.skew = skew
        else:
            self.skew = max(skew, self.skew - _DRIFT)

    # -- without the store -------------------------------------------------------------------------------------------

    def _fail_over(self, failure: StoreFailure) -> None:
        tickets, leases = self._own()
        self._failover = _Failover(frozenset(leases), failure, self._clock() + RETRY)
        self.state = fail_over(self.state, tickets, leases, self.now(), _numbers())
        plan = "nothing is sent" if self.store.fallback is None else "this process goes on alone with its share"
        _log.warning("%r can't be used (%s): %s until it can", self.store, failure, plan)
        self._emit(StoreUnavailable(store=repr(self.store), reason=failure.reason))

    async def _fail_back(self, failover: _Failover) -> None:
        try:
            held = await self.store.load(self._name)
            while True:
                if held.now is not None:
                    self._follow(held.now)
                _, leases = self._own()
                theirs, ended = held.state or self.state, failover.leases - frozenset(leases)
                state = fail_back(theirs, self.state, ended, self.now(), 2 * RETRY)
                accepted, held = await self.store.swap(self._name, held.version, state)
                if accepted:
                    break
        except StoreFailure:
            failover.found = False
            return
        self._failover = None
        self._take(held)
        _log.warning("%r can be used again", self.store)
        self._emit(StoreRecovered(store=repr(self.store)))


def _numbers() -> int:
    """Where the numbers of tickets begin, so that they are nobody else's."""
    return secrets.randbits(50)
