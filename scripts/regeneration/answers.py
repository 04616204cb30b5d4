"""What an operation answers with: the schema of its JSON, and what an envelope around that holds."""

from __future__ import annotations

import re
from typing import Any

from regeneration.document import Document, Route, follow
from regeneration.shapes import shape


def is_json(media_type: str) -> bool:
    plain = media_type.split(";")[0].strip().lower()
    return plain in ("application/json", "*/*") or plain.endswith("+json")


def answer(document: Document, route: Route) -> Any | None:
    """The schema of the JSON that a success answers with; None if none is declared."""
    for status, response in route.operation["responses"].items():
        if re.fullmatch(r"2(\d\d|XX)", status):
            for media_type, media in (follow(document, response).get("content") or {}).items():
                if is_json(media_type) and "schema" in media:
                    return media["schema"]
    return None


def envelope(route: Route) -> tuple[str, ...]:
    """The names that lead to what an operation answers with, outermost first: none where it answers bare."""
    said = route.operation.get("x-envelope", ())
    return (said,) if isinstance(said, str) else tuple(said)


def inside(document: Document, schema: Any, names: tuple[str, ...]) -> Any:
    """The schema that an envelope holds; None where there is none of that name."""
    for name in names:
        schema = shape(document, schema).fields.get(name)
    return schema


def says_something(document: Document, schema: Any) -> bool:
    """Whether a schema tells more than that there is JSON, or an object, or a list."""
    found = shape(document, schema)
    if found.type == "array":
        return says_something(document, found.items)
    return bool(found.fields or found.variants or found.enum) or found.type not in ("anything", "object")
