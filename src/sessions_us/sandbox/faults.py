"""Failures on demand."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from .refusals import Refusal

Drop = Literal["reset", "lost", "cut"]
DROPS = ("reset", "lost", "cut")


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
    path: str | None
    body: bytes
    media_type: str
    headers: Mapping[str, str]
    counted: bool
    delay: float = 0.0
    chance: float = 1.0

    @staticmethod
    def usual_body(what: int | Drop | None) -> bytes:
        if not isinstance(what, int) or what in {204, 304}:  # these have no body by their nature
            return b""
        return json.dumps(Refusal(what, "On demand").body()).encode()

    def concerns(self, method: str, path: str, *, counted: bool) -> bool:
        return (
            self.times != 0
            and self.counted == counted
            and (self.method is None or self.method == method)
            and (self.path is None or fnmatchcase(path.removesuffix("/"), self.path.removesuffix("/")))
        )


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
    """Whether a path that fits `pattern`, in which `*` is anything, fits `template` too, in which `{id}` is one segment."""
    wanted = list(re.sub(r"\[.+?\]", "?", pattern.removesuffix("/")))
    there = [*template.partition("{id}")[0], *(["{id}"] if "{id}" in template else []), *template.partition("{id}")[2]]

    @functools.cache
    def fits(i: int, j: int) -> bool:
        if i == len(wanted):
            return j == len(there)
        if wanted[i] == "*":
            return fits(i + 1, j) or (j < len(there) and fits(i, j + 1))
        if j == len(there):
            return False
        if there[j] == "{id}":
            return wanted[i] != "/" and (fits(i + 1, j) or fits(i + 1, j + 1))
        return wanted[i] in ("?", there[j]) and fits(i + 1, j + 1)

    return fits(0, 0)
