"""What a window knows after each event: a request that goes out, its answer, and its end without one."""

from __future__ import annotations

from math import inf, nextafter

import pytest

from sessions_us.quota.rules.headers import Report
from sessions_us.quota.rules.reading import Reading
from sessions_us.quota.rules.stamps import stamps_of
from sessions_us.quota.rules.window import InFlight, Window

NEW = Window(10, 60.0)
PROBING = NEW.sent(1, 0.0, probe=True)
READING = Reading(1.0, 10, 9, 59.0, 62.0, 62.0, 59.0)  # the count of a probe that was sent at 0 and answered at 1
NINE = Report(limit=10, remaining=9, reset_in=60.0)
KNOWN = Window(10, 60.0, True, READING, log=stamps_of([1.0]), quiet_since=1.0, refills=False, slow_start=2, opened=1)
OTHER = InFlight(8, 1.5)


def sent(window: Window, now: float = 2.0, *, probe: bool = False) -> Window:
    return window.sent(7, now, probe=probe)


def test_sending() -> None:
    """Only a probe opens a window. What an answer let go is later than it, however coarse the clock is."""
    assert NEW._replace(flights=(InFlight(1, 0.0),), probe=1, own=1, opened=1) == PROBING
    window = PROBING.sent(2, 1.0, probe=False, expires_at=9.0)
    assert window == PROBING._replace(flights=(InFlight(1, 0.0), InFlight(2, 1.0, 9.0)), own=2)
    assert KNOWN.sent(2, 1.0, probe=False).flights == (InFlight(2, nextafter(1.0, inf)),)
    assert KNOWN.sent(2, 1.5, probe=False).flights == (InFlight(2, 1.5),)


def test_a_refund_leaves_no_trace_but_that_the_window_was_opened() -> None:
    two = PROBING.sent(2, 1.0, probe=False)
    assert two.refunded(2) == PROBING._replace(own=2)
    assert two.refunded(1) == two._replace(flights=(InFlight(2, 1.0),), probe=None)
    assert two.refunded(3) == two


def test_a_lost_request_may_have_counted_until_now() -> None:
    old = stamps_of([-60.0, -50.0])
    window = PROBING._replace(log=old, unconfirmed=old).lost([1], 5.0)
    assert (window.flights, window.probe) == ((), None)
    assert tuple(window.log) == tuple(window.unconfirmed) == (-50.0, 5.0)
    assert window.lost([1], 6.0) is window


def test_leases_of_dead_processes_end_by_themselves() -> None:
    window = NEW._replace(flights=(InFlight(1, 0.0, 9.0), InFlight(2, 0.0, 10.0), InFlight(3, 0.0)))
    assert window.expired(8.9) is window
    assert window.expired(9.0) == window.lost([1], 9.0)
    assert window.expired(99.0) == window.lost([1], 99.0).lost([2], 99.0)


def test_on_another_clock_all_moments_move() -> None:
    stamps, moved_stamps = stamps_of([1.0, 2.0]), stamps_of([101.0, 102.0])
    moments = {"blocked_until": 3.0, "quiet_since": 4.0, "shares_key_until": 5.0}
    window = KNOWN._replace(unconfirmed=stamps, log=stamps, offset=1000.0, **moments)
    reading = Reading(101.0, 10, 9, 159.0, 162.0, 162.0, 159.0)
    later = {name: moment + 100.0 for name, moment in moments.items()}
    expected = window._replace(reading=reading, unconfirmed=moved_stamps, log=moved_stamps, offset=900.0, **later)
    assert window.moved(100.0) == expected
    assert NEW.moved(100.0) == NEW


@pytest.mark.parametrize(
    ("report", "learnt"),
    [
        (Report(), {}),
        (Report(limit=10, window=60.0), {}),
        (Report(limit=20), {"limit": 20}),
        (Report(window=30.0), {"seconds": 30.0}),
        (Report(window=30.0, reset_in=50.0), {"seconds": 30.0}),
        (Report(reset_in=66.0), {}),
        (Report(reset_in=66.1), {"seconds": 66.1}),
        (Report(date=1000.0), {"offset": 995.0}),
    ],
)
def test_what_an_answer_says_of_the_server(report: Report, learnt: dict[str, float]) -> None:
    assert NEW.learnt(report, 5.0) == NEW._replace(**learnt)  # type: ignore[arg-type]


def test_the_offset_of_the_server_s_clock_only_grows() -> None:
    """`Date` is written before the answer arrives, so the largest difference is the truest."""
    window = NEW._replace(offset=995.0)
    assert window.learnt(Report(date=999.0), 5.0) is window
    assert window.learnt(Report(date=1001.0), 5.0).offset == 996.0


def test_the_first_count() -> None:
    window, others = PROBING._replace(refused_probes=2).answered(1, 1.0, 200, NINE)
    reading = READING._replace(latest=65.0, expires=65.0)  # the margin is four times as long
    assert (window, others) == (KNOWN._replace(reading=reading), 0)
    assert PROBING.answered(1, 1.0, 200, NINE) == (KNOWN, 0)
    assert KNOWN.answered(1, 9.0, 200, NINE) == (KNOWN, 0)


def test_a_count_confirms_what_was_lost_before_it_was_sent() -> None:
    """But what was sent, or given up, since then may not be in it."""
    lost = KNOWN._replace(flights=(OTHER,), unconfirmed=stamps_of([-58.0, 1.2, 2.0, 2.5]), own=5)
    window, others = sent(lost).answered(7, 3.0, 200, Report(remaining=4, reset_in=58.0))
    assert (others, tuple(window.unconfirmed), window.flights) == (0, (2.5,), (OTHER,))
    assert (window.own, tuple(window.log), window.slow_start) == (2, (1.0, 3.0), 3)
    assert window.reading == Reading(3.0, 10, 4, 59.0, 62.0, 62.0, 59.0)


@pytest.mark.parametrize(("remaining", "others"), [(9, 0), (8, 0), (7, 1), (5, 3)])
def test_a_count_that_fell_by_more_than_our_own_requests_shows_another_client(remaining: int, others: int) -> None:
    report = Report(remaining=remaining, reset_in=58.0)
    window, found = sent(KNOWN._replace(shares_key_until=2.5)).answered(7, 3.0, 200, report)
    assert found == others
    assert (window.quiet_since, window.shares_key_until) == ((3.0, 183.0) if others else (1.0, 2.5))
    grown = KNOWN._replace(limit=20)
    assert sent(grown).answered(7, 3.0, 200, report)[1] == 0


@pytest.mark.parametrize(
    ("at", "reset_in", "opened"),
    [
        (70.0, 60.0, 2),  # the clock of the server ended the old window
        (62.0, 1.5, 1),
        (59.0, 60.0, 1),
        (3.0, 60.0, 1),  # as if it had ended before it could
        (61.5, 1.0, 1),
    ],
)
def test_a_window_that_ended_before_it_was_used_up(at: float, reset_in: float, opened: int) -> None:
    report = Report(remaining=9, reset_in=reset_in)
    window, _ = sent(KNOWN, at - 0.5).answered(7, at, 200, report)
    assert window.opened == opened
    assert sent(KNOWN, at - 0.5, probe=True).answered(7, at, 200, report)[0].opened == 2


def test_a_count_of_an_older_window_opens_none_and_counts_nothing() -> None:
    window = KNOWN._replace(flights=(InFlight(7, 0.5),), own=3)
    after, others = window.answered(7, 3.0, 200, Report(remaining=0, reset_in=1.0))
    assert (after.reading, others, after.own, after.opened) == (READING._replace(received=3.0), 6, 3, 1)


@pytest.mark.parametrize(
    ("log", "before", "remaining", "reset_in", "kind"),
    [
        # The window has just begun: a sliding log, if it is used already, by no more than our own requests.
        ([60.0], 1, 9, 60.0, (False, False)),
        ([60.0], 1, 8, 60.0, (True, False)),
        ([60.0], 1, 7, 60.0, (False, False)),
        ([39.9], 1, 8, 60.0, (False, False)),
        ([60.0, 61.0], 1, 7, 60.0, (True, False)),
        ([60.0], 1, 8, 59.0, (True, False)),
        # It has not just begun: slots refill one by one, if more is used than this request.
        ([60.0], 1, 8, 58.9, (False, True)),
        ([60.0], 1, 9, 58.9, (False, False)),
        # Before the first window was seen to end, what was used says nothing.
        ([60.0], 0, 8, 58.9, (False, None)),
        ([60.0], 0, 9, 60.0, (False, False)),
    ],
)
def test_a_probe_shows_how_the_server_counts(
    log: list[float], before: int, remaining: int, reset_in: float, kind: tuple[bool, bool | None]
) -> None:
    window = Window(10, 60.0, True, log=stamps_of(log), quiet_since=0.0, opened=before)
    window, _ = sent(window, 100.0, probe=True).answered(7, 101.0, 200, Report(remaining=remaining, reset_in=reset_in))
    assert (window.sliding_log, window.refills) == kind
    not_probed = sent(window._replace(opened=1), 200.0).answered(7, 201.0, 200, Report(remaining=1, reset_in=30.0))[0]
    assert (not_probed.sliding_log, not_probed.refills) == kind


def test_a_server_that_counts_a_sliding_log_is_known_for_it() -> None:
    window = Window(10, 60.0, True, sliding_log=True, quiet_since=0.0, opened=1)
    window, _ = sent(window, 100.0, probe=True).answered(7, 101.0, 200, NINE)
    assert window.sliding_log


def test_a_probe_beside_requests_in_flight() -> None:
    """They may be in its count: two of ten are what it and they used."""
    window = Window(10, 60.0, True, flights=(OTHER,), log=stamps_of([60.0]), quiet_since=0.0, opened=1)
    assert (
        sent(window, 100.0, probe=True).answered(7, 101.0, 200, Report(remaining=8, reset_in=60.0))[0].sliding_log
        is False
    )
    assert (
        sent(window, 100.0, probe=True).answered(7, 101.0, 200, Report(remaining=7, reset_in=60.0))[0].sliding_log
        is True
    )
    assert (
        sent(window, 100.0, probe=True).answered(7, 101.0, 200, Report(remaining=8, reset_in=30.0))[0].refills is False
    )


@pytest.mark.parametrize(
    ("old", "report", "bounds"),
    [
        (READING, Report(remaining=8, reset_in=30.0), (31.0, 34.0)),
        (READING, Report(remaining=8), (59.0, 62.0)),
        (READING, Report(remaining=9), (2.0, 63.0)),
        (READING._replace(expires=3.0), Report(remaining=8), (2.0, 63.0)),
        (None, Report(remaining=8), (2.0, 63.0)),
        (None, Report(remaining=8, reset_at=1000.0, date=1003.0), (-3.0, 3.0)),
    ],
)
def test_a_count_without_a_reset(old: Reading | None, report: Report, bounds: tuple[float, float]) -> None:
    """It is of the same window if it only went down; else the window may have begun with it. No reset is in the past."""
    window = sent(KNOWN._replace(reading=old, offset=1000.0))
    reading = window.answered(7, 3.0, 200, report)[0].reading
    assert reading is not None
    assert (reading.earliest, reading.latest) == bounds


def test_a_count_is_not_older_than_what_was_sent() -> None:
    """However coarse the clock is."""
    window = KNOWN._replace(flights=(InFlight(7, 2.0), InFlight(8, 3.5)))
    reading = window.answered(7, 3.0, 200, Report(remaining=7, reset_in=58.0))[0].reading
    assert reading is not None
    assert reading.received == 3.5


def test_an_answer_without_headers() -> None:
    """The server has none, unless it had some before: then this route is not limited, and the request is unconfirmed."""
    window, others = PROBING.answered(1, 1.0, 200, Report())
    assert (window, others) == (
        NEW._replace(has_headers=False, log=stamps_of([1.0]), own=1, quiet_since=1.0, opened=1),
        0,
    )
    again, _ = sent(window).answered(7, 3.0, 200, Report())
    assert (again.has_headers, again.quiet_since, again.unconfirmed) == (False, 1.0, stamps_of([]))
    refused, _ = PROBING.answered(1, 1.0, 429, Report(retry_after=5.0))
    after, _ = sent(refused, 8.0, probe=True).answered(7, 9.0, 200, Report())
    assert (after.has_headers, after.reading) == (False, None)
    known, _ = sent(KNOWN).answered(7, 3.0, 200, Report())
    assert (known.has_headers, known.reading, tuple(known.unconfirmed)) == (True, READING, (3.0,))
    assert (known.quiet_since, known.flights) == (1.0, ())


@pytest.mark.parametrize(
    ("report", "refused_probes", "reopens_at"),
    [
        (Report(retry_after=5.0), 0, 9.0),
        (Report(retry_after=5.0, reset_in=30.0, remaining=0), 0, 9.0),
        (Report(retry_after=5.0), 3, 16.0),
        (Report(retry_after=0.0), 0, 4.0),
        (Report(retry_after=3600.0), 0, 3604.0),
        (Report(retry_after=3601.0), 0, 3604.0),
        (Report(reset_in=30.0), 0, 35.0),
        (Report(reset_at=1000.0), 0, 4.0),
        (Report(), 0, 64.0),
    ],
)
def test_a_429_blocks(report: Report, refused_probes: int, reopens_at: float) -> None:
    """Until `Retry-After`, else the reset, else for one window, and a margin; at most for an hour."""
    before = KNOWN._replace(refused_probes=refused_probes, offset=1000.0, sliding_log=True, flights=(OTHER,))
    before = before._replace(unconfirmed=stamps_of([2.5]))
    window, others = sent(before).answered(7, 3.0, 429, report)
    assert (window.blocked_until, window.quiet_since, others) == (reopens_at, reopens_at, 0)
    assert window.reading == Reading(3.0, 10, 0, reopens_at, reopens_at, reopens_at, reopens_at)
    assert (window.shares_key_until, window.refused_probes) == (reopens_at + 180.0, refused_probes)
    assert (window.sliding_log, window.slow_start, window.own, window.flights) == (False, 1, 2, (OTHER,))
    assert (tuple(window.log), window.has_headers) == ((1.0, 3.0), True)


def test_a_later_429_does_not_shorten_a_block() -> None:
    window, _ = sent(KNOWN._replace(blocked_until=50.0)).answered(7, 3.0, 429, Report(retry_after=5.0))
    assert window.blocked_until == 50.0


def test_a_429_as_the_first_answer_shows_no_other_client() -> None:
    """The key was used up before. A 429 without headers does not say whether the server has them."""
    window, _ = PROBING.answered(1, 1.0, 429, Report(retry_after=5.0))
    assert (window.shares_key_until, window.has_headers, window.refused_probes) == (None, None, 1)
    assert window.reading is not None
    counted, _ = PROBING.answered(1, 1.0, 429, Report(retry_after=5.0, remaining=0))
    assert counted.has_headers is True
    none, _ = sent(KNOWN._replace(has_headers=False, reading=None)).answered(7, 3.0, 429, Report())
    assert (none.has_headers, none.reading) == (False, None)


def test_the_margin_of_refused_probes_is_bounded() -> None:
    for before, after in ((0, 1), (4, 5), (5, 5)):
        window = sent(KNOWN._replace(refused_probes=before), probe=True).answered(7, 3.0, 429, Report())[0]
        assert window.refused_probes == after
