"""Lists under any history that hypothesis or chance thinks of: none loses a row in silence, and every one ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from list_histories import Change, History, Reading, draw, drawn, run
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


@pytest.mark.parametrize("tenth", range(10))
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
