"""Names of models: what the answers of known operations are made of keeps the names that our code was written with.

Two documents are walked side by side, from the answers of the same operations down through fields of the same name.
Where ours has the schema Session and theirs has SessionDto, or one written out in place, theirs becomes Session.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from openapi_python_client.strings import ClassName

from regeneration.adopt.alignment import template
from regeneration.answers import answer, envelope, inside, says_something
from regeneration.class_file import class_file
from regeneration.document import Document, Route, copied, follow, references, routes
from regeneration.pointers import redirect

_PREFIX = "#/components/schemas/"


@dataclass
class _Claim:
    """Where ours has a schema of a name, theirs has one that may take it."""

    ours: str
    theirs: str | None
    node: Document
    place: str


@dataclass
class Naming:
    """Names the schemas of a document, in place, after those of ours.

    Args:
        document: sound, and aligned with ours.
        ours: the document that the client was written against.
    """

    document: Document
    ours: Document
    notes: list[str] = field(default_factory=list)
    _claims: list[_Claim] = field(default_factory=list)
    _visited: set[tuple[str, str]] = field(default_factory=set)

    @property
    def schemas(self) -> Document:
        schemas: Document = self.document.setdefault("components", {}).setdefault("schemas", {})
        return schemas

    def run(self) -> None:
        known = {(route.method, template(route.path)): route for route in routes(self.ours)}
        for route in routes(self.document):
            ours = known.get((route.method, template(route.path)))
            if ours is not None:
                self._pair_answers(ours, route)
        self._settle()
        self._hoist()

    # Pairing

    def _pair_answers(self, ours: Route, theirs: Route) -> None:
        expected, found = answer(self.ours, ours), answer(self.document, theirs)
        if expected is None or found is None:
            return
        wanted, given = (_unwrapped(doc, schema) for doc, schema in ((self.ours, expected), (self.document, found)))
        names = envelope(theirs) or _envelope(self.document, given, follow(self.ours, wanted))
        if names and inside(self.document, given, names) is not None:
            theirs.operation["x-envelope"] = names[0] if len(names) == 1 else list(names)
            given = _unwrapped(self.document, inside(self.document, given, names))
        self._pair(wanted, given, str(theirs))

    def _pair(self, ours: Any, theirs: Any, place: str) -> None:
        ours, theirs = _unwrapped(self.ours, ours), _unwrapped(self.document, theirs)
        if not isinstance(ours, dict) or not isinstance(theirs, dict):
            return
        wanted, given = follow(self.ours, ours), follow(self.document, theirs)
        name, other = _name(ours), _name(theirs)
        if _sort(wanted) != _sort(given):
            return
        if _sort(wanted) == "array":
            self._pair(wanted.get("items", {}), given.get("items", {}), place)
            return
        if other is None and not says_something(self.document, theirs):
            return  # ours is filled in
        if name is not None:
            self._claims.append(_Claim(name, other, theirs, place))
            if (name, other or place) in self._visited:
                return
            self._visited.add((name, other or place))
        for key, value in wanted.get("properties", {}).items():
            if key in given.get("properties", {}):
                self._pair(value, given["properties"][key], f"{place}: {key}")

    # Settling

    def _settle(self) -> None:
        """Each of our names goes to the schema that most answers have in its place; a tie goes to the first."""
        counts: Counter[tuple[str, str | None]] = Counter(
            (claim.ours, claim.theirs) for claim in self._claims if claim.theirs is not None
        )
        winners: dict[str, str | None] = {}
        for claim in self._claims:
            best = max((count for (ours, _), count in counts.items() if ours == claim.ours), default=0)
            if claim.ours not in winners and (best == 0 or counts[claim.ours, claim.theirs] == best):
                winners[claim.ours] = claim.theirs
        self._make_room(winners)
        self._hand_out(winners)
        self._tell_lost(winners)

    def _hand_out(self, winners: dict[str, str | None]) -> None:
        """Each schema gets the name that it won; where several are won by one, it is copied, or stands in its place inline."""
        originals = copied(self.schemas)
        renamed: dict[str, str] = {}
        for ours, theirs in winners.items():
            if theirs is not None and (theirs not in renamed or _closer(ours, renamed[theirs], theirs)):
                renamed[theirs] = ours
        for ours, theirs in winners.items():
            if theirs is not None and renamed[theirs] != ours:  # one of theirs is several of ours: each gets its copy
                self.schemas[ours] = copied(originals[theirs])
        for claim in self._claims:
            if winners[claim.ours] == claim.theirs and claim.theirs is not None and renamed[claim.theirs] != claim.ours:
                claim.node["$ref"] = _PREFIX + claim.ours
        for claim in self._claims:
            if claim.theirs is None:
                self._inline(claim, winners)
        self._rename(renamed)

    def _tell_lost(self, winners: dict[str, str | None]) -> None:
        lost = Counter(
            (claim.ours, claim.theirs) for claim in self._claims if claim.theirs not in (None, winners[claim.ours])
        )
        for ours, theirs in lost:
            places = [claim.place for claim in self._claims if (claim.ours, claim.theirs) == (ours, theirs)]
            more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
            self.notes.append(
                f"{places[0]}{more}: answers {theirs}, which is another schema than the one called {ours}"
            )

    def _make_room(self, winners: dict[str, str | None]) -> None:
        """Whatever else bears one of our names, or one that would be the same class, gets another name.

        What no answer claims keeps our name where it may be the same thing.
        """
        known = self.ours["components"]["schemas"]
        wanted = {class_file(ours): ours for ours in known}
        for name in list(self.schemas):
            ours = wanted.get(class_file(name))
            if ours is None or winners.get(ours) == name or (name == ours and winners.get(ours, name) is None):
                continue
            if ours not in winners and _sort(self.schemas[name]) == _sort(known[ours]):
                self._rename({name: ours}, winners)
            else:
                self._rename({name: self._free(f"{name}2")}, winners)
                self.notes.append(f"{name}: not the schema that the answers have as {ours}; it has another name now")

    def _rename(self, names: dict[str, str], winners: dict[str, str | None] | None = None) -> None:
        moved = {_PREFIX + name: _PREFIX + new for name, new in names.items() if name != new}
        if not moved:
            return
        redirect(self.document, lambda reference: moved.get(reference, reference))
        schemas = self.schemas
        self.document["components"]["schemas"] = {names.get(name, name): schema for name, schema in schemas.items()}
        if winners is not None:
            for ours, theirs in winners.items():
                winners[ours] = names.get(theirs, theirs) if theirs is not None else None
            for claim in self._claims:
                claim.theirs = names.get(claim.theirs, claim.theirs) if claim.theirs is not None else None

    def _inline(self, claim: _Claim, winners: dict[str, str | None]) -> None:
        """A schema written out in place becomes a component: ours, unless another one has the name."""
        if "$ref" in claim.node or "allOf" in claim.node:
            return
        content = {key: value for key, value in claim.node.items() if key != "nullable"}
        name = claim.ours
        if winners[name] is not None or (name in self.schemas and self.schemas[name] != content):
            name = self._free(name)
            self.notes.append(f"{claim.place}: differs from what is called {claim.ours} elsewhere; called {name}")
        self._replace(claim.node, name, content)

    def _replace(self, node: Document, name: str, content: Document) -> None:
        nullable = node.get("nullable") is True
        self.schemas[name] = copied(content)
        node.clear()
        node.update({"allOf": [{"$ref": _PREFIX + name}], "nullable": True} if nullable else {"$ref": _PREFIX + name})

    def _free(self, wanted: str) -> str:
        taken = {class_file(name) for name in (*self.schemas, *self.ours["components"]["schemas"])}
        name, number = wanted, 2
        while class_file(name) in taken:
            name, number = f"{wanted}{number}", number + 1
        return name

    # Hoisting

    def _hoist(self) -> None:
        """Objects and enums written out in place get a name of ours to give; the generator's could be taken."""
        for route in routes(self.document):
            schema = answer(self.document, route)
            if schema is not None:
                self._hoist_under(schema, str(ClassName(f"{route.operation['operationId']}_answer", "field_")))
        queue = list(self.schemas)
        while queue:
            name = queue.pop(0)
            before = set(self.schemas)
            for child, hint in _children(self.schemas[name]):
                self._hoist_under(child, f"{ClassName(name, 'field_')}{ClassName(hint, 'field_')}")
            queue += [new for new in self.schemas if new not in before]

    def _hoist_under(self, node: Any, name: str) -> None:
        if not isinstance(node, dict) or "$ref" in node:
            return
        if "allOf" not in node and (node.get("properties") or _is_enum(node)):
            content = {key: value for key, value in node.items() if key != "nullable"}
            self._replace(node, self._free(re.sub(r"[^A-Za-z0-9]", "", name) or "Schema"), content)
            return
        for child, _ in _children(node):
            self._hoist_under(child, name)


def flatten(document: Document, notes: list[str]) -> None:
    """Write out, in place, what a schema is that is several at once: the generator stumbles where they differ."""

    def flat(node: Any, above: tuple[str, ...]) -> None:
        if isinstance(node, list):
            for item in node:
                flat(item, above)
        elif isinstance(node, dict):
            parts = node.get("allOf")
            meant = [part for part in parts if _means(part)] if isinstance(parts, list) else []
            if len(meant) + bool(node.get("properties")) > 1 or (len(meant) == 1 and "$ref" not in meant[0]):
                merged = _merged(document, node, above, notes)
                if merged is not None:
                    node.clear()
                    node.update(merged)
            for value in list(node.values()):
                flat(value, above)

    for name, schema in document.get("components", {}).get("schemas", {}).items():
        flat(schema, (_PREFIX + name,))
    flat(document["paths"], ())


def _merged(document: Document, node: Any, above: tuple[str, ...], notes: list[str]) -> Document | None:
    """One object with the fields of all; None where they are not all objects, or one contains itself."""
    result: Document = {}
    parts = [*node["allOf"], {key: value for key, value in node.items() if key != "allOf"}]
    for part in parts:
        if isinstance(part, dict) and "$ref" in part:
            if part["$ref"] in above:
                return None
            inner = follow(document, part)
            found = (
                _merged(document, {"allOf": [inner]}, (*above, part["$ref"]), notes)
                if isinstance(inner, dict)
                else None
            )
        elif isinstance(part, dict) and "allOf" in part:
            found = _merged(document, part, above, notes)
        else:
            found = part if isinstance(part, dict) else {}
        if found is None or (found.get("type", "object") != "object" and len(parts) > 2):
            return None
        if "anyOf" in found or "oneOf" in found:
            return None
        found = copied(found)
        properties = {**result.get("properties", {}), **found.pop("properties", {})}
        required = list(dict.fromkeys([*result.get("required", []), *found.pop("required", [])]))
        result.update(found)
        result.update({"properties": properties} if properties else {})
        result.update({"required": required} if required else {})
    return result


def _children(schema: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(schema, dict):
        for name, value in (schema.get("properties") or {}).items():
            yield value, name
        if "items" in schema:
            yield schema["items"], "item"
        for keyword in ("anyOf", "oneOf", "allOf"):
            for number, part in enumerate(schema.get(keyword) or [], 1):
                if keyword != "allOf":
                    yield part, f"variant_{number}"
                else:
                    yield from _children(part)


def _unwrapped(document: Document, node: Any) -> Any:
    """What a schema is about, past the wrappers that make it nullable or describe it."""
    while isinstance(node, dict) and "$ref" not in node:
        parts = next((node[word] for word in ("allOf", "anyOf", "oneOf") if isinstance(node.get(word), list)), None)
        if parts is None or node.get("properties"):
            return node
        about = [part for part in parts if _means(part) and _sort(follow(document, part)) != "scalar"]
        if len(about) != 1:
            return node
        node = about[0]
    return node


def _means(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and bool(part.keys() - {"description", "nullable"})
        and part.get("type") != "null"
        and part.get("enum") != [None]
    )


def _name(node: Document) -> str | None:
    reference = node.get("$ref")
    return reference.removeprefix(_PREFIX) if isinstance(reference, str) and reference.startswith(_PREFIX) else None


def _sort(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "anything"
    named = schema.get("type")
    kinds = [kind for kind in (named if isinstance(named, list) else [named]) if kind not in (None, "null")]
    if schema.get("properties") or kinds == ["object"]:
        return "object"
    if kinds == ["array"] or (not kinds and "items" in schema):
        return "array"
    if _is_enum(schema):
        return "enum"
    return "scalar" if kinds else "anything"


def _closer(name: str, other: str, to: str) -> bool:
    """Whether a name is part of a third one and the other is not: UserDto is rather User than Guest."""
    return name.lower() in to.lower() and other.lower() not in to.lower()


def _is_enum(schema: Document) -> bool:
    values = [value for value in schema.get("enum", []) if value is not None]
    return bool(values) and all(isinstance(value, str) for value in values)


def _envelope(document: Document, given: Any, wanted: Any) -> tuple[str, ...]:
    """The names that lead to what ours answers with bare, if theirs wraps it: `data`, else the only one that may be it, else
    the same one level deeper. The client reads answers by the same rule where no name is known."""
    sort, found = _sort(wanted), follow(document, given)
    if sort not in {"array", "object"} or _sort(found) != "object":
        return ()
    inner = {name: follow(document, _unwrapped(document, value)) for name, value in found.get("properties", {}).items()}
    if sort == "object" and wanted.get("properties", {}).keys() & inner.keys():
        return ()
    candidates = [name for name, schema in inner.items() if _may_be(document, schema, sort)]
    if sort == "object":
        candidates = [name for name in candidates if name == "data" or "id" in inner[name].get("properties", {})]
    if candidates:
        return ("data",) if "data" in candidates else (candidates[0],) if len(candidates) == 1 else ()
    deeper = [(name, *rest) for name, schema in inner.items() if (rest := _envelope(document, schema, wanted))]
    return deeper[0] if len(deeper) == 1 else ()


def _may_be(document: Document, schema: Any, sort: str) -> bool:
    return _sort(schema) == sort and (sort == "object" or _sort(follow(document, schema.get("items"))) != "scalar")


def reachable(document: Document, names: list[str]) -> list[str]:
    """The schemas of these names with those that they lead to."""
    schemas, result, queue = document["components"]["schemas"], list[str](), list(names)
    while queue:
        name = queue.pop(0)
        if name in schemas and name not in result:
            result.append(name)
            queue += [reference.removeprefix(_PREFIX) for reference in references(schemas[name])]
    return result
