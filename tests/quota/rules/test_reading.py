"""When a count's reset is, and which of two counts holds."""

from __future__ import annotations

import pytest

from sessions_us.quota.rules.headers import Report
from sessions_us.quota.rules.reading import Reading, later, reset_of

OLD = Reading(received=20.0, limit=10, remaining=5, earliest=60.0, latest=70.0, expires=70.0, not_before=60.0)
OVERLAPPED, AFTER = 19.0, 20.5  # when the request of the newer answer was sent


def new(**different: float) -> Reading:
    plain = Reading(received=21.0, limit=10, remaining=4, earliest=61.0, latest=71.0, expires=71.0, not_before=61.0)
    return plain._replace(**different)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("report", "refused_probes", "bounds"),
    [
        (Report(reset_in=60.0), 0, (69.0, 71.5)),
        (Report(reset_in=60.5, exact=True), 0, (69.5, 71.02)),
        (Report(reset_in=60.0), 3, (69.0, 78.5)),
        (Report(reset_in=60.5, exact=True), 3, (69.5, 71.16)),
        (Report(reset_at=1070.0), 0, (67.5, 71.0)),
        (Report(reset_at=1070.0), 3, (67.5, 78.0)),
        (Report(), 0, None),
    ],
)
def test_the_bounds_of_a_reset(report: Report, refused_probes: int, bounds: tuple[float, float] | None) -> None:
    """Sent at 10, answered at 10.5, by a server whose clock is 1000 s ahead: rounding and the way both count."""
    found = reset_of(report, 10.0, 10.5, 1000.0, refused_probes)
    assert found == (None if bounds is None else pytest.approx(bounds, abs=1e-9))


def test_a_moment_is_judged_by_its_distance_from_the_request() -> None:
    """However long this machine runs; without the server's clock it says nothing."""
    moment = Report(reset_at=2e6 + 1060)
    assert reset_of(moment, 2e6, 2e6 + 1, 1000.0, 0) == (2e6 + 57, 2e6 + 61)
    assert reset_of(moment, 2e6 + 121, 2e6 + 122, 1000.0, 0) is None
    assert reset_of(moment, 2e6, 2e6 + 1, None, 0) is None


def test_what_was_sent_after_the_last_count_is_newer() -> None:
    """Whatever it says: slots may have come back. Its reset is the earlier one, while none can have passed."""
    assert later(OLD, new(remaining=9), AFTER) == (new(remaining=9, expires=70.0, not_before=60.0), True)
    assert later(OLD, new(remaining=5), AFTER) == (new(remaining=5, expires=70.0, not_before=60.0), True)
    assert later(OLD, new(received=60.0), AFTER)[0].expires == 70.0
    assert later(OLD, new(received=60.5), AFTER)[0] == new(received=60.5)
    assert later(OLD, new(expires=70.0), AFTER)[0] == new(expires=70.0)
    assert later(OLD._replace(expires=80.0), new(received=65.0, remaining=5), AFTER)[0] == new(
        received=65.0, remaining=5
    )


def test_of_two_that_overlapped_the_lower_count_is_the_later_one() -> None:
    """The other one only shows until when answers overlap."""
    assert later(OLD, new(), OVERLAPPED) == (new(expires=70.0, not_before=60.0), True)
    assert later(OLD, new(), OLD.received) == (new(expires=70.0, not_before=60.0), True)
    assert later(OLD, new(remaining=5), OVERLAPPED) == (OLD._replace(received=21.0), False)
    assert later(OLD, new(remaining=6), OVERLAPPED) == (OLD._replace(received=21.0), False)
    sooner = new(remaining=6, expires=69.0)
    assert later(OLD, sooner, OVERLAPPED) == (OLD._replace(received=21.0, expires=69.0, not_before=61.0), False)


def test_resets_that_lie_further_apart_than_rounding_are_of_two_windows() -> None:
    """The one of the later window holds, in whatever order they arrive."""
    past = new(earliest=50.0, latest=59.9)
    assert later(OLD, past, OVERLAPPED) == (OLD._replace(received=21.0), False)
    assert later(OLD, past._replace(latest=60.0), OVERLAPPED)[1]
    assert later(OLD, past, AFTER)[1]
    next_one = new(remaining=9, earliest=70.1, received=65.0)
    assert later(OLD, next_one, OVERLAPPED) == (next_one, True)
    assert not later(OLD, next_one._replace(earliest=70.0), OVERLAPPED)[1]


def test_two_requests_and_one_count_show_that_a_slot_came_back() -> None:
    """So an earlier reset may have passed, and the later one of the two holds."""
    old = OLD._replace(not_before=30.0)
    same = new(remaining=5, received=40.0, expires=90.0, not_before=35.0)
    assert later(old, same, OVERLAPPED) == (old._replace(received=40.0, expires=90.0, not_before=35.0), False)
    assert later(old, same._replace(received=30.0), OVERLAPPED) == (old._replace(received=30.0), False)
    assert later(old, same._replace(remaining=6), OVERLAPPED) == (old._replace(received=40.0), False)
    longer = old._replace(expires=95.0)
    assert later(longer, same, OVERLAPPED) == (longer._replace(received=40.0), False)
    lower = same._replace(remaining=4)
    assert later(longer, lower, OVERLAPPED) == (lower, True)
