"""Where the hand-written client and a generated package no longer fit: what it imports, what it sends, what it promises.

Static: the client's files are read, never run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regeneration.adopt.alignment import template
from regeneration.answers import answer, envelope, inside
from regeneration.document import Document, Route, follow, routes
from regeneration.generate.generator import PACKAGE
from regeneration.shapes import shape

_SCHEMAS = "#/components/schemas/"


def misfits(client: Path, package: Mapping[str, bytes], document: Document, ours: Document) -> list[str]:
    """What no longer fits, in words.

    Args:
        client: the folder of the hand-written package.
        package: the generated files, by path relative to the package.
        document: what they were generated from.
        ours: the document that the client was written with, with the overlay applied.
    """
    return [*_imports(client, package), *_operations(document, ours)]


def _imports(client: Path, package: Mapping[str, bytes]) -> Iterator[str]:
    modules = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in package if path.endswith(".py")
    }
    models = _exported(package["models/__init__.py"])
    for file in sorted(client.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if not isinstance(node, ast.ImportFrom) or node.level or not (node.module or "").startswith(PACKAGE):
                continue
            home = (node.module or "").removeprefix(PACKAGE).lstrip(".")
            for alias in (each for each in node.names if each.name != "*"):  # whatever there is
                full = f"{home}.{alias.name}".lstrip(".")
                missing = (
                    alias.name not in models if home == "models" else home.startswith("api") and full not in modules
                )
                if missing or (home and home not in modules):
                    yield f"{file.relative_to(client.parent)}, line {node.lineno}: there is no {full} any more"


def _exported(source: bytes) -> set[str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _operations(document: Document, ours: Document) -> Iterator[str]:
    present = {(route.method, template(route.path)): route for route in routes(document)}
    for route in routes(ours):
        theirs = present[route.method, template(route.path)]
        name = route.operation["operationId"]
        expected, found = _answer_type(ours, route), _answer_type(document, theirs)
        if expected != found and expected != "nothing":
            yield f"{name}: promises {expected}, but the document says {found}"
        sent, known = _body(ours, route), _body(document, theirs)
        unknown = [field for field in sent.fields if field not in known.fields] if known.fields else []
        if unknown:
            yield f"{name}: has arguments for fields that the document does not know: {', '.join(unknown)}"
        wanted = sorted(known.required - sent.fields.keys())
        if wanted:
            yield f"{name}: has no argument for {', '.join(wanted)}, which the document requires; pass it with `extra`"


def _body(document: Document, route: Route) -> Any:
    content = (follow(document, route.operation.get("requestBody")) or {}).get("content") or {}
    return shape(document, next((media.get("schema") for name, media in content.items() if "json" in name), None))


def _answer_type(document: Document, route: Route) -> str:
    schema = inside(document, answer(document, route), envelope(route))
    return "nothing" if schema is None else _type(document, schema)


def _type(document: Document, schema: Any) -> str:
    references = [
        part.removeprefix(_SCHEMAS) for part in shape(document, schema).references if part.startswith(_SCHEMAS)
    ]
    if references:
        return references[0]
    resolved = shape(document, schema)
    if resolved.type == "array":
        return f"list[{_type(document, resolved.items)}]"
    return resolved.type if not resolved.fields else f"an object of {json.dumps(sorted(resolved.fields))}"
