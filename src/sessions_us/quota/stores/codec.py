"""Convert a state to the text that a store keeps, and back. Pure.

The text is `3 <checksum> <JSON>`, with one more line of JSON for each ticket. Text of another format, or damaged text, is
refused.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from zlib import crc32

from ..rules.stamps import stamps_of
from ..rules.state import QuotaState, Ticket
from ..rules.window import InFlight, Reading, Window

__all__ = ("FORMAT", "Unreadable", "from_text", "to_text")

FORMAT = 3  # raise it when a field changes


class Unreadable(ValueError):
    """The text is not a state. The message says why, and quotes nothing of it."""


def to_text(state: QuotaState) -> str:
    """Convert a state to text."""
    head = {**state._asdict(), "window": state.window._asdict(), "waiting": ()}
    body = "\n".join([_json(head), *[_row(ticket) for ticket in state.waiting]])
    return f"{FORMAT} {_checksum(body)} {body}"


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
        first, *rows = body.split("\n")
        data: dict[str, Any] = json.loads(first)
        data["waiting"] = tuple([_ticket(row) for row in rows])
        window = data["window"]
        window["reading"] = window["reading"] and Reading(*window["reading"])
        window["flights"] = tuple([InFlight(*row) for row in window["flights"]])
        window["unconfirmed"], window["log"] = stamps_of(window["unconfirmed"]), stamps_of(window["log"])
        return QuotaState(**{**data, "window": Window(**window)})
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise Unreadable(f"another format: {type(problem).__name__}") from None


def _json(value: object) -> str:
    return json.dumps(value, default=list, separators=(",", ":"), allow_nan=False)  # `default` is for stamps


# There may be hundreds of tickets, and few of them change. So each is converted once.


@lru_cache(maxsize=2048)
def _row(ticket: Ticket) -> str:
    return _json(ticket)


@lru_cache(maxsize=2048)
def _ticket(row: str) -> Ticket:
    return Ticket(*json.loads(row))


def _checksum(body: str) -> str:
    return f"{crc32(body.encode()):08x}"
