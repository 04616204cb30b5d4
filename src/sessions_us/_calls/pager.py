"""A Pager: the items of a paginated list, its pages, and where to go on. `walk.py` decides; this reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from attrs import evolve, field, frozen

from .._send.trail import StartAgain, Trail
from ..errors import QuotaTimeoutError, RateLimitedError, StatusError
from ..quota import Lane
from .row_names import Seen
from .walk import Ask, Place, Walk

if TYPE_CHECKING:
    from .page_source import ListSource

__all__ = ("Page", "Pager")

T = TypeVar("T")

_NO_SUCH_PAGE = (404, 416)


@frozen
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: the rows that could be understood and were not given before.
        number: the page's number, as the server counts. A first page that was asked for without a number has number 1 where
            the document does not say another.
        raw: the rows as they came, all of them.
        new_rows: those of `raw` that were not given before.
        after: the cursor of the next page, for a reader who has consumed this one. It knows of no deletion that comes later:
            after deleting rows of the page, take the Pager's `cursor`.
    """

    items: list[T]
    number: int
    raw: list[Any] = field(repr=False)
    new_rows: list[Any] = field(repr=False)
    after: str


class Pager(Generic[T]):
    """The items of a paginated list. It sends nothing until it is iterated.

    `async for item in pager` gives each item once by its id, though items may shift while pages are read;
    `async for page in pager.pages()` gives whole pages; `await pager.collect()` a list. A Pager survives an error and a
    cancellation: iterate it again and it goes on with the page that failed.

    No row that is there from beginning to end is lost in silence, and every list ends:

    * Rows that this process deletes while it reads (through any client of the key) are allowed for:
      `async for room in rooms.list(): await rooms.delete(room.id)` deletes them all. So are rows that others insert. Rows that
      others delete, or that go with something that was deleted, can't be seen: they may pull a row past the reader. So may a
      deletion of one's own that ended without an answer and happens later.
    * A page with fewer rows than the document says ends the list; `verify_end` asks on. Once the server contradicted the
      document (a `PagingSurprise` event), this process reads that operation's lists to an end that it saw.
    * A list that goes beyond its first page costs one request more than it has pages, unless the document says which number
      the first page has. One more is a full last page, `verify_end` after a short one, rows without ids (the first page is
      asked for twice), and each page that is asked for again after own deletions.
    * `list(page=3)` gives what is on page 3 and after it; what own deletions move to page 2 meanwhile is not given.
    * Creating into the list that is being read may have no end: each new row may be given too.
    * A list that does not get on raises `PagingError`; what was read stays readable.

    With `cache_ttl`, a list is given from copies only as it was read in one go, to its end; else all of it is asked for again.
    """

    def __init__(
        self,
        source: ListSource[T],
        *,
        page: int | str | None,
        verify_end: bool,
        lane: Lane | None,
    ) -> None:
        if not isinstance(verify_end, bool):
            raise TypeError(f"verify_end is True or False, not {verify_end!r}")
        self._source = source
        self._start = Place.parse(page)
        self._verify_end = verify_end
        self._lane: Lane | None = lane
        self._walk = self._new_walk()
        self._trail: Trail | None = None
        self._given: list[Seen] = []  # what walks gave that were given up
        self._page: Page[T] | None = None
        self._rest: deque[T] = deque()  # of that page
        self._held: deque[Page[T]] = deque()  # pages that a `collect` read and did not give
        self._is_consumed = self._start.is_end
        self._requests = 0
        self._turn = asyncio.Lock()

    @property
    def cursor(self) -> str:
        """An opaque string: the first page not wholly consumed. `list(page=cursor)` goes on there, at least once.

        A page is consumed when its reader comes back for more: what fails while its last item is worked on is not lost. A
        cursor knows of no deletion that comes later: take it after your own.
        """
        if self._is_consumed:
            return str(Place(is_end=True, is_doubtful=self._walk.complete is False))
        if self._trail is None:
            return str(self._start)
        return str(self._walk.place(self._trail.removed))

    @property
    def complete(self) -> bool | None:
        """None until the end of the list was reached, then whether nothing speaks against it. False: a full page was repeated,
        so that the server may ignore page numbers; rows came in another order with each page; own deletions went on while the
        end was read; or the quota refused the request that was to prove the end."""
        return self._walk.complete if self._is_consumed and not self._rest else None

    @property
    def requests(self) -> int:
        """How many pages were asked for so far; copies and retries don't count."""
        return self._requests

    async def pages(self) -> AsyncIterator[Page[T]]:
        """The pages from here on; first what `async for item` left of a page, if it was stopped within one."""
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
        if not self._rest:
            self._consume()
        self._walk.keep()
        page, rest = self._page, list(self._rest)
        items: list[T] = []
        turned: list[Page[T]] = []
        try:
            while limit is None or len(items) < limit:
                if not self._rest and not await self._refill(turned):
                    break
                items.append(self._rest.popleft())
        except BaseException:
            self._page, self._rest = page, deque(rest)
            self._held.extendleft(reversed(turned))
            self._walk.give_back()
            raise
        if not self._rest:
            self._consume()
        return items

    async def __aiter__(self) -> AsyncIterator[T]:
        while self._rest or await self._refill():
            yield self._rest.popleft()

    if not TYPE_CHECKING:  # so that a type checker says it first

        def __iter__(self) -> NoReturn:
            raise TypeError("a Pager is asynchronous: use `async for item in pager`, or `await pager.collect()`")

        def __await__(self) -> NoReturn:
            raise TypeError("a Pager can't be awaited: use `async for item in pager`, or `await pager.collect()`")

    def __repr__(self) -> str:
        return f"<Pager at {self.cursor}>"

    async def _refill(self, turned: list[Page[T]] | None = None) -> bool:
        """Turns pages until there is an item to give, and notes them. False at the end."""
        while not self._rest:
            page = await self._turn_page()
            if page is None:
                return False
            self._rest.extend(page.items)
            if turned is not None:
                turned.append(page)
        return True

    def _consume(self) -> None:
        """The reader has all items of the pages that were read."""
        self._walk.consume()
        self._is_consumed = self._walk.complete is not None

    async def _turn_page(self) -> Page[T] | None:
        """The next page with a row that was not given before, None after the last."""
        async with self._turn:
            if self._held:
                self._page = self._held.popleft()
                return self._page
            while True:
                self._consume()
                trail = self._trail = self._trail or Trail(self.renew)
                ask = self._walk.next(trail.removed)
                if ask is None:
                    trail.end()
                    return None
                trail.mark()
                page = await self._ask(ask, trail)
                self._tell_surprises()
                if page is not None and page.new_rows:
                    self._page = page
                    return page

    async def _ask(self, ask: Ask, trail: Trail) -> Page[T] | None:
        """The page, None where the answer was none: the walk knows what follows from that."""
        lane: Lane = self._lane or ("interactive" if ask.is_urgent else "background")
        try:
            items, raw = await self._source.page(ask.number, lane, trail)
        except StartAgain as again:
            self._given.append(self._walk.seen)
            self._walk, self._trail = self._new_walk(), again.trail
            return None
        except (QuotaTimeoutError, RateLimitedError):
            if not ask.proves_end:
                raise
            self._walk.refused()  # the proof of an end never costs the list
            return None
        except StatusError as error:
            if error.status_code not in _NO_SUCH_PAGE or not self._walk.missing(error.status_code, trail.removed):
                raise
            return None
        finally:
            self._requests += not trail.is_replayed
        new = self._walk.answered(raw, trail.removed)
        for given in self._given:
            fresh = given.add(list(new))
            new = {name: row for name, row in new.items() if name in fresh}
        return self._page_of(ask, items, raw, new)

    def _page_of(self, ask: Ask, items: list[T], raw: list[Any], new: dict[str, Any]) -> Page[T]:
        """The page with what was not given before.

        Args:
            ask: the request.
            items: the rows that could be understood.
            raw: all rows.
            new: those that were not given before, by name.
        """
        if len(new) < len(raw):
            found: dict[object, T] = {}
            for place, item in enumerate(items):
                name = getattr(item, "id", None)
                if name is None or name in new:
                    found.setdefault(place if name is None else name, item)
            items = list(found.values())
        complete = self._walk.complete
        over = Place(is_end=True, is_doubtful=complete is False)
        after = self._walk.after if complete is None else over
        return Page(items, self._walk.number_of(ask), raw, list(new.values()), str(after))

    def _new_walk(self) -> Walk:
        return Walk(self._source.facts, self._start, verify_end=self._verify_end)

    def _tell_surprises(self) -> None:
        for surprise in self._walk.surprises:
            self._source.tell(surprise)
        self._walk.surprises.clear()
        if self._walk.is_contradicted:
            self._source.doubt()

    async def renew(self, trail: Trail, pages: int) -> None:
        """Reads the list again, to renew the copies of so many pages."""
        patient = self._source.patient()
        again = Pager(patient, page=str(self._start), verify_end=self._verify_end, lane="background")
        again._trail = trail
        async for _ in again.pages():
            if len(trail.answers) >= pages:
                return
