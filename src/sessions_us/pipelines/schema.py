"""The columns of each resource, typed as in `spec/openapi.json`, and rows that fit them without loss.

The columns are read from the generated models, and rows are decoded by the tolerant decoder of answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin

from attrs import field, frozen
from sessions_us_api.types import Model

from .._calls.decoding import Decoder, NotUnderstood, spellings
from .plan import RESOURCES, Child, Resource
from .rows import as_json, is_text, key_of
from .sink import Row

__all__ = ("EXTRA", "Column", "columns", "fit")

EXTRA: Final = "additional_properties"
"""The JSON text column of every object: undocumented fields and values that do not fit, by wire name."""

Kind = Literal["text", "boolean", "integer", "number", "timestamp", "date", "json", "object", "list"]

_SCALARS: Final[Mapping[type, Kind]] = {
    str: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
    datetime: "timestamp",
    date: "date",
}


@frozen
class Column:
    """One column.

    Attributes:
        name: the wire name.
        kind: `text`, `boolean`, `integer` (64 bits), `number` (double), `timestamp` (UTC, milliseconds), `date`, `json` (any
            value as text), `object` (a struct of `fields`), `list` (of `item`).
        fields: the fields of an object.
        item: the item of a list.
    """

    name: str
    kind: Kind
    fields: tuple[Column, ...] = field(default=(), repr=False)
    item: Column | None = field(default=None, repr=False)


def columns(resource: str, *, children: bool = True) -> tuple[Column, ...]:
    """Return the columns of a resource, in the order of the document.

    Args:
        resource: a name from `RESOURCES`.
        children: whether to include the children of rows.

    Returns:
        The columns, `id` first and `additional_properties` last. All but `id` may be null.

    Raises:
        KeyError: there is no such resource.
    """
    return _columns(RESOURCES[resource], children)


@cache
def _columns(noun: Resource, children: bool) -> tuple[Column, ...]:
    nested = noun.children if children else ()
    names = {child.name for child in nested}
    own = tuple(column for column in _fields(noun.model, ()) if column.name not in names)
    return (*own[:-1], *(_column(child.name, child.shape, ()) for child in nested), own[-1])


def _fields(model: type[Model], within: tuple[type[Model], ...]) -> tuple[Column, ...]:
    known = tuple(_column(each.wire, each.shape, (*within, model)) for each in model.wire_fields())
    return (*known, Column(EXTRA, "json"))


@cache
def _column(name: str, shape: Any, within: tuple[type[Model], ...]) -> Column:
    if get_origin(shape) is list:
        item = _column("item", get_args(shape)[0], within)
        return Column(name, "json") if item.kind == "json" else Column(name, "list", item=item)
    if isinstance(shape, type):
        if issubclass(shape, Model):
            return Column(name, "json") if shape in within else Column(name, "object", _fields(shape, within))
        if issubclass(shape, Enum):
            return Column(name, "text")
        return Column(name, _SCALARS.get(shape, "json"))
    return Column(name, "json")  # a union: there is no one type for it


class _Unfit(ValueError):
    """A value that its column can't hold unchanged."""


def fit(resource: str, row: Row, *, children: bool = True) -> dict[str, Any]:
    """Return a row that fits its columns: date-times aware and in UTC, objects as dicts with all fields, lists as lists.

    A value that does not fit is null, and raw in the `additional_properties` of its object, as is every undocumented field.
    Nothing is lost, and nothing raises.
    """
    noun = RESOURCES[resource]
    nested = noun.children if children else ()
    names = {child.name for child in nested}
    # None, so that no other spelling is taken for it.
    own = {name: None if name in names else value for name, value in row.items()}
    shape = columns(resource, children=children)
    try:
        values, extra = _understood(Decoder()(own, noun.model), own)
    except (NotUnderstood, RecursionError):
        values, extra = {"id": key_of(row)}, own
    for child in nested:
        extra.pop(child.name, None)
        raw = row.get(child.name)
        if raw is not None:
            values[child.name], kept = _child(child, raw)
            extra |= kept
    values[EXTRA] = as_json(extra) if extra else None
    return {column.name: values.get(column.name) for column in shape}


def _child(child: Child, raw: Any) -> tuple[Any, dict[str, Any]]:
    """Return the typed children of a row, and the raw values that do not fit."""
    try:
        value = _typed(Decoder()(raw, child.shape), raw)
    except (NotUnderstood, _Unfit, RecursionError):
        return None, {child.name: raw}
    lost = isinstance(value, list) and len(value) < len(raw)
    return value, {child.name: raw} if lost else {}


def _understood(model: Model, raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of an object, and its other values."""
    values: dict[str, Any] = {}
    extra = dict(model.additional_properties)
    spelled = spellings(type(model), raw)
    for each in model.wire_fields():
        value = getattr(model, each.name)
        sent_as = spelled.get(each.wire, each.wire)
        given = raw.get(sent_as)
        if value is None:
            values[each.wire] = None
        elif _column(each.wire, each.shape, ()).kind == "json":
            values[each.wire] = as_json(model.to_dict().get(each.wire) if given is None else given)
        else:
            try:
                values[each.wire] = _typed(value, given)
            except _Unfit as error:
                values[each.wire] = error.args[0]
                extra[sent_as] = _plain(value) if given is None or isinstance(value, date) else given
    return values, extra


def _plain(value: Any) -> Any:
    """Return a decoded value that no column can hold as JSON."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _typed(value: Any, raw: Any) -> Any:
    """Return a decoded value as its column holds it.

    Raises:
        _Unfit: the column can't hold the value; the argument is what it can hold.
    """
    match value:
        case Model():
            values, extra = _understood(value, raw if isinstance(raw, dict) else {})
            return {**values, EXTRA: as_json(extra) if extra else None}
        case Enum():
            return value.value
        case list():
            same = isinstance(raw, list) and len(raw) == len(value)
            try:
                return [_typed(item, raw[place] if same else None) for place, item in enumerate(value)]
            except _Unfit:
                raise _Unfit(None) from None
        case str() if not is_text(value):
            raise _Unfit(None)
        case int() if not -(2**63) <= value < 2**63:
            raise _Unfit(None)
        case datetime():
            return _milliseconds(value)
        case _:
            return value


def _milliseconds(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise _Unfit(None) from None
    if moment.microsecond % 1000:
        raise _Unfit(moment.replace(microsecond=moment.microsecond // 1000 * 1000))
    return moment
