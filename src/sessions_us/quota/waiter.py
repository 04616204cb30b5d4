"""One request that asks for a place in the quota, and the refusal that can end its wait."""

from __future__ import annotations

import asyncio
from typing import Protocol

from attrs import define, field

from ..errors import QuotaTimeoutError, SessionsError
from ..events import Emit
from .lease import Lease
from .rules.state import Lane, Ticket

__all__ = ("Callers", "Waiter", "too_long")


_NOWHERE = Ticket(-1, "interactive", 0, 0.0, False, 0.0)


class Callers(Protocol):
    """Several callers that share one request, each with its own deadline."""

    @property
    def deadline(self) -> float | None:
        """The earliest of their deadlines, on the limiter's clock; None if no caller has one."""

    def refuse(self, error: QuotaTimeoutError) -> bool:
        """Fail the caller with the earliest deadline. Returns False if no other caller waits."""
        ...


@define(eq=False, repr=False)
class Waiter:
    """A request that has no place in the quota yet. Its arguments are those of `Limiter.acquire`.

    Attributes:
        ticket: its place in the lane, once it has one. Until then a ticket that is in no state.
        future: gets the lease, or the error that ends the wait.
        logged: whether its long wait was logged.
    """

    lane: Lane
    own_deadline: float | None
    arrival: int | None
    front: bool
    timeout: float
    operation: str
    call: int
    emit: Emit
    owner: object | None
    callers: Callers | None
    ticket: Ticket = field(default=_NOWHERE, init=False)
    future: asyncio.Future[Lease | SessionsError] = field(init=False)
    logged: bool = field(default=False, init=False)

    @property
    def deadline(self) -> float | None:
        """The earliest deadline of the request and its callers."""
        if self.callers is None:
            return self.own_deadline
        theirs = self.callers.deadline
        return min((moment for moment in (self.own_deadline, theirs) if moment is not None), default=None)

    def refuse(self, error: QuotaTimeoutError, now: float, wait: float) -> bool:
        """Fail the caller whose deadline cannot be met. Returns False if the request's own deadline cannot be met either."""
        own = self.own_deadline
        if self.callers is None or (own is not None and (now >= own or now + wait > own)):
            return False
        return self.callers.refuse(error)


def too_long(ticket: Ticket, position: int, expected: float | None, budget: float) -> QuotaTimeoutError:
    """Make the error of a wait that exceeds its deadline."""
    known = "" if expected is None else f" The quota allows it in {expected:.1f} s at the earliest."
    return QuotaTimeoutError(
        f"Not sent: position {position} in the lane {ticket.lane}, and {budget:.1f} s of max_wait left.{known}",
        retry_after=expected,
        lane=ticket.lane,
        position=position,
    )
