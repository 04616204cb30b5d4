"""Those who wait for their turn, and the errors that can end the wait."""

from __future__ import annotations

import asyncio
from typing import Protocol

from sessions_us.errors import QuotaTimeoutError, SessionsError
from sessions_us.events import Emit
from sessions_us.quota.lease import Lease
from sessions_us.quota.rules.state import Lane, Ticket

__all__ = ("Callers", "Waiter", "store_down", "too_long")


class Callers(Protocol):
    """Several callers behind one request, each with a deadline of its own."""

    @property
    def deadline(self) -> float | None:
        """The earliest of theirs, on the limiter's clock; None if nobody has one."""
        ...

    def refuse(self, error: QuotaTimeoutError) -> bool:
        """The turn comes too late for the one with the earliest deadline. False if nobody else waits."""
        ...


class Waiter:
    """A caller of `acquire` whose turn has not come. Its future gets a lease, or the error that ends the wait."""

    __slots__ = ("_deadline", "callers", "emit", "future", "operation", "owner", "said", "ticket", "timeout")

    def __init__(
        self,
        ticket: Ticket,
        deadline: float | None,
        timeout: float,
        emit: Emit,
        operation: str,
        owner: object | None,
        callers: Callers | None = None,
    ) -> None:
        self.ticket: Ticket = ticket
        self.future: asyncio.Future[Lease | SessionsError] = asyncio.get_running_loop().create_future()
        self._deadline = deadline
        self.callers: Callers | None = callers
        self.timeout: float = timeout
        self.emit: Emit = emit
        self.operation: str = operation
        self.owner: object | None = owner
        self.said: bool = False

    @property
    def deadline(self) -> float | None:
        """The earliest moment at which somebody's patience ends."""
        if self.callers is None:
            return self._deadline
        theirs = self.callers.deadline
        return min((moment for moment in (self._deadline, theirs) if moment is not None), default=None)

    def refuse(self, error: QuotaTimeoutError, now: float, expected: float) -> bool:
        """The turn comes too late for somebody. False if it does for the request, so that it must leave the queue."""
        if self.callers is None or (
            self._deadline is not None and (now >= self._deadline or now + expected > self._deadline)
        ):
            return False
        return self.callers.refuse(error)


def too_long(ticket: Ticket, position: int, expected: float | None, budget: float) -> QuotaTimeoutError:
    """The wait is known to exceed the deadline."""
    known = "" if expected is None else f" The quota allows it in {expected:.1f} s at the earliest."
    return QuotaTimeoutError(
        f"Not sent: position {position} in the lane {ticket.lane}, and {budget:.1f} s of max_wait left.{known}",
        retry_after=expected,
        lane=ticket.lane,
        position=position,
    )


def store_down(store: object, reason: str, lane: Lane, retry_after: float) -> QuotaTimeoutError:
    """The store fails, and without it nothing may be sent."""
    return QuotaTimeoutError(
        f"Not sent: {store!r}, which keeps the quota, can't be used ({reason}), and its on_store_failure is 'refuse'.",
        retry_after=retry_after,
        lane=lane,
        position=1,
    )
