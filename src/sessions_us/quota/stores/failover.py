"""The state of a process whose store fails: how it goes on alone, and how it joins the others again. Pure.

Alone it follows the server's count as before, but as one of several processes that don't know of each other: it expects other
clients for some windows (rule 8), and takes no more than its share. When it joins the others again, what either side counted
holds, and one probe asks the server for a new count.
"""

from __future__ import annotations

from collections.abc import Collection

from ..rules.stamps import Stamps, stamps_of
from ..rules.state import QuotaState, in_order
from ..rules.window import SHARED_KEY_WINDOWS, Window

__all__ = ("Share", "fail_back", "fail_over")


def fail_over(
    state: QuotaState, tickets: Collection[int], leases: Collection[int], now: float, numbers: int
) -> QuotaState:
    """Return the state for a process that goes on alone.

    Args:
        tickets, leases: the numbers of its own. Requests in flight of other processes may have counted.
        numbers: the first number of its next tickets, unique among all processes.
    """
    others = [flight.lease for flight in state.window.flights if flight.lease not in leases]
    window = state.window.lost(others, now)
    return state._replace(
        window=window._replace(shares_key_until=now + SHARED_KEY_WINDOWS * window.seconds),
        waiting=tuple(ticket for ticket in state.waiting if ticket.number in tickets),
        leases=numbers,
    )


def fail_back(
    theirs: QuotaState, mine: QuotaState, ended: Collection[int], now: float, shares_key_for: float
) -> QuotaState:
    """Merge the state of a process that was alone into the state of the store.

    Args:
        theirs: what the store holds.
        mine: what this process kept alone.
        ended: its own leases from before the failure that have ended since.
        shares_key_for: seconds for which other processes may still be alone.
    """
    window = theirs.window.lost(ended, now)
    known = {flight.lease for flight in window.flights}
    flights = (*window.flights, *(flight for flight in mine.window.flights if flight.lease not in known))
    return theirs._replace(
        window=mine.window._replace(
            reading=None,  # neither side's count covers the other's requests
            flights=flights,
            probe=window.probe if window.probe in known else mine.window.probe,
            unconfirmed=_merged(window.unconfirmed, mine.window.unconfirmed),
            log=_merged(window.log, mine.window.log),
            blocked_until=_latest(window.blocked_until, mine.window.blocked_until),
            shares_key_until=_latest(window.shares_key_until, now + shares_key_for),
            opened=window.opened,
        ),
        waiting=in_order({ticket.number: ticket for ticket in (*theirs.waiting, *mine.waiting)}.values()),
        arrivals=max(theirs.arrivals, mine.arrivals),
        background_at=_latest(theirs.background_at, mine.background_at),
    )


class Share:
    """How many requests a process may send in a window while it is alone: a sliding log, stamped when they ended."""

    def __init__(self, share: float) -> None:
        self._share = share
        self.ended: Stamps = Stamps()

    def spend(self, window: Window, now: float) -> None:
        """Count a lease that ended and whose request may have counted."""
        self.ended = self.ended.plus(now, window.seconds)

    def left(self, window: Window, in_flight: int, now: float) -> int:
        """How many more requests are within the share. One at a time always is, however small the share is."""
        return max(0, self._slots(window) - in_flight - self.ended.within(window.seconds, now).count)

    def opens_at(self, window: Window, in_flight: int, now: float) -> float:
        """When one more request is within the share at the earliest."""
        ended = self.ended.within(window.seconds, now)
        beyond = ended.count - self._slots(window)
        return now if in_flight or beyond < 0 else tuple(ended)[beyond] + window.seconds

    def _slots(self, window: Window) -> int:
        return max(1, int(window.limit * self._share))


def _merged(theirs: Stamps, mine: Stamps) -> Stamps:
    return stamps_of(sorted({*theirs, *mine}))


def _latest(one: float | None, other: float | None) -> float | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)
