"""Stamps behave as a tuple of moments does, however many there are."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from sessions_us.quota.rules.stamps import Stamps, stamps_of

MOMENTS = st.lists(st.integers(0, 2000).map(float), max_size=900).map(sorted)


@given(moments=MOMENTS, more=st.lists(st.integers(0, 300), max_size=30), seconds=st.integers(1, 1000))
def test_adding_and_dropping(moments: list[float], more: list[int], seconds: int) -> None:
    """Moments are added at the end, and those older than the window are dropped from the beginning."""
    stamps, plain, now = stamps_of(moments), tuple(moments), moments[-1] if moments else 0.0
    for later in more:
        now += later
        before = tuple(stamps)
        kept = stamps.within(seconds, now)
        grown = stamps.plus(now, seconds)
        assert tuple(stamps) == before, "a value never changes"
        stamps, plain = grown, (*[moment for moment in plain if now < moment + seconds], now)
        assert (tuple(stamps), stamps.count, stamps.first, stamps.last) == (plain, len(plain), plain[0], plain[-1])
        assert (tuple(kept), kept.count) == (plain[:-1], len(plain) - 1)
    assert stamps == stamps_of(plain)
    assert stamps != stamps_of([*plain, now + 1])


def test_nothing_is_left_of_an_old_window() -> None:
    """All chunks are dropped."""
    stamps = stamps_of(map(float, range(600)))

    assert list(stamps.within(10, 598)) == [589.0, *map(float, range(590, 600))]
    gone = stamps.within(10, 609)
    assert gone == Stamps()
    assert (gone.count, gone.first, gone.last) == (0, inf, -inf)


def test_a_failure_shows_the_moments() -> None:
    assert repr(stamps_of([1.0, 2.5])) == "Stamps([1.0, 2.5])"
