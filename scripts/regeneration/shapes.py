"""What a schema says about a value, whichever way it is written: references, wrappers and nulls resolved."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from regeneration.document import Document, follow

_WORDS = {"string", "integer", "number", "boolean", "array", "object"}
_TIMES = {"date-time", "date"}
#: What stands beside a reference and says nothing of what it leads to.
_BESIDE = {"description", "nullable", "title"}
SCHEMAS = "#/components/schemas/"
_LIMITS = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "default"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
)


@dataclass
class Shape:
    """One schema, resolved one level deep.

    Attributes:
        type: one of OpenAPI's six, date-time, date, `anything` or `one of several`.
        references: the components that it was reached through; two equal pairs of these are the same comparison.
        fields: of an object, by wire name, unresolved.
        variants: of `one of several`, unresolved, null left out.
        limits: minimum, maxLength, pattern and the like, as written; a default too.
        closed: whether fields that are not named are refused.
        example: a value that the document shows; None if it shows none.
        enum_names: what the values of the enum are called, as written.
        values: of an object, the schema of the fields that are not named; None if nothing is said of them.
    """

    type: str = "anything"
    format: str | None = None
    nullable: bool = False
    enum: list[Any] | None = None
    open: bool = False
    fields: Document = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    items: Any = None
    variants: list[Any] = field(default_factory=list)
    references: tuple[str, ...] = ()
    limits: Document = field(default_factory=dict)
    closed: bool = False
    example: Any = None
    description: str | None = None
    enum_names: Any = None
    values: Any = None


def component(node: Any) -> str | None:
    """The component that a schema is, past what only describes it or lets it be null; None if it is written out."""
    while isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            match = re.fullmatch(rf"{SCHEMAS}([^/]+)", unquote(node["$ref"]))
            return match[1].replace("~1", "/").replace("~0", "~") if match else None
        parts = [part for part in node.get("allOf", ()) if not isinstance(part, dict) or part.keys() - _BESIDE]
        parts += [part for word in ("anyOf", "oneOf") for part in node.get(word, ()) if not is_null(part)]
        node = parts[0] if len(parts) == 1 and not node.get("properties") else None
    return None


def is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and (schema.get("type") == "null" or schema.get("enum") == [None])


def shape(document: Document, node: Any, above: tuple[str, ...] = ()) -> Shape:
    """Resolve a schema of a sound document. A schema that contains nothing but itself is anything."""
    if not isinstance(node, dict):
        return Shape()
    if "$ref" in node:
        reference = node["$ref"]
        if reference in above:
            return Shape(references=(reference,))
        inner = shape(document, follow(document, {"$ref": reference}), (*above, reference))
        inner.references = (reference, *inner.references)
        inner.nullable |= node.get("nullable") is True  # without effect in OpenAPI, and always meant
        return inner
    result = _own(node)
    for part in node.get("allOf", []):
        result = _both(shape(document, part, above), result)
    for keyword in ("anyOf", "oneOf"):
        if keyword in node:
            result = _both(_union(document, node[keyword], above), result)
    return result


def _own(node: Document) -> Shape:
    named = node.get("type")
    kinds = [kind for kind in (named if isinstance(named, list) else [named]) if isinstance(kind, str)]
    types = [kind for kind in kinds if kind in _WORDS]
    result = Shape(nullable=node.get("nullable") is True or "null" in kinds, open=node.get("x-extensible-enum") is True)
    if len(types) > 1:
        result.type, result.variants = "one of several", [{**node, "type": kind} for kind in types]
        return result
    result.limits = {word: node[word] for word in _LIMITS if word in node}
    further = node.get("additionalProperties")
    result.closed, result.values = further is False, further if isinstance(further, dict) and further else None
    result.example = node.get("example", next(iter(node.get("examples") or []), None))
    result.fields = dict(node.get("properties", {}))
    result.required = set(node.get("required", []))
    result.items = node.get("items")
    result.description = node["description"] if isinstance(node.get("description"), str) else None
    result.enum_names = node.get("x-enum-varnames")
    values = node.get("enum")
    values = [node["const"]] if values is None and "const" in node else values
    if isinstance(values, list):
        result.enum = [value for value in values if value is not None]
        result.nullable |= None in values
    if types:
        result.type = types[0]
    elif result.fields:
        result.type = "object"
    elif result.items is not None:
        result.type = "array"
    elif result.enum and all(isinstance(value, str) for value in result.enum):
        result.type = "string"
    given = node.get("format")
    if result.type == "string" and given in _TIMES:
        result.type = given
    elif isinstance(given, str):
        result.format = given
    return result


def _union(document: Document, variants: list[Any], above: tuple[str, ...]) -> Shape:
    shapes = [shape(document, variant, above) for variant in variants]
    real = [(variant, one) for variant, one in zip(variants, shapes, strict=True) if not is_null(variant)]
    nullable = len(real) < len(variants) or any(one.nullable for one in shapes)
    several = Shape(type="one of several", variants=[variant for variant, _ in real])
    result = real[0][1] if len(real) == 1 else several
    result.nullable |= nullable
    return result


def _both(first: Shape, second: Shape) -> Shape:
    """What is both: the fields of both, and of everything else the one that says something."""
    told = second if second.type != "anything" else first
    return Shape(
        type=told.type,
        format=second.format or first.format,
        nullable=first.nullable or second.nullable,
        enum=second.enum if second.enum is not None else first.enum,
        open=first.open or second.open,
        fields={**first.fields, **second.fields},
        required=first.required | second.required,
        items=second.items if second.items is not None else first.items,
        variants=second.variants or first.variants,
        references=(*first.references, *second.references),
        limits={**first.limits, **second.limits},
        closed=first.closed or second.closed,
        example=second.example if second.example is not None else first.example,
        description=first.description if second.description is None else second.description,
        values=first.values if second.values is None else second.values,
        enum_names=first.enum_names if second.enum_names is None else second.enum_names,
    )


def shown(value: Any) -> str:
    """A value as it stands in JSON."""
    return json.dumps(value, ensure_ascii=False)
