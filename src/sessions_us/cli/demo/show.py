"""The command `sessions-us demo`: the client at work on a sandbox, every request shown, and the account at the end."""

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

from sessions_us.client import GuestClient, UserClient
from sessions_us.quota import Quota
from sessions_us.sandbox import Sandbox

from .story import CHAPTERS, Unexpected
from .ticker import Ticker, print_headings

if TYPE_CHECKING:
    from sessions_us.sandbox import HeaderFamily, ReceivedRequest

__all__ = ("least_time", "run", "tell")

_WHY_LONGER = (
    "Where a server tells the reset in whole seconds, the client waits until the last moment that it may mean: "
    "much of a window of seconds, little of the API's minute."
)


def run(*, window: float, limit: int, headers: HeaderFamily) -> list[str]:
    """Starts a sandbox on a free port of this machine and tells the story there.

    Args:
        window: seconds of the sandbox's window.
        limit: requests that each key may send in a window.
        headers: the family of the rate-limit headers.

    Returns:
        What went wrong, a line each.
    """

    async def main() -> list[str]:
        async with Sandbox(limit=limit, window=window, headers=headers) as sandbox:
            return await tell(sandbox, Console(highlight=False), window=window, limit=limit)

    return asyncio.run(main())


async def tell(sandbox: Sandbox, console: Console, *, window: float, limit: int) -> list[str]:
    """Tells the story at a running sandbox.

    Returns:
        What went wrong: an error, a 429, or a sandbox that received another number of requests than the client sent.
    """
    console.print(Text(f"A sandbox at {sandbox.url} allows each key {limit} requests in {window:g} s.", "bold"))
    users, guests = Ticker("user", console), Ticker("guest", console)
    problems: list[str] = []
    started = time.monotonic()
    # Each key has a window of its own, so each client gets its own Quota: one object for both would mean one for both.
    async with (
        UserClient(
            sandbox.user_key, base_url=sandbox.url, quota=Quota(limit=limit, window=window), on_event=users.hear
        ) as user,
        GuestClient(
            sandbox.guest_key, base_url=sandbox.url, quota=Quota(limit=limit, window=window), on_event=guests.hear
        ) as guest,
    ):
        users.client, guests.client = user, guest
        for number, (title, chapter) in enumerate(CHAPTERS.items(), 1):
            console.print()
            console.print(Text(f"{number}. {title}", "bold"))
            print_headings(console)
            try:
                await chapter(user, guest, lambda line: users.say(f"- {line}", "cyan"))
            except Exception as error:  # whatever it is, the account below has to be shown
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
    """What was sent as the clients told it, what arrived as the sandbox saw it, and how long it took, in seconds."""
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
    """Seconds in which so many requests per key can be sent at best."""
    # A key's first request opens its window, which lets `limit` through; after that each further `limit` needs one more
    # window to be over. The keys' windows run side by side, so the busiest key decides.
    return max((math.ceil(count / limit) - 1) * window for count in sent if count) if any(sent) else 0.0
