"""The fields that `--fields` chooses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

import typer
from sessions_us_api.types import Model

from .table import values_at

__all__ = ("Fields", "columns_of", "paths_of", "picked", "require_known", "value_at")

Fields = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="The fields to show, by wire names with dots, such as id,name,booking.startAt."),
]


def paths_of(fields: str | None) -> list[str]:
    """Return the chosen fields; none if the option was not given.

    Raises:
        ValueError: it was given, and names nothing.
    """
    paths = [] if fields is None else [path for path in fields.replace(" ", "").split(",") if path]
    if fields is not None and not paths:
        raise ValueError("--fields names no field: give wire names, such as --fields id,name, or leave it out")
    return paths


def columns_of(paths: Sequence[str], otherwise: Mapping[str, str]) -> Mapping[str, str]:
    """Return the columns of a table: the chosen fields, or else the usual ones."""
    return {path: path for path in paths} or otherwise


def picked(rows: Iterable[Any], paths: Sequence[str]) -> list[Any]:
    """Return rows with the chosen fields alone, by their paths; all fields if none are chosen."""
    return [{path: value_at(row, path) for path in paths} for row in rows] if paths else list(rows)


def value_at(row: Any, where: str) -> Any:
    """Return the value under a path; a list if there are several."""
    found = [value for path in where.split("+") for value in values_at(row, path.split("."))]
    return found[0] if len(found) == 1 else found or None


def require_known(paths: Sequence[str], shape: Any, rows: Sequence[Any]) -> None:
    """Check the chosen fields against the API's document and the first rows.

    Args:
        paths: the chosen fields.
        shape: the model of a row.
        rows: the first rows. Without any, nothing is checked.

    Raises:
        ValueError: neither the document nor any of the rows has such a field.
    """
    for path in paths if rows else ():
        names = [part.split(".") for part in path.split("+")]
        if any(_is_documented(shape, name) or any(_has(row, name) for row in rows) for name in names):
            continue
        known = {name.lower(): name for name in _names(shape)}
        near = get_close_matches(path.lower(), known, 1)
        hint = f"Did you mean {known[near[0]]}?" if near else "--json shows all fields."
        raise ValueError(f"there is no field {path!r}, neither in the API's document nor in the rows read. {hint}")


def _is_documented(shape: Any, names: Sequence[str]) -> bool:
    """Return whether a shape may have a value under a path of names. A union tells nothing, so it may."""
    if not names:
        return True
    if get_origin(shape) is list:
        return _is_documented(get_args(shape)[0], names)
    if not isinstance(shape, type):
        return True
    return issubclass(shape, Model) and any(
        each.wire == names[0] and _is_documented(each.shape, names[1:]) for each in shape.wire_fields()
    )


def _has(value: Any, names: Sequence[str]) -> bool:
    if not names:
        return True
    if isinstance(value, list):
        return any(_has(item, names) for item in value)
    return isinstance(value, dict) and names[0] in value and _has(value[names[0]], names[1:])


def _names(shape: Any, prefix: str = "", within: tuple[type, ...] = ()) -> Iterator[str]:
    """Yield the fields of a shape and of the objects in it, with dots."""
    if get_origin(shape) is list:
        yield from _names(get_args(shape)[0], prefix, within)
    elif isinstance(shape, type) and issubclass(shape, Model) and shape not in within:
        for each in shape.wire_fields():
            yield f"{prefix}{each.wire}"
            yield from _names(each.shape, f"{prefix}{each.wire}.", (*within, shape))
