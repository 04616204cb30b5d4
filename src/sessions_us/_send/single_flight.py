"""Single flight: a read that is in flight is not sent again; the callers share its answer."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Final

from attrs import define, field

from ..errors import (
    CallAbandonedError,
    ClientClosedError,
    RequestTimeoutError,
    SessionsError,
    StatusError,
    TransportError,
)
from ..events import ResponseShared
from .call import Answer, Call, Name, OuterStage, Which
from .cancel_scope import cancel_scope
from .waiters import Caller

__all__ = ("Flights", "SingleFlight")


@define(eq=False, repr=False)
class _Flight:
    """A read in flight: where it is found, the task that sends it, and its answer until the callers have it."""

    place: tuple[asyncio.AbstractEventLoop, Name]
    call: Call
    task: asyncio.Task[None] = field(init=False)
    answer: Answer | None = field(default=None, init=False)

    @property
    def was_sent(self) -> bool:
        """Whether its answer may be older than what changes now."""
        return self.call.waiters.in_flight or self.answer is not None


Flights = dict[tuple[asyncio.AbstractEventLoop, Name], _Flight]

_PROCESS: Final[Flights] = {}
"""The reads in flight of this process, by their event loops. One that is not in here any more is not joined.

Several threads change it, each the reads of its own loop; a write drops those of all loops.
"""


@define(eq=False, repr=False)
class SingleFlight(OuterStage):
    """The stage that shares answers.

    What is shared belongs to the process: all clients of one key at one origin share, if they are in one event loop. Only bytes
    are shared; each caller decodes its own, as strictly as it likes. A call that is sent has a task of its own, so that the
    caller that began it can be cancelled while others wait for the answer.

    Args:
        inner: sends a call.
        flights: what is in flight; that of this process unless given.
    """

    _flights: Flights = _PROCESS
    _callers: dict[Caller[Answer], asyncio.AbstractEventLoop] = field(factory=dict, init=False)

    async def send(self, call: Call) -> Answer:
        """The answer: of this call, or of the same read in flight.

        A caller that joined waits as long, and has as many attempts, as its own options allow. It leaves a call that takes
        longer, and sends again when a call with less patience fails.

        Raises:
            SessionsError: what the inner stage raises; a joined caller gets a copy.
            BaseException: what a transport raises, a `CancelledError` too; joined callers get the same one.
        """
        self.check()  # before a task is made, and before the flight of another client is joined
        if call.is_watched:
            call.start()  # here, so that its task has what a listener sets in the caller's context
        if not call.request.repeatable:
            return await self._write(call)
        abort_on, place = call.abort_on, (asyncio.get_running_loop(), call.name)
        if (landed := self._landed(call, place)) is not None:
            return landed
        while True:
            flight, is_news = self._flights.get(place), False
            if flight is None or flight.answer is not None:
                call.abort_on = None  # that ends one caller's wait, and not what others may wait for
                flight = self._flights[place] = _Flight(place, call)
                flight.task = self._begin(self._fly(flight))
            elif call.options.max_wait == 0:  # it may wait for nobody
                return await self._inner.send(call)
            else:
                flight.call.stamp = call.stamp
                is_news = flight.call.waiters.join(call.waiters.lane, call.waiters.first)
            outcome = await self._outcome(flight, call.waiters.first, abort_on, is_news)
            try:
                if not isinstance(outcome, Answer) and self._goes_on(call, outcome):
                    call.begin_again(flight.call, outcome)
                    continue
                if call.waiters.first.joined:
                    self._shared(call, flight.call, outcome)
                if isinstance(outcome, Answer):
                    return outcome
                raise _told(call, outcome)
            finally:
                del outcome  # an error whose traceback holds it would live on

    async def _write(self, call: Call) -> Answer:
        try:
            return await self._inner.send(call)
        finally:
            self.forget(call.concerns)

    def _landed(self, call: Call, place: tuple[asyncio.AbstractEventLoop, Name]) -> Answer | None:
        """An answer that no caller has got yet, so that there is no copy of it, for a call that takes copies."""
        flight = self._flights.get(place)
        if flight is not None and flight.was_sent and flight.call.stamp != call.stamp:
            self._drop(flight)  # another process wrote since
            return None
        if flight is None or flight.answer is None or not call.options.cache_ttl:
            return None
        self._shared(call, flight.call, flight.answer)
        return flight.answer

    def _goes_on(self, call: Call, outcome: BaseException) -> bool:
        """Whether a caller of a call that failed allows more than that call did, and has time for it."""
        caller, retries = call.waiters.first, call.options.retries
        if self._closed or not caller.joined or caller.gave_up or not isinstance(outcome, SessionsError):
            return False
        if isinstance(outcome, ClientClosedError):
            return True  # the client that sent it was closed
        used = retries.attempts - caller.attempts
        return retries.delay(outcome, attempt=used, repeatable=True, jitter=0.0) is not None

    def _shared(self, call: Call, joined: Call, outcome: Answer | BaseException) -> None:
        """Tell that a call has the outcome of another."""
        if isinstance(outcome, Answer):
            call.answered_by = "shared"
        if call.is_watched and isinstance(outcome, Answer | StatusError | TransportError):
            method, path = call.request.method, call.request.path
            call.tell(ResponseShared, request_id=outcome.request_id, method=method, path=path, joined=joined.number)

    def forget(self, which: Which) -> None:
        """Something changed: nobody joins a read that may have been answered before."""
        for (loop, name), flight in self._flights.copy().items():
            is_meant = flight.was_sent and which(name, flight.call.documented_operation)
            if is_meant or loop.is_closed():  # that of an ended loop will never land
                self._flights.pop((loop, name), None)

    async def _end(self) -> None:
        """End this client's flights, and its part in those of others."""
        tasks, here = set(self._tasks), asyncio.get_running_loop()
        for caller, loop in self._callers.copy().items():
            if loop is here:
                caller.settle(ClientClosedError())
            elif loop.is_running():
                loop.call_soon_threadsafe(caller.settle, ClientClosedError())
        await super()._end()
        for flight in self._flights.copy().values():
            if flight.place[0] is here and flight.task in tasks and flight.task.done():
                self._land(flight, ClientClosedError())  # its task was cancelled before its first step

    async def _fly(self, flight: _Flight) -> None:
        try:
            answer = await self._inner.send(flight.call)
        except BaseException as error:
            was_closed = self._closed and isinstance(error, asyncio.CancelledError)
            self._land(flight, ClientClosedError() if was_closed else error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise  # it ends the event loop
        else:
            self._land(flight, answer)

    def _land(self, flight: _Flight, outcome: Answer | BaseException) -> None:
        """Give its outcome to those who wait. Until the first one has been woken, and keeps a copy, an answer is found here."""
        flight.call.waiters.settle(outcome)
        if isinstance(outcome, Answer):
            flight.answer = outcome
        else:
            self._drop(flight)

    def _drop(self, flight: _Flight) -> None:
        if self._flights.get(flight.place) is flight:
            self._flights.pop(flight.place, None)

    async def _outcome(
        self, flight: _Flight, caller: Caller[Answer], abort_on: asyncio.Future[None] | None, is_news: bool
    ) -> Answer | BaseException:
        """What the caller gets. If nobody waits any more, the flight ends, and so does its lease."""
        waiters = flight.call.waiters
        self._callers[caller] = asyncio.get_running_loop()
        try:
            async with nullcontext() if abort_on is None else cancel_scope(abort_on):
                if is_news:
                    await flight.call.raise_lane()
                return await caller.outcome()
        finally:
            self._callers.pop(caller, None)
            waiters.leave(caller)
            if flight.answer is not None:
                self._drop(flight)
            if not waiters.callers and not flight.task.done():
                self._land(flight, CallAbandonedError())
                flight.task.cancel()
                await asyncio.wait([flight.task])


def _told(call: Call, outcome: BaseException) -> BaseException:
    """The error, with the request that had no answer in time."""
    if not isinstance(outcome, TimeoutError):
        return outcome
    method, path = call.request.method, call.request.path
    message = f"{method} {path}, sent by another call, had no answer {outcome}"
    return RequestTimeoutError(message, sent="unknown", method=method, path=path)
