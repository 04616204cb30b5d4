"""What `on_event` hears: frozen values, one class for each thing worth knowing.

Events never hold a key, a body, or a value of a body. Fields may be added, so match on the class and name the fields.
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
    """The root of all events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQueued(ClientEvent):
    """A request waits for the quota.

    Attributes:
        lane: `interactive` or `background`.
        position: its place in the queue, 1 for the next.
        expected_wait: seconds until it can be sent at the earliest, None where that is not known yet.
        operation: the operation.
    """

    lane: str
    position: int
    expected_wait: float | None
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGranted(ClientEvent):
    """A request got its place in the quota, after `waited` seconds."""

    lane: str
    waited: float
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSent(ClientEvent):
    """A request goes out now. `attempt` counts from 1."""

    operation: str
    method: str
    path: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseReceived(ClientEvent):
    """An answer came back, `elapsed` seconds after the request was sent."""

    operation: str
    method: str
    path: str
    attempt: int
    status_code: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(ClientEvent):
    """A request will be sent again, in `delay` seconds at the earliest. `reason` is a status or a kind of failure."""

    operation: str
    attempt: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestThrottled(ClientEvent):
    """The server answered 429, and asked to wait `retry_after` seconds (None: it did not say)."""

    retry_after: float | None
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherClientsSeen(ClientEvent):
    """Somebody else uses this key: the server counted `used_by_others` requests more than we sent."""

    used_by_others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUnavailable(ClientEvent):
    """The store of a shared quota can't be reached; `reason` names the kind of failure."""

    store: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRecovered(ClientEvent):
    """The store of a shared quota can be reached again."""

    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseShared(ClientEvent):
    """A read got the answer to the same request of another call, so that nothing was sent for it."""

    operation: str
    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHit(ClientEvent):
    """A read got a copy of an earlier answer, `age` seconds old.

    Attributes:
        operation: the operation.
        age: seconds since the answer came.
        why: `fresh`: younger than `cache_ttl`; `stale-while-revalidate`: it is being renewed; `stale-if-error`: a new
            one could not be had.
    """

    operation: str
    age: float
    why: Reuse


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDrift(ClientEvent):
    """The server sent something that the document does not describe.

    Inside an object the raw value stays in `additional_properties` (but an id that came as a number is read as a string);
    a row of a paginated list stays in `page.raw`; what takes the place of a whole answer is given up.

    Attributes:
        operation: the operation whose answer it was.
        field: where, as a path of wire names: `participants[].guest.email`; empty for the whole body.
        problem: `unexpected type`, `unknown value`, `no id`, `envelope`, `no object`, …
    """

    operation: str
    field: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PagingSurprise(ClientEvent):
    """The pages of a list were not as described. No row is lost in silence by that, but the list may have cost more requests.

    Attributes:
        operation: the operation that reads the list.
        expected: what the document, or the pages before, let expect.
        came: what came instead.
    """

    operation: str
    expected: str
    came: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportProgress(ClientEvent):
    """An export got on.

    Attributes:
        resource: what it works on now: `sessions`, `rooms`, …
        stage: `listing`: it reads the list; `fetching`: it reads what belongs to each row; `verifying`: it reads the list
            again for what moved; `finishing`: it tidies the sink.
        done: rows of the resource that need no further request.
        total: rows of the resource; None until its list was read to the end for the first time.
        requests: what this run asked for so far, without retries.
        requests_left: an estimate; None until every list was read to the end for the first time.
        seconds_left: an estimate from the quota as it is known, for this run alone on the key; None where `requests_left` is.
    """

    resource: str
    stage: ExportStage
    done: int
    total: int | None
    requests: int
    requests_left: int | None
    seconds_left: float | None


def ignore(event: ClientEvent) -> None:
    """Nobody listens: what is dear to build for a listener need not be built for this one."""
