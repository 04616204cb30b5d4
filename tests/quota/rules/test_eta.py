"""The lower bound of a wait is as high as it may be: a window that is known, and each case by itself.

That it is never too high is proved where requests run (tests/quota/test_machine.py, tests/quota/rules/test_window.py).
"""

from __future__ import annotations

from math import inf

import pytest

from sessions_us.quota.rules.eta import eta
from sessions_us.quota.rules.reading import Reading
from sessions_us.quota.rules.stamps import stamps_of
from sessions_us.quota.rules.state import QuotaState, Ticket
from sessions_us.quota.rules.window import Capacity, InFlight, Window

NOW = 5.0
READING = Reading(0.0, 10, 3, 57.0, 61.0, 61.0, 57.0)
KNOWN = Window(10, 60.0, has_headers=True, reading=READING, refills=False)
FAR = KNOWN._replace(reading=Reading(0.0, 10, 3, 498.0, 500.0, 500.0, 498.0))
NEVER_SEEN_TO_END = KNOWN._replace(refills=None)
LOGGED = Window(10, 60.0, has_headers=False, log=stamps_of([1.0, 2.0, 3.0]))
IN_FLIGHT = KNOWN._replace(flights=(InFlight(1, 4.0),))
BLOCKED = KNOWN._replace(blocked_until=40.0)
OPEN = Capacity(3, 3, 61.0, known=True)
CLOSED = Capacity(0, 0, 61.0, known=True)
HELD_BACK = Capacity(0, 2, 20.0, known=True)
PROBE = Capacity(1, 10, inf, known=False)


def tickets(interactive: int, background: int, since: float = 0.0) -> tuple[Ticket, ...]:
    return tuple(
        Ticket(number, "interactive" if number < interactive else "background", number, since, False, since)
        for number in range(interactive + background)
    )


@pytest.mark.parametrize(
    ("window", "capacity", "moments"),
    [
        (KNOWN, OPEN, {0: NOW, 2: NOW, 3: 57, 12: 57, 13: 117}),
        (KNOWN, CLOSED, {0: 61, 9: 61, 10: 117, 20: 177}),
        (KNOWN, Capacity(1, 1, 61.0, known=True), {0: NOW, 1: 57}),
        (KNOWN, HELD_BACK, {0: 20, 1: 20, 2: 16}),
        (NEVER_SEEN_TO_END, CLOSED, {0: 61, 9: 61, 10: 63, 12: 75}),
        (NEVER_SEEN_TO_END, OPEN, {3: 57, 12: 57, 13: 63}),
        (LOGGED, Capacity(7, 7, 61.0, known=True), {0: NOW, 6: NOW, 7: 61, 9: 63, 10: 65, 19: 65, 20: 125}),
        (KNOWN._replace(flights=(), sliding_log=True), CLOSED, {0: 61, 19: 61, 20: 121}),
        (KNOWN._replace(refills=True), CLOSED, {0: 61, 19: 61, 20: 121}),
        (IN_FLIGHT, CLOSED, {0: NOW, 19: NOW, 20: 65}),
        (IN_FLIGHT, OPEN, {3: NOW, 20: 65}),
        (Window(10, 60.0), PROBE, {0: NOW, 19: NOW, 20: 65}),
        (Window(10, 60.0), Capacity(0, 0, 30.0, known=False), {0: 30, 20: 90}),
        (KNOWN, Capacity(0, 0, inf, known=True), {0: NOW, 20: 65}),
        (BLOCKED, Capacity(0, 0, 40.0, known=True), {0: 40, 19: 40, 20: 100}),
    ],
)
def test_interactive_work(window: Window, capacity: Capacity, moments: dict[int, float]) -> None:
    """By how many go before it. The reset of a known window may be as early as its earliest bound."""
    state = QuotaState(window)
    assert {ahead: eta(state, "interactive", ahead, capacity, NOW, 2) for ahead in moments} == moments


def test_no_bound_is_in_the_past() -> None:
    state = QuotaState(KNOWN)
    assert eta(state, "interactive", 3, OPEN, 60.0, 2) == 60.0
    assert eta(state, "background", 1, OPEN, 54.0, 2) == 54.0
    assert eta(state._replace(window=BLOCKED), "interactive", 0, OPEN, 40.0, 2) == 40.0
    assert eta(state._replace(window=BLOCKED), "interactive", 3, OPEN, 40.0, 2) == 57.0


def test_background_work_behind_interactive_work_waits_for_its_age() -> None:
    """One ticket each two windows goes first, if there is a slot; or its turn comes before."""
    state = QuotaState(FAR, tickets(12, 3))
    some = Capacity(2, 2, 500.0, known=True)
    assert [eta(state, "background", ahead, some, NOW, 2) for ahead in (12, 13, 14)] == [120, 240, 360]
    assert eta(state, "background", 12, Capacity(1, 1, 500.0, known=True), NOW, 2) == 120
    none = Capacity(0, 0, 500.0, known=True)
    assert [eta(state, "background", ahead, none, NOW, 2) for ahead in (12, 16, 17)] == [500, 558, 558]
    assert eta(state._replace(window=KNOWN), "background", 12, CLOSED, NOW, 2) == 117
    assert eta(state._replace(background_at=30.0), "background", 12, some, NOW, 2) == 150


@pytest.mark.parametrize(
    ("window", "capacity", "ahead", "waiting", "moment"),
    [
        (KNOWN, OPEN, 0, tickets(0, 4), NOW),  # one slot is beyond the reserve
        (KNOWN, OPEN, 1, tickets(0, 4), 52),  # the last tenth, as early as an answer may move it
        (KNOWN, OPEN, 1, tickets(0, 4, since=-90.0), 30),
        (KNOWN, OPEN, 1, (), 52),
        (FAR, Capacity(3, 3, 500.0, known=True), 1, (), 125),
        (KNOWN._replace(reading=READING._replace(earliest=60.5)), OPEN, 1, tickets(0, 4), 55),
        (NEVER_SEEN_TO_END, OPEN, 1, tickets(0, 4), 58),
        (KNOWN, CLOSED, 1, tickets(0, 4), 61),
        (IN_FLIGHT, OPEN, 1, tickets(0, 4), NOW),
        (KNOWN, PROBE, 9, tickets(0, 10), NOW),
        (KNOWN, Capacity(0, 0, inf, known=True), 1, tickets(0, 4), NOW),
        (KNOWN, Capacity(1, 1, 61.0, known=True), 0, tickets(0, 4), 52),
        (LOGGED, Capacity(2, 2, 61.0, known=True), 0, tickets(0, 4), 61),
        (LOGGED, Capacity(2, 2, 61.0, known=True), 1, tickets(0, 4), 62),
        (LOGGED, Capacity(2, 2, 61.0, known=True), 0, tickets(0, 4, since=-90.0), 30),
        (LOGGED, Capacity(2, 2, 61.0, known=True), 0, tickets(0, 4, since=-190.0), NOW),
    ],
)
def test_background_work_in_front_waits_for_what_the_reserve_keeps_back(
    window: Window, capacity: Capacity, ahead: int, waiting: tuple[Ticket, ...], moment: float
) -> None:
    """Until it ages, or the last tenth of the window begins, or a slot beyond the reserve is free."""
    assert eta(QuotaState(window, waiting), "background", ahead, capacity, NOW, 2) == moment
