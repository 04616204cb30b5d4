"""The limiter: gives each request of one key a lease, no faster than the server allows."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from ..errors import ConfigurationError
from ..events import ClientEvent, Emit, ignore
from .clock import MACHINE, Clock
from .dispatcher import Dispatcher
from .lease import Lease
from .rules.state import Lane, QuotaState
from .settings import Quota, QuotaSnapshot
from .stores.replica import Replica
from .waiter import Callers, Waiter

__all__ = ("Limiter",)

TIMEOUT: Final = 60.0  # seconds that a request may take, unless the caller says otherwise


class _Owner(NamedTuple):
    """A client of the key: where its events go, and the loop in which it last asked for a place.

    `is_open`: False where a fork copied it from the parent, until it is used here.
    """

    emit: Emit
    loop: asyncio.AbstractEventLoop | None = None
    is_open: bool = True

    @property
    def counts(self) -> bool:
        """Whether it may still send."""
        return self.is_open and (self.loop is None or not self.loop.is_closed())


class Limiter:
    """The quota of one key in this process: gives out leases, interactive work first.

    It can be made without an event loop, and used from several loops and threads. What belongs to a loop (futures, timer,
    bucket) is its `Dispatcher`. In process, all of them share one state; with a shared store each loop has its own connection to
    the store, as another process has. What a loop that ended had waiting or in flight is given up. It owns no background task:
    with a shared store, short tasks talk to the store while there are waiters.

    Args:
        quota: how many requests, and where the count is kept.
        name: the name of the state in the quota's store.
        emit: gets the events of requests that bring no `emit` of their own. It must not raise.
        clock: times the waits; None: the machine's clock.
        before: the limiter that this one replaces. What it counted stays.
    """

    def __init__(
        self,
        quota: Quota,
        *,
        name: str = "",
        emit: Emit = ignore,
        clock: Clock | None = None,
        before: Limiter | None = None,
    ) -> None:
        self.quota = quota
        self.clock: Clock = MACHINE if clock is None else clock
        self._name = name
        self._emit = emit
        self._guard = threading.RLock()  # of what follows; other threads change it
        self._replica = self._new_replica(None if before is None else before.hand_over(quota, self.clock))
        self._dispatchers: dict[asyncio.AbstractEventLoop, Dispatcher] = {}
        self._owners: WeakKeyDictionary[object, _Owner] = WeakKeyDictionary()
        self._replaced = False
        _limiters.add(self)

    @property
    def in_use(self) -> bool:
        """Whether it has owners that have not left, waiters, or leases that have not ended. A loop that ended has none."""
        with self._guard:
            return any(owner.counts for owner in self._owners.values()) or any(
                any(each.own()) for each in self._dispatchers.values() if not each.loop.is_closed()
            )

    @property
    def is_blank(self) -> bool:
        """Whether no client is left, and nothing that was counted holds a request back: it is as good as a new one."""
        return not (self._owners or self.in_use) and self._replica.state.window.is_blank(self._replica.now())

    def join(self, owner: object) -> None:
        """Add an owner, which uses the limiter until it leaves. Its events go where its last call's went.

        Raises:
            ConfigurationError: a client with another quota or clock has replaced this limiter.
        """
        with self._guard:
            self._check()
            self._owners[owner] = _Owner(ignore)

    def hand_over(self, quota: Quota, clock: Clock) -> QuotaState:
        """Return what was counted, for the limiter that replaces this one.

        Args:
            quota: what is expected from now on, where the server has not said it.
            clock: the one on which the state's moments are from now on.
        """
        now, was = self._replica.now(), self.quota
        state = self._replica.state.left(now).moved(clock.now() - now)
        return state.expecting((was.limit, was.window), (quota.limit, quota.window))

    def retire(self) -> None:
        """Let no owner join from now on, because another limiter goes on counting."""
        self._replaced = True

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
            deadline: the moment until which to wait, on the limiter's clock; None: as long as it takes.
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
            ClientClosedError: the owner left during the wait.
            ConfigurationError: a client with another quota or clock has replaced this limiter.
        """
        loop = asyncio.get_running_loop()
        dispatcher = self._dispatchers.get(loop) or await self._bind(loop)
        emit = emit or self._emit
        if owner is not None:
            self._owners[owner] = _Owner(emit, loop)
        return await dispatcher.acquire(
            Waiter(lane, deadline, arrival, front, timeout, operation, call, emit, owner, callers)
        )

    async def raise_lane(self, callers: Callers, lane: Lane) -> None:
        """A caller joined a waiting request. Move it to the caller's lane if that is more urgent.

        Callers whose deadline cannot be met are failed now.
        """
        dispatcher = self._dispatchers.get(asyncio.get_running_loop())
        if dispatcher is not None:
            await dispatcher.raise_lane(callers, lane)

    def least_wait(self, lane: Lane) -> float:
        """Return the seconds that a request has to wait at least, as far as is known in this event loop. It never waits."""
        dispatcher = self._dispatchers.get(asyncio.get_running_loop())
        return 0.0 if dispatcher is None else dispatcher.least_wait(lane)

    def snapshot(self) -> QuotaSnapshot:
        """Return what is known of the quota at this moment. It never waits and sends nothing. Any thread may call it."""
        replica = self._replica
        state, now = replica.state, replica.now()
        window, resets_at = state.window, state.window.resets_at(now)
        return QuotaSnapshot(
            limit=window.limit,
            window=window.seconds,
            remaining=replica.left(now),
            resets_in=None if resets_at is None else resets_at - now,
            waiting={"interactive": len(state.interactive), "background": len(state.background)},
            in_flight=len(window.flights),
            store="up" if replica.failure is None else "refusing" if replica.must_refuse else "alone",
        )

    async def refresh(self) -> QuotaSnapshot:
        """Read the store, and return what is known then.

        Raises:
            ConfigurationError: the store can't be used.
        """
        replica = (await self._bind(asyncio.get_running_loop())).replica
        await replica.seek()
        await replica.step(lambda state, now: (state, None), fresh=True)
        if replica.failure is not None:
            raise ConfigurationError(f"{replica.store!r} can't be used: {replica.failure}")
        return self.snapshot()

    async def leave(self, owner: object) -> None:
        """Fail the waiters of this owner with `ClientClosedError`. Others go on. It may be called in another loop."""
        with self._guard:
            left = self._owners.pop(owner, None)
        here = asyncio.get_running_loop()
        await self._fail(here if left is None or left.loop is None else left.loop, owner)

    async def _fail(self, loop: asyncio.AbstractEventLoop, owner: object) -> None:
        """Fail the waiters of an owner in the loop in which they wait."""
        dispatcher = self._dispatchers.get(loop)
        if dispatcher is None:
            return
        if loop is asyncio.get_running_loop():
            await dispatcher.fail(owner)
            await self._rest(dispatcher)
        elif loop.is_running():
            loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._fail(loop, owner)))

    async def _bind(self, loop: asyncio.AbstractEventLoop) -> Dispatcher:
        """Return the dispatcher of the running loop. What loops that have ended had waiting or in flight is given up."""
        with self._guard:
            self._check()
            dispatchers = list(self._dispatchers.values())
            ended = [each for each in dispatchers if each.loop.is_closed()]
            dispatcher = self._dispatchers.get(loop)
            if dispatcher is None:
                dispatcher = Dispatcher(self.quota.reserve, self._free_replica(), self.clock, self._rest)
                dispatcher.replica.join(dispatcher)
                dispatchers.append(dispatcher)
            self._dispatchers = {each.loop: each for each in dispatchers if each not in ended}
        for each in ended:
            if each.replica is not dispatcher.replica:
                each.replica.bind()
            await each.replica.forget_ended()
        return dispatcher

    def _free_replica(self) -> Replica:
        """Return the replica for the running loop: the only one, or with a shared store one that no other loop uses."""
        if self._replica.store.shared:
            used = [each.replica for each in self._dispatchers.values() if not each.loop.is_closed()]
            if self._replica in used:
                self._replica = self._new_replica()
            self._replica.bind()
        return self._replica

    def _new_replica(self, known: QuotaState | None = None) -> Replica:
        return Replica(self.quota, self._name, clock=self.clock.now, emit=self._emit_to_all, known=known)

    def _check(self) -> None:
        if self._replaced:
            raise ConfigurationError(
                "another client of the same key was made with another quota or clock since this one was used: close the other"
            )

    async def _rest(self, dispatcher: Dispatcher) -> None:
        """Close the store's files and connections while nobody uses them, because the limiter outlives its clients."""
        store = dispatcher.replica.store
        if not store.shared or self._uses(dispatcher):
            return
        await dispatcher.stop()
        if not self._uses(dispatcher):
            await store.aclose()

    def _uses(self, dispatcher: Dispatcher) -> bool:
        with self._guard:
            owners = list(self._owners.values())
        return any(dispatcher.own()) or any(owner.loop is dispatcher.loop for owner in owners)

    def _emit_to_all(self, event: ClientEvent) -> None:
        """Give an event to all users of this limiter, once each."""
        with self._guard:
            emits = {self._emit, *[owner.emit for owner in self._owners.values()]}
        for emit in emits:
            emit(event)

    def start_over(self) -> None:
        """Know nothing, as in a new process: this one was forked."""
        _inherited.append((self._replica, self._dispatchers))
        self._guard = threading.RLock()
        self._replica, self._dispatchers = self._new_replica(), {}
        owners = {owner: _Owner(each.emit, is_open=False) for owner, each in self._owners.items()}
        self._owners = WeakKeyDictionary(owners)


_limiters: Final[WeakSet[Limiter]] = WeakSet()
_inherited: Final[list[object]] = []
"""What belongs to loops of the parent of this process. It is kept, because closing it could disturb the parent."""


def _start_over() -> None:
    for limiter in list(_limiters):
        limiter.start_over()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_start_over)
