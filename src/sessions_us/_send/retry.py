"""Retries: a place in the quota for each attempt, as often as the policy allows."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext

from attrs import define

from ..errors import QuotaTimeoutError, RateLimitedError, RequestTimeoutError, SessionsError, StatusError
from ..events import Emit, RetryScheduled
from ..quota import Lease, Limiter
from ..quota.clock import sleep
from .call import Answer, Call
from .cancel_scope import cancel_scope
from .stage import OuterStage

__all__ = ("Retry",)


@define(eq=False, repr=False)
class Retry(OuterStage):
    """The stage that repeats a call.

    Args:
        inner: sends one attempt.
        limiter: gives a lease for each attempt; all clients of the key share it.
        emit: gets the events.
        jitter: a random number from [0, 1).
    """

    _limiter: Limiter
    _emit: Emit
    _jitter: Callable[[], float] = random.random

    async def send(self, call: Call) -> Answer:
        """The answer of the first attempt that gets one.

        Raises:
            QuotaTimeoutError: nothing was sent, because waiting would take longer than `max_wait`.
            StatusError, TransportError: how the last attempt failed.
            ClientClosedError: the client was closed.
        """
        failure: SessionsError | None = None
        last_start: float | None = None  # no further attempt begins later
        try:
            while True:
                try:
                    call.lease = await self._lease(call, failure, last_start)
                except QuotaTimeoutError:
                    if failure is None:
                        raise
                    raise failure from None  # it was sent, and that is what the caller must know
                if call.attempt == 0 and call.options.retries.total is not None:
                    last_start = self._limiter.now() + call.options.retries.total
                call.attempt += 1
                call.waiters.sent()
                try:
                    return await self._inner.send(call)
                except SessionsError as error:
                    failure = error
                pause = self._pause(call, failure, last_start)
                if pause is None:
                    raise failure
                await self._back_off(call, failure, pause)
        finally:
            del failure  # an error whose traceback holds it would live on

    async def _end(self) -> None:
        await self._limiter.leave(self)

    async def _lease(self, call: Call, failure: SessionsError | None, last_start: float | None) -> Lease:
        """A place in the quota: the one of the last attempt, but before all others of the lane after a 429."""
        self.check()
        call.queue = self._limiter
        try:
            async with nullcontext() if call.abort_on is None else cancel_scope(call.abort_on, call.waiters.lane):
                lease = await self._limiter.acquire(
                    lane=call.waiters.lane,
                    deadline=last_start,
                    arrival=None if call.lease is None else call.lease.arrival,
                    front=isinstance(failure, RateLimitedError),
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
        return lease

    def _pause(self, call: Call, failure: SessionsError, last_start: float | None) -> float | None:
        """Seconds until the next attempt, None if there is none."""
        if call.is_hopeless:
            return None
        pause = call.options.retries.delay(
            failure,
            attempt=call.attempt,
            repeatable=call.request.repeatable,
            jitter=self._jitter(),
            stale=call.met_closed_connection and not isinstance(failure, RequestTimeoutError),
        )
        if pause is None or (last_start is not None and self._limiter.now() + pause > last_start):
            return None
        return pause if call.waiters.failed(failure, pause) else None

    async def _back_off(self, call: Call, failure: SessionsError, pause: float) -> None:
        reason = str(failure.status_code) if isinstance(failure, StatusError) else type(failure).__name__
        self._emit(
            RetryScheduled(operation=call.request.operation, attempt=call.attempt + 1, delay=pause, reason=reason)
        )
        if pause > 0:
            await sleep(self._limiter.clock, pause)
