"""The replica of a state in this process: it makes decisions, and sets the result in the store by compare-and-set.

In process a step never suspends, and several event loops use one replica: a lock makes their steps follow each other, and each
loop that waits hears of each change. With a shared store, each loop has a replica of its own, as another process has. There one
short task collects the steps of several callers and writes them together, so that no caller's cancellation stops a step, and a
burst costs one step of the store. When the store fails, the replica goes on alone, emits an event once, and tries the store
again every few seconds.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...events import Emit, StoreRecovered, StoreUnavailable, logger
from ..rules.state import HEARTBEAT, QuotaState
from ..settings import Quota
from ..single_task import SingleTask
from . import Held, MemoryStore, Store, StoreFailure
from .failover import Share, fail_back, fail_over

if TYPE_CHECKING:
    from ..dispatcher import Dispatcher

__all__ = ("AT_ONCE", "RETRY", "Decide", "Replica")

T = TypeVar("T")
Decide = Callable[[QuotaState, float], tuple[QuotaState, T]]

AT_ONCE = 25  # decisions in one callback of the event loop, so that many waiters don't block it
RETRY = 5.0  # seconds between two attempts to reach a store that failed
_CLOCK_STEP = 5.0  # seconds; if a store's time goes back further, its clock was set back
_DRIFT = 0.001  # seconds by which two clocks may drift apart between two steps of the store


class _Pending(NamedTuple):
    """A decision that waits to be made and written."""

    decide: Decide[Any]
    fresh: bool
    future: asyncio.Future[Any]


class Replica:
    """A state, and the store that keeps it.

    Args:
        quota: how many requests, and the store that keeps the state. No store: the state is this process's alone.
        name: of the state in the store.
        clock: monotonic seconds.
        emit: gets the events of a failure and a recovery of the store.
        known: the state to begin with, on that clock, where the store holds none.

    Attributes:
        state: the newest known state.
        is_common: several event loops use it.
        skew: the store's time minus ours.
        failure: why the store can't be used; None: it can.
        must_refuse: nothing may be sent, because the store can't be used and no share is configured.
        share: what this process may send while it is alone.
    """

    def __init__(
        self,
        quota: Quota,
        name: str,
        *,
        clock: Callable[[], float],
        emit: Emit,
        known: QuotaState | None = None,
    ) -> None:
        self.store: Store = MemoryStore() if quota.store is None else quota.store
        new = QuotaState.new(quota.limit, quota.window) if known is None else known
        self.state: QuotaState = new._replace(leases=_numbers()) if self.store.shared else new
        self.skew: float = 0.0
        self.failure: StoreFailure | None = None
        self.must_refuse: bool = False
        self.share: Share = Share(1.0 if self.store.fallback is None else self.store.fallback)
        self.is_common: bool = False
        self._users: tuple[Dispatcher, ...] = ()  # replaced and never changed, because other threads read it
        self._lock = threading.Lock()
        self._name = name
        self._alone = quota.store is None
        self._clock = clock
        self._emit = emit
        self._version = 0
        self._answered_at: float | None = None  # when the store last answered
        self._pending: list[_Pending] = []
        self._writing = SingleTask(self._write)
        # While the store fails: our leases from before, when to try it again, and whether it answers again.
        self._leases: frozenset[int] = frozenset()
        self._failed_at = self._retry_at = 0.0
        self._answers = False

    def now(self) -> float:
        """Return the time that all users of the state share, in seconds."""
        return self._clock() + self.skew

    def left(self, now: float) -> int:
        """Return how many requests may be sent before the reset; while the store can't be used, those within the share."""
        window = self.state.window
        if self.failure is None:
            return window.left(now)
        return 0 if self.must_refuse else min(window.left(now), self.share.left(window, len(window.flights), now))

    async def step(self, decide: Decide[T], *, fresh: bool = False) -> T:
        """Decide on the newest state, and set the result. Repeat it if another process was faster.

        Args:
            decide: state and time in; the same state or a new one, and a result, out. It may be called several times.
            fresh: whether to read the store first. Otherwise a decision that changes nothing may use an older state.
        """
        if self.store.shared:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._pending.append(_Pending(decide, fresh, future))
            self._writing.start()
            return await asyncio.shield(future)
        with self._lock:
            before = self.state
            if self._alone:
                self.state, result = decide(before, self._clock())
            else:
                result = await self._swapped(decide)
        if self.is_common and self.state is not before:
            self._wake_others()
        return result

    async def _swapped(self, decide: Decide[T]) -> T:
        """Take a step in a store of this process, which never suspends."""
        while True:
            state, result = decide(self.state, self._clock())
            if state is self.state:
                return result
            accepted, held = await self.store.swap(self._name, self._version, state)
            self._version, self.state = held.version, held.state or self.state
            if accepted:
                return result

    def _wake_others(self) -> None:
        """The state has changed. Every loop that waits decides again, so its timer always fits the newest state."""
        loop = asyncio.get_running_loop()
        for user in self._users:
            if user.loop is not loop:
                user.wake()

    def join(self, user: Dispatcher) -> None:
        """Add a user."""
        with self._lock:
            self._set_users((*self._users, user))

    async def forget_ended(self) -> None:
        """Give up what loops that do not run have in the state, so that it does not hold up the others."""
        for user in self._users:
            if not user.loop.is_running():
                await user.abandon()
        with self._lock:
            self._set_users(tuple([user for user in self._users if not user.loop.is_closed()]))

    def _set_users(self, users: tuple[Dispatcher, ...]) -> None:
        self._users, self.is_common = users, len(users) > 1

    async def seek(self) -> None:
        """Try a store that failed again, if it is time to."""
        now = self._clock()
        if self.failure is None or self._answers or now < self._retry_at:
            return
        self._retry_at = now + RETRY
        try:
            await self.store.load(self._name)
        except StoreFailure:
            return
        self._answers = True
        await self.step(lambda state, now: (state, None))

    def bind(self) -> None:
        """Move to the running event loop. Steps that wait in the last one are dropped."""
        self.store = self.store.of(asyncio.get_running_loop())
        self._pending, self._writing = [], SingleTask(self._write)

    # -- the one task that writes ------------------------------------------------------------------------------------

    async def _write(self) -> None:
        batch: list[_Pending] = []
        try:
            while self._pending:
                batch, self._pending = self._pending[:AT_ONCE], self._pending[AT_ONCE:]
                for pending, result in zip(batch, await self._decide(batch), strict=True):
                    pending.future.set_result(result)
        except BaseException as error:
            batch, self._pending = [*batch, *self._pending], []
            for pending in batch:
                if isinstance(error, Exception):
                    pending.future.set_exception(error)
                else:
                    pending.future.cancel()
            if not isinstance(error, Exception):
                raise

    async def _decide(self, batch: list[_Pending]) -> list[Any]:
        """Make these decisions, one after the other, in one step of the store."""
        if self.failure is not None and self._answers:
            await self._fail_back()
        # The store's time is needed first, and again after a pause in which the two clocks may have drifted apart.
        recent = self._answered_at is not None and self._clock() < self._answered_at + HEARTBEAT
        fresh = not recent or any(pending.fresh for pending in batch)
        while True:
            try:
                if fresh and self.failure is None:
                    self._take(await self.store.load(self._name))
                before, now = self.state, self.now()
                state, results = before if self.failure else before.tidied(now), []
                for pending in batch:
                    state, result = pending.decide(state, now)
                    results.append(result)
                if state is before:
                    return results
                if self.failure:
                    self.state = state
                    return results
                accepted, held = await self.store.swap(self._name, self._version, state)
                self._take(held)
                if accepted:
                    return results
                fresh = False  # the store returned the newest state
            except StoreFailure as failure:
                self._fail_over(failure)

    def _own(self) -> tuple[Collection[int], Collection[int]]:
        """Return the numbers of the tickets and of the leases of its users."""
        own = [user.own() for user in self._users]
        return {number for tickets, _ in own for number in tickets}, {number for _, leases in own for number in leases}

    def _take(self, held: Held) -> None:
        is_first = self._answered_at is None
        self._follow(held.now)
        if is_first:
            self.state = self.state.moved(self.skew)
        self._answered_at = self._clock()
        if held.state is not None:
            self.state = held.state
        elif self._version != held.version:
            # The store lost the state. Ours goes on with unused numbers, because it may not be the newest.
            self.state = self.state._replace(leases=_numbers())
        self._version = held.version

    def _follow(self, time: float | None) -> None:
        if time is None:  # our own clock counts
            return
        # The answer took time on its way, so the true difference is never smaller. The largest one seen is the best.
        skew = time - self._clock()
        if self._answered_at is None or skew > self.skew or self.skew - skew > _CLOCK_STEP:
            self.skew = skew
        else:
            self.skew = max(skew, self.skew - _DRIFT)

    # -- without the store -------------------------------------------------------------------------------------------

    def _fail_over(self, failure: StoreFailure) -> None:
        tickets, leases = self._own()
        self.failure, self.must_refuse, self._answers = failure, self.store.fallback is None, False
        self._leases, self._failed_at = frozenset(leases), self._clock()
        self._retry_at = self._failed_at + RETRY
        self.state = fail_over(self.state, tickets, leases, self.now(), _numbers())
        plan = "nothing is sent" if self.must_refuse else "this process goes on alone with its share"
        logger.warning("%r can't be used (%s): %s until it can", self.store, failure, plan)
        self._emit(StoreUnavailable(store=repr(self.store), reason=str(failure)))

    async def _fail_back(self) -> None:
        try:
            held, accepted = await self.store.load(self._name), False
            while not accepted:
                self._follow(held.now)
                _, leases = self._own()
                theirs, ended = held.state or self.state, self._leases - frozenset(leases)
                state = fail_back(theirs, self.state, ended, self.now(), 2 * RETRY)
                accepted, held = await self.store.swap(self._name, held.version, state)
        except StoreFailure:
            self._answers = False
            return
        self.failure, self.must_refuse = None, False
        self._take(held)
        elapsed = self._clock() - self._failed_at
        logger.warning("%r can be used again, after %.1f s", self.store, elapsed)
        self._emit(StoreRecovered(store=repr(self.store), elapsed=elapsed))


def _numbers() -> int:
    """Draw the first number of tickets, so that no other process uses the same."""
    return secrets.randbits(50)
