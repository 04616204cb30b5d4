"""Objects and enums that are written out in place, made components of their own, with names that no other class has.

The generator would name them itself, without a look at the other schemas, and of two classes of one name it loses one.
"""

from __future__ import annotations

from dataclasses import dataclass

from openapi_python_client.strings import ClassName

from regeneration.class_file import free
from regeneration.document import Document, copied, routes
from regeneration.shapes import SCHEMAS


def named(lowered: Document) -> Document:
    """A lowered document without objects and enums in place."""
    result: Document = copied(lowered)
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    naming = _Naming(schemas)
    for name, schema in list(schemas.items()):
        naming.look_into(schema, _class(name))
    for route in routes(result):
        for response in route.operation["responses"].values():
            for media in response.get("content", {}).values():
                media["schema"] = naming.moved(media["schema"], _class(f"{route.operation['operationId']}_answer"))
    return result


@dataclass
class _Naming:
    schemas: Document

    def look_into(self, node: Document, name: str) -> None:
        for key, child in node.get("properties", {}).items():
            node["properties"][key] = self.moved(child, f"{name}{_class(key)}")
        if "items" in node:
            node["items"] = self.moved(node["items"], f"{name}Item")
        if "anyOf" in node:
            node["anyOf"] = [self.moved(child, f"{name}Type{number}") for number, child in enumerate(node["anyOf"])]

    def moved(self, node: Document, name: str) -> Document:
        self.look_into(node, name)
        if "properties" not in node and "enum" not in node:
            return node
        unique = free(name, self.schemas)
        self.schemas[unique] = node
        return {"$ref": SCHEMAS + unique}


def _class(name: str) -> str:
    return str(ClassName(name, "field_"))
