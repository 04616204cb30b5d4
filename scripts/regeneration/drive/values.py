"""Values of which a schema says what they are: what a server of a document answers, and what may be sent to it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from regeneration.answers import says_something
from regeneration.document import Document
from regeneration.shapes import Shape, shape

MOMENT = "2030-01-07T10:00:00.000Z"
_DEEPEST = 6
_BY_FORMAT = {
    "uuid": "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9f0a1b2c",
    "email": "ada@example.com",
    "uri": "https://example.com/a",
    "url": "https://example.com/a",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "time": "10:00:00Z",
    "byte": "YWJj",
}
#: What may be meant by a pattern.
_TEXTS = (
    *(
        "text",
        "Text",
        "TEXT",
        "a-text",
        "1",
        "10:00",
        "10:00:00",
        "en",
        "EN",
        "en-US",
        "Europe/Bucharest",
        "+40712345678",
    ),
    *("2030-01-07", MOMENT, "#aabbcc", f"{1:024x}", *_BY_FORMAT.values()),
)
_IDS = {"id", "_id", "uuid"}

#: A document and a schema in it.
Where = tuple[Document, Any]


def made(where: Where, number: int, otherwise: Where | None = None) -> Any:
    """A value of a schema.

    Args:
        where: the schema.
        number: which one of several such values; their ids differ.
        otherwise: the same in a document that says more, for where this one says nothing.
    """
    return _made(where, otherwise, number, 0)


def _made(where: Where, otherwise: Where | None, number: int, depth: int) -> Any:
    if otherwise is not None and not says_something(*where):
        where, otherwise = otherwise, None
    found, other = shape(*where), None if otherwise is None else shape(*otherwise)
    if depth > 2 * _DEEPEST and found.type in ("object", "one of several"):  # it requires itself
        return None

    def inner(schema: Any, more: Any) -> Any:
        return _made((where[0], schema), None if otherwise is None else (otherwise[0], more), number, depth + 1)

    if found.enum:
        return found.enum[0]
    if found.type == "one of several":
        return inner(found.variants[0], next(iter(other.variants), None) if other else None)
    if found.type == "array":
        count = max(1, found.limits.get("minItems", 1)) if depth < _DEEPEST else 0
        return [inner(found.items, other.items if other else None) for _ in range(count)]
    if found.type == "object" and found.values is not None and not found.fields:
        return {"text": inner(found.values, None)}
    if found.type == "object":
        deep = depth >= _DEEPEST
        return {
            name: _id(where[0], schema, number)
            if name in _IDS and depth < 2
            else inner(schema, other.fields.get(name) if other else None)
            for name, schema in found.fields.items()
            if not deep or name in found.required
        }
    return _scalar(found)


def _id(document: Document, schema: Any, number: int) -> Any:
    found = shape(document, schema)
    if found.type in ("integer", "number"):
        return number
    if found.type in ("object", "array", "boolean"):
        return made((document, schema), number)
    texts = (f"{number:024x}", str(UUID(int=number)), str(number), f"id{number}")
    return _text(found, texts[1:] if found.format == "uuid" else texts)


def _scalar(found: Shape) -> Any:
    if found.type in ("integer", "number"):
        return _number(found)
    if found.type == "boolean":
        return True
    if found.type == "anything":
        return "text" if found.example is None else found.example
    if found.type == "date-time":
        return found.example if isinstance(found.example, str) else MOMENT
    if found.type == "date":
        return "2030-01-07"
    known = [_BY_FORMAT[found.format]] if found.format in _BY_FORMAT else _TEXTS
    shown = (found.example, found.limits.get("default"))
    return _text(found, (*(text for text in shown if isinstance(text, str)), *known))


def _number(found: Shape) -> Any:
    limits = found.limits
    shown = [value for value in (found.example, limits.get("default")) if isinstance(value, int | float)]
    if shown:
        return shown[0]
    least, most, step = limits.get("minimum"), limits.get("maximum"), limits.get("multipleOf")
    above, below = (_bound(limits, word) for word in ("exclusiveMinimum", "exclusiveMaximum"))
    number: Any = max([1, *([least] if least is not None else []), *([above + 1] if above is not None else [])])
    number = min([number, *([most] if most is not None else []), *([below - 1] if below is not None else [])])
    return step * -(-number // step) if step else number


def _bound(limits: Document, word: str) -> Any:
    """A bound that is not reached: a flag beside the other bound in OpenAPI 3.0, a number in 3.1."""
    value = limits.get(word)
    return limits.get(word.replace("exclusiveM", "m")) if value is True else None if value is False else value


def _text(found: Shape, candidates: tuple[str, ...] | list[str]) -> str:
    """The first candidate that keeps to the limits of a schema, cut or filled up if none of them does."""
    least, most = found.limits.get("minLength", 0), found.limits.get("maxLength", 10_000)
    pattern = found.limits.get("pattern", "")
    for text in candidates:
        if least <= len(text) <= most and re.search(pattern, text):
            return text
    for text in candidates:
        fitted = text.ljust(least, text[-1:])[:most]
        if re.search(pattern, fitted):
            return fitted
    return candidates[0]
