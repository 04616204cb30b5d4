from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from booking_site import times

CAIRO = ZoneInfo("Africa/Cairo")  # its clocks go back on a Thursday's midnight, when others work


def every(minutes: int, start: datetime, count: int) -> list[datetime]:
    return [start + timedelta(minutes=minutes * number) for number in range(count)]


def test_days_are_the_visitors() -> None:
    """One moment is on different days in Bucharest and in Auckland, each with its own time."""
    moment = datetime(2026, 7, 1, 13, tzinfo=UTC)
    week, now = date(2026, 6, 29), datetime(2026, 6, 1, tzinfo=UTC)

    def shown(zone: str) -> list[tuple[str, str]]:
        days = times.days({moment: 30}, week, ZoneInfo(zone), now)
        return [(day.name, each.label) for day in days for each in day.moments]

    assert shown("Europe/Bucharest") == [("Wednesday", "16:00")]
    assert shown("Pacific/Auckland") == [("Thursday", "01:00")]


def test_an_hour_that_comes_twice_is_told_apart() -> None:
    """When the clocks go back, each of the two 23:30s says which one it is, and they keep their order; no other time does."""
    starts = every(30, datetime(2026, 10, 29, 19, tzinfo=UTC), 7)
    days = times.days(dict.fromkeys(starts), date(2026, 10, 26), CAIRO, datetime(2026, 10, 1, tzinfo=UTC))
    (thursday,) = (day for day in days if day.name == "Thursday")

    assert [moment.label for moment in thursday.moments] == [
        "22:00",
        "22:30",
        "23:00 UTC+3",
        "23:30 UTC+3",
        "23:00 UTC+2",
        "23:30 UTC+2",
    ]
    assert [moment.start for moment in thursday.moments] == starts[:6]
    (friday,) = (day for day in days if day.name == "Friday")
    assert [moment.label for moment in friday.moments] == ["00:00"]


def test_a_week_says_when_its_clocks_change() -> None:
    """Only a week in which they do, in the visitor's zone, on the day they do, with both offsets."""
    new_york = ZoneInfo("America/New_York")
    said = times.clock_change(date(2027, 3, 8), new_york)

    assert said is not None
    assert "New York go forward on Sunday 14 March" in said
    assert said.index("UTC\N{MINUS SIGN}5") < said.index("UTC\N{MINUS SIGN}4")
    assert times.clock_change(date(2027, 3, 15), new_york) is None
    assert times.clock_change(date(2027, 3, 8), ZoneInfo("Europe/Bucharest")) is None
    assert "go back on Thursday 29 October" in (times.clock_change(date(2026, 10, 26), CAIRO) or "")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "Europe/Bucharest", "America/New_York"])
def test_one_question_serves_all_zones(zone: str) -> None:
    """What is asked for a week holds all of it in every zone, so visitors of different zones share an answer."""
    for now in every(60, datetime(2027, 2, 21, tzinfo=UTC), 14 * 24):
        start, end = times.span(date(2027, 3, 8), now)

        assert start <= datetime(2027, 3, 8, tzinfo=ZoneInfo(zone))
        assert end >= datetime(2027, 3, 15, tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Bucharest", "America/New_York"])
def test_this_week_and_the_next_are_one_question(zone: str) -> None:
    """Whether they are named or not, in every zone, also while it is Monday in some of them only."""
    for now in every(60, datetime(2027, 3, 8, tzinfo=UTC), 7 * 24):
        start, end = times.span(None, now)
        there = now.astimezone(ZoneInfo(zone))
        this, next_one = (times.monday(there.date()) + timedelta(weeks=ahead) for ahead in (0, 1))

        assert times.span(this, now) == times.span(next_one, now) == (start, end)
        assert start <= there
        assert end >= datetime.combine(next_one + timedelta(weeks=1), time(), there.tzinfo)


def test_what_is_over_is_not_shown() -> None:
    """Neither days before today nor times before now, though an answer from a copy may still hold them."""
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    free = dict.fromkeys(every(60, datetime(2026, 6, 30, 10, tzinfo=UTC), 28))
    days = times.days(free, date(2026, 6, 29), ZoneInfo("UTC"), now)

    assert [day.name for day in days] == ["Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    assert [moment.label for moment in days[0].moments] == ["13:00"]


def test_a_week_from_a_url_is_a_monday_between_now_and_a_year() -> None:
    """Nobody asks for the past, for the far future, or for nonsense."""
    today = date(2026, 11, 26)

    assert times.week_of("2026-12-05", today) == date(2026, 11, 30)
    assert times.week_of("1999-01-01", today) == date(2026, 11, 23)
    assert times.week_of("9999-12-31", today) == date(2026, 11, 23) + timedelta(weeks=53)
    assert times.week_of("next", today) is None
    assert times.week_of(None, today) is None


def test_a_moment_from_a_url_has_an_offset() -> None:
    """What has none could mean any hour, so it is no moment."""
    assert times.from_url("2026-11-30T09:00:00+02:00") == datetime(2026, 11, 30, 7, tzinfo=UTC)
    assert times.from_url("2026-11-30T09:00:00") is None
    assert times.from_url("soon") is None
    for end_of_calendar in ("0001-01-01T12:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"):
        assert times.from_url(end_of_calendar) is None
    assert times.from_url(times.in_url(datetime(2026, 11, 30, 7, tzinfo=UTC))) == datetime(2026, 11, 30, 7, tzinfo=UTC)


def test_a_zone_is_the_first_that_exists() -> None:
    """What a cookie or a URL says is a wish: paths and nonsense are no zones."""
    assert times.zone_of(None, "../../etc/passwd", "Mars/Olympus", "Asia/Tokyo", "UTC").key == "Asia/Tokyo"
    assert times.zone_of("").key == "UTC"
    assert times.offset(datetime(2026, 1, 1, tzinfo=ZoneInfo("Asia/Kolkata"))) == "UTC+5:30"
    assert times.offset(datetime(2026, 1, 1, tzinfo=ZoneInfo("America/St_Johns"))) == "UTC\N{MINUS SIGN}3:30"
