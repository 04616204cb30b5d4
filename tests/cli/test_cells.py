"""How values are written for people: cells of tables, and durations."""

from __future__ import annotations

import errno
from io import StringIO
from typing import Any

import pytest

pytest.importorskip("rich", reason="needs the extra `cli`")

from rich.console import Console

from sessions_us import SchemaDrift, Session, StoreRecovered, StoreUnavailable
from sessions_us.cli.demo.ticker import Ticker
from sessions_us.cli.fields import require_known, value_at
from sessions_us.cli.progress import duration, summary
from sessions_us.cli.statuses import Status, failure
from sessions_us.cli.table import cell
from sessions_us.cli.waiting import Waiting
from sessions_us.events import ExportProgress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.5, "60 s"), (61, "2 min"), (59 * 60, "59 min"), (60 * 60, "1 h 0 min"), (7_199, "2 h 0 min")],
)
def test_a_duration_is_rounded_up(seconds: float, words: str) -> None:
    """Nobody waits longer than they were told."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("row", "path", "shown"),
    [
        ({"a": {"b": 5}}, "a.b", "5"),
        ({"a": [{"b": "x"}, {"b": "y"}, {}]}, "a.b", "x y"),  # of each item
        ({"a": "x", "b": "y"}, "a+b", "x y"),
        ({"a": "x"}, "a.b", ""),
        ({"a": True, "b": False}, "a+b", "yes no"),
        ({"a": [1, 2, 3]}, "a", "3"),  # how many there are
        ({"a": {"name": "Ada", "id": "1"}}, "a", "Ada"),
        ({"a": {"id": "1"}}, "a", "1"),
        ({"a": {"x": 1, "y": 2}}, "a", "2 fields"),
        ({"a": "2030-01-31T10:00:59+02:00"}, "a", "2030-01-31 08:00"),
        ({"a": "2030-01-31T10:00:59"}, "a", "2030-01-31T10:00:59"),  # nobody knows in which zone
        ({"a": "2030-01-31T half past ten"}, "a", "2030-01-31T half past ten"),
        ({"a": "0001-01-01T00:00:00+14:00"}, "a", "0001-01-01T00:00:00+14:00"),  # no moment in UTC
    ],
)
def test_a_cell_is_a_line(row: dict[str, Any], path: str, shown: str) -> None:
    """Of whatever is there; what is not there is empty."""
    assert cell(row, path) == shown


STEP: dict[str, Any] = {"resource": "rooms", "stage": "listing", "done": 5, "seconds_left": None}


@pytest.mark.parametrize(
    ("progress", "left", "words"),
    [
        ({"total": None, "requests": 0, "requests_left": None}, None, "starting"),
        ({"total": 9, "requests": 2, "requests_left": 3}, 90.0, "5 of 9 rows, 2 requests, 3 to go, 2 min left"),
        ({"total": 9, "requests": 0, "requests_left": 3}, 0.0, "starting, 3 requests to go"),
        ({"total": 1, "requests": 1, "requests_left": 1}, None, "5 of 1 row, 1 request, 1 to go"),
    ],
)
def test_how_far_an_export_is(progress: dict[str, Any], left: float | None, words: str) -> None:
    """In rows, requests and time, as far as each is known."""
    assert summary(ExportProgress(**STEP, **progress), left) == words


def test_a_store_that_fails_is_told_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """And that it can be used again; a wait is shown on a terminal alone."""
    waiting = Waiting("reading rooms")
    with waiting:
        waiting.on_event(StoreUnavailable(store="SQLiteStore", reason="no answer in time"))
        waiting.on_event(StoreRecovered(store="SQLiteStore", elapsed=3.0))

    assert capsys.readouterr().err.splitlines() == [
        "sessions-us: the quota's store SQLiteStore can't be used (no answer in time)",
        "sessions-us: the quota's store SQLiteStore can be used again",
    ]


def test_a_reader_that_went_away_is_no_bug() -> None:
    """As in `sessions-us list rooms | head`."""
    assert failure(BrokenPipeError(errno.EPIPE, "Broken pipe")) == (
        "the reader of the output went away",
        Status.BROKEN_PIPE,
    )


ROWS = [{"id": "1", "form": [{"question": "Name", "odd": 1}], "new": {"deep": [{"er": 2}]}}]


@pytest.mark.parametrize("path", ["id", "form.question", "form.odd", "new.deep.er", "participants.user.email"])
def test_a_field_that_is_documented_or_there_may_be_chosen(path: str) -> None:
    """Within lists too."""
    require_known([path], Session, ROWS)


def test_a_field_that_nobody_knows_is_refused() -> None:
    """With the one that is nearest."""
    with pytest.raises(ValueError, match=r"there is no field 'nmae'.*Did you mean name\?"):
        require_known(["nmae"], Session, ROWS)
    assert value_at(ROWS[0], "new.deep.er") == 2


def test_the_demo_counts_what_is_not_as_described() -> None:
    """And says where it was."""
    console = Console(file=StringIO(), width=100)
    ticker = Ticker("user", console)
    ticker.on_event(SchemaDrift(operation="get_room", call=1, field="", problem="no object"))

    assert ticker.surprises == 1
    assert console.file.getvalue().strip() == "get_room: no object at the top"
