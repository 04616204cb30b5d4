"""How a list is paged: what the document declares of it, else what the overlay says. What neither says stays unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from regeneration.document import Document, Route, parameters
from regeneration.shapes import Shape, shape

#: What a parameter for the rows of a page is called, without marks between the words; the surest name first.
_SIZE_NAMES = ("pagesize", "perpage", "itemsperpage", "limit", "take", "size")
SIZES = frozenset(_SIZE_NAMES)
#: What a parameter for the number of the page, and one for the rows before it, is called, likewise.
_PAGE_NAMES = {"page", "pagenumber", "pagenum", "pageno", "pageindex"}
_OFFSET_NAMES = {"offset", "skip", "startindex"}
#: What a parameter for the place where the page before ended is called, likewise.
CURSORS = {"cursor", "after", "nexttoken", "pagetoken", "startingafter", "continuationtoken", "nextcursor"}
_NUMBERS = {"integer", "number"}
_MARKS = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class ListFacts:
    """The facts of one list, as the generated Pagination has them; None is not said."""

    parameter: str
    base: int | None
    size_parameter: str | None
    size: int | None
    step: int = 1
    names_first: bool = False
    fixed: tuple[tuple[str, str], ...] = ()


def page_facts(document: Document, route: Route) -> ListFacts | None:
    """Collect what is known of the pages of a list; None for an operation that has none.

    What the document declares comes before what the overlay says.
    """
    said = route.operation.get("x-pagination")
    if said is None:
        return None
    declared = [parameter for parameter in parameters(document, route) if parameter["in"] == "query"]
    required = {parameter["name"] for parameter in declared if parameter.get("required") is True}
    query = {parameter["name"]: shape(document, parameter.get("schema")) for parameter in declared}
    page = query.pop(said["parameter"])
    numbers = {plain(name): name for name, found in query.items() if _is_number(document, found)}
    size_parameter = next((numbers[name] for name in _SIZE_NAMES if name in numbers), None)
    counts_rows = said.get("counts") == "rows"
    says_size = size_parameter is None or counts_rows or size_parameter in required
    size = _size(query.get(size_parameter or "", Shape()), said.get("size") if says_size else None)
    sends_size = size is not None and size_parameter is not None and says_size
    base = 0 if counts_rows else _base(page)
    return ListFacts(
        parameter=said["parameter"],
        base=said.get("base") if base is None else base,
        size_parameter=size_parameter,
        size=size,
        step=(size or 1) if counts_rows else 1,
        names_first=said["parameter"] in required,
        fixed=((str(size_parameter), str(size)),) if sends_size else (),
    )


def which_page(names: Iterable[str]) -> dict[str, str] | None:
    """Of the query parameters of a list, the one that says which page, as `x-pagination` has it; None if none of them does."""
    for counts, words in (("pages", _PAGE_NAMES), ("rows", _OFFSET_NAMES)):
        for name in names:
            if plain(name) in words:
                return {"parameter": name} | ({"counts": counts} if counts == "rows" else {})
    return None


def left_open(document: Document, declared: Sequence[Document], page: str, known: Iterable[str] = ()) -> str:
    """What the query parameters of a list leave open of its pages, in words; empty if nothing.

    Args:
        declared: its query parameters.
        page: the one that says which page.
        known: names of others that are known to have nothing to do with pages.
    """
    kinds = {each["name"]: _kind(document, each) for each in declared}
    sizes = [name for name in kinds if plain(name) in SIZES]
    if page not in kinds:
        return next(
            (f"its pages are followed by a cursor, {name!r}" for name in kinds if plain(name) in CURSORS),
            "no parameter for the number of a page, nor for the rows before it, is declared",
        )
    for name, kind in kinds.items():
        if kind != "number" and (name in sizes or (name == page and kind == "object")):
            return f"the parameter {name!r} of its pages is declared as something else than a number"
        if kind and name not in {page, *sizes, *known} and plain(name) not in _PAGE_NAMES | _OFFSET_NAMES:
            return f"the parameter {name!r} may be one of its pages"
    if plain(page) in _OFFSET_NAMES and not sizes:
        return f"{page!r} counts rows, and no parameter for the rows of a page is declared"
    return ""


def _kind(document: Document, parameter: Document) -> str:
    """Whether a parameter may count: `number`, or an `object` in which something may; else empty."""
    media: Document = next(iter(parameter.get("content", {}).values()), {})
    found = shape(document, media.get("schema", parameter.get("schema")))
    if found.type == "object" and found.fields:
        return "object" if any(_may_count(document, *each) for each in found.fields.items()) else ""
    if media or parameter.get("style") == "deepObject":
        return "object"
    if _is_number(document, found):
        return "number"
    return "object" if found.type == "object" else ""


def _may_count(document: Document, name: str, schema: Any) -> bool:
    words = SIZES | CURSORS | _PAGE_NAMES | _OFFSET_NAMES
    return plain(name) in words or shape(document, schema).type in ("integer", "number", "object", "anything")


def plain(name: str) -> str:
    """A parameter's name without case and marks: page_size, pageSize and page[size] are one."""
    return _MARKS.sub("", name.lower())


def _base(page: Shape) -> int | None:
    """The page that is meant where none is asked for, else the lowest that there is; only 0 and 1 count pages."""
    lowest, exclusive = _whole(page.limits.get("minimum")), page.limits.get("exclusiveMinimum")
    above = lowest if exclusive is True else _whole(exclusive)  # a flag in OpenAPI 3.0, a number in 3.1
    for number in (_whole(page.limits.get("default")), lowest if above is None else above + 1):
        if number in (0, 1):
            return number
    return None


def _is_number(document: Document, found: Shape) -> bool:
    """Whether it takes a number; documents made from TypeScript have no other word for an integer."""
    return found.type in _NUMBERS or any(shape(document, one).type in _NUMBERS for one in found.variants)


def _size(found: Shape, otherwise: int | None) -> int | None:
    """The default, else what the overlay says, as far as the parameter may go; None where neither is known."""
    default, most = (_whole(found.limits.get(word)) for word in ("default", "maximum"))
    if default is not None and default >= 1:
        return default
    return otherwise if otherwise is None or most is None or most < 1 else min(otherwise, most)


def _whole(value: Any) -> int | None:
    """The value as an int, if it is a whole number: JSON does not tell 1 from 1.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)
