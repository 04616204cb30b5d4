"""Find the object or the rows in an answer: the body itself, or what an envelope around it holds. Pure.

One rule serves every operation: the envelope that the document names, else `data`, else the only candidate in the body. For
rows, a candidate is an array of objects; for one object, an object that can be read as the model: one with an id, where the
model has one. More than one candidate is an error, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard, TypeVar

from sessions_us_api.types import Decode, Model

from .decoding import Decoder, NotUnderstood

__all__ = ("Parse", "object_in", "page_in", "rows_in", "rows_of", "unwrapped")

T = TypeVar("T")

Parse: TypeAlias = Callable[[object, Decode], T]
"""Makes a model of a JSON value."""

_Read: TypeAlias = tuple[T, Decoder] | NotUnderstood
"""The model that a value was tried as, with the decoder that holds its drifts; or the problem."""


def object_in(parse: Parse[T], body: object, decode: Decoder) -> T:
    """Read the object that is the body, or that an envelope around it holds.

    Args:
        parse: makes a model of a JSON value.
        body: decoded JSON. An array of one object is an envelope too.
        decode: collects the drifts.

    Raises:
        NotUnderstood: there is no such object, or more than one.
    """
    whole: object = body[0] if isinstance(body, list) and len(body) == 1 else body
    if whole is None or isinstance(whole, list):
        raise NotUnderstood("no object")
    bare = _read(parse, whole, decode)
    found = bare if _says_something(bare) else _enveloped(parse, whole, bare, decode)
    if found and (found is not bare or whole is not body):
        decode.note("", "envelope")
    taken = found or bare
    if isinstance(taken, NotUnderstood):
        raise taken
    result, trial = taken  # of a model without an id anything is an instance
    decode.drifts.update(trial.drifts)
    return result


def _enveloped(parse: Parse[T], whole: object, bare: _Read[T], decode: Decoder) -> _Read[T] | None:
    """The only object in an envelope that says something: the one in `data`, or else in any field."""
    inside: dict[str, Any] = whole if isinstance(whole, dict) else {}
    if isinstance(bare, NotUnderstood) and inside.get("id"):
        raise bare  # an object that can't be read is no envelope
    for place in ([inside.get("data")], inside.values()):
        tried = [_read(parse, value, decode) for value in place if isinstance(value, dict)]
        found = [each for each in tried if _says_something(each)]
        if len(found) > 1:
            raise NotUnderstood("more than one object that may be the answer")
        if found:
            return found[0]
    return None


def _read(parse: Parse[T], value: object, decode: Decoder) -> _Read[T]:
    trial = decode.trial()
    try:
        return parse(value, trial), trial
    except NotUnderstood as problem:
        return problem


def _says_something(read: _Read[Any]) -> bool:
    if isinstance(read, NotUnderstood):
        return False
    result = read[0]
    if not isinstance(result, Model) or getattr(result, "id", None) is not None:
        return True
    return any(getattr(result, field.name) is not None for field in type(result).wire_fields())


def unwrapped(body: object, envelope: tuple[str, ...]) -> object:
    """Return what the document's envelope holds, by the names that lead there; the body itself if it has no such envelope."""
    value = body
    for name in envelope:
        if not isinstance(value, dict) or name not in value:
            return body
        value = value[name]
    return value


def rows_of(body: object, decode: Decoder) -> list[Any]:
    """Return the rows of a list: the body itself, or the array in an envelope around it.

    Args:
        body: decoded JSON. null is an empty list. One envelope may be in another.
        decode: collects the drift, if there is an envelope.

    Raises:
        NotUnderstood: there is no such array, or more than one.
    """
    if body is None or isinstance(body, list):
        return body or []
    inside: dict[str, Any] = body if isinstance(body, dict) else {}
    decode.note("", "envelope")
    data = inside.get("data")
    if isinstance(data, list):
        return data
    for level in (data,), (inside,), inside.values():
        arrays = [value for each in level if isinstance(each, dict) for value in each.values() if _is_rows(value)]
        if len(arrays) > 1:
            raise NotUnderstood("more than one array that may be the rows")
        if arrays:
            return arrays[0]
    raise NotUnderstood("there is no array of rows")


def _is_rows(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and (not value or any(isinstance(each, dict) for each in value))


def rows_in(parse: Parse[list[T]], body: object, decode: Decoder) -> list[T]:
    """Return the rows that were understood."""
    return parse(rows_of(body, decode), decode)


def page_in(parse: Parse[list[T]], body: object, decode: Decoder) -> tuple[list[T], list[Any]]:
    """Return the same, and all rows raw. null is noted: it ends a list that may go on."""
    if body is None:
        decode.note("", "null")
    raw = rows_of(body, decode)
    return parse(raw, decode), raw
