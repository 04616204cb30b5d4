"""Schemas as real documents have them, put into the form that OpenAPI asks for.

What is meant is kept wherever it can be told; what cannot be told is left out. Either is said in words, so that nobody
finds out later. Nothing is raised: a vendor's slip is no reason to be without a client.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from regeneration.document import Document

#: What is written where OpenAPI wants one of its six types.
_SPELLINGS: dict[str, Document] = {
    "int": {"type": "integer"},
    "int32": {"type": "integer"},
    "int64": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "decimal": {"type": "number"},
    "bool": {"type": "boolean"},
    "str": {"type": "string"},
    "text": {"type": "string"},
    "uuid": {"type": "string", "format": "uuid"},
    "email": {"type": "string", "format": "email"},
    "url": {"type": "string", "format": "uri"},
    "file": {"type": "string", "format": "binary"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "date-time": {"type": "string", "format": "date-time"},
    "timestamp": {"type": "string", "format": "date-time"},
    "list": {"type": "array"},
    "dict": {"type": "object"},
    "map": {"type": "object"},
    "any": {},
    "mixed": {},
}
_TYPES = {"string", "integer", "number", "boolean", "array", "object"}
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
_FLAGS = {"nullable", "readOnly", "writeOnly", "deprecated", "uniqueItems"}
_TEXTS = {"title", "description", "format", "pattern"}
_NUMBERS = {"minimum", "maximum", "multipleOf"}
_LISTS = ("allOf", "anyOf", "oneOf")
_KNOWN_30 = (
    _COUNTS | _FLAGS | _TEXTS | _NUMBERS | set(_LISTS)
    | {"type", "properties", "required", "items", "additionalProperties", "enum", "default", "example", "not",
       "discriminator", "xml", "externalDocs", "exclusiveMinimum", "exclusiveMaximum"}
)  # fmt: skip
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}

Tell = Callable[[str], None]


class SchemaMender:
    """Mends schemas in place.

    Args:
        modern: whether the document is OpenAPI 3.1, where a type may be a list and a schema true or false.
        tell: hears of each slip, in words that begin with its place.
    """

    def __init__(self, modern: bool, tell: Tell) -> None:
        self._modern = modern
        self._tell = tell

    def mend(self, schema: Any, place: str) -> Any:
        """The schema in a sound form; a new object only where the given one is none."""
        if isinstance(schema, bool) and self._modern:
            return schema
        if isinstance(schema, str):
            self._tell(f"{place}: the schema is the word {schema!r}; read as a type")
            schema = {"type": schema}
        if not isinstance(schema, dict):
            self._tell(f"{place}: the schema is no object; anything is accepted there")
            return {}
        if "$ref" in schema:
            return self._reference(schema, place)
        self._type(schema, place)
        self._simple(schema, place)
        self._nested(schema, place)
        self._required(schema, place)
        self._values(schema, place)
        return schema

    def _reference(self, schema: Document, place: str) -> Document:
        if not isinstance(schema["$ref"], str):
            self._tell(f"{place}: the reference is no text; anything is accepted there")
            return {}
        if len(schema) == 1 or (self._modern and "nullable" not in schema):
            return schema
        beside = {key: value for key, value in schema.items() if key in ("description", "nullable") or key[:2] == "x-"}
        if beside.pop("nullable", False) is True:
            self._tell(f"{place}: nullable beside a reference has no effect in OpenAPI; read as meant")
            if self._modern:
                return {"anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}], **self._texts(beside)}
            beside["nullable"] = True
        return {"allOf": [{"$ref": schema["$ref"]}], **self._texts(beside)} if beside else {"$ref": schema["$ref"]}

    @staticmethod
    def _texts(schema: Document) -> Document:
        return {key: value for key, value in schema.items() if key != "description" or isinstance(value, str)}

    def _type(self, schema: Document, place: str) -> None:
        named = schema.get("type")
        if named is None:
            schema.pop("type", None)
            return
        kinds = named if isinstance(named, list) else [named]
        allowed = _TYPES | {"null"} if self._modern else _TYPES
        if all(isinstance(kind, str) and kind in allowed for kind in kinds) and (
            self._modern or isinstance(named, str)
        ):
            return
        sound: list[Document] = []
        for kind in kinds:
            word = kind.strip().lower() if isinstance(kind, str) else ""
            if word == "null":
                schema["nullable"] = True
            else:
                sound.append({"type": word} if word in _TYPES else _SPELLINGS.get(word, {}))
        del schema["type"]
        if len(sound) == 1:
            schema.update({key: value for key, value in sound[0].items() if key not in schema})
            read = schema.get("type", "anything")
        else:
            schema["anyOf"] = [one for one in sound if one] or [{}]
            read = "one of several"
        self._tell(f"{place}: {named!r} is no type here; read as {read}")

    def _simple(self, schema: Document, place: str) -> None:
        if not self._modern and "const" in schema:
            schema.setdefault("enum", [schema.pop("const")])
            self._tell(f"{place}: const is unknown to OpenAPI 3.0; read as an enum of one value")
        for key in list(schema):
            value = schema[key]
            if key in _TEXTS:
                sound = isinstance(value, str) and (key != "pattern" or _compiles(value))
            elif key in _FLAGS:
                sound = isinstance(value, bool)
            elif key in _COUNTS:
                sound = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            elif key in _NUMBERS:
                sound = isinstance(value, int | float) and not isinstance(value, bool)
            else:
                sound = self._modern or key in _KNOWN_30 or key.startswith("x-") or key == "required"
            if not sound:
                del schema[key]
                self._tell(f"{place}: {key} is not usable as it is; left out")

    def _nested(self, schema: Document, place: str) -> None:
        self._properties(schema, place)
        self._items(schema, place)
        for keyword in _LISTS:
            if keyword in schema:
                parts = schema[keyword]
                if isinstance(parts, list) and parts:
                    schema[keyword] = [self.mend(part, place) for part in parts]
                else:
                    del schema[keyword]
                    self._tell(f"{place}: {keyword} is no list of schemas; left out")
        for keyword in ("additionalProperties", "not"):
            value = schema.get(keyword)
            if value is not None and not (keyword == "additionalProperties" and isinstance(value, bool)):
                schema[keyword] = self.mend(value, f"{place}.*")

    def _properties(self, schema: Document, place: str) -> None:
        if "properties" in schema and not isinstance(schema["properties"], dict):
            del schema["properties"]
            self._tell(f"{place}: properties is no object; left out")
        for name, value in schema.get("properties", {}).items():
            if isinstance(value, dict) and isinstance(value.get("required"), bool):
                if value.pop("required"):
                    required = schema.setdefault("required", [])
                    if isinstance(required, list) and name not in required:
                        required.append(name)
                self._tell(f"{place}.{name}: required belongs to the object around it; read as meant")
            schema["properties"][name] = self.mend(value, f"{place}.{name}")

    def _items(self, schema: Document, place: str) -> None:
        if isinstance(schema.get("items"), list):
            self._tell(f"{place}: items is a list; the first is read as that of each")
            schema["items"] = schema["items"][0] if schema["items"] else {}
        if "items" in schema:
            schema["items"] = self.mend(schema["items"], f"{place}[]")
        elif schema.get("type") == "array":
            schema["items"] = {}
            if not self._modern:
                self._tell(f"{place}: an array without items; they may be anything")

    def _required(self, schema: Document, place: str) -> None:
        if "required" not in schema:
            return
        names = schema["required"]
        sound = list(dict.fromkeys(name for name in names if isinstance(name, str))) if isinstance(names, list) else []
        if sound != names:
            self._tell(f"{place}: required is no list of different names; read as far as it is")
        if sound:
            schema["required"] = sound
        else:
            del schema["required"]

    def _values(self, schema: Document, place: str) -> None:
        if "enum" in schema:
            values = schema["enum"]
            if not isinstance(values, list) or not values:
                del schema["enum"]
                self._tell(f"{place}: enum is no list of values; left out")
            elif len(unique := _unique(values)) < len(values):
                schema["enum"] = unique
                self._tell(f"{place}: enum has a value twice; the second is left out")
        for key in ("default", "example"):
            if key in schema and not _fits(schema[key], schema):
                del schema[key]
                self._tell(f"{place}: the {key} is no {schema.get('type', 'value of the enum')}; left out")


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _unique(values: list[Any]) -> list[Any]:
    result: list[Any] = []
    for value in values:
        if not any(value == other and type(value) is type(other) for other in result):
            result.append(value)
    return result


def _fits(value: Any, schema: Document) -> bool:
    """Whether a value is of the type that its schema names, and one of its enum."""
    named = schema.get("type")
    kinds = named if isinstance(named, list) else [named] if named else []
    if value is None:
        return schema.get("nullable") is True or "null" in kinds or not kinds
    if kinds and not any(_is_of(value, kind) for kind in kinds if kind in _KINDS):
        return False
    return not isinstance(schema.get("enum"), list) or value in schema["enum"]


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())
