"""Rows of a list as the API sends them: few fields, a dozen of them, and a dozen of which some are objects."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ("ROWS", "Row", "flat", "nested", "short")

Row = dict[str, object]


def short(number: int) -> Row:
    """A session with four fields."""
    return {
        "id": f"{number:024x}",
        "name": f"Kick-off {number}",
        "startAt": "2026-05-04T09:00:00.000Z",
        "participants": [],
    }


def flat(number: int) -> Row:
    """A session with a dozen fields, none of which is an object."""
    return {
        **_plain(number),
        "actualStart": "2026-05-04T09:00:07.890Z",
        "endedAt": "2026-05-04T09:31:12.345Z",
        "participants": [],
    }


def nested(number: int) -> Row:
    """A session with a dozen fields: the room, the event and the participants are objects, two levels deep."""
    user = {"id": f"u{number}", "firstName": "Ada", "lastName": f"Lovelace {number}", "email": f"a{number}@example.com"}
    return {
        **_plain(number),
        "room": {"id": f"r{number}", "slug": f"room-{number}"},
        "event": {"id": f"e{number}", "slug": f"open-day-{number}"},
        "participants": [{"id": f"p{number}", "isOwner": True, "user": user}],
    }


def _plain(number: int) -> Row:
    return {
        "id": f"{number:024x}",
        "name": f"Kick-off {number}",
        "description": "What was asked, what was answered, and who does what until Thursday.",
        "quickSession": False,
        "createdAt": "2026-04-27T15:04:05.678Z",
        "startAt": "2026-05-04T09:00:00.000Z",
        "plannedEnd": "2026-05-04T09:30:00.000Z",
        "timeZone": "Europe/Bucharest",
        "sessionLink": f"https://example.com/s/{number}",
    }


ROWS: dict[str, Callable[[int], Row]] = {"short": short, "flat": flat, "nested": nested}
