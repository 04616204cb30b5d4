"""The estimates: pure, from what is known."""

from __future__ import annotations

import pytest

from sessions_us import QuotaSnapshot
from sessions_us.pipelines import RESOURCES
from sessions_us.pipelines.progress import requests_left, seconds_for
from sessions_us.pipelines.state import Progress

SESSIONS, ROOMS = RESOURCES["sessions"], RESOURCES["rooms"]


def progress(number=1, pages=0, listed=False, done=False, seen=0, waiting=0, due=0, known=0) -> Progress:
    return Progress(number, pages, None, listed, done, seen, waiting, due, known)


@pytest.mark.parametrize(
    ("resource", "where", "left"),
    [
        (SESSIONS, progress(), None),  # nobody knows how many there are
        (SESSIONS, progress(pages=2, seen=40, waiting=40), None),
        (ROOMS, progress(known=1000), 52 + 52),  # a list of 50 pages and two proofs, twice
        (ROOMS, progress(pages=50, known=1000, seen=1000), 2 + 52),
        (SESSIONS, progress(listed=True, seen=1000, waiting=1000, due=1900), 1900 + 52),
        (SESSIONS, progress(number=2, seen=1000, waiting=0), 52),
        (SESSIONS, progress(number=2, listed=True, seen=1001, waiting=1, due=2), 2),
        (SESSIONS, progress(number=3, listed=True, done=True, seen=1000), 0),
        (RESOURCES["booking_pages"], progress(number=2, listed=True, done=True, seen=9, waiting=2, due=12), 12),
    ],
)
def test_requests_left(resource, where, left):
    """A list is read twice, and what is due of the children costs its requests."""
    assert requests_left({resource: where}) == left


def test_a_quick_run_does_not_know_where_it_stops():
    """It reads a list once; afterwards only children are left."""
    assert requests_left({ROOMS: progress(pages=1, known=1000)}, quick=True) is None
    assert requests_left({SESSIONS: progress(pages=1, listed=True, seen=20, waiting=2, due=3)}, quick=True) == 3


def test_one_list_of_unknown_length_leaves_all_unknown():
    """A sum with an unknown in it is unknown."""
    assert requests_left({ROOMS: progress(known=10), SESSIONS: progress()}) is None


@pytest.mark.parametrize(
    ("requests", "remaining", "resets_in", "seconds"),
    [
        (0, 0, 30.0, 0.0),
        (5, 5, 30.0, 0.0),
        (6, 5, 30.0, 30.0),
        (15, 5, 30.0, 30.0),
        (16, 5, 30.0, 90.0),
        (3050, 10, 60.0, 60.0 * 304),  # five hours
        (11, 10, None, 60.0),
    ],
)
def test_seconds_for_requests(requests, remaining, resets_in, seconds):
    """What remains goes at once, the rest by tens a minute, from the next reset on."""
    quota = QuotaSnapshot(limit=10, window=60.0, remaining=remaining, resets_in=resets_in, waiting={}, in_flight=0)

    assert seconds_for(requests, quota) == seconds
