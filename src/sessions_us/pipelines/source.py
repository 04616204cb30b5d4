"""A dlt source of the API's lists and the children of their rows: `dlt.pipeline(…).run(sessions_source())`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, Unpack

import dlt
from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import evolve
from dlt.extract import DltResource, DltSource

from ..client import ClientOptions, UserClient
from ..errors import NotFoundError
from ..keys import UserKey
from .dlt_tables import NESTING, identified, table_of
from .due import Asked, is_due
from .export import REFRESH_CHILDREN
from .plan import FRESH, RESOURCES, Resource
from .rows import digest_of, key_of
from .schema import columns

__all__ = ("sessions_source",)

Row = dict[str, Any]
T = TypeVar("T")


def sessions_source(
    api_key: str | UserKey | None = None,
    *,
    resources: Collection[str] = tuple(RESOURCES),
    children: bool = True,
    **connection: Unpack[ClientOptions],
) -> DltSource:
    """Make a source for `dlt.pipeline(…).run(…)`, with a resource for each list, merged by id.

    The tables are those of `DltSink`: the children of a row are in tables such as `sessions__participants`, which dlt joins
    by `_dlt_parent_id`, or in columns such as `takeaways__takeaways_text`. Rows that lists no longer have stay. Column types
    are those of the API's document; undocumented fields are kept.

    Each run reads the lists whole. The children of an ended session are read once, and for seven days again while its
    takeaways or transcripts are missing: dlt's state, which is loaded together with the rows, has a digest of each row that
    is whole. A run of dlt is all or nothing: if it is killed, its rows are lost. So use `export` with a `DltSink`, which
    resumes, for the first hours of a large account, and this source afterwards.

    All requests are in the background lane. While it is read, the source has one client in a thread of its own, which
    shares the budget with all other clients of the key in the process; they need the same `quota`. dlt sends telemetry about
    runs unless `RUNTIME__DLTHUB_TELEMETRY` is `false`.

    Args:
        api_key: the USER key; None reads `SESSIONS_USER_KEY`. dlt does not store it.
        resources: names from `RESOURCES`: `booking_pages`, `bookings`, `rooms`, `sessions`, `events`.
        children: also read the children of each row; see `export`.
        connection: options of `UserClient`: `base_url`, `quota`, `timeout`, …

    Raises:
        ConfigurationError: no usable key, or an invalid option.
        ValueError: an unknown resource, or none.
    """
    key = UserKey.resolve(api_key)
    del api_key  # so that no traceback from here on holds it
    if not isinstance(key, UserKey):
        raise key
    if isinstance(resources, str) or not resources or not set(resources) <= set(RESOURCES):
        raise ValueError(f"resources are some of {', '.join(RESOURCES)}, not {resources!r}")
    UserClient(key, **connection)  # raises for invalid options; it needs no loop and opens nothing
    desk = _Desk(key, connection)

    @dlt.source(name="sessions_us", max_table_nesting=NESTING)
    def sessions_us() -> Iterator[DltResource]:
        for resource in RESOURCES.values():
            if resource.name in resources:
                yield _list(desk, resource if children else evolve(resource, children=()))

    return sessions_us()


class _Desk:
    """One client for all coroutines of dlt, in a thread and an event loop of its own: `with shared as user`. The last user
    closes it.

    When a run fails, dlt cancels its tasks and stops its loop a few iterations later, whether they have ended or not. So
    nothing here needs that loop to end, and neither connections nor tasks are left.
    """

    def __init__(self, key: UserKey, connection: ClientOptions) -> None:
        self._key = key
        self._connection = connection
        self._lock = threading.Lock()
        self._visitors = 0
        self._exits = ExitStack()

    def __enter__(self) -> UserClient:
        with self._lock:
            if self._visitors == 0:
                with ExitStack() as exits:
                    portal = exits.enter_context(start_blocking_portal(name="sessions-us source"))
                    client = UserClient(self._key, **self._connection)
                    exits.enter_context(portal.wrap_async_context_manager(client))
                    self._exits = exits.pop_all()
                self._portal: BlockingPortal = portal
                self._user = client.with_options(lane="background", **FRESH)
            self._visitors += 1
            return self._user

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._visitors -= 1
            if self._visitors == 0:
                self._exits.close()

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Await a request in the client's loop. Cancelling this cancels the request."""
        return await asyncio.wrap_future(self._portal.start_task_soon(request))


def _list(desk: _Desk, resource: Resource) -> DltResource:
    async def rows() -> AsyncIterator[list[Row]]:
        before, settled = _settled(), dict[str, str]()
        with desk as user:
            pages = resource.pager(user, None).pages()
            while (page := await desk.ask(lambda: anext(pages, None))) is not None:
                found = []
                for row in page.new_rows:
                    name, digest = key_of(row), digest_of(row).hex()
                    if name is None or before.get(name) != digest:
                        whole, is_settled = await desk.ask(partial(_with_children, user, resource, row))
                        found.append(whole)
                    else:
                        is_settled = True
                    if name is not None and is_settled and resource.children:
                        settled[name] = digest
                yield [identified(row) for row in found if isinstance(row, dict)]
        before.clear()  # what is gone need not be remembered
        before.update(settled)

    table = table_of(columns(resource.name, children=bool(resource.children)))
    made: DltResource = dlt.resource(
        rows,
        name=resource.name,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        primary_key="id",
        columns=table.columns,
        nested_hints=table.nested_hints,
    )
    return made


async def _with_children(client: UserClient, resource: Resource, row: Any) -> tuple[Any, bool]:
    """Return a row with all its children, and whether they need not be read again while the row does not change."""
    name, now, settled = key_of(row), datetime.now(UTC), True
    if name is None:
        return row, False
    whole = dict(row)
    for child in resource.children:
        asked = None
        if is_due(child, row, None, changed=True, now=now, patience=REFRESH_CHILDREN):
            try:
                whole[child.name], _ = await child.fetch(client, name)
            except (NotFoundError, ValueError):  # it went while the list was read, or its id can't stand in a path
                whole[child.name] = child.nothing
            asked = Asked(found=bool(whole[child.name]), by_this_process=False)
            settled &= not is_due(child, row, asked, changed=False, now=now, patience=REFRESH_CHILDREN)
        elif not (child.is_in_rows and row.get(child.name)):
            whole[child.name] = child.nothing
    return whole, settled


def _settled() -> dict[str, str]:
    """Return the rows, in dlt's state, that are whole in the database: their digests by id. dlt stores it with the rows."""
    digests: dict[str, str] = dlt.current.resource_state().setdefault("settled", {})
    return digests
