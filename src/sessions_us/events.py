"""Observability: the events that a client emits to its `on_event`. (`user.events` is a resource: the API's own events.)

Each event is a frozen dataclass. No event has a key, a body, or a value of a body. Later versions may add fields, so match on
the class and name the fields.

The events of one call carry its number, and come in this order. Each part may be missing but the first and the last:

    attempt:  RequestQueued, RequestGranted, RequestSent, then ResponseReceived or RequestFailed
    call:     CallStarted, attempt, (RetryScheduled, attempt) …, ResponseShared, CacheHit, SchemaDrift …, RequestRefused,
              CallEnded

A RequestThrottled follows a ResponseReceived of 429, and a RequestFailed one whose body broke off. Each RequestSent is followed
by a ResponseReceived or a RequestFailed. Each call begins with one CallStarted and ends with one CallEnded, whatever its end.
The requests of a read that several calls share carry the number of the call that began it. If that call ends first and another
one still waits, they go on with its number, after its CallEnded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from ._foreign_text import escaped
from .errors import Sent

__all__ = (
    "CacheHit",
    "CallEnded",
    "CallEvent",
    "CallStarted",
    "ClientEvent",
    "ExportProgress",
    "OtherClientsSeen",
    "PagingSurprise",
    "RequestFailed",
    "RequestGranted",
    "RequestQueued",
    "RequestRefused",
    "RequestSent",
    "RequestThrottled",
    "ResponseReceived",
    "ResponseShared",
    "RetryScheduled",
    "SchemaDrift",
    "StoreRecovered",
    "StoreUnavailable",
)

logger: Final = logging.getLogger("sessions_us")
"""The log of this library, beside the events."""

Emit = Callable[["ClientEvent"], None]
Reuse = Literal["fresh", "stale-while-revalidate", "stale-if-error"]
Outcome = Literal[
    "answered",
    "shared",
    "cached",
    "status_error",
    "transport_error",
    "decode_error",
    "refused",
    "abandoned",
    "cancelled",
    "closed",
    "failed",
]
ExportStage = Literal["listing", "fetching", "verifying", "finishing"]
Role = Literal["USER", "GUEST"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEvent:
    """The base class of all events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(ClientEvent):
    """The base class of the events of a call: of one method's, of one page of a list, or of a renewal of a copy.

    Attributes:
        call: the number of the call, which no other call of this process has, whatever its client or thread.
        operation: its operationId, or method and path where the document has none.
        request_id: the server's id of the request, where an answer came that has one; that of the original for a copy.
    """

    call: int
    operation: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(CallEvent):
    """A call has started. Each call has one, and it is the first of its events.

    It is emitted in the task and the context (`contextvars`) of the caller, as `CallEnded` is. The events between them may come
    from a task that began in that context.

    Attributes:
        role: of the key: `USER` or `GUEST`.
        origin: of the server, such as `https://api.app.sessions.us`.
    """

    role: Role
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQueued(CallEvent):
    """A request waits for the quota.

    Attributes:
        lane: `interactive` or `background`.
        position: position in the queue, from 1.
        expected_wait: lower bound of the wait in seconds; None if unknown yet.
    """

    lane: str
    position: int
    expected_wait: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(CallEvent):
    """A call fails with a `QuotaTimeoutError`: nothing was sent, because waiting for the quota would exceed `max_wait`.

    Attributes:
        lane: `interactive` or `background`.
        position: position in the queue, from 1.
        retry_after: seconds until the earliest moment at which the request could be sent; None if unknown.
    """

    lane: str
    position: int
    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGranted(CallEvent):
    """A request was granted a lease of the quota, after `waited` seconds."""

    lane: str
    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSent(CallEvent):
    """A request is sent now. `attempt` counts from 1."""

    method: str
    path: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseReceived(CallEvent):
    """An answer was received, `elapsed` seconds after the request was sent. Its body may still break off."""

    method: str
    path: str
    attempt: int
    status_code: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed(CallEvent):
    """An attempt got no answer, or one whose body broke off, or was cancelled in flight.

    Attributes:
        method, path, attempt: as in `RequestSent`.
        reason: the kind of failure: `ConnectError`, `ReadError`, `TimeoutError`, `CancelledError`, …
        sent: `no` if the request provably never left this machine, `unknown` if the server may have acted on it.
        elapsed: seconds since the request was sent.
    """

    method: str
    path: str
    attempt: int
    reason: str
    sent: Sent
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(CallEvent):
    """A request is sent again after at least `delay` seconds. `reason` is a status or a kind of failure.

    `delay` is the pause before it asks for a place in the quota; where there is none, as after a 429, what is known of its wait.
    There is no such event where the next attempt is known to come too late for `max_wait`: the call ends with the failure.
    """

    attempt: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestThrottled(CallEvent):
    """The server answered 429 and asked to wait `retry_after` seconds; None if it did not ask."""

    retry_after: float | None


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
    """The store of a shared quota can be reached again, after `elapsed` seconds."""

    store: str
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseShared(CallEvent):
    """A read got the answer, or the failure, of the same request of another call, whose number is `joined`.

    Nothing was sent for it.
    """

    method: str
    path: str
    joined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHit(CallEvent):
    """A read got a copy of an earlier answer, `age` seconds old.

    Attributes:
        age: seconds since the answer was received.
        why: `fresh`: younger than `cache_ttl`; `stale-while-revalidate`: a new answer is being fetched; `stale-if-error`: a
            new answer could not be fetched.
    """

    age: float
    why: Reuse


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDrift(CallEvent):
    """The server sent something that the document does not describe.

    The raw value of a field stays in `additional_properties`; an id that is a number is read as a string. A row of a paginated
    list stays in `page.raw`. A body that is not understood as a whole is dropped.

    Attributes:
        call: the number of the call; 0 for a webhook, whose trigger is the `operation`.
        field: path of wire names, such as `participants[].guest.email`; empty for the whole body.
        problem: `unexpected type`, `unknown value`, `no id`, `envelope`, `no object`, …
    """

    call: int = 0
    field: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallEvent):
    """A call has ended. Each call has one, and it is the last of its events, but for requests that others still wait for.

    Attributes:
        outcome: `answered`: by the server; `shared`: with the answer to the same request of another call; `cached`: with a copy;
            `status_error`: the status was not 2xx; `transport_error`: no usable answer; `decode_error`: an answer that was not
            understood; `refused`: see `RequestRefused`; `abandoned`: nobody waited any more (`abort_on`); `cancelled`; `closed`:
            the client was; `failed`: any other exception.
        status_code: the status of the answer; None where there was none.
        error: the class of the error that the caller gets, such as `NotFoundError`; None where there is a result.
        attempts: how often this call sent its request.
        waited: seconds for which it had no request of its own in flight: for the quota, a back-off, a `Retry-After`, or the
            request of another call.
        elapsed: seconds in all.
    """

    outcome: Outcome
    status_code: int | None
    error: str | None
    attempts: int
    waited: float
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PagingSurprise(ClientEvent):
    """The pages of a list were not as documented. No row is lost in silence, but the list may need more requests.

    A list is a call for each page, so this is no event of one call.

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


def subject(event: CallEvent) -> str:
    """Return what a line of the log begins with. Without an operationId it has the method alone, because a path has ids."""
    request = "" if event.request_id is None else f", request {escaped(event.request_id)}"
    return f"{event.operation.partition(' ')[0]} (call {event.call}{request})"


def ignore(event: ClientEvent) -> None:
    """Drop an event. Code that builds costly events can skip that for this listener."""
