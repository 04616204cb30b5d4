"""A booking as an entry for calendars (RFC 5545). Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .diary import Entry


def calendar_entry(entry: Entry, *, host: str, link: str, now: datetime) -> str:
    """The text of an `.ics` file.

    Args:
        entry: the booking.
        host: whom the booking is with.
        link: where the booking can be seen, moved and cancelled.
        now: when the text is made, aware.
    """
    about = [f"Move or cancel: {link}", *([f"Also invited: {', '.join(entry.guests)}"] if entry.guests else [])]
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//sessions-us//booking site//EN",
        "BEGIN:VEVENT",
        f"UID:{_escaped(entry.id)}@booking-site",
        f"DTSTAMP:{_moment(now)}",
        f"DTSTART:{_moment(entry.start_at)}",
        *([f"DTEND:{_moment(entry.start_at + timedelta(minutes=entry.minutes))}"] if entry.minutes else []),
        f"SUMMARY:{_escaped(f'{entry.page_name} with {host}')}",
        f"DESCRIPTION:{_escaped(chr(10).join(about))}",
        *([f"LOCATION:{_escaped(entry.link)}"] if entry.link else []),
        f"STATUS:{'CANCELLED' if entry.cancelled else 'CONFIRMED'}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    for mark in ("\\", ";", ","):
        text = text.replace(mark, f"\\{mark}")
    return "\\n".join(text.splitlines())


def _folded(line: str) -> list[str]:
    """Lines of at most 75 bytes, no letter cut in two; each further one begins with a space."""
    parts, part = [], ""
    for letter in line:
        if len(f"{part}{letter}".encode()) > 75:
            parts.append(part)
            part = " "
        part += letter
    return [*parts, part]
