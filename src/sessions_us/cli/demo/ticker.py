"""Print a line for each request of one client, from its events."""

from __future__ import annotations

import re
from collections import defaultdict, deque

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ...client import GuestClient, UserClient
from ...events import ClientEvent, RequestGranted, RequestQueued, RequestSent, ResponseReceived, SchemaDrift

__all__ = ("Ticker", "print_headings")

_UUID = re.compile(r"([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_WORTH_SAYING = 0.5  # seconds


class Ticker:
    """Prints and counts requests.

    Args:
        role: name of the client in the lines.
        console: receives the lines.

    Attributes:
        client: the client whose quota the lines show. Set it before the first request.
        sent: number of requests.
        refused: number of 429s.
        waited: seconds spent waiting for the quota, all requests together.
        surprises: number of undocumented things in answers.
    """

    def __init__(self, role: str, console: Console) -> None:
        self.client: UserClient | GuestClient | None = None
        self.sent: int = 0
        self.refused: int = 0
        self.waited: float = 0.0
        self.surprises: int = 0
        self._role = role
        self._console = console
        self._granted = 0.0
        self._waits: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def on_event(self, event: ClientEvent) -> None:
        match event:
            case RequestQueued(expected_wait=float(seconds), operation=operation) if seconds >= _WORTH_SAYING:
                self.remark(f"{operation} waits for the next window, at least {seconds:.1f} s")
            case RequestGranted(waited=seconds):
                self._granted = seconds  # sending follows at once, in the same step of the event loop
            case RequestSent(method=method, path=path):
                self.sent += 1
                self.waited += self._granted
                self._waits[method, path].append(self._granted)
            case ResponseReceived(method=method, path=path, status_code=status):
                self.refused += status == 429
                self._line(method, path, status, self._waits[method, path].popleft())
            case SchemaDrift(operation=operation, field=field, problem=problem):
                self.surprises += 1
                self.remark(f"{operation}: {problem} at {field or 'the top'}")
            case _:
                pass

    def _line(self, method: str, path: str, status: int, waited: float) -> None:
        left, resets = "?", "?"
        if self.client is not None:
            quota = self.client.quota.snapshot()
            left = f"{quota.remaining}/{quota.limit}"
            resets = "?" if quota.resets_in is None else f"{quota.resets_in:.1f} s"
        short = _UUID.sub(r"\1…", path)
        head, tail = f"{self._role:<5} {method:<6} {short}", _columns(str(status), f"{waited:.1f} s", left, resets)
        colour = "green" if status < 300 else "red" if status == 429 or status >= 500 else "yellow"
        room = self._console.width - len(head) - len(tail)
        if room >= 0:
            self._console.print(Text.assemble(head, " " * room, (tail, colour)))
        else:  # a narrow terminal
            self._console.print(Text(head))
            self.remark(f"{status}, waited {waited:.1f} s, {left} left, resets in {resets}", colour)

    def remark(self, text: str, style: str = "dim") -> None:
        """Print a remark under the requests."""
        self._console.print(Padding(Text(text, style), (0, 0, 0, 7), expand=False))


def print_headings(console: Console) -> None:
    """Print the headings of the lines, if there is room for columns."""
    tail = _columns("status", "waited", "left", "reset")
    room = console.width - len(tail)
    if room > 40:
        console.print(Text(f"{'key   request':<{room}}{tail}", "dim"))


def _columns(status: str, waited: str, left: str, resets: str) -> str:
    return f" {status:>6}  {waited:>6}  {left:>5}  {resets:>6}"
