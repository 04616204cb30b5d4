"""A dlt source: what the API lists, and what belongs to it, for `dlt.pipeline(…).run(sessions_source())`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

import dlt

from ..client import UserClient
from ..errors import NotFoundError
from ..keys import UserKey
from .dlt_tables import NESTING, identified, loadable, table_of
from .plan import RESOURCES, Child, Resource
from .rows import key_of
from .schema import Column, columns

if TYPE_CHECKING:
    import httpx
    from dlt.common.schema.typing import TColumnSchema
    from dlt.extract import DltResource, DltSource

    from ..events import ClientEvent
    from ..quota import Quota
    from ..retries import RetryPolicy

__all__ = ("Connection", "sessions_source")

Row = dict[str, Any]

_GONE: Final = "gone"
"""The column that tells dlt to delete what has the same keys. No row that stays has a value in it."""

_PLACE: Final = "position"
"""The column for the place in a list of what has no id: an utterance."""


class Connection(TypedDict, total=False):
    """How the client is made; see `UserClient`."""

    base_url: str | None
    quota: Quota | None
    retries: RetryPolicy | None
    timeout: float
    max_wait: float | None
    strict: bool
    on_event: Callable[[ClientEvent], None] | None
    transport: httpx.AsyncBaseTransport | None
    allow_http: bool


def sessions_source(
    api_key: str | UserKey | None = None,
    *,
    resources: Collection[str] = tuple(RESOURCES),
    children: bool = True,
    **connection: Unpack[Connection],
) -> DltSource:
    """A source for `dlt.pipeline(…).run(…)`: a resource for each list, merged by id, and one for each kind of children.

    The children are `session_participants`, `session_transcripts`, `session_takeaways` and `booking_page_collaborators`,
    which are replaced together with those of the same session or page, and `booking_page_bookings`, which are merged: the
    server tells only those still to come, and earlier ones stay. What lists no longer have stays too. Column types are
    those of the API's document; fields that it does not know are kept.

    Lists have neither order nor filter, so each run reads them whole. The children of a session that is over are read
    once: dlt's state, which is loaded together with the rows, names the sessions that are done with, as long as the list
    has them. dlt's runs are all or nothing: what was read is lost if one is killed. So for the first hours of a large
    account use `export` with a `DltSink`, which goes on where it was, and this source for what comes after.

    All requests go in the background lane. dlt runs an event loop of its own, in which the source opens one client and
    closes it; a process can use a key in one event loop at a time. dlt tells its makers about runs of pipelines unless
    `RUNTIME__DLTHUB_TELEMETRY` is `false`.

    Args:
        api_key: the USER key; None reads `SESSIONS_USER_KEY`. It gets into none of dlt's records.
        resources: which lists: `booking_pages`, `bookings`, `rooms`, `sessions`, `events`.
        children: also read what belongs to each row, which costs requests for each: three for a session.
        connection: as for `UserClient`: `base_url`, `quota`, `timeout`, …

    Raises:
        ConfigurationError: no usable key, or an option that makes no sense.
        ValueError: an unknown resource, or none.
    """
    key = UserKey.resolve(api_key)
    del api_key  # so that no traceback from here on holds it
    if not isinstance(key, UserKey):
        raise key
    if isinstance(resources, str) or not resources or not set(resources) <= set(RESOURCES):
        raise ValueError(f"resources are some of {', '.join(RESOURCES)}, not {resources!r}")
    UserClient(key, **connection)  # says now what makes no sense; it needs no loop and holds nothing
    clients = _Clients(key, connection)

    @dlt.source(name="sessions_us", max_table_nesting=NESTING)
    def sessions_us() -> Iterator[DltResource]:
        for resource in RESOURCES.values():
            if resource.name in resources:
                yield (rows := _list(clients, resource))
                for child in resource.children if children else ():
                    yield _children(clients, rows, resource, child)

    return sessions_us()


class _Clients:
    """Lends one client to each event loop, `async with`, and closes it after its last borrower.

    No generator: at the end of a failed run dlt's loop closes all generators at once, and one in another would be closed twice.
    """

    def __init__(self, key: UserKey, connection: Connection) -> None:
        self._key = key
        self._connection = connection
        self._lent: dict[asyncio.AbstractEventLoop, tuple[UserClient, int]] = {}

    async def __aenter__(self) -> UserClient:
        loop = asyncio.get_running_loop()
        client, borrowers = self._lent.get(loop) or (UserClient(self._key, **self._connection), 0)
        self._lent[loop] = client, borrowers + 1
        return client.with_options(lane="background")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        client, borrowers = self._lent.pop(loop)
        if borrowers > 1:
            self._lent[loop] = client, borrowers - 1
        else:
            await client.aclose()


def _list(clients: _Clients, resource: Resource) -> DltResource:
    async def rows() -> AsyncIterator[list[Row]]:
        seen: set[str | None] = set()
        async with clients as user:
            async for page in resource.pager(user, None).pages():
                found = [row for row in page.raw if isinstance(row, dict)]
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


def _children(clients: _Clients, parents: DltResource, resource: Resource, child: Child) -> DltResource:
    table_name = _table_name(resource, child)
    parent_key = _PARENT_KEYS[resource.name]
    shape, own_key = _shape(resource, child)
    replaced = (resource.name, child.name) != ("booking_pages", "bookings")

    async def rows(page: list[Row]) -> AsyncIterator[list[Row]]:
        done = _done(table_name)
        known = set(done)
        async with clients as user:
            for parent in page:
                name = parent["id"]
                if name in known and parent.get("endedAt"):
                    continue
                try:
                    found, _ = await child.fetch(user, name)
                except (NotFoundError, ValueError):
                    continue  # it went while the list was read, or its id can't stand in a path
                if resource.is_settled({**parent, "transcripts": found, "takeaways": found}, datetime.now(UTC)):
                    done.append(name)
                told = [_child_row(each, place, own_key) for place, each in enumerate(_each(found))]
                if replaced and not told:  # what there was before would stay if nothing were said
                    told = [{_GONE: True, **dict.fromkeys(own_key, 0 if own_key == (_PLACE,) else "")}]
                yield [{**row, parent_key: name} for row in told]

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
    """The columns of a kind of children, and what besides its parent tells one from another."""
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
    """The sessions whose children of a kind need not be read again, in dlt's state; it counts once the rows are loaded."""
    ids: list[str] = dlt.current.resource_state(name).setdefault("done", [])
    return ids
