"""What an operation answers with: the schema of its JSON, and what an envelope around that holds."""

from __future__ import annotations

import re
from typing import Any

from regeneration.document import Document, Route, follow
from regeneration.shapes import Shape, shape


def is_json(media_type: str) -> bool:
    plain = media_type.split(";")[0].strip().lower()
    return plain in ("application/json", "*/*") or plain.endswith("+json")


def successes(route: Route) -> list[str]:
    """The statuses of success that an operation declares; `default` where it declares none."""
    declared = route.operation["responses"]
    return [status for status in declared if re.fullmatch(r"2(\d\d|XX)", status)] or [
        status for status in declared if status == "default"
    ]


def content(document: Document, route: Route) -> Document:
    """What a success may answer with, by media type."""
    contents = [
        follow(document, route.operation["responses"][status]).get("content") or {} for status in successes(route)
    ]
    return {name: media for each in reversed(contents) for name, media in each.items()}


def answer(document: Document, route: Route) -> Any | None:
    """The schema of the JSON that a success answers with; None if none is declared."""
    for status in successes(route):
        for media_type, media in (follow(document, route.operation["responses"][status]).get("content") or {}).items():
            if is_json(media_type) and "schema" in media:
                return media["schema"]
    return None


def body(document: Document, route: Route) -> Shape:
    """What the JSON of a request's body is; anything where none is declared."""
    declared = (follow(document, route.operation.get("requestBody")) or {}).get("content") or {}
    return shape(document, next((media.get("schema") for name, media in declared.items() if "json" in name), None))


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
    return bool(found.fields or found.variants or found.enum or found.values) or found.type not in (
        "anything",
        "object",
    )
