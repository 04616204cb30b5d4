"""References to schemas: where they lead, and leading them elsewhere."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote


def redirect(node: Any, where: Any) -> None:
    """Change every reference under a node, in place."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            node["$ref"] = where(node["$ref"])
        for key, value in node.items():
            if key == "mapping" and isinstance(value, dict):
                node[key] = {
                    name: where(target) if isinstance(target, str) else target for name, target in value.items()
                }
            else:
                redirect(value, where)
    elif isinstance(node, list):
        for value in node:
            redirect(value, where)


def moved(reference: str, moved: dict[str, str]) -> str:
    head, _, rest = _unquoted(reference).partition("#/components/schemas/")
    name, slash, deeper = rest.partition("/")
    target = moved.get(f"#/components/schemas/{name.replace('~1', '/').replace('~0', '~')}") if not head else None
    return reference if target is None else f"{target}{slash}{deeper}"


def _unquoted(reference: str) -> str:
    return unquote(reference)


def component_of(reference: str) -> str | None:
    match = re.fullmatch(r"#/components/schemas/([^/]+)", _unquoted(reference))
    return match[1].replace("~1", "/").replace("~0", "~") if match else None


def is_alias(schema: Any) -> bool:
    return isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and set(schema) <= {"$ref", "description", "title"} \
        and component_of(schema["$ref"]) is not None  # fmt: skip
