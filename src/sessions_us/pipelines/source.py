"""A dlt source of the API's lists and the children of their rows: `dlt.pipeline(…).run(sessions_source())`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack

import dlt
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..client import ClientOptions, UserClient
from ..errors import NotFoundError
from ..keys import UserKey
from .dlt_tables import NESTING, identified, loadable, table_of
from .plan import FRESH, RESOURCES, Child, Resource
from .rows import key_of
from .schema import Column, columns

if TYPE_CHECKING:
    from dlt.common.schema.typing import TColumnSchema
    from dlt.extract import DltResource, DltSource

__all__ = ("sessions_source",)

Row = dict[str, Any]
T = TypeVar("T")

_GONE: Final = "gone"
"""The column that makes dlt delete rows with the same keys. Rows that stay have no value in it."""

_PLACE: Final = "position"
"""The column for the position of an item without an id: an utterance."""


def sessions_source(
    api_key: str | UserKey | None = None,
    *,
    resources: Collection[str] = tuple(RESOURCES),
    children: bool = True,
    **connection: Unpack[ClientOptions],
) -> DltSource:
    """Make a source for `dlt.pipeline(…).run(…)`, with a resource for each list, merged by id, and one for each kind of
    children.

    The children are `session_participants`, `session_transcripts`, `session_takeaways` and `booking_page_collaborators`,
    which replace those of the same session or page, and `booking_page_bookings`, which are merged: the server lists only
    future bookings, and earlier ones stay. Rows that lists no longer have stay too. Column types are those of the API's
    document; undocumented fields are kept.

    Lists have neither order nor filter, so each run reads them whole. The children of an ended session are read once: dlt's
    state, which is loaded together with the rows, has the ids of these sessions as long as the list has them. A run of dlt
    is all or nothing: if it is killed, its rows are lost. So use `export` with a `DltSink`, which resumes, for the first
    hours of a large account, and this source afterwards.

    All requests are in the background lane. While it is read, the source has one client in a thread of its own; a process
    can use a key in one event loop at a time. dlt sends telemetry about runs unless `RUNTIME__DLTHUB_TELEMETRY` is `false`.

    Args:
        api_key: the USER key; None reads `SESSIONS_USER_KEY`. dlt does not store it.
        resources: names from `RESOURCES`: `booking_pages`, `bookings`, `rooms`, `sessions`, `events`.
        children: also read the children of each row, which costs requests per row: three for a session.
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
                yield (rows := _list(desk, resource))
                for child in resource.children if children else ():
                    yield _children(desk, rows, resource, child)

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
        seen: set[str | None] = set()
        with desk as user:
            pages = resource.pager(user, None).pages()
            while (page := await desk.ask(lambda: anext(pages, None))) is not None:
                found = [row for row in page.new_rows if isinstance(row, dict)]
                seen.update(map(key_of, found))
                yield [identified(row) for row in found]
        for child in resource.children:
            done = _done(_table_name(resource, child))
            done[:] = [name for name in done if name in seen]  # what is gone need not be remembered

    table = table_of(columns(resource.name, children=False))
    made: DltResource = dlt.resource(
        rows,
        name=resource.name,
        write_disposition="merge",
        primary_key="id",
        columns=table.columns,
        nested_hints=table.nested_hints,
    )
    return made


def _children(desk: _Desk, parents: DltResource, resource: Resource, child: Child) -> DltResource:
    table_name = _table_name(resource, child)
    parent_key = _PARENT_KEYS[resource.name]
    shape, own_key = _shape(resource, child)
    replaced = (resource.name, child.name) != ("booking_pages", "bookings")

    async def rows(page: list[Row]) -> AsyncIterator[list[Row]]:
        done = _done(table_name)
        known = set(done)
        with desk as user:
            for parent in page:
                name = parent["id"]
                if name in known and parent.get("endedAt"):
                    continue
                try:
                    found, _ = await desk.ask(partial(child.fetch, user, name))
                except (NotFoundError, ValueError):
                    continue  # it went while the list was read, or its id can't stand in a path
                if resource.is_settled({**parent, "transcripts": found, "takeaways": found}, datetime.now(UTC)):
                    done.append(name)
                children = [_child_row(each, place, own_key) for place, each in enumerate(_each(found))]
                if replaced and not children:  # without a row, dlt would keep the earlier ones
                    children = [{_GONE: True, **dict.fromkeys(own_key, 0 if own_key == (_PLACE,) else "")}]
                yield [{**row, parent_key: name} for row in children]

    table = table_of(shape)
    types: dict[str, TColumnSchema] = {**table.columns, parent_key: {"data_type": "text"}}
    if replaced:
        types[_GONE] = {"data_type": "bool", "hard_delete": True}
    made: DltResource = dlt.transformer(
        rows,
        data_from=parents,
        name=table_name,
        write_disposition="merge",
        primary_key=(parent_key, *own_key),
        merge_key=parent_key if replaced else (),
        columns=types,
        nested_hints=table.nested_hints,
    )
    return made


_PARENT_KEYS: Final = {"booking_pages": "bookingPageId", "sessions": "sessionId"}


def _table_name(resource: Resource, child: Child) -> str:
    return f"{resource.name.removesuffix('s')}_{child.name}"


def _shape(resource: Resource, child: Child) -> tuple[Sequence[Column], tuple[str, ...]]:
    """Return the columns of a kind of children, and their key besides that of the parent."""
    (column,) = (each for each in columns(resource.name) if each.name == child.name)
    if column.item is None:
        return column.fields, ()
    if any(each.name == "id" for each in column.item.fields):
        return column.item.fields, ("id",)
    return (*column.item.fields, Column(_PLACE, "integer")), (_PLACE,)


def _each(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found] if found else []


def _child_row(found: Any, place: int, key: tuple[str, ...]) -> Row:
    row = found if isinstance(found, dict) else {"value": found}
    return identified(row) if key == ("id",) else loadable(row | dict.fromkeys(key, place))


def _done(name: str) -> list[str]:
    """Return the sessions, in dlt's state, whose children of a kind need not be read again. dlt stores it with the rows."""
    ids: list[str] = dlt.current.resource_state(name).setdefault("done", [])
    return ids
