"""A lease: the right to send one request, and the duty to tell what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from sessions_us.events import Emit, OtherClientsSeen, RequestThrottled
from sessions_us.quota.rules.headers import parse_report
from sessions_us.quota.rules.state import Lane, QuotaState, Ticket
from sessions_us.quota.rules.window import Effect

__all__ = ("Finish", "Lease")

Finish = Callable[[int, Callable[[QuotaState, float], tuple[QuotaState, Effect]], bool], Awaitable[Effect]]
"""Ends a lease in the state; the last argument says whether its request may have counted."""


class Lease:
    """The right to send one request. It ends once, with `done`, `unknown` or `refund`; ending it again does nothing.

    Attributes:
        lane: the lane it came from.
        arrival: its order in the lane; a repeated request brings it along.
        granted_at: when, on the limiter's clock.
        waited: seconds it waited.
    """

    __slots__ = ("_emit", "_ended", "_finish", "_number", "_operation", "arrival", "granted_at", "lane", "waited")

    def __init__(
        self, ticket: Ticket, *, granted_at: float, waited: float, finish: Finish, emit: Emit, operation: str
    ) -> None:
        self.lane: Lane = ticket.lane
        self.arrival: int = ticket.arrival
        self.granted_at: float = granted_at
        self.waited: float = waited
        self._number = ticket.number
        self._finish = finish
        self._emit = emit
        self._operation = operation
        self._ended = False

    async def done(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """The server answered, with any status: its headers tell what is left. The caller's cancellation does not stop this."""
        if not self._end():
            return
        number, report = self._number, parse_report(headers)
        effect = await self._finish(number, lambda state, now: state.answered(number, now, status, report), True)
        if effect.used_by_others:
            self._emit(OtherClientsSeen(used_by_others=effect.used_by_others))
        if status == 429:
            self._emit(RequestThrottled(retry_after=report.retry_after, operation=self._operation))

    async def unknown(self) -> None:
        """It was sent, and there is no answer: it may have counted. The caller's cancellation does not stop this."""
        number = self._number
        if self._end():
            await self._finish(number, lambda state, now: (state.lost(number, now), Effect()), True)

    async def refund(self) -> None:
        """It never left this machine: its place is free again. The caller's cancellation does not stop this."""
        number = self._number
        if self._end():
            await self._finish(number, lambda state, now: (state.refunded(number), Effect()), False)

    def _end(self) -> bool:
        first, self._ended = not self._ended, True
        return first
