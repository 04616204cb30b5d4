"""The dispatcher: it lets requests go as the state decides, and hands each its lease.

It decides nothing that a test without a loop could not decide: `rules/state.py` says whose turn it is, and until when it is
nobody's. What is left is the loop's: futures, one timer, and aiolimiter's bucket, our own pace and the backstop for a server
that lies about what is left. Nobody sleeps in the bucket: a turn is taken only if the bucket has room, and charged in the
same step.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Coroutine, Iterable
from itertools import count
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sessions_us.errors import ConfigurationError, SessionsError
from sessions_us.events import ClientEvent, Emit, RequestGranted, RequestQueued, ignore
from sessions_us.quota.bucket import Bucket
from sessions_us.quota.clock import Clock, LoopClock, Timer
from sessions_us.quota.lease import Lease
from sessions_us.quota.rules.eta import eta
from sessions_us.quota.rules.state import HEARTBEAT, Decision, Lane, QuotaState, Ticket
from sessions_us.quota.rules.window import Effect
from sessions_us.quota.settings import Quota
from sessions_us.quota.stores import MemoryStore
from sessions_us.quota.stores.shared_state import AT_ONCE, RETRY, Decide, Replica
from sessions_us.quota.waiter import Waiter, store_down, too_long

__all__ = ("LEASE", "LEASE_MARGIN", "Asked", "Dispatcher")

T = TypeVar("T")
Asked = tuple[Ticket | None, Decision | None]  # a place, or none; whose turn it was, or the lease was granted at once

LONG_WAIT = 2.0  # seconds; a longer wait looks like a hang, so it is said
POLL = 0.025  # seconds between two looks at a shared state that another process may change at any moment
LEASE = 60.0  # seconds that a request may take, unless it is told
LEASE_MARGIN = 5.0  # seconds after which a lease that should be over is taken back
_TICK = 0.001  # seconds; no loop's timers are finer, and one that fires a hair too early must not spin
_log = logging.getLogger("sessions_us")


class Dispatcher:
    """Those who wait for one state, in one process and one event loop; `Limiter` is its surface."""

    def __init__(self, quota: Quota, *, name: str = "", emit: Emit = ignore, clock: Clock | None = None) -> None:
        self.quota = quota
        self._emit = emit
        self.clock: Clock = LoopClock() if clock is None else clock
        self._store = MemoryStore() if quota.store is None else quota.store
        state = QuotaState.new(quota.limit, quota.window)
        alone = quota.store is None
        self._replica = Replica(
            self._store, name, state, alone=alone, clock=self.clock.now, own=self._own, emit=self._tell
        )
        self._waiters: dict[int, Waiter] = {}
        self._watched: dict[int, Waiter] = {}  # of these, who may be refused, or whose wait may yet become long
        self._owners: WeakKeyDictionary[object, Emit] = WeakKeyDictionary()
        self._out: set[int] = set()  # leases that have not ended
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._dispatching: asyncio.Task[None] | None = None
        self._again = False
        self._seeking: asyncio.Task[None] | None = None
        self._bucket = Bucket()
        # The bucket is timed by the event loop. What several processes share is paced by the state alone.
        self._has_bucket = not self._store.shared and isinstance(self.clock, LoopClock)
        self._closed = False

    @property
    def in_use(self) -> bool:
        """Whether anybody has used it who has not left."""
        return bool(self._owners or self._waiters or self._out)

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def _ask(self, ask: Decide[Asked]) -> Asked:
        """Take a place in a shared state. A caller who is cancelled while the store takes it down gives it back."""
        asking = asyncio.ensure_future(self._replica.step(ask))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            await self._settle(self._give_back(asking))
            raise

    async def _give_back(self, asking: asyncio.Future[Asked]) -> None:
        ticket, _ = await asking
        if ticket is not None:
            await self._replica.step(lambda state, now: (state.refunded(ticket.number).leave(ticket), None))

    async def _wait(self, waiter: Waiter, decision: Decision) -> Lease:
        """Wait for the turn. `decision`: whose it was when this one came."""
        ticket = waiter.ticket
        self._waiters[ticket.number] = self._watched[ticket.number] = waiter
        try:
            if self._store.shared or decision.ticket is not None or not self._replica.state.is_last(ticket):
                await self._dispatch()
            else:  # all that has changed is that one more waits, so many waiters cost no more than one each
                await self._inform(waiter, *self._eta(ticket))
                self._arm(decision.wake, [waiter], sooner=True)
            if waiter.emit is not ignore and not waiter.future.done():
                position, expected = self._eta(ticket)
                waiter.emit(
                    RequestQueued(
                        lane=ticket.lane, position=position, expected_wait=expected, operation=waiter.operation
                    )
                )
            outcome = await waiter.future
        except BaseException:
            await self._settle(self._withdraw(waiter))
            raise
        if isinstance(outcome, SessionsError):
            raise outcome
        if waiter.emit is not ignore:
            waiter.emit(RequestGranted(lane=outcome.lane, waited=outcome.waited, operation=waiter.operation))
        return outcome

    async def _withdraw(self, waiter: Waiter) -> None:
        """A caller was cancelled. A lease that it was handed meanwhile goes back, so that the next one gets it."""
        future = waiter.future
        outcome = future.result() if future.done() and not future.cancelled() else None
        if isinstance(outcome, Lease):
            await outcome.refund()
        else:
            await self._leave(waiter)
            await self._dispatch()
            await self._rest()

    async def _leave(self, waiter: Waiter) -> None:
        self._forget(waiter.ticket)
        await self._replica.step(lambda state, now: (state.leave(waiter.ticket), None))

    def _forget(self, ticket: Ticket) -> None:
        self._waiters.pop(ticket.number, None)
        self._watched.pop(ticket.number, None)

    async def _fail(self, waiter: Waiter, error: SessionsError) -> None:
        await self._leave(waiter)
        if not waiter.future.done():
            waiter.future.set_result(error)

    # -- the dispatcher ----------------------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        """Let go whoever may go, refuse whoever waits in vain, and look again when something may have changed.

        In process at once; with a shared store by a task, which starts over if it is called meanwhile.
        """
        if not self._store.shared:
            await self._round()
            return
        self._again = True
        if self._dispatching is None and self._waiters:
            self._dispatching = asyncio.create_task(self._rounds())

    async def _rounds(self) -> None:
        try:
            while self._again and self._waiters:
                self._again = False
                await self._round()
        finally:
            self._dispatching = None

    async def _round(self) -> None:
        wake: float | None = None
        for granted in count():
            if granted == AT_ONCE and not self._store.shared:
                wake = self._replica.now()  # the loop is everybody's: the rest is let go in its next turn
                break
            waiter, wake = await self._replica.step(self._next, fresh=granted == 0)
            if waiter is None:
                break
            self._forget(waiter.ticket)
            lease = self._hand_out(waiter.ticket, waiter.emit, waiter.operation)
            if waiter.future.done():
                await lease.refund()
            else:
                waiter.future.set_result(lease)
        if self._replica.failure is not None:
            self._seeking = asyncio.create_task(self._replica.seek())
            if self._replica.must_refuse:
                for waiter in list(self._waiters.values()):
                    await self._fail(waiter, self._store_down(waiter.ticket.lane))
        await self._review()
        self._arm(wake, self._watched.values())

    def _next(self, state: QuotaState, now: float) -> tuple[QuotaState, tuple[Waiter | None, float | None]]:
        if self._replica.must_refuse:
            return state, (None, None)
        if self._store.shared:
            state = state.alive([each.ticket for each in self._waiters.values() if not each.future.done()], now)
        while True:
            decision = state.decision(now, self.quota.reserve)
            waiter = None if decision.ticket is None else self._waiters.get(decision.ticket.number)
            if decision.ticket is None or waiter is None:  # nobody's turn, or another process's, which takes it itself
                return state, (None, decision.wake)
            if not waiter.future.done():
                break
            state = state.leave(decision.ticket)  # it is about to withdraw, and must not hold up the others
        if not self._has_room(state, decision):
            return state, (None, now + state.window.seconds / state.window.limit)
        return state.grant(decision, now, self._expires_at(now, waiter.timeout)), (waiter, None)

    def _has_room(self, state: QuotaState, decision: Decision) -> bool:
        """Whether our own pace allows it."""
        if self._store.shared:
            return self._replica.has_room(state.window, len(self._out))
        return not self._has_bucket or self._bucket.has_room(state.window, probe=decision.probe)

    def _expires_at(self, now: float, timeout: float) -> float | None:
        """When a lease is over, whatever becomes of its process."""
        return now + timeout + LEASE_MARGIN if self._store.shared else None

    def _hand_out(self, ticket: Ticket, emit: Emit, operation: str) -> Lease:
        """Make the lease of a ticket that was granted in the same step, and charge the bucket."""
        if self._has_bucket:
            self._bucket.charge(self._replica.state.window)
        self._out.add(ticket.number)
        now = self.clock.now()
        waited = max(0.0, now + self._replica.skew - ticket.since)
        return Lease(ticket, granted_at=now, waited=waited, finish=self._finish, emit=emit, operation=operation)

    async def _review(self) -> None:
        """Tell all whom it may concern how things are, in the queue's order. One reckoning serves for all: they may be many."""
        if not self._watched:
            return
        state, now, gone = self._replica.state, self._replica.now(), 0
        capacity, opens_at = state.window.capacity(now), self._replica.opens_at(state.window, len(self._out))
        for place, ticket in enumerate((*state.interactive, *state.background)):
            waiter = self._watched.get(ticket.number)
            if waiter is not None and not waiter.future.done():
                ahead = place - gone
                wait = max(opens_at, eta(state, ticket.lane, ahead, capacity, now, self.quota.reserve)) - now
                gone += await self._inform(waiter, ahead + 1, wait if wait > 0 else None)

    async def _inform(self, waiter: Waiter, position: int, expected: float | None) -> bool:
        """Refuse it, if it waits in vain; if its wait is long, say so, once: a silent one looks like a hang. Gives if it goes."""
        wait = expected or 0.0
        while (deadline := waiter.deadline) is not None:
            now = self.clock.now()
            if now < deadline and now + wait <= deadline:
                break
            error = too_long(waiter.ticket, position, expected, max(0.0, deadline - now))
            if not waiter.refuse(error, now, wait):
                await self._fail(waiter, error)
                return True
        if not waiter.said and (wait > LONG_WAIT or self._replica.now() - waiter.ticket.since >= LONG_WAIT):
            waiter.said = True
            _log.info(
                "%s waits for the quota: lane %s, position %d, expected wait %s",
                waiter.operation or "a request",
                waiter.ticket.lane,
                position,
                "not known yet" if expected is None else f"{expected:.0f} s",
            )
        if waiter.said and deadline is None:
            self._watched.pop(waiter.ticket.number, None)
        return False

    def _eta(self, ticket: Ticket) -> tuple[int, float | None]:
        """Its place in the queue, 1 for the next, and the seconds that it has to wait at least; None if nothing is known."""
        state, now = self._replica.state, self._replica.now()
        ahead = state.ahead(ticket)
        moment = eta(state, ticket.lane, ahead, state.window.capacity(now), now, self.quota.reserve)
        wait = max(moment, self._replica.opens_at(state.window, len(self._out))) - now
        return ahead + 1, wait if wait > 0 else None

    # -- loop, timer, bucket -----------------------------------------------------------------------------------------

    async def _bind(self) -> None:
        """Belong to the running loop. Whoever waited or had a lease in the last one is gone with it; what is known stays."""
        if self._loop is not None and self._loop.is_running():
            raise ConfigurationError("A client works in one event loop at a time. Make one client for each loop.")
        self._disarm()
        self._bucket = Bucket()
        self._replica.bind()
        self._dispatching = self._seeking = None
        abandoned, self._waiters, self._watched = self._waiters, {}, {}
        out, self._out = self._out, set()

        def abandon(state: QuotaState, now: float) -> tuple[QuotaState, None]:
            for waiter in abandoned.values():
                state = state.leave(waiter.ticket)
            for lease in out:
                state = state.lost(lease, now)
            return state, None

        self._loop = asyncio.get_running_loop()
        if abandoned or out:
            await self._replica.step(abandon)

    def _arm(self, wake: float | None, waiters: Iterable[Waiter], *, sooner: bool = False) -> None:
        """One timer for whatever comes first: more quota, a deadline, a wait that has become long.

        Args:
            wake: when there may be more quota, on the state's clock.
            waiters: whose deadlines and long waits to think of.
            sooner: the timer that is set holds, unless this one is earlier.
        """
        if not self._waiters or self._loop is None:
            self._disarm()
            return
        moments = [] if wake is None else [wake - self._replica.skew]
        for waiter in waiters:
            if (deadline := waiter.deadline) is not None:
                moments.append(deadline)
            if not waiter.said:
                moments.append(waiter.ticket.since - self._replica.skew + LONG_WAIT)
        if self._store.shared:
            news = self._replica.failure is None and (wake is None or self._replica.state.window.flights)
            moments.append(self.clock.now() + (POLL if news else HEARTBEAT / 2))
        if not moments:
            if not sooner:
                self._disarm()
            return
        when = max(self.clock.now() + _TICK, min(moments))
        if self._timer is not None:
            early = when - self._timer_at
            if abs(early) < _TICK or (sooner and early > 0):
                return
            self._timer.cancel()
        self._timer, self._timer_at = self.clock.call_at(when, self._tick), when

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        step = self._dispatch()
        try:
            step.send(None)  # in process no step suspends
        except StopIteration:
            return
        step.close()
        raise RuntimeError("A step of the quota waited where it must not.")

    # -- the state ---------------------------------------------------------------------------------------------------

    def _finish(self, lease: int, decide: Decide[Effect], counts: bool) -> Awaitable[Effect]:
        """End a lease, and let the next one go."""
        return self._settle(self._end(lease, decide, counts))

    async def _end(self, lease: int, decide: Decide[Effect], counts: bool) -> Effect:
        self._out.discard(lease)
        if counts and self._store.shared:
            self._replica.spend()
        elif self._has_bucket and not counts:
            self._bucket.give_back(self._replica.state.window)
        effect = await self._replica.step(decide)
        if self._waiters:
            await self._dispatch()
        if self._store.shared:
            await self._rest()
        return effect

    def _settle(self, step: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Run a step to its end, whatever becomes of its caller. In process it never suspends, so nothing can cut it short."""
        return asyncio.shield(asyncio.ensure_future(step)) if self._store.shared else step

    async def _rest(self) -> None:
        """Close the store's files and connections, when nobody needs them: the limiter outlives its users."""
        if not self._store.shared or self.in_use:
            return
        self._disarm()
        tasks = [task for task in (self._dispatching, self._seeking) if task is not None]
        if tasks:
            await asyncio.wait(tasks)
        if not self.in_use:
            await self._store.aclose()

    def _own(self) -> tuple[Collection[int], Collection[int]]:
        """The numbers of the tickets and leases of this process."""
        return self._waiters.keys(), self._out

    def _store_down(self, lane: Lane) -> SessionsError:
        return store_down(self._store, str(self._replica.failure), lane, RETRY)

    def _tell(self, event: ClientEvent) -> None:
        """Tell all who use this limiter, each once."""
        for emit in {self._emit, *self._owners.values()}:
            emit(event)
