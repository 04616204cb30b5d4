"""A state as the text that a store keeps. Pure.

`1 <checksum> <JSON>`, in which a lane is a text of rows. A text of another format, or one that was damaged, is no state.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from zlib import crc32

from sessions_us.quota.rules.state import Lane, QuotaState, Ticket
from sessions_us.quota.rules.window import InFlight, Reading, Window

__all__ = ("FORMAT", "Unreadable", "check_time", "from_text", "to_text")

FORMAT = 1
_AHEAD = 5.0  # seconds; a state from further in the future was written by another clock, or before it was set back
_FLIGHTS, _STAMPS = "flights", ("doubts", "log")
_LINES: tuple[Lane, Lane] = ("interactive", "background")


class Unreadable(ValueError):
    """The text is no state; the message says why, and quotes nothing of it."""


def to_text(state: QuotaState) -> str:
    """The state as text."""
    window = _fields(state.window)
    data = {**_fields(state), "window": window}
    for lane in _LINES:
        data[lane] = ";".join([_row(ticket) for ticket in data[lane]])
    body = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f"{FORMAT} {_checksum(body)} {body}"


def check_time(written: float, now: float) -> None:
    """Whether what was written at one moment can be used at another, on one clock.

    Raises:
        Unreadable: it is from the future: the clock is another one, or was set back.
    """
    if written > now + _AHEAD:
        raise Unreadable("written by another clock")


def from_text(text: str) -> QuotaState:
    """The inverse of `to_text`.

    Raises:
        Unreadable: it is no state.
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


# There may be hundreds of tickets, and all but the newest are as they were: so each is written and read once.


@lru_cache(maxsize=2048)
def _row(ticket: Ticket) -> str:
    return f"{ticket.number},{ticket.arrival},{ticket.since!r},{ticket.front:d},{ticket.heartbeat!r}"


@lru_cache(maxsize=2048)
def _ticket(lane: Lane, row: str) -> Ticket:
    number, arrival, since, front, heartbeat = row.split(",")
    beat = None if heartbeat == "None" else float(heartbeat)
    return Ticket(int(number), lane, int(arrival), float(since), front == "1", beat)


def _checksum(body: str) -> str:
    return f"{crc32(body.encode()):08x}"
