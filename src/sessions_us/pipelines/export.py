"""The job: every row of the lists that were asked for, each once in the sink, whatever happens on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from ..client import UserClient
from ..events import ClientEvent
from .report import ExportReport
from .sink import Sink

__all__ = ("export",)


async def export(
    client: UserClient,
    resources: Sequence[str],
    sink: Sink,
    *,
    state: str | os.PathLike[str],
    children: bool = True,
    on_event: Callable[[ClientEvent], None] | None = None,
) -> ExportReport:
    """Exports lists, with what belongs to their rows. Stopped at any point, the same call goes on.

    Every request goes in the background lane, so that it never stands before interactive work. Rows are as the server sent
    them, by wire names, with what belongs to them nested: `participants`, `transcripts` and `takeaways` in sessions,
    `bookings` and `collaborators` in booking pages.

    Run again after its end, it brings the sink up to date: new and changed rows are written, and what belongs to a session
    that had ended is not fetched again. Rows that the server does not have any more stay in the sink and are told.

    Args:
        client: whose key may read them.
        resources: names from `RESOURCES`: `booking_pages`, `bookings`, `rooms`, `sessions`, `events`.
        sink: where the rows go.
        state: path of the file that remembers how far the job is (SQLite). It belongs to this job alone, and holds rows that
            wait for the sink, so it is made for its owner alone.
        children: also read what belongs to each row, which costs requests for each: three for a session.
        on_event: hears `ExportProgress`, at once, so it must be quick. What it raises is logged.

    Returns:
        What was done, and what came and went meanwhile.

    Raises:
        ValueError: an unknown resource, or none.
        ExportError: the state or the sink is damaged, full, read-only, in use by another process or of another job.
        SessionsError: what a request raises. What was read until then is kept.
        asyncio.CancelledError: what was read until then is kept.
    """
    raise NotImplementedError
