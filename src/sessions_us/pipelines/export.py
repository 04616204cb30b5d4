"""The export job: write every row of the requested lists to the sink once, in spite of crashes and errors."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from attrs import evolve

from .._calls.pager import Page
from ..client import UserClient
from ..errors import (
    AuthenticationError,
    DecodeError,
    ExportError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    SessionsError,
    StatusError,
)
from ..events import ClientEvent, ExportProgress, ExportStage
from .plan import FRESH, RESOURCES, Resource
from .progress import requests_left, seconds_for
from .report import ExportReport
from .sink import Row, Sink
from .state import Gap, JobState, Task
from .worker import Worker

__all__ = ("export",)

T = TypeVar("T")

_logger = logging.getLogger("sessions_us")

_PATIENCE: Final = 0.25
"""Seconds of waiting for a request after which the rows read so far are saved meanwhile."""
_LONGEST_UNSAVED: Final = 1.0
"""Seconds after which rows are saved though requests are quick."""
_OUTAGE: Final = 5
"""Consecutive rows with a server error after which the error is not the row's."""

OnError = Literal["stop", "skip"]


async def export(
    client: UserClient,
    resources: Sequence[str],
    sink: Sink,
    *,
    state: str | os.PathLike[str],
    children: bool = True,
    on_error: OnError = "stop",
    on_event: Callable[[ClientEvent], None] | None = None,
) -> ExportReport:
    """Export lists with the children of their rows. After a stop at any point, the same call resumes the export.

    All requests are in the background lane, so interactive calls go first. Rows are as the server sent them, by wire names,
    with their children nested: `participants`, `transcripts` and `takeaways` in sessions, `bookings` and `collaborators` in
    booking pages.

    A call after the end updates the sink: new and changed rows are written, and the children of ended sessions are not
    fetched again. Rows that the server no longer has stay in the sink and are reported.

    Args:
        client: the client to read with.
        resources: names from `RESOURCES`: `booking_pages`, `bookings`, `rooms`, `sessions`, `events`.
        sink: receives the rows.
        state: path of the SQLite file with the progress of the job. It belongs to this job alone. It holds rows that wait
            for the sink, so only its owner can read it.
        children: also read the children of each row, which costs requests per row: three for a session.
        on_error: what to do if the children of a row are refused, fail or can't be understood. `stop` raises, and the same
            call asks for them again. `skip` goes on and reports the row as `failed`; the next run asks again. An error in a
            list, a refused key or quota, a broken connection, and a server that fails for five consecutive rows always stop
            the export.
        on_event: receives `ExportProgress`, synchronously, so it must be quick. Exceptions that it raises are logged.

    Returns:
        A report of the written rows, and of rows that appeared or disappeared meanwhile.

    Raises:
        ValueError: an unknown resource, or none; another `on_error`.
        ExportError: the state or the sink is damaged, full, read-only, in use by another process, or belongs to another job.
        SessionsError: an error of a request. The rows read so far are kept.
        asyncio.CancelledError: the rows read so far are kept.
    """
    if on_error not in {"stop", "skip"}:
        raise ValueError(f"on_error is 'stop' or 'skip', not {on_error!r}")
    wanted = [each if children else evolve(each, children=()) for each in _wanted(resources)]
    worker, exits = Worker(), ExitStack()

    def opened() -> JobState:
        held = exits.enter_context(closing(JobState(Path(state), _job(client, wanted, sink, children), wanted)))
        exits.enter_context(closing(sink))
        return held

    try:
        try:
            held = await worker.run(opened)
            user = client.with_options(lane="background", **FRESH)
            return await _Export(user, wanted, sink, held, worker, on_error, on_event).run()
        finally:
            await worker.run(exits.close)  # in the thread that opened it, also if a cancellation came right then
    finally:
        worker.close()


class _Export:
    """One run, or the rest of an interrupted run."""

    def __init__(
        self,
        client: UserClient,
        resources: Sequence[Resource],
        sink: Sink,
        state: JobState,
        worker: Worker,
        on_error: OnError,
        on_event: Callable[[ClientEvent], None] | None,
    ) -> None:
        self._client = client
        self._resources = resources
        self._sink = sink
        self._state = state
        self._worker = worker
        self._skips = on_error == "skip"
        self._on_event = on_event
        self._requests = 0
        self._saved_at = self._written_at = time.monotonic()
        self._sink_failed = False
        self._failures = 0

    async def run(self) -> ExportReport:
        resumed = await self._worker.run(self._start)
        try:
            left = list(self._resources)
            while left:
                for resource in left:
                    await self._list(resource)
                for resource in left:
                    await self._fetch(resource)
                left = [resource for resource in left if not await self._worker.run(self._state.advance, resource.name)]
            await self._tell(self._resources[-1], "finishing")
            await self._worker.run(self._finish)
        except BaseException as error:
            await self._save_what_stands(error)
            raise
        reports = {each.name: await self._worker.run(self._state.report, each.name) for each in self._resources}
        return ExportReport(resources=reports, requests=self._requests, resumed=resumed)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _list(self, resource: Resource) -> None:
        """Read a list from the position of this pass to its end."""
        progress = await self._worker.run(self._state.progress, resource.name)
        if progress.listed or progress.done:
            return
        stage: ExportStage = "listing" if progress.number == 1 else "verifying"
        await self._tell(resource, stage)
        before = self._requests
        pager = resource.pager(self._client, progress.cursor)
        pages = pager.pages()
        while (page := await self._ask(_next(pages))) is not None:
            self._requests = before + pager.requests
            await self._worker.run(self._state.note_page, resource.name, page.number, page.raw, page.after)
            await self._save_in_time()
            await self._tell(resource, stage)
        self._requests = before + pager.requests
        await self._worker.run(self._state.note_end, resource.name, pager.complete is not False)

    async def _fetch(self, resource: Resource) -> None:
        """Read the children of the rows that wait for them."""
        while (task := await self._worker.run(self._state.next_task, resource.name)) is not None:
            row, gap = await self._complete(resource, task)
            settled = gap is None and resource.is_settled(row, datetime.now(UTC))
            await self._worker.run(self._state.complete, resource.name, task.key, row, settled=settled, gap=gap)
            await self._save_in_time()
            await self._tell(resource, "fetching")

    async def _complete(self, resource: Resource, task: Task) -> tuple[Row, Gap | None]:
        """Return a row with its children, and the gap if it is not complete."""
        row, failure = dict(task.row), None
        for child in resource.children:
            try:
                row[child.name], pages = await self._ask(child.fetch(self._client, task.key))
                self._requests += pages
            except (NotFoundError, ValueError):  # or an id that no path can hold
                self._requests += 1
                if child is resource.children[0]:
                    return row, "orphan"
                row[child.name] = None  # some servers answer so for children that never existed
            except (StatusError, DecodeError) as error:
                self._requests += 1
                if not self._may_skip(error):
                    raise
                failure = error
                _logger.info("%s: %s", resource.name, error)
        self._failures = self._failures + 1 if isinstance(failure, ServerError) else 0
        return row, None if failure is None else "failed"

    def _may_skip(self, error: SessionsError) -> bool:
        """Return whether an error concerns one row alone."""
        if isinstance(error, AuthenticationError | RateLimitedError):
            return False
        return self._skips and not (isinstance(error, ServerError) and self._failures >= _OUTAGE - 1)

    async def _ask(self, request: Coroutine[Any, Any, T]) -> T:
        """Await a request. If it takes long, save the rows read so far meanwhile."""
        task = asyncio.create_task(request)
        try:
            await asyncio.wait([task], timeout=_PATIENCE)
            if not task.done():
                await self._save()
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    # -- saving ------------------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        """Open the sink at the checkpoint of the state. Returns whether a run is resumed."""
        self._sink_step(lambda: self._sink.open(self._state.checkpoint, [each.name for each in self._resources]))
        self._state.keep(self._sink_step(self._sink.commit))  # from here on the state knows what is there
        resumed = not self._state.is_finished
        if not resumed:
            self._state.begin_run()
        return resumed

    async def _save_in_time(self) -> None:
        if time.monotonic() - self._saved_at >= _LONGEST_UNSAVED or self._is_due():
            await self._save()

    def _is_due(self) -> bool:
        """Return whether the ready rows have waited long enough."""
        waited = time.monotonic() - self._written_at
        ready = self._state.ready_rows
        return ready >= self._sink.rows_per_commit or (ready > 0 and waited >= self._sink.seconds_per_commit)

    async def _save(self) -> None:
        await self._worker.run(self._write if self._is_due() else self._state.commit)
        self._saved_at = time.monotonic()

    def _write(self) -> None:
        """Move the ready rows from the state to the sink. The sink is durable before the state is committed."""
        for resource in self._resources:
            for rows in self._state.ready(resource.name):
                self._sink_step(partial(self._sink.write, resource.name, rows))
        self._state.keep(self._sink_step(self._sink.commit), written=True)
        self._written_at = time.monotonic()

    def _finish(self) -> None:
        self._write()
        checkpoints = self._sink.finish(self._state.counts())
        while (checkpoint := self._sink_step(lambda: next(checkpoints, None))) is not None:
            self._state.keep(checkpoint)
        self._state.end_run()

    async def _save_what_stands(self, error: BaseException) -> None:
        """Save the rows read so far before an error is raised. If that fails, the error gets a note."""
        try:
            await self._worker.run(self._state.commit if self._sink_failed else self._write)
        except ExportError as failure:
            if failure is not error:
                error.add_note(f"What was read last could not be saved: {failure}")

    def _sink_step(self, step: Callable[[], T]) -> T:
        """Call the sink. After a failure only `close` is called."""
        try:
            return step()
        except OSError as error:
            self._sink_failed = True
            raise ExportError(
                f"{self._sink.identity} can't be used: {error.strerror or error}. Put that right and run the same export "
                "again; what was committed is untouched"
            ) from error
        except sqlite3.Error as error:  # of an index that does not fit into memory
            self._sink_failed = True
            raise ExportError(
                f"{self._sink.identity}: a temporary file can't be used: {error}. Make room where SQLITE_TMPDIR or TMPDIR "
                "says, and run the same export again; what was committed is untouched"
            ) from error
        except BaseException:
            self._sink_failed = True
            raise

    # -- telling -----------------------------------------------------------------------------------------------------

    async def _tell(self, resource: Resource, stage: ExportStage) -> None:
        if self._on_event is None:
            return
        progress_of = await self._worker.run(
            lambda: {each: self._state.progress(each.name) for each in self._resources}
        )
        progress, left = progress_of[resource], requests_left(progress_of)
        event = ExportProgress(
            resource=resource.name,
            stage=stage,
            done=progress.seen - progress.waiting,
            total=progress.seen if progress.listed or progress.number > 1 else None,
            requests=self._requests,
            requests_left=left,
            seconds_left=None if left is None else seconds_for(left, self._client.quota.snapshot()),
        )
        try:
            self._on_event(event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # among them the CancelledError of a future that it looked at, which cancels nothing here
            _logger.exception("on_event raised on an ExportProgress")


async def _next(pages: AsyncIterator[Page[Any]]) -> Page[Any] | None:
    return await anext(pages, None)


def _wanted(resources: Sequence[str]) -> list[Resource]:
    names = [resources] if isinstance(resources, str) else list(dict.fromkeys(resources))
    unknown = [name for name in names if name not in RESOURCES]
    if unknown or not names:
        raise ValueError(f"resources are some of {', '.join(RESOURCES)}, not {', '.join(map(repr, unknown)) or 'none'}")
    return [RESOURCES[name] for name in names]


def _job(client: UserClient, resources: Sequence[Resource], sink: Sink, children: bool) -> dict[str, str]:
    """Return what a state is for, without a key."""
    return {
        "sink": sink.identity,
        "resources": ", ".join(resource.name for resource in resources),
        "children": "yes" if children else "no",
        "server and key": client.fingerprint("export"),
    }
