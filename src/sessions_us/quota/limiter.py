"""The limiter: gives each request of one key a lease, no faster than the server allows."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final
from weakref import WeakKeyDictionary

from sessions_us.errors import ClientClosedError, ConfigurationError
from sessions_us.events import ClientEvent, Emit, ignore
from sessions_us.quota.clock import Clock, LoopClock
from sessions_us.quota.dispatcher import Dispatcher
from sessions_us.quota.lease import Lease
from sessions_us.quota.rules.state import Lane
from sessions_us.quota.settings import Quota, QuotaSnapshot
from sessions_us.quota.stores.shared_state import Replica
from sessions_us.quota.waiter import Callers, Waiter

__all__ = ("Limiter",)

TIMEOUT: Final = 60.0  # seconds that a request may take, unless the caller says otherwise


class Limiter:
    """The quota of one key in this process: gives out leases, interactive work first.

    It can be made without an event loop, and must be used from one loop at a time. What belongs to a loop (futures, timer,
    bucket) is its `Dispatcher`, which is replaced in a new loop; the state stays. It owns no background task: with a shared
    store, short tasks talk to the store while there are waiters.

    Args:
        quota: how many requests, and where the count is kept.
        name: the name of the state in the quota's store.
        emit: gets the events of requests that bring no `emit` of their own. It must not raise.
        clock: times the waits; None: the machine's clock.
    """

    def __init__(self, quota: Quota, *, name: str = "", emit: Emit = ignore, clock: Clock | None = None) -> None:
        self.quota = quota
        self.clock: Clock = LoopClock() if clock is None else clock
        self._emit = emit
        self._replica = Replica(quota, name, clock=self.clock.now, own=self._own, emit=self._emit_to_all)
        self._dispatcher: Dispatcher | None = None
        self._owners: WeakKeyDictionary[object, Emit] = WeakKeyDictionary()
        self._closed = False

    @property
    def in_use(self) -> bool:
        """Whether it has owners that have not left, waiters, or leases that have not ended."""
        return bool(self._owners) or any(self._own())

    async def acquire(
        self,
        *,
        lane: Lane,
        deadline: float | None,
        arrival: int | None = None,
        front: bool = False,
        timeout: float = TIMEOUT,
        operation: str = "",
        call: int = 0,
        emit: Emit | None = None,
        owner: object | None = None,
        callers: Callers | None = None,
    ) -> Lease:
        """Wait for a place in the quota and take it. The lease must be ended: `done`, `unknown` or `refund`.

        Args:
            lane: `interactive` goes before `background`.
            deadline: the moment until which to wait, on the limiter's clock (`now()`); None: as long as it takes.
            arrival: the arrival number of the lease that this one repeats, so that it keeps its place.
            front: whether it goes before all others of the lane, as after a 429.
            timeout: seconds that the request may take. If the process dies, a shared store takes the lease back after them.
            operation: the operationId, for events.
            call: the number of the call, for events.
            emit: gets the events of this request instead of the limiter's own.
            owner: the object whose request it is, for `leave`.
            callers: those who share the request, each with its own deadline besides.

        Raises:
            QuotaTimeoutError: the wait would exceed the deadline; raised as soon as that is known. Or the store can't be
                used, and nothing may be sent without it.
            ClientClosedError: the limiter is closed, or was closed during the wait.
        """
        if self._closed:
            raise ClientClosedError
        dispatcher = self._dispatcher
        if dispatcher is None or dispatcher.loop is not asyncio.get_running_loop():
            dispatcher = await self._bind()
        emit = emit or self._emit
        if owner is not None:
            self._owners[owner] = emit
        return await dispatcher.acquire(
            Waiter(lane, deadline, arrival, front, timeout, operation, call, emit, owner, callers)
        )

    async def raise_lane(self, callers: Callers, lane: Lane) -> None:
        """A caller joined a waiting request. Move it to the caller's lane if that is more urgent.

        Callers whose deadline cannot be met are failed now.
        """
        if self._dispatcher is not None:
            await self._dispatcher.raise_lane(callers, lane)

    def now(self) -> float:
        """Return the time of the limiter's clock, in seconds. Deadlines are moments of it."""
        return self.clock.now()

    def snapshot(self) -> QuotaSnapshot:
        """Return what is known of the quota at this moment. It never waits and sends nothing."""
        state, now = self._replica.state, self._replica.now()
        window, resets_at = state.window, state.window.resets_at(now)
        return QuotaSnapshot(
            limit=window.limit,
            window=window.seconds,
            remaining=window.left(now),
            resets_in=None if resets_at is None else resets_at - now,
            waiting={"interactive": len(state.interactive), "background": len(state.background)},
            in_flight=len(window.flights),
        )

    async def refresh(self) -> QuotaSnapshot:
        """Read the store, and return what is known then.

        Raises:
            ConfigurationError: the store can't be used.
        """
        await self._bind()
        await self._replica.seek()
        await self._replica.step(lambda state, now: (state, None), fresh=True)
        if self._replica.failure is not None:
            raise ConfigurationError(f"{self._replica.store!r} can't be used: {self._replica.failure}")
        return self.snapshot()

    async def leave(self, owner: object) -> None:
        """Fail the waiters of this owner with `ClientClosedError`. Others go on."""
        self._owners.pop(owner, None)
        if self._dispatcher is not None:
            await self._dispatcher.fail(owner)
        await self._rest()

    async def aclose(self) -> None:
        """Fail all waiters with `ClientClosedError`, now and from now on. Leases may still be ended."""
        self._closed = True
        self._owners.clear()
        if self._dispatcher is not None:
            await self._dispatcher.fail()
        await self._rest()

    async def _bind(self) -> Dispatcher:
        """Return the dispatcher of the running loop. In a new loop, give up what the last one had waiting or in flight."""
        last = self._dispatcher
        if last is not None and last.loop is asyncio.get_running_loop():
            return last
        if last is not None and last.loop.is_running():
            raise ConfigurationError("A client works in one event loop at a time. Make one client for each loop.")
        self._replica.bind()
        self._dispatcher = dispatcher = Dispatcher(self.quota.reserve, self._replica, self.clock, self._rest)
        if last is not None:
            await last.abandon()
        return dispatcher

    async def _rest(self) -> None:
        """Close the store's files and connections while nobody uses them, because the limiter outlives its clients."""
        if not self._replica.store.shared or self.in_use:
            return
        if self._dispatcher is not None:
            await self._dispatcher.stop()
        if not self.in_use:
            await self._replica.store.aclose()

    def _own(self) -> tuple[Collection[int], Collection[int]]:
        """Return the numbers of the tickets and of the leases of this process."""
        return ((), ()) if self._dispatcher is None else self._dispatcher.own()

    def _emit_to_all(self, event: ClientEvent) -> None:
        """Give an event to all users of this limiter, once each."""
        for emit in {self._emit, *self._owners.values()}:
            emit(event)
