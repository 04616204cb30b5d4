"""The operations as data: what the overlay says of each, and whether each one survived generation."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping, Sequence

from openapi_python_client.strings import PythonIdentifier

from regeneration.answers import envelope, is_json
from regeneration.document import Document, LostError, Route, follow, routes
from regeneration.generate.page_facts import ListFacts, page_facts

_PREAMBLE = '''"""What is known of each operation beyond its types: who may call it, and whether it may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .types import Operation, Pagination

'''


def source(document: Document) -> str:
    """The module operations.py: an Operation for each operationId, in document order."""
    invalidates = _invalidates(document)
    entries = [_entry(document, route, invalidates) for route in routes(document)]
    table = "OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType({\n" + "\n".join(entries) + "\n})\n"
    return _PREAMBLE + table


def _entry(document: Document, route: Route, invalidates: Mapping[str, Sequence[str]]) -> str:
    operation = route.operation
    pages = page_facts(document, route)
    made = _call(
        "Operation",
        id=repr(operation["operationId"]),
        method=repr(route.method.upper()),
        path=repr(route.path),
        tag=repr(operation["tags"][0]),
        key_role=repr(operation["x-key-role"]),
        repeatable=repr(operation.get("x-repeatable", route.method == "get")),
        pagination="None" if pages is None else _pagination(pages),
        invalidates=_names(invalidates.get(operation["operationId"], ())),
        removes=repr(operation.get("x-removes", False)),
        observed=repr(operation.get("x-observed", False)),
        **({"envelope": _names(envelope(route))} if envelope(route) else {}),
        **({"requires_body": "True"} if _requires_body(document, route) else {}),
    )
    return f"{operation['operationId']!r}: {made},"


def _invalidates(document: Document) -> dict[str, list[str]]:
    """For each write the operationIds of the reads that it may change, in document order."""
    reads = {
        route.operation["operationId"]: {route.operation["operationId"], *route.operation["tags"]}
        for route in routes(document)
        if route.operation.get("x-repeatable", route.method == "get")
    }
    writes = {route.operation["operationId"] for route in routes(document)} - reads.keys()
    table = document.get("x-invalidates", {})
    meant = {name for names in table.values() for name in names}
    if unknown := (table.keys() - writes) | (meant - {name for names in reads.values() for name in names}):
        raise LostError(f"x-invalidates: {', '.join(sorted(unknown))}: no such operation, or no such tag")
    return {write: [read for read, names in reads.items() if names & set(wanted)] for write, wanted in table.items()}


def _pagination(facts: ListFacts) -> str:
    return _call(
        "Pagination",
        parameter=repr(facts.parameter),
        base=repr(facts.base),
        size_parameter=repr(facts.size_parameter),
        size=repr(facts.size),
        **({"step": repr(facts.step)} if facts.step > 1 else {}),
        **({"names_first": "True"} if facts.names_first else {}),
        **({"fixed": repr(facts.fixed)} if facts.fixed else {}),
    )


def _requires_body(document: Document, route: Route) -> bool:
    body = follow(document, route.operation.get("requestBody")) or {}
    return body.get("required") is True and any(map(is_json, body.get("content", {})))


def _names(names: Sequence[str]) -> str:
    return f"({''.join(f'{name!r},' for name in names)})"


def _call(name: str, **arguments: str) -> str:
    return f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())},)"


def check_nothing_lost(document: Document, package: Mapping[str, bytes]) -> None:
    """Compare the document with the generated package.

    The generator writes one file per name and says nothing when two things have the same name: the last one wins.

    Args:
        document: the document that was generated from.
        package: the generated files, by path relative to the package.

    Raises:
        LostError: an operation or a model has no file of its own.
    """
    modules: dict[str, list[str]] = defaultdict(list)
    for route in routes(document):
        folder = PythonIdentifier(route.operation["tags"][0], "tag")
        name = PythonIdentifier(route.operation["operationId"], "field_")
        modules[f"api/{folder}/{name}.py"].append(f"{route.operation['operationId']} ({route})")
    for path, claimants in modules.items():
        if len(claimants) > 1:
            raise LostError(f"operations lost: {' and '.join(claimants)} would all be {path}; rename in the overlay")
    written = {path for path in package if path.startswith("api/") and not path.endswith("__init__.py")}
    operations = sum(len(claimants) for claimants in modules.values())
    if written != set(modules):
        lost = sorted(set(modules) - written) or sorted(written - set(modules))
        raise LostError(f"operations lost: {operations} in the document, {len(written)} modules; see {lost[0]}")
    exported = _exported_models(ast.parse(package["models/__init__.py"]))
    files = count_models(package)
    if len(exported) != files:
        raise LostError(f"models lost: {len(exported)} names ({', '.join(exported)}), but {files} files")


def count_models(package: Mapping[str, bytes]) -> int:
    return sum(path.startswith("models/") and path != "models/__init__.py" for path in package)


def _exported_models(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return list(ast.literal_eval(node.value))
    return []
