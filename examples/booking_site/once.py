"""A form that is sent twice acts once: the second click is led to where the first one went."""

from __future__ import annotations

import asyncio
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


_under_way: set[asyncio.Task[str]] = set()


async def once(diary: Diary, sent: str, act: Callable[[], Awaitable[str]], *, uncertain: str) -> RedirectResponse:
    """Acts, unless the same form was sent before.

    Args:
        diary: shared by all workers, so it does not matter which of them gets the second click.
        sent: the form's nonce.
        act: does it, and says where to go.
        uncertain: where to go when nobody can tell whether it worked; the form is spent then.

    Raises:
        SessionsError: it failed and nothing happened; the form may be sent again.
        HTTPException: the first click is still being worked on.
    """
    if not 8 <= len(sent) <= 64:
        raise HTTPException(400, "This form is incomplete. Please open it again.")
    if not await diary.claim(sent):
        location = await diary.outcome(sent)
        if location is None:
            raise HTTPException(409, "This form was sent a moment ago and is still being worked on.")
        return RedirectResponse(location, 303)
    # A browser that sends a form again gives up its first request. What that one began goes on, for the second to find.
    task = asyncio.create_task(_act(diary, sent, act, uncertain))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return RedirectResponse(await asyncio.shield(task), 303)


async def _act(diary: Diary, sent: str, act: Callable[[], Awaitable[str]], uncertain: str) -> str:
    try:
        location = await act()
    except SessionsError as error:
        if not is_uncertain(error):
            await diary.release(sent)
            raise
        location = uncertain
    await diary.settle(sent, location)
    return location
