"""What a published document leaves out, filled from ours and marked, so that no method of the client goes away.

`x-filled-from: reconstruction` stands on everything that is not the vendor's.
"""

from __future__ import annotations

from typing import Any

from regeneration.adopt.alignment import by_key
from regeneration.answers import answer, says_something
from regeneration.document import Document, Route, copied, follow, parameters, references, routes
from regeneration.generate.page_facts import left_open, which_page
from regeneration.shapes import shape

MARK = "x-filled-from"
_SOURCE = "reconstruction"
_SCHEMAS = "#/components/schemas/"


def graft(document: Document, ours: Document) -> list[str]:
    """Fill a document, in place.

    Args:
        document: aligned with ours, its operations and schemas named.
        ours: the document that the client was written against, with the overlay applied.

    Returns:
        What was filled, in words.
    """
    notes: list[str] = []
    present = by_key(document)
    named = {route.operation["operationId"]: route for route in present.values()}
    for key, route in by_key(ours).items():
        name = route.operation["operationId"]
        theirs = present.get(key, named.get(name))  # the overlay may name another one so
        if theirs is None:
            _operation(document, ours, route)
            notes.append(f"{route}: not in the document; {name} is filled from the reconstruction")
        else:
            notes += _answer(document, ours, route, theirs)
            notes += _pagination(document, ours, route, theirs)
    notes += _schemas(document, ours)
    return notes


def _reachable(document: Document, names: list[str]) -> list[str]:
    """The schemas of these names with those that they lead to."""
    schemas, result, queue = document["components"]["schemas"], list[str](), list(names)
    while queue:
        name = queue.pop(0)
        if name in schemas and name not in result:
            result.append(name)
            queue += [reference.removeprefix(_SCHEMAS) for reference in references(schemas[name])]
    return result


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
    if expected is None or says_something(document, answer(document, theirs)):
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


def _fields(document: Document, name: str, source: Document) -> list[str]:
    """Fill the fields of a model of which the document says nothing: all of an empty one, else each by itself."""
    schema = document["components"]["schemas"][name]
    schema["x-keep"] = True
    notes = []
    known = shape(document, schema)
    if not says_something(document, schema) and source.get("properties"):
        schema.update(type="object", properties=copied(source["properties"]), **{MARK: _SOURCE})
        notes.append(f"{name}: the document names none of its fields; they are filled from the reconstruction")
    for field, ours in source.get("properties", {}).items():
        if field in schema.get("properties", {}) and schema["properties"][field] == {} != ours:
            schema["properties"][field] = {**copied(ours), MARK: _SOURCE}
            notes.append(f"{name}.{field}: the document does not say what it is; filled from the reconstruction")
    if "id" in source.get("required", []) and "id" in {**known.fields, **schema.get("properties", {})}:
        schema["required"] = list(dict.fromkeys([*schema.get("required", []), "id"]))
    return notes


def _pagination(document: Document, ours: Document, route: Route, theirs: Route) -> list[str]:
    """See to it that the page parameter is one that the document declares; without one, the list is not paged."""
    facts = theirs.operation.get("x-pagination")
    if not isinstance(facts, dict):
        return []
    declared = [parameter for parameter in parameters(document, theirs) if parameter["in"] == "query"]
    query = [parameter["name"] for parameter in declared]
    name, notes = facts["parameter"], []
    theirs_own = None if name in query else which_page(query)
    if theirs_own is not None:
        notes = [f"{theirs}: the parameter of its pages is called {theirs_own['parameter']!r}, not {name!r}"]
        theirs.operation["x-pagination"] = {**facts, **theirs_own}
        name = theirs_own["parameter"]
    known = [parameter["name"] for parameter in parameters(ours, route)]
    why = left_open(document, declared, name, known)
    if not why:
        return notes
    del theirs.operation["x-pagination"]
    return [f"{theirs}: how its pages are counted is not established: {why}"]


def _schemas(document: Document, ours: Document) -> list[str]:
    """Every schema that our code may import a model of; an id that was required stays so."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    wanted: list[str] = []
    for route in routes(ours):
        wanted += [reference.removeprefix(_SCHEMAS) for reference in references(answer(ours, route))]
    kept = [name for name, schema in ours["components"]["schemas"].items() if schema.get("x-keep")]
    notes = []
    for name in _reachable(ours, [*wanted, *kept]):
        source = ours["components"]["schemas"][name]
        if name not in schemas:
            schemas[name] = {**copied(source), "x-keep": True, MARK: _SOURCE}
            notes.append(f"{name}: nothing in the document corresponds to this model; filled from the reconstruction")
        else:
            notes += _fields(document, name, source)
    for reference in sorted({*references(document["paths"]), *references(schemas)}):
        name = reference.removeprefix(_SCHEMAS)
        for inner in _reachable(ours, [name]) if reference.startswith(_SCHEMAS) and name not in schemas else []:
            if inner not in schemas:  # what only requests and errors of ours use
                schemas[inner] = {**copied(ours["components"]["schemas"][inner]), MARK: _SOURCE}
    return notes
