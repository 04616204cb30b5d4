"""A walk over a paginated list: where each request goes, and when the list has ended. Pure: no network, no clock.

The promise: no row that is there all the time is passed over in silence, and every list ends. Nothing that one answer
suggests is kept for later lists. The rules:

1. **Base.** The first page is asked for without a number. Where the document does not say what number it has, page 1 comes
   next: with base 0 it is the second page, with base 1 the first again, whose rows are dropped by id.
2. **End.** An empty page, or a 404 or 416 for a page after one that was answered, ends a list. Below an id, a 404 ends it
   only if the unnumbered page still answers; else what the list belongs to is gone.
3. **Short page.** A page with fewer rows than the documented size ends a list, unless its end is to be verified. More rows
   than that, or rows after a short page, are a surprise, and from then on that size is not believed.
4. **Repetition.** Two pages in a row without a new row, or a page that repeats the first, end nothing by themselves: rows
   may have been inserted before the reader. The unnumbered page, asked for again, decides: if it begins with a row of the
   first page or of the page that was repeated, nothing was inserted and the list has ended. Else the walk goes on: from then
   on it bears one page without a new row more than it had pages with one, before it asks so again.
5. **Bound.** More than three times as many requests as pages with new rows, plus two, are a `PagingError`, unless a last look
   at the unnumbered page shows that the list has ended.
6. **Own writes.** Rows that this process takes out pull later rows forward. So the walk keeps a frontier: the pages before it
   were seen, but for so many rows as were taken out since. The next request asks for the first page that may show an unseen
   row. What is taken out while a page is asked for counts as if it had gone before the page was made, and as if after. Two
   returns in a row that find nothing are enough: the walk goes on from the last page, and from the end of the list it goes
   back to the frontier. Pages that are asked for again count for no end.
7. **Order.** Rows that came before stand together in a page, however rows shift. Where they don't in several pages, the server
   orders the rows differently for each request, and nobody can say which ones it keeps back: the end is in doubt.
8. **Rows without an id** are named by their content without the fields that changed between two answers to one page: where
   the first page has such rows, it is asked for twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

from attrs import evolve, frozen

from ..errors import PagingError
from ..events import PagingSurprise
from .row_names import RowNames, Seen, digest, is_nameless

__all__ = ("Ask", "Frontier", "PageFacts", "Place", "Walk")

_MOST_NAMELESS_PAGES: Final = 30
"""After so many pages in a row whose new rows have no id, and no other name that can be relied on, nothing shows that a list
gets on."""

_MOST_MIXED: Final = 1
"""Insertions alone may mix one page."""

_NUMBER: Final = re.compile("[0-9]{1,18}")

_NOT_FOUND: Final = 404

_RETURNS: Final = 2
"""How often in a row a walk goes back for rows that moved up, and finds none."""


@frozen
class PageFacts:
    """What the document says about the pages of a list.

    Attributes:
        operation: its operationId.
        base: the number of the first page; None: the document does not say.
        size: rows of a full page; None: the document does not say.
        below_id: whether the list belongs to something that can be gone.
    """

    operation: str
    base: int | None
    size: int | None
    below_id: bool = False


@frozen
class Place:
    """Where a walk begins or goes on.

    Attributes:
        number: the page to ask for; None: the first, without a number.
        head: a digest of the first row of the list, where it is known.
        is_end: whether there is nothing more to ask for.
        is_doubtful: whether there may be more all the same.
        is_cursor: whether a Pager came so far, so that earlier pages were answered.
    """

    number: int | None = None
    head: str = ""
    is_end: bool = False
    is_doubtful: bool = False
    is_cursor: bool = False

    def __str__(self) -> str:
        if self.is_end:
            return "end:doubtful" if self.is_doubtful else "end"
        return "start" if self.number is None else f"page:{self.number}:{self.head}".removesuffix(":")

    @classmethod
    def parse(cls, cursor: int | str | None) -> Place:
        """Raises: ValueError: it is neither a page number nor a cursor."""
        match cursor:
            case None | "start":
                return cls()
            case "end" | "end:doubtful":
                return cls(is_end=True, is_doubtful=cursor != "end")
            case int() if 0 <= cursor < 10**18 and not isinstance(cursor, bool):
                return cls(cursor)
            case str():
                if _NUMBER.fullmatch(cursor):  # out of a query string, or a command
                    return cls(int(cursor))
                kind, _, rest = cursor.partition(":")
                number, _, head = rest.partition(":")
                if kind == "page" and _NUMBER.fullmatch(number):
                    return cls(int(number), head, is_cursor=True)
        raise ValueError(f"page is a page number (0 or more) or the cursor of a Pager, not {cursor!r:.60}")


@frozen
class Ask:
    """The next request of a walk.

    Attributes:
        number: the page to ask for; None: the first, without a number.
        is_urgent: whether somebody waits for it: nothing was answered yet, or it only proves the base or the end.
        proves_end: whether it only proves the end; no further row is expected from it.
    """

    number: int | None
    is_urgent: bool = True
    proves_end: bool = False


@frozen
class Frontier:
    """How far every row was seen: the pages before `page`, but for the rows that may have moved up from there since.

    Attributes:
        page: a position.
        moved: how many rows may have moved up.
    """

    page: int
    moved: int = 0

    def moved_up(self, rows: int) -> Frontier:
        """So many rows more."""
        return Frontier(self.page, self.moved + rows)

    def first_unseen(self, lengths: Mapping[int, int]) -> int:
        """The first position that may show a row that was not seen.

        Args:
            lengths: rows of the pages that were answered, by position.
        """
        page, moved = self.page, self.moved
        if moved:
            unknown = min(filter(None, lengths.values()), default=1)
            while moved > 0 and page > 0:
                page -= 1
                moved -= lengths.get(page, unknown)
        return page


class Walk:
    """Decides from the answers where the next request goes. `next`, then one of `answered`, `missing` and `refused`; a
    request that failed otherwise is simply asked for again.

    Args:
        facts: what the document says.
        place: where to begin.
        verify_end: whether a short page is no end.

    Attributes:
        surprises: what contradicted the document, to be taken by the caller.
        complete: None until the end was reached; then whether the end is proven.
        is_contradicted: whether an answer contradicted the document, or the answers before it.
        seen: the names of all rows so far.
    """

    def __init__(self, facts: PageFacts, place: Place, *, verify_end: bool) -> None:
        self.surprises: list[PagingSurprise] = []
        self.complete: bool | None = not place.is_doubtful if place.is_end else None
        self.is_contradicted = False
        self._facts = facts
        self._verify_end = verify_end
        self._is_cursor = place.is_cursor
        self._start = place.number
        # The position of the unnumbered page. If the base is not known, page 1 comes after it.
        self._top = facts.base or 0
        # A list from page 3 on gives nothing that moved to page 2. What lies before a cursor was read once.
        self._floor = self._top if place.number is None or place.is_cursor else place.number
        self._seen_to = self._consumed_to = self._kept = Frontier(self._top if place.number is None else place.number)
        self._charged = 0  # of the rows that were taken out since the last request
        self._asked: Ask
        self._position: int  # of the page that is asked for
        self._last: int | None = None  # the position of the page that was answered last
        self._reached: int | None = None  # the furthest of them
        self._closed: bool  # whether every page before the last one had been seen when that was answered
        self._check: Literal["", "names", "repetition", "parent"] = ""
        self._head = place.head
        self._first: list[Any]
        self._first_names: set[str] = set()  # as the unnumbered page has them now
        self._rows: list[Any]  # of the last page
        self._names: list[str] = []
        self.seen = Seen()
        self._row_names = RowNames()
        self._lengths: dict[int, int] = {}  # rows of the pages that were answered, by position
        self._short_at: int | None = None  # the position of the last page with fewer rows than the documented size
        self._answers = 0  # without pages that were asked for again
        self._pages_with_news = 0
        self._nameless = 0
        self._barren = 0
        self._saw_insertion = False
        self._is_last_look = False
        self._mixed = 0  # pages with new rows between rows that came before
        self._vain_returns = 0
        self._vain_ends = 0

    def place(self, removed: int) -> Place:
        """Where a reader goes on who has consumed every page but the last one.

        Args:
            removed: rows that this process may have taken out since the last request was sent.
        """
        return self._place(self._consumed_to.moved_up(removed - self._charged))

    @property
    def after(self) -> Place:
        """Where a reader goes on who has consumed the last page, too."""
        return self._place(self._seen_to)

    def consume(self) -> None:
        """The reader has consumed the last page."""
        self._consumed_to = self._seen_to

    def keep(self) -> None:
        """What is consumed from now on may be given back."""
        self._kept = self._consumed_to

    def give_back(self) -> None:
        """The reader got nothing of what it consumed since."""
        self._consumed_to = self._kept

    def number_of(self, ask: Ask) -> int:
        """The number of a page as the server counts. The first has 1 where the document does not say."""
        return ask.number if ask.number is not None else 1 if self._facts.base is None else self._facts.base

    def next(self, removed: int) -> Ask | None:
        """The next request; None after the end.

        Args:
            removed: rows that this process may have taken out since the last request was sent.

        Raises:
            PagingError: the list does not get on.
        """
        if self.complete is not None:
            return None
        self._charge(removed)
        self._charged = 0
        if self._answers >= self._most - 1 and not self._check and self._barren and not self._is_last_look:
            self._is_last_look, self._check = True, "repetition"
        self._asked = self._next()
        if self._is_endless and not self._check and not self._is_again:
            raise PagingError(
                f"{self._facts.operation} may never end: {self._answers} pages brought {self._pages_with_news} with new "
                "rows. The server seems to ignore the page number, or to order the rows differently for each request. The "
                "rows that were read may not be all"
            )
        return self._asked

    def answered(self, raw: Sequence[Any], removed: int) -> dict[str, Any]:
        """Takes the rows of the page that was asked for.

        Args:
            raw: its rows.
            removed: rows that this process may have taken out while it was asked for.

        Returns:
            The rows that did not come before, by name.
        """
        self._answers += not self._is_again
        if self._check:
            self._charge(removed)
            return self._checked(raw)
        is_first = self._last is None
        names = self._row_names.of(raw)
        new = self._news(names, raw)
        is_short = self._doubt_size(len(raw), news=bool(new))
        is_forward = not self._is_again
        self._look_at_top(raw, names, new)
        self._count(new)
        repeats_first = is_forward and bool(names) and not new and self._repeats_first(names)
        self._mixed += is_forward and self._position > 1 and _is_mixed(names, new)
        self._take_in(len(raw), removed, news=bool(new))
        self._rows, self._names = list(raw), names
        if not raw or (is_short and not self._verify_end):
            self._end()  # nothing comes behind it
        elif is_first and any(map(is_nameless, names)):
            self._check = "names"
        elif repeats_first or self._barren > self._patience:
            self._check = "repetition"
        return new

    def missing(self, status: int, removed: int) -> bool:
        """The server knows no such page (404, 416). Returns whether that ends the list, or is to be looked into; else it is
        an error of the call."""
        if self._check == "names":
            self._check = ""  # the page was there, and is gone meanwhile
        if self._check or self._asked.number is None or (self._reached is None and not self._is_cursor):
            return False
        is_known = self._reached is not None
        self._take_in(0, removed, news=False)
        if (self._facts.below_id and status == _NOT_FOUND) or not is_known:
            self._check = "parent"
        else:
            self._end()
        return True

    def refused(self) -> None:
        """There was no place in the quota for a request that only proves the end. The list has ended, unproven."""
        self._surprise("a place in the quota to prove the end of the list", "a refusal")
        self.complete = False

    # -- where to --------------------------------------------------------------------------------------------------------

    def _next(self) -> Ask:
        if self._check == "names":
            return Ask(self._asked.number)
        if self._check:
            return Ask(None, proves_end=True)
        due, last = self._seen_to.first_unseen(self._lengths), self._last
        if last is not None and due <= last and self._vain_returns >= _RETURNS:
            due = last + 1
        self._position = max(due, self._floor)
        number = self._position if self._position > self._top or self._position == self._start else None
        if last is None:
            return Ask(number)
        if self._closed and self._position > last and len(self._rows) < (self._facts.size or 0):
            return Ask(number, proves_end=True)
        is_probe = self._facts.base is None and self._reached == 0 and self._position == 1
        return Ask(number, is_urgent=is_probe)

    @property
    def _is_again(self) -> bool:
        """Whether the page is asked for again, because rows moved up."""
        return not self._check and self._reached is not None and self._position <= self._reached

    @property
    def _is_endless(self) -> bool:
        return self._answers >= self._most or self._nameless >= _MOST_NAMELESS_PAGES

    @property
    def _most(self) -> int:
        """How many answers there may be, for the pages with news so far."""
        return 3 * max(self._pages_with_news, 1) + 2

    def _place(self, frontier: Frontier) -> Place:
        position = max(self._floor, frontier.first_unseen(self._lengths))
        return Place() if position <= self._top else Place(position, self._head)

    # -- rows that this process takes out --------------------------------------------------------------------------------

    def _charge(self, removed: int) -> None:
        """So many rows were taken out since the last request; some of them were known before."""
        more, self._charged = removed - self._charged, removed
        self._seen_to, self._consumed_to = self._seen_to.moved_up(more), self._consumed_to.moved_up(more)
        self._kept = self._kept.moved_up(more)

    def _take_in(self, rows: int, removed: int, *, news: bool) -> None:
        """The page was answered. Nobody knows whether the rows that were taken out meanwhile are in it."""
        self._charge(removed)
        self._closed = self._position <= max(self._floor, self._seen_to.first_unseen(self._lengths))
        self._lengths[self._position] = rows
        if self._closed:
            self._seen_to = Frontier(self._position + 1, removed)
        if news:
            self._vain_ends = 0
        if news and self._closed:
            self._vain_returns = 0
        elif not news and self._last is not None and self._position <= self._last:
            self._vain_returns += 1
        self._last = self._position
        self._reached = self._last if self._reached is None else max(self._last, self._reached)

    def _end(self) -> None:
        """The list has ended. If rows may have moved up past the reader, the walk goes back to them."""
        if not self._closed and self._vain_ends < _RETURNS:
            self._vain_ends += 1
            self._vain_returns = self._barren = 0
            return
        if not self._closed:
            self._surprise("no deletions by this process while the end is read", "deletions without end")
        if self._mixed > _MOST_MIXED:
            self._contradicted("rows in one order", "rows in another order with each page")
        self.complete = self._closed and self._mixed <= _MOST_MIXED

    # -- what an answer shows --------------------------------------------------------------------------------------------

    def _news(self, names: Sequence[str], raw: Sequence[Any]) -> dict[str, Any]:
        """The rows that did not come before, by name; of several with one name the first."""
        fresh, new = self.seen.add(names), dict[str, Any]()
        for name, row in zip(names, raw, strict=True):
            if name in fresh:
                new.setdefault(name, row)
        return new

    def _look_at_top(self, raw: Sequence[Any], names: list[str], new: Collection[str]) -> None:
        """Keeps the first page as it is now."""
        if self._reached is None or self._asked.number is None:
            self._first, self._first_names = list(raw), set(names)
        if self._asked.number is None and names:
            head = digest(names[0])
            self._saw_insertion |= self._is_again and head != self._head and names[0] in new
            self._head = head

    def _count(self, new: Collection[str]) -> None:
        """Counts what a page brought."""
        if new:
            self._pages_with_news += 1
            is_doubtful = all(map(is_nameless, new)) and not self._row_names.are_proven
            self._nameless = self._nameless + 1 if is_doubtful else 0
            self._barren = 0
        elif not self._is_again:
            self._barren += 1

    @property
    def _patience(self) -> int:
        """How many pages in a row may bring no new row. Those that were read before may all come again after an insertion."""
        return self._pages_with_news + 1 if self._saw_insertion else 1

    def _repeats_first(self, names: list[str]) -> bool:
        """Whether a page after the first (and after the probe of the base) shows the rows of the first."""
        first = self._top + (1 if self._facts.base is None else 0)
        return self._position > first and 2 * len(self._first_names.intersection(names)) >= len(names)

    def _doubt_size(self, rows: int, *, news: bool) -> bool:
        """Holds the rows of a page against the documented size. Returns whether the page is short."""
        size = self._facts.size
        if size is None:
            return False
        follows_short = news and self._short_at is not None and self._position > self._short_at
        if not self.is_contradicted and (rows > size or follows_short):
            expected = f"at most {size} rows a page" if rows > size else f"no rows after a page of fewer than {size}"
            self._contradicted(expected, f"{rows} rows")
        if 0 < rows < size:
            self._short_at = self._position
        return self._facts.size is not None and rows < size

    def _contradicted(self, expected: str, came: str) -> None:
        """From here on the documented size is not believed: nothing but an end that was seen ends a list."""
        self._surprise(expected, came)
        self.is_contradicted = True
        self._facts = evolve(self._facts, size=None)

    def _surprise(self, expected: str, came: str) -> None:
        self.surprises.append(PagingSurprise(operation=self._facts.operation, expected=expected, came=came))

    def _checked(self, raw: Sequence[Any]) -> dict[str, Any]:
        """A page was asked for once more: the first one, to see what changes in rows without an id, or the unnumbered one, to
        tell the end of a list from rows that were inserted."""
        check, self._check = self._check, ""
        if check == "names" and self._row_names.learn(self._rows, raw):
            self._first_names = set(self._row_names.of(self._first))
            self._names = self._row_names.of(self._rows)
            self.seen.add([*self._first_names, *self._names])
        names = self._row_names.of(raw)
        new = self._news(names, raw)
        self._pages_with_news += bool(new)
        head = digest(names[0]) if names else self._head
        is_top_known = head == self._head or names[0] in self._first_names or names[0] in self._names
        if check == "repetition" and self._seen_to.first_unseen(self._lengths) <= self._position:
            self._closed = False  # rows moved up since the page that was repeated
        if not is_top_known and self._asked.number is None:
            self._head, self._first, self._first_names = head, list(raw), set(names)
            self._barren, self._saw_insertion = 0, True
        if check == "names" or (check == "repetition" and not is_top_known):
            pass  # the walk goes on with the next page
        elif check == "repetition" and self._closed and (self._is_full or self._is_last_look):
            self._contradicted("another page, or an empty one", "a page whose rows came before")
            self.complete = False
        else:
            self._end()
        return new

    @property
    def _is_full(self) -> bool:
        """Whether the last page was a full one."""
        return len(self._rows) >= (self._facts.size or max(self._lengths.values()))


def _is_mixed(names: Sequence[str], new: Collection[str]) -> bool:
    """Whether new rows stand between rows that came before."""
    old = [place for place, name in enumerate(names) if name not in new]
    return bool(old) and old[-1] - old[0] >= len(old)
