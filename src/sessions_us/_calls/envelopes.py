"""What an answer holds: an object or rows, bare or in an envelope. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar

from sessions_us_api.types import Decode, Model, Operation

from .decoding import Decoder, NotUnderstood, rows_of

__all__ = ("object_in", "page_in", "rows_in")

T = TypeVar("T")


def object_in(parse: Callable[[object, Decode], T], operation: Operation, body: object, decode: Decoder) -> T:
    """The object, or the one in an envelope around it.

    Raises:
        NotUnderstood: there is neither.
    """
    problem = NotUnderstood("no object")
    silent: tuple[T, Decoder] | None = None
    for candidate, enveloped in _objects(body, _names(operation.path)):
        trial = Decoder(operation.id)
        try:
            result = parse(candidate, trial)
        except NotUnderstood as error:
            problem = error
            continue
        if isinstance(result, Model) and candidate and not _says_something(result):
            silent = silent or (result, trial)  # of a model without an id anything is an instance
            continue
        if enveloped:
            decode.note("", "envelope")
        for drift in trial.drifts:
            decode.note(drift.field, drift.problem)
        return result
    if silent is None:
        raise problem
    for drift in silent[1].drifts:
        decode.note(drift.field, drift.problem)
    return silent[0]


def _objects(body: object, names: tuple[str, ...]) -> Iterator[tuple[object, bool]]:
    """The body, then what may be meant where the body is only wrapped around it."""
    if isinstance(body, list):
        if len(body) == 1:
            yield body[0], True
    elif body is not None:
        yield body, False
        if isinstance(body, dict):
            for name in ("data", "result", "item", *names):
                if isinstance(body.get(name), dict):
                    yield body[name], True


def _says_something(model: Model) -> bool:
    return any(getattr(model, field.name) is not None for field in type(model).wire_fields())


def rows_in(
    parse: Callable[[object, Decode], list[T]], operation: Operation, body: object, decode: Decoder
) -> tuple[list[T], list[Any]]:
    """The rows that were understood, and all of them raw."""
    raw = rows_of(body, _names(operation.path), decode)
    return parse(raw, decode), raw


def page_in(
    parse: Callable[[object, Decode], list[T]], operation: Operation, body: object, decode: Decoder
) -> tuple[list[T], list[Any]]:
    """The same for a page. Nothing where a page should be is told: it ends a list that may go on."""
    if body is None:
        decode.note("", "null")
    return rows_in(parse, operation, body, decode)


@cache
def _names(path: str) -> tuple[str, ...]:
    """Under which names an envelope may hold what a path answers with: `bookingPages`, `bookingPage`, …"""
    names: list[str] = []
    for segment in reversed(path.split("/")[2:]):
        if not segment.startswith("{"):
            first, *rest = segment.split("-")
            plural = first + "".join(word.capitalize() for word in rest)
            names += [plural, plural.removesuffix("s")]
    return tuple(dict.fromkeys(names))
