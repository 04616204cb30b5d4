"""Compute a lower bound of a wait, so that a caller whose deadline cannot be met is refused at once. Pure.

If the bound is after the deadline, the deadline would certainly have been missed. Beyond what is counted it assumes the best:
the server's next window opens at once, and holds `limit` requests.
"""

from __future__ import annotations

from math import inf

from .reading import MARGIN
from .state import AGE, Lane, QuotaState
from .window import Capacity, Window

__all__ = ("eta",)


def eta(state: QuotaState, lane: Lane, ahead: int, capacity: Capacity, now: float, reserve: int) -> float:
    """Return a lower bound of the moment at which a ticket is granted.

    Args:
        lane: of the ticket.
        ahead: how many tickets go before it.
        capacity: of the state's window at `now`.
        reserve: slots that background work leaves free.
    """
    window = state.window
    moment = _earliest_slot(window, ahead, capacity, now)
    if lane == "interactive":
        return moment
    due_at = state.due_at()
    if due_at < inf and state.waiting[0].lane == "interactive":
        # Aged background work goes before interactive work, one ticket each time.
        due_at += max(0, ahead - len(state.interactive)) * AGE * window.seconds
        return min(moment, max(due_at, _earliest_slot(window, 0, capacity, now)))
    if moment > now or window.flights:
        return moment
    last_tenth, beyond = window.last_tenth(), state.reserved(reserve) + ahead - capacity.slots
    if not capacity.known or capacity.slots < 1 or beyond < 0:
        return moment
    due_at = min(due_at, now + AGE * window.seconds)
    if window.has_headers is False:
        return max(now, min(due_at, window.next_free(beyond, now)))
    more_at = min(capacity.wake, inf if last_tenth is None else last_tenth)
    return max(now, min(due_at, more_at - _shift(window)))


def _earliest_slot(window: Window, ahead: int, capacity: Capacity, now: float) -> float:
    if window.blocked_until is not None and now < window.blocked_until:
        return window.blocked_until + window.windows(ahead - window.limit)
    # With nothing in flight no answer can change anything before `wake`.
    first = now if window.flights or capacity.free > 0 or capacity.wake == inf else capacity.wake
    # An answer may show more than was counted: the next window, or slots that refilled meanwhile.
    open_ended = not capacity.known or window.sliding_log or window.refills
    if window.flights or open_ended or capacity.wake == inf:
        return first + window.windows(ahead - window.limit)
    if ahead < capacity.slots:
        return first
    beyond = ahead - capacity.slots
    if window.has_headers is False:
        return window.next_free(beyond, now)
    firm = capacity.slots < 1 and beyond < window.limit  # nothing is sent before the known reset
    # Until a window was seen to end, the server may have a bucket: full at the reset, then refilled one by one.
    one_by_one = max(0, beyond + 1 - window.limit) * window.seconds / window.limit
    after = one_by_one if window.refills is None else window.windows(beyond)
    return max(now, capacity.wake + after - (0.0 if firm else _uncertainty(window)))


def _uncertainty(window: Window) -> float:
    """The length of the time in which the reset may be."""
    return 0.0 if window.reading is None else window.reading.latest - window.reading.earliest


def _shift(window: Window) -> float:
    """By how much an answer of this window may move its reset to an earlier moment.

    It is less than `_uncertainty`, which allows for rounding up and for rounding down: a server does one of them.
    """
    return max(0.0, _uncertainty(window) - MARGIN)
