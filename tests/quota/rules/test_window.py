"""The rules of the window that are hard to meet from outside: pure, so a clock is a number."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessions_us.quota.rules.eta import eta
from sessions_us.quota.rules.headers import Report
from sessions_us.quota.rules.state import QuotaState
from sessions_us.quota.rules.window import Window


def answered(window: Window, lease: int, now: float, status: int = 200, /, **said: object) -> Window:
    report = Report(**said)  # type: ignore[arg-type]
    return window.learnt(report, now).answered(lease, now, status, report)[0]


def test_no_probe_while_requests_are_in_flight_that_the_count_does_not_cover() -> None:
    """After a 429 nothing is left, and what is still in flight may take what the block's end frees."""
    window = Window(10, 60.0).sent(0, 0.0, probe=True)
    window = answered(window, 0, 0.1, limit=10, remaining=9, reset_in=60.0)
    window = window.sent(1, 0.1, probe=False).sent(2, 0.1, probe=False)
    window = answered(window, 1, 0.2, 429, retry_after=5.0)
    assert window.capacity(1.0).wake == 6.2
    assert window.capacity(6.3).free == 0
    assert window.refunded(2).capacity(6.3).free == 1
    lost = window.lost([2], 6.3)
    assert lost.capacity(6.4).free == 1  # by our own log, which has room for it


@given(
    st.permutations(range(9)),
    st.lists(st.floats(0.0, 3.0), min_size=9, max_size=9),
    st.integers(0, 9),
)
@example(order=[0, 2, 3, 4, 5, 1, 6, 7, 8], delays=[0.0] * 9, unanswered=6)  # all within one tick of the clock
def test_the_order_of_answers_does_not_matter(order: list[int], delays: list[float], unanswered: int) -> None:
    """Nine answers of one window may overtake each other: what is left never exceeds the truth, and is the truth in the end."""
    window = Window(10, 60.0).sent(0, 0.0, probe=True)
    window = answered(window, 0, 0.1, limit=10, remaining=9, reset_in=60.0)
    for lease in range(1, 10):
        window = window.sent(lease, 0.1, probe=False)
    now = 0.1
    for index, position in enumerate(order):
        if index >= unanswered:
            break
        now += delays[index] / 3
        window = answered(window, position + 1, now, limit=10, remaining=8 - position, reset_in=60.0 - (now - 0.05))
        assert window.capacity(now).free == 0
    if unanswered == 9:
        assert window.reading is not None
        assert window.reading.remaining == 0
        assert 60.05 <= window.reading.expires <= 61.2
    assert len(window.flights) == 9 - unanswered


@pytest.mark.parametrize("reset_at", [1.8e9 - 120, 1.8e9 + 2e6, 253_402_300_799.0])
@pytest.mark.parametrize("status", [200, 429])
def test_a_moment_that_can_not_be_meant_is_no_reset(status: int, reset_at: float) -> None:
    """An answer without `Date` may put its reset before itself or beyond twelve days: the window is as long as without it."""

    def window(**said: object) -> Window:
        known = answered(
            Window(10, 60.0).sent(0, 0.0, probe=True), 0, 0.1, remaining=9, reset_at=1.8e9 + 60, date=1.8e9
        )
        return answered(known.sent(1, 1.0, probe=False), 1, 1.1, status, remaining=0, **said)

    assert window(reset_at=reset_at) == window()
    assert window(reset_at=1.8e9 + 30) != window()


def test_what_an_answer_let_go_is_newer_than_it_within_one_tick_of_the_clock() -> None:
    """Two that went when a count came in, at its very moment: the lower of their counts holds, although it arrives first."""
    window = Window(10, 60.0).sent(0, 0.0, probe=True)
    window = answered(window, 0, 2.0, limit=10, remaining=2, reset_in=0.0)
    window = window.sent(1, 2.0, probe=False).sent(2, 2.0, probe=False).sent(3, 3.0, probe=True)
    window = answered(window, 1, 4.9, limit=10, remaining=3, reset_in=2.0)
    window = answered(window, 2, 5.2, limit=10, remaining=5, reset_in=3.0)
    assert window.capacity(5.2).slots == 2


def test_a_lost_request_is_forgotten_after_a_whole_window() -> None:
    """It can count no longer, whatever the server did with it."""
    window = Window(10, 60.0).sent(0, 0.0, probe=True)
    window = answered(window, 0, 0.1, limit=10, remaining=5, reset_in=3600.0, window=60.0)
    window = window.sent(1, 0.2, probe=False).lost([1], 10.0)
    assert window.left(69.9) == 4
    assert window.left(70.0) == 5


def test_a_request_in_doubt_makes_no_room_in_our_own_log() -> None:
    """Where the server counts a log: nothing left and one in doubt is less than nothing, and our log is full all the same."""
    window = Window(2, 60.0).sent(0, 0.0, probe=True)
    window = answered(window, 0, 0.1, limit=2, remaining=1, reset_in=50.0)
    window = window.sent(1, 61.0, probe=True)
    window = answered(window, 1, 61.1, limit=2, remaining=1, reset_in=60.0)
    window = window.sent(2, 90.0, probe=False)
    window = answered(window, 2, 90.1, limit=2, remaining=0, reset_in=31.0)
    window = window.sent(3, 123.0, probe=True)
    window = answered(window, 3, 123.1, limit=2, remaining=0, reset_in=60.0)
    assert window.sliding_log
    assert window.capacity(151.0).free == 1
    window = window.sent(4, 151.0, probe=False).lost([4], 160.0)
    assert window.capacity(160.0).free == 0
    assert window.capacity(183.0).free == 0
    assert window.capacity(183.2).free == 1


def test_a_lease_that_expires_counts_as_lost() -> None:
    """Whoever had it is gone; the server may have seen its request."""
    window = Window(10, 60.0).sent(0, 0.0, probe=True, expires_at=30.0)
    assert window.expired(29.9) is window
    gone = window.expired(30.0)
    assert gone.flights == ()
    assert tuple(gone.unconfirmed) == (30.0,)
    assert gone.probe is None


def test_probes_that_are_refused_come_later_and_later() -> None:
    """The margin doubles with each, and is itself again after a success."""
    window, now, waits = Window(10, 60.0), 0.0, []
    for lease in range(8):
        window = window.sent(lease, now, probe=True)
        window = answered(window, lease, now, 429, retry_after=10.0)
        assert window.blocked_until is not None
        waits.append(window.blocked_until - now)
        now = window.blocked_until
    assert waits == [11.0, 12.0, 14.0, 18.0, 26.0, 42.0, 42.0, 42.0]
    window = window.sent(8, now, probe=True)
    assert answered(window, 8, now, limit=10, remaining=9, reset_in=60.0).refused_probes == 0


def test_a_retry_after_of_years_is_tried_again_after_an_hour() -> None:
    """A mistake of the server's must not silence the client for ever."""
    window = Window(10, 60.0).sent(0, 0.0, probe=True)
    assert answered(window, 0, 0.0, 429, retry_after=1e9).blocked_until == 3601.0


def test_the_earliest_turn_is_a_buckets_as_long_as_the_server_may_have_one() -> None:
    """It is full at the reset, and has one more soon after: who is behind a whole limit need not wait for another window."""
    window = Window(5, 60.0).sent(0, 0.0, probe=True)
    window = answered(window, 0, 0.1, limit=5, remaining=0, reset_in=45.0)
    assert window.refills is None
    capacity = window.capacity(1.0)
    assert capacity.wake == pytest.approx(46.1)
    assert eta(QuotaState(window), "interactive", 4, capacity, 1.0, 0) == capacity.wake
    assert eta(QuotaState(window), "interactive", 5, capacity, 1.0, 0) <= 46.1 + 60.0 / 5
