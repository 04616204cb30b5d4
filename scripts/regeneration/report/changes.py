"""What changed between two documents of the same API, for those who call it and those who parse its answers.

Pure. References are resolved, so that a schema with another name and the same content is no change; what is compared is
what can be sent and what can arrive. Descriptions and examples are not compared.

There is a library on PyPI (api-schema-diff); it compares neither enums nor null, takes `{id}` and `{sessionId}` for two
paths, and knows no direction. The good tools (oasdiff, openapi-changes) are Go programs that pip cannot install.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from regeneration.adopt.alignment import Key, align, by_key, elsewhere
from regeneration.answers import is_json
from regeneration.document import METHODS, Document, Route, follow
from regeneration.repair.mending import Mended, mend
from regeneration.report.levels import CALLERS, HARMLESS, PARSING, Level, narrowed, retyped
from regeneration.shapes import Shape, shape, shown


@dataclass(frozen=True)
class DocumentChange:
    """One difference.

    Attributes:
        operation: method and path as the newer document has them; `every operation` for what is said once for all.
        kind: which sort of change, for machines.
        place: where: `answer 200, [].startAt`, or empty for the operation itself.
        level: whom it breaks.
        words: what happened, for people.
    """

    operation: str
    kind: str
    place: str
    level: Level
    words: str


@dataclass(frozen=True)
class Comparison:
    """What differs.

    Attributes:
        old, new: the documents as compared: mended and spelled alike.
    """

    old: Document
    new: Document
    changes: tuple[DocumentChange, ...]


def compare(old: Document | Mended, new: Document | Mended, reference: Document | None = None) -> Comparison:
    """Compare two documents as published, or mended already.

    Args:
        reference: whose spelling of paths is used for both, if it knows them.

    Raises:
        InputError: one of them cannot be read at all.
    """
    before, after = (each if isinstance(each, Mended) else mend(each) for each in (old, new))
    first = align(before.document, reference or {"paths": {}})
    second = align(after.document, first.document)
    comparing = _Comparing(first.document, second.document, second.renamed)
    comparing.run()
    slips = [words for words in (*after.defects, *second.notes) if words not in (*before.defects, *first.notes)]
    found = [*comparing.changes, *(_slip(words) for words in slips)]
    return Comparison(first.document, second.document, tuple(dict.fromkeys(found)))


def _slip(words: str) -> DocumentChange:
    match = re.match(rf"(?:{'|'.join(METHODS)}) \S+(?=: )", words, re.IGNORECASE)
    operation = match[0] if match else EVERYWHERE
    return DocumentChange(operation, "defect", "", HARMLESS, words.removeprefix(f"{operation}: "))


EVERYWHERE: Final = "every operation"


@dataclass
class _Comparing:
    old: Document
    new: Document
    renamed: dict[Key, dict[str, str]]
    changes: list[DocumentChange] = field(default_factory=list)
    _operation: str = ""
    _seen: set[tuple[object, ...]] = field(default_factory=set)
    _seen_in_errors: set[tuple[object, ...]] = field(default_factory=set)

    def run(self) -> None:
        self._servers()
        self._webhooks()
        before = by_key(self.old)
        after = by_key(self.new)
        pairs = [(route, after[key]) for key, route in before.items() if key in after]
        self._keys(pairs)
        self._places(pairs)
        for key, route in before.items():
            self._operation = str(route)
            if key not in after:
                self._tell("operation-removed", "", CALLERS, "the operation is gone")
            else:
                self._operation = str(after[key])
                self._compare(key, route, after[key])
        for key, route in after.items():
            if key not in before:
                self._operation = str(route)
                self._tell("operation-added", "", HARMLESS, "a new operation")

    def _tell(self, kind: str, place: str, level: Level, words: str) -> None:
        self.changes.append(DocumentChange(self._operation, kind, place, level, words))

    def _servers(self) -> None:
        before, after = (
            [one.get("url", "").rstrip("/") for one in doc.get("servers") or []] for doc in (self.old, self.new)
        )
        self._operation = EVERYWHERE
        if before and after and before[0] != after[0]:
            self._tell("server-changed", "", CALLERS, f"the server is {after[0]}, not {before[0]}")

    def _keys(self, pairs: list[tuple[Route, Route]]) -> None:
        """How the key travels; said once where it is the same of every operation."""
        found = [(_keys(self.old, old), _keys(self.new, new), str(new)) for old, new in pairs]
        told = {(before, after) for before, after, _ in found}
        for before, after, operation in found:
            if before != after:
                self._operation = EVERYWHERE if len(told) == 1 else operation
                level: Level = CALLERS if before and after and not before & after else HARMLESS
                names = [
                    " or ".join(sorted(" and ".join(sorted(one)) for one in each)) or "none" for each in (after, before)
                ]
                self._tell("key-changed", "", level, f"the key travels as {names[0]}, not as {names[1]}")

    def _places(self, pairs: list[tuple[Route, Route]]) -> None:
        """Where operations are served that are elsewhere now; said once where it is the same of every operation."""
        found = [(elsewhere(old), elsewhere(new), str(new)) for old, new in pairs]
        once = len({(before, after) for before, after, _ in found}) == 1
        for before, after, operation in found:
            if before != after:
                self._operation = EVERYWHERE if once else operation
                self._tell("place-changed", "", CALLERS, f"is served {after or 'at its path again'}")

    def _webhooks(self) -> None:
        before, after = (doc.get("webhooks", {}) for doc in (self.old, self.new))
        for name in {**before, **after}:
            self._operation = f"webhook {name}"
            if name not in after:
                self._tell("webhook-removed", "", PARSING, "the webhook is gone")
            elif name not in before:
                self._tell("webhook-added", "", HARMLESS, "a new webhook")
            else:
                body, other = (
                    follow(doc, _first_operation(doc["webhooks"][name]).get("requestBody")) or {}
                    for doc in (self.old, self.new)
                )
                self._media(body, other, "body", sent=False)

    def _compare(self, key: Key, old: Route, new: Route) -> None:
        if new.operation.get("deprecated") and not old.operation.get("deprecated"):
            self._tell("operation-deprecated", "", HARMLESS, "the operation is deprecated")
        for ours, theirs in self.renamed.get(key, {}).items():
            self._tell(
                "parameter-renamed", f"path parameter {ours}", HARMLESS, f"the path parameter {ours} is called {theirs}"
            )
        self._parameters(old, new)
        self._body(old, new)
        self._answers(old, new)

    # Requests

    def _parameters(self, old: Route, new: Route) -> None:
        before, after = (_parameters(doc, route) for doc, route in ((self.old, old), (self.new, new)))
        for where, name in {**before, **after}:
            place = f"{where} parameter {name}"
            one, other = before.get((where, name)), after.get((where, name))
            if one is None and other is not None:
                needed = other.get("required") is True
                self._tell(
                    "parameter-added", place, CALLERS if needed else HARMLESS, f"a new {place}" + needed * ", required"
                )
            elif other is None:
                self._tell("parameter-removed", place, CALLERS, f"the {place} is gone")
            elif one is not None:
                if bool(one.get("required")) != bool(other.get("required")):
                    self._requirement("parameter", place, place, other.get("required") is True)
                self._seen = set()
                self._schema(_parameter_schema(one), _parameter_schema(other), place, "", sent=True)

    def _requirement(self, kind: str, place: str, name: str, required: bool) -> None:
        if required:
            self._tell(f"{kind}-required", place, CALLERS, f"the {name} is required")
        else:
            self._tell(f"{kind}-optional", place, HARMLESS, f"the {name} is optional")

    def _body(self, old: Route, new: Route) -> None:
        before = follow(self.old, old.operation.get("requestBody"))
        after = follow(self.new, new.operation.get("requestBody"))
        if before is None and after is None:
            return
        if before is None:
            needed = after.get("required") is True
            self._tell("body-added", "body", CALLERS if needed else HARMLESS, "takes a body" + needed * ", required")
        elif after is None:
            self._tell("body-removed", "body", CALLERS, "takes no body")
        else:
            if bool(before.get("required")) != bool(after.get("required")):
                self._requirement("body", "body", "body", after.get("required") is True)
            self._media(before, after, "body", sent=True)

    # Answers

    def _answers(self, old: Route, new: Route) -> None:
        before, after = (
            {status: follow(doc, value) for status, value in route.operation["responses"].items() if status[:2] != "x-"}
            for doc, route in ((self.old, old), (self.new, new))
        )
        gone = [status for status in before if status not in after]
        come = [status for status in after if status not in before]
        lost, won = ([status for status in one if status[0] == "2"] for one in (gone, come))
        pairs = {status: status for status in before if status in after}
        if len(lost) == len(won) == 1:
            pairs[lost[0]] = won[0]
            self._tell("status-changed", f"answer {lost[0]}", PARSING, f"answers {won[0]}, not {lost[0]}")
            lost, won = [], []
        for status in lost:
            self._tell("status-removed", f"answer {status}", PARSING, f"no longer answers {status}")
        for status in won:
            self._tell("status-added", f"answer {status}", HARMLESS, f"may answer {status}")
        errors, others = (", ".join(status for status in one if status[0] != "2") for one in (gone, come))
        if errors:
            self._tell("status-removed", f"answer {errors}", HARMLESS, f"no longer says that it may answer {errors}")
        if others:
            self._tell("status-added", f"answer {others}", HARMLESS, f"may answer {others}")
        for status, other in pairs.items():
            if status[0] == "2":
                self._media(before[status], after[other], f"answer {other}", sent=False)
                self._headers(before[status], after[other], f"answer {other}")
            else:
                self._errors(before[status], after[other], other)

    def _headers(self, before: Document, after: Document, place: str) -> None:
        one, other = ({name.lower(): name for name in each.get("headers") or {}} for each in (before, after))
        for kind, words, names in (
            (
                "headers-removed",
                "no longer says that it has the headers",
                [one[name] for name in one if name not in other],
            ),
            ("headers-added", "has the headers", [other[name] for name in other if name not in one]),
        ):
            if names:
                self._tell(kind, place, HARMLESS, f"{place}: {words} {', '.join(names)}")

    def _errors(self, before: Document, after: Document, status: str) -> None:
        """Errors look alike everywhere: what changed in one schema of theirs is said once."""
        operation, self._operation = self._operation, EVERYWHERE
        self._media(before, after, "errors", sent=False, seen=self._seen_in_errors)
        self._operation = operation

    def _media(
        self, old: Document, new: Document, place: str, *, sent: bool, seen: set[tuple[object, ...]] | None = None
    ) -> None:
        before, after = old.get("content") or {}, new.get("content") or {}
        self._seen = set() if seen is None else seen
        if before and not after:
            self._tell("schema-removed", place, HARMLESS if sent else PARSING, f"{place}: no longer says what is in it")
            return
        self._media_types(before, after, place, sent=sent)
        names = _comparable(before, after)
        if names is None:
            return
        one, other = before[names[0]].get("schema"), after[names[1]].get("schema")
        if one is not None and other is None:
            self._tell("schema-removed", place, HARMLESS if sent else PARSING, f"{place}: no longer says what is in it")
        elif one is None and other is not None:
            self._tell("schema-added", place, HARMLESS, f"{place}: says what is in it")
        elif one is not None:
            self._schema(one, other, place, "", sent=sent)

    def _media_types(self, before: Document, after: Document, place: str, *, sent: bool) -> None:
        """Which are gone and which are new; in answers one kind of JSON stands for another."""
        for name in before:
            if name not in after and not _stand_in(name, after, sent):
                self._tell("media-removed", place, CALLERS if sent else PARSING, f"{place}: no {name}")
        for name in after:
            if name not in before and not _stand_in(name, before, sent):
                how = " as well" if before.keys() & after.keys() else " instead" if before else ", not nothing"
                self._tell("media-added", place, HARMLESS, f"{place}: {name}{how}")

    # Schemas

    def _schema(self, old: Any, new: Any, place: str, path: str, *, sent: bool) -> None:
        before, after = shape(self.old, old), shape(self.new, new)
        if before.references or after.references:
            pair = (before.references, after.references, sent)
            if pair in self._seen:
                return
            self._seen.add(pair)
        where = f"{place}, {path}" if path else place
        if before.nullable != after.nullable:
            level = narrowed(before.nullable, sent)
            kind, words = ("null-added", "may be null") if after.nullable else ("null-removed", "is never null")
            self._tell(kind, where, level, f"{where}: {words}")
        if before.type != after.type:
            level = retyped(before.type, after.type, sent)
            self._tell("type-changed", where, level, f"{where}: {after.type}, not {before.type}")
            return
        if before.format != after.format:
            words = f"of the format {after.format}" if after.format else f"no longer of the format {before.format}"
            self._tell("format-changed", where, HARMLESS, f"{where}: {words}")
        self._limits(before, after, where, sent)
        self._enum(before, after, where, sent)
        self._fields(before, after, place, path, sent)
        if before.type == "array":
            self._schema(before.items, after.items, place, f"{path}[]", sent=sent)
        self._variants(before, after, place, path, sent)

    def _limits(self, before: Shape, after: Shape, where: str, sent: bool) -> None:
        one, other = _limits(before), _limits(after)
        for word in sorted({*one, *other}):
            if one.get(word) == other.get(word):
                continue
            narrower = (
                word != "default" and word in other and (word not in one or _narrower(word, one[word], other[word]))
            )
            words = f"{word} {shown(other[word])}" if word in other else f"no {word}"
            words += f", not {shown(one[word])}" if word in one and word in other else ""
            self._tell("limit-changed", where, CALLERS if sent and narrower else HARMLESS, f"{where}: {words}")

    def _enum(self, before: Shape, after: Shape, where: str, sent: bool) -> None:
        if before.enum is None and after.enum is None:
            return
        if before.enum is None or after.enum is None:
            fewer = before.enum is None
            level = narrowed(fewer, sent)
            words = f"only {', '.join(map(shown, after.enum or []))}" if fewer else "any value"
            self._tell("enum-added" if fewer else "enum-removed", where, level, f"{where}: {words}")
            return
        for value in after.enum:
            if value not in before.enum:
                level = HARMLESS if before.open else narrowed(False, sent)
                self._tell("enum-value-added", where, level, f"{where}: may be {shown(value)}")
        for value in before.enum:
            if value not in after.enum:
                self._tell("enum-value-removed", where, narrowed(True, sent), f"{where}: is never {shown(value)}")

    def _fields(self, before: Shape, after: Shape, place: str, path: str, sent: bool) -> None:
        for name in {**before.fields, **after.fields}:
            inner = f"{path}.{name}" if path else name
            where = f"{place}, {inner}"
            one, other = name in before.required, name in after.required
            if name not in before.fields:
                level: Level = CALLERS if sent and other else HARMLESS
                self._tell(
                    "field-added", where, level, f"{where}: a new field" + (", required" if sent and other else "")
                )
            elif name not in after.fields:
                self._tell("field-removed", where, CALLERS if sent else PARSING, f"{where}: the field is gone")
            else:
                if one != other and sent:
                    self._requirement("field", where, f"field {inner} of the body", other)
                elif one != other:
                    kind, words = ("required", "is always there") if other else ("optional", "may be missing")
                    self._tell(f"field-{kind}", where, narrowed(other, sent), f"{where}: {words}")
                self._schema(before.fields[name], after.fields[name], place, inner, sent=sent)

    def _variants(self, before: Shape, after: Shape, place: str, path: str, sent: bool) -> None:
        if before.type != "one of several":
            return
        where = f"{place}, {path}" if path else place
        rest = list(after.variants)
        unmatched = []
        for one in before.variants:
            same = next((other for other in rest if not self._differs(one, other, sent)), None)
            if same is None:
                unmatched.append(one)
            else:
                rest.remove(same)
        for one in list(unmatched):
            alike = next((other for other in rest if shape(self.new, other).type == shape(self.old, one).type), None)
            if alike is not None:
                self._schema(one, alike, place, path, sent=sent)
                rest.remove(alike)
                unmatched.remove(one)
        for one in unmatched:
            words = f"{where}: never {shape(self.old, one).type}"
            self._tell("variant-removed", where, narrowed(True, sent), words)
        for one in rest:
            words = f"{where}: may be {shape(self.new, one).type}"
            self._tell("variant-added", where, narrowed(False, sent), words)

    def _differs(self, one: Any, other: Any, sent: bool) -> bool:
        trial = _Comparing(self.old, self.new, {}, _seen=set(self._seen))
        trial._schema(one, other, "", "", sent=sent)
        return bool(trial.changes)


def _parameters(document: Document, route: Route) -> dict[tuple[str, str], Document]:
    declared = [follow(document, parameter) for parameter in route.operation.get("parameters", [])]
    return {(one["in"], one["name"].lower() if one["in"] == "header" else one["name"]): one for one in declared}


def _parameter_schema(parameter: Document) -> Any:
    for media in (parameter.get("content") or {}).values():
        return media.get("schema", {})
    return parameter.get("schema", {})


def _keys(document: Document, route: Route) -> frozenset[frozenset[str]]:
    """The ways in which a key may travel to an operation, each what it takes together."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    asked = route.operation.get("security", document.get("security")) or []
    ways = (frozenset(_way(follow(document, schemes.get(name)) or {}) for name in each) for each in asked)
    return frozenset(way for way in ways if way)


def _way(scheme: Document) -> str:
    if scheme.get("type") == "apiKey":
        return f"{scheme.get('name')} in the {scheme.get('in')}"
    return f"{scheme.get('type')} {scheme.get('scheme', '')}".lower().strip()


def _limits(found: Shape) -> dict[str, Any]:
    """The limits of a value, as OpenAPI 3.1 has them, without those that limit nothing."""
    limits = {
        word: value
        for word, value in found.limits.items()
        if value is not None and value is not False and (value or word[:3] != "min")
    }
    limits |= {word: found.limits[word] for word in ("minimum", "default") if word in found.limits}
    for exclusive, word in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if limits.get(exclusive) is True:
            limits[exclusive] = limits.pop(word, None)
    return limits | ({"additionalProperties": False} if found.closed else {})


def _narrower(word: str, before: Any, after: Any) -> bool:
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return True
    return after > before if word[:3] == "min" or word == "exclusiveMinimum" else after < before


def _first_operation(item: Any) -> Document:
    return next((item[method] for method in METHODS if method in item), {}) if isinstance(item, dict) else {}


def _comparable(before: Document, after: Document) -> tuple[str, str] | None:
    """Which two of the media types to compare: JSON, else a form or the like that both have."""
    one, other = _json_in(before), _json_in(after)
    if one is not None and other is not None:
        return one, other
    first = next((name for name in before if name in after), None)
    return None if first is None else (first, first)


def _stand_in(name: str, others: Iterable[str], sent: bool) -> bool:
    """Whether one of the others will do for a kind of JSON."""
    if not is_json(name):
        return False
    return "*/*" in others if sent else _json_in(others) is not None


def _json_in(media_types: Iterable[str]) -> str | None:
    return next((name for name in media_types if is_json(name)), None)
