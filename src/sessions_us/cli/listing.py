"""`sessions-us list`."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from .access import KeyFile, MaxWait, QuotaStore, budget, connect, user_key
from .output import Form, print_rows, screen, wants_json
from .resources import SHOWN, Listing, batches
from .table import table
from .waiting import Waiting

__all__ = ("AsJson", "list_")

AsJson = Annotated[
    Form, typer.Option("--json/--table", help="NDJSON or a table; by default a table on a terminal, else NDJSON.")
]


def list_(
    resource: Annotated[Listing, typer.Argument(metavar="RESOURCE", help=f"One of {', '.join(Listing)}.")],
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of the session or booking page it belongs to.")
    ] = None,
    json: AsJson = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many rows.")] = None,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """List sessions, bookings, …

    A request reads 20 rows of sessions, bookings, booking-pages, rooms or events. With an id, the command lists what belongs
    to one session (participants, transcripts, takeaways) or to one booking page (bookings, collaborators).

    NDJSON has the rows as the server sent them, and is printed page by page. The rows read before an error or Ctrl-C are
    shown.

    \b
    Examples:
      sessions-us list sessions
      sessions-us list sessions --limit 5 --table
      sessions-us list bookings --json | jq -r .participantEmail
      sessions-us list participants 5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3
    """
    key = user_key(key_file)
    as_json = wants_json(json)

    async def read() -> None:
        rows: list[Any] = []
        count = 0
        waiting = Waiting(f"reading {resource}", quiet=as_json and sys.stdout.isatty())
        async with connect(key, budget(quota_store), on_event=waiting.on_event, max_wait=max_wait) as user:
            try:
                with waiting:
                    async for batch in batches(user, resource, id):
                        # A server that echoes the key must not put it into a file.
                        part = [key.redact_json(row) for row in batch[: None if limit is None else limit - count]]
                        count += len(part)
                        waiting.doing = f"reading {resource}, {count} rows"
                        if as_json:
                            print_rows(part)
                        else:
                            rows += part
                        if count == limit:
                            break
            finally:
                if rows:
                    console = screen()
                    console.print(table(SHOWN[resource].columns, rows, console.width))
        if not count and not as_json:
            screen().print(Text(f"No {resource}."))

    asyncio.run(read())
