"""From the document to what the generator is given: only facts that it understands, in the forms that it gets right.

The facade owns statuses, errors, keys, headers, request types, retries and null. None of that reaches the generator,
whose handling of it is either missing or surprising: it returns error bodies as results, sends defaults that nobody
asked for, ignores security and nullable references, and fails on enum members whose names collide. What is left is a
schema language of seven words. The lowered document is never written to spec/; nobody but the generator reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from openapi_python_client.strings import ClassName, PythonIdentifier, snake_case

from regeneration.answers import answer, envelope, inside, is_json
from regeneration.document import Document, InputError, Route, follow, parameters, references, routes

_COMPONENT = re.compile(r"#/components/schemas/([^/]+)")
_SCALARS = {"string", "integer", "number", "boolean"}
#: Class names that the generated modules import themselves.
_TAKEN_CLASSES = {"Any", "TYPE_CHECKING"}


@dataclass(frozen=True)
class Lowered:
    """The generator's input, and what was left out of it that somebody may have wanted."""

    document: Document
    notes: tuple[str, ...]


def lower(document: Document) -> Lowered:
    """Lower a validated document.

    Raises:
        InputError: something that has no lowered form (a body that is not JSON, endlessly nested schemas).
    """
    try:
        return _Lowering(document).run()
    except RecursionError as error:
        raise InputError("a schema contains itself without being a component") from error


@dataclass
class _Lowering:
    document: Document
    notes: list[str] = field(default_factory=list)

    def run(self) -> Lowered:
        paths: Document = {}
        for route in routes(self.document):
            paths.setdefault(route.path, {})[route.method] = self._operation(route)
        components = self.document.get("components", {}).get("schemas", {})
        lowered = {name: self._component(name, schema) for name, schema in components.items()}
        kept = [name for name, schema in components.items() if isinstance(schema, dict) and schema.get("x-keep")]
        wanted = _reachable(paths, kept, lowered)
        for name in lowered:
            if name in wanted and ClassName(name, "field_") in _TAKEN_CLASSES:
                raise InputError(f"a component cannot be called {name!r}; the generated modules use that name")
        result = {
            "openapi": "3.0.3",
            "info": {"title": "lowered", "version": "1"},
            "paths": paths,
            "components": {"schemas": {name: schema for name, schema in lowered.items() if name in wanted}},
        }
        return Lowered(result, tuple(dict.fromkeys(self.notes)))

    # Operations

    def _operation(self, route: Route) -> Document:
        source = route.operation
        result: Document = {key: source[key] for key in ("operationId", "tags", "summary") if key in source}
        declared = parameters(self.document, route)
        result["parameters"] = [self._parameter(parameter) for parameter in declared if self._sends(route, parameter)]
        if "requestBody" in source:
            content = follow(self.document, source["requestBody"]).get("content", {})
            if any(is_json(media_type) for media_type in content):
                # Free-form and optional: the facade types the arguments and decides whether there is a body at all.
                result["requestBody"] = {"required": False, "content": {"application/json": {"schema": {}}}}
            else:
                self.notes.append(
                    f"{route}: takes no JSON body, only {', '.join(content) or 'nothing'}; left to the client"
                )
        result["responses"] = self._responses(route)
        return result

    def _sends(self, route: Route, parameter: Document) -> bool:
        if parameter["in"] in ("path", "query"):
            return True
        self.notes.append(f"{route}: the {parameter['in']} parameter {parameter['name']!r} is left to the client")
        return False

    def _parameter(self, parameter: Document) -> Document:
        if parameter["in"] == "path":  # ids are opaque strings
            return {"name": parameter["name"], "in": "path", "required": True, "schema": {"type": "string"}}
        return {
            "name": parameter["name"],
            "in": "query",
            "required": False,  # what is sent is for the client to say
            "schema": self._query_schema(parameter.get("schema", {})),
        }

    def _query_schema(self, schema: Any) -> Document:
        """A plain type: no default, which would be sent unasked, and no enum, which would have to be an object."""
        schema = follow(self.document, schema)
        kind = _kind(schema)
        if kind == "array":
            return {"type": "array", "items": self._query_schema(schema.get("items", {}))}
        return {"type": kind} if kind in _SCALARS else {}

    def _responses(self, route: Route) -> Document:
        """The first 2xx response with JSON alone: what other statuses mean is for the client to say."""
        successes = [status for status in route.operation["responses"] if re.fullmatch(r"2(\d\d|XX)", status)]
        if not successes:
            self.notes.append(f"{route}: declares no 2xx response, so it returns nothing")
        schema = answer(self.document, route)
        if schema is None:
            if any(follow(self.document, route.operation["responses"][status]).get("content") for status in successes):
                self.notes.append(f"{route}: declares no JSON schema for {successes[0]}, so it returns nothing")
            return {"204": {"description": "nothing"}}
        lowered = self._schema(inside(self.document, schema, envelope(route)), f"response of {route}")
        if "anyOf" in lowered:  # no type checker can follow a union through type[T]
            self.notes.append(f"{route}: returns one of several types, so it is left as JSON")
            lowered = {}
        return {"200": {"description": "the result", "content": {"application/json": {"schema": lowered}}}}

    # Schemas

    def _component(self, name: str, schema: Any) -> Document:
        lowered = self._schema(schema, name)
        # A component keeps its class though nothing is known of its fields yet.
        return {"type": "object", **lowered} if _kind(schema) == "object" and "type" not in lowered else lowered

    def _schema(self, schema: Any, place: str) -> Document:
        if not isinstance(schema, dict):  # true and false, in OpenAPI 3.1
            return {}
        if isinstance(schema.get("$ref"), str):
            if _COMPONENT.fullmatch(schema["$ref"]):
                return {"$ref": schema["$ref"]}
            return self._schema(follow(self.document, schema), place)
        description = {"description": schema["description"]} if isinstance(schema.get("description"), str) else {}
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                return self._union(schema[keyword], place, description)
        if "allOf" in schema:
            return self._intersection(schema, place, description)
        kinds = _kinds(schema)
        if len(kinds) > 1:
            return self._union([{**schema, "type": kind} for kind in kinds], place, description)
        return self._single(schema, kinds[0] if kinds else None, place, description)

    def _single(self, schema: Document, kind: str | None, place: str, description: Document) -> Document:
        if kind in (None, "string") and "enum" in schema:
            return {**self._enum(schema, place), **description}
        if kind == "string" and schema.get("format") == "date-time":
            return {"type": "string", "format": "date-time", **description}
        if kind in _SCALARS:
            return {"type": kind, **description}
        if kind == "array":
            return {"type": "array", "items": self._schema(schema.get("items", {}), place), **description}
        properties = schema.get("properties")
        if not properties:  # anything at all; nullability needs no word, since every field may be None
            return description
        required = [name for name in schema.get("required", []) if name == "id" and name in properties]
        lowered = {
            name: self._schema(properties[name], f"{place}.{name}") for name in self._distinct(properties, place)
        }
        if required and "id" in lowered:  # ids are opaque strings
            lowered["id"] = {
                "type": "string",
                **{key: lowered["id"][key] for key in ("description",) if key in lowered["id"]},
            }
        return {"type": "object", "properties": lowered, "required": required, **description}

    def _distinct(self, properties: Document, place: str) -> list[str]:
        """The fields that can have an attribute of their own; the others arrive in additional_properties."""
        attributes: dict[str, str] = {}
        for name in properties:
            known = attributes.setdefault(str(PythonIdentifier(name, "field_")), name)
            if known != name:
                self.notes.append(f"{place}: {known!r} and {name!r} would be one attribute; the second stays raw")
        return list(attributes.values())

    def _enum(self, schema: Document, place: str) -> Document:
        values = [value for value in schema["enum"] if value is not None]
        if not values or not all(isinstance(value, str) for value in values):
            return {"type": "string"} if _kinds(schema) == ["string"] else {}
        given = schema.get("x-enum-varnames", [])
        names = given if isinstance(given, list) and len(given) == len(values) else [_member(value) for value in values]
        members = [snake_case(str(name)).upper() for name in names]
        members = [name if name.isidentifier() else f"VALUE_{index}" for index, name in enumerate(members)]
        if len(set(members)) < len(members):
            twice = next(name for name in members if members.count(name) > 1)
            self.notes.append(f"{place}: several values would be called {twice}, so it stays a plain string")
            return {"type": "string"}
        return {"type": "string", "enum": values, "x-enum-varnames": members}

    def _union(self, variants: list[Any], place: str, description: Document) -> Document:
        lowered: list[Document] = []
        for variant in variants:
            if not _is_null(variant):
                schema = self._schema(variant, place)
                if schema not in lowered:
                    lowered.append(schema)
        if not lowered or any(not _says_something(schema) for schema in lowered):
            return description
        if len(lowered) == 1:
            return lowered[0] if "$ref" in lowered[0] else {**lowered[0], **description}
        return {"anyOf": lowered, **description}

    def _intersection(self, schema: Document, place: str, description: Document) -> Document:
        parts = [self._schema(part, place) for part in schema["allOf"]]
        if schema.get("properties"):
            parts.append(self._schema({key: schema[key] for key in schema if key != "allOf"}, place))
        parts = [part for part in parts if _says_something(part)]
        if not parts:
            return description
        if len(parts) == 1:
            return parts[0] if "$ref" in parts[0] else {**parts[0], **description}
        return {"allOf": parts, **description}


def _kinds(schema: Any) -> list[str]:
    """The types that a schema names, null aside."""
    named = schema.get("type") if isinstance(schema, dict) else None
    kinds = named if isinstance(named, list) else [named] if named else []
    return [kind for kind in kinds if kind != "null"]


def _kind(schema: Any) -> str | None:
    kinds = _kinds(schema)
    return kinds[0] if len(kinds) == 1 else None


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and (schema.get("type") == "null" or schema.get("enum") == [None])


def _says_something(schema: Document) -> bool:
    return bool(schema.keys() - {"description"})


def _member(value: str) -> str:
    return value if value[:1].isalpha() else ""


def _reachable(paths: Document, kept: list[str], components: Document) -> set[str]:
    """The components that some response leads to; those that only requests use need no class."""
    wanted: set[str] = set()
    queue = [*kept, *(_component_name(reference) for reference in references(paths))]
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            queue += [_component_name(reference) for reference in references(components[name])]
    return wanted


def _component_name(reference: str) -> str:
    return reference.rsplit("/", 1)[1]
