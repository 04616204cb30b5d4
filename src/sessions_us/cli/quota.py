"""`sessions-us quota`."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from attrs import asdict
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..errors import RateLimitedError
from .access import KeyFile, MaxWait, QuotaStore, budget, connect, user_key
from .options import a_number
from .output import AsJson, print_rows, require_output, screen, wants_json
from .waiting import Waiting

if TYPE_CHECKING:
    from ..client import UserClient
    from ..quota import QuotaSnapshot

__all__ = ("quota",)

_CHEAP = "/api/rooms"  # the list with the fewest and shortest rows


def quota(
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option(min=0.1, max=3600, callback=a_number, help="Seconds between two looks of --watch.")
    ] = 1.0,
    json: AsJson = None,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """Show the remaining quota, and how many requests wait.

    Only an answer of the server has the quota, so this costs one request, and --watch one at the start of each window. With
    --quota-store it costs none: the quota is read from the store.

    \b
    Examples:
      sessions-us quota
      sessions-us quota --watch --quota-store ~/.cache/sessions-us.db
      SESSIONS_QUOTA_STORE=redis://cache.example.com sessions-us quota --json
    """
    require_output()
    key, own = user_key(key_file), budget(quota_store)
    shared = own.store is not None
    as_json = wants_json(json)

    async def show() -> None:
        waiting = Waiting("asking")
        async with connect(key, own, on_event=waiting.on_event, max_wait=max_wait) as user:
            if not watch:
                with waiting:
                    snapshot = await _look(user, asks=not shared)
                if as_json:
                    print_rows([_row(snapshot)])
                else:
                    screen().print(_panel(snapshot, shared=shared))
            elif as_json:
                async for snapshot in _looks(user, every, asks=not shared):
                    print_rows([_row(snapshot)])
            else:
                with Live(console=screen(), auto_refresh=False) as live:
                    async for snapshot in _looks(user, every, asks=not shared):
                        live.update(_panel(snapshot, shared=shared), refresh=True)

    with contextlib.suppress(KeyboardInterrupt) if watch else contextlib.nullcontext():
        asyncio.run(show())


async def _look(user: UserClient, *, asks: bool) -> QuotaSnapshot:
    if asks:
        with contextlib.suppress(RateLimitedError):  # that nothing is left is an answer too
            await user.request("GET", _CHEAP)
        return user.quota.snapshot()
    return await user.quota.refresh()


async def _looks(user: UserClient, every: float, *, asks: bool) -> AsyncIterator[QuotaSnapshot]:
    while True:
        snapshot = await _look(user, asks=asks)
        yield snapshot
        if asks:
            # Until the window is over nothing but the clock changes.
            while snapshot.resets_in is not None and snapshot.resets_in > every:
                await asyncio.sleep(every)
                snapshot = user.quota.snapshot()
                yield snapshot
            await asyncio.sleep(snapshot.window if snapshot.resets_in is None else snapshot.resets_in)
        else:
            await asyncio.sleep(every)


def _row(snapshot: QuotaSnapshot) -> dict[str, Any]:
    return {**asdict(snapshot), "waiting": dict(snapshot.waiting)}


def _panel(snapshot: QuotaSnapshot, *, shared: bool) -> Table:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column()
    left = Table.grid(padding=(0, 1))
    left.add_row(
        Text(f"{snapshot.remaining} of {snapshot.limit}"),
        ProgressBar(total=snapshot.limit, completed=snapshot.remaining, width=20),
    )
    rows.add_row("left", left)
    more = "unknown" if snapshot.resets_in is None else f"in {math.ceil(snapshot.resets_in)} s"
    rows.add_row("more", Text(f"{more} (a window is {snapshot.window:g} s)"))
    waiting = ", ".join(f"{count} {lane}" for lane, count in snapshot.waiting.items())
    rows.add_row("waiting", Text(waiting))
    rows.add_row("in flight", Text(str(snapshot.in_flight)))
    if not shared:
        rows.add_row("seen by", Text("this process alone, since its last request"))
    return rows
