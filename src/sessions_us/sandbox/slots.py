"""Free slots of a booking page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .records import BookingPageRecord, BookingRecord

# How a page's schedule looks on the wire is not known, so every page has office hours.
OPENS, CLOSES = time(9), time(17)
WEEKDAYS = range(5)


def free(
    page: BookingPageRecord, bookings: Iterable[BookingRecord], start: datetime, end: datetime, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Slots of the page's duration, Monday to Friday from 9 to 17 in its zone, wholly between `start` and `end`,
    not in the past, and not overlapping a booking that stands. In UTC, in order."""
    zone, length = ZoneInfo(page.time_zone), timedelta(minutes=page.duration)
    taken = [(booking.start_at, booking.end_at) for booking in bookings if booking.cancelled_at is None]
    day = start.astimezone(zone).date()
    last = end.astimezone(zone).date()
    while day <= last:
        if day.weekday() in WEEKDAYS:
            slot = datetime.combine(day, OPENS, zone).astimezone(UTC)
            closes = datetime.combine(day, CLOSES, zone).astimezone(UTC)
            while slot + length <= closes:
                until = slot + length
                if start <= slot and until <= end and slot >= now and not overlaps(taken, slot, until):
                    yield slot, until
                slot = until
        day += timedelta(days=1)


def overlaps(taken: Iterable[tuple[datetime, datetime]], start: datetime, end: datetime) -> bool:
    return any(start < until and since < end for since, until in taken)
