"""Failures on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    what: int | Drop
    times: int
    method: str | None
    path: str | None
    body: bytes
    media_type: str
    headers: Mapping[str, str]
    counted: bool

    @staticmethod
    def usual_body(what: int | Drop) -> bytes:
        if not isinstance(what, int) or what in {204, 304}:  # these have no body by their nature
            return b""
        return json.dumps(Refusal(what, "On demand").body()).encode()

    def concerns(self, method: str, path: str, *, counted: bool) -> bool:
        return (
            self.times > 0
            and self.counted == counted
            and (self.method is None or self.method == method)
            and (self.path is None or fnmatchcase(path, self.path))
        )


class FaultPlan:
    """The faults to come; the first that concerns a request is spent on it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, method: str, path: str, *, counted: bool) -> Fault | None:
        for fault in self._faults:
            if fault.concerns(method, path, counted=counted):
                fault.times -= 1
                return fault
        return None
