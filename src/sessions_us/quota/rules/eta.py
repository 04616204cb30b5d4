"""When a turn comes at the earliest, so that nobody waits in vain. Pure.

It is a lower bound: whoever is told that it is too late would have been. Beyond what is counted it assumes the best: that
the server's next window opens at once, and holds `limit`.
"""

from __future__ import annotations

from sessions_us.quota.rules.state import AGE, Lane, QuotaState
from sessions_us.quota.rules.window import Capacity, Window

__all__ = ("eta",)


def eta(state: QuotaState, lane: Lane, ahead: int, capacity: Capacity, now: float, reserve: int) -> float:
    """A lower bound of the moment at which a ticket's turn comes.

    Args:
        lane: the ticket's.
        ahead: how many go before it.
        capacity: what the state's window says at `now`.
        reserve: slots that background work leaves alone.
    """
    window = state.window
    moment = _earliest_slot(window, ahead, capacity, now)
    if lane == "background" and state.interactive and state.background:
        # Background work that has aged goes before interactive: of those ahead, one each time.
        place = max(0, ahead - len(state.interactive))
        due_at = state.due_at(state.background[0]) + place * AGE * window.seconds
        return min(moment, max(due_at, _earliest_slot(window, 0, capacity, now)))
    if lane == "interactive" or moment > now or window.flights:
        return moment
    last_tenth, beyond = window.last_tenth(), state.kept_back(reserve) + ahead - capacity.slots
    if not capacity.known or capacity.slots < 1 or beyond < 0:
        return moment
    due_at = state.due_at(state.background[0]) if state.background else now + AGE * window.seconds
    if window.speaks is False:
        return max(now, min(due_at, window.next_free(beyond, now)))
    more_at = min((at for at in (capacity.wake, last_tenth) if at is not None), default=None)
    return max(now, due_at if more_at is None else min(due_at, more_at - _doubt(window)))


def _earliest_slot(window: Window, ahead: int, capacity: Capacity, now: float) -> float:
    if window.blocked_until is not None and now < window.blocked_until:
        return window.blocked_until + window.windows(ahead - window.limit)
    # With nothing in flight no answer changes anything: nobody goes before the next look.
    first = now if window.flights or capacity.free > 0 or capacity.wake is None else capacity.wake
    # An answer may show more than was counted: of the next window, or of slots that came back meanwhile.
    open_ended = not capacity.known or window.rolling or window.trickles
    if window.flights or open_ended or capacity.wake is None:
        return first + window.windows(ahead - window.limit)
    if ahead < capacity.slots:
        return first
    beyond = ahead - capacity.slots
    if window.speaks is False:
        return window.next_free(beyond, now)
    firm = capacity.slots < 1 and beyond < window.limit  # nobody goes before the reset that is known
    # Until a window was seen to end, it may be a bucket's: full at the reset, and then refilled one by one.
    one_by_one = max(0, beyond + 1 - window.limit) * window.seconds / window.limit
    after = one_by_one if window.trickles is None else window.windows(beyond)
    return max(now, capacity.wake + after - (0.0 if firm else _doubt(window)))


def _doubt(window: Window) -> float:
    """The answer to one that goes before may tell that the reset is by so much earlier, this one or the next."""
    return 0.0 if window.reading is None else window.reading.latest - window.reading.earliest
