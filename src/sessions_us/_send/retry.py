"""Retries: a place in the quota for each attempt, as often as the policy allows."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext

from attrs import define

from ..errors import (
    ClientClosedError,
    QuotaTimeoutError,
    RateLimitedError,
    RequestTimeoutError,
    SessionsError,
    StatusError,
)
from ..events import Emit, RetryScheduled
from ..quota import Lease, Limiter
from ..quota.clock import sleep
from .call import Answer, Call, Stage
from .cancel_scope import cancel_scope

__all__ = ("Retry",)


@define
class _Attempts:
    """How far the attempts of one call have come.

    Attributes:
        arrival: the place in the lane that the first attempt had.
        to_front: whether the next attempt goes before its lane.
        last_start: no further attempt begins later, on the client's clock.
    """

    arrival: int | None = None
    to_front: bool = False
    last_start: float | None = None


class Retry:
    """The stage that repeats a call.

    Args:
        inner: sends one attempt.
        limiter: gives a lease for each attempt; all clients of the key share it.
        emit: gets the events.
        jitter: a random number from [0, 1).
    """

    def __init__(
        self, inner: Stage, limiter: Limiter, emit: Emit, *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._inner = inner
        self._limiter = limiter
        self._emit = emit
        self._jitter = jitter
        self._closed = False

    async def send(self, call: Call) -> Answer:
        """The answer of the first attempt that gets one.

        Raises:
            QuotaTimeoutError: nothing was sent, because waiting would take longer than `max_wait`.
            StatusError, TransportError: how the last attempt failed.
            ClientClosedError: the client was closed.
        """
        attempts = _Attempts()
        failure: SessionsError | None = None
        try:
            while True:
                try:
                    call.lease = await self._lease(call, attempts)
                except QuotaTimeoutError:
                    if failure is None:
                        raise
                    raise failure from None  # it was sent, and that is what the caller must know
                call.attempt += 1
                call.waiters.sent()
                try:
                    return await self._inner.send(call)
                except SessionsError as error:
                    failure = error
                pause = self._pause(call, failure, attempts)
                if pause is None:
                    raise failure
                await self._wait(call, failure, attempts, pause)
        finally:
            del failure  # an error whose traceback holds it would live on

    def check(self) -> None:
        if self._closed:
            raise ClientClosedError
        self._inner.check()

    async def aclose(self) -> None:
        self._closed = True
        await self._limiter.leave(self)
        await self._inner.aclose()

    async def _lease(self, call: Call, attempts: _Attempts) -> Lease:
        """A place in the quota."""
        self.check()
        call.queue = self._limiter
        try:
            scope = nullcontext() if call.abort_on is None else cancel_scope(call.abort_on, call.waiters.lane)
            async with scope:
                lease = await self._limiter.acquire(
                    lane=call.waiters.lane,
                    deadline=attempts.last_start,
                    arrival=attempts.arrival,
                    front=attempts.to_front,
                    timeout=call.options.timeout,
                    operation=call.request.operation,
                    emit=self._emit,
                    owner=self,
                    callers=call.waiters,
                )
        finally:
            call.queue = None
        try:
            self.check()  # the client may have been closed meanwhile
        except SessionsError:
            await lease.refund()
            raise
        attempts.arrival = lease.arrival
        total = call.options.retries.total
        if attempts.last_start is None and total is not None:
            attempts.last_start = self._limiter.now() + total
        return lease

    def _pause(self, call: Call, failure: SessionsError, attempts: _Attempts) -> float | None:
        """Seconds until the next attempt, None if there is none."""
        pause = call.options.retries.delay(
            failure,
            attempt=call.attempt,
            repeatable=call.request.repeatable,
            jitter=self._jitter(),
            stale=call.met_closed_connection and not isinstance(failure, RequestTimeoutError),
        )
        if pause is None:
            return None
        if attempts.last_start is not None and self._limiter.now() + pause > attempts.last_start:
            return None
        return pause if call.waiters.failed(failure, pause) else None

    async def _wait(self, call: Call, failure: SessionsError, attempts: _Attempts, pause: float) -> None:
        reason = str(failure.status_code) if isinstance(failure, StatusError) else type(failure).__name__
        self._emit(
            RetryScheduled(operation=call.request.operation, attempt=call.attempt + 1, delay=pause, reason=reason)
        )
        attempts.to_front = isinstance(failure, RateLimitedError)
        if pause > 0:
            await sleep(self._limiter.clock, pause)
