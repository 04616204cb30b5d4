"""From the document to what the generator is given: only facts that it understands, in the forms that it gets right.

The facade owns statuses, errors, keys, headers, request types, retries and null. None of that reaches the generator,
whose handling of it is either missing or surprising: it returns error bodies as results, sends defaults that nobody
asked for, ignores security and nullable references, and fails on enum members whose names collide. What is left is a
schema language of seven words. The lowered document is never written to spec/; nobody but the generator reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from openapi_python_client.strings import ClassName, PythonIdentifier, snake_case

from regeneration.answers import answer, content, envelope, inside, is_json, successes
from regeneration.document import Document, InputError, Route, follow, parameters, references, routes
from regeneration.shapes import SCHEMAS, Shape, component, shape

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
            sent = follow(self.document, source["requestBody"]).get("content", {})
            if any(map(is_json, sent)):
                # Free-form and optional: the facade types the arguments and decides whether there is a body at all.
                result["requestBody"] = {"required": False, "content": {"application/json": {"schema": {}}}}
            else:
                self.notes.append(
                    f"{route}: takes no JSON body, only {', '.join(sent) or 'nothing'}; left to the client"
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
        found = shape(self.document, schema)
        if found.type == "array":
            return {"type": "array", "items": self._query_schema(found.items)}
        return _scalar(found)

    def _responses(self, route: Route) -> Document:
        """The first 2xx response with JSON alone: what other statuses mean is for the client to say."""
        if not successes(route):
            self.notes.append(f"{route}: declares no 2xx response, so it returns nothing")
        schema = answer(self.document, route)
        if schema is None:
            if content(self.document, route):
                self.notes.append(f"{route}: declares no JSON schema for {successes(route)[0]}, so it returns nothing")
            return {"204": {"description": "nothing"}}
        lowered = self._schema(inside(self.document, schema, envelope(route)), f"response of {route}")
        if "anyOf" in lowered:  # no type checker can follow a union through type[T]
            self.notes.append(f"{route}: returns one of several types, so it is left as JSON")
            lowered = {}
        return {"200": {"description": "the result", "content": {"application/json": {"schema": lowered}}}}

    # Schemas

    def _component(self, name: str, schema: Any) -> Document:
        found = shape(self.document, schema)
        lowered = self._plain(found, name)
        # A component keeps its class though nothing is known of its fields yet.
        return {"type": "object", **lowered} if found.type == "object" else lowered

    def _schema(self, schema: Any, place: str) -> Document:
        name = component(schema)
        return self._plain(shape(self.document, schema), place) if name is None else {"$ref": SCHEMAS + name}

    def _plain(self, found: Shape, place: str) -> Document:
        """What a schema says, in the generator's words: nullability needs none, since every field may be None."""
        description = {} if found.description is None else {"description": found.description}
        if found.type == "one of several":
            return {**self._union(found.variants, place), **description}
        if found.enum is not None and found.type in ("string", "anything"):
            return {**self._enum(found, place), **description}
        if found.type == "array":
            return {"type": "array", "items": self._schema(found.items, place), **description}
        if found.type == "object" and found.fields:
            return {**self._object(found, place), **description}
        return {**_scalar(found), **({"format": "date-time"} if found.type == "date-time" else {}), **description}

    def _object(self, found: Shape, place: str) -> Document:
        fields = {
            name: self._schema(found.fields[name], f"{place}.{name}") for name in self._distinct(found.fields, place)
        }
        required = ["id"] if "id" in found.required and "id" in fields else []
        if required:  # ids are opaque strings
            fields["id"] = {
                "type": "string",
                **{key: fields["id"][key] for key in fields["id"] if key == "description"},
            }
        return {"type": "object", "properties": fields, "required": required}

    def _distinct(self, properties: Document, place: str) -> list[str]:
        """The fields that can have an attribute of their own; the others arrive in additional_properties."""
        attributes: dict[str, str] = {}
        for name in properties:
            known = attributes.setdefault(str(PythonIdentifier(name, "field_")), name)
            if known != name:
                self.notes.append(f"{place}: {known!r} and {name!r} would be one attribute; the second stays raw")
        return list(attributes.values())

    def _enum(self, found: Shape, place: str) -> Document:
        values = found.enum or []
        if not values or not all(isinstance(value, str) for value in values):
            return _scalar(found)
        given = found.enum_names
        names = given if isinstance(given, list) and len(given) == len(values) else [_member(value) for value in values]
        members = [snake_case(str(name)).upper() for name in names]
        members = [name if name.isidentifier() else f"VALUE_{index}" for index, name in enumerate(members)]
        if len(set(members)) < len(members):
            twice = next(name for name in members if members.count(name) > 1)
            self.notes.append(f"{place}: several values would be called {twice}, so it stays a plain string")
            return {"type": "string"}
        return {"type": "string", "enum": values, "x-enum-varnames": members}

    def _union(self, variants: list[Any], place: str) -> Document:
        lowered: list[Document] = []
        for variant in variants:
            schema = self._schema(variant, place)
            if schema not in lowered:
                lowered.append(schema)
        if not lowered or any(not schema.keys() - {"description"} for schema in lowered):
            return {}
        return lowered[0] if len(lowered) == 1 else {"anyOf": lowered}


def _scalar(found: Shape) -> Document:
    kind = "string" if found.type in ("date-time", "date") else found.type
    return {"type": kind} if kind in _SCALARS else {}


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
