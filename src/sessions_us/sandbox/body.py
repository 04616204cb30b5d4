"""Reading the JSON body of a request: every wrong field is named in one answer, as validators of such servers do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from typing import Any, Literal, overload
from zoneinfo import ZoneInfo

from .fields import FIELDS
from .refusals import Refusal

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_SLUG = re.compile(r"[\w-]+")


# What a reader gives in place of a required value that is missing or wrong; `check` lets none of them through.
_NO_TEXT, _NO_MOMENT = "", datetime.min.replace(tzinfo=UTC)


class Body:
    """The fields of a request; readers return None for what is absent or null, and collect what is wrong for `check`.

    What is read is worth something only after `check`. Unknown fields are kept, because no source lists the known ones.

    Args:
        fields: of the request.
        hint: what may be behind anything that is wrong.
    """

    def __init__(self, fields: Mapping[str, Any], hint: str | None = None) -> None:
        self._fields = fields
        self._hint = hint
        self._wrong: list[str] = []

    def unknown(self, resource: str) -> dict[str, Any]:
        """Return the fields that the sandbox does not know of a resource, `timezone` aside, which is understood."""
        known = FIELDS[resource]
        return {name: value for name, value in self._fields.items() if name not in known and name != "timezone"}

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    @property
    def fields(self) -> Mapping[str, Any]:
        """All fields as they came."""
        return self._fields

    @property
    def problems(self) -> Sequence[str]:
        """The messages collected so far."""
        return self._wrong

    def get(self, name: str) -> Any:
        """Return the raw value of a field; None if it is absent."""
        return self._fields.get(name)

    def wrong(self, message: str) -> None:
        self._wrong.append(message)

    def check(self) -> None:
        """Refuse with 400 and every message collected so far, and with the hint, if there is one."""
        if self._wrong:
            raise Refusal(400, [*self._wrong, *([self._hint] if self._hint else [])])

    @overload
    def text(self, name: str, *, required: Literal[True]) -> str: ...
    @overload
    def text(self, name: str, *, required: bool = False, nullable: bool = False) -> str | None: ...
    def text(self, name: str, *, required: bool = False, nullable: bool = False) -> str | None:
        """A string that is not blank, unless `nullable`, which allows the empty string."""
        value = self._fields.get(name)
        if not required and value is None:
            return None
        if name not in self._fields:
            self._wrong.append(f"{name} should not be empty")
        if not isinstance(value, str):
            self._wrong.append(f"{name} must be a string")
        elif not nullable and not value.strip():
            self._wrong.append(f"{name} should not be empty")
        else:
            return value
        return _NO_TEXT if required else None

    def flag(self, name: str) -> bool | None:
        value = self._fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        self._wrong.append(f"{name} must be a boolean value")
        return None

    def number(self, name: str) -> float | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        self._wrong.append(f"{name} must be a number")
        return None

    def whole(self, name: str, *, least: int, most: int) -> int | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self._wrong.append(f"{name} must be an integer number from {least} to {most}")
        return None

    @overload
    def moment(self, name: str, *, required: Literal[True], day: timedelta | None = None) -> datetime: ...
    @overload
    def moment(self, name: str, *, required: bool = False, day: timedelta | None = None) -> datetime | None: ...
    def moment(self, name: str, *, required: bool = False, day: timedelta | None = None) -> datetime | None:
        """A date-time; a naive one is taken as UTC. A bare date is taken, plus `day`, only where `day` is given.

        What is finer than a millisecond is cut off, as it is in answers: so what is kept is what is shown."""
        value = self._fields.get(name)
        if value is None and not required:
            return None
        if isinstance(value, str):
            try:
                if day is not None and len(value) == len("2026-01-31"):
                    moment = datetime.combine(date.fromisoformat(value), time(), UTC) + day
                else:
                    moment = datetime.fromisoformat(value)
                    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
                # At the ends, another zone or what follows would be no date any more.
                if MINYEAR < moment.year < MAXYEAR:
                    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            except (ValueError, OverflowError):
                pass
        self._wrong.append(f"{name} must be a valid ISO 8601 date string")
        return _NO_MOMENT if required else None

    def moved(self, name: str, moment: datetime, by: timedelta) -> datetime | None:
        """Return the moment of a field that another field moves along; wrong if there is no such moment."""
        try:
            if (later := moment + by).year < MAXYEAR:
                return later
        except OverflowError:
            pass
        self._wrong.append(f"{name}, which moves along, would be no valid ISO 8601 date string")
        return None

    def zone(self) -> str | None:
        """`timeZone`, or the older spelling `timezone`: an IANA name."""
        name = "timeZone" if "timeZone" in self._fields else "timezone"
        value = self.text(name)
        if value is not None and not is_zone(value):
            self._wrong.append("timeZone must be a valid IANA time-zone")
            return None
        return value

    def slug(self) -> str | None:
        """The short part of a slug; a namespace in front of it is dropped."""
        value = self.text("slug", nullable=True)
        if not value:
            return None
        short = value.rpartition("/")[2]
        if not _SLUG.fullmatch(short):
            self._wrong.append("slug must contain only letters, numbers, underscores and hyphens")
            return None
        return short

    @overload
    def email(self, name: str, *, required: Literal[True]) -> str: ...
    @overload
    def email(self, name: str, *, required: bool = False) -> str | None: ...
    def email(self, name: str, *, required: bool = False) -> str | None:
        value = self.text(name, required=required)
        if value and not _EMAIL.fullmatch(value):
            self._wrong.append(f"{name} must be an email")
        return value

    def texts(self, name: str, *, emails: bool = False) -> list[str]:
        values = self._array(name)
        if not all(isinstance(value, str) and value for value in values):
            self._wrong.append(f"each value in {name} must be a string")
            return []
        if emails and not all(_EMAIL.fullmatch(value) for value in values):
            self._wrong.append(f"each value in {name} must be an email")
            return []
        return values

    def objects(self, name: str) -> list[dict[str, Any]]:
        values = self._array(name)
        if not all(isinstance(value, dict) for value in values):
            self._wrong.append(f"each value in {name} must be an object")
            return []
        return values

    def mixed(self, name: str) -> list[str | dict[str, Any]]:
        """Strings or objects, as a booking's guests may be."""
        values = self._array(name)
        if not all(isinstance(value, str | dict) for value in values):
            self._wrong.append(f"each value in {name} must be a string or an object")
            return []
        return values

    def _array(self, name: str) -> list[Any]:
        value = self._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong.append(f"{name} must be an array")
            return []
        return value


def is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def parse(content: bytes, media_type: str) -> Mapping[str, Any]:
    """The fields of a body. One that does not say that it is JSON is not looked at, as servers of this kind do."""
    if not content or not is_json(media_type):
        return {}
    try:
        fields = json.loads(content)
        # What could not be given back is refused here: half a surrogate pair, a number beyond JSON's, nesting without end.
        json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Refusal(400, "The body is not valid JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise Refusal(400, "The body must be a JSON object")
    return fields


def with_query(fields: Mapping[str, Any], query: Sequence[tuple[str, str]], arrays: Sequence[str]) -> Mapping[str, Any]:
    """The body's fields, completed from the query: where the identities of a DELETE travel is not known."""
    merged = dict(fields)
    for name, value in query:
        if name in fields:
            continue
        if name in arrays:
            merged.setdefault(name, []).append(value)
        else:
            merged[name] = value
    return merged


def is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
