"""What the client loses by a document though each of its methods may work: fields of models, and fields that it sends.

Static: the client's files are read, never run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from openapi_python_client.strings import PythonIdentifier

from regeneration.answers import body
from regeneration.document import Document, routes
from regeneration.shapes import shape


def lost(client: Path, document: Document, ours: Document) -> Iterator[str]:
    """Fields that a model no longer has, and that the client reads; an id in any case.

    Args:
        client: the folder in which the hand-written package is.
        document: what the package was generated from.
        ours: the document that the client was written with, with the overlay applied.
    """
    schemas = document["components"]["schemas"]
    for name, source in ours["components"]["schemas"].items():
        if name not in schemas or not schemas[name].get("x-keep"):
            continue
        known = shape(document, schemas[name]).fields
        attributes = {_attribute(field) for field in known}
        for field in source.get("properties", {}):
            attribute = _attribute(field)
            if attribute not in attributes and (field == "id" or attribute in _read(client)):
                beside = ", ".join(other for other in known if other.strip("_").lower() == field.lower())
                yield f"{name}: has no {field}, which the client reads" + (f"; it has {beside}" if beside else "")


def _attribute(field: str) -> str:
    return str(PythonIdentifier(field, "field_"))


@cache
def _read(client: Path) -> frozenset[str]:
    """The attributes that the client's own files read."""
    files = [path for path in client.rglob("*.py") if "sandbox" not in path.parts]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_bytes())))
    return frozenset(node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load))


def unknown_arguments(document: Document, ours: Document) -> Iterator[str]:
    """Fields that methods can send, and the document does not know."""
    present = {route.operation["operationId"]: route for route in routes(document)}
    for route in routes(ours):
        name = route.operation["operationId"]
        sent, known = body(ours, route), body(document, present[name])
        unknown = [field for field in sent.fields if field not in known.fields] if known.fields else []
        if unknown:
            yield f"{name}: has arguments for fields that the document does not know: {', '.join(unknown)}"
