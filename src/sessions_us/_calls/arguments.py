"""What callers pass in, checked and turned into what goes out: ids, date-times, JSON bodies, slugs. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final, TypeVar

from sessions_us_api.types import Model

from ..errors import InvalidIdError

__all__ = (
    "Extra",
    "encode",
    "json_body",
    "moment",
    "path_id",
    "schedule",
    "several",
    "slug_from",
    "wire_datetime",
    "wire_name",
    "wire_value",
)

T = TypeVar("T")

Extra = Mapping[str, Any]
"""Fields beyond the typed ones, by their wire names; any JSON value, sent as it is."""

_LONGEST_ID: Final = 4096  # characters
_CONTROL_OR_SURROGATE = r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"  # all of Unicode's categories Cc and Cs


def path_id(value: str, name: str = "id") -> str:
    """The id, if it can stand in a path without changing which path it is.

    Ids are opaque: everything else is percent-encoded when the URL is made.

    Raises:
        InvalidIdError: it is empty, `.`, `..`, longer than 4,096 characters, or has control characters or lone surrogates.
        TypeError: it is no string.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if value in {"", ".", ".."}:
        raise InvalidIdError(f"{name} must not be {value!r}: that would address another path")
    if len(value) > _LONGEST_ID:
        raise InvalidIdError(f"{name} is {len(value)} characters long, and at most {_LONGEST_ID} can be sent")
    if not value.isprintable() and re.search(_CONTROL_OR_SURROGATE, value):
        raise InvalidIdError(f"{name} must not hold control characters")
    return str.__str__(value)  # of an enum's member that is a string, `str()` need not give the text


def wire_datetime(value: datetime, name: str = "date-time") -> str:
    """An aware date-time as the API writes it: UTC, milliseconds, `Z`.

    Raises:
        ValueError: the date-time is naive, so that nobody can know which moment it means.
    """
    if value.utcoffset() is None:
        raise ValueError(f"{name} has no time zone. Give an aware one, such as datetime(2026, 5, 4, 9, tzinfo=UTC)")
    try:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        raise ValueError(f"{name} is no year of UTC's calendar") from None


def moment(value: object, name: str) -> str | None:
    """A moment as the API writes it, from an aware date-time or from ISO 8601 with an offset. None stays None.

    Raises:
        ValueError: it is anything else, so that nobody can know which moment it means.
    """
    if value is None:
        return None
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise ValueError(f"{name} is an aware datetime, or a string such as '2026-05-04T09:00:00Z'")
    return wire_datetime(value, name)


def json_body(fields: Mapping[str, object], extra: Extra | None = None) -> dict[str, Any] | None:
    """The JSON object of a request: the typed fields that were given, then `extra` over them as it is.

    None means "not given" and is left out; a null goes through `extra`. With nothing to say there is no body at all.
    """
    body = {wire: wire_value(value, wire) for wire, value in fields.items() if value is not None}
    if extra is not None:
        if not isinstance(extra, Mapping):
            raise TypeError(f"extra must map wire names to JSON values, not be a {type(extra).__name__}")
        body.update((wire_name(wire, "extra"), wire_value(value, wire)) for wire, value in extra.items())
    return body or None


def schedule(start_at: object, planned_end: object, time_zone: str | None) -> dict[str, object]:
    """The fields that say when something takes place."""
    return {
        "startAt": moment(start_at, "start_at"),
        "plannedEnd": moment(planned_end, "planned_end"),
        "timeZone": time_zone,
    }


def encode(body: object) -> bytes:
    """The body as it goes out.

    Raises:
        ValueError, TypeError: it holds something that is no JSON (NaN too), before anything is sent.
    """
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def several(value: Iterable[T] | None, name: str) -> list[T] | None:
    """Several values, as they go into an array.

    Raises:
        TypeError: it is one string, which would go out letter by letter or as no array at all.
    """
    if isinstance(value, str | bytes | Mapping):
        raise TypeError(f"{name} takes several values: write {name}=[…] even for one")
    return None if value is None else list(value)


def wire_name(name: object, place: str) -> str:
    """The name of a field, or of a parameter.

    Args:
        name: what was given for one.
        place: where, for the error.

    Raises:
        ValueError, TypeError: it has lone surrogates, or is no string.
    """
    if not isinstance(name, str):
        raise TypeError(f"{place} can't be sent: a name in it is no string, but a {type(name).__name__}")
    return _text(name, f"a name in {place}")


def wire_value(value: object, name: str) -> object:
    """A value as JSON has it: date-times in UTC, models under their wire names, a zone as its name.

    Raises:
        ValueError: a date-time is naive, a string has lone surrogates, or the value is too deep.
        TypeError: JSON has no such value.
    """
    try:
        return _wire_value(value, name)
    except RecursionError:
        pass
    raise ValueError(f"{name} is nested too deeply, or holds itself")


def _wire_value(value: object, name: str) -> object:
    match value:
        case datetime():
            return wire_datetime(value, name)
        case date():
            return value.isoformat()
        case str():
            return _text(value, name)
        case Model():
            return value.to_dict()
        case tzinfo() if isinstance(key := getattr(value, "key", None), str):  # a ZoneInfo, but that is slow to import
            return key
        case Mapping():
            return {wire_name(key, name): _wire_value(item, f"{name}.{key}") for key, item in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [_wire_value(item, f"{name}[]") for item in value]
        case bool() | int() | float() | None:
            return value
        case _:
            raise TypeError(f"{name} can't be sent: it is a {type(value).__name__}")


def _text(value: str, name: str) -> str:
    if not value.isascii() and re.search(r"[\ud800-\udfff]", value):
        raise ValueError(f"{name} must not hold lone surrogates")
    return str.__str__(value)  # an enum's member is its value, whatever its `str()` is


def slug_from(name: str) -> str:
    """The slug that the API's own integrations make of a name: lower case, ASCII word characters, single hyphens.

    Raises:
        ValueError: nothing is left of the name, so that a slug must be given.
    """
    words = re.sub(r"[^\w\s-]", "", name.strip().lower(), flags=re.ASCII)
    slug = re.sub(r"[\s-]+", "-", words, flags=re.ASCII).strip("-")
    if not slug:
        raise ValueError("no slug can be made of this name: pass slug='…' (letters, digits, hyphens)")
    return slug
