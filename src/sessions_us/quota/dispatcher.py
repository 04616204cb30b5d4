"""The dispatcher: gives out the places of one quota to the waiters of one event loop.

Other loops of the process have dispatchers of their own over the same state, which says whose turn it is. Each hears of every
change, and grants only its own tickets.

It decides nothing that could be decided without a loop: `rules/state.py` says which ticket is granted next, and when to decide
again. What remains is futures, one timer, and aiolimiter's bucket: our own pace, and the backstop for a server that lies about
what is left. Nothing ever sleeps in the bucket: a ticket is granted only if the bucket has room, and charged in the same step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from itertools import count
from math import inf
from typing import Any

from ..errors import ClientClosedError, QuotaTimeoutError, SessionsError
from ..events import CallEvent, RequestGranted, RequestQueued, ignore, logger, subject
from .bucket import Bucket
from .clock import Clock, LoopClock, Timer
from .lease import Lease
from .rules.eta import eta
from .rules.state import HEARTBEAT, Decision, Lane, QuotaState
from .rules.window import Capacity
from .single_task import SingleTask
from .stores.replica import AT_ONCE, RETRY, Decide, Replica
from .waiter import Callers, Waiter, too_long

__all__ = ("LEASE_MARGIN", "Dispatcher")

Entry = Decision | SessionsError | None  # it has to wait, was refused, or was granted at once

LONG_WAIT = 2.0  # seconds; a longer wait looks like a hang, so it is logged
POLL = 0.025  # seconds between two reads of a shared state that another process may change at any moment
LEASE_MARGIN = 5.0  # seconds after its timeout at which a lease that has not ended is taken back
_TICK = 0.001  # seconds; no loop's timers are finer, and a timer that fires too early must not spin


class Dispatcher:
    """The waiters and leases of one event loop.

    Args:
        reserve: slots that background work leaves free.
        replica: the state.
        clock: times the waits.
        rest: called with the dispatcher when a waiter or a lease is gone, so that the store can be closed if it was the last one.

    Attributes:
        loop: the event loop that it belongs to.
        replica: the state, as its loop sees it.
    """

    def __init__(
        self, reserve: int, replica: Replica, clock: Clock, rest: Callable[[Dispatcher], Coroutine[Any, Any, None]]
    ) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._reserve = reserve
        self.replica: Replica = replica
        self._share = replica.share
        self._shared = replica.store.shared
        self._clock = clock
        self._rest = rest
        self._waiters: dict[int, Waiter] = {}
        self._watched: dict[int, Waiter] = {}  # those that may be refused, or whose wait may have to be logged
        self._leases: set[int] = set()
        self._timer: Timer | None = None
        self._timer_at = inf
        self._again = False
        self._woken = False  # another loop has called `wake`, and the round for it has not begun
        self._absent = False  # its tickets were taken out of the state while its loop did not run
        self._dispatching = SingleTask(self._rounds)
        self._seeking = SingleTask(replica.seek)
        # The event loop times the bucket. What several processes or loops share is paced by the state alone.
        self._bucket = Bucket() if not self._shared and isinstance(clock, LoopClock) else None

    # -- for the limiter ---------------------------------------------------------------------------------------------

    async def acquire(self, waiter: Waiter) -> Lease:
        """Wait for a place in the quota and take it."""
        if self.replica.failure is not None:
            await self.replica.seek()
        if self.replica.must_refuse:
            await self._seeking.join()  # it may find the store just now
        enter: Decide[Entry] = partial(self._enter, waiter)
        try:
            entry = await self.replica.step(enter)
        except BaseException:
            # This step follows the one in which it entered, also if its caller is cancelled again.
            await self._remove(waiter)
            raise
        self._watch_store()
        outcome = await self._wait(waiter, entry) if isinstance(entry, Decision) else entry
        if isinstance(outcome, SessionsError):
            raise outcome
        lease = self._hand_out(waiter, 0.0) if outcome is None else outcome
        if waiter.emit is not ignore:
            call, operation = waiter.call, waiter.operation
            waiter.emit(RequestGranted(call=call, operation=operation, lane=lease.lane, waited=lease.waited))
        return lease

    def least_wait(self, lane: Lane) -> float:
        """Return the seconds that a request of this lane has to wait at least, were it the first."""
        return self._eta(lane, 0) or 0.0

    async def raise_lane(self, callers: Callers, lane: Lane) -> None:
        """Move the waiting request of these callers to a more urgent lane, and review all deadlines."""
        waiter = next((waiter for waiter in self._waiters.values() if waiter.callers is callers), None)
        if waiter is None:
            return
        before = waiter.ticket
        self._watched[before.number] = waiter
        if lane == "interactive" and before.lane == "background":
            waiter.ticket = before._replace(lane=lane)
            await self.replica.step(lambda state, now: (state.promote(before), None))
        await self._dispatch()

    async def fail(self, owner: object) -> None:
        """Fail the waiters of an owner with `ClientClosedError`."""
        for waiter in list(self._waiters.values()):
            if waiter.owner is owner:
                await self._fail(waiter, ClientClosedError())
        await self._dispatch()

    async def abandon(self) -> None:
        """Give up all tickets and leases, because its loop does not run. The requests of the leases may have counted.

        Waiters of a loop that has only stopped get their places again when it goes on.
        """
        waiters, leases, self._leases = tuple(self._waiters.values()), self._leases, set()
        if self.loop.is_closed():
            self._disarm()
            self._waiters, self._watched = {}, {}

        def abandon(state: QuotaState, now: float) -> tuple[QuotaState, None]:
            for waiter in waiters:
                state = state.leave(waiter.ticket)
            return state.lost(leases, now), None

        if waiters or leases:
            await self.replica.step(abandon)
            self._absent = True
            self.wake()

    def wake(self) -> None:
        """Look again in its own loop, because the state has changed. Any thread may call it."""
        if self._waiters and not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop was closed meanwhile
                self.loop.call_soon_threadsafe(self._wake_up)

    def _wake_up(self) -> None:
        self._woken = False
        self._tick()

    async def stop(self) -> None:
        """Stop the timer, and wait until the tasks have ended."""
        self._disarm()
        await self._dispatching.join()
        await self._seeking.join()

    def own(self) -> tuple[Collection[int], Collection[int]]:
        """Return the numbers of its tickets and of its leases."""
        return self._waiters.keys(), self._leases

    # -- waiting -----------------------------------------------------------------------------------------------------

    def _enter(self, waiter: Waiter, state: QuotaState, now: float) -> tuple[QuotaState, Entry]:
        """Grant a new request at once, or queue it."""
        if self.replica.must_refuse:
            return state, self._store_down(waiter.lane)
        state, waiter.ticket = state.queue(waiter.lane, now, arrival=waiter.arrival, front=waiter.front)
        decision = state.decision(now, self._reserve)
        if decision.ticket is waiter.ticket and self._has_room(state, decision):
            return state.grant(decision, now, now + waiter.timeout + LEASE_MARGIN), None
        return state, decision

    async def _wait(self, waiter: Waiter, decision: Decision) -> Lease | SessionsError:
        """Wait in the lane. `decision`: the one that queued the request."""
        ticket, state = waiter.ticket, self.replica.state
        waiter.future = self.loop.create_future()
        self._waiters[ticket.number] = self._watched[ticket.number] = waiter
        try:
            in_turn = decision.ticket is not None or state.waiting[-1] is not ticket
            if self._shared or in_turn or self.replica.is_common:
                await self._dispatch()
            else:  # nothing else has changed, so many waiters cost no more than one each
                await self._inform(waiter, state.ahead(ticket))
                self._arm(decision.wake, [waiter])
            if waiter.emit is not ignore and not waiter.future.done():
                ahead = self.replica.state.ahead(ticket)
                waiter.emit(
                    RequestQueued(
                        call=waiter.call,
                        operation=waiter.operation,
                        lane=ticket.lane,
                        position=ahead + 1,
                        expected_wait=self._eta(ticket.lane, ahead),
                    )
                )
            return await waiter.future
        except BaseException:
            withdrawal = self._withdraw(waiter)
            await (asyncio.shield(withdrawal) if self._shared else withdrawal)
            raise

    async def _withdraw(self, waiter: Waiter) -> None:
        """Remove a waiter whose caller was cancelled. Refund a lease that it got meanwhile."""
        future = waiter.future
        outcome = future.result() if future.done() and not future.cancelled() else None
        if isinstance(outcome, Lease):
            await outcome.refund()
        else:
            await self._remove(waiter)
            await self._dispatch()
            await self._rest(self)

    async def _remove(self, waiter: Waiter) -> None:
        """Remove a waiter, whether it is queued or was granted."""
        self._forget(waiter)
        await self.replica.step(lambda state, now: (state.refunded(waiter.ticket.number).leave(waiter.ticket), None))

    def _forget(self, waiter: Waiter) -> None:
        self._waiters.pop(waiter.ticket.number, None)
        self._watched.pop(waiter.ticket.number, None)

    async def _fail(self, waiter: Waiter, error: SessionsError) -> None:
        await self._remove(waiter)
        if not waiter.future.done():
            waiter.future.set_result(error)

    # -- dispatching -------------------------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        """Grant what can be granted, fail waiters whose deadline cannot be met, and set the timer.

        In process this happens at once. With a shared store a task does it, and once more if it runs already.
        """
        if self._shared:
            self._again = True
            self._dispatching.start()
        else:
            await self._round()

    async def _rounds(self) -> None:
        while self._again:
            self._again = False
            await self._round()

    async def _round(self) -> None:
        wake = inf
        if self.replica.is_common:
            await self.replica.forget_ended()
        for granted in count():
            if not self._waiters:
                self._disarm()
                self._watch_store()
                return
            if granted == AT_ONCE and not self._shared:
                wake = self.replica.now()  # let other callbacks of the loop run before the rest
                break
            waiter, wake = await self.replica.step(self._next, fresh=granted == 0)
            if waiter is None:
                break
            self._forget(waiter)
            if waiter.future.done():  # it was cancelled or failed while the store took the step
                await self._remove(waiter)
            else:
                waiter.future.set_result(self._hand_out(waiter, self.replica.now() - waiter.ticket.since))
        if self.replica.must_refuse:
            for waiter in list(self._waiters.values()):
                await self._fail(waiter, self._store_down(waiter.ticket.lane))
        await self._review()
        self._disarm()
        self._arm(wake, self._watched.values())
        self._watch_store()

    def _next(self, state: QuotaState, now: float) -> tuple[QuotaState, tuple[Waiter | None, float]]:
        """Grant the next ticket, if it is one of this loop. Returns its waiter, or when to decide again."""
        if self._shared or self._absent:
            self._absent = False
            state = state.alive([each.ticket for each in self._waiters.values() if not each.future.done()], now)
        while True:
            decision = state.decision(now, self._reserve)
            waiter = None if decision.ticket is None else self._waiters.get(decision.ticket.number)
            if decision.ticket is None or waiter is None:  # nothing to grant, or another loop grants its own ticket
                return state, (None, decision.wake)
            if not waiter.future.done():
                break
            state = state.leave(decision.ticket)  # it will be withdrawn, and must not hold up the others
        if not self._has_room(state, decision):
            return state, (None, now + state.window.seconds / state.window.limit)
        return state.grant(decision, now, now + waiter.timeout + LEASE_MARGIN), (waiter, inf)

    def _has_room(self, state: QuotaState, decision: Decision) -> bool:
        """Whether our own pace allows one more request."""
        if self.replica.failure is not None:
            left = self._share.left(state.window, len(self._leases), self.replica.now())
            return left > 0 and not self.replica.must_refuse
        bucket = self._bucket
        return bucket is None or self.replica.is_common or bucket.has_room(state.window, probe=decision.probe)

    def _hand_out(self, waiter: Waiter, waited: float) -> Lease:
        """Make the lease of a ticket that was granted in the same step, and charge the bucket."""
        if self._bucket is not None and not self.replica.is_common:
            self._bucket.charge(self.replica.state.window)
        number, lane, arrival, *_ = waiter.ticket
        self._leases.add(number)
        return Lease(lane, arrival, max(0.0, waited), number, self._finish, waiter.emit)

    async def _review(self) -> None:
        """Inform all watched waiters, in the order of the queue. The capacity is computed once, because they may be many."""
        if not self._watched:
            return
        state, gone = self.replica.state, 0
        capacity = state.window.capacity(self.replica.now())
        for place, ticket in enumerate(state.waiting):
            waiter = self._watched.get(ticket.number)
            if waiter is not None and not waiter.future.done():
                gone += await self._inform(waiter, place - gone, capacity)

    async def _inform(self, waiter: Waiter, ahead: int, capacity: Capacity | None = None) -> bool:
        """Fail the waiter if its deadline cannot be met. Log once if the wait exceeds 2 s. Returns True if it was removed."""
        position, expected = ahead + 1, self._eta(waiter.ticket.lane, ahead, capacity)
        wait = expected or 0.0
        while (deadline := waiter.deadline) is not None:
            now = self._clock.now()
            if now < deadline and now + wait <= deadline:
                break
            error = too_long(waiter.ticket, position, expected, max(0.0, deadline - now))
            if not waiter.refuse(error, now, wait):
                await self._fail(waiter, error)
                return True
        if not waiter.logged and (wait > LONG_WAIT or self.replica.now() - waiter.ticket.since >= LONG_WAIT):
            waiter.logged = True
            logger.info(
                "%s waits for the quota: lane %s, position %d, expected wait %s",
                subject(CallEvent(call=waiter.call, operation=waiter.operation)),
                waiter.ticket.lane,
                position,
                "not known yet" if expected is None else f"{expected:.0f} s",
            )
        if waiter.logged and deadline is None:
            self._watched.pop(waiter.ticket.number, None)
        return False

    def _eta(self, lane: Lane, ahead: int, capacity: Capacity | None = None) -> float | None:
        """Return a lower bound of a wait in seconds; None if nothing is known. `capacity`: of the window now."""
        state, now = self.replica.state, self.replica.now()
        capacity = state.window.capacity(now) if capacity is None else capacity
        moment = eta(state, lane, ahead, capacity, now, self._reserve)
        if self.replica.failure is not None:
            moment = max(moment, self._share.opens_at(state.window, len(self._leases), now))
        return moment - now if moment > now else None

    # -- the timer ---------------------------------------------------------------------------------------------------

    def _arm(self, wake: float, waiters: Iterable[Waiter]) -> None:
        """Set the timer to the earliest of: more capacity, a deadline, a wait that must be logged. Keep it if it is earlier.

        Args:
            wake: when there may be more capacity, on the state's clock.
            waiters: those whose deadlines and long waits count.
        """
        moments = [wake - self.replica.skew]
        for waiter in waiters:
            if (deadline := waiter.deadline) is not None:
                moments.append(deadline)
            if not waiter.logged:
                moments.append(waiter.ticket.since - self.replica.skew + LONG_WAIT)
        if self._shared:
            may_change = self.replica.failure is None and (wake == inf or self.replica.state.window.flights)
            moments.append(self._clock.now() + (POLL if may_change else HEARTBEAT / 2))
        elif self.replica.is_common:  # a loop that ends says nothing
            moments.append(self._clock.now() + HEARTBEAT / 2)
        when = max(self._clock.now() + _TICK, min(moments))
        if when < self._timer_at:
            self._disarm()
            self._timer, self._timer_at = self._clock.call_at(when, self._tick), when

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, inf

    def _tick(self) -> None:
        step = self._dispatch()
        try:
            step.send(None)  # it does not suspend: with a shared store it only starts a task
        except StopIteration:
            return
        step.close()
        raise RuntimeError("A step of the quota suspended in a timer's callback.")

    # -- leases ------------------------------------------------------------------------------------------------------

    def _finish(self, lease: int, decide: Decide[int], counts: bool) -> Awaitable[int | None]:
        """End a lease, and grant the next ticket. Returns None if it had ended."""
        end = self._end(lease, decide, counts)
        return asyncio.shield(end) if self._shared else end  # in process it never suspends

    async def _end(self, lease: int, decide: Decide[int], counts: bool) -> int | None:
        if lease not in self._leases:
            return None
        self._leases.remove(lease)
        if counts and self._shared:
            self._share.spend(self.replica.state.window, self.replica.now())
        elif self._bucket is not None and not counts:
            self._bucket.give_back(self.replica.state.window)
        used_by_others = await self.replica.step(decide)
        if self._waiters:
            await self._dispatch()
        self._watch_store()
        if self._shared:
            await self._rest(self)
        return used_by_others

    def _watch_store(self) -> None:
        """Try a store that failed again, also while nobody waits: whoever looks at the quota has to know when it is back."""
        if self.replica.failure is not None:
            self._seeking.start()
            self._arm(inf, ())

    def _store_down(self, lane: Lane) -> QuotaTimeoutError:
        return QuotaTimeoutError(
            f"Not sent: {self.replica.store!r}, which keeps the quota, can't be used ({self.replica.failure}), and its"
            " on_store_failure is 'refuse'.",
            retry_after=RETRY,
            lane=lane,
            position=1,
        )
