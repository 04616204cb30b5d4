"""The state of a process whose store fails: how it goes on alone, and how it comes back. Pure.

Alone it follows the server's own count like before, but as one of several that don't know of each other: it is wary for some
windows, and takes no more than its share. Coming back, what either side counted holds, and one probe asks the server anew.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve

from sessions_us.quota.rules.state import QuotaState, Ticket
from sessions_us.quota.rules.window import WARY_WINDOWS, Window

__all__ = ("Share", "fail_back", "fail_over")


def fail_over(
    state: QuotaState, tickets: Collection[int], leases: Collection[int], now: float, numbers: int
) -> QuotaState:
    """The state as a process keeps it alone.

    Args:
        tickets, leases: the numbers of its own. Other processes' requests in flight may have counted.
        numbers: where the numbers of its tickets begin from now on, so that they are nobody else's.
    """
    window = state.window
    for flight in window.flights:
        if flight.lease not in leases:
            window = window.lost(flight.lease, now)
    return evolve(
        state,
        window=evolve(window, wary_until=now + WARY_WINDOWS * window.seconds),
        interactive=_own(state.interactive, tickets),
        background=_own(state.background, tickets),
        leases=numbers,
    )


def fail_back(theirs: QuotaState, mine: QuotaState, ended: Collection[int], now: float, wary: float) -> QuotaState:
    """One state again.

    Args:
        theirs: what the store holds.
        mine: what this process kept alone.
        ended: the leases that were its own when the store failed, and have ended since.
        wary: seconds for which others may still be on their own.
    """
    window = theirs.window
    for lease in ended:
        window = window.lost(lease, now)
    known = {flight.lease for flight in window.flights}
    flights = (*window.flights, *(flight for flight in mine.window.flights if flight.lease not in known))
    return evolve(
        theirs,
        window=evolve(
            mine.window,
            reading=None,  # neither side's count knows of the other's requests
            flights=flights,
            probe=window.probe if window.probe in known else mine.window.probe,
            doubts=_merged(window.doubts, mine.window.doubts),
            log=_merged(window.log, mine.window.log),
            blocked_until=_latest(window.blocked_until, mine.window.blocked_until),
            wary_until=_latest(window.wary_until, now + wary),
            opened=window.opened,
        ),
        interactive=_lines(theirs.interactive, mine.interactive),
        background=_lines(theirs.background, mine.background),
        arrivals=max(theirs.arrivals, mine.arrivals),
        background_at=_latest(theirs.background_at, mine.background_at),
    )


class Share:
    """How many of its own requests a process may send in a window while it is alone: a log stamped when they ended."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._ended: list[float] = []

    def spend(self, window: Window, now: float) -> None:
        """A lease ended, and its request may have counted."""
        self._ended = [*self._live(window, now), now]

    def has_room(self, window: Window, in_flight: int, now: float) -> bool:
        """Whether one more is within the share; one at a time always is, however small it be."""
        return in_flight + len(self._live(window, now)) < self._slots(window)

    def opens_at(self, window: Window, in_flight: int, now: float) -> float:
        """When one more is within the share at the earliest."""
        ended = self._live(window, now)
        beyond = len(ended) - self._slots(window)
        return now if in_flight or beyond < 0 else ended[beyond] + window.seconds

    def _slots(self, window: Window) -> int:
        return max(1, int(window.limit * self._share))

    def _live(self, window: Window, now: float) -> list[float]:
        return [moment for moment in self._ended if now < moment + window.seconds]


def _own(line: tuple[Ticket, ...], numbers: Collection[int]) -> tuple[Ticket, ...]:
    return tuple(ticket for ticket in line if ticket.number in numbers)


def _lines(theirs: tuple[Ticket, ...], mine: tuple[Ticket, ...]) -> tuple[Ticket, ...]:
    tickets = {ticket.number: ticket for ticket in (*theirs, *mine)}
    return tuple(sorted(tickets.values(), key=lambda ticket: ticket.order))


def _merged(theirs: tuple[float, ...], mine: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted({*theirs, *mine}))


def _latest(one: float | None, other: float | None) -> float | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)
