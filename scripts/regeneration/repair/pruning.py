"""What remains in a document that the validator refuses, taken out piece by piece, and said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from regeneration.document import METHODS, Document, InputError
from regeneration.refusals import Place, refusals

_PASSES = 40
#: What is referred to has to stay; this is the least that each kind has to say.
_LEAST: dict[str, Document] = {
    "schemas": {},
    "responses": {"description": ""},
    "headers": {"schema": {}},
    "requestBodies": {"content": {}},
}


def prune(document: Document) -> list[str]:
    """Take out, in place, what the validator refuses.

    An operation is never taken out: at worst it is emptied, and its method and path stay.

    Returns:
        What was taken out, in words.

    Raises:
        InputError: the document stays unsound whatever is taken out.
    """
    told: list[str] = []
    for _ in range(_PASSES):
        found = list(refusals(document))
        if not found:
            return told
        taken = [
            f"{words}: left out ({refusal.words})"
            for refusal in found
            for words in _take_out(document, refusal.place, refusal.error)
        ]
        if not taken:
            raise InputError(
                f"not valid OpenAPI at {_words(found[0].place) or 'the document'}: {found[0].words}; "
                "correct it in a copy of the document, and give that instead"
            )
        told += taken
    raise InputError(f"not valid OpenAPI whatever is left out; see {told[-1]}")


def _take_out(document: Document, place: Place, error: Any) -> Iterator[str]:
    node = _at(document, place)
    if not place and isinstance(error.schema, dict) and "default" in error.schema:
        # Of a default that its own schema refuses, the validator tells the schema and not where it is.
        for found in [where for where, each in _walk(document) if each == error.schema]:
            del _at(document, found)["default"]
            yield _words((*found, "default"))
        return
    if error.validator in ("additionalProperties", "unevaluatedProperties") and isinstance(node, dict):
        unknown = [key for key in node if repr(key) in error.message and key not in METHODS]
        for key in unknown:
            del node[key]
            yield _words((*place, key))
        if unknown:
            return
    yield from _take_out_place(document, place, node)


def _take_out_place(document: Document, place: Place, node: Any) -> Iterator[str]:
    if place[:1] == ("paths",) and len(place) == 3 and place[2] in METHODS and isinstance(node, dict):
        node.clear()
        node["responses"] = {"default": {"description": ""}}
        yield _words(place)
    elif place[:1] == ("components",) and len(place) == 3 and place[1] in _LEAST:
        document["components"][place[1]][place[2]] = dict(_LEAST[str(place[1])])
        yield _words(place)
    elif len(place) > (3 if place[:1] == ("paths",) else 1):
        try:
            del _at(document, place[:-1])[place[-1]]
        except (LookupError, TypeError):  # went with an earlier one
            return
        yield _words(place)
    elif len(place) == 1 and place[0] not in ("openapi", "info", "paths", "components") and place[0] in document:
        del document[str(place[0])]
        yield _words(place)


def _walk(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    yield place, node
    for key, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from _walk(inner, (*place, key))


def _at(document: Document, place: Place) -> Any:
    node: Any = document
    for part in place:
        try:
            node = node[part]
        except (LookupError, TypeError):
            return None
    return node


def _words(place: Place) -> str:
    if place[:1] == ("paths",) and len(place) > 2:
        rest = "/".join(str(part) for part in place[3:])
        return f"{str(place[2]).upper()} {place[1]}" + (f": {rest}" if rest else "")
    return "/".join(str(part) for part in place)
