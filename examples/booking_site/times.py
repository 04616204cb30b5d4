"""Weeks, days and times in the visitor's zone. Pure: what time it is comes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
_HOUR = timedelta(hours=1)
_OFFERED = 12  # times in place of one that is gone
_DAY = timedelta(days=1)
_ASKED = timedelta(weeks=2)  # at once
_FIRST_ZONE, _LAST_ZONE = timedelta(hours=14), timedelta(hours=-12)  # from UTC: Pacific/Kiritimati, and ships
_RENAMED = {
    "Africa/Asmera": "Africa/Asmara",
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Catamarca": "America/Argentina/Catamarca",
    "America/Coral_Harbour": "America/Atikokan",
    "America/Cordoba": "America/Argentina/Cordoba",
    "America/Godthab": "America/Nuuk",
    "America/Indianapolis": "America/Indiana/Indianapolis",
    "America/Jujuy": "America/Argentina/Jujuy",
    "America/Louisville": "America/Kentucky/Louisville",
    "America/Mendoza": "America/Argentina/Mendoza",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Asia/Saigon": "Asia/Ho_Chi_Minh",
    "Atlantic/Faeroe": "Atlantic/Faroe",
    "Europe/Kiev": "Europe/Kyiv",
    "Pacific/Enderbury": "Pacific/Kanton",
    "Pacific/Ponape": "Pacific/Pohnpei",
    "Pacific/Truk": "Pacific/Chuuk",
}
"""What Chromium still calls some zones, and their present names."""


@dataclass(frozen=True)
class Moment:
    """A free time, as a button shows it.

    Attributes:
        start: in UTC.
        minutes: how long it lasts; None if the API did not say.
        label: the time of day. Where the clocks go back the same one comes twice; then it names its offset too.
        spoken: label and day.
    """

    start: datetime
    minutes: int | None
    label: str
    spoken: str

    @property
    def key(self) -> str:
        return in_url(self.start)

    @property
    def query(self) -> str:
        """`start=2026-11-30T07:00:00Z&minutes=30`"""
        return f"start={self.key}" + (f"&minutes={self.minutes}" if self.minutes else "")


@dataclass(frozen=True)
class Day:
    """One day of a week, in the visitor's zone."""

    date: date
    moments: list[Moment]

    @property
    def name(self) -> str:
        return f"{self.date:%A}"

    @property
    def number(self) -> str:
        return f"{self.date.day} {self.date:%B}"


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())  # which reads directories each time


@cache
def zones() -> dict[str, list[str]]:
    """The zones to choose from, by region."""
    known = sorted(
        name for name in _known_zones() if name.partition("/")[0] in _REGIONS and "/" in name and name not in _RENAMED
    )
    grouped: dict[str, list[str]] = {"World": ["UTC"]}
    for name in known:
        grouped.setdefault(name.partition("/")[0], []).append(name)
    return grouped


def zone_of(*names: str | None) -> ZoneInfo:
    """The first of these zones that there is, by its present name, else UTC."""
    for asked in names:
        name = _RENAMED.get(asked or "", asked)
        if name and (name == "UTC" or name in _known_zones()):
            return ZoneInfo(name)
    return ZoneInfo("UTC")


def in_url(moment: datetime) -> str:
    """`2026-11-30T07:00:00Z`"""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def from_url(text: str | None) -> datetime | None:
    """A moment out of a URL or a form; None for what is none, has no offset, or is at an end of the calendar, where another
    zone's day and the weeks around it would be beyond."""
    try:
        moment = datetime.fromisoformat(text or "")
        if moment.tzinfo is None:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if MINYEAR < moment.year < MAXYEAR else None


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def week_of(text: str | None, today: date) -> date | None:
    """The Monday of the week that a URL asks for, no earlier than this one and a year ahead at most; None for none."""
    try:
        asked = monday(date.fromisoformat(text or ""))
    except (ValueError, OverflowError):
        return None
    return min(max(asked, monday(today)), monday(today) + timedelta(weeks=53))


def span(week: date | None, now: datetime) -> tuple[datetime, datetime]:
    """What to ask for: some weeks as they are in all zones, so that all visitors ask the same question, and it is sent once.

    This week and the next are one question, of three weeks while it is Monday in some zones only. Later weeks are asked for by
    twos.

    Args:
        week: the Monday of the week that a visitor named; None for one who sees this week, or the next.
    """
    first, last = monday((now + _LAST_ZONE).date()), monday((now + _FIRST_ZONE).date())
    if week is not None and not first <= week < last + _ASKED:
        first = last = week - (week - monday(now.date())) % _ASKED
    return datetime.combine(first, time(), UTC) - _DAY, datetime.combine(last, time(), UTC) + _ASKED + _DAY


def days(free: Mapping[datetime, int | None], week: date, zone: ZoneInfo, now: datetime) -> list[Day]:
    """The days of a week from today on, with their times.

    Args:
        free: when a time begins, and how many minutes it lasts.
    """
    local: dict[date, list[datetime]] = {week + timedelta(days=number): [] for number in range(7)}
    for start in sorted(free):
        there = start.astimezone(zone)
        if start > now and there.date() in local:
            local[there.date()].append(there)
    today = now.astimezone(zone).date()
    return [Day(day, _moments(times, free)) for day, times in local.items() if day >= today]


def nearest(free: Mapping[datetime, int | None], wanted: datetime, zone: ZoneInfo, now: datetime) -> list[Day]:
    """The few times that are nearest to one that is gone, by day."""
    near = sorted((start for start in free if start > now), key=lambda start: abs(start - wanted))[:_OFFERED]
    by_day: dict[date, list[datetime]] = {}
    for start in sorted(near):
        there = start.astimezone(zone)
        by_day.setdefault(there.date(), []).append(there)
    return [Day(day, _moments(times, free)) for day, times in by_day.items()]


def _moments(times: list[datetime], free: Mapping[datetime, int | None]) -> list[Moment]:
    seen = Counter(f"{there:%H:%M}" for there in times)
    moments = []
    for there in times:
        label = f"{there:%H:%M}"
        if seen[label] > 1:
            label += f" {offset(there)}"
        start = there.astimezone(UTC)
        moments.append(Moment(start, free[start], label, f"{label}, {there:%A} {there.day} {there:%B}"))
    return moments


def offset(there: datetime) -> str:
    """`UTC+2`, `UTC+5:30`"""
    minutes = round((there.utcoffset() or timedelta()) / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    sign = "\N{MINUS SIGN}" if minutes < 0 else "+"
    return "UTC" if not minutes else f"UTC{sign}{hours}{f':{rest:02}' if rest else ''}"


def long_day(moment: datetime, zone: ZoneInfo) -> str:
    """`Monday 30 November 2026`"""
    there = moment.astimezone(zone)
    return f"{there:%A} {there.day} {there:%B %Y}"


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """`09:30`"""
    return f"{moment.astimezone(zone):%H:%M}"


def clock_change(week: date, zone: ZoneInfo) -> str | None:
    """What to say where the clocks of the zone change within a week; None where they don't."""
    moment = datetime.combine(week, time(), zone).astimezone(UTC)
    for _ in range(7 * 24):
        before, after = moment.astimezone(zone), (moment + _HOUR).astimezone(zone)
        if before.utcoffset() != after.utcoffset():
            way = "forward" if (after.utcoffset() or timedelta()) > (before.utcoffset() or timedelta()) else "back"
            return (
                f"The clocks in {readable(zone.key)} go {way} on {after:%A} {after.day} {after:%B}:"
                f" times are in {offset(before)} until then, and in {offset(after)} from then on."
            )
        moment += _HOUR
    return None


def readable(zone: str) -> str:
    """`America/Argentina/Buenos_Aires` → `Buenos Aires`"""
    return zone.rpartition("/")[2].replace("_", " ")
