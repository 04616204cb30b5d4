"""Observability: the events that a client emits to its `on_event`. (`user.events` is a resource: the API's own events.)

Each event is a frozen dataclass. No event has a key, a body, or a value of a body. Later versions may add fields, so match on
the class and name the fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = (
    "CacheHit",
    "ClientEvent",
    "ExportProgress",
    "OtherClientsSeen",
    "PagingSurprise",
    "RequestGranted",
    "RequestQueued",
    "RequestSent",
    "RequestThrottled",
    "ResponseReceived",
    "ResponseShared",
    "RetryScheduled",
    "SchemaDrift",
    "StoreRecovered",
    "StoreUnavailable",
)

Emit = Callable[["ClientEvent"], None]
Reuse = Literal["fresh", "stale-while-revalidate", "stale-if-error"]
ExportStage = Literal["listing", "fetching", "verifying", "finishing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEvent:
    """The base class of all events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQueued(ClientEvent):
    """A request waits for the quota.

    Attributes:
        lane: `interactive` or `background`.
        position: position in the queue, from 1.
        expected_wait: lower bound of the wait in seconds; None if unknown yet.
        operation: the operation.
    """

    lane: str
    position: int
    expected_wait: float | None
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGranted(ClientEvent):
    """A request was granted a lease of the quota, after `waited` seconds."""

    lane: str
    waited: float
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSent(ClientEvent):
    """A request is sent now. `attempt` counts from 1."""

    operation: str
    method: str
    path: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseReceived(ClientEvent):
    """An answer was received, `elapsed` seconds after the request was sent."""

    operation: str
    method: str
    path: str
    attempt: int
    status_code: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(ClientEvent):
    """A request is sent again after at least `delay` seconds. `reason` is a status or a kind of failure."""

    operation: str
    attempt: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestThrottled(ClientEvent):
    """The server answered 429 and asked to wait `retry_after` seconds; None if it did not ask."""

    retry_after: float | None
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherClientsSeen(ClientEvent):
    """Other clients use this key: the server counted `used_by_others` requests more than this process sent."""

    used_by_others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUnavailable(ClientEvent):
    """The store of a shared quota can't be reached. `reason` is the kind of failure."""

    store: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRecovered(ClientEvent):
    """The store of a shared quota can be reached again."""

    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseShared(ClientEvent):
    """A read got the answer to the same request of another call. Nothing was sent for it."""

    operation: str
    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHit(ClientEvent):
    """A read got a copy of an earlier answer, `age` seconds old.

    Attributes:
        operation: the operation.
        age: seconds since the answer was received.
        why: `fresh`: younger than `cache_ttl`; `stale-while-revalidate`: a new answer is being fetched; `stale-if-error`: a
            new answer could not be fetched.
    """

    operation: str
    age: float
    why: Reuse


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDrift(ClientEvent):
    """The server sent something that the document does not describe.

    The raw value of a field stays in `additional_properties`; an id that is a number is read as a string. A row of a paginated
    list stays in `page.raw`. A body that is not understood as a whole is dropped.

    Attributes:
        operation: the operation that was answered.
        field: path of wire names, such as `participants[].guest.email`; empty for the whole body.
        problem: `unexpected type`, `unknown value`, `no id`, `envelope`, `no object`, …
    """

    operation: str
    field: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PagingSurprise(ClientEvent):
    """The pages of a list were not as documented. No row is lost in silence, but the list may need more requests.

    Attributes:
        operation: the operation that reads the list.
        expected: what the document or the earlier pages announced.
        came: what the server sent instead.
    """

    operation: str
    expected: str
    came: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportProgress(ClientEvent):
    """An export made progress.

    Attributes:
        resource: the current list: `sessions`, `rooms`, …
        stage: `listing`: the list is read; `fetching`: the children of each row are read; `verifying`: the list is read again
            for rows that moved; `finishing`: the sink is finished.
        done: rows of the resource that need no further request.
        total: rows of the resource; None until its list was read to the end once.
        requests: requests of this run so far, without retries.
        requests_left: an estimate; None until every list was read to the end once.
        seconds_left: an estimate from the current quota, if no other client uses the key; None if `requests_left` is.
    """

    resource: str
    stage: ExportStage
    done: int
    total: int | None
    requests: int
    requests_left: int | None
    seconds_left: float | None


def ignore(event: ClientEvent) -> None:
    """Drop an event. Code that builds costly events can skip that for this listener."""
