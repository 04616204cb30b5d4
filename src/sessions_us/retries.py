"""Which failure may be tried again, and how long to wait: data and pure decisions, no clock and no sleep."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, gt

from .errors import RateLimitedError, ServerError, SessionsError, StatusError, TransportError

__all__ = ("RetryPolicy",)


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how patiently a request is tried again.

    Reads (GETs and `slots`) are repeated after connection failures, timeouts and the statuses below. Every other
    operation is repeated only when the request provably never left this machine, or when the server said that it did
    nothing: 429, and 503 with a Retry-After. All retries take a new place in the quota.

    Attributes:
        attempts: how often a request is sent at most, the first time included; 1 turns retries off.
        backoff: seconds; the longest wait before the second attempt. It doubles with each, with full jitter.
        backoff_max: seconds; no back-off is longer.
        retry_after_max: seconds; a server that asks for a longer pause is an error at once.
        statuses: after which a read is repeated.
    """

    attempts: int = field(default=4, validator=ge(1))
    backoff: float = field(default=0.5, validator=ge(0))
    backoff_max: float = field(default=8.0, validator=ge(0))
    retry_after_max: float = field(default=3600.0, validator=gt(0))
    statuses: frozenset[int] = field(default=frozenset({408, 425, 429, 500, 502, 503, 504}), converter=frozenset)

    def delay(self, failure: SessionsError, *, attempt: int, repeatable: bool, jitter: float) -> float | None:
        """Seconds to wait before the next attempt, None if there must be none.

        Args:
            failure: how attempt number `attempt` (from 1) ended.
            repeatable: whether doing it twice does no harm.
            jitter: a random number from [0, 1).
        """
        if attempt >= self.attempts:
            return None
        backoff = jitter * min(self.backoff_max, self.backoff * 2.0 ** (attempt - 1))
        if isinstance(failure, TransportError):
            return backoff if repeatable or failure.sent == "no" else None
        if not isinstance(failure, StatusError):
            return None
        asked = failure.retry_after
        if asked is not None and asked > self.retry_after_max:
            return None
        if isinstance(failure, RateLimitedError):
            return 0.0  # the quota itself knows when the next one may go
        did_nothing = isinstance(failure, ServerError) and failure.status_code == 503 and asked is not None
        if did_nothing or (repeatable and failure.status_code in self.statuses):
            return backoff if asked is None else asked
        return None
