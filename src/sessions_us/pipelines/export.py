"""The export job: keep every row of the requested lists in a state, and write sinks from it, in spite of crashes."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from attrs import evolve

from .._calls.pager import Page
from .._foreign_text import escaped
from .._send.listener import everyone, listener, log_event
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
from .children import Gap, Task
from .delivery import SinkDelivery
from .plan import FRESH, RESOURCES, Resource
from .progress import requests_left, seconds_for
from .report import ExportReport
from .sink import Sink
from .state import JobState, Vanished
from .worker import Worker

__all__ = ("REFRESH_CHILDREN", "export")

T = TypeVar("T")

_logger = logging.getLogger("sessions_us")

REFRESH_CHILDREN: Final = timedelta(days=7)
"""The default of `refresh_children` and `full_every`."""

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
    sink: Sink | Sequence[Sink],
    *,
    state: str | os.PathLike[str],
    children: bool | Sequence[str] = True,
    refresh_children: timedelta = REFRESH_CHILDREN,
    quick: bool = False,
    full_every: timedelta = REFRESH_CHILDREN,
    vanished: Vanished = "keep",
    on_error: OnError = "stop",
    new_key: bool = False,
    on_event: Callable[[ClientEvent], None] | None = None,
) -> ExportReport:
    """Export lists with the children of their rows. After a stop at any point, the same call resumes the export.

    All requests are in the background lane, so interactive calls go first. Rows are as the server sent them, by wire names,
    with their children nested: `participants`, `transcripts` and `takeaways` in sessions, `bookings` and `collaborators` in
    booking pages. Children are asked for only where they can exist: participants if the list does not have them, transcripts
    and takeaways if the session has begun.

    A call after the end updates the sink: new and changed rows are written, and the children of ended sessions are asked for
    again only if the row has changed, or while they are missing; see `refresh_children` and `note_webhook`.

    Args:
        client: the client to read with.
        resources: names from `RESOURCES`: `booking_pages`, `bookings`, `rooms`, `sessions`, `events`.
        sink: receives the rows; or several sinks, which cost no further request. A sink that is new to the state, or has
            lost its rows, gets all rows.
        state: path of the SQLite file with all rows and the progress of the job. It belongs to this job alone, and only its
            owner can read it.
        children: also read the children of each row; or the names of those to read, such as `["participants", "takeaways"]`.
        refresh_children: how long after a session's end missing takeaways and transcripts are asked for, once in each run.
        quick: read each list only as far as its first page of known, unchanged rows, if it has the newest rows first, on that
            page and in the whole list as the last full pass read it, and no session behind that page should have begun
            meanwhile. A change of an older row waits for the next full pass.
        full_every: how old the last complete full pass may be; if it is older, a quick run is a full one.
        vanished: what becomes of rows that the server no longer has, once a full pass has proved it: `keep` leaves them as
            they are, `mark` adds `deleted_at`, `delete` removes them from the state and from the sinks.
        on_error: what to do if the children of a row are refused, fail or can't be understood. `stop` raises, and the same
            call asks for them again. `skip` goes on and reports the row as `failed`; every run asks again until there is an
            answer. An error in a list, a refused key or quota, a broken connection, and a server that fails for five
            consecutive rows always stop the export.
        new_key: whether the client's key may be another one than the state's, such as the new one after a rotation. The state
            takes it, keeps all rows and children, and begins a full run, because another user's key may see other rows. Those
            that it does not see are `vanished`, so `vanished="delete"` has to wait for the next run. Without another key
            this changes nothing.
        on_event: receives `ExportProgress`, synchronously, so it must be quick. Exceptions that it raises are logged.

    Returns:
        A report of the written rows, and of rows that appeared or disappeared meanwhile.

    Raises:
        TypeError: an argument of another kind.
        ValueError: an unknown resource or kind of children, or no resource or sink; another `on_error` or `vanished`; or
            `new_key` with `vanished="delete"`.
        ExportError: the state or a sink is damaged, full, read-only, in use by another process, or belongs to another job.
        SessionsError: an error of a request. The rows read so far are kept.
        asyncio.CancelledError: the rows read so far are kept.
    """
    if on_error not in {"stop", "skip"}:
        raise ValueError(f"on_error is 'stop' or 'skip', not {on_error!r}")
    if vanished not in {"keep", "mark", "delete"}:
        raise ValueError(f"vanished is 'keep', 'mark' or 'delete', not {vanished!r}")
    if new_key and vanished == "delete":
        raise ValueError(
            "new_key and vanished='delete' exclude each other, because a new key may not see all rows: see first what the "
            "report with the new key says of vanished rows"
        )
    _check_kinds(
        on_event, {"refresh_children": refresh_children, "full_every": full_every}, {"quick": quick, "new_key": new_key}
    )
    wanted = _wanted(resources, children)
    sinks = list(sink) if isinstance(sink, Sequence) else [sink]
    if not sinks:
        raise ValueError("an export needs a sink")
    worker, exits = Worker(), ExitStack()

    def opened() -> JobState:
        job = _job(client, wanted)
        held = exits.enter_context(closing(JobState(Path(state), job, wanted, refresh_children, _now, new_key=new_key)))
        for each in sinks:
            exits.enter_context(closing(each))
        return held

    try:
        try:
            held = await worker.run(opened)
            user = client.with_options(lane="background", **FRESH)
            fresh_enough = _before(_now(), full_every) if quick else None
            deliveries = [SinkDelivery(each, held.versions) for each in sinks]
            run = _Export(user, wanted, deliveries, held, worker, on_error, on_event)
            return await run.run(fresh_enough, vanished)
        finally:
            await worker.run(exits.close)  # in the thread that opened it, also if a cancellation came right then
    finally:
        worker.close()


def _check_kinds(on_event: object, durations: Mapping[str, object], switches: Mapping[str, object]) -> None:
    """Raises: TypeError: one is of another kind, which would show after many requests, or never."""
    for name, value in durations.items():
        if not isinstance(value, timedelta):
            raise TypeError(f"{name} is a timedelta, such as timedelta(days=7), not {value!r}")
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} is True or False, not {value!r}")
    if on_event is not None and not callable(on_event):
        raise TypeError(f"on_event is a function that takes an event, not {on_event!r}")


class _Export:
    """One run, or the rest of an interrupted run."""

    def __init__(
        self,
        client: UserClient,
        resources: Sequence[Resource],
        deliveries: Sequence[SinkDelivery],
        state: JobState,
        worker: Worker,
        on_error: OnError,
        on_event: Callable[[ClientEvent], None] | None,
    ) -> None:
        self._client = client
        self._resources = resources
        self._deliveries = deliveries
        self._state = state
        self._children = state.children
        self._worker = worker
        self._skips = on_error == "skip"
        self._emit = listener(on_event)
        self._requests = 0
        self._saved_at = time.monotonic()
        self._failures = 0
        self._quick = False

    async def run(self, fresh_enough: datetime | None, vanished: Vanished) -> ExportReport:
        """Run to the end.

        Args:
            fresh_enough: a full pass that began later is enough for a quick run; None: this is no quick run.
            vanished: see `export`.
        """
        resumed = await self._worker.run(self._begin, fresh_enough)
        try:
            left = list(self._resources)
            while left:
                for resource in left:
                    await self._list(resource)
                for resource in left:
                    await self._fetch(resource)
                left = [resource for resource in left if not await self._worker.run(self._state.advance, resource.name)]
            await self._tell(self._resources[-1], "finishing")
            await self._worker.run(self._finish, vanished)
        except BaseException as error:
            await self._save_what_stands(error)
            raise
        reports = {each.name: await self._worker.run(self._state.report, each.name) for each in self._resources}
        return ExportReport(resources=reports, requests=self._requests, resumed=resumed, quick=self._quick)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _list(self, resource: Resource) -> None:
        """Read a list from the position of this pass to its end, or as far as a quick run needs."""
        progress = await self._worker.run(self._state.progress, resource.name)
        if progress.listed or progress.done:
            return
        await self._worker.run(self._state.begin_pass, resource.name)
        stage: ExportStage = "listing" if progress.number == 1 else "verifying"
        await self._tell(resource, stage)
        before = self._requests
        pager = resource.pager(self._client, progress.cursor)
        pages = pager.pages()
        while (page := await self._ask(_next(pages))) is not None:
            self._requests = before + pager.requests
            known = await self._worker.run(self._state.note_page, resource.name, page.number, page.raw, page.after)
            await self._save_in_time()
            await self._tell(resource, stage)
            if known and self._quick:
                break
        self._requests = before + pager.requests
        await self._worker.run(self._state.note_end, resource.name, pager.complete is not False)
        await self._tell(resource, stage)

    async def _fetch(self, resource: Resource) -> None:
        """Read the children of the rows that wait for them."""
        await self._worker.run(self._state.recall, resource.name)
        if resource.children:
            await self._tell(resource, "fetching")
        while (task := await self._worker.run(self._children.next_task, resource.name)) is not None:
            found, gap = await self._read(resource, task)
            await self._worker.run(self._children.complete, resource.name, task, found, gap)
            await self._save_in_time()
            await self._tell(resource, "fetching")

    async def _read(self, resource: Resource, task: Task) -> tuple[dict[str, Any], Gap | None]:
        """Return the children of a row by name, and the gap if the row is not complete."""
        found: dict[str, Any] = {}
        gap: Gap | None = None
        failure: SessionsError | None = None
        for child in task.children:
            try:
                found[child.name], requests = await self._ask(child.fetch(self._client, task.key))
                self._requests += requests
            except ValueError:  # no path can hold the id
                return found, "unaskable"
            except NotFoundError:  # the row is gone; or some servers answer so for children that do not exist yet
                self._requests += 1
                gap = gap or "gone"
            except (StatusError, DecodeError) as error:
                self._requests += 1
                if not self._may_skip(error):
                    raise
                failure, gap = error, "failed"
                request = "" if error.request_id is None else f" (request {escaped(error.request_id)})"
                _logger.info("%s: %s of a row got %s%s", resource.name, child.name, error.status_code, request)
        self._failures = self._failures + 1 if isinstance(failure, ServerError) else 0
        return found, gap

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

    def _begin(self, fresh_enough: datetime | None) -> bool:
        """Open the sinks, and begin a run. Returns whether an interrupted one is resumed."""
        for delivery in self._deliveries:
            delivery.open([each.name for each in self._resources])
        resumed = not self._state.is_finished and not self._state.is_quick  # a quick run begins again
        if resumed:
            self._state.resume_run()
        else:
            self._state.begin_run(quick=fresh_enough is not None and self._state.proven_since(fresh_enough))
        self._quick = self._state.is_quick
        return resumed

    async def _save_in_time(self) -> None:
        if time.monotonic() - self._saved_at >= _LONGEST_UNSAVED:
            await self._save()

    async def _save(self) -> None:
        await self._worker.run(self._commit)
        self._saved_at = time.monotonic()

    def _commit(self) -> None:
        self._state.commit()
        for delivery in self._deliveries:
            if delivery.is_due:
                delivery.write()

    def _write(self) -> None:
        self._state.commit()
        for delivery in self._deliveries:
            delivery.write()

    def _finish(self, vanished: Vanished) -> None:
        self._state.part_with(vanished)
        self._write()
        self._state.end_run()

    async def _save_what_stands(self, error: BaseException) -> None:
        """Save the rows read so far before an error is raised. If that fails, the error gets a note."""
        try:
            await self._worker.run(self._write)
        except ExportError as failure:
            if failure is not error:
                error.add_note(f"What was read last could not be saved: {failure}")

    # -- telling -----------------------------------------------------------------------------------------------------

    async def _tell(self, resource: Resource, stage: ExportStage) -> None:
        if (emit := everyone(self._emit)) is log_event:
            return
        progress_of = await self._worker.run(
            lambda: {each: self._state.progress(each.name) for each in self._resources}
        )
        progress, left = progress_of[resource], requests_left(progress_of, quick=self._quick)
        event = ExportProgress(
            resource=resource.name,
            stage=stage,
            done=max(0, progress.seen - progress.waiting),
            total=progress.seen if progress.listed or progress.number > 1 else None,
            requests=self._requests,
            requests_left=left,
            seconds_left=None if left is None else seconds_for(left, self._client.quota.snapshot()),
        )
        emit(event)


def _now() -> datetime:
    return datetime.now(UTC)


def _before(moment: datetime, duration: timedelta) -> datetime:
    """Return the moment so much earlier, or the first of the calendar if that is later."""
    return moment - min(duration, moment - datetime.min.replace(tzinfo=UTC))


async def _next(pages: AsyncIterator[Page[Any]]) -> Page[Any] | None:
    return await anext(pages, None)


def _wanted(resources: Sequence[str], children: bool | Sequence[str]) -> list[Resource]:
    names = [resources] if isinstance(resources, str) else list(dict.fromkeys(resources))
    unknown = [name for name in names if name not in RESOURCES]
    if unknown or not names:
        raise ValueError(f"resources are some of {', '.join(RESOURCES)}, not {', '.join(map(repr, unknown)) or 'none'}")
    wanted = [RESOURCES[name] for name in names]
    if children is True:
        return wanted
    chosen = [] if children is False else [children] if isinstance(children, str) else list(children)
    possible = [child.name for resource in wanted for child in resource.children]
    unknown = [name for name in chosen if name not in possible]
    if unknown and not possible:
        raise ValueError(f"{' and '.join(names)} have no children: leave {', '.join(map(repr, unknown))} out")
    if unknown:
        raise ValueError(f"children are some of {', '.join(possible)}, not {', '.join(map(repr, unknown))}")
    return [evolve(each, children=tuple(child for child in each.children if child.name in chosen)) for each in wanted]


def _job(client: UserClient, resources: Sequence[Resource]) -> dict[str, str]:
    """Return what a state is for, without a key."""
    children = [child.name for resource in resources for child in resource.children]
    server, _, key = client.fingerprint("export").rpartition("#")
    return {
        "resources": ", ".join(resource.name for resource in resources),
        "children": ", ".join(children) or "none",
        "server": server,
        "key": key,
    }
