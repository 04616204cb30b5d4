"""`sessions-us export`."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from attrs import frozen

from ..errors import SessionsError
from ..keys import UserKey
from . import fail
from .access import KeyFile, QuotaStore, budget, connect, user_key
from .options import days, one_of
from .output import AsJson, print_rows, screen, wants_json
from .progress import ProgressLine
from .statuses import Status, failure
from .table import table
from .target import Format, Target, without_secrets
from .text import counted, one_line

if TYPE_CHECKING:
    from ..pipelines import ExportReport, ResourceReport

__all__ = ("Exportable", "export")

_COLUMNS = {
    "resource": "resource",
    "rows": "rows",
    "new": "added",
    "changed": "changed",
    "gone": "gone.count",
    "vanished": "vanished.count",
    "as of (UTC)": "as_of",
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
        list[Exportable],
        one_of(Exportable, several=True),
    ],
    to: Annotated[
        list[str],
        typer.Option(
            metavar="PATH|URL",
            help="A file .ndjson or .jsonl, a directory (.parquet for Parquet), or a database: duckdb:///file.duckdb, "
            "postgresql://… May be given several times, for no further request.",
        ),
    ],
    format: Annotated[Format | None, typer.Option(help="Format of --to, if its name does not show it.")] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="SQLite file with all rows and the progress; by default beside the first --to."
        ),
    ] = None,
    children: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="The children to read, such as participants,takeaways. By default all: participants, transcripts and "
            "takeaways of a session; bookings and collaborators of a booking page.",
        ),
    ] = None,
    no_children: Annotated[bool, typer.Option("--no-children", help="Read the lists alone.")] = False,
    refresh_children: Annotated[
        timedelta | None,
        typer.Option(
            metavar="DURATION",
            parser=days,
            help="How long after a session's end missing takeaways and transcripts are asked for in each run. [default: 7d]",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Read each list only as far as its first page of known, unchanged rows; the whole lists if the last "
            "complete full pass is older than --full-every.",
        ),
    ] = False,
    full_every: Annotated[
        timedelta | None,
        typer.Option(
            metavar="DURATION", parser=days, help="How old the last full pass may be for --quick. [default: 7d]"
        ),
    ] = None,
    mark_vanished: Annotated[
        bool, typer.Option("--mark-vanished", help="Add deleted_at to rows that the server no longer has.")
    ] = False,
    delete_vanished: Annotated[
        bool, typer.Option("--delete-vanished", help="Delete rows that the server no longer has, everywhere.")
    ] = False,
    on_error: Annotated[
        OnError,
        typer.Option(
            help="If the children of a row can't be read: stop, and try again at the next start; or skip the row, report "
            "it at the end (exit status 19), and try again with the next export."
        ),
    ] = OnError.STOP,
    new_key: Annotated[
        bool,
        typer.Option(
            "--new-key",
            help="Go on with another key than before, such as the new one after a rotation; the lists are read whole.",
        ),
    ] = False,
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
      sessions-us export sessions --to nightly.ndjson --to duckdb:///nightly.duckdb --quick
    """
    wanted = Wanted(
        resources=[resource.replace("-", "_") for resource in dict.fromkeys(resources)],
        children=False if no_children else True if children is None else children.replace(" ", "").split(","),
        refresh_children=refresh_children,
        quick=quick,
        full_every=full_every,
        vanished="delete" if delete_vanished else "mark" if mark_vanished else "keep",
        on_error=on_error,
        new_key=new_key,
    )
    try:
        targets = [Target.of(place, format, state, len(wanted.resources)) for place in _places(to)]
        if (no_children and children is not None) or (mark_vanished and delete_vanished):
            raise ValueError(
                "--children and --no-children, or --mark-vanished and --delete-vanished, exclude each other"
            )
        if new_key and delete_vanished:
            raise ValueError(
                "--new-key and --delete-vanished exclude each other, because a new key may not see all rows: see first how "
                "many vanish with it"
            )
    except ValueError as error:
        raise typer.Exit(fail(str(error), Status.USAGE)) from None
    again = shlex.join(["sessions-us", *map(without_secrets, context.obj)])
    try:
        key = user_key(key_file)
        report, stopped = asyncio.run(_run(key, quota_store, targets, wanted))
    except (SessionsError, OSError) as error:
        message, status = failure(error)
        told = " ".join([message, *getattr(error, "__notes__", ())])
        for target in targets:
            told = target.hide(told)
        raise typer.Exit(fail(told, status)) from None
    except KeyboardInterrupt:  # where the loop has no signal handlers
        report, stopped = None, Status.INTERRUPTED
    if report is None:
        ProgressLine().note(f"stopped; to go on: {again}")
        raise typer.Exit(stopped)
    _print(report, wants_json(json))
    if any(each.failed.count for each in report.resources.values()):
        raise typer.Exit(Status.INCOMPLETE)


def _places(to: list[str]) -> list[str]:
    """Return the places of an export, each once, however it is spelled."""
    return list({place if "://" in place else os.path.realpath(place): place for place in to}.values())


@frozen(kw_only=True)
class Wanted:
    """What to export. A duration that is None is the library's default."""

    resources: list[str]
    children: bool | list[str]
    refresh_children: timedelta | None
    quick: bool
    full_every: timedelta | None
    vanished: Literal["keep", "mark", "delete"]
    on_error: OnError
    new_key: bool


async def _run(
    key: UserKey, store: str | None, targets: list[Target], wanted: Wanted
) -> tuple[ExportReport | None, int]:
    """Return the report, or None and the exit status of a signal."""
    from ..pipelines import export
    from ..pipelines.export import REFRESH_CHILDREN

    progress = ProgressLine()
    async with connect(key, budget(store), on_event=progress.on_event) as user:
        job = asyncio.ensure_future(
            export(
                user,
                wanted.resources,
                [target.sink() for target in targets],
                state=targets[0].state,
                children=wanted.children,
                refresh_children=REFRESH_CHILDREN if wanted.refresh_children is None else wanted.refresh_children,
                quick=wanted.quick,
                full_every=REFRESH_CHILDREN if wanted.full_every is None else wanted.full_every,
                vanished=wanted.vanished,
                on_error=wanted.on_error.value,
                new_key=wanted.new_key,
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
    rows = [_row(name, each, report) for name, each in report.resources.items()]
    if as_json:
        print_rows(rows)
    else:
        console = screen()
        console.print(table(_COLUMNS, rows, console.width))
    ProgressLine().note(f"this run cost {counted(report.requests, 'request')}")
    if report.resumed:
        ProgressLine().note("this went on with an export that had been stopped, and read the lists again at its end")
    for name, each in report.resources.items():
        if report.quick and each.as_of is not None:
            ProgressLine().note(f"{name}: a quick run; complete as of {each.as_of:%Y-%m-%d %H:%M} UTC")
        for remark in _remarks(each):
            ProgressLine().note(f"{name}: {remark}")


def _row(name: str, each: ResourceReport, report: ExportReport) -> dict[str, Any]:
    as_of = None if each.as_of is None else each.as_of.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "resource": name,
        **asdict(each),
        "as_of": as_of,
        "requests": report.requests,
        "resumed": report.resumed,
        "quick": report.quick,
    }


def _remarks(report: ResourceReport) -> Iterator[str]:
    if not report.complete:
        yield "the list kept moving, or is not paged as documented, so that rows may be missing: run the same command again"
    if report.orphaned.count:
        yield f"{counted(report.orphaned.count, 'row')} went away before being read whole"
    if report.failed.count:
        some = ", ".join(map(one_line, report.failed.ids))
        more = ", …" if report.failed.count > len(report.failed.ids) else ""
        yield f"{counted(report.failed.count, 'row')} could not be read whole ({some}{more}); the next export tries again"
    if report.awaited.count:
        sessions = counted(report.awaited.count, "session")
        yield f"takeaways or transcripts of {sessions} are still awaited; the next export asks again"
    if report.odd:
        yield f"{counted(report.odd, 'row')} left out: no JSON object"
