"""A walk over a paginated list: where each request goes, and when the list has ended. Pure: no network, no clock.

The promise: no row that is there all the time is passed over in silence, and every list ends. Nothing that one answer
suggests is kept for later lists. The rules:

1. **Base.** The first page is asked for without a number. Where the document does not say what number it has, page 1 comes
   next: with base 0 it is the second page, with base 1 the first again, whose rows are dropped by id.
2. **End.** An empty page, or a 404 or 416 for a page after one that was answered, ends a list. Below an id, a 404 ends it
   only if the unnumbered page still answers; else what the list belongs to is gone.
3. **Short page.** A page with fewer rows than the documented size ends a list, unless its end is to be verified. More rows
   than that, or rows after a short page, are a surprise, and from then on ends are verified.
4. **Repetition.** Two pages in a row without a new row, or a page that repeats the first, end nothing by themselves: rows
   may have been inserted before the reader. The unnumbered page, asked for again, decides: if it begins as before, or is the
   very page that was repeated, the list has ended. Else rows were inserted, and the walk goes on: from then on it bears one
   page without a new row more than it had pages with one, before it asks so again.
5. **Bound.** More than three times as many requests as pages with new rows, plus two, are a `PagingError`.
6. **Own writes.** Rows that this process takes out pull later rows forward, so the next request goes back by as many pages
   as they may fill: from the next page, or from the last one if they may have gone before that was made. Pages that are
   asked for again count for no end. After two such returns that bring little the walk goes on, and makes up for it at the end.
7. **Order.** Rows that came before stand together in a page, however rows shift. Where they don't, the server orders the rows
   differently for each request, and nobody can say which ones it keeps back: the end is in doubt.
8. **Rows without an id** are named by their content without the fields that changed between two answers to one page.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from math import ceil
from typing import Any, Final, Literal

from attrs import frozen

from ..errors import PagingError
from ..events import PagingSurprise
from .row_id import row_id

__all__ = ("Ask", "PageFacts", "Place", "Seen", "Walk")

_MOST_NAMELESS_PAGES: Final = 100
"""After so many pages in a row without a row that has an id, nothing shows that a list gets on."""

_RETURNS: Final = 2
"""How often in a row a walk goes back for few new rows, or makes up for removals at the end for none."""


@frozen
class PageFacts:
    """What the document says about the pages of a list.

    Attributes:
        operation: its operationId.
        parameter: the query parameter for the page number.
        base: the number of the first page; None: the document does not say.
        size: rows of a full page; None: the document does not say.
        below_id: whether the list belongs to something that can be gone.
    """

    operation: str
    parameter: str
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
        return "start" if self.number is None else f"page:{self.number}:{self.head}".rstrip(":")

    @classmethod
    def parse(cls, cursor: int | str | None) -> Place:
        """Raises: ValueError: it is neither a page number nor a cursor."""
        match cursor:
            case None | "start":
                return cls()
            case "end" | "end:doubtful":
                return cls(is_end=True, is_doubtful=cursor != "end")
            case int() if cursor >= 0 and not isinstance(cursor, bool):
                return cls(cursor)
            case str():
                kind, _, rest = cursor.partition(":")
                number, _, head = rest.partition(":")
                if kind == "page" and number.isascii() and number.isdigit():
                    return cls(int(number), head, is_cursor=True)
        raise ValueError(f"page is a page number (0 or more) or the cursor of a Pager, not {cursor!r}")


@frozen
class Ask:
    """The next request of a walk.

    Attributes:
        number: the page to ask for; None: the first, without a number.
        is_first: whether nothing was answered yet.
        proves: `base` or `end` if the request can only prove that; no further row is expected from it.
    """

    number: int | None
    is_first: bool = False
    proves: Literal["", "base", "end"] = ""


class Seen:
    """The names that came before: eight bytes for each, sorted."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def __contains__(self, name: str) -> bool:
        hashed = hash(name)
        place = bisect_left(self._hashes, hashed)
        return place < len(self._hashes) and self._hashes[place] == hashed

    def add(self, names: Iterable[str]) -> None:
        """Remember names."""
        for name in names:
            if name not in self:
                hashed = hash(name)
                self._hashes.insert(bisect_left(self._hashes, hashed), hashed)


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
        distrusts_size: whether a surprise showed that the documented page size does not hold.
    """

    def __init__(self, facts: PageFacts, place: Place, *, verify_end: bool) -> None:
        self.surprises: list[PagingSurprise] = []
        self.complete: bool | None = not place.is_doubtful if place.is_end else None
        self.distrusts_size = False
        self._facts = facts
        self._verify_end = verify_end
        self._is_cursor = place.is_cursor
        self._number = place.number
        self._head = place.head
        self._asked = Ask(None)
        self._check: Literal["", "repetition", "parent"] = ""
        self._first: list[Any] = []
        self._first_names: set[str] = set()  # as the unnumbered page has them now
        self._last: list[Any] = []
        self._last_names: list[str] = []
        self._seen = Seen()
        self._changing: frozenset[str] = frozenset()
        self._reached: int | None = None  # the position of the furthest page that was answered
        self._rows = 1  # of the largest page
        self._answers = 0  # without pages that were asked for again
        self._pages_with_news = 0
        self._nameless = 0
        self._barren = 0
        self._saw_insertion = False
        self._is_disordered = False
        self._returns = 0
        self._debt: int | None = None  # the position from which rows that moved up are still to be looked for
        self._payments = 0
        self._overtaken = False
        self._after_short = False

    def place(self, number: int | None, removed: int) -> Place:
        """Where a reader goes on who has not consumed the page of this number.

        Args:
            number: of the page; None: the first.
            removed: rows that this process may have taken out since the last request.
        """
        overtaken = self._overtaken and removed > 0 and number == self._number
        back = self._back(self._asked.number if overtaken else number, removed)
        return Place() if back is None else Place(back, self._head, is_cursor=True)

    @property
    def number(self) -> int | None:
        """The next page, proofs left aside."""
        return self._number

    def number_of(self, ask: Ask) -> int:
        """The number of a page as the server counts. The first has 1 where the document does not say."""
        return ask.number if ask.number is not None else 1 if self._facts.base is None else self._facts.base

    def names(self, raw: Sequence[Any]) -> list[str]:
        """What tells each row from the others."""
        return [_name(row, self._changing) for row in raw]

    def next(self, removed: int) -> Ask | None:
        """The next request; None after the end.

        Args:
            removed: rows that this process may have taken out since the last request was sent.

        Raises:
            PagingError: the list does not get on.
        """
        if self.complete is not None:
            return None
        if removed and self._reached is not None:
            self._go_back(self._back(self._asked.number if self._overtaken else self._number, removed))
        self._asked = self._next()
        if not self._is_again(self._asked) and self._is_endless():
            raise PagingError(
                f"{self._facts.operation} may never end: {self._answers} pages brought {self._pages_with_news} with new "
                "rows. The server seems to ignore the page number, or to order the rows differently for each request. The "
                "rows that were read may not be all"
            )
        return self._asked

    def answered(self, raw: Sequence[Any], removed: int) -> None:
        """Takes the rows of the page that was asked for.

        Args:
            raw: its rows.
            removed: rows that this process may have taken out while it was asked for.
        """
        ask, again = self._asked, self._is_again(self._asked)
        self._answers += not again
        self._overtaken = removed > 0 and not self._check
        if self._check:
            self._checked(raw)
            return
        self._learn_changing(raw)
        names = self.names(raw)
        new = [name for name in names if name not in self._seen]
        news = bool(new)
        position = self._position(ask.number)
        if self._reached is None or ask.number is None:
            self._first, self._first_names = list(raw), set(names)
            if ask.number is None:
                head = _digest(names[0]) if names else ""
                self._saw_insertion |= again and head != self._head and names[:1] == new[:1]
                self._head = head
        self._seen.add(names)
        self._count(new, rows=len(names), again=again)
        self._is_disordered |= not again and position > 1 and _is_mixed(names, set(new))
        repeats_first = bool(names) and not news and not again and self._repeats_first(position, names)
        self._reached = position if self._reached is None else max(position, self._reached)
        self._last, self._last_names = list(raw), names
        self._rows = max(self._rows, len(raw))
        is_short = self._doubt_size(len(raw), news=news)
        self._number = self._after(ask.number)
        if not raw or (is_short and not self._verify_end):
            self._end(removed)  # nothing comes behind it
        elif repeats_first or self._barren > self._patience:
            self._check = "repetition"

    def missing(self, removed: int) -> bool:
        """The server knows no such page (404, 416). Returns whether that ends the list, or is to be looked into; else it is
        an error of the call."""
        if self._check or self._asked.number is None or (self._reached is None and not self._is_cursor):
            return False
        self._answers += not self._is_again(self._asked)
        self._overtaken = removed > 0
        if self._facts.below_id or self._reached is None:
            self._check = "parent"
        else:
            self._number = self._after(self._asked.number)
            self._end(removed)
        return True

    def refused(self) -> None:
        """There was no place in the quota for a request that only proves the end. The list has ended, unproven."""
        self._surprise("a place in the quota to prove the end of the list", "a refusal")
        self.complete = False

    def _is_endless(self) -> bool:
        return self._answers >= 3 * max(self._pages_with_news, 1) + 2 or self._nameless >= _MOST_NAMELESS_PAGES

    # -- where to --------------------------------------------------------------------------------------------------------

    def _next(self) -> Ask:
        first = self._reached is None
        if self._check:
            return Ask(None, first, "end")
        size = self._facts.size
        if not first and size is not None and len(self._last) < size:
            return Ask(self._number, first, "end")
        is_probe = self._facts.base is None and self._reached == 0 and self._number == 1
        return Ask(self._number, first, "base" if is_probe else "")

    def _position(self, number: int | None) -> int:
        """The place of a page in the order of numbers. Where the base is not known, the unnumbered page comes before page 1."""
        return number if number is not None else self._facts.base or 0

    def _after(self, number: int | None) -> int:
        return self._position(number) + 1

    def _back(self, number: int | None, removed: int) -> int | None:
        position = self._position(number) - ceil(removed / self._rows)
        return number if not removed else position if position > self._position(None) else None

    def _is_again(self, ask: Ask) -> bool:
        """Whether a page is asked for again because of own writes."""
        return not self._check and self._reached is not None and self._position(ask.number) <= self._reached

    # -- what an answer shows --------------------------------------------------------------------------------------------

    def _count(self, new: list[str], *, rows: int, again: bool) -> None:
        """Counts what a page brought."""
        if new:
            self._pages_with_news += 1
            self._nameless = self._nameless + 1 if all(name.startswith(_NAMELESS) for name in new) else 0
            self._barren = self._payments = 0
        elif not again:
            self._barren += 1
        if 2 * len(new) >= rows:
            self._returns = 0

    @property
    def _patience(self) -> int:
        """How many pages in a row may bring no new row. Those that were read before may all come again after an insertion."""
        return self._pages_with_news + 1 if self._saw_insertion else 1

    def _repeats_first(self, position: int, names: list[str]) -> bool:
        """Whether a page after the first (and after the probe of the base) shows the rows of the first."""
        first = self._position(None) + (1 if self._facts.base is None else 0)
        return position > first and 2 * len(self._first_names.intersection(names)) >= len(names)

    def _doubt_size(self, rows: int, *, news: bool) -> bool:
        """Holds the rows of a page against the documented size. Returns whether the page is short."""
        size = self._facts.size
        if size is None:
            return False
        if rows > size:
            self._distrust(f"at most {size} rows a page", f"{rows} rows")
        elif self._after_short and news:
            self._distrust(f"no rows after a page of fewer than {size}", f"{rows} rows")
        self._after_short = 0 < rows < size
        return rows < size

    def _distrust(self, expected: str, came: str) -> None:
        if not self.distrusts_size:
            self._surprise(expected, came)
        self.distrusts_size = self._verify_end = True

    def _surprise(self, expected: str, came: str) -> None:
        self.surprises.append(PagingSurprise(operation=self._facts.operation, expected=expected, came=came))

    def _go_back(self, number: int | None) -> None:
        """Rows moved up, as far as the page of this number. Go back to it, or later, if going back brought little."""
        self._check = ""
        position = self._position(number)
        if self._returns < _RETURNS:
            self._returns += 1
            self._number = number
        else:
            self._debt = position if self._debt is None else min(position, self._debt)

    def _makes_up(self) -> bool:
        """Whether the walk goes back from its end, for rows that moved up and were not looked for yet."""
        if self._debt is None or self._payments >= _RETURNS:
            return False
        self._number = self._debt if self._debt > self._position(None) else None
        self._debt, self._returns, self._barren = None, 0, 0
        self._payments += 1
        return True

    def _end(self, removed: int) -> None:
        """The list has ended, unless rows that were taken out pulled others past the reader."""
        if removed and self._returns >= _RETURNS:
            self._go_back(self._back(self._asked.number, removed))
            removed = 0
        if not removed and not self._makes_up():
            if self._debt is not None:
                self._surprise("no deletions by this process while the end is read", "deletions without end")
            if self._is_disordered:
                self._surprise("rows in one order", "rows in another order with each page")
            self.complete = self._debt is None and not self._is_disordered

    def _checked(self, raw: Sequence[Any]) -> None:
        """The unnumbered page was asked for again, to tell the end of a list from rows that were inserted."""
        check, self._check = self._check, ""
        names = self.names(raw)
        head = _digest(names[0]) if names else ""
        is_same_page = 2 * len(set(names).intersection(self._last_names)) >= len(names)
        if check == "parent" or is_same_page or head == self._head or not self._head:
            if self._makes_up():
                return
            is_full = check == "repetition" and len(self._last) >= (self._facts.size or self._rows)
            if is_full:
                self._surprise("another page, or an empty one", "a full page whose rows came before")
            self.complete = not is_full
            return
        self._head, self._first, self._first_names = head, list(raw), set(names)
        self._barren, self._saw_insertion = 0, True

    def _learn_changing(self, raw: Sequence[Any]) -> None:
        """Finds the fields of rows without an id that change from one answer to another."""
        for other in (self._first, self._last):
            changing = _changing(other, raw, self._changing)
            if changing - self._changing:
                self._changing |= changing
                self._first_names = set(self.names(self._first))
                self._last_names = self.names(self._last)
                self._seen.add([*self._first_names, *self._last_names])


def _is_mixed(names: Sequence[str], new: set[str]) -> bool:
    """Whether new rows stand between rows that came before."""
    old = [place for place, name in enumerate(names) if name not in new]
    return bool(old) and old[-1] - old[0] >= len(old)


_NAMELESS: Final = "\0"


def _name(row: Any, changing: frozenset[str]) -> str:
    if (name := row_id(row)) is not None:
        return name
    if isinstance(row, Mapping):
        row = {field: value for field, value in row.items() if field not in changing}
    return _NAMELESS + _digest(repr(row))


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def _changing(one: Sequence[Any], other: Sequence[Any], known: frozenset[str]) -> frozenset[str]:
    """The fields without which at least half of the rows without an id are the same in two answers, and without which they
    can still be told apart. Empty where there are none."""
    rows, others = ([row for row in page if isinstance(row, Mapping) and row_id(row) is None] for page in (one, other))
    if not rows or not others:
        return frozenset()
    if _is_same_but_for(known, rows, others):
        return frozenset()
    fields = {field for row in (*rows, *others) for field in row} - known
    moved = {
        field
        for pair in zip(rows, others, strict=False)
        for field in fields
        if pair[0].get(field) != pair[1].get(field)
    }
    candidates = [frozenset(moved), *(frozenset({field}) for field in sorted(fields, key=str))]
    for candidate in candidates:
        if candidate and 2 * len(candidate) <= len(fields) and _is_same_but_for(candidate | known, rows, others):
            return candidate
    return frozenset()


def _is_same_but_for(changing: frozenset[str], rows: Sequence[Any], others: Sequence[Any]) -> bool:
    names, other_names = ({_name(row, changing) for row in page} for page in (rows, others))
    told_apart = len(names) == len(rows) and len(other_names) == len(others)
    return told_apart and 2 * len(names & other_names) >= max(len(rows), len(others))
