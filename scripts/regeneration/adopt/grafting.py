"""What a published document leaves out, filled from ours and marked, so that no method of the client goes away.

`x-filled-from: reconstruction` stands on everything that is not the vendor's.
"""

from __future__ import annotations

from typing import Any

from regeneration.adopt.alignment import template
from regeneration.adopt.class_names import answer, reachable
from regeneration.document import Document, Route, copied, follow, parameters, references, routes
from regeneration.generate.page_facts import plain

MARK = "x-filled-from"
_SOURCE = "reconstruction"
_SCHEMAS = "#/components/schemas/"
#: What a parameter for the page's number may be called, without case and marks.
_PAGE_NAMES = {"page", "pagenumber", "pagenum", "pageno", "pageindex"}


def graft(document: Document, ours: Document) -> list[str]:
    """Fill a document, in place.

    Args:
        document: aligned with ours, its operations and schemas named.
        ours: the document that the client was written against, with the overlay applied.

    Returns:
        What was filled, in words.
    """
    notes: list[str] = []
    present = {(route.method, template(route.path)): route for route in routes(document)}
    for route in list(routes(ours)):
        theirs = present.get((route.method, template(route.path)))
        if theirs is None:
            _operation(document, ours, route)
            notes.append(
                f"{route}: not in the document; {route.operation['operationId']} is filled from the reconstruction"
            )
        else:
            notes += _answer(document, ours, route, theirs)
            notes += _pagination(document, route, theirs)
    notes += _schemas(document, ours)
    return notes


def _operation(document: Document, ours: Document, route: Route) -> None:
    operation = _written_out(ours, route.operation)
    operation[MARK] = _SOURCE
    document["paths"].setdefault(route.path, {})[route.method] = operation


def _written_out(ours: Document, node: Any) -> Any:
    """A copy in which only schemas are references: their parameters, headers and answers may not be in the document."""
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith(_SCHEMAS):
            return _written_out(ours, follow(ours, node))
        return {key: _written_out(ours, value) for key, value in node.items()}
    if isinstance(node, list):
        return [_written_out(ours, value) for value in node]
    return node


def _answer(document: Document, ours: Document, route: Route, theirs: Route) -> list[str]:
    expected = answer(ours, route)
    if expected is None or _says_something(document, answer(document, theirs)):
        return []
    responses = theirs.operation["responses"]
    status = next((status for status in responses if status[:1] == "2" and status != "204"), None)
    if status is None:
        status = next(status for status in route.operation["responses"] if status[:1] == "2")
        responses[status] = {"description": "Done."}
    response = responses[status] = copied(follow(document, responses[status]))
    response["content"] = {"application/json": {"schema": copied(expected)}}
    response[MARK] = _SOURCE
    return [f"{theirs}: does not say what it answers; filled from the reconstruction"]


def _says_something(document: Document, schema: Any) -> bool:
    """Whether a schema tells more than that there is JSON, or an object, or a list."""
    found = follow(document, schema)
    if not isinstance(found, dict):
        return False
    if found.get("type") == "array":
        return _says_something(document, found.get("items"))
    if "$ref" in (schema or {}) and found.get("type", "object") == "object" and not found.get("properties"):
        return bool({"allOf", "anyOf", "oneOf"} & found.keys())
    return bool({"properties", "allOf", "anyOf", "oneOf", "enum"} & found.keys()) or found.get("type") not in (
        None,
        "object",
    )


def _pagination(document: Document, route: Route, theirs: Route) -> list[str]:
    """See to it that the page parameter is one that the document declares: theirs under another name, else ours."""
    facts = theirs.operation.get("x-pagination")
    if not isinstance(facts, dict):
        return []
    name = facts.get("parameter")
    query = [parameter["name"] for parameter in parameters(document, theirs) if parameter["in"] == "query"]
    if name in query:
        return []
    other = next((each for each in query if plain(each) in _PAGE_NAMES), None)
    if other is not None:
        theirs.operation["x-pagination"] = {**facts, "parameter": other}
        return [f"{theirs}: the parameter of its pages is called {other!r}, not {name!r}"]
    for parameter in route.operation.get("parameters", []):
        if parameter.get("name") == name:
            theirs.operation.setdefault("parameters", []).append({**copied(parameter), MARK: _SOURCE})
            return [f"{theirs}: does not declare the parameter {name!r} of its pages; filled from the reconstruction"]
    del theirs.operation["x-pagination"]
    return []


def _schemas(document: Document, ours: Document) -> list[str]:
    """Every schema that our code may import a model of; an id that was required stays so."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    wanted: list[str] = []
    for route in routes(ours):
        wanted += [reference.removeprefix(_SCHEMAS) for reference in references(answer(ours, route))]
    kept = [name for name, schema in ours["components"]["schemas"].items() if schema.get("x-keep")]
    notes = []
    models = reachable(ours, [*wanted, *kept])
    for name in models:
        source = ours["components"]["schemas"][name]
        if name not in schemas:
            schemas[name] = {**copied(source), "x-keep": True, MARK: _SOURCE}
            notes.append(f"{name}: nothing in the document corresponds to this model; filled from the reconstruction")
        else:
            schemas[name]["x-keep"] = True
            if "id" in source.get("required", []) and "id" in schemas[name].get("properties", {}):
                schemas[name]["required"] = list(dict.fromkeys([*schemas[name].get("required", []), "id"]))
    for reference in sorted({*references(document["paths"]), *references(schemas)}):
        name = reference.removeprefix(_SCHEMAS)
        for inner in reachable(ours, [name]) if reference.startswith(_SCHEMAS) and name not in schemas else []:
            if inner not in schemas:  # what only requests and errors of ours use
                schemas[inner] = {**copied(ours["components"]["schemas"][inner]), MARK: _SOURCE}
    return notes
