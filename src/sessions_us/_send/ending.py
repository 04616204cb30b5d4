"""How a call ended, as an event. Pure."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Final

from ..errors import CallAbandonedError, ClientClosedError, DecodeError, QuotaTimeoutError, StatusError, TransportError
from ..events import CallEnded, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .call import Answer, Call

__all__ = ("ending",)

_OUTCOMES: Final[Mapping[type[BaseException], Outcome]] = {
    StatusError: "status_error",
    TransportError: "transport_error",
    DecodeError: "decode_error",
    QuotaTimeoutError: "refused",
    CallAbandonedError: "abandoned",
    ClientClosedError: "closed",
    CancelledError: "cancelled",
}


def ending(call: Call, outcome: Answer | BaseException, now: float) -> CallEnded:
    """Return the last event of a call.

    Args:
        outcome: the answer that was understood, or the error that the caller gets.
        now: the time of the client's clock.
    """
    error = outcome if isinstance(outcome, BaseException) else None
    elapsed = now - call.began_at
    return CallEnded(
        call=call.number,
        operation=call.request.operation,
        request_id=getattr(outcome, "request_id", None),
        outcome=call.answered_by if error is None else _kind(error),
        status_code=getattr(outcome, "status_code", None),
        error=None if error is None else type(error).__name__,
        attempts=call.waiters.times_sent,
        waited=elapsed - call.waiters.flown,
        elapsed=elapsed,
    )


def _kind(error: BaseException) -> Outcome:
    for kind, outcome in _OUTCOMES.items():
        if isinstance(error, kind):
            return outcome
    return "failed"
