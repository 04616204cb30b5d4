"""The life of a session: planned, live, over. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

from .records import SessionRecord, Utterance

Phase = Literal["planned", "live", "over"]

_LINES = (
    "Good morning, everyone.",
    "Shall we start with the agenda?",
    "I will send the notes.",
    "Thanks, see you next week.",
)


def phase(session: SessionRecord) -> Phase:
    """Return where a session is in its life."""
    if session.ended_at is not None:
        return "over"
    return "planned" if session.actual_start is None else "live"


def notes(session: SessionRecord) -> str:
    """Return takeaways for a session that ended."""
    return f"{session.name}: we agreed on the next steps.\nEverybody got one of them."


def spoken(session: SessionRecord, start: datetime, end: datetime, lines: Iterable[str] = _LINES) -> list[Utterance]:
    """Return what the participants of a session said, one after the other: nothing if nobody is in it."""
    said = list(lines if session.participants else ())
    step = min(timedelta(seconds=20), (end - start) / (len(said) + 1))
    speakers = session.participants
    return [
        Utterance(speakers[number % len(speakers)].id, start + step * (number + 1), line)
        for number, line in enumerate(said)
    ]


class Agenda:
    """The moments at which sessions start and end by their plans.

    A moment is kept when a plan changes, and looked at when it comes: the session may have another plan by then.
    """

    def __init__(self) -> None:
        self._moments: list[tuple[datetime, int, str]] = []
        self._number = 0
        self.on_change: Callable[[], object] | None = None

    @property
    def next(self) -> datetime | None:
        """The earliest moment; None if there is none."""
        return self._moments[0][0] if self._moments else None

    def add(self, moment: datetime, session_id: str) -> None:
        """Keep a moment at which to look at a session. `on_change` is called if it is the earliest."""
        self._number += 1
        heapq.heappush(self._moments, (moment, self._number, session_id))
        if self.on_change is not None and self._moments[0][1] == self._number:
            self.on_change()

    def due(self, now: float) -> Iterator[tuple[datetime, str]]:
        """Give out the moments that have come, in order, those that are added meanwhile included.

        Args:
            now: seconds since the epoch, compared as an alarm compares them: as a date, which is rounded, it could lie before
                a moment whose alarm has rung.
        """
        while self._moments and self._moments[0][0].timestamp() <= now:
            moment, _, session_id = heapq.heappop(self._moments)
            yield moment, session_id

    def clear(self) -> None:
        """Forget all moments."""
        self._moments.clear()
