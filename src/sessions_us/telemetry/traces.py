"""Spans of calls, of their waits and of their attempts.

A call is a span of the kind INTERNAL, and the current one while its caller waits. So the spans of its waits and attempts are its
children, whether this module makes them or, of attempts, opentelemetry-instrumentation-httpx does.

The open call is kept in the context of OpenTelemetry (`contextvars`). A task that sends a read has the context of the caller that
began it, so what it tells finds its call there, and what another caller tells finds another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from opentelemetry import context, trace

from .. import __version__
from ..events import (
    CacheHit,
    CallEnded,
    CallEvent,
    CallStarted,
    ClientEvent,
    RequestFailed,
    RequestGranted,
    RequestQueued,
    RequestRefused,
    RequestSent,
    RequestThrottled,
    ResponseReceived,
    ResponseShared,
    RetryScheduled,
    SchemaDrift,
)
from .names import Attributes, Operation, known, operation_of, server_of

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, TracerProvider

__all__ = ("Traces",)

_HTTPX: Final = "opentelemetry.instrumentation.httpx"


@define(eq=False, repr=False)
class _Call:
    """A call, as its context has it.

    Attributes:
        number: of the call.
        operation: what it calls.
        http: the attributes of its attempts.
        span: of the call.
        token: takes it out of the context of its caller.
        wait, attempt: the spans that are open.
        is_over: whether its span has ended. Its request may go on for other callers.
    """

    number: int
    operation: Operation
    http: Attributes
    span: Span
    token: Token[Context] | None = field(default=None, init=False)
    wait: Span | None = field(default=None, init=False)
    attempt: Span | None = field(default=None, init=False)
    is_over: bool = field(default=False, init=False)

    def waits(self, span: Span | None) -> None:
        """From now on it waits for this; None: for nothing."""
        if self.wait is not None:
            self.wait.end()
        self.wait = span


class Traces:
    """Makes spans of events.

    Args:
        provider: where spans go; None: to the one that the application has set.
        attempts: whether attempts get spans; None: unless httpx is instrumented.
        on_attempt: gets the seconds and the attributes of each attempt that is traced here.

    Attributes:
        makers: what takes each kind of event.
    """

    def __init__(
        self, provider: TracerProvider | None, attempts: bool | None, on_attempt: Callable[[float, Attributes], None]
    ) -> None:
        self._tracer = trace.get_tracer("sessions_us", __version__, provider)
        self._attempts = attempts
        self._on_attempt = on_attempt
        self._key = context.create_key("sessions_us call")
        self.makers: Mapping[type[ClientEvent], Callable[[Any], None]] = {
            CallStarted: self._started,
            RequestQueued: self._queued,
            RequestGranted: self._granted,
            RequestSent: self._sent,
            ResponseReceived: self._received,
            RequestThrottled: self._throttled,
            RequestFailed: self._failed,
            RetryScheduled: self._retried,
            ResponseShared: self._shared,
            CacheHit: self._cached,
            SchemaDrift: self._drifted,
            RequestRefused: self._refused,
            CallEnded: self._ended,
        }

    # -- calls -------------------------------------------------------------------------------------------------------

    def _started(self, event: CallStarted) -> None:
        operation, server = operation_of(event.operation), server_of(event.origin)
        http: Attributes = {
            "http.request.method": operation.method,
            "server.address": server.address,
            "server.port": server.port,
        }
        if operation.template is not None:
            http["url.template"] = operation.template
        own = known(operation=operation.name, call=event.call, role=event.role)
        span = self._tracer.start_span(operation.name, attributes={**http, **own})
        call = _Call(event.call, operation, http, span)
        call.token = context.attach(context.set_value(self._key, call, trace.set_span_in_context(span)))

    def _ended(self, event: CallEnded) -> None:
        call = self._call(event)
        if call is None or call.token is None:
            return
        call.waits(None)
        call.span.set_attributes(known(outcome=event.outcome, attempts=event.attempts, waited=event.waited))
        _end(call.span, event.status_code, event.error)
        call.is_over = True
        context.detach(call.token)

    def _call(self, event: CallEvent) -> _Call | None:
        """The call whose event this is, if it was traced from its start."""
        call = context.get_value(self._key)
        return call if isinstance(call, _Call) and call.number == event.call else None

    def _note(self, event: CallEvent, name: str, **attributes: str | float | None) -> None:
        """Add an event to the span of its call."""
        call = self._call(event)
        if call is not None and not call.is_over:
            call.span.add_event(f"sessions_us.{name}", known(**attributes))

    def _shared(self, event: ResponseShared) -> None:
        self._note(event, "shared", joined=event.joined)

    def _cached(self, event: CacheHit) -> None:
        self._note(event, "cache_hit", age=event.age, why=event.why)

    def _drifted(self, event: SchemaDrift) -> None:
        self._note(event, "drift")  # where and what is in the log: names of fields may be the server's own

    def _refused(self, event: RequestRefused) -> None:
        self._note(event, "refused", lane=event.lane, position=event.position, retry_after=event.retry_after)

    # -- waits -------------------------------------------------------------------------------------------------------

    def _queued(self, event: RequestQueued) -> None:
        if (call := self._call(event)) is not None:
            place = known(lane=event.lane, position=event.position, expected_wait=event.expected_wait)
            call.waits(self._tracer.start_span("wait for the quota", attributes=place))

    def _granted(self, event: RequestGranted) -> None:
        if (call := self._call(event)) is not None:
            call.waits(None)

    def _retried(self, event: RetryScheduled) -> None:
        self._note(event, "retry", attempt=event.attempt, delay=event.delay, reason=event.reason)
        waits = event.delay > 0 and event.reason != "429"  # after a 429 it waits for the quota alone
        if waits and (call := self._call(event)) is not None:
            why = known(delay=event.delay, reason=event.reason)
            call.waits(self._tracer.start_span("wait for a retry", attributes=why))

    # -- attempts ----------------------------------------------------------------------------------------------------

    def _sent(self, event: RequestSent) -> None:
        call = self._call(event)
        traced = self._attempts if self._attempts is not None else not _is_httpx_instrumented()
        if call is None or not traced:
            return
        resent = {} if event.attempt == 1 else {"http.request.resend_count": event.attempt - 1}
        name = " ".join(filter(None, (call.operation.method, call.operation.template)))
        call.attempt = self._tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes={**call.http, **resent})

    def _received(self, event: ResponseReceived) -> None:
        error = str(event.status_code) if event.status_code >= 400 else None
        self._end_attempt(event, event.elapsed, event.status_code, error)

    def _failed(self, event: RequestFailed) -> None:
        if not self._end_attempt(event, event.elapsed, None, event.reason):
            self._note(event, "failed", attempt=event.attempt, reason=event.reason, sent=event.sent)

    def _throttled(self, event: RequestThrottled) -> None:
        self._note(event, "throttled", retry_after=event.retry_after)

    def _end_attempt(self, event: CallEvent, elapsed: float, status: int | None, error: str | None) -> bool:
        """End the span of an attempt. Returns False if none is open: its headers came before, or another library traces it."""
        call = self._call(event)
        if call is None or call.attempt is None:
            return False
        attempt, call.attempt = call.attempt, None
        outcome: Attributes = {} if status is None else {"http.response.status_code": status}
        self._on_attempt(elapsed, {**call.http, **outcome, **({} if error is None else {"error.type": error})})
        _end(attempt, status, error)
        return True


def _end(span: Span, status: int | None, error: str | None) -> None:
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(trace.StatusCode.ERROR)
    span.end()


def _is_httpx_instrumented() -> bool:
    """Whether another library makes a span of each request of httpx's own transports."""
    module: Any = sys.modules.get(_HTTPX)
    return module is not None and bool(module.HTTPXClientInstrumentor().is_instrumented_by_opentelemetry)
