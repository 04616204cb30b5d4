"""The pump: it lets requests go as the ledger decides, and hands each its lease.

It decides nothing that a test without a loop could not decide: `ledger.py` says whose turn it is and until when nobody's. What
is left is the loop's: futures, one timer, and aiolimiter's bucket, our own pace and the backstop for a server that
lies about what is left. Nobody sleeps in the bucket: a turn is taken only if the bucket has room, and charged in the same step.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sessions_us.errors import ConfigurationError, SessionsError
from sessions_us.events import ClientEvent, Emit, RequestGranted, RequestQueued
from sessions_us.quota.bucket import Bucket
from sessions_us.quota.lease import Lease
from sessions_us.quota.ledger import BEAT, Lane, Ledger, Ticket, Turn
from sessions_us.quota.quota import Quota
from sessions_us.quota.replica import RETRY, Decide, Replica
from sessions_us.quota.stores import MemoryStore
from sessions_us.quota.waiter import Waiter, cut_off, too_long
from sessions_us.quota.window import Heard

__all__ = ("LEASE", "LEASE_MARGIN", "Pump", "ignore")

T = TypeVar("T")

LONG_WAIT = 2.0  # seconds; a longer wait looks like a hang, so it is said
POLL = 0.025  # seconds between two looks at a shared ledger that another process may change at any moment
LEASE = 60.0  # seconds that a request may take, unless it is told
LEASE_MARGIN = 5.0  # seconds after which a lease that should be over is taken back
_TICK = 0.001  # seconds; no loop's timers are finer, and one that fires a hair too early must not spin
_log = logging.getLogger("sessions_us")


def ignore(event: ClientEvent) -> None:
    """Nobody listens."""


class Pump:
    """Those who wait for one ledger, in one process and one event loop; `Limiter` is its surface."""

    def __init__(
        self, quota: Quota, *, name: str = "", emit: Emit = ignore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.quota = quota
        self._emit = emit
        self._clock = clock
        self._store = MemoryStore() if quota.store is None else quota.store
        ledger = Ledger.new(quota.limit, quota.window)
        self._replica = Replica(self._store, name, ledger, clock=clock, own=self._own, emit=self._tell)
        self._waiters: dict[int, Waiter] = {}
        self._owners: WeakKeyDictionary[object, Emit] = WeakKeyDictionary()
        self._out: set[int] = set()  # leases that have not ended
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pumping: asyncio.Task[None] | None = None
        self._again = False
        self._seeking: asyncio.Task[None] | None = None
        self._bucket = Bucket()
        self._closed = False

    @property
    def in_use(self) -> bool:
        """Whether anybody has used it who has not left."""
        return bool(self._owners or self._waiters or self._out)

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def _ask(self, ask: Decide[tuple[Ticket | None, bool]]) -> tuple[Ticket | None, bool]:
        """Take a place. A caller who is cancelled while a shared store takes it down gives it back."""
        if not self._store.shared:
            return await self._replica.step(ask)
        asking = asyncio.ensure_future(self._replica.step(ask))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            ticket, _ = await asking
            if ticket is not None:
                await self._replica.step(lambda ledger, now: (ledger.refunded(ticket.number).leave(ticket), None))
            raise

    async def _wait(self, waiter: Waiter) -> Lease:
        ticket = waiter.ticket
        self._waiters[ticket.number] = waiter
        try:
            await self._pump()
            if not waiter.future.done():
                position, expected = self._outlook(ticket)
                waiter.emit(
                    RequestQueued(lane=ticket.lane, position=position, expected_wait=expected, label=waiter.label)
                )
            outcome = await waiter.future
        except BaseException:
            await self._settle(self._withdraw(waiter))
            raise
        if isinstance(outcome, SessionsError):
            raise outcome
        waiter.emit(RequestGranted(lane=outcome.lane, waited=outcome.waited, label=waiter.label))
        return outcome

    async def _withdraw(self, waiter: Waiter) -> None:
        """A caller was cancelled. A lease that it was handed meanwhile goes back, so that the next one gets it."""
        future = waiter.future
        outcome = future.result() if future.done() and not future.cancelled() else None
        if isinstance(outcome, Lease):
            await outcome.refund()
        else:
            await self._leave(waiter)
            await self._pump()
            await self._rest()

    async def _leave(self, waiter: Waiter) -> None:
        self._waiters.pop(waiter.ticket.number, None)
        await self._replica.step(lambda ledger, now: (ledger.leave(waiter.ticket), None))

    async def _fail(self, waiter: Waiter, error: SessionsError) -> None:
        await self._leave(waiter)
        if not waiter.future.done():
            waiter.future.set_result(error)

    # -- the pump ----------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        """Let go whoever may go, refuse whoever waits in vain, and look again when something may have changed.

        In process at once; with a shared store by a task, which starts over if it is called meanwhile.
        """
        if not self._store.shared:
            await self._round()
            return
        self._again = True
        if self._pumping is None and self._waiters:
            self._pumping = asyncio.create_task(self._rounds())

    async def _rounds(self) -> None:
        try:
            while self._again and self._waiters:
                self._again = False
                await self._round()
        finally:
            self._pumping = None

    async def _round(self) -> None:
        fresh = True
        while True:
            waiter, wake = await self._replica.step(self._next, fresh=fresh)
            if waiter is None:
                break
            fresh = False
            self._waiters.pop(waiter.ticket.number, None)
            lease = self._hand_out(waiter.ticket, waiter.emit, waiter.label)
            if waiter.future.done():
                await lease.refund()
            else:
                waiter.future.set_result(lease)
        if self._replica.failure is not None:
            self._seeking = asyncio.create_task(self._replica.seek())
            if self._replica.cut_off:
                for waiter in list(self._waiters.values()):
                    await self._fail(waiter, self._cut_off(waiter.ticket.lane))
        if self._waiters:
            await self._refuse()
            self._say()
        self._arm(wake)

    def _next(self, ledger: Ledger, now: float) -> tuple[Ledger, tuple[Waiter | None, float | None]]:
        if self._replica.cut_off:
            return ledger, (None, None)
        if self._store.shared:
            waiting = (waiter for waiter in self._waiters.values() if not waiter.future.done())
            ledger = ledger.alive((waiter.ticket for waiter in waiting), now)
        while True:
            turn = ledger.turn(now, self.quota.reserve)
            waiter = None if turn.ticket is None else self._waiters.get(turn.ticket.number)
            if turn.ticket is None or waiter is None:  # nobody's turn, or another process's, which takes it itself
                return ledger, (None, turn.wake)
            if not waiter.future.done():
                break
            ledger = ledger.leave(turn.ticket)  # it is about to withdraw, and must not hold up the others
        if not self._has_room(ledger, turn):
            return ledger, (None, now + ledger.window.period / ledger.window.limit)
        return ledger.grant(turn, now, self._until(now, waiter.lasts)), (waiter, None)

    def _has_room(self, ledger: Ledger, turn: Turn) -> bool:
        """Whether our own pace allows it. What several processes share is paced by the ledger alone."""
        if self._store.shared:
            return self._replica.has_room(ledger.window, len(self._out))
        return self._bucket.has_room(ledger.window, probe=turn.probe)

    def _until(self, now: float, lasts: float) -> float | None:
        """When a lease is over, whatever becomes of its process."""
        return now + lasts + LEASE_MARGIN if self._store.shared else None

    def _hand_out(self, ticket: Ticket, emit: Emit, label: str) -> Lease:
        """Make the lease of a ticket that was granted in the same step, and charge the bucket."""
        if not self._store.shared:
            self._bucket.charge(self._replica.ledger.window)
        self._out.add(ticket.number)
        now = self._clock()
        waited = max(0.0, now + self._replica.skew - ticket.since)
        return Lease(ticket, granted_at=now, waited=waited, finish=self._finish, emit=emit, label=label)

    async def _refuse(self) -> None:
        if all(waiter.deadline is None for waiter in self._waiters.values()):
            return
        for ticket in (*self._replica.ledger.interactive, *self._replica.ledger.background):
            waiter = self._waiters.get(ticket.number)
            if waiter is None or waiter.future.done():
                continue
            while (deadline := waiter.deadline) is not None:
                now = self._clock()
                position, expected = self._outlook(ticket)
                if now < deadline and now + (expected or 0.0) <= deadline:
                    break
                error = too_long(ticket, position, expected, max(0.0, deadline - now))
                if not waiter.refuse(error, now, expected or 0.0):
                    await self._fail(waiter, error)
                    break

    def _say(self) -> None:
        """Say each long wait once: a silent one looks like a hang."""
        now = self._replica.now()
        for waiter in self._waiters.values():
            if waiter.said:
                continue
            position, expected = self._outlook(waiter.ticket)
            if (expected or 0.0) > LONG_WAIT or now - waiter.ticket.since >= LONG_WAIT:
                waiter.said = True
                when = "not known yet" if expected is None else f"{expected:.0f} s"
                _log.info(
                    "%s waits for the quota: lane %s, position %d, expected wait %s",
                    waiter.label or "a request",
                    waiter.ticket.lane,
                    position,
                    when,
                )

    def _outlook(self, ticket: Ticket) -> tuple[int, float | None]:
        """Its place in the queue, 1 for the next, and the seconds that it has to wait at least; None if nothing is known."""
        now = self._replica.now()
        wait = self._replica.ledger.earliest(ticket, now, self.quota.reserve) - now
        return self._replica.ledger.ahead(ticket) + 1, wait if wait > 0 else None

    # -- loop, timer, bucket -----------------------------------------------------------------------------------------

    async def _bind(self) -> None:
        """Belong to the running loop. Whoever waited or had a lease in the last one is gone with it; what is known stays."""
        if self._loop is not None and self._loop.is_running():
            raise ConfigurationError("A client works in one event loop at a time. Make one client for each loop.")
        self._disarm()
        self._bucket = Bucket()
        self._replica.bind()
        self._pumping = self._seeking = None
        abandoned, self._waiters = self._waiters, {}
        out, self._out = self._out, set()

        def abandon(ledger: Ledger, now: float) -> tuple[Ledger, None]:
            for waiter in abandoned.values():
                ledger = ledger.leave(waiter.ticket)
            for lease in out:
                ledger = ledger.lost(lease, now)
            return ledger, None

        self._loop = asyncio.get_running_loop()
        if abandoned or out:
            await self._replica.step(abandon)

    def _arm(self, wake: float | None) -> None:
        """One timer for whatever comes first: more quota, a deadline, a wait that has become long."""
        self._disarm()
        if not self._waiters or self._loop is None:
            return
        moments = [] if wake is None else [wake - self._replica.skew]
        for waiter in self._waiters.values():
            if waiter.deadline is not None:
                moments.append(waiter.deadline)
            if not waiter.said:
                moments.append(waiter.ticket.since - self._replica.skew + LONG_WAIT)
        if self._store.shared:
            news = self._replica.failure is None and (wake is None or self._replica.ledger.window.flights)
            moments.append(self._clock() + (POLL if news else BEAT / 2))
        if moments:
            self._timer = self._loop.call_later(max(_TICK, min(moments) - self._clock()), self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        step = self._pump()
        try:
            step.send(None)  # in process no step suspends
        except StopIteration:
            return
        step.close()
        raise RuntimeError("A step of the quota waited where it must not.")

    # -- the ledger --------------------------------------------------------------------------------------------------

    async def _finish(self, lease: int, decide: Decide[Heard]) -> Heard:
        """End a lease, and let the next one go."""
        return await self._settle(self._end(lease, decide))

    async def _end(self, lease: int, decide: Decide[Heard]) -> Heard:
        self._out.discard(lease)
        self._replica.spend()
        heard = await self._replica.step(decide)
        if self._waiters:
            await self._pump()
        await self._rest()
        return heard

    async def _settle(self, step: Coroutine[Any, Any, T]) -> T:
        """Run a step to its end, whatever becomes of its caller. In process it never suspends, so nothing can cut it short."""
        if not self._store.shared:
            return await step
        return await asyncio.shield(asyncio.ensure_future(step))

    async def _rest(self) -> None:
        """Close the store's files and connections, when nobody needs them: the limiter outlives its users."""
        if not self._store.shared or self.in_use:
            return
        self._disarm()
        tasks = [task for task in (self._pumping, self._seeking) if task is not None]
        if tasks:
            await asyncio.wait(tasks)
        if not self.in_use:
            await self._store.aclose()

    def _own(self) -> tuple[Collection[int], Collection[int]]:
        """The numbers of the tickets and leases of this process."""
        return self._waiters.keys(), self._out

    def _cut_off(self, lane: Lane) -> SessionsError:
        return cut_off(self._store, str(self._replica.failure), lane, RETRY)

    def _tell(self, event: ClientEvent) -> None:
        """Tell all who use this limiter, each once."""
        for emit in {self._emit, *self._owners.values()}:
            emit(event)
