"""What must be true of spec/openapi.json before anything is generated from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from regeneration.answers import answer, envelope, inside
from regeneration.document import Document, InputError, Route, follow, parameters, references, routes
from regeneration.refusals import refusals

_TEMPLATE = re.compile(r"\{([^{}]*)\}")
#: What the generator itself recognises in a path; anything else would stay in the URL as it is.
_PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
#: Names that the generated functions use themselves.
_TAKEN_PARAMETERS = {"body", "params", "quote"}


def validate(document: Document) -> None:
    """Check a document with the overlay applied.

    Raises:
        InputError: not valid OpenAPI 3.0 or 3.1, a reference that leads out or nowhere, or an operation without the
            facts that the client is built from.
    """
    for reference in references(document):
        follow(document, {"$ref": reference})
    for path in document.get("paths") or ():
        if set("{}") & set(_TEMPLATE.sub("", path)):  # the validator itself stumbles over these
            raise InputError(f"{path}: the braces in the path do not pair")
    for refusal in refusals(document):
        place = "/".join(str(part) for part in refusal.place) or "the document"
        raise InputError(f"not valid OpenAPI at {place}: {refusal.words}")
    if not any(routes(document)):
        raise InputError("the document has no operations")
    problems = [*_repeated_ids(document)]
    problems += [f"{path}: a path that is a reference is not read; write it out" for path in _path_references(document)]
    for route in routes(document):
        problems += [f"{route}: {problem}" for problem in _route_problems(document, route)]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputError(problems[0] + more)


def _path_references(document: Document) -> list[str]:
    return [path for path, item in document["paths"].items() if path.startswith("/") and "$ref" in item]


def _repeated_ids(document: Document) -> Iterator[str]:
    counted = Counter(route.operation.get("operationId") for route in routes(document))
    for identifier, count in counted.items():
        if identifier is not None and count > 1:
            yield f"{count} operations have the operationId {identifier!r}"


def _route_problems(document: Document, route: Route) -> Iterator[str]:
    operation = route.operation
    if not operation.get("operationId"):
        yield "no operationId"
    if len(operation.get("tags", [])) != 1:
        yield f"needs exactly one tag, has {operation.get('tags', [])}"
    if operation.get("x-key-role") not in ("user", "guest"):
        yield f"x-key-role must be user or guest, not {operation.get('x-key-role')!r}"
    for fact in ("x-repeatable", "x-observed", "x-removes"):
        if not isinstance(operation.get(fact, False), bool):
            yield f"{fact} must be true or false, not {operation[fact]!r}"
    if operation.get("x-removes") is True and not _changes_reads(document, route):
        yield "x-removes is for writes that have reads in x-invalidates"
    names = route.operation.get("x-envelope", "")
    if not isinstance(names, str) and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        yield f"x-envelope must be a name, or a list of names from the outermost in, not {names!r}"
    elif inside(document, answer(document, route), envelope(route)) is None and envelope(route):
        yield f"x-envelope says {'.'.join(envelope(route))}, and the document's answer has no such field"
    yield from _parameter_problems(document, route)


def _parameter_problems(document: Document, route: Route) -> Iterator[str]:
    declared = {(parameter["name"], parameter["in"]) for parameter in parameters(document, route)}
    for name in _TEMPLATE.findall(route.path):  # that each is declared, the validator has seen to
        if not _PARAMETER_NAME.fullmatch(name):
            yield f"{{{name}}} is no name for a path parameter"
    query = {name for name, where in declared if where == "query"}
    for name, _ in sorted(pair for pair in declared if pair[0] in _TAKEN_PARAMETERS):
        yield f"a parameter cannot be called {name!r}; the generated function uses that name"
    if "x-pagination" in route.operation:
        yield from _pagination_problems(route.operation["x-pagination"], query)


def _changes_reads(document: Document, route: Route) -> bool:
    return route.method != "get" and bool(document.get("x-invalidates", {}).get(route.operation.get("operationId")))


def _pagination_problems(pagination: Any, query: set[str]) -> Iterator[str]:
    if not isinstance(pagination, dict):
        yield f"x-pagination must be an object, not {pagination!r}"
        return
    if pagination.get("parameter") not in query:
        yield f"x-pagination names the query parameter {pagination.get('parameter')!r}, which is not declared"
    if pagination.get("counts", "pages") not in ("pages", "rows"):
        yield f"x-pagination.counts must be pages or rows, not {pagination['counts']!r}"
    base, size = pagination.get("base", 0), pagination.get("size", 1)  # what is not known is left out
    if not isinstance(base, int) or isinstance(base, bool) or base not in (0, 1):
        yield f"x-pagination.base must be 0 or 1, or left out, not {base!r}"
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        yield f"x-pagination.size must be a number from 1 up, or left out, not {size!r}"
    for key in sorted(pagination.keys() - {"parameter", "base", "size", "counts"}):
        yield f"x-pagination knows no {key!r}"
