"""Convert a state to the text that a store keeps, and back. Pure.

The text is `2 <checksum> <JSON>`, in which a lane is a text of rows. Text of another format, or damaged text, is refused.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from zlib import crc32

from sessions_us.quota.rules.state import Lane, QuotaState, Ticket
from sessions_us.quota.rules.window import InFlight, Reading, Window

__all__ = ("FORMAT", "Unreadable", "check_time", "from_text", "to_text")

FORMAT = 2  # raise it when a field changes, and in the name of the SQLite table
_AHEAD = (
    5.0  # seconds; a state from further in the future was written by another clock, or before the clock was set back
)
_FLIGHTS, _STAMPS = "flights", ("unconfirmed", "log")
_LINES: tuple[Lane, Lane] = ("interactive", "background")


class Unreadable(ValueError):
    """The text is not a state. The message says why, and quotes nothing of it."""


def to_text(state: QuotaState) -> str:
    """Convert a state to text."""
    window = _fields(state.window)
    data = {**_fields(state), "window": window}
    for lane in _LINES:
        data[lane] = ";".join([_row(ticket) for ticket in data[lane]])
    body = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f"{FORMAT} {_checksum(body)} {body}"


def check_time(written: float, now: float) -> None:
    """Check that a state written at one moment can be used at another.

    Raises:
        Unreadable: it is from the future, so the clock is another one, or was set back.
    """
    if written > now + _AHEAD:
        raise Unreadable("written by another clock")


def from_text(text: str) -> QuotaState:
    """Convert text back to a state.

    Raises:
        Unreadable: the text is not a state.
    """
    head, checksum, body = (*text.split(" ", 2), "", "")[:3]
    if head != str(FORMAT):
        raise Unreadable("another format")
    if checksum != _checksum(body):
        raise Unreadable("damaged")
    try:
        data: dict[str, Any] = json.loads(body)
        window = data.pop("window")
        window[_FLIGHTS] = tuple(InFlight(*flight) for flight in window[_FLIGHTS])
        window["reading"] = window["reading"] and Reading(*window["reading"])
        for stamps in _STAMPS:
            window[stamps] = tuple(window[stamps])
        for lane in _LINES:
            data[lane] = tuple([_ticket(lane, row) for row in data[lane].split(";")]) if data[lane] else ()
        return QuotaState(window=Window(**window), **data)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise Unreadable(f"another format: {type(problem).__name__}") from None


def _fields(value: object) -> dict[str, Any]:
    return dict(vars(value))


# There may be hundreds of tickets, and few of them change. So each is converted once.


@lru_cache(maxsize=2048)
def _row(ticket: Ticket) -> str:
    return f"{ticket.number},{ticket.arrival},{ticket.since!r},{ticket.front:d},{ticket.heartbeat!r}"


@lru_cache(maxsize=2048)
def _ticket(lane: Lane, row: str) -> Ticket:
    number, arrival, since, front, heartbeat = row.split(",")
    alive_at = None if heartbeat == "None" else float(heartbeat)
    return Ticket(int(number), lane, int(arrival), float(since), front == "1", alive_at)


def _checksum(body: str) -> str:
    return f"{crc32(body.encode()):08x}"
