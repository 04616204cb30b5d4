"""Which failure may be tried again, and how long to wait: data and pure decisions, no clock and no sleep."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen
from attrs.validators import ge, gt, instance_of, optional

from ..errors import RateLimitedError, SessionsError, StatusError, TransportError

__all__ = ("RetryPolicy",)


def _statuses(given: Iterable[int]) -> frozenset[int]:
    statuses = frozenset(given)
    if not all(isinstance(each, int) for each in statuses):
        raise TypeError(f"statuses are whole numbers, such as {{429, 503}}, not {given!r}")
    return statuses


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how patiently a request is tried again.

    Reads (GETs and `slots`) are repeated after connection failures, timeouts and the statuses below. Every other
    operation is repeated only when the request provably never left this machine, or when the server said that it did
    nothing: 429, and 503 with a Retry-After. All retries take a new place in the quota.

    Attributes:
        attempts: how often a request is sent at most, the first time included; 1 turns retries off.
        total: seconds from the first attempt's start; no further one starts later. None: attempts alone are the bound.
        backoff: seconds; the longest wait before the second attempt. It doubles with each, with full jitter.
        backoff_max: seconds; no back-off is longer.
        retry_after_max: seconds; a server that asks for a longer pause is an error at once.
        statuses: after which a read is repeated.
        refused: by which the server says that it did nothing, so that a write is repeated too.
        postponed: which say that only together with a Retry-After.
    """

    attempts: int = field(default=4, validator=[instance_of(int), ge(1)])
    total: float | None = field(default=None, validator=optional(ge(0)))
    backoff: float = field(default=0.5, validator=ge(0))
    backoff_max: float = field(default=8.0, validator=ge(0))
    retry_after_max: float = field(default=3600.0, validator=gt(0))
    statuses: frozenset[int] = field(default=frozenset({408, 425, 429, 500, 502, 503, 504}), converter=_statuses)
    refused: frozenset[int] = field(default=frozenset({429}), converter=_statuses)
    postponed: frozenset[int] = field(default=frozenset({503}), converter=_statuses)

    def delay(
        self, failure: SessionsError, *, attempt: int, repeatable: bool, jitter: float, stale: bool = False
    ) -> float | None:
        """Seconds to wait before the next attempt, None if there must be none.

        Args:
            failure: how attempt number `attempt` (from 1) ended.
            repeatable: whether doing it twice does no harm.
            jitter: a random number from [0, 1).
            stale: it met a connection that the server had closed, which says nothing about the server's health.
        """
        if attempt >= self.attempts:
            return None
        backoff = jitter * min(self.backoff_max, self.backoff * 2.0 ** (attempt - 1))
        if isinstance(failure, TransportError):
            if not (repeatable or failure.sent == "no"):
                return None
            return 0.0 if stale else backoff
        if not isinstance(failure, StatusError):
            return None
        status, asked = failure.status_code, failure.retry_after
        if asked is not None and asked > self.retry_after_max:
            return None
        did_nothing = status in self.refused or (status in self.postponed and asked is not None)
        if not did_nothing and not (repeatable and status in self.statuses):
            return None
        if isinstance(failure, RateLimitedError):
            return 0.0  # the quota itself knows when the next one may go
        return backoff if asked is None else asked
