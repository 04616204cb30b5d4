"""The limiter: who asks for a turn, gets a lease, or hears when there would be one."""

from __future__ import annotations

import asyncio

from sessions_us.errors import ConfigurationError
from sessions_us.events import Emit, RequestGranted, ignore
from sessions_us.quota.lease import Lease
from sessions_us.quota.ledger import Lane, Ledger
from sessions_us.quota.pump import LEASE, Asked, Pump
from sessions_us.quota.quota import QuotaSnapshot
from sessions_us.quota.waiter import Crowd, Waiter, closed

__all__ = ("Limiter",)


class Limiter(Pump):
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

        def ask(ledger: Ledger, now: float) -> tuple[Ledger, Asked]:
            if self._replica.cut_off:
                return ledger, (None, None)
            heartbeat = now if self._store.shared else None
            ticket = ledger.ticket(lane, now, arrival=arrival, front=front, heartbeat=heartbeat)
            turn = ledger.turn(now, self.quota.reserve, newcomer=ticket)
            if turn.ticket is ticket and self._has_room(ledger, turn):
                return ledger.grant(turn, now, self._until(now, lasts)), (ticket, None)
            return ledger.queue(ticket), (ticket, turn)

        ticket, turn = await (self._ask(ask) if self._store.shared else self._replica.step(ask))
        if ticket is None:
            raise self._cut_off(lane)
        if turn is not None:
            return await self._wait(Waiter(ticket, deadline, lasts, emit, label, owner, crowd), turn)
        lease = self._hand_out(ticket, emit, label)
        if emit is not ignore:
            emit(RequestGranted(lane=lane, waited=0.0, label=label))
        return lease

    async def hurry(self, crowd: Crowd, lane: Lane) -> None:
        """Somebody joined a crowd: its request goes into the more urgent lane, and is refused at once to whom it is too late."""
        waiter = next((waiter for waiter in self._waiters.values() if waiter.crowd is crowd), None)
        if waiter is None:
            return
        before = waiter.ticket
        self._watched[before.number] = waiter
        if lane == "interactive" and before.lane == "background":
            waiter.ticket = before._replace(lane=lane)
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

    async def look(self) -> QuotaSnapshot:
        """What is known after a look into the store.

        Raises:
            ConfigurationError: the store can't be used.
        """
        if self._loop is not asyncio.get_running_loop():
            await self._bind()
        await self._replica.seek()
        await self._replica.step(lambda ledger, now: (ledger, None), fresh=self._store.shared)
        failure = self._replica.failure
        if failure is not None:
            raise ConfigurationError(f"{self._store!r} can't be used: {failure.reason}")
        return self.snapshot()

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
