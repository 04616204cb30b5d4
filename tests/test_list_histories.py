"""Lists under any history that hypothesis or chance thinks of: none loses a row in silence, and every one ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from list_histories import Change, History, Reading, draw, drawn, run
from support.further import further
from support.list_server import Paging

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Each surprise is a line of the log."""
    logger = logging.getLogger("sessions_us")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


@st.composite
def histories(choose: st.DrawFn) -> History:
    """Any history; it shrinks to the first of the options each time."""
    return draw(lambda options: choose(st.sampled_from(options)))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(history=histories())
async def test_any_history(history):
    """Nothing is missing without a word, and nothing goes on for ever."""
    assert (await run(history)).problems == []


@pytest.mark.parametrize("tenth", [*range(4), *further(*range(4, 10))])
async def test_histories_by_chance(tenth):
    """The same for histories that are made at random."""
    for number in range(tenth * 6, (tenth + 1) * 6):
        assert (await run(drawn(1, number))).problems == [], f"history {number}"


def change(at: int, when: str, who: str, what: str, rows: int = 1, place: int = 0) -> Change:
    return Change(at=at, when=when, who=who, what=what, rows=rows, place=place)


FOUND = {
    "deleted before a page is made": History(
        rows=100, paging=Paging(), readings=(Reading(path="rooms", changes=(change(4, "made", "task", "delete"),)),)
    ),
    "deleted and inserted behind the first page": History(
        rows=41,
        paging=Paging(size=10),
        readings=(
            Reading(
                path="rooms",
                changes=(change(1, "sent", "task", "delete", 1, 90), change(1, "sent", "task", "insert", 10)),
            ),
        ),
    ),
    "one deletes what another reads": History(
        rows=69,
        paging=Paging(base=0, size=10),
        readings=(
            Reading(path="rooms", how="collect", changes=(change(1, "sent", "task", "insert", 11),)),
            Reading(
                path="rooms", how="pages", deletes=3, beside=True, changes=(change(2, "sent", "others", "insert", 2),)
            ),
        ),
    ),
    "deleted while it is read, when another is read, from a cursor, without a number beyond the end": History(
        rows=60,
        paging=Paging(base=None, size=10, beyond="wrap"),
        size=None,
        readings=(
            Reading(path="booking-pages/p1/collaborators", deletes=2, batch=10, pause=10),
            Reading(
                path="booking-pages/p1/collaborators",
                how="pages",
                deletes=2,
                batch=3,
                pause=1,
                beside=True,
                changes=(change(4, "made", "others", "insert", 10, 50),),
            ),
        ),
    ),
    "deleted in twos, from a cursor, an end told by 404": History(
        rows=300,
        paging=Paging(base=0, size=50, beyond="404", changing=True),
        size=50,
        readings=(
            Reading(
                path="booking-pages",
                verify_end=True,
                deletes=3,
                pause=150,
                changes=(change(2, "sent", "task", "delete"),),
            ),
        ),
    ),
    "inserted and deleted between copies": History(
        rows=80,
        paging=Paging(),
        copies=(1000, 0, 0),
        readings=(
            Reading(
                path="booking-pages",
                how="pages",
                batch=20,
                creates=40,
                changes=(
                    change(5, "sent", "task", "delete", 19),
                    change(4, "sent", "task", "delete", 21),
                    change(2, "made", "others", "delete", 20, 90),
                ),
            ),
        ),
    ),
    "a short page, then rows that came before, then new ones": History(
        rows=9,
        paging=Paging(base=None, size=5, beyond="last", changing=True, lengths={1: 2}),
        size=5,
        readings=(
            Reading(
                path="rooms",
                verify_end=True,
                changes=(
                    change(1, "made", "others", "insert", 6, 10),
                    change(0, "sent", "others", "insert", 1, 90),
                    change(5, "made", "task", "insert", 2),
                    change(5, "made", "others", "delete", 6),
                ),
            ),
        ),
    ),
    "inserted, then deleted while the top is looked at": History(
        rows=33,
        paging=Paging(base=0, size=10, changing=True),
        base=0,
        readings=(
            Reading(
                path="booking-pages/p1/collaborators",
                verify_end=True,
                batch=3,
                creates=20,
                pause=30,
                changes=(
                    change(2, "made", "task", "delete", 10),
                    change(4, "made", "task", "insert", 20, 90),
                    change(7, "made", "others", "fail", 2, 10),
                    change(5, "sent", "task", "delete", 11, 90),
                ),
            ),
        ),
    ),
    "inserted and deleted while rows without an id are looked at twice, with copies": History(
        rows=13,
        paging=Paging(base=None, size=7, nameless="some"),
        copies=(0, 1000, 0),
        readings=(
            Reading(
                path="rooms",
                verify_end=True,
                how="pages",
                creates=3,
                pause=7,
                changes=(
                    change(4, "sent", "others", "fail", 1, 10),
                    change(2, "sent", "task", "insert", 8),
                    change(2, "sent", "task", "delete"),
                ),
            ),
        ),
    ),
    "a page that is gone when it is asked for a second time": History(
        rows=23,
        paging=Paging(base=0, size=5, beyond="416", nameless="some", changing=True),
        copies=(1000, 0, 0),
        readings=(
            Reading(
                path="sessions",
                verify_end=True,
                how="collect",
                deletes=1,
                batch=3,
                pause=15,
                changes=(change(7, "made", "others", "delete", 4, 10),),
            ),
        ),
    ),
    "random order, the last page again": History(
        rows=60,
        paging=Paging(base=0, size=10, shuffled=True, beyond="last"),
        base=0,
        readings=(Reading(path="rooms", verify_end=True, how="collect", deletes=3, batch=10, pause=10),),
    ),
    "some rows have no id, a field changes, no order, no end": History(
        rows=301,
        paging=Paging(base=None, size=50, shuffled=True, beyond="wrap", nameless="some", changing=True),
        size=None,
        readings=(Reading(path="rooms", how="pages"),),
    ),
}


@pytest.mark.parametrize("name", FOUND)
async def test_histories_that_were_found(name):
    """What went wrong once, as small as it can be told."""
    assert (await run(FOUND[name])).problems == []
