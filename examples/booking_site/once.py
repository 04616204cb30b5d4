"""A form that is sent twice acts once: the second click is led to where the first one went."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from fastapi import HTTPException
from fastapi.responses import RedirectResponse

from sessions_us import SessionsError

from .diary import Diary
from .troubles import is_uncertain


def nonce() -> str:
    """For the hidden field `once` of a new form."""
    return secrets.token_urlsafe(12)


def kept(sent: str) -> str:
    """The form's own, for showing it again; a new one in place of one that is none."""
    return sent if _is_nonce(sent) else nonce()


def _is_nonce(sent: str) -> bool:
    return 8 <= len(sent) <= 64


async def once(diary: Diary, sent: str, act: Callable[[], Awaitable[str]], *, uncertain: str) -> RedirectResponse:
    """Acts, unless the same form was sent before.

    A browser whose visitor clicks again gives up its first request. A write that was sent goes on to its end all the same, for
    the second click to find; one that still waits for the quota leaves the queue, and the second click takes over.

    Args:
        diary: shared by all workers, so it does not matter which of them gets the second click.
        sent: the form's nonce.
        act: does it, and says where to go.
        uncertain: where to go when nobody can tell whether it worked; the form is spent then.

    Raises:
        SessionsError: it failed and nothing happened; the form may be sent again.
        ValueError, TypeError: the client refused the arguments, before anything was sent; the form may be sent again.
        Exception: anything else, after which nobody can tell whether it worked.
        HTTPException: the first click is still being worked on.
    """
    if not _is_nonce(sent):
        raise HTTPException(400, "This form is incomplete. Please open it again.")
    while not await diary.claim(sent):
        try:
            location = await diary.outcome(sent)
        except TimeoutError:
            raise HTTPException(409, "This form was sent a moment ago and is still being worked on.") from None
        if location is not None:
            return RedirectResponse(location, 303)
    try:
        location = await act()
    except SessionsError as error:
        if not is_uncertain(error):
            await diary.release(sent)
            raise
        location = uncertain
    except (ValueError, TypeError):
        await diary.release(sent)
        raise
    except Exception:
        await diary.settle(sent, uncertain)
        raise
    await diary.settle(sent, location)
    return RedirectResponse(location, 303)
