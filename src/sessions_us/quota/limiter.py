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

import attrs

from sessions_us.errors import ConfigurationError, SessionsError
from sessions_us.events import Emit, Event, RequestGranted, RequestQueued
from sessions_us.quota.bucket import Bucket
from sessions_us.quota.lease import Lease
from sessions_us.quota.ledger import BEAT, Lane, Ledger, Ticket, Turn
from sessions_us.quota.quota import Quota, QuotaSnapshot
from sessions_us.quota.replica import RETRY, Decide, Replica
from sessions_us.quota.stores import MemoryStore
from sessions_us.quota.waiter import Crowd, Waiter, closed, cut_off, too_long
from sessions_us.quota.window import Heard

__all__ = ("Limiter",)

T = TypeVar("T")

LONG_WAIT = 2.0  # seconds; a longer wait looks like a hang, so it is said
POLL = 0.025  # seconds between two looks at a shared ledger that another process may change at any moment
LEASE = 60.0  # seconds that a request may take, unless it is told
LEASE_MARGIN = 5.0  # seconds after which a lease that should be over is taken back
_TICK = 0.001  # seconds; no loop's timers are finer, and one that fires a hair too early must not spin
_log = logging.getLogger("sessions_us")


def _ignore(event: Event) -> None:
    """Nobody listens."""


class Limiter:
    """Lets requests go, one lease for each, no faster than the server allows; the urgent first.

    It needs no event loop to be made. Futures, timer and bucket belong to the loop that runs; in a new loop they are made
    anew, and what is known of the quota stays. It has no background task, and must be used from one loop at a time. With a
    store that other processes use too, short tasks do what takes time, and look at it while somebody waits.

    Args:
        quota: how much, and where the count is kept.
        name: which ledger of the quota's store this is.
        emit: hears the events of all who don't bring their own; it must not raise.
        clock: seconds that never go back.
    """

    def __init__(
        self, quota: Quota, *, name: str = "", emit: Emit = _ignore, clock: Callable[[], float] = time.monotonic
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

    # -- the surface -------------------------------------------------------------------------------------------------

    async def acquire(
        self,
        *,
        lane: Lane,
        deadline: float | None,
        arrival: int | None = None,
        front: bool = False,
        lasts: float = LEASE,
        label: str = "",
        emit: Emit | None = None,
        owner: object | None = None,
        crowd: Crowd | None = None,
    ) -> Lease:
        """Wait for a turn and take it. A lease must be ended: `done`, `unknown` or `refund`.

        Args:
            lane: `interactive` goes before `background`.
            deadline: until when to wait, on the limiter's clock (`now()`), seconds; None: as long as it takes.
            arrival: the arrival number of the lease that this one repeats, so that it keeps its place.
            front: before all others of the lane, as after a 429.
            lasts: seconds that the request may take. If the process dies, a shared store takes the lease back a little later.
            label: what events call the request.
            emit: hears this request's events, instead of the limiter's own.
            owner: whose request it is, for `leave`.
            crowd: those who share the request, each with its own deadline besides.

        Raises:
            QuotaTimeoutError: the wait would exceed the deadline; raised as soon as that is known. Or the quota's store can't
                be used, and nothing may be sent without it.
            ClientClosedError: the limiter is closed, or was while this waited.
        """
        if self._closed:
            raise closed()
        if self._loop is not asyncio.get_running_loop():
            await self._bind()
        emit = emit or self._emit
        if owner is not None:
            self._owners[owner] = emit
        if self._replica.failure is not None:
            await self._replica.seek()

        def ask(ledger: Ledger, now: float) -> tuple[Ledger, tuple[Ticket | None, bool]]:
            if self._replica.cut_off:
                return ledger, (None, False)
            heartbeat = now if self._store.shared else None
            ledger, ticket = ledger.queue(lane, now, arrival=arrival, front=front, heartbeat=heartbeat)
            turn = ledger.turn(now, self.quota.reserve)
            if turn.ticket is ticket and self._has_room(ledger, turn):
                return ledger.grant(turn, now, self._until(now, lasts)), (ticket, True)
            return ledger, (ticket, False)

        ticket, granted = await self._ask(ask)
        if ticket is None:
            raise self._cut_off(lane)
        if granted:
            lease = self._hand_out(ticket, emit, label)
            emit(RequestGranted(lane=lane, waited=0.0, label=label))
            return lease
        return await self._wait(Waiter(ticket, deadline, lasts, emit, label, owner, crowd))

    async def hurry(self, crowd: Crowd, lane: Lane) -> None:
        """Somebody joined a crowd: its request goes into the more urgent lane, and is refused at once to whom it is too late."""
        waiter = next((waiter for waiter in self._waiters.values() if waiter.crowd is crowd), None)
        if waiter is None:
            return
        before = waiter.ticket
        if lane == "interactive" and before.lane == "background":
            waiter.ticket = attrs.evolve(before, lane=lane)
            await self._replica.step(lambda ledger, now: (ledger.promote(before), None))
        await self._pump()

    def now(self) -> float:
        """The limiter's clock, in seconds; deadlines are told by it."""
        return self._clock()

    def snapshot(self) -> QuotaSnapshot:
        """What is known of the quota at this moment. It never waits and sends nothing."""
        window, now = self._replica.ledger.window, self._replica.now()
        resets_at = window.resets_at(now)
        return QuotaSnapshot(
            limit=window.limit,
            window=window.period,
            remaining=window.left(now),
            resets_in=None if resets_at is None else resets_at - now,
            waiting={
                "interactive": len(self._replica.ledger.interactive),
                "background": len(self._replica.ledger.background),
            },
            under_way=len(window.flights),
        )

    @property
    def in_use(self) -> bool:
        """Whether anybody has used it who has not left."""
        return bool(self._owners or self._waiters or self._out)

    async def leave(self, owner: object) -> None:
        """Fail all who wait for this owner with `ClientClosedError`. Others go on."""
        self._owners.pop(owner, None)
        for waiter in [waiter for waiter in self._waiters.values() if waiter.owner is owner]:
            await self._fail(waiter, closed())
        await self._pump()
        await self._rest()

    async def aclose(self) -> None:
        """Fail all who wait with `ClientClosedError`, now and from now on. Leases that are out may still be ended."""
        self._closed = True
        for waiter in list(self._waiters.values()):
            await self._fail(waiter, closed())
        self._disarm()
        self._owners.clear()
        await self._rest()

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

    def _tell(self, event: Event) -> None:
        """Tell all who use this limiter, each once."""
        for emit in {self._emit, *self._owners.values()}:
            emit(event)
