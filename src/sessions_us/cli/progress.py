"""Show the progress of an export: a bar on a terminal's stderr, a line from time to time elsewhere."""

from __future__ import annotations

import math
import time

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..events import ClientEvent, ExportProgress
from .text import counted
from .waiting import Waiting

__all__ = ("ProgressLine", "duration", "summary")

_EVERY = 30.0  # seconds between two lines where there is no terminal
_STAGES = {
    "listing": "reading the list",
    "fetching": "reading what belongs to each row",
    "verifying": "reading the list again",
    "finishing": "finishing",
}


class ProgressLine(Waiting):
    """Shows rows, requests, time left and the current wait, from the events of the export and its client."""

    def __init__(self) -> None:
        self._last: ExportProgress | None = None
        self._at = 0.0
        self._said: tuple[str, float] | None = None
        super().__init__("starting")  # which looks at it once

    def on_event(self, event: ClientEvent) -> None:
        """For a client's and an export's `on_event`."""
        if not isinstance(event, ExportProgress):
            super().on_event(event)
            return
        self._last, self._at = event, time.monotonic()
        if not self.shown and (self._said is None or self._at >= self._said[1] + _EVERY):
            self._said = event.resource, self._at
            self.note(f"{event.resource}: {summary(event, event.seconds_left)}")

    def stopping(self) -> None:
        """Show that the rows read so far are being saved."""
        self.note("stopping, and saving what was read (Ctrl-C again stops at once)")

    def __rich__(self) -> RenderableType:
        event = self._last
        if event is None:
            return super().__rich__()
        left = None if event.seconds_left is None else max(0.0, event.seconds_left - (time.monotonic() - self._at))
        whole = None if event.requests_left is None else max(1, event.requests + event.requests_left)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(f"{event.resource}, {_STAGES[event.stage]}"),
            ProgressBar(total=whole, completed=event.requests, pulse=whole is None, width=20),
            Text("" if whole is None else f"{event.requests / whole:.0%}"),
        )
        line = summary(event, left) + (f"; {self.waits}" if self.waits else "")
        return Group(bar, Text(line, "dim"))


def summary(event: ExportProgress, left: float | None) -> str:
    """Return rows, requests and the time left in words."""
    rows = counted(event.done, "row") if event.total is None else f"{event.done} of {counted(event.total, 'row')}"
    parts = [rows, counted(event.requests, "request")] if event.requests else ["starting"]
    if event.requests_left is not None:
        parts.append(f"{event.requests_left if event.requests else counted(event.requests_left, 'request')} to go")
    if left is not None and left > 0:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration in words, rounded up to minutes."""
    minutes = math.ceil(seconds / 60)
    if minutes <= 1:
        return f"{math.ceil(seconds)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
