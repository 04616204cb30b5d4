"""An OpenAPI document: reading and writing it, following its references, walking its operations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

#: JSON as json.loads gives it. Any, because its shape is what validation.py is there to find out.
Document: TypeAlias = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class InputError(Exception):
    """Something that the person running the command has to put right; one line, and nothing has been written."""


class LostError(InputError):
    """Something in the document has no file of its own in the generated package."""


@dataclass(frozen=True)
class Route:
    """One operation and where it stands in the document."""

    path: str
    method: str
    operation: Document
    item: Document

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def parse_json(data: bytes, name: str) -> Document:
    """Parse a JSON object; a key given twice is an error, because the first one would vanish silently."""
    try:
        document = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not usable JSON: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{name} is not a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> Document:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} appears twice in one object")
    return result


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def dump_json(document: Document) -> bytes:
    """The one way in which this project writes JSON, so that equal documents are equal bytes."""
    try:
        return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except ValueError as error:  # a number too large for a float, or half of a surrogate pair
        raise InputError(f"a value in the document cannot be written as JSON: {error}") from error


def copied(value: Any) -> Any:
    """A deep copy in which nothing is shared, not even what was shared in the original (copy.deepcopy keeps that)."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def routes(document: Document) -> Iterator[Route]:
    """Every operation, in document order."""
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items() if path.startswith("/") else ():
            if method in METHODS:
                yield Route(path, method, operation, item)


def follow(document: Document, node: Any) -> Any:
    """The node itself, or what its chain of references leads to."""
    seen: list[str] = []
    while isinstance(node, dict) and isinstance(node.get("$ref"), str):
        reference = node["$ref"]
        if reference in seen:
            raise InputError(f"the reference {reference} leads back to itself")
        seen.append(reference)
        node = _target(document, reference)
    return node


def _target(document: Document, reference: str) -> Any:
    if not reference.startswith("#/"):
        raise InputError(
            f"the reference {reference} leads out of the document; everything is read offline. Put the files into one first, "
            "with any bundler of OpenAPI documents"
        )
    node: Any = document
    for part in reference[2:].split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            raise InputError(
                f"the reference {reference} leads nowhere; correct it in a copy of the document, and give that instead"
            )
    return node


def references(node: Any) -> Iterator[str]:
    """Every $ref under a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def parameters(document: Document, route: Route) -> list[Document]:
    """The parameters of an operation with those of its path; the operation's own come first and win."""
    merged: dict[tuple[str, str], Document] = {}
    for holder in (route.operation, route.item):
        for parameter in holder.get("parameters", []):
            resolved = follow(document, parameter)
            merged.setdefault((resolved["name"], resolved["in"]), resolved)
    return list(merged.values())
