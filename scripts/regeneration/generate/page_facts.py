"""How a list is paged: what the document declares of it, else what the overlay says. What neither says stays unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regeneration.document import Document, Route, follow, parameters
from regeneration.shapes import shape

#: What a parameter for the rows of a page is called, without marks between the words; the surest name first.
_SIZE_NAMES = ("pagesize", "perpage", "itemsperpage", "limit", "take", "size")
SIZES = frozenset(_SIZE_NAMES)
#: What a parameter for the number of the page, and one for the rows before it, is called, likewise.
_PAGE_NAMES = {"page", "pagenumber", "pagenum", "pageno", "pageindex"}
_OFFSET_NAMES = {"offset", "skip", "startindex"}
#: What a parameter for the place where the page before ended is called, likewise.
CURSORS = {"cursor", "after", "nexttoken", "pagetoken", "startingafter", "continuationtoken", "nextcursor"}
_MARKS = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class PageFacts:
    """The facts of one list, as the generated Pagination has them; None is not said."""

    parameter: str
    base: int | None
    size_parameter: str | None
    size: int | None
    step: int = 1
    names_first: bool = False
    fixed: tuple[tuple[str, str], ...] = ()


def page_facts(document: Document, route: Route) -> PageFacts | None:
    """Collect what is known of the pages of a list; None for an operation that has none.

    What the document declares comes before what the overlay says.
    """
    said = route.operation.get("x-pagination")
    if said is None:
        return None
    declared = [parameter for parameter in parameters(document, route) if parameter["in"] == "query"]
    required = {parameter["name"] for parameter in declared if parameter.get("required") is True}
    query = {parameter["name"]: _schemas(document, parameter.get("schema")) for parameter in declared}
    page = query.pop(said["parameter"])
    size_parameter = _size_parameter(query)
    counts_rows = said.get("counts") == "rows"
    says_size = size_parameter is None or counts_rows or size_parameter in required
    size = _size(query.get(size_parameter or "", ()), said.get("size") if says_size else None)
    sends_size = size is not None and size_parameter is not None and says_size
    base = 0 if counts_rows else _base(page)
    return PageFacts(
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
    if any(map(_is_number, _schemas(document, parameter.get("schema")))):
        return "number"
    return {"integer": "number", "number": "number", "object": "object"}.get(found.type, "")


def _may_count(document: Document, name: str, schema: Any) -> bool:
    words = SIZES | CURSORS | _PAGE_NAMES | _OFFSET_NAMES
    return plain(name) in words or shape(document, schema).type in ("integer", "number", "object", "anything")


def plain(name: str) -> str:
    """A parameter's name without case and marks: page_size, pageSize and page[size] are one."""
    return _MARKS.sub("", name.lower())


def _schemas(document: Document, schema: Any) -> list[Document]:
    """A schema, what it refers to, and the parts of an allOf."""
    found = [schema, follow(document, schema)]
    parts = [part for one in found if isinstance(one, dict) for part in one.get("allOf", [])]
    return [one for one in [*found, *(follow(document, part) for part in parts)] if isinstance(one, dict)]


def _base(page: Sequence[Document]) -> int | None:
    """The page that is meant where none is asked for, else the lowest that there is; only 0 and 1 count pages."""
    lowest = [number for schema in page for number in _lowest(schema)]
    for number in (_default(page), max(lowest, default=None)):
        if number in (0, 1):
            return number
    return None


def _lowest(schema: Document) -> list[int]:
    """The whole numbers that a schema's limits begin with; exclusiveMinimum is a flag in OpenAPI 3.0, a number in 3.1."""
    minimum, exclusive = _whole(schema.get("minimum")), schema.get("exclusiveMinimum")
    if exclusive is True:
        return [] if minimum is None else [minimum + 1]
    above = _whole(exclusive)
    return [number for number in (minimum, None if above is None else above + 1) if number is not None]


def _size_parameter(query: Mapping[str, Sequence[Document]]) -> str | None:
    numbers = {plain(name): name for name, schemas in query.items() if any(map(_is_number, schemas))}
    return next((numbers[name] for name in _SIZE_NAMES if name in numbers), None)


def _is_number(schema: Document) -> bool:
    """Whether it takes a number; documents made from TypeScript have no other word for an integer."""
    named = schema.get("type")
    kinds = named if isinstance(named, list) else [named]
    return bool({"integer", "number"} & {kind for kind in kinds if isinstance(kind, str)})


def _size(schemas: Sequence[Document], otherwise: int | None) -> int | None:
    """The default, else what the overlay says, as far as the parameter may go; None where neither is known."""
    default = _default(schemas)
    if default is not None and default >= 1:
        return default
    most = [number for schema in schemas if (number := _whole(schema.get("maximum"))) is not None and number >= 1]
    return None if otherwise is None else min([otherwise, *most])


def _default(schemas: Sequence[Document]) -> int | None:
    return next((_whole(schema["default"]) for schema in schemas if "default" in schema), None)


def _whole(value: Any) -> int | None:
    """The value as an int, if it is a whole number: JSON does not tell 1 from 1.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)
