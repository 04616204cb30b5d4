"""Notes of webhooks that takeaways or transcripts are ready, for the next run of an export."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from ..errors import ExportError
from ..webhooks import TakeawaysData, TranscriptsData, WebhookDelivery
from .statefile import connection

__all__ = ("note_webhook",)

_CHILDREN: Final[dict[type, str]] = {TakeawaysData: "takeaways", TranscriptsData: "transcripts"}


def note_webhook(state: str | os.PathLike[str], delivery: WebhookDelivery) -> bool:
    """Note in the state of an export that a session's takeaways or transcripts are ready: the next run asks for them.

    This sends no request. It may be called while an export runs, and from any process of the state's owner on the host.
    It blocks for a write to the disk, so call it in a thread from a coroutine:
    `await asyncio.to_thread(note_webhook, "sessions.state", delivery)`.

    Args:
        state: the state of an export of `sessions`.
        delivery: a delivery of TAKEAWAY_READY or TRANSCRIPT_READY. Others are ignored.

    Returns:
        Whether it was noted.

    Raises:
        ExportError: there is no such state, or it can't be written.
    """
    name = _CHILDREN.get(type(delivery.data))
    if not isinstance(delivery.data, TakeawaysData | TranscriptsData) or name is None:
        return False
    path = Path(state).absolute()
    if not path.exists():
        raise ExportError(f"there is no state {path}: export sessions first")
    try:
        with closing(connection(path)) as db:
            db.execute("INSERT OR IGNORE INTO notices VALUES ('sessions', ?, ?)", (delivery.data.session_id, name))
    except sqlite3.Error as error:
        raise ExportError(f"the state {path} can't be used: {error}") from error
    return True
