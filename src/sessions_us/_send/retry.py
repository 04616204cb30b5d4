"""Retries: a place in the quota for each attempt, as often as the policy allows."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext

from attrs import define, field

from ..errors import (
    CallAbandonedError,
    ClientClosedError,
    QuotaTimeoutError,
    RateLimitedError,
    RequestTimeoutError,
    SessionsError,
    StatusError,
)
from ..events import RetryScheduled, ignore
from ..quota import Lease, Limiter
from ..quota.clock import sleep
from .call import Answer, Call, OuterStage
from .cancel_scope import cancel_scope

__all__ = ("Retry",)


@define(eq=False, repr=False)
class _Write:
    """A write in flight.

    Attributes:
        timeout: seconds that it may take.
        over: done when it has ended; it can be waited for in another event loop.
    """

    timeout: float
    over: Future[None] = field(factory=Future, init=False)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _process: int = field(factory=os.getpid, init=False)

    @property
    def goes_on(self) -> bool:
        """Whether its loop runs. That of a forked child's parent only looks as if it did."""
        return self._process == os.getpid() and self._loop.is_running()


@define(eq=False, repr=False)
class Retry(OuterStage):
    """The stage that repeats a call.

    Args:
        inner: sends one attempt.
        limiter: gives a lease for each attempt; all clients of the key share it.
        jitter: a random number from [0, 1).
    """

    _limiter: Limiter
    _jitter: Callable[[], float] = random.random
    _writes: set[_Write] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._limiter.join(self)

    async def send(self, call: Call) -> Answer:
        """The answer of the first attempt that gets one.

        Raises:
            QuotaTimeoutError: nothing was sent, because waiting would take longer than `max_wait`.
            CallAbandonedError: nothing was sent, because nobody waits any more.
            StatusError, TransportError: how the last attempt failed.
            ClientClosedError: the client was closed.
        """
        failure, call.failure = call.failure, None
        try:
            while True:
                if failure is not None:
                    pause = self._pause(call, failure)
                    if pause is None:
                        raise failure
                    await self._back_off(call, failure, pause)
                try:
                    call.lease = await self._lease(call, failure)
                except SessionsError as error:
                    if failure is None or not isinstance(error, QuotaTimeoutError | CallAbandonedError):
                        failure = error.with_traceback(None)  # without the frames of the quota, which hold it
                    raise failure from None  # if it was sent, that is what the caller must know
                call.attempt += 1
                call.waiters.sent()
                try:
                    return await (self._inner.send(call) if call.request.repeatable else self._write(call))
                except SessionsError as error:
                    failure = error
        finally:
            del failure  # an error that a frame of its own traceback holds would live on

    async def _write(self, call: Call) -> Answer:
        """Send once. A write in flight is not broken off when the client is closed."""
        write = _Write(call.options.timeout)
        self._writes.add(write)
        try:
            return await self._inner.send(call)
        finally:
            self._writes.discard(write)
            write.over.set_result(None)

    async def _end(self) -> None:
        await self._limiter.leave(self)
        if writes := [write for write in self._writes.copy() if write.goes_on]:
            ends = [asyncio.wrap_future(write.over) for write in writes]
            await asyncio.wait(ends, timeout=max(write.timeout for write in writes))  # their loop may stop meanwhile

    async def _lease(self, call: Call, failure: SessionsError | None) -> Lease:
        """A place in the quota: the one of the last attempt, but before all others of the lane after a 429."""
        if self._closed:
            raise ClientClosedError
        call.queue = self._limiter
        async with nullcontext() if call.abort_on is None else cancel_scope(call.abort_on):
            lease = await self._limiter.acquire(
                lane=call.waiters.lane,
                deadline=call.waiters.first.last_start,
                arrival=None if call.lease is None else call.lease.arrival,
                front=isinstance(failure, RateLimitedError),
                timeout=call.options.timeout,
                operation=call.request.operation,
                call=call.number,
                emit=call.emit if call.is_watched else ignore,
                owner=self,
                callers=call.waiters,
            )
        if self._closed:  # meanwhile
            await lease.refund()
            raise ClientClosedError
        return lease

    def _pause(self, call: Call, failure: SessionsError) -> float | None:
        """Seconds until the next attempt may go to the queue, None if there is none, or if it would come too late for all."""
        if call.is_hopeless:
            return None
        pause = call.options.retries.delay(
            failure,
            attempt=call.attempt,
            repeatable=call.request.repeatable,
            jitter=self._jitter(),
            stale=call.met_closed_connection and not isinstance(failure, RequestTimeoutError),
        )
        delay = None if pause is None else max(pause, self._limiter.least_wait(call.waiters.lane))
        return pause if call.waiters.failed(failure, delay) else None

    async def _back_off(self, call: Call, failure: SessionsError, pause: float) -> None:
        reason = str(failure.status_code) if isinstance(failure, StatusError) else type(failure).__name__
        request_id = getattr(failure, "request_id", None)
        delay = pause or self._limiter.least_wait(call.waiters.lane)  # without a pause the quota alone makes it wait
        call.tell(RetryScheduled, request_id=request_id, attempt=call.attempt + 1, delay=delay, reason=reason)
        if pause > 0:
            await sleep(self._limiter.clock, pause)
