"""Failures on demand."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Literal

from .refusals import Refusal
from .routes import ROUTES, id_place, written

Drop = Literal["reset", "lost", "cut"]
DROPS = ("reset", "lost", "cut")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE = re.compile(r"[\t\x20-\x7e]*")
_SEGMENT = re.compile(r"\{[^/{}]+\}")
_FRAMING = ("content-length", "transfer-encoding")


class ConnectionDropped(Exception):
    """Nothing more is sent on this connection; `abrupt` as by a crash (a reset), otherwise closed in order."""

    def __init__(self, *, abrupt: bool) -> None:
        super().__init__(abrupt)
        self.abrupt = abrupt


@dataclass(slots=True)
class Fault:
    """A failure to come. `what` is None where only the answer is late; `times` is None for ever."""

    what: int | Drop | None
    times: int | None
    method: str | None
    path: re.Pattern[str] | None
    body: bytes
    media_type: str
    headers: Mapping[str, str]
    counted: bool
    delay: float = 0.0
    chance: float = 1.0

    def concerns(self, method: str, path: str, *, counted: bool) -> bool:
        return (
            self.times != 0
            and self.counted == counted
            and (self.method is None or self.method == method)
            and (self.path is None or self.path.fullmatch(written(path)) is not None)
        )


def fault_of(
    status: int | Drop | None,
    *,
    delay: float,
    times: int | None,
    chance: float,
    method: str | None,
    path: str | None,
    body: str | bytes | None,
    headers: Mapping[str, str],
    counted: bool,
) -> Fault:
    """Make the fault that the arguments of `Sandbox.fail` ask for.

    Raises:
        ValueError: an argument makes no sense, or no operation has this method and path.
    """
    _check_numbers(status, delay, times, chance)
    if not isinstance(counted, bool):
        raise ValueError(f"counted must be True or False, not {counted!r}")
    _check_operation(method, path)
    given = _headers(headers)
    media_type = given.pop("content-type", "application/json; charset=utf-8")
    content = _usual_body(status) if body is None else body.encode() if isinstance(body, str) else body
    verb = method.upper() if method else None
    wanted = None if path is None else _pattern(path)
    return Fault(status, times, verb, wanted, content, media_type, given, counted, float(delay), chance)


def _check_numbers(status: int | Drop | None, delay: float, times: int | None, chance: float) -> None:
    if isinstance(status, str) and status not in DROPS:
        raise ValueError(f"status must be a number or one of {', '.join(DROPS)}, not {status!r}")
    if isinstance(status, int) and not 200 <= status <= 599:
        raise ValueError(f"status must be from 200 to 599, not {status}")
    if not (math.isfinite(delay) and delay >= 0):
        raise ValueError(f"delay must be 0 or more seconds, not {delay}")
    if status is None and not delay:
        raise ValueError("a fault needs a status or a delay")
    if times is not None and times < 1:
        raise ValueError(f"times must be at least 1, not {times}")
    if not 0 < chance <= 1:
        raise ValueError(f"chance must be more than 0, and 1 at most, not {chance}")


def _check_operation(method: str | None, path: str | None) -> None:
    """Refuse a fault that no request to an operation can meet."""
    for verb, template in ROUTES:
        if (method is None or verb == method.upper()) and (path is None or can_match(path, template)):
            return
    asked = " ".join(filter(None, (method, path)))
    hint = "" if path is None or path.startswith(("/api", "*")) else ": a path begins with /api"
    raise ValueError(f"no operation is {asked}, so the fault would never be met{hint}")


def _pattern(path: str) -> re.Pattern[str]:
    """Return what paths match, as routes write them: `*` is anything, `{name}` one segment."""
    is_id_told = "*" not in "/".join(path.split("/")[: id_place(path)])  # else nobody knows which letters are the id's
    pattern = translate(_SEGMENT.sub("\0", written(path))).replace("\0", "[^/]+")
    return re.compile(pattern, re.NOFLAG if is_id_told else re.IGNORECASE)


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their names in lower case. Refuse those that can't be sent, or that would belie the body."""
    for name, value in given.items():
        if not _NAME.fullmatch(name) or not _LINE.fullmatch(value):
            raise ValueError(f"headers must have names, and one line of ASCII each, unlike {name!r}: {value!r}")
        if name.lower() in _FRAMING:
            raise ValueError(f"headers can't have {name!r}: the sandbox sets it to fit the body; see the status 'cut'")
    return {name.lower(): value.strip() for name, value in given.items()}


def _usual_body(status: int | Drop | None) -> bytes:
    if not isinstance(status, int) or status in {204, 304}:  # these have no body by their nature
        return b""
    return json.dumps(Refusal(status, "On demand").body()).encode()


class FaultPlan:
    """The faults to come; the first that concerns a request is spent on it.

    Args:
        draw: returns numbers from 0 to below 1, for the faults that come by chance.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._faults: list[Fault] = []
        self._draw = draw

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, method: str, path: str, *, counted: bool) -> Fault | None:
        for fault in self._faults:
            if fault.concerns(method, path, counted=counted) and (fault.chance >= 1 or self._draw() < fault.chance):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


def can_match(pattern: str, template: str) -> bool:
    """Whether a path that fits `pattern`, in which `*` is anything and `{name}` one segment, fits `template`, in which `{id}` is
    one segment."""
    wanted = list(re.sub(r"\[.+?\]", "?", _SEGMENT.sub("\0", pattern.removesuffix("/").lower())))
    there = [*template.partition("{id}")[0], *(["{id}"] if "{id}" in template else []), *template.partition("{id}")[2]]

    @functools.cache
    def fits(i: int, j: int) -> bool:
        if i == len(wanted):
            return j == len(there)
        if wanted[i] == "*":
            return fits(i + 1, j) or (j < len(there) and fits(i, j + 1))
        if j == len(there):
            return False
        if wanted[i] == "\0":
            return there[j] != "/" and (fits(i, j + 1) or fits(i + 1, j + 1))
        if there[j] == "{id}":
            return wanted[i] != "/" and (fits(i + 1, j) or fits(i + 1, j + 1))
        return wanted[i] in ("?", there[j]) and fits(i + 1, j + 1)

    return fits(0, 0)
