"""`sessions-us export`."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SessionsError
from ..keys import UserKey
from . import fail
from .access import KeyFile, QuotaStore, budget, connect, user_key
from .listing import AsJson
from .output import print_rows, screen, wants_json
from .progress import ProgressLine
from .statuses import Status, failure
from .table import table
from .target import Format, Target, without_secrets
from .text import one_line

if TYPE_CHECKING:
    from ..pipelines import ExportReport, ResourceReport

__all__ = ("Exportable", "export")

_COLUMNS = {
    "resource": "resource",
    "rows": "rows",
    "new": "added",
    "changed": "changed",
    "went meanwhile": "gone.count",
    "gone since last": "vanished.count",
}
_STOPPED = {signal.SIGINT: Status.INTERRUPTED, signal.SIGTERM: Status.TERMINATED}


class Exportable(StrEnum):
    """The resources of `export`."""

    BOOKING_PAGES = "booking-pages"
    BOOKINGS = "bookings"
    ROOMS = "rooms"
    SESSIONS = "sessions"
    EVENTS = "events"


class OnError(StrEnum):
    """The values of `--on-error`."""

    STOP = "stop"
    SKIP = "skip"


def export(
    context: typer.Context,
    resources: Annotated[
        list[Exportable], typer.Argument(metavar="RESOURCE...", help=f"Some of {', '.join(Exportable)}.")
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="PATH|URL",
            help="A file .ndjson or .jsonl, a directory (.parquet for Parquet), or a database: duckdb:///file.duckdb, "
            "postgresql://…",
        ),
    ],
    format: Annotated[Format | None, typer.Option(help="Format of --to, if its name does not show it.")] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the progress of the job; by default beside --to.")
    ] = None,
    children: Annotated[
        bool,
        typer.Option(
            "--children/--no-children",
            help="Also read the children of each row: participants, transcripts and takeaways of a session; bookings "
            "and collaborators of a booking page.",
        ),
    ] = True,
    on_error: Annotated[
        OnError,
        typer.Option(
            help="If the children of a row can't be read: stop, and try again at the next start; or skip the row, report "
            "it at the end (exit status 19), and try again with the next export."
        ),
    ] = OnError.STOP,
    json: AsJson = None,
    key_file: KeyFile = None,
    quota_store: QuotaStore = None,
) -> None:
    """Export rows into files or a database.

    At ten requests a minute this takes long, so the job saves its progress. After Ctrl-C or any other stop, the same command
    resumes the export; after the end it updates the export. Interactive work goes first: with --quota-store also that of
    other processes that use the key.

    Other users of this host can see a password in a URL. Let dlt read it from the environment instead, such as
    DESTINATION__POSTGRES__CREDENTIALS, with `--to postgres --format dlt`.

    \b
    Examples:
      sessions-us export sessions --to sessions.ndjson
      sessions-us export sessions bookings rooms --to backup.parquet
      sessions-us export booking-pages --no-children --to pages.jsonl
      sessions-us export sessions events --to duckdb:///sessions.duckdb
    """
    try:
        target = Target.of(to, format, state, len(set(resources)))
    except ValueError as error:
        raise typer.Exit(fail(str(error), Status.USAGE)) from None
    again = shlex.join(["sessions-us", *map(without_secrets, context.obj)])
    try:
        key = user_key(key_file)
        report, stopped = asyncio.run(_run(key, quota_store, resources, target, children, on_error, again))
    except (SessionsError, OSError) as error:
        message, status = failure(error)
        raise typer.Exit(fail(target.hide(" ".join([message, *getattr(error, "__notes__", ())])), status)) from None
    except KeyboardInterrupt:  # where the loop has no signal handlers
        report, stopped = None, Status.INTERRUPTED
    if report is None:
        ProgressLine().note(f"stopped; to go on: {again}")
        raise typer.Exit(stopped)
    _print(report, wants_json(json))
    if any(each.failed.count for each in report.resources.values()):
        raise typer.Exit(Status.INCOMPLETE)


async def _run(
    key: UserKey,
    store: str | None,
    resources: list[Exportable],
    target: Target,
    children: bool,
    on_error: OnError,
    again: str,
) -> tuple[ExportReport | None, int]:
    """Return the report, or None and the exit status of a signal."""
    from ..pipelines import export

    progress = ProgressLine()
    names = [resource.replace("-", "_") for resource in resources]
    async with connect(key, budget(store), on_event=progress.on_event) as user:
        job = asyncio.ensure_future(
            export(
                user,
                names,
                target.sink(),
                state=target.state,
                children=children,
                on_error=on_error.value,
                on_event=progress.on_event,
            )
        )
        with progress, _signals_handled(job, progress) as signals:
            try:
                return await job, Status.DONE
            except asyncio.CancelledError:
                if not signals:
                    raise
                return None, _STOPPED[signals[0]]


@contextmanager
def _signals_handled(job: asyncio.Future[Any], progress: ProgressLine) -> Iterator[list[signal.Signals]]:
    """Let Ctrl-C and SIGTERM stop the job, which saves its rows; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    signals: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        signals.append(number)
        if len(signals) > 1:
            progress.stop()  # the terminal gets its cursor back
            os._exit(_STOPPED[number])  # no step of the job is one that a crash could spoil
        progress.stopping()
        job.cancel()

    handled: list[signal.Signals] = []
    try:
        for number in _STOPPED:
            loop.add_signal_handler(number, stop, number)
            handled.append(number)
    except NotImplementedError:
        pass  # Windows: asyncio.run cancels on Ctrl-C by itself
    try:
        yield signals
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _print(report: ExportReport, as_json: bool) -> None:
    rows = [{"resource": name, **asdict(each)} for name, each in report.resources.items()]
    if as_json:
        print_rows(rows)
    else:
        console = screen()
        console.print(table(_COLUMNS, rows, console.width))
    for name, each in report.resources.items():
        for remark in _remarks(each):
            ProgressLine().note(f"{name}: {remark}")


def _remarks(report: ResourceReport) -> Iterator[str]:
    if not report.complete:
        yield "the list kept moving, or is not paged as documented, so that rows may be missing: run the same command again"
    if report.orphaned.count:
        yield f"{report.orphaned.count} rows went away before what belongs to them was read"
    if report.failed.count:
        some = ", ".join(map(one_line, report.failed.ids))
        more = ", …" if report.failed.count > len(report.failed.ids) else ""
        yield f"{report.failed.count} rows could not be read whole ({some}{more}); the next export tries again"
    if report.odd:
        yield f"{report.odd} rows are no objects and were left out"
