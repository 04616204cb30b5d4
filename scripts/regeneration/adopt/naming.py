"""Names of operations: ours for those that are known, derived ones for the others."""

from __future__ import annotations

import re

from openapi_python_client.strings import PythonIdentifier

from regeneration.adopt.alignment import Key, by_key
from regeneration.document import Document, Route, copied, routes

#: What ours says of an operation and theirs says itself, or that is ours alone.
_NOT_FACTS = ("x-evidence", "x-observed", "x-envelope")
_VERBS = {"put": "update", "patch": "patch"}
_BRACED = re.compile(r"\{[^{}]*\}")


def name_operations(document: Document, ours: Document, published: dict[Key, str | None]) -> list[str]:
    """Give each operation, in place, an operationId, a tag and a key role.

    Names that the overlay gave stay. The published ones do not: they are not ours to keep stable.

    Args:
        document: aligned with ours.
        ours: the document that the client was written against.
        published: the operationId that each operation came with.

    Returns:
        What was derived, in words.
    """
    known = {key: route.operation for key, route in by_key(ours).items()}
    taken = {_module(operation["operationId"]) for operation in known.values()}
    notes = []
    derived: list[Route] = []
    for key, route in by_key(document).items():
        operation = route.operation
        if key in known:
            operation["operationId"], operation["tags"] = known[key]["operationId"], list(known[key]["tags"])
            for fact, value in known[key].items():
                if fact.startswith("x-") and fact not in _NOT_FACTS:
                    operation.setdefault(fact, copied(value))
        elif "operationId" in operation and operation["operationId"] != published.get(key):
            taken.add(_module(operation["operationId"]))
        else:
            derived.append(route)
    for route in derived:
        operation = route.operation
        identifier = wanted = derived_id(route)
        number = 2
        while _module(identifier) in taken:
            identifier, number = f"{wanted}_{number}", number + 1
        taken.add(_module(identifier))
        operation["operationId"], operation["tags"] = identifier, [derived_tag(route.path)]
        role = operation.setdefault("x-key-role", "guest" if _words(route.path)[:1] == ["guests"] else "user")
        notes.append(f"{route}: new to us; called {identifier} until the overlay names it, for {role} keys (derived)")
    for route in routes(document):
        tags = route.operation.get("tags", [])
        route.operation["tags"] = tags[:1] or [derived_tag(route.path)]
        route.operation.setdefault("x-key-role", "user")
    return notes


def derived_id(route: Route) -> str:
    """A name made of method and path: GET /api/sessions/{id}/recordings is get_session_recordings."""
    segments = [segment for segment in route.path.split("/") if segment]
    words = []
    for index, segment in enumerate(segments):
        if _BRACED.fullmatch(segment) or (index == 0 and segment == "api"):
            continue
        followed = index + 1 < len(segments) and _BRACED.fullmatch(segments[index + 1])
        word = _snake(segment)
        words.append(_singular(word) if followed else word)
    on_item = bool(segments) and _BRACED.fullmatch(segments[-1])
    verb = (
        "create"
        if route.method == "post" and not on_item and len(segments) <= 2
        else _VERBS.get(route.method, route.method)
    )
    return "_".join([verb, *filter(None, words)])


def derived_tag(path: str) -> str:
    """The folder of an operation: the first word of its path."""
    return next(iter(_words(path)), "default")


def _words(path: str) -> list[str]:
    segments = [_snake(segment) for segment in path.split("/") if segment and not _BRACED.search(segment)]
    return [word for word in (segments[1:] if segments[:1] == ["api"] else segments) if word]


def _snake(segment: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", _BRACED.sub("", segment))
    word = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    return f"n{word}" if word[:1].isdigit() else word


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _module(identifier: str) -> str:
    return str(PythonIdentifier(identifier, "field_"))
