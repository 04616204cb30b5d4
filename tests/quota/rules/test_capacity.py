"""How much may be sent, by each of the numbered rules of the window."""

from __future__ import annotations

from math import inf

import pytest

from sessions_us.quota.rules.reading import Reading
from sessions_us.quota.rules.stamps import stamps_of
from sessions_us.quota.rules.window import Capacity, InFlight, Window

READING = Reading(0.0, 10, 3, 57.0, 61.0, 61.0, 57.0)
KNOWN = Window(10, 60.0, has_headers=True, reading=READING, quiet_since=-100.0)
LOGGED = Window(10, 60.0, has_headers=False, log=stamps_of([1.0, 2.0, 3.0]), quiet_since=-100.0)
ONE = (InFlight(1, 4.0),)
TWO = (InFlight(1, 4.0), InFlight(2, 4.0))


def left_of(remaining: int) -> Reading:
    return READING._replace(remaining=remaining)


@pytest.mark.parametrize(
    ("window", "now", "capacity"),
    [
        (KNOWN, 5.0, Capacity(3, 3, 61.0, known=True)),
        (KNOWN._replace(flights=ONE), 5.0, Capacity(2, 2, 61.0, known=True)),
        (KNOWN._replace(reading=left_of(1), flights=TWO), 5.0, Capacity(0, 0, 61.0, known=True)),
        # Unconfirmed requests count for one window.
        (KNOWN._replace(unconfirmed=stamps_of([-20.0, 2.0])), 5.0, Capacity(1, 1, 40.0, known=True)),
        (KNOWN._replace(unconfirmed=stamps_of([2.0])), 5.0, Capacity(2, 2, 61.0, known=True)),
        (KNOWN._replace(unconfirmed=stamps_of([-55.0])), 5.0, Capacity(3, 3, 61.0, known=True)),
        # Other clients use the key: one at a time, and one slot stays free.
        (KNOWN._replace(shares_key_until=50.0), 5.0, Capacity(1, 3, 50.0, known=True)),
        (KNOWN._replace(shares_key_until=70.0), 5.0, Capacity(1, 3, 61.0, known=True)),
        (KNOWN._replace(shares_key_until=50.0, reading=left_of(1)), 5.0, Capacity(0, 1, 50.0, known=True)),
        (KNOWN._replace(shares_key_until=50.0, flights=ONE), 5.0, Capacity(0, 2, 50.0, known=True)),
        (KNOWN._replace(shares_key_until=50.0), 50.0, Capacity(3, 3, 61.0, known=True)),
        # Slow start.
        (KNOWN._replace(quiet_since=0.0), 5.0, Capacity(1, 3, 60.0, known=True)),
        (KNOWN._replace(quiet_since=0.0, slow_start=2, flights=ONE), 5.0, Capacity(1, 2, 60.0, known=True)),
        (KNOWN._replace(quiet_since=0.0, slow_start=1, flights=ONE), 5.0, Capacity(0, 2, 60.0, known=True)),
        (KNOWN._replace(quiet_since=0.0, slow_start=9), 5.0, Capacity(3, 3, 61.0, known=True)),
        (KNOWN._replace(quiet_since=0.0), 60.0, Capacity(3, 3, 61.0, known=True)),
        # A sliding log: one, as soon as our own log has more room than the count left.
        (KNOWN._replace(sliding_log=True, reading=left_of(0), log=LOGGED.log), 5.0, Capacity(1, 7, 61.0, known=True)),
        (KNOWN._replace(sliding_log=True, log=stamps_of([-10.0])), 5.0, Capacity(1, 9, 50.0, known=True)),
        (KNOWN._replace(sliding_log=True, reading=left_of(7), log=LOGGED.log), 5.0, Capacity(7, 7, 61.0, known=True)),
        (KNOWN._replace(sliding_log=True, reading=left_of(9)), 5.0, Capacity(1, 10, 61.0, known=True)),
        (KNOWN._replace(sliding_log=True, flights=ONE), 5.0, Capacity(2, 2, 61.0, known=True)),
        (
            KNOWN._replace(
                sliding_log=True,
                reading=left_of(0),
                unconfirmed=stamps_of([4.0]),
                log=stamps_of(map(float, range(-5, 5))),
            ),
            5.0,
            Capacity(0, 0, 55.0, known=True),
        ),
        (KNOWN._replace(sliding_log=True, reading=left_of(0), quiet_since=0.0), 5.0, Capacity(0, 0, 60.0, known=True)),
        (KNOWN._replace(reading=left_of(0), quiet_since=0.0), 5.0, Capacity(0, 0, 61.0, known=True)),
        # After a 429.
        (KNOWN._replace(blocked_until=40.0), 39.9, Capacity(0, 0, 40.0, known=True)),
        (KNOWN._replace(blocked_until=40.0), 40.0, Capacity(3, 3, 61.0, known=True)),
    ],
)
def test_by_the_count_of_the_server(window: Window, now: float, capacity: Capacity) -> None:
    assert window.capacity(now) == capacity


PAST = KNOWN._replace(reading=left_of(0))
SIX = stamps_of([11.0, 12.0, 13.0, 14.0, 15.0, 16.0])


@pytest.mark.parametrize(
    ("window", "now", "capacity"),
    [
        (Window(10, 60.0), 0.0, Capacity(1, 10, inf, known=False)),
        (KNOWN, 60.9, Capacity(3, 3, 61.0, known=True)),
        (KNOWN, 61.0, Capacity(1, 10, inf, known=False)),
        (KNOWN._replace(probe=1, flights=ONE), 61.0, Capacity(0, 0, inf, known=False)),
        # What the last count does not cover forbids it: then our own log decides.
        (PAST, 61.0, Capacity(1, 10, inf, known=False)),
        (PAST._replace(flights=ONE), 61.0, Capacity(0, 9, inf, known=False)),
        (PAST._replace(reading=left_of(1), flights=ONE), 61.0, Capacity(1, 10, inf, known=False)),
        (PAST._replace(unconfirmed=stamps_of([50.0]), log=stamps_of([50.0])), 61.0, Capacity(1, 9, 110.0, known=False)),
        (PAST._replace(unconfirmed=stamps_of([1.0]), log=stamps_of([1.0])), 61.0, Capacity(1, 10, inf, known=False)),
        (Window(10, 60.0, flights=ONE), 5.0, Capacity(0, 9, inf, known=False)),
        # Two clients that share a key alternate.
        (PAST._replace(shares_key_until=200.0, log=SIX), 61.0, Capacity(0, 0, 71.0, known=False)),
        (PAST._replace(shares_key_until=200.0, log=SIX.plus(17.0, 60.0)), 61.0, Capacity(0, 0, 72.0, known=False)),
        (PAST._replace(shares_key_until=200.0, log=SIX), 71.0, Capacity(1, 10, inf, known=False)),
        (PAST._replace(shares_key_until=61.0, log=SIX), 61.0, Capacity(1, 10, inf, known=False)),
        # Slots that refill one by one.
        (PAST._replace(refills=True), 61.0, Capacity(1, 10, 70.0, known=False)),
        (PAST._replace(refills=True, log=SIX), 61.0, Capacity(1, 4, 70.0, known=False)),
        (PAST._replace(refills=True, log=stamps_of(10 * [5.0])), 61.0, Capacity(1, 1, 65.0, known=False)),
        (PAST._replace(refills=True, log=stamps_of(10 * [50.0])), 80.0, Capacity(1, 3, 88.0, known=False)),
        (KNOWN._replace(refills=True, log=stamps_of(10 * [50.0])), 80.0, Capacity(1, 6, 88.0, known=False)),
    ],
)
def test_the_probe(window: Window, now: float, capacity: Capacity) -> None:
    """It goes out when nothing is known."""
    assert window.capacity(now) == capacity


@pytest.mark.parametrize(
    ("window", "now", "capacity"),
    [
        (LOGGED, 5.0, Capacity(7, 7, 61.0, known=True)),
        (LOGGED, 61.0, Capacity(8, 8, 62.0, known=True)),
        (LOGGED._replace(flights=TWO), 5.0, Capacity(5, 5, 61.0, known=True)),
        (LOGGED._replace(log=stamps_of(11 * [1.0])), 5.0, Capacity(0, 0, 61.0, known=True)),
        (LOGGED._replace(log=stamps_of([])), 5.0, Capacity(10, 10, inf, known=True)),
        (LOGGED._replace(quiet_since=0.0), 5.0, Capacity(1, 7, 60.0, known=True)),
        (LOGGED._replace(quiet_since=4.0), 5.0, Capacity(1, 7, 61.0, known=True)),
        (LOGGED._replace(quiet_since=0.0, flights=ONE), 5.0, Capacity(0, 6, 60.0, known=True)),
        (LOGGED._replace(quiet_since=0.0, flights=TWO), 5.0, Capacity(0, 5, 60.0, known=True)),
        (LOGGED._replace(quiet_since=0.0), 60.0, Capacity(7, 7, 61.0, known=True)),
        (LOGGED._replace(quiet_since=None), 5.0, Capacity(1, 7, 61.0, known=True)),
        (LOGGED._replace(blocked_until=9.0), 5.0, Capacity(0, 0, 9.0, known=True)),
    ],
)
def test_by_our_own_log(window: Window, now: float, capacity: Capacity) -> None:
    """A server without headers: one at a time until a whole window has passed."""
    assert window.capacity(now) == capacity


@pytest.mark.parametrize(
    ("window", "now", "left"),
    [
        (KNOWN, 5.0, 3),
        (KNOWN._replace(flights=ONE, unconfirmed=stamps_of([-60.0, 1.0])), 5.0, 1),
        (KNOWN._replace(reading=left_of(0), flights=ONE), 5.0, 0),
        (KNOWN._replace(blocked_until=6.0), 5.9, 0),
        (KNOWN._replace(blocked_until=6.0), 6.0, 3),
        (KNOWN, 61.0, 10),
        (LOGGED, 5.0, 7),
        (LOGGED._replace(flights=TWO), 61.5, 6),
        (LOGGED._replace(log=stamps_of(10 * [1.0]), flights=ONE), 5.0, 0),
    ],
)
def test_what_a_snapshot_tells_as_left(window: Window, now: float, left: int) -> None:
    assert window.left(now) == left


def test_the_moment_at_which_more_is_free_at_the_latest() -> None:
    assert KNOWN.resets_at(5.0) == 61.0
    assert KNOWN.resets_at(61.0) is None
    assert KNOWN._replace(blocked_until=70.0).resets_at(5.0) == 70.0
    assert KNOWN._replace(blocked_until=50.0).resets_at(5.0) == 61.0
    assert KNOWN._replace(blocked_until=70.0).resets_at(65.0) == 70.0
    assert LOGGED.resets_at(5.0) is None


@pytest.mark.parametrize(
    ("window", "blank_at"),
    [
        (Window(10, 60.0), 0.0),
        (KNOWN, 61.0),
        (KNOWN._replace(blocked_until=70.0), 70.0),
        (KNOWN._replace(shares_key_until=80.0), 80.0),
        (LOGGED, 63.0),
        (LOGGED._replace(unconfirmed=stamps_of([1.0, 9.0])), 69.0),
        (LOGGED._replace(flights=(InFlight(1, 4.0, 34.0),)), 94.0),
    ],
)
def test_a_window_is_blank_once_nothing_holds_a_request_back(window: Window, blank_at: float) -> None:
    assert window.is_blank(blank_at)
    assert blank_at == 0.0 or not window.is_blank(blank_at - 0.1)
    assert not window._replace(flights=ONE).is_blank(1e9)


def test_the_last_tenth_is_that_of_a_window_that_ends() -> None:
    """A reset at which slots refill one by one ends none, and an earlier one may free one slot alone."""
    ends = KNOWN._replace(refills=False)
    assert ends.last_tenth() == 55.0
    assert ends._replace(reading=READING._replace(expires=50.0)).last_tenth() == 50.0
    assert ends._replace(reading=None).last_tenth() is None
    assert KNOWN.last_tenth() is None
    assert KNOWN._replace(refills=True).last_tenth() is None
    assert KNOWN.refill_time == 9.0
    assert not KNOWN._replace(refills=True, reading=None).refills_soon()
    assert KNOWN._replace(refills=True, reading=READING._replace(received=52.0)).refills_soon()


def test_the_next_slot_of_our_own_log() -> None:
    assert [LOGGED.next_free(beyond, 5.0) for beyond in (0, 2, 3, 12, 13, 23)] == [61.0, 63.0, 65.0, 65.0, 125.0, 185.0]
    assert LOGGED.next_free(0, 61.0) == 62.0
