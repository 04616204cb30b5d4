"""The limiter: who asks for a turn, gets a lease, or hears when there would be one."""

from __future__ import annotations

import asyncio

from sessions_us.errors import ClientClosedError, ConfigurationError
from sessions_us.events import Emit, RequestGranted, ignore
from sessions_us.quota.dispatcher import LEASE, Asked, Dispatcher
from sessions_us.quota.lease import Lease
from sessions_us.quota.rules.state import Lane, QuotaState
from sessions_us.quota.settings import QuotaSnapshot
from sessions_us.quota.waiter import Callers, Waiter

__all__ = ("Limiter",)


class Limiter(Dispatcher):
    """Lets requests go, one lease for each, no faster than the server allows; the urgent first.

    It needs no event loop to be made. Futures, timer and bucket belong to the loop that runs; in a new loop they are made
    anew, and what is known of the quota stays. It has no background task, and must be used from one loop at a time. With a
    store that other processes use too, short tasks do what takes time, and look at it while somebody waits.

    Args:
        quota: how much, and where the count is kept.
        name: which state of the quota's store this is.
        emit: hears the events of all who don't bring their own; it must not raise.
        clock: times the waits; None: that of the machine.
    """

    async def acquire(
        self,
        *,
        lane: Lane,
        deadline: float | None,
        arrival: int | None = None,
        front: bool = False,
        timeout: float = LEASE,
        operation: str = "",
        emit: Emit | None = None,
        owner: object | None = None,
        callers: Callers | None = None,
    ) -> Lease:
        """Wait for a turn and take it. A lease must be ended: `done`, `unknown` or `refund`.

        Args:
            lane: `interactive` goes before `background`.
            deadline: until when to wait, on the limiter's clock (`now()`), seconds; None: as long as it takes.
            arrival: the arrival number of the lease that this one repeats, so that it keeps its place.
            front: before all others of the lane, as after a 429.
            timeout: seconds that the request may take. If the process dies, a shared store takes the lease back a little later.
            operation: what events call the request.
            emit: hears this request's events, instead of the limiter's own.
            owner: whose request it is, for `leave`.
            callers: those who share the request, each with its own deadline besides.

        Raises:
            QuotaTimeoutError: the wait would exceed the deadline; raised as soon as that is known. Or the quota's store can't
                be used, and nothing may be sent without it.
            ClientClosedError: the limiter is closed, or was while this waited.
        """
        if self._closed:
            raise ClientClosedError
        if self._loop is not asyncio.get_running_loop():
            await self._bind()
        emit = emit or self._emit
        if owner is not None:
            self._owners[owner] = emit
        if self._replica.failure is not None:
            await self._replica.seek()

        def ask(state: QuotaState, now: float) -> tuple[QuotaState, Asked]:
            if self._replica.must_refuse:
                return state, (None, None)
            heartbeat = now if self._store.shared else None
            ticket = state.ticket(lane, now, arrival=arrival, front=front, heartbeat=heartbeat)
            decision = state.decision(now, self.quota.reserve, newcomer=ticket)
            if decision.ticket is ticket and self._has_room(state, decision):
                return state.grant(decision, now, self._expires_at(now, timeout)), (ticket, None)
            return state.queue(ticket), (ticket, decision)

        ticket, decision = await (self._ask(ask) if self._store.shared else self._replica.step(ask))
        if ticket is None:
            raise self._store_down(lane)
        if decision is not None:
            return await self._wait(Waiter(ticket, deadline, timeout, emit, operation, owner, callers), decision)
        lease = self._hand_out(ticket, emit, operation)
        if emit is not ignore:
            emit(RequestGranted(lane=lane, waited=0.0, operation=operation))
        return lease

    async def raise_lane(self, callers: Callers, lane: Lane) -> None:
        """Somebody joined a request: it goes into the more urgent lane, and is refused at once to whom it is too late."""
        waiter = next((waiter for waiter in self._waiters.values() if waiter.callers is callers), None)
        if waiter is None:
            return
        before = waiter.ticket
        self._watched[before.number] = waiter
        if lane == "interactive" and before.lane == "background":
            waiter.ticket = before._replace(lane=lane)
            await self._replica.step(lambda state, now: (state.promote(before), None))
        await self._dispatch()

    def now(self) -> float:
        """The limiter's clock, in seconds; deadlines are told by it."""
        return self.clock.now()

    def snapshot(self) -> QuotaSnapshot:
        """What is known of the quota at this moment. It never waits and sends nothing."""
        window, now = self._replica.state.window, self._replica.now()
        resets_at = window.resets_at(now)
        return QuotaSnapshot(
            limit=window.limit,
            window=window.seconds,
            remaining=window.left(now),
            resets_in=None if resets_at is None else resets_at - now,
            waiting={
                "interactive": len(self._replica.state.interactive),
                "background": len(self._replica.state.background),
            },
            in_flight=len(window.flights),
        )

    async def refresh(self) -> QuotaSnapshot:
        """What is known after a look into the store.

        Raises:
            ConfigurationError: the store can't be used.
        """
        if self._loop is not asyncio.get_running_loop():
            await self._bind()
        await self._replica.seek()
        await self._replica.step(lambda state, now: (state, None), fresh=self._store.shared)
        failure = self._replica.failure
        if failure is not None:
            raise ConfigurationError(f"{self._store!r} can't be used: {failure.reason}")
        return self.snapshot()

    async def leave(self, owner: object) -> None:
        """Fail all who wait for this owner with `ClientClosedError`. Others go on."""
        self._owners.pop(owner, None)
        for waiter in [waiter for waiter in self._waiters.values() if waiter.owner is owner]:
            await self._fail(waiter, ClientClosedError())
        await self._dispatch()
        await self._rest()

    async def aclose(self) -> None:
        """Fail all who wait with `ClientClosedError`, now and from now on. Leases that are out may still be ended."""
        self._closed = True
        for waiter in list(self._waiters.values()):
            await self._fail(waiter, ClientClosedError())
        self._disarm()
        self._owners.clear()
        await self._rest()
