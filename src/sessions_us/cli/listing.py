"""`sessions-us list`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from .access import KeyFile, MaxWait, QuotaStore, budget, connect, user_key
from .options import duration_of, one_of
from .output import AsJson, Fields, Output, OutputOption, columns_of, form_of, picked, print_all, print_rows, screen
from .resources import SHOWN, Listing, Position, batches
from .table import values_at
from .waiting import Waiting

__all__ = ("AsJson", "list_")

_LIMIT = 20
"""The rows of one request."""


def list_(
    resource: Annotated[Listing, one_of(Listing)],
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of the session or booking page it belongs to.")
    ] = None,
    json: AsJson = None,
    output: OutputOption = None,
    fields: Fields = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many rows. [default: 20]")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All rows: a request for each 20 of them, and one or two more.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT|DURATION",
            help="Only rows that start (or, without a start, were created) since then: 2026-01-31, 7d. The API can't "
            "filter, so this saves no request.",
        ),
    ] = None,
    page: Annotated[int | None, typer.Option(min=0, metavar="N", help="Begin with this page.")] = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="TEXT", help="Go on where an earlier list stopped, as it told.")
    ] = None,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
    max_wait: MaxWait = None,
) -> None:
    """List sessions, bookings, …

    A request reads 20 rows of sessions, bookings, booking-pages, rooms or events, and these are shown; --all or --limit read
    more. With an id, the command lists what belongs to one session (participants, transcripts, takeaways) or to one booking
    page (bookings, collaborators).

    NDJSON has the rows as the server sent them, and is printed page by page. The rows read before an error or Ctrl-C are
    shown.

    \b
    Examples:
      sessions-us list sessions
      sessions-us list sessions --limit 5 --table
      sessions-us list bookings --all --json | jq -r .participantEmail
      sessions-us list bookings --since 7d -o csv --fields startAt,participantName
      sessions-us list participants 5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3
    """
    key = user_key(key_file)
    form = form_of(json, output)
    after = None if since is None else _moment(since)
    most = None if everything else limit or _LIMIT
    _exclude(
        {"--all": everything, "--limit": limit is not None},
        {"--page": page is not None, "--cursor": cursor is not None},
    )
    position = Position(cursor if page is None else page)

    async def read() -> None:
        rows: list[Any] = []
        count = 0
        streams = form is Output.NDJSON
        waiting = Waiting(f"reading {resource}")
        async with connect(key, budget(quota_store), on_event=waiting.on_event, max_wait=max_wait) as user:
            try:
                with waiting:
                    async for batch in batches(user, resource, id, position):
                        found = [row for row in batch if after is None or _is_since(row, after)]
                        part = found if most is None else found[: most - count]
                        if len(part) < len(found):
                            position.after = None  # the next page would leave the others out
                        # A server that echoes the key must not put it into a file.
                        rows += (shown := picked([key.redact_json(row) for row in part], fields))
                        count += len(part)
                        waiting.doing = f"reading {resource}, {count} rows"
                        if streams:
                            with waiting.hidden():
                                print_rows(shown)
                            rows.clear()
                        if count == most:
                            break
            finally:
                if rows or form in {Output.JSON, Output.CSV}:
                    print_all(rows, form, columns_of(fields, SHOWN[resource].columns))
        if not count and form is Output.TABLE:
            screen().print(Text(f"No {resource}."))
        if count == most and position.may_go_on and (limit is None or position.after is not None):
            waiting.note(_more(count, position))

    asyncio.run(read())


def _exclude(*pairs: Mapping[str, bool]) -> None:
    for pair in pairs:
        if all(pair.values()):
            raise ValueError(f"{' and '.join(pair)} exclude each other")


def _more(count: int, position: Position) -> str:
    """Return what to say of rows that were not read."""
    cost = f"{count} rows, and more may follow; --all costs one request for each 20 and two to be sure of the end"
    return cost if position.after is None else f"{cost}; --cursor {position.after} goes on here"


def _moment(text: str) -> datetime:
    """Return the moment of `--since`.

    Raises:
        ValueError: it is none.
    """
    duration = duration_of(text)
    if duration is not None:
        return datetime.now(UTC) - duration
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--since {text} is neither a date such as 2026-01-31 nor a duration such as 7d") from None
    return moment if moment.tzinfo else moment.astimezone()


def _is_since(row: Any, after: datetime) -> bool:
    """Return whether a row starts since a moment. One without a date does."""
    for path in _DATES:
        for text in values_at(row, path):
            try:
                return datetime.fromisoformat(text).astimezone(UTC) >= after
            except (TypeError, ValueError, OverflowError):
                continue
    return True


_DATES: Sequence[Sequence[str]] = (("startAt",), ("session", "startAt"), ("sourceTimestamp",), ("createdAt",))
