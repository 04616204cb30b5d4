"""Run the demo: the client at work on a sandbox, with every request and a summary at the end."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...client import GuestClient, UserClient
from ...quota import Quota
from ...sandbox import Sandbox
from .story import CHAPTERS, Unexpected
from .ticker import Ticker, print_headings

if TYPE_CHECKING:
    from ...sandbox import HeaderFamily, ReceivedRequest

__all__ = ("least_time", "play", "run")

_WHY_LONGER = (
    "If a server sends the reset in whole seconds, the client waits for the latest moment that this can mean: "
    "much of a window of seconds, little of the API's minute."
)


def run(*, window: float, limit: int, headers: HeaderFamily) -> list[str]:
    """Start a sandbox on a free port of this machine and run the story there.

    Args:
        window: seconds of the sandbox's window.
        limit: requests that each key may send in a window.
        headers: the family of the rate-limit headers.

    Returns:
        Failures, one line each.
    """

    async def main() -> list[str]:
        async with Sandbox(limit=limit, window=window, headers=headers) as sandbox:
            return await play(sandbox, Console(highlight=False), window=window, limit=limit)

    return asyncio.run(main())


async def play(sandbox: Sandbox, console: Console, *, window: float, limit: int) -> list[str]:
    """Run the story at a running sandbox.

    Returns:
        Failures: an error, a 429, or a difference between the numbers of sent and received requests.
    """
    console.print(Text(f"A sandbox at {sandbox.url} allows each key {limit} requests in {window:g} s.", "bold"))
    users, guests = Ticker("user", console), Ticker("guest", console)
    problems: list[str] = []
    started = time.monotonic()
    # Each key has a window of its own, so each client gets its own Quota: one object for both would mean one for both.
    async with (
        UserClient(
            sandbox.user_key, base_url=sandbox.url, quota=Quota(limit=limit, window=window), on_event=users.on_event
        ) as user,
        GuestClient(
            sandbox.guest_key, base_url=sandbox.url, quota=Quota(limit=limit, window=window), on_event=guests.on_event
        ) as guest,
    ):
        users.client, guests.client = user, guest
        for number, (title, chapter) in enumerate(CHAPTERS.items(), 1):
            console.print()
            console.print(Text(f"{number}. {title}", "bold"))
            print_headings(console)
            try:
                await chapter(user, guest, lambda line: users.remark(f"- {line}", "cyan"))
            except Exception as error:  # the summary below must be shown after any error
                kind = "" if isinstance(error, Unexpected) else f"{type(error).__name__}: "
                problems.append(f"chapter {number}: {kind}{error}")
                break
    taken = time.monotonic() - started

    received = sandbox.requests
    sent, refused = users.sent + guests.sent, sum(request.status == 429 for request in received)
    if refused:
        problems.append(f"the sandbox answered 429 {refused} times")
    if len(received) != sent:
        problems.append(f"the client sent {sent} requests, and the sandbox received {len(received)}")
    if users.surprises or guests.surprises:
        problems.append(f"answers were not as described in {users.surprises + guests.surprises} places")
    least = least_time([users.sent, guests.sent], limit, window)
    console.print()
    console.print(_account(users, guests, received, taken=taken, least=least))
    console.print()
    console.print(Text(_WHY_LONGER, "dim"))
    return problems


def _account(
    users: Ticker, guests: Ticker, received: Sequence[ReceivedRequest], *, taken: float, least: float
) -> Table:
    """Return the requests that the clients reported, those that the sandbox received, and the duration in seconds."""
    arrived = [sum(request.key_role == role for request in received) for role in ("user", "guest")]
    refused = sum(request.status == 429 for request in received)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for heading in ("user", "guest", "both"):
        table.add_column(heading, justify="right")
    table.add_row("requests sent", str(users.sent), str(guests.sent), str(users.sent + guests.sent))
    table.add_row("received by the sandbox", *map(str, arrived), str(len(received)))
    table.add_row("429s", str(users.refused), str(guests.refused), str(refused))
    table.add_row("waited for the quota", f"{users.waited:.1f} s", f"{guests.waited:.1f} s", "")
    table.add_row("time taken", "", "", f"{taken:.1f} s")
    table.add_row("least that the window allows", "", "", f"{least:.1f} s")
    return table


def least_time(sent: Iterable[int], limit: int, window: float) -> float:
    """Return the least number of seconds for a number of requests per key."""
    # A key's first request opens its window, which lets `limit` through; after that each further `limit` needs one more
    # window to be over. The keys' windows run side by side, so the busiest key decides.
    return max((math.ceil(count / limit) - 1) * window for count in sent if count) if any(sent) else 0.0
