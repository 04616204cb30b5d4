"""A ledger as the text that a store keeps. Pure.

`1 <checksum> <JSON>`. A text of another format, or one that was damaged, is no ledger.
"""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import attrs

from sessions_us.quota.ledger import Ledger, Ticket
from sessions_us.quota.window import Flight, Sample, Window

__all__ = ("FORMAT", "Unreadable", "check_time", "from_text", "to_text")

FORMAT = 1
_AHEAD = 5.0  # seconds; a ledger from further in the future was written by another clock, or before it was set back
_FLIGHTS, _LINES, _STAMPS = "flights", ("interactive", "background"), ("doubts", "log")


class Unreadable(ValueError):
    """The text is no ledger; the message says why, and quotes nothing of it."""


def to_text(ledger: Ledger) -> str:
    """The ledger as text."""
    window = attrs.asdict(ledger.window, recurse=False)
    window[_FLIGHTS] = [attrs.astuple(flight, recurse=False) for flight in ledger.window.flights]
    window["sample"] = None if ledger.window.sample is None else attrs.astuple(ledger.window.sample, recurse=False)
    data = {**attrs.asdict(ledger, recurse=False), "window": window}
    for lane in _LINES:
        data[lane] = [_row(ticket) for ticket in data[lane]]
    body = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f"{FORMAT} {_checksum(body)} {body}"


def check_time(written: float, now: float) -> None:
    """Whether what was written at one moment can be used at another, on one clock.

    Raises:
        Unreadable: it is from the future: the clock is another one, or was set back.
    """
    if written > now + _AHEAD:
        raise Unreadable("written by another clock")


def from_text(text: str) -> Ledger:
    """The inverse of `to_text`.

    Raises:
        Unreadable: it is no ledger.
    """
    head, checksum, body = (*text.split(" ", 2), "", "")[:3]
    if head != str(FORMAT):
        raise Unreadable("another format")
    if checksum != _checksum(body):
        raise Unreadable("damaged")
    try:
        data: dict[str, Any] = json.loads(body)
        window = data.pop("window")
        window[_FLIGHTS] = tuple(Flight(*flight) for flight in window[_FLIGHTS])
        window["sample"] = window["sample"] and Sample(*window["sample"])
        for stamps in _STAMPS:
            window[stamps] = tuple(window[stamps])
        for lane in _LINES:
            data[lane] = tuple(Ticket(*row) for row in data[lane])
        return Ledger(window=Window(**window), **data)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise Unreadable(f"another format: {type(problem).__name__}") from None


def _row(ticket: Ticket) -> tuple[object, ...]:
    # Not attrs.astuple, which takes ten times as long: there may be a thousand of them.
    return ticket.number, ticket.lane, ticket.arrival, ticket.since, ticket.front, ticket.heartbeat


def _checksum(body: str) -> str:
    return f"{crc32(body.encode()):08x}"
