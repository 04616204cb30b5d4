"""What the benchmarks tell of their figures, and the server that they measure against."""

from __future__ import annotations

import httpx
import pytest

from benchmarks.figures import Figure, table, worse
from benchmarks.loopback import serving


@pytest.mark.parametrize(("value", "verdict"), [(1.10, "reached"), (1.11, "missed: models are made"), (0.5, "reached")])
def test_a_goal_is_reached_or_missed_with_the_reason(value: float, verdict: str) -> None:
    """A goal is an upper bound that may be met exactly."""
    assert Figure("a call", value, "ratio", 1.10, why="models are made").verdict == verdict


def test_without_a_goal_there_is_no_verdict() -> None:
    """Nobody misses what nobody asked for."""
    assert Figure("a call", 7.0).verdict == ""


def test_the_table_has_what_others_reach() -> None:
    """Each figure is one row: work, goal, ours, the verdict, and the others."""
    *_, row = table([Figure("a copy", 26.2, "µs", 100, {"theirs": 30.04})])

    assert row == "| a copy | ≤ 100.0 µs | 26.2 µs | reached | theirs 30.0 µs |"


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (Figure("a call", 1.20), []),
        (Figure("a call", 1.21), ["a call: 1.21, and was 1.00"]),
        (Figure("a call", 0.5), []),
        (Figure("reads", 2, "count"), ["reads: 2, and was 1"]),
        (Figure("refused", 1, "count"), ["refused: 1, and was 0"]),
        (Figure("a copy", 900.0, "µs"), []),
        (Figure("memory", 90.0, "MB"), []),
        (Figure("something new", 9.0), []),
    ],
)
def test_only_ratios_and_counts_are_compared_with_an_earlier_run(now: Figure, told: list[str]) -> None:
    """More than a fifth worse is told. Times and memory belong to one machine, and what is new has no earlier figure."""
    before = {"a call": 1.0, "reads": 1, "refused": 0, "a copy": 26.2, "memory": 1.0}

    assert list(worse([now], {work: {"value": value} for work, value in before.items()}, 0.2)) == told


def test_the_server_has_pages_a_session_and_a_count_of_what_it_served() -> None:
    """45 rows are two full pages and one of five. Asking for the count does not count."""
    with serving("nested", 45) as url, httpx.Client(base_url=url) as http:
        pages = [http.get("/api/sessions", params={"page": number}).json() for number in (1, 2, 3)]
        session = http.get("/api/sessions/s1").json()
        served = [http.get("/served").json() for _ in range(2)]

    assert [len(page) for page in pages] == [20, 20, 5]
    assert len({row["id"] for page in pages for row in page}) == 45
    assert session == pages[0][0]
    assert served == [4, 4]
