"""What visitors are told when a call fails: what they can do about it, and nothing of what the API said."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sessions_us import (
    BadRequestError,
    ConflictError,
    DecodeError,
    NotFoundError,
    QuotaTimeoutError,
    RateLimitedError,
    SessionsError,
    TransportError,
    UnprocessableEntityError,
)

_UNKNOWN_WAIT = 60  # seconds: the window that the API documents


@dataclass(frozen=True)
class Trouble:
    """An error as a page says it. `retry_after`: seconds until it is worth another try."""

    status: int
    title: str
    text: str
    retry_after: int | None = None


def explain(error: SessionsError) -> Trouble:
    """The words for an error of the client."""
    if isinstance(error, QuotaTimeoutError | RateLimitedError):
        wait = max(1, math.ceil(error.retry_after or _UNKNOWN_WAIT))
        text = f"Many people are here at the moment. Nothing was sent; please try again in {seconds(wait)}."
        return Trouble(503, "Busy right now", text, wait)
    if isinstance(error, NotFoundError):
        return Trouble(404, "Not found", "It is not there, or not there any more.")
    if isinstance(error, ConflictError):
        return Trouble(409, "Not possible any more", "Something changed in the meantime. Please look again.")
    if isinstance(error, BadRequestError | UnprocessableEntityError):
        return Trouble(422, "Not accepted", "These details were not accepted. Please check them.")
    if is_uncertain(error):
        return Trouble(502, "It may have worked", "The connection broke halfway. Please look before you try again.")
    return Trouble(502, "Out of order", "Something behind this site is not working. Please try again later.")


def is_uncertain(error: SessionsError) -> bool:
    """Whether a write may have happened all the same."""
    return isinstance(error, DecodeError) or (isinstance(error, TransportError) and error.sent == "unknown")


def seconds(number: int) -> str:
    return "a second" if number == 1 else f"{number} seconds"
