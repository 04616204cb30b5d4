"""What visitors are told when a call fails: what they can do about it, and nothing of what the API said."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException

from sessions_us import DecodeError, SessionsError, TransportError
from sessions_us.fastapi import problem_of

_WORDS = {
    400: ("Not accepted", "These details were not accepted. Please check them."),
    404: ("Not found", "It is not there, or not there any more."),
    409: ("Not possible any more", "Something changed in the meantime. Please look again."),
    422: ("Not accepted", "These details were not accepted. Please check them."),
}
_OUT_OF_ORDER = ("Out of order", "Something behind this site is not working. Please try again later.")


@dataclass(frozen=True)
class Trouble:
    """An error as a page says it. `retry_after`: seconds until it is worth another try."""

    status: int
    title: str
    text: str
    retry_after: int | None = None


def explain(error: SessionsError | HTTPException) -> Trouble:
    """The words for an error. The status of a client's is what `sessions_us.fastapi` makes of it; the site's own have words."""
    if isinstance(error, HTTPException):
        return Trouble(error.status_code, "That did not work", error.detail)
    problem = problem_of(error)
    if problem.retry_after is not None:
        wait = "a second" if problem.retry_after == 1 else f"{problem.retry_after} seconds"
        text = f"Many people are here at the moment. Nothing was sent; please try again in {wait}."
        return Trouble(problem.status, "Busy right now", text, problem.retry_after)
    return Trouble(problem.status, *_WORDS.get(problem.status, _OUT_OF_ORDER))


def is_uncertain(error: SessionsError) -> bool:
    """Whether a write may have happened all the same."""
    return isinstance(error, DecodeError) or (isinstance(error, TransportError) and error.sent == "unknown")
