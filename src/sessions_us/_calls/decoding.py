"""Decode JSON into models, tolerantly: an answer that is not as described loses no row, and no value is guessed.

A missing or null value is None. A value that is not understood is None too, or left out of its list; its raw value stays in
`additional_properties` under its wire name. Only a missing `id` makes an object unusable. Every surprise is noted: it becomes
a `SchemaDrift`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache, cached_property, partial
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from attrs import define, field
from sessions_us_api.types import DEEPEST, Model, Reader, is_deep, reader

from .._send.body import parsed
from .row_id import as_id

__all__ = ("Decoder", "NotUnderstood", "is_deep", "spellings")

T = TypeVar("T")

_TOO_DEEP = f"nested more than {DEEPEST} levels deep"

UNKNOWN_FIELD = "unknown field"
"""The only problem that strict decoding accepts, because the document announces additional properties."""


class NotUnderstood(ValueError):
    """A value can't be decoded as its type."""


Convert = Callable[["Decoder", Any, str], Any]


@define(eq=False, repr=False)
class Decoder:
    """Decodes one answer, and collects the drifts.

    Attributes:
        place: where in the answer the decoded value stands; it begins the field of each drift.
        drifts: the surprising fields, each with its problem, once, in the order of their first appearance.
    """

    place: str = ""
    drifts: dict[tuple[str, str], None] = field(factory=dict, init=False)

    def __call__(self, value: object, shape: type[T], /) -> T:
        """Decode a value as `shape`: a model, a scalar, `list[…]`, or a union of these.

        Raises:
            NotUnderstood: the value can't be decoded as `shape`.
        """
        convert: Convert = _converter(shape)  # type: ignore[arg-type]  # every type is hashable
        result: T = convert(self, value, self.place)
        return result

    def note(self, field: str, problem: str) -> None:
        self.drifts[field, problem] = None

    def at(self, place: str) -> Decoder:
        """Return this decoder for another place. It collects the same drifts."""
        part = copy(self)
        part.place = place
        return part

    def trial(self) -> Decoder:
        """Return a decoder for the same place with drifts of its own."""
        return Decoder(self.place)


def spellings(model: type[Model], raw: Mapping[str, Any]) -> dict[str, str]:
    """Find the fields of a model that an answer has only in another spelling: `timezone` was observed for `timeZone`.

    Returns:
        The wire name of each such field, with its name in the answer; of several names the first in alphabetical order.
    """
    known: dict[str, str] = _wire_names(model)  # type: ignore[arg-type]  # every type is hashable
    found: dict[str, str] = {}
    for name in sorted(raw.keys() - known.values()):
        meant = known.get(name.lower())
        if meant is not None and meant not in raw:
            found.setdefault(meant, name)
    return found


@cache
def _wire_names(model: type[Model]) -> dict[str, str]:
    """Return the wire names of a model by their lower-case form."""
    return {field.wire.lower(): field.wire for field in model.wire_fields()}


@cache
def _converter(shape: Any) -> Convert:
    origin = get_origin(shape)
    if origin is list:
        return partial(_list, _converter(get_args(shape)[0]))
    if origin in {Union, types.UnionType}:
        return partial(_first, [_converter(variant) for variant in get_args(shape)])
    if origin is Literal:
        return partial(_constant, get_args(shape))
    if isinstance(shape, type):
        if issubclass(shape, Model):
            return partial(_object, _Plan(shape))
        if issubclass(shape, Enum):
            return partial(_member, shape)
        return _SCALARS.get(shape, _anything)
    return _anything


def _anything(decoder: Decoder, value: Any, path: str) -> Any:
    return value


def _flag(decoder: Decoder, value: Any, path: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        decoder.note(path, "boolean as string")
        return value.lower() == "true"
    raise NotUnderstood("unexpected type")


def _scalar(
    read: Callable[[Any], Any], kinds: tuple[type, ...], problem: str, decoder: Decoder, value: Any, path: str
) -> Any:
    if type(value) not in kinds:  # a boolean is no number
        raise NotUnderstood("unexpected type")
    try:
        return read(value)
    except NotUnderstood:
        raise
    except (ValueError, OverflowError):
        raise NotUnderstood(problem) from None


def _whole(value: float) -> int:
    if value != int(value):
        raise NotUnderstood("unexpected type")
    return int(value)


def _moment(decoder: Decoder, value: Any, path: str) -> datetime:
    if type(value) is not str:
        raise NotUnderstood("unexpected type")
    try:
        moment = _from_text(value)
    except ValueError:
        raise NotUnderstood("no date-time") from None
    if moment.tzinfo is None:
        raise NotUnderstood("date-time without a zone")  # the zone is not guessed
    if moment.year in {1, 9999}:
        try:
            moment.astimezone(UTC)  # some moments of the first and last day of the calendar have no UTC
        except OverflowError:
            raise NotUnderstood("date-time beyond the calendar") from None
    return moment


def _from_text(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text.upper())  # RFC 3339 allows t and z


_SCALARS: Mapping[type, Convert] = {
    str: partial(_scalar, str, (str,), "unexpected type"),
    bool: _flag,
    int: partial(_scalar, _whole, (int, float), "unexpected type"),
    float: partial(_scalar, float, (int, float), "unexpected type"),
    datetime: _moment,
    date: partial(_scalar, date.fromisoformat, (str,), "no date"),
    types.NoneType: partial(_scalar, lambda value: value, (types.NoneType,), ""),
}


def _member(enum: type[Enum], decoder: Decoder, value: Any, path: str) -> Enum | str:
    try:
        return enum(value)
    except (ValueError, TypeError):
        if not isinstance(value, str):
            raise NotUnderstood("unexpected type") from None
    decoder.note(path, "unknown value")
    return value  # enums are open: an unknown value is a plain string


def _constant(values: tuple[object, ...], decoder: Decoder, value: Any, path: str) -> Any:
    if any(value == known and type(value) is type(known) for known in values):
        return value
    raise NotUnderstood("unknown value")


def _first(variants: list[Convert], decoder: Decoder, value: Any, path: str) -> Any:
    """The first variant that fits. Only its drifts count."""
    problem = NotUnderstood("unexpected type")
    for variant in variants:
        trial = decoder.trial()
        try:
            result = variant(trial, value, path)
        except NotUnderstood as error:
            problem = error
        else:
            decoder.drifts.update(trial.drifts)
            return result
    raise problem


def _list(convert: Convert, decoder: Decoder, value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise NotUnderstood("unexpected type")
    result, inside = [], f"{path}[]"
    for item in value:
        try:
            result.append(convert(decoder, item, inside))
        except NotUnderstood as error:
            decoder.note(inside, str(error))
    return result


class _Plan:
    """How the objects of a model are read. Its parts are made when they are first used: a model may contain itself."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model

    @cached_property
    def straight(self) -> Reader:
        """Reads the objects that are as described, also those with further fields."""
        return reader(self.model)

    @cached_property
    def required(self) -> dict[str, str]:
        """The names of the required fields by their wire names."""
        return {field.wire: field.name for field in self.model.wire_fields() if field.required}

    @cached_property
    def optional(self) -> dict[str, tuple[str, Convert]]:
        """The names of the other fields, and what reads their values, by their wire names."""
        fields = self.model.wire_fields()
        return {field.wire: (field.name, _converter(field.shape)) for field in fields if not field.required}

    @cached_property
    def wires(self) -> frozenset[str]:
        """The wire names of all fields."""
        return frozenset((*self.required, *self.optional))


def _object(plan: _Plan, decoder: Decoder, value: Any, path: str) -> Model:
    """Nearly all objects are as described. They are read straight, at a third of the cost of a look at each value."""
    unknown: list[str] = []
    try:
        result: Model = plan.straight(value, unknown, path)
    except ValueError:
        return _tolerantly(plan, decoder, value, path)
    for each in unknown:
        decoder.note(each.removeprefix("."), UNKNOWN_FIELD)
    return result


def _tolerantly(plan: _Plan, decoder: Decoder, value: Any, path: str) -> Model:
    raw = _as_object(decoder, value, path)
    if path.removesuffix("[]") == decoder.place and is_deep(raw):
        raise NotUnderstood(_TOO_DEEP)
    inside = f"{path}." if path else ""
    spelled: Mapping[str, str] = {}
    extra: dict[str, Any] = {}
    if not plan.wires.issuperset(raw):
        spelled = spellings(plan.model, raw)
        extra = {wire: raw[wire] for wire in (raw.keys() - plan.wires).difference(spelled.values())}
        _note_unknown(decoder, inside, spelled.values(), extra)
        raw = {**raw, **{wire: raw[sent_as] for wire, sent_as in spelled.items()}}
    values: dict[str, Any] = {
        name: _identity(decoder, raw.get(wire), inside + wire) for wire, name in plan.required.items()
    }
    optional = plan.optional
    for wire, given in raw.items():
        if given is None or wire not in optional:
            continue
        name, convert = optional[wire]
        try:
            values[name] = understood = convert(decoder, given, inside + wire)
        except NotUnderstood as error:
            decoder.note(inside + wire, str(error))
            extra[spelled.get(wire, wire)] = given
        else:
            if type(given) is list and len(understood) < len(given):
                extra[spelled.get(wire, wire)] = given
    result = plan.model(**values)
    if extra:
        result.additional_properties.update(extra)
    return result


def _note_unknown(decoder: Decoder, inside: str, spelled: Iterable[str], extra: Iterable[str]) -> None:
    for wires, problem in ((spelled, "spelling"), (extra, UNKNOWN_FIELD)):
        for wire in wires:
            decoder.note(inside + wire, problem)


def _identity(decoder: Decoder, value: Any, path: str) -> str:
    """A required field, which only an id is. A number is as good a name as a string."""
    if type(value) is str and value:
        return value
    name = as_id(value)
    if name is None:
        raise NotUnderstood("no id")
    if not isinstance(value, str):
        decoder.note(path, "unexpected type")
    return name


def _as_object(decoder: Decoder, value: Any, path: str) -> Mapping[str, Any]:
    if type(value) is dict:
        return value
    if isinstance(value, str) and value.lstrip().startswith("{"):  # an object was seen as a string of JSON
        try:
            value = parsed(value)
        except (ValueError, RecursionError):
            raise NotUnderstood("unexpected type") from None
        if is_deep(value):
            raise NotUnderstood(_TOO_DEEP)
        decoder.note(path, "object as string")
    if not isinstance(value, dict):
        raise NotUnderstood("unexpected type")
    return value
