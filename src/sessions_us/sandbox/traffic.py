"""What arrived: one frozen record for each request, in the order of arrival."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

KeyRole = Literal["user", "guest"]

# A sandbox may run for days; what a test or a demo looks at is recent.
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived.

    Attributes:
        method: in capitals.
        path: as sent, percent-encoding included, without the query.
        query: the query's parameters, decoded; the last value of each.
        query_string: the query as sent.
        headers: case-insensitive. They hold the key, so the representation leaves them out.
        body: the bytes.
        key_role: which of the sandbox's keys came with it; None for a missing or unknown key.
        at: arrival, in seconds since the epoch by the sandbox's clock.
        status: what was answered; None while it is in flight and when the connection was dropped instead.
    """

    method: str
    path: str
    query: Mapping[str, str]
    query_string: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    key_role: KeyRole | None
    at: float
    status: int | None = None

    @property
    def json(self) -> Any:  # any JSON value
        """The body as JSON; None if there is none, or if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Traffic:
    """The record of requests; `arrived` and `answered` may come from different threads for different requests."""

    def __init__(self) -> None:
        self._records: dict[int, ReceivedRequest] = {}
        self._next = 0

    def arrived(self, record: ReceivedRequest) -> int:
        number, self._next = self._next, self._next + 1
        self._records[number] = record
        if len(self._records) > _KEPT:
            del self._records[next(iter(self._records))]
        return number

    def answered(self, number: int, status: int) -> None:
        if number in self._records:
            self._records[number] = replace(self._records[number], status=status)

    def clear(self) -> None:
        self._records.clear()

    def records(self) -> list[ReceivedRequest]:
        return list(self._records.values())
