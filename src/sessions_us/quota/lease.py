"""A lease: the right to send one request, and the duty to report its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from attrs import define

from ..events import Emit, OtherClientsSeen
from .rules.headers import parse_report
from .rules.state import Lane, QuotaState

__all__ = ("Finish", "Lease")

Finish = Callable[[int, Callable[[QuotaState, float], tuple[QuotaState, int]], bool], Awaitable[int | None]]
"""Ends a lease in the state. Returns the requests of other clients that this revealed, or None if the lease had ended before.

The flag: the request may have counted.
"""


@define(eq=False)
class Lease:
    """The right to send one request. End it once, with `done`, `unknown` or `refund`; ending it again does nothing.

    The end of a lease is shielded: the caller's cancellation does not stop it.

    Attributes:
        lane: the lane in which it waited.
        arrival: its order in the lane; pass it to `acquire` when the request is repeated.
        waited: seconds it waited.
    """

    lane: Lane
    arrival: int
    waited: float
    _number: int
    _finish: Finish
    _emit: Emit

    async def done(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """The server answered, with any status. Its headers say what is left."""
        number, report = self._number, parse_report(headers)
        others = await self._finish(number, lambda state, now: state.answered(number, now, status, report), True)
        if others:
            self._emit(OtherClientsSeen(used_by_others=others))

    async def unknown(self) -> None:
        """The request was sent and got no answer, so it may have counted."""
        await self._finish(self._number, lambda state, now: (state.lost((self._number,), now), 0), True)

    async def refund(self) -> None:
        """The request never left this machine, so its place is free again."""
        await self._finish(self._number, lambda state, now: (state.refunded(self._number), 0), False)
