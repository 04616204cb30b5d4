"""What the benchmark divides by: the times of somebody who knows all, checked against servers that were written apart from it."""

from __future__ import annotations

import random

import pytest
from support.server_models import MODELS

from benchmarks.ideal import ADMITS, ideal

KINDS = {
    "draft-6": "fixed",
    "legacy": "fixed",
    "floor": "fixed",
    "none": "fixed",
    "nest": "log",  # the ideal client meets no block
    "aligned": "aligned",
    "counter": "weighted",
    "moving": "log",
    "gcra": "gcra",
}
LIMIT, WINDOW, NOON = 10, 60.0, 1_790_000_040.0
LATE = 1e-5  # seconds; epoch seconds have seven digits behind the point


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(20))
def test_each_request_goes_at_the_first_moment_at_which_the_server_admits_it(kind: str, seed: int) -> None:
    """Replayed against the model, each is admitted, and one that had to wait would have been refused a moment earlier."""
    numbers = random.Random(seed)
    admitted: list[float] = []
    now = NOON + numbers.uniform(0, WINDOW)
    server = MODELS[KINDS[kind]](LIMIT, WINDOW)
    for _ in range(60):
        now += numbers.choice((0.0, 0.0, 0.0, numbers.uniform(0, 1.5 * WINDOW)))
        moment = ADMITS[kind](admitted, now, LIMIT, WINDOW)
        if moment > now + 0.01:
            assert not server.hit(moment - 0.01).admitted
        assert server.hit(moment + LATE).admitted
        admitted.append(moment + LATE)
        now = moment + LATE


def test_the_ideal_times_of_thirty_at_once() -> None:
    """Two windows after the first, and a round trip; one more where half of the first window is taken."""
    given = {"limit": LIMIT, "window": WINDOW, "latency": 0.1}

    assert ideal("draft-6", [NOON] * 30, before=[], **given) == pytest.approx(2 * WINDOW + 0.2)
    assert ideal("draft-6", [NOON] * 30, before=[NOON - 30] * 5, **given) == pytest.approx(2.5 * WINDOW + 0.1)
    assert ideal("gcra", [NOON] * 30, before=[], **given) == pytest.approx(2 * WINDOW + 0.2)
    assert ideal("draft-6", [NOON], before=[], **given) == pytest.approx(0.2)


def test_one_by_one_each_waits_for_the_answer_before() -> None:
    """The round trips of the last window count too."""
    given = {"limit": LIMIT, "window": WINDOW, "latency": 0.1, "sequential": True}

    assert ideal("draft-6", [NOON] * 30, before=[], **given) == pytest.approx(2 * WINDOW + 0.1 + 10 * 0.2 - 0.1)


@pytest.mark.parametrize(
    ("kind", "taken", "windows"),
    [("none", 5, 3), ("none", 10, 3), ("nest", 10, 3), ("nest", 5, 2.5), ("draft-6", 10, 2.5)],
)
def test_who_is_not_told_what_others_took_pays_a_window_for_it_where_only_a_429_tells(
    kind: str, taken: int, windows: float
) -> None:
    """A server without headers says nothing; NestJS shuts out who came when all was used, and tells everybody else."""
    given = {"limit": LIMIT, "window": WINDOW, "latency": 0.1}

    best = ideal(kind, [NOON] * 30, before=[NOON - 30] * taken, told=False, **given)
    assert best == pytest.approx(windows * WINDOW, abs=0.3)
