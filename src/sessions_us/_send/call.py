"""What goes through the stages: a request, the call that carries it, and its answer. And what a stage is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from attrs import define, field, frozen

from ..errors import (
    CallAbandonedError,
    ClientClosedError,
    DecodeError,
    QuotaTimeoutError,
    SessionsError,
    StatusError,
    TransportError,
)
from ..events import CallEnded, CallEvent, CallStarted, Emit, Outcome, RequestRefused, logger
from ..quota import Lane
from .listener import log_event
from .trail import StartAgain
from .waiters import Caller, Waiters

if TYPE_CHECKING:
    from ..quota import Lease, Limiter
    from ..quota.clock import Clock
    from .options import Options
    from .trail import Trail

__all__ = ("Answer", "Call", "Identity", "Name", "OuterStage", "Request", "Stage", "Which")

_NUMBERS: Final = count(1)  # threads may draw from it at the same time

_OUTCOMES: Final[Mapping[type[BaseException], Outcome]] = {
    StatusError: "status_error",
    TransportError: "transport_error",
    DecodeError: "decode_error",
    QuotaTimeoutError: "refused",
    CallAbandonedError: "abandoned",
    ClientClosedError: "closed",
    asyncio.CancelledError: "cancelled",
}
"""How a call ended that got one of these errors."""


@frozen(eq=False, repr=False)
class Request:
    """A request to the API, before it is sent.

    Attributes:
        operation: its operationId, or method and path where the document has none.
        method: in capitals.
        path: percent-encoded, from `/api` on.
        params: the query.
        content: the JSON body, encoded; None is no body, and no Content-Type.
        repeatable: whether it may be sent again when nobody knows what became of it, and be shared: a read, in effect.
        invalidates: the reads, by operationId, that may answer differently once it has happened; None: all of them may.
        removes: whether it may take rows out of lists.
        headers: further ones.
    """

    operation: str
    method: str
    path: str
    params: Sequence[tuple[str, str]]
    content: bytes | None
    repeatable: bool
    invalidates: tuple[str, ...] | None = None
    removes: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@frozen
class Answer:
    """A 2xx answer.

    Attributes:
        status_code: 200 to 299.
        body: its bytes, decompressed.
        flaw: why the body is not whole, empty where it is.
        oddity: what was unusual about the body, though it is whole.
        request_id: the server's id of the request; None if it sent none.
    """

    status_code: int
    body: bytes = field(repr=False)  # a traceback that prints locals must not print it
    flaw: str = ""
    oddity: str = ""
    request_id: str | None = None


@frozen(eq=False, repr=False)
class Identity:
    """Whose call it is.

    Attributes:
        key: a digest of the API key, never the key.
        origin: of the server.
        is_guest: whether its writes concern what belongs to other keys.
    """

    key: str
    origin: str
    is_guest: bool

    def owns(self, name: Name, operation: str | None = None) -> bool:
        """Whether it is a read with this key at this origin."""
        return (name.key, name.origin) == (self.key, self.origin)


class Name(NamedTuple):
    """What makes two reads the same.

    Attributes:
        key: a digest of the API key, never the key.
        origin: of the server.
        method, path, params, body, headers: what is asked.
    """

    key: str
    origin: str
    method: str
    path: str
    params: tuple[tuple[str, str], ...]
    body: bytes | None
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Name({self.method} {self.path})"  # a traceback may show locals, and headers may be secrets


Which = Callable[[Name, str | None], bool]
"""Tells by its name, and by its operation where the document knows it, whether a read is meant."""


@define(eq=False, repr=False)
class Call:
    """One call on its way.

    Attributes:
        request: what is asked.
        options: how.
        identity: whose call it is.
        name: of its read.
        number: which no other call of this process has.
        began_at: when it began, on the client's clock.
        emit: gets its events.
        is_watched: whether the events that are no news to an operator are heard too.
        has_started: whether its start was told.
        answered_by: what its answer is due to, if there is one.
        waiters: who waits for the answer, with whose lane and deadline.
        abort_on: once this is done, nobody waits any more; None where the waiters have futures of their own.
        trail: the walk over a list that the call belongs to.
        attempt: how often it was sent, this time included; 0: not yet. What it saw of another call's attempts counts.
        failure: how the last of these failed, where that was another call's.
        lease: its place in the quota, for this attempt.
        is_hopeless: whether any further attempt would fail like this one.
        met_closed_connection: whether this attempt failed on a connection that the server had closed.
        queue: where it waits for places in the quota; None: it did not yet.
        stamp: of the copies that processes share, another one after each write; empty where they can't be used, or none are.
    """

    request: Request
    options: Options
    identity: Identity
    _lane: Lane
    _clock: Clock
    emit: Emit = log_event
    trail: Trail | None = None
    name: Name = field(init=False)
    number: int = field(factory=partial(next, _NUMBERS), init=False)
    began_at: float = field(init=False)
    is_watched: bool = field(init=False)
    has_started: bool = field(default=False, init=False)
    answered_by: Literal["answered", "shared", "cached"] = field(default="answered", init=False)
    waiters: Waiters[Answer] = field(init=False)
    abort_on: asyncio.Future[None] | None = field(init=False)
    attempt: int = field(default=0, init=False)
    failure: SessionsError | None = field(default=None, init=False)
    lease: Lease | None = field(default=None, init=False)
    met_closed_connection: bool = field(default=False, init=False)
    is_hopeless: bool = field(default=False, init=False)
    queue: Limiter | None = field(default=None, init=False)
    stamp: str = field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        request, options, whose = self.request, self.options, self.identity
        what = request.method, request.path, tuple(request.params), request.content, request.headers
        self.name = Name(whose.key, whose.origin, *what)
        self.began_at, wait, retries = self._clock.now(), options.max_wait, options.retries
        deadline = None if wait is None else self.began_at + wait
        caller: Caller[Answer] = Caller(deadline, options.timeout, retries.attempts, retries.total)
        self.waiters = Waiters(self._lane, caller, self._clock)
        self.is_watched = self.emit is not log_event or logger.isEnabledFor(logging.DEBUG)
        self.abort_on = options.abort_on

    @property
    def documented_operation(self) -> str | None:
        """The operation, None where the document does not know which one it is."""
        return None if self.request.invalidates is None else self.request.operation

    def concerns(self, name: Name, operation: str | None) -> bool:
        """Whether this write may change the answer to a read.

        Args:
            name: of the read.
            operation: whose read it is; None where the document does not know.
        """
        whose, invalidates = self.identity, self.request.invalidates
        if name.origin != whose.origin or not (whose.is_guest or name.key == whose.key):
            return False
        return invalidates is None or (operation is None and bool(invalidates)) or operation in invalidates

    def begin_again(self, joined: Call, outcome: BaseException) -> None:
        """The call that was joined came to nothing. The deadline stays, and so do the attempts that are left."""
        mine, retries = self.waiters.first, self.options.retries
        self.attempt = retries.attempts - mine.attempts
        self.failure = outcome if isinstance(outcome, StatusError | TransportError) else None
        self.lease = joined.lease
        caller: Caller[Answer] = Caller(mine.deadline, mine.timeout, mine.attempts, retries.total, mine.sent_at)
        self.waiters = Waiters(self.waiters.lane, caller, self._clock)

    def renewal(self) -> Call:
        """The same read, for no caller in particular."""
        return Call(self.request, self.options.for_nobody(), self.identity, "background", self._clock, self.emit)

    def tell(self, event: type[CallEvent], **fields: Any) -> None:
        """Emit an event of this call, after its start."""
        self.start()
        self.emit(event(call=self.number, operation=self.request.operation, **fields))

    def start(self) -> None:
        """Tell that it has started, if that was not told yet.

        A page of a list does not start where copies of an earlier walk don't go on: the list is read again, by other calls.
        """
        if self.is_watched and not self.has_started:
            self.has_started = True
            identity = self.identity
            self.tell(CallStarted, role="GUEST" if identity.is_guest else "USER", origin=identity.origin)

    def ended(self, outcome: Answer | BaseException) -> None:
        """Tell how it ended. A page whose list is read again from its beginning ended as its request did, if it had one.

        Args:
            outcome: the answer that was understood, or the error that the caller gets.
        """
        if isinstance(outcome, StartAgain):
            if outcome.failure is None:
                return
            outcome = outcome.failure
        if isinstance(outcome, QuotaTimeoutError):
            lane, position, retry_after = outcome.lane, outcome.position, outcome.retry_after
            self.tell(RequestRefused, lane=lane, position=position, retry_after=retry_after)
        if self.is_watched:
            self._tell_end(outcome, self._clock.now() - self.began_at)

    def _tell_end(self, outcome: Answer | BaseException, elapsed: float) -> None:
        error = outcome if isinstance(outcome, BaseException) else None
        kinds = (kind for error_type, kind in _OUTCOMES.items() if isinstance(error, error_type))
        self.tell(
            CallEnded,
            request_id=getattr(outcome, "request_id", None),
            outcome=self.answered_by if error is None else next(kinds, "failed"),
            status_code=getattr(outcome, "status_code", None),
            error=None if error is None else type(error).__name__,
            attempts=self.waiters.times_sent,
            waited=elapsed - self.waiters.flown,
            elapsed=elapsed,
        )

    async def raise_lane(self) -> None:
        """The lane of its waiters, or their deadline, is another one. The quota refuses those whose deadline cannot be met."""
        if self.queue is not None:
            await self.queue.raise_lane(self.waiters, self.waiters.lane)


class Stage(Protocol):
    """One step on the way of a call; the innermost one sends it."""

    async def send(self, call: Call) -> Answer:
        """The answer.

        Raises:
            SessionsError: there is none.
        """
        ...

    def check(self) -> None:
        """Raise at once what `send` would: the client is closed, or in use in another event loop."""
        ...

    async def aclose(self) -> None:
        """End what is in flight. A second call does nothing."""
        ...


@define(eq=False, repr=False)
class OuterStage:
    """What the stages around another one have in common: they are closed with it, and send only if it can.

    Args:
        inner: the stage inside.
    """

    _inner: Stage
    _closed: bool = field(default=False, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set, init=False)

    def check(self) -> None:
        if self._closed:
            raise ClientClosedError
        self._inner.check()

    async def aclose(self) -> None:
        self._closed = True
        try:
            await self._end()
        finally:
            await self._inner.aclose()

    async def _end(self) -> None:
        """End what this stage has begun."""
        tasks = [task for task in self._tasks if task.get_loop() is asyncio.get_running_loop()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that ends with the client. An eager one may be over when this returns."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
