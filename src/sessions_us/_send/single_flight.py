"""Single flight and the short-lived cache: a read that is in flight, or was answered a moment ago, is not sent again.

What is shared belongs to the process: all clients of one key at one origin fly together and see the same copies, and a write
through any of them drops what it invalidates. A guest acts on what belongs to others, so a guest's write drops it for every key
of the origin. Only bytes are shared: each caller decodes its own, as strictly as it likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from copy import deepcopy
from typing import Any

from attrs import define, evolve

from .._calls.options import Options
from ..errors import (
    ClientClosedError,
    QuotaTimeoutError,
    RateLimitedError,
    ServerError,
    SessionsError,
    StatusError,
    TransportError,
)
from ..events import CacheHit, Emit, ResponseShared, Reuse
from ..quota import Lane
from .cache import MOST_BYTES, Cache, Copy, Name, size_of
from .cancel_scope import cancel_scope
from .http import Answer, Request, Transport, encode
from .trail import StartAgain, Trail, Trails, Write
from .waiters import Caller, Waiters

__all__ = ("Shared", "Sharing")


@define(eq=False)
class Flight:
    """One read in flight.

    Attributes:
        name: what is asked.
        operation: whose request it is; None where the document does not know.
        waiters: who waits for the answer.
        keeps: whether the answer is to be kept.
        task: sends it.
    """

    name: Name
    operation: str | None
    waiters: Waiters[Answer]
    keeps: bool
    task: asyncio.Task[None]


class Shared:
    """What clients share. A flight that is not in `flights` any more is neither joined nor kept."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.flights: dict[Name, Flight] = {}
        self.cache: Cache = cache or Cache()
        self.trails: Trails = Trails()
        self.renewals: dict[Name, asyncio.Task[None]] = {}

    def drop(self, which: Callable[[Name, str | None], bool]) -> None:
        """A write happened. What it invalidates is forgotten, and what was asked before it will not be kept."""
        self.cache.drop(which)
        for flight in list(self.flights.values()):
            if flight.waiters.in_flight and which(flight.name, flight.operation):
                del self.flights[flight.name]


_process = Shared()

_SAYS_NOTHING = (RateLimitedError, ServerError)
"""Statuses that tell nothing of what was asked for, so that a copy of it stays as good as it was."""


class Sharing:
    """Sends one client's requests, each read only as often as it must be.

    Args:
        transport: sends what has to be sent.
        key: a digest of the client's key.
        everywhere: whether its writes invalidate what belongs to other keys.
        emit: hears what was saved.
        shared: with whom; None is the process.
    """

    def __init__(
        self, transport: Transport, *, key: str, everywhere: bool, emit: Emit, shared: Shared | None = None
    ) -> None:
        self.transport: Transport = transport
        self._key = key
        self._origin = str(transport.origin) + transport.origin.prefix
        self._everywhere = everywhere
        self._emit = emit
        self._shared = _process if shared is None else shared
        self._now = transport.limiter.now
        self._callers: set[Caller[Answer]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def send(self, request: Request, options: Options, lane: Lane) -> Answer:
        """The answer: sent for, shared with another call, or a copy as old as the options allow.

        Raises:
            SessionsError: what `Transport.send` raises.
        """
        if not request.repeatable:
            return await self._write(request, options, lane)
        self.transport.check()
        name = self._name(request)
        if not options.keeps:
            return await self._fly(name, request, options, lane)
        copy = self._shared.cache.get(name)
        if copy is not None and self._age(copy) < options.cache_ttl:
            return self._reuse(copy, 0, request, "fresh")
        if copy is not None and self._age(copy) < options.cache_ttl + options.stale_while_revalidate:
            self._renew(name, request, options)
            return self._reuse(copy, 0, request, "stale-while-revalidate")
        try:
            return await self._fly(name, request, options, lane)
        except (QuotaTimeoutError, TransportError, *_SAYS_NOTHING):
            copy = self._shared.cache.get(name)
            if copy is None or self._age(copy) >= options.cache_ttl + options.stale_if_error:
                raise
        return self._reuse(copy, 0, request, "stale-if-error")

    # -- lists -------------------------------------------------------------------------------------------------------

    def begin(
        self, request: Request, options: Options, renew: Callable[[Trail, int], Coroutine[Any, Any, None]]
    ) -> Trail:
        """The trail of a walk over a list that begins with this request.

        Args:
            request, options: how the first page is asked for.
            renew: walks again along a fresh trail, for so many pages.
        """
        self.transport.check()
        trail = self._trail(self._name(request), request.operation, options, missed=None)
        if trail.reuse == "stale-while-revalidate" and trail.copy is not None:
            self._renew_walk(trail, len(trail.copy.answers), renew)
        return trail

    async def page(self, trail: Trail, request: Request, options: Options, lane: Lane) -> Answer:
        """The answer to the next request of a walk.

        Raises:
            StartAgain: the copies of an earlier walk don't go on, or stand in for what failed.
            SessionsError: what `Transport.send` raises.
        """
        if trail.copy is not None:
            return self._next_copy(trail, trail.copy, request, options)
        try:
            answer = await self._fly(self._name(request), request, options, lane, keeps=False)
        except (QuotaTimeoutError, TransportError, *_SAYS_NOTHING):
            copy = self._shared.cache.get(trail.name)
            if copy is None or copy is trail.missed or copy is trail.kept:
                raise
            expires_at = copy.kept_at + options.cache_ttl + options.stale_if_error
            if self._now() >= expires_at:
                raise
            raise StartAgain(
                Trail(
                    *(self._shared.trails, trail.name, trail.operation),
                    copy=copy,
                    reuse="stale-if-error",
                    copy_expires_at=expires_at,
                )
            ) from None
        except StatusError as error:
            if trail.answers:
                self._record(trail, error, options)
            raise
        if not answer.flaw:
            self._record(trail, answer, options)
        return answer

    def end(self, trail: Trail, options: Options) -> None:
        """A walk came to the end of its list: its answers are the list, though there were more before."""
        if trail.answers and options.keeps and not trail.is_spoilt:
            self._keep(trail)

    def _trail(self, name: Name, operation: str | None, options: Options, missed: Copy | None) -> Trail:
        copy = self._shared.cache.get(name) if options.keeps else None
        if copy is not None and copy is not missed:
            fresh_until = copy.kept_at + options.cache_ttl
            is_fresh = self._now() < fresh_until
            reuse: Reuse = "fresh" if is_fresh else "stale-while-revalidate"
            expires_at = fresh_until + (0.0 if is_fresh else options.stale_while_revalidate)
            if self._now() < expires_at:
                return Trail(self._shared.trails, name, operation, copy=copy, reuse=reuse, copy_expires_at=expires_at)
        return Trail(self._shared.trails, name, operation, missed=missed)

    def _next_copy(self, trail: Trail, copy: Copy, request: Request, options: Options) -> Answer:
        place = len(trail.answers)
        kept = self._shared.cache.get(trail.name) is copy and self._now() < trail.copy_expires_at
        if not kept or place == len(copy.answers):
            raise StartAgain(self._trail(trail.name, trail.operation, options, missed=copy))
        trail.answers.append(copy.answers[place])
        return self._reuse(copy, place, request, trail.reuse)

    def _record(self, trail: Trail, outcome: Answer | StatusError, options: Options) -> None:
        """Notes an answer of a walk, and keeps what was read of it if nothing better is kept."""
        if not options.keeps or trail.is_spoilt:
            return
        trail.began_at = trail.began_at if trail.answers else self._now()
        trail.answers.append(outcome)
        trail.size += size_of(outcome)
        if trail.size > MOST_BYTES:
            trail.is_spoilt = True
            trail.answers.clear()
            return
        kept = self._shared.cache.get(trail.name)
        of_use = options.cache_ttl + max(options.stale_while_revalidate, options.stale_if_error)
        if kept is None or len(kept.answers) <= len(trail.answers) or self._age(kept) >= of_use:
            self._keep(trail)

    def _keep(self, trail: Trail) -> None:
        kept = self._shared.cache.get(trail.name)
        if kept is None or kept.kept_at <= trail.began_at:  # a later walk knows better
            trail.kept = Copy(tuple(trail.answers), trail.began_at, trail.operation)
            self._shared.cache.put(trail.name, trail.kept)

    def _renew_walk(self, trail: Trail, pages: int, renew: Callable[[Trail, int], Coroutine[Any, Any, None]]) -> None:
        """Walk again, behind all that is urgent, unless somebody does."""
        running = self._shared.renewals.get(trail.name)
        if running is not None and not running.done() and running.get_loop() is asyncio.get_running_loop():
            return

        async def renewed() -> None:
            try:
                await renew(Trail(self._shared.trails, trail.name, trail.operation, missed=trail.copy), pages)
            except SessionsError:
                pass  # the events tell; the next reader tries again
            finally:
                self._shared.renewals.pop(trail.name, None)

        self._shared.renewals[trail.name] = self.spawn(renewed())

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that ends with this client, at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Ends this client's flights, and its part in those of others, then closes the transport."""
        self._closed = True
        for caller in list(self._callers):
            caller.settle(_closed())
        tasks = [task for task in self._tasks if task.get_loop() is asyncio.get_running_loop()]
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await self.transport.aclose()

    async def _write(self, request: Request, options: Options, lane: Lane) -> Answer:
        concerns = self._invalidated(request.invalidates)
        with self._shared.trails.writing(Write(concerns, removes=request.removes)) as write:
            try:
                return await self.transport.send(request, options, lane, on_sent=write.sent)
            except QuotaTimeoutError:
                write.may_have_happened = False
                raise
            finally:
                if write.may_have_happened and request.invalidates != ():
                    self._shared.drop(concerns)

    def _name(self, request: Request) -> Name:
        body = None if request.body is None else encode(request.body)
        return Name(self._key, self._origin, request.method, request.path, tuple(request.params), body)

    def _invalidated(self, invalidates: tuple[str, ...] | None) -> Callable[[Name, str | None], bool]:
        def invalidated(name: Name, operation: str | None) -> bool:
            same = name.origin == self._origin and (self._everywhere or name.key == self._key)
            return same and (invalidates is None or operation is None or operation in invalidates)

        return invalidated

    def _age(self, copy: Copy) -> float:
        return self._now() - copy.kept_at

    def _reuse(self, copy: Copy, place: int, request: Request, why: Reuse) -> Answer:
        self._emit(CacheHit(operation=request.operation, age=self._age(copy), why=why))
        answer = copy.answers[place]
        if isinstance(answer, StatusError):
            raise deepcopy(answer)
        return answer

    # -- flights -----------------------------------------------------------------------------------------------------

    async def _fly(
        self, name: Name, request: Request, options: Options, lane: Lane, *, keeps: bool | None = None
    ) -> Answer:
        keeps = options.keeps if keeps is None else keeps
        began = self._now()
        while True:
            flight = self._joinable(name)
            if flight is None:
                flight = self._launch(name, request, options, lane, keeps=keeps)
                caller, raise_lane = flight.waiters.begin(options.max_wait), False
            elif options.max_wait == 0:  # it may wait for nobody
                return await self.transport.send(request, options, lane)
            else:
                caller, raise_lane = flight.waiters.join(lane, options.max_wait)
                flight.keeps |= keeps
            self._callers.add(caller)
            try:
                async with cancel_scope(options.abort_on, lane):
                    if raise_lane:
                        await self.transport.limiter.raise_lane(flight.waiters, lane)
                    outcome = await caller.future
            finally:
                self._callers.discard(caller)
                flight.waiters.leave(caller)
                if flight.waiters.is_empty and not flight.task.done():
                    await self._abandon(flight)
            if isinstance(outcome, Answer):
                if caller.joined:
                    self._emit(ResponseShared(operation=request.operation, method=request.method, path=request.path))
                return outcome
            if isinstance(outcome, ClientClosedError) and not self._closed:  # the client that sent it was closed
                if options.max_wait is not None:
                    options = evolve(options, max_wait=max(0.0, began + options.max_wait - self._now()))
                began = self._now()
                continue
            raise outcome

    def _joinable(self, name: Name) -> Flight | None:
        """The flight to join. One of an event loop that has ended will never land."""
        flight = self._shared.flights.get(name)
        return flight if flight is not None and flight.task.get_loop() is asyncio.get_running_loop() else None

    def _launch(self, name: Name, request: Request, options: Options, lane: Lane, *, keeps: bool) -> Flight:
        # A task of its own, so that the call which began it can be cancelled while others wait for the answer.
        waiters: Waiters[Answer] = Waiters(lane, self._now)
        operation = None if request.invalidates is None else request.operation
        alone = options.max_wait is None and options.abort_on is None
        patient = options if alone else evolve(options, max_wait=None, abort_on=None)  # the waiters have the patience
        task = self.spawn(self._send(name, request, patient, waiters))
        flight = self._shared.flights[name] = Flight(name, operation, waiters, keeps, task)
        return flight

    async def _send(self, name: Name, request: Request, options: Options, waiters: Waiters[Answer]) -> None:
        outcome: Answer | Exception = _closed()
        try:
            outcome = await self.transport.send(request, options, waiters.lane, waiters)
        except Exception as error:
            outcome = error
        finally:
            flight = self._shared.flights.get(name)
            if flight is not None and flight.waiters is waiters:
                del self._shared.flights[name]
                if isinstance(outcome, Answer) and not outcome.flaw and flight.keeps:
                    self._shared.cache.put(name, Copy((outcome,), self._now(), flight.operation))
                elif isinstance(outcome, StatusError) and not isinstance(outcome, _SAYS_NOTHING):
                    self._shared.cache.drop(lambda other, _: other == name)  # it is gone, or not ours to see any more
            waiters.settle(outcome)

    async def _abandon(self, flight: Flight) -> None:
        """Nobody waits any more: it ends, and so does its lease."""
        if self._shared.flights.get(flight.name) is flight:
            del self._shared.flights[flight.name]
        flight.task.cancel()
        await asyncio.wait([flight.task])

    def _renew(self, name: Name, request: Request, options: Options) -> None:
        """Ask again, behind all that is urgent, unless somebody does."""
        if self._joinable(name) is None:
            self._launch(name, request, options, "background", keeps=True).waiters.unattended = True


def _closed() -> ClientClosedError:
    return ClientClosedError("the client was closed; make a new one")
