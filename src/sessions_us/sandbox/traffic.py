"""What arrived: one frozen record for each request, in the order of arrival."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
        route: the path of the operation, such as `/api/sessions/{id}`; None if there is no such operation.
        number: counts the requests from 0.
        status: what was answered; None while it is in flight and when the connection was dropped instead.
        remaining: requests that are left in the key's window after this one; None if it was not counted.
        resets_in: seconds until the window ends, at arrival; None if it was not counted.
    """

    method: str
    path: str
    query: Mapping[str, str]
    query_string: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    key_role: KeyRole | None
    at: float
    route: str | None = None
    number: int = 0
    status: int | None = None
    remaining: int | None = None
    resets_in: int | None = None

    @property
    def json(self) -> Any:  # any JSON value
        """The body as JSON; None if there is none, or if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Traffic:
    """The record of requests; `arrived` and `answered` may come from different threads for different requests.

    Args:
        log: is called with each request that was answered, or whose connection was dropped.
    """

    def __init__(self, log: Callable[[ReceivedRequest], object] | None = None) -> None:
        self._records: dict[int, ReceivedRequest] = {}
        self._next = 0
        self._log = log

    def number(self) -> int:
        """Return the number of the next request."""
        self._next += 1
        return self._next - 1

    def arrived(self, record: ReceivedRequest) -> ReceivedRequest:
        """Keep a request."""
        self._records[record.number] = record
        if len(self._records) > _KEPT:
            del self._records[next(iter(self._records))]
        return record

    def answered(self, record: ReceivedRequest) -> None:
        """Keep how a request ended."""
        if record.number in self._records:
            self._records[record.number] = record
        if self._log is not None:
            self._log(record)

    def clear(self) -> None:
        self._records.clear()

    def records(self) -> list[ReceivedRequest]:
        return list(self._records.values())
