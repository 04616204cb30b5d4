"""A Pager: the items of a paginated list, its pages, and where to go on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from attrs import evolve, field, frozen

from .prefetch import Prefetch, Spawn
from .quota import Lane

__all__ = ("Page", "PageFacts", "Pager")

T = TypeVar("T")

_RECENT_IDS: Final = 1000
"""How many ids are remembered: fifty pages. Items shift by a few places while a list is read, not by a thousand."""

_bases: dict[tuple[str, str], int] = {}
"""What this process learnt of page numbers, by origin and page parameter."""


@frozen
class PageFacts:
    """What the document says about the pages of a list.

    Attributes:
        origin: of the server, since what is learnt holds for all its lists.
        parameter: the query parameter.
        base: the number of the first page.
        base_is_proven: whether that was seen on the wire.
        size: rows of a full page.
    """

    origin: str
    parameter: str
    base: int
    base_is_proven: bool
    size: int

    @property
    def known_base(self) -> int | None:
        return self.base if self.base_is_proven else _bases.get((self.origin, self.parameter))

    def learn_base(self, base: int) -> None:
        _bases[self.origin, self.parameter] = base


@frozen
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: the rows that could be understood and were not given before.
        number: of the page, as the server counts. A first page that was asked for without a number has the number that the
            document supposes.
        raw: the rows as they came, all of them.
    """

    items: list[T]
    number: int
    raw: list[Any] = field(repr=False)


Fetch = Callable[[int | None, Lane], Awaitable[tuple[list[T], list[Any]]]]
"""Gets the page of a number (None: the first, unnumbered): its understood rows, and all rows raw."""

Hurry = Callable[[int | None], Awaitable[None]]
"""Puts the request for the page of a number, if it is under way, into the lane interactive."""


@frozen
class _Place:
    """Where a request goes.

    Attributes:
        number: the page to ask for, None for the first without a number.
        before: a sketch of the rows of the page before, where this may turn out to be the same page under its number.
        is_end: there is nothing more to ask for.
    """

    number: int | None = None
    before: str = ""
    is_end: bool = False

    def __str__(self) -> str:
        if self.is_end:
            return "end"
        return "start" if self.number is None else f"page:{self.number}:{self.before}".rstrip(":")

    @classmethod
    def parse(cls, cursor: int | str | None) -> _Place:
        match cursor:
            case None | "start":
                return cls()
            case "end":
                return cls(is_end=True)
            case int() if cursor >= 0 and not isinstance(cursor, bool):
                return cls(cursor)
            case str():
                kind, _, rest = cursor.partition(":")
                number, _, before = rest.partition(":")
                if kind == "page" and number.isascii() and number.isdigit():
                    return cls(int(number), before)
        raise ValueError(f"page is a page number (0 or more) or the cursor of a Pager, not {cursor!r}")


@frozen
class _Step(Generic[T]):
    """A page as it came.

    Attributes:
        number: of the page, as the server counts.
        items: its understood rows.
        raw: all its rows.
        repeated: whether they are those of the page before.
        next: where the next request goes.
    """

    number: int
    items: list[T]
    raw: list[Any]
    repeated: bool
    next: _Place


class _Walk(Generic[T]):
    """From page to page: each answer says where the next request goes. A step that fails is made again by the next call."""

    def __init__(
        self, fetch: Fetch[T], facts: PageFacts, place: _Place, *, verify_end: bool, lane: Lane | None, hurry: Hurry
    ) -> None:
        self._fetch = fetch
        self._facts = facts
        self._place = place
        self._verify_end = verify_end
        self._lane: Lane | None = lane
        self._hurry = hurry
        self._size = facts.size
        self._previous: list[str] | None = None

    @property
    def is_over(self) -> bool:
        return self._place.is_end

    async def step(self, *, ahead: bool) -> _Step[T]:
        """The next page. One that is fetched ahead is nobody's urgent work, whatever lane its reader was given."""
        number = self._place.number
        lane: Lane | None = self._lane
        if ahead:
            lane = "background"
        elif lane is None:
            lane = "interactive" if self._previous is None else "background"
        items, raw = await self._fetch(number, lane)
        repeated = self._advance(raw)
        if number is None:
            number = self._facts.base if self._facts.known_base is None else self._facts.known_base
        return _Step(number, items, raw, repeated, self._place)

    async def hurry(self) -> None:
        """A reader waits for what is fetched ahead: from now on it has the reader's own lane."""
        if self._lane == "interactive":
            await self._hurry(self._place.number)

    def _advance(self, raw: list[Any]) -> bool:
        """Decides from a page's rows where the next request goes. True if they are those of the page before."""
        place, rows = self._place, [_row_name(row) for row in raw]
        repeated = rows == self._previous
        unsure = bool(place.before) and bool(rows)
        if unsure:  # most rows the same, for a few may have moved in between
            repeated = 2 * _common(place.before, _sketch(rows)) >= len(rows)
            self._facts.learn_base(1 if repeated else 0)
        self._size = max(self._size, len(rows)) if self._previous is None else self._size
        self._previous = rows
        short = len(rows) < self._size and not self._verify_end
        if not rows or short or (repeated and not unsure):
            self._place = _Place(is_end=True)
        elif place.number is not None:
            # Asked for by number 0, the first page may be the one that 1 means too.
            self._place = _Place(place.number + 1, _sketch(rows) if place.number == 0 else "")
        elif self._facts.known_base is not None:
            self._place = _Place(self._facts.known_base + 1)
        else:
            self._place = _Place(1, _sketch(rows))
        return repeated


async def _never_late(number: int | None) -> None:
    """No other request is waited for."""


class Pager(Generic[T]):
    """The items of a paginated list. It sends nothing until it is iterated.

    `async for item in pager` gives each item once by its id, though items may shift while pages are read;
    `async for page in pager.pages()` gives whole pages; `await pager.collect()` a list. A Pager survives an error and a
    cancellation: iterate it again and it goes on with the page that failed. Page numbers are no snapshot: what is deleted
    on the server while a list is read may move another item past the reader.

    With `prefetch=n`, up to n pages beyond the one that is being read are fetched while its reader works, one after the
    other, in the lane background. When an iteration ends, however it ends, so does the request that is under way for it; what
    was fetched is kept for the next iteration. `collect` has no work to do meanwhile, and fetches nothing ahead.
    """

    def __init__(
        self,
        fetch: Fetch[T],
        facts: PageFacts,
        *,
        page: int | str | None = None,
        verify_end: bool = False,
        prefetch: int = 0,
        lane: Lane | None = None,
        hurry: Hurry = _never_late,
        spawn: Spawn = asyncio.create_task,
    ) -> None:
        self._next = _Place.parse(page)
        self._current = self._next
        walk = _Walk(fetch, facts, self._next, verify_end=verify_end, lane=lane, hurry=hurry)
        self._steps: Prefetch[_Step[T]] = Prefetch(walk, prefetch, spawn)
        self._page: Page[T] | None = None
        self._rest: deque[T] = deque()
        self._recent: OrderedDict[object, None] = OrderedDict()
        self._turn = asyncio.Lock()

    @property
    def cursor(self) -> str:
        """An opaque string: the first page not wholly consumed. `list(page=cursor)` goes on there, at least once.

        A page is consumed when its reader comes back for more: what fails while its last item is worked on is not lost.
        Pages that were fetched ahead are not consumed.
        """
        return str(self._current)

    async def pages(self) -> AsyncIterator[Page[T]]:
        """The pages from here on; first what `async for item` left of a page, if it was stopped within one."""
        async with self._steps:
            if self._rest and self._page is not None:
                rest = evolve(self._page, items=list(self._rest))
                self._rest.clear()
                yield rest
            while (page := await self._turn_page()) is not None:
                yield page

    async def collect(self, limit: int | None = None) -> list[T]:
        """All items from here on, or the first `limit` of them.

        Raises:
            ValueError: a negative limit.
            SessionsError: what a page raises. The items read until then are given again by the next iteration.
        """
        if limit is not None and limit < 0:
            raise ValueError("limit is the greatest number of items, 0 or more")
        items: list[T] = []
        try:
            while limit is None or len(items) < limit:
                if not self._rest and not await self._refill():
                    break
                items.append(self._rest.popleft())
        except BaseException:
            self._rest.extendleft(reversed(items))
            raise
        if not self._rest:
            self._current = self._next
        return items

    async def __aiter__(self) -> AsyncIterator[T]:
        async with self._steps:
            while self._rest or await self._refill():
                yield self._rest.popleft()

    if not TYPE_CHECKING:  # so that a type checker says it first

        def __iter__(self) -> NoReturn:
            raise TypeError("a Pager is asynchronous: use `async for item in pager`, or `await pager.collect()`")

        def __await__(self) -> NoReturn:
            raise TypeError("a Pager can't be awaited: use `async for item in pager`, or `await pager.collect()`")

    def __repr__(self) -> str:
        return f"<Pager at {self.cursor}>"

    async def _refill(self) -> bool:
        """Turns pages until there is an item to give. False at the end."""
        while not self._rest:
            page = await self._turn_page()
            if page is None:
                return False
            self._rest.extend(page.items)
        return True

    async def _turn_page(self) -> Page[T] | None:
        """The next page that is not a repetition, None after the last."""
        async with self._turn:
            while True:
                self._current = self._next
                if self._next.is_end:
                    return None
                step = await self._steps.next()
                self._next = step.next
                fresh = [item for item in step.items if self._is_fresh(item)]
                if fresh or (step.raw and not step.repeated):
                    self._page = Page(fresh, step.number, step.raw)
                    return self._page

    def _is_fresh(self, item: T) -> bool:
        name = getattr(item, "id", None)
        if name is None:
            return True
        if name in self._recent:
            self._recent.move_to_end(name)
            return False
        self._recent[name] = None
        if len(self._recent) > _RECENT_IDS:
            self._recent.popitem(last=False)
        return True


def _row_name(row: object) -> str:
    name = row.get("id") if isinstance(row, dict) else None
    return str(name) if name is not None else blake2b(repr(row).encode(errors="replace"), digest_size=8).hexdigest()


_SKETCH = 6


def _sketch(rows: Sequence[str]) -> str:
    """Six hexadecimal digits for each row: enough to know a page again in another process."""
    return "".join(blake2b(row.encode(errors="replace"), digest_size=_SKETCH // 2).hexdigest() for row in rows)


def _common(one: str, other: str) -> int:
    """How many rows two sketches share."""
    rows = [{sketch[i : i + _SKETCH] for i in range(0, len(sketch), _SKETCH)} for sketch in (one, other)]
    return len(rows[0] & rows[1])
