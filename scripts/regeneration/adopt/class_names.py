"""Names of models: what the answers of known operations are made of keeps the names that our code was written with.

Two documents are walked side by side, from the answers of the same operations down through fields of the same name.
Where ours has the schema Session and theirs has SessionDto, or one written out in place, theirs becomes Session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from regeneration.adopt.alignment import by_key
from regeneration.answers import answer, envelope, inside, says_something
from regeneration.class_file import class_file, free
from regeneration.document import Document, Route, copied
from regeneration.pointers import redirect
from regeneration.shapes import SCHEMAS, Shape, component, shape

#: How many envelopes may be around an answer.
_DEEPEST = 3


@dataclass(frozen=True)
class _Claim:
    """Where ours has a schema of a name, theirs has one that may take it; `theirs` is None if it is written out there."""

    ours: str
    theirs: str | None
    node: Document
    place: str


def name_models(document: Document, ours: Document) -> list[str]:
    """Name the schemas of a document, in place, after those of ours.

    Args:
        document: sound, and aligned with ours.
        ours: the document that the client was written against.

    Returns:
        What may surprise, in words.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    claims = _Pairing(document, ours).claims()
    winners = _winners(claims)
    names, notes = _names(document, ours, winners)
    redirect(document, names)
    schemas = document["components"]["schemas"] = {names[name]: schema for name, schema in schemas.items()}
    for name, theirs in winners.items():
        if theirs is not None and names[theirs] != name:  # one of theirs is several of ours: each gets its copy
            schemas[name] = copied(schemas[names[theirs]])
    for claim in claims:
        if claim.theirs is not None and claim.theirs == winners[claim.ours]:
            redirect(claim.node, {names[claim.theirs]: claim.ours})
    taken = ours["components"]["schemas"].keys()
    for claim in reversed(claims):  # what is inside first
        if claim.theirs is None:
            notes += _lift(claim, schemas, taken)
    return notes + _lost(claims, winners)


@dataclass
class _Pairing:
    document: Document
    ours: Document
    _claims: list[_Claim] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def claims(self) -> list[_Claim]:
        known = by_key(self.ours)
        for key, theirs in by_key(self.document).items():
            if key in known:
                self._answers(known[key], theirs)
        return self._claims

    def _answers(self, ours: Route, theirs: Route) -> None:
        wanted, given = answer(self.ours, ours), answer(self.document, theirs)
        if wanted is None or given is None:
            return
        names = envelope(theirs) or _envelope(self.document, given, shape(self.ours, wanted))
        if names and inside(self.document, given, names) is not None:
            theirs.operation["x-envelope"] = names[0] if len(names) == 1 else list(names)
            given = inside(self.document, given, names)
        self._pair(wanted, given, str(theirs))

    def _pair(self, ours: Any, theirs: Any, place: str) -> None:
        wanted, given = shape(self.ours, ours), shape(self.document, theirs)
        name, other = component(ours), component(theirs)
        if (wanted.type, bool(wanted.enum)) != (given.type, bool(given.enum)):
            return
        if wanted.type == "array":
            self._pair(wanted.items, given.items, place)
            return
        if other is None and not says_something(self.document, theirs):
            return  # ours is filled in
        if name is not None:
            self._claims.append(_Claim(name, other, theirs, place))
            if (name, other or place) in self._seen:
                return
            self._seen.add((name, other or place))
        for key, value in wanted.fields.items():
            if key in given.fields:
                self._pair(value, given.fields[key], f"{place}: {key}")


def _envelope(document: Document, given: Any, wanted: Shape, depth: int = 0) -> tuple[str, ...]:
    """The names that lead to what ours answers with bare, if theirs wraps it: `data`, else the only one that may be it, else
    the same one level deeper. The client reads answers by the same rule where no name is known."""
    found = shape(document, given)
    if wanted.type not in ("array", "object") or found.type != "object" or depth == _DEEPEST:
        return ()
    if wanted.type == "object" and wanted.fields.keys() & found.fields.keys():
        return ()
    candidates = [name for name, schema in found.fields.items() if _may_be(document, name, schema, wanted)]
    if candidates:
        return ("data",) if "data" in candidates else (candidates[0],) if len(candidates) == 1 else ()
    deeper = [
        (name, *rest)
        for name, schema in found.fields.items()
        if (rest := _envelope(document, schema, wanted, depth + 1))
    ]
    return deeper[0] if len(deeper) == 1 else ()


def _may_be(document: Document, name: str, schema: Any, wanted: Shape) -> bool:
    found = shape(document, schema)
    if found.type != wanted.type:
        return False
    if found.type == "array":
        return shape(document, found.items).type in ("object", "anything", "one of several")
    shared = wanted.fields.keys() & found.fields.keys()
    return name == "data" or "id" in found.fields or bool(shared and "id" not in wanted.fields)


def _winners(claims: Sequence[_Claim]) -> dict[str, str | None]:
    """Each of our names goes to the schema that most answers have in its place; a tie goes to the first."""
    votes = Counter((claim.ours, claim.theirs) for claim in claims)
    result: dict[str, str | None] = {}
    for ours, theirs in votes:
        if ours not in result or (theirs is not None and votes[ours, theirs] > _named(votes, ours, result[ours])):
            result[ours] = theirs
    return result


def _named(votes: Mapping[tuple[str, str | None], int], ours: str, theirs: str | None) -> int:
    return 0 if theirs is None else votes[ours, theirs]


def _names(document: Document, ours: Document, winners: Mapping[str, str | None]) -> tuple[dict[str, str], list[str]]:
    """What each schema is called from now on: whatever else would be one class with one of ours makes room for it.

    What no answer claims keeps our name where it may be the same thing.
    """
    schemas, known = document["components"]["schemas"], ours["components"]["schemas"]
    names: dict[str, str] = {}
    for name, theirs in sorted(winners.items(), key=lambda won: won[0].lower() not in str(won[1]).lower()):
        if theirs is not None:  # UserDto is rather User than Guest
            names.setdefault(theirs, name)
    classes = {class_file(name): name for name in known}
    notes = []
    for name in schemas:
        like = classes.get(class_file(name))
        if name in names:
            continue
        if like is None or (name == like and winners.get(like, name) is None):
            names[name] = name
        elif like not in winners and shape(document, schemas[name]).type == shape(ours, known[like]).type:
            names[name] = like
        else:
            names[name] = free(f"{name}2", [*schemas, *known])
            notes.append(f"{name}: not the schema that the answers have as {like}; it has another name now")
    return names, notes


def _lift(claim: _Claim, schemas: Document, taken: Iterable[str]) -> Iterator[str]:
    """A schema written out in place becomes a component: ours, unless another one has the name."""
    node, name = claim.node, claim.ours
    if component(node) is not None:  # it stands in two places, and is lifted already
        return
    nullable = node.pop("nullable", False) is True
    if name in schemas and schemas[name] != node:
        name = free(name, [*schemas, *taken])
        yield f"{claim.place}: differs from what is called {claim.ours} elsewhere; called {name}"
    schemas[name] = dict(node)
    node.clear()
    node.update({"allOf": [{"$ref": SCHEMAS + name}], "nullable": True} if nullable else {"$ref": SCHEMAS + name})


def _lost(claims: Sequence[_Claim], winners: Mapping[str, str | None]) -> list[str]:
    places: dict[tuple[str, str], list[str]] = {}
    for claim in claims:
        if claim.theirs is not None and claim.theirs != winners[claim.ours]:
            places.setdefault((claim.ours, claim.theirs), []).append(claim.place)
    return [
        f"{where[0]}{f' (and {len(where) - 1} more)' if len(where) > 1 else ''}: "
        f"answers {theirs}, which is another schema than the one called {ours}"
        for (ours, theirs), where in places.items()
    ]
