"""How a list is paged: what the document declares of it, else what the overlay says. What neither says stays unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regeneration.document import Document, Route, follow, parameters

#: What a parameter for the rows of a page is called, without marks between the words; the surest name first.
_SIZE_NAMES = ("pagesize", "perpage", "itemsperpage", "limit", "take", "size")
_MARKS = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class PageFacts:
    """The facts of one list, as the generated Pagination has them; None is not said."""

    parameter: str
    base: int | None
    size_parameter: str | None
    size: int | None


def page_facts(document: Document, route: Route) -> PageFacts | None:
    """Collect what is known of the pages of a list; None for an operation that has none.

    What the document declares comes before what the overlay says.
    """
    said = route.operation.get("x-pagination")
    if said is None:
        return None
    query = {
        parameter["name"]: _schemas(document, parameter.get("schema"))
        for parameter in parameters(document, route)
        if parameter["in"] == "query"
    }
    page = query.pop(said["parameter"])
    size_parameter = _size_parameter(query)
    base = _base(page)
    size = None if size_parameter is None else _size(query[size_parameter])
    return PageFacts(
        parameter=said["parameter"],
        base=said.get("base") if base is None else base,
        size_parameter=size_parameter,
        size=said.get("size") if size is None else size,
    )


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


def _size(schemas: Sequence[Document]) -> int | None:
    default = _default(schemas)
    return default if default is not None and default >= 1 else None


def _default(schemas: Sequence[Document]) -> int | None:
    return next((_whole(schema["default"]) for schema in schemas if "default" in schema), None)


def _whole(value: Any) -> int | None:
    """The value as an int, if it is a whole number: JSON does not tell 1 from 1.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)
