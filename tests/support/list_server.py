"""A model of an API whose lists come in pages: every way to count, to end and to move that a list must survive.

In process it is a transport of httpx, `UserClient(…, transport=server)`; over loopback it is a context manager that has a url,
`async with server: UserClient(…, base_url=server.url)`.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

import httpx
from sessions_us_api.operations import OPERATIONS
from support.loopback import Loopback

from sessions_us._calls import operation as reads_the_document

TOP = ("rooms", "booking-pages", "bookings", "sessions", "events")
BELOW = ("booking-pages/p1/bookings", "booking-pages/p1/collaborators")

PLENTY = {"ratelimit-limit": "1000000", "ratelimit-remaining": "999999", "ratelimit-reset": "3600"}

Beyond = Literal["empty", "404", "416", "last", "wrap"]


@dataclass(frozen=True, kw_only=True)
class Paging:
    """How a list is paged.

    Attributes:
        base: the number of the first page; None: both 0 and 1 are the first.
        size: rows of a full page.
        ignored: whatever page is asked for, the first one comes.
        shuffled: each answer has the rows in another order.
        beyond: what comes for a page after the last: nothing, a status, the last page again, or page one and so on.
        nameless: which rows have no id.
        changing: each row has a field that is another in each answer.
        lengths: rows of single pages, by place from 0, that are shorter than the others.
    """

    base: Literal[0, 1] | None = 1
    size: int = 20
    ignored: bool = False
    shuffled: bool = False
    beyond: Beyond = "empty"
    nameless: Literal["none", "some", "all"] = "none"
    changing: bool = False
    lengths: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_honest(self) -> bool:
        """Whether a page that is asked for comes, and a page after the last one is not another page."""
        return not (self.ignored or self.shuffled or self.beyond in {"last", "wrap"})

    def has_id(self, row: str) -> bool:
        return self.nameless == "none" or (self.nameless == "some" and int(row.rpartition("-")[2]) % 3 > 0)


@dataclass(frozen=True)
class Asked:
    """A request for a page, and what it got.

    Attributes:
        path: of the list, without `/api/`.
        page: as it was asked for.
        status: of the answer.
        rows: names of the rows in it.
    """

    path: str
    page: str | None
    status: int
    rows: tuple[str, ...]


class Watch:
    """The rows of a list that a reader must get who begins now: those that stay, and that others' deletions don't move."""

    def __init__(self, rows: Collection[str]) -> None:
        self.must = set(rows)

    def forgets(self, rows: Collection[str]) -> None:
        self.must.difference_update(rows)


async def _nothing(path: str) -> None:
    """Nothing happens."""


class ListServer(Loopback, httpx.AsyncBaseTransport):
    """The lists, by path: newest first, so that what is inserted comes at the top.

    Attributes:
        lists: names of the rows of each list, by its path without `/api/`.
        paging: of all lists; `paging_of` has exceptions by path.
        asked: the requests for pages.
        requests: how many requests came, writes too.
        before_page, after_page: awaited with the path before a page is made, and between that and its sending.
        failing: how many of the next requests for pages get a 503.
        answers_until: so many requests for pages came; further ones get a 418.
        headers: of each answer. By default they tell a quota that nobody can use up.
    """

    def __init__(self, rows: int = 0, paging: Paging | None = None, *, seed: int = 1) -> None:
        super().__init__()
        self.lists: dict[str, list[str]] = {path: [] for path in (*TOP, *BELOW)}
        self.paging = paging or Paging()
        self.paging_of: dict[str, Paging] = {}
        self.asked: list[Asked] = []
        self.requests = 0
        self.before_page: Callable[[str], Awaitable[None]] = _nothing
        self.after_page: Callable[[str], Awaitable[None]] = _nothing
        self.failing = 0
        self.answers_until: int | None = None
        self.headers: dict[str, str] = dict(PLENTY)
        self._made = 0
        self._answers = 0
        self._order = random.Random(seed)
        self._watches: dict[str, list[Watch]] = {}
        for path in self.lists:
            self.insert(path, rows)

    # -- what code of a test does --------------------------------------------------------------------------------------

    def insert(self, path: str, count: int = 1) -> list[str]:
        """New rows at the top of a list."""
        new = [f"{path.replace('/', '-')}-{self._made + number}" for number in range(count, 0, -1)]
        self._made += count
        self.lists[path] = new + self.lists[path]
        return new

    def delete(self, path: str, rows: Collection[str], *, by_others: bool = True) -> None:
        """Rows go; those after the first of them move up, and by others' hands that is nothing that a reader can know."""
        there, gone = self.lists[path], set(rows)
        first = next((place for place, row in enumerate(there) if row in gone), len(there))
        for watch in self._watches.get(path, []):
            watch.forgets(there[first:] if by_others else gone)
        self.lists[path] = [row for row in there if row not in gone]

    def watch(self, path: str) -> Watch:
        """What must be given to a reader of a list from now on."""
        watch = Watch(self.lists[path])
        self._watches.setdefault(path, []).append(watch)
        return watch

    def unwatch(self, path: str, watch: Watch) -> None:
        """The reader has come to the end."""
        self._watches[path].remove(watch)

    def how(self, path: str) -> Paging:
        return self.paging_of.get(path, self.paging)

    def cut(self, path: str) -> list[list[str]]:
        """The pages of a list as they are now."""
        return self._cut(self.how(path), self.lists[path])

    # -- the API -------------------------------------------------------------------------------------------------------

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        status, body = await self.answer(request.method, request.url.raw_path.decode(), await request.aread())
        return httpx.Response(status, content=body, headers={"content-type": "application/json", **self.headers})

    async def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """The status and the body."""
        self.requests += 1
        path, _, query = target.partition("?")
        path = unquote(path).removeprefix("/api/")
        if method != "GET":
            status, said = self._write(method, path, body)
        elif path in self.lists:
            await self.before_page(path)
            asked = self._page(path, parse_qs(query).get("page", [None])[0])
            status, said = asked.status, self._rows(path, asked)
            self.asked.append(asked)
            await self.after_page(path)
        else:
            status, said = self._one(path)
        return status, b"" if said is None else json.dumps(said).encode()

    def _page(self, path: str, page: str | None) -> Asked:
        if self.answers_until is not None and len(self.asked) >= self.answers_until:
            return Asked(path, page, 418, ())
        if self.failing:
            self.failing -= 1
            return Asked(path, page, 503, ())
        how, rows = self.how(path), self.lists[path]
        if how.shuffled:
            rows = self._order.sample(rows, len(rows))
        place = 0
        if page is not None and not how.ignored:
            place = max(0, int(page) - 1) if how.base is None else int(page) - how.base
        if place < 0:
            return Asked(path, page, 400, ())
        pages = self._cut(how, rows)
        if place < len(pages):
            return Asked(path, page, 200, tuple(pages[place]))
        if place == 0 or how.beyond == "empty":
            return Asked(path, page, 200, ())
        if how.beyond in {"404", "416"}:
            return Asked(path, page, int(how.beyond), ())
        if not pages:
            return Asked(path, page, 200, ())
        return Asked(path, page, 200, tuple(pages[-1] if how.beyond == "last" else pages[place % len(pages)]))

    @staticmethod
    def _cut(how: Paging, rows: list[str]) -> list[list[str]]:
        if not how.lengths:
            return [rows[start : start + how.size] for start in range(0, len(rows), how.size)]
        pages, start = [], 0
        while start < len(rows):
            length = how.lengths.get(len(pages), how.size)
            pages.append(rows[start : start + length])
            start += length
        return pages

    def _rows(self, path: str, asked: Asked) -> Any:
        if asked.status != 200:
            return {"message": "no such page"}
        self._answers += 1
        how = self.how(path)
        if how.nameless == "none" and not how.changing:
            return [{"id": row, "name": row} for row in asked.rows]
        rows: list[dict[str, Any]] = []
        for row in asked.rows:
            rows.append({"id": row, "name": row} if how.has_id(row) else {"name": row})
            if how.changing:
                rows[-1]["seenAt"] = self._answers
        return rows

    def _one(self, path: str) -> tuple[int, Any]:
        place, _, row = path.rpartition("/")
        if row in self.lists.get(place, []):
            return 200, {"id": row, "name": row}
        return 404, {"message": "there is none"}

    def _write(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        head, _, last = path.rpartition("/")
        if method == "POST" and path in self.lists:
            (row,) = self.insert(path)
            return 201, {"id": row, "name": row}
        if method == "POST" and last == "clone":
            (row,) = self.insert(head.partition("/")[0])
            return 201, {"id": row, "name": row}
        if method == "PUT":
            return 200, {"id": last, "name": last}
        if method == "DELETE" and path in BELOW:
            head, last = path, json.loads(body)["collaboratorId"]
        places = [at for at, rows in self.lists.items() if at.endswith(head) and last in rows]
        for place in places:
            self.delete(place, [last], by_others=False)
        return (200, None) if places else (404, {"message": "there is none"})

    # -- over loopback -------------------------------------------------------------------------------------------------

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            method, target, _ = head.decode().split(" ", 2)
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            status, body = await self.answer(method, target, await reader.readexactly(int(length or b"0")))
            told = {"content-type": "application/json", "content-length": str(len(body)), **self.headers}
            lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in told.items()), "", ""]
            writer.write("\r\n".join(lines).encode() + body)
            await writer.drain()


@contextmanager
def document_says(*, base: int | None = None, size: int | None = 20) -> Iterator[None]:
    """The client reads these page facts of all lists instead of those of the document, which are in its `OPERATIONS`."""
    before = reads_the_document.OPERATIONS
    reads_the_document.OPERATIONS = _said(base, size)
    try:
        yield
    finally:
        reads_the_document.OPERATIONS = before


_cached: dict[tuple[int | None, int | None], Mapping[str, Any]] = {}


def _said(base: int | None, size: int | None) -> Mapping[str, Any]:
    if (base, size) not in _cached:
        _cached[base, size] = {
            name: each
            if each.pagination is None
            else replace(each, pagination=replace(each.pagination, base=base, size=size))
            for name, each in OPERATIONS.items()
        }
    return _cached[base, size]
