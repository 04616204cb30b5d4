"""Show the current activity: one line on a terminal's stderr with what is read and the current wait."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from ..events import ClientEvent, RequestGranted, RequestQueued, RetryScheduled, StoreRecovered, StoreUnavailable
from .output import screen
from .text import one_line

__all__ = ("Waiting",)

_WORTH_SAYING = 1.0  # seconds


class Waiting:
    """Shows a line while it is entered, on a terminal only. Elsewhere it only reports a failure of the quota's store.

    Args:
        doing: the current activity.

    Attributes:
        doing: the current activity; may be set.
        shown: whether the line is shown.
    """

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self._why = ""
        self._until: float | None = None
        self._console = screen(stderr=True)
        self.shown: bool = sys.stderr.isatty()
        self._live = Live(console=self._console, get_renderable=self.__rich__, transient=True, refresh_per_second=4)

    def on_event(self, event: ClientEvent) -> None:
        """For a client's `on_event`."""
        match event:
            case RequestQueued(expected_wait=seconds) if seconds is None or seconds > _WORTH_SAYING:
                self._wait("the quota", seconds)
            case RetryScheduled(delay=seconds, reason=reason) if seconds > _WORTH_SAYING:
                self._wait(f"another attempt after {reason}", seconds)
            case RequestGranted():
                self._why = ""
            case StoreUnavailable(store=store, reason=reason):
                self.note(f"the quota's store {store} can't be used ({reason})")
            case StoreRecovered(store=store):
                self.note(f"the quota's store {store} can be used again")
            case _:
                pass

    def _wait(self, why: str, seconds: float | None) -> None:
        self._why = why
        self._until = None if seconds is None else time.monotonic() + seconds

    def note(self, text: str) -> None:
        """Print a line; on a terminal, above the shown line."""
        self._console.print(Text(f"sessions-us: {one_line(text)}"), soft_wrap=True)

    @property
    def waits(self) -> str:
        """The current wait and its length; empty if there is none."""
        left = 0.0 if self._until is None else self._until - time.monotonic()
        return self._why and f"waiting for {self._why}" + (f", {math.ceil(left)} s" if left > 0 else "")

    def __rich__(self) -> RenderableType:
        return Text(", ".join(filter(None, (self.doing, self.waits))), "dim", no_wrap=True, overflow="ellipsis")

    def stop(self) -> None:
        """Remove the line."""
        self._live.stop()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Remove the line while something else is printed on its terminal."""
        self._live.stop()
        yield
        self.__enter__()

    def __enter__(self) -> Self:
        if self.shown:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
