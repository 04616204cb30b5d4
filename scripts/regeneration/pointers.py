"""References to schemas: leading them to what a schema is called now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from regeneration.shapes import SCHEMAS


def redirect(node: Any, names: Mapping[str, str]) -> None:
    """Change every reference under a node, in place, also those into a schema and those of a discriminator.

    Args:
        names: of schemas, from the old ones to the new ones.
    """
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            node["$ref"] = _renamed(node["$ref"], names)
        for key, value in node.items():
            if key == "mapping" and isinstance(value, dict):
                node[key] = {
                    word: _renamed(target, names) if isinstance(target, str) else target
                    for word, target in value.items()
                }
            else:
                redirect(value, names)
    elif isinstance(node, list):
        for value in node:
            redirect(value, names)


def _renamed(reference: str, names: Mapping[str, str]) -> str:
    head, found, rest = unquote(reference).partition(SCHEMAS)
    name, slash, deeper = rest.partition("/")
    name = name.replace("~1", "/").replace("~0", "~")
    return f"{SCHEMAS}{names[name]}{slash}{deeper}" if found and not head and name in names else reference
