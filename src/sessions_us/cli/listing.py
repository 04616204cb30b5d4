"""`sessions-us list`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from attrs import define, field
from rich.text import Text

from ..errors import SessionsError
from ..keys import UserKey
from . import fail
from .access import KeyFile, MaxWait, QuotaStore, budget, connect, user_key
from .fields import Fields, columns_of, paths_of, picked, require_known
from .options import duration_of, one_of
from .output import AsJson, Output, OutputOption, form_of, note, print_all, print_rows, screen
from .resources import SHOWN, Listing, Position, batches, shape_of
from .statuses import failure
from .table import values_at
from .text import counted
from .waiting import Waiting

__all__ = ("AsJson", "list_")

_LIMIT = 20
"""The rows of one request."""
_COST = "--all costs a request for each 20, and one or two more"


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
        bool, typer.Option("--all", help="All rows: a request for each 20 of them, and up to two more.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT|DURATION",
            help="Of the rows that are read, only those that start (or, without a start, were created) since then: "
            "2026-01-31, 7d. The API can't filter, so this saves no request, and only --all finds every such row.",
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
      sessions-us list bookings --all --since 7d -o csv --fields startAt,participantName
      sessions-us list participants 5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3
    """
    key = user_key(key_file)
    form, paths = form_of(json, output), paths_of(fields)
    after = None if since is None else _moment(since)
    most = None if everything else limit or _LIMIT
    _exclude(
        {"--all": everything, "--limit": limit is not None},
        {"--page": page is not None, "--cursor": cursor is not None},
    )
    position = Position(page) if cursor is None else Position.at(cursor)
    shown = _Shown(resource, "" if since is None else f" since {since}", form, paths, key)

    async def read() -> None:
        on_event = shown.waiting.on_event
        async with connect(key, budget(quota_store), on_event=on_event, max_wait=max_wait) as user:
            await shown.show(_wanted(batches(user, resource, id, position), after, most, position))
        if position.may_go_on:
            read = f"{shown.count} of the {counted(position.read, 'row')} read"
            rows = counted(shown.count, "row") if after is None else read
            note(f"{rows}, and more may follow; {_COST}{_cursor(position)}")

    with _cursor_told(position):
        asyncio.run(read())


@define
class _Shown:
    """The rows of a list, shown page by page as NDJSON, in other forms all at the end.

    Attributes:
        resource: the list.
        part: which rows of the list, in words; empty: all.
        form: the form of the rows.
        paths: the chosen fields; none are all.
        key: is kept out of the rows, for a server that echoes it must not put it into a file.
        waiting: the line that says what is read.
        rows: the rows that are not shown yet.
        count: how many rows there were so far.
    """

    resource: Listing
    part: str
    form: Output
    paths: Sequence[str]
    key: UserKey = field(repr=False)
    waiting: Waiting = field(init=False, repr=False)
    rows: list[Any] = field(factory=list, repr=False)
    count: int = 0

    def __attrs_post_init__(self) -> None:
        self.waiting = Waiting(f"reading {self.resource}{self.part}")

    async def show(self, parts: AsyncIterator[list[Any]]) -> None:
        """Show the rows, also those that were read before an error.

        Raises:
            ValueError: there is no such field as one that was chosen; nothing is shown.
        """
        try:
            with self.waiting:
                async for part in parts:
                    self._take(part)
        except ValueError:
            raise
        except BaseException:
            self._show_rest()
            raise
        self._show_rest()
        if not self.count and self.form is Output.TABLE:
            screen().print(Text(f"No {self.resource}{self.part}."))

    def _take(self, part: list[Any]) -> None:
        if not self.count:
            require_known(self.paths, shape_of(self.resource), part)
        self.rows += [self.key.redact_json(row) for row in part]
        self.count += len(part)
        self.waiting.doing = f"reading {self.resource}{self.part}, {counted(self.count, 'row')}"
        if self.form is Output.NDJSON:
            with self.waiting.hidden():
                print_rows(picked(self.rows, self.paths))
            self.rows.clear()

    def _show_rest(self) -> None:
        if self.rows or self.form in {Output.JSON, Output.CSV}:
            print_all(self.rows, self.form, columns_of(self.paths, SHOWN[self.resource].columns), self.paths)


async def _wanted(
    given: AsyncIterator[list[Any]], after: datetime | None, most: int | None, position: Position
) -> AsyncIterator[list[Any]]:
    """Yield the rows that start since a moment, page by page. Stop when so many rows were read, also of those left out."""
    count = 0
    async for batch in given:
        position.read += len(batch)
        found = [row for row in batch if after is None or _is_since(row, after)]
        part = found if most is None else found[: most - count]
        if len(part) < len(found):
            position.cut(part[-1])
        count += len(part)
        yield part
        if most is not None and position.read >= most:
            return


@contextmanager
def _cursor_told(position: Position) -> Iterator[None]:
    """Say how to go on after an error or Ctrl-C, in the line that says what was wrong."""
    try:
        yield
    except KeyboardInterrupt:
        if position.after is not None:
            note(f"stopped{_cursor(position)}")
        raise
    except SessionsError as error:
        if position.after is None:
            raise
        message, status = failure(error)
        raise typer.Exit(fail(f"{message}{_cursor(position)}", status)) from None


def _exclude(*pairs: Mapping[str, bool]) -> None:
    for pair in pairs:
        if all(pair.values()):
            raise ValueError(f"{' and '.join(pair)} exclude each other")


def _cursor(position: Position) -> str:
    """Return how to go on; empty if that is not known."""
    return "" if position.after is None else f"; --cursor {position.after} goes on here"


def _moment(text: str) -> datetime:
    """Return the moment of `--since`.

    Raises:
        ValueError: it is none.
    """
    duration = duration_of(text)
    try:
        moment = datetime.now(UTC) if duration is not None else datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--since {text} is neither a date such as 2026-01-31 nor a duration such as 7d") from None
    try:
        return (moment if moment.tzinfo else moment.astimezone()) - (duration or timedelta())
    except (ValueError, OverflowError):
        raise ValueError(f"--since {text} is beyond the calendar, which has the years 1 to 9999") from None


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
