"""One attempt over httpx: every failure becomes one of our errors. What happens to it is heard from httpcore."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from typing import Any

import httpx
from attrs import define

from .._foreign_text import escaped
from ..errors import RequestTimeoutError, Sent, SessionsError, StatusError, TransportError
from ..events import CallEvent, RequestFailed, RequestSent, RequestThrottled, ResponseReceived
from ..keys import ApiKey
from ..quota.rules.headers import parse_retry_after
from .body import AnswerBody, decoded, parsed, read
from .call import Answer, Call, Request
from .connections import Connections

__all__ = ("Http",)

_FAILURES = (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
_REQUEST_IDS = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray")
_LONGEST_ID = 200  # characters
_MOST_BYTES = 32 * 1024 * 1024


@define(eq=False, repr=False)
class _Attempt:
    """One attempt. It listens to httpcore: whether anything of the request left this machine, and on what connection.

    What replaces httpcore says nothing, and silence proves nothing.

    Attributes:
        started: when it began, on the client's clock.
        heard: httpcore said something of this request.
        left: the request's first byte may be on its way.
        fresh: a connection was opened for it.
        answered: the headers of an answer came.
        response: the answer, once httpx gave it; its body may be missing.
    """

    started: float
    heard: bool = False
    left: bool = False
    fresh: bool = False
    answered: bool = False
    response: httpx.Response | None = None

    @property
    def never_left(self) -> bool:
        """Whether the request was heard to fail before its first byte was sent."""
        return self.heard and not self.left and not self.answered

    @property
    def met_a_closed_connection(self) -> bool:
        """Whether a failure may be no more than an idle connection that the server had closed."""
        return self.left and not self.fresh and not self.answered

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Hear what httpcore does."""
        self.heard = True
        if name.endswith("send_request_headers.started"):
            self.left |= info["request"].method != b"CONNECT"  # that tells a proxy nothing of the request
        elif name.startswith("connection."):
            self.fresh = True
        elif name.endswith("receive_response_headers.complete"):
            self.answered = self.left


@define(eq=False, repr=False)
class Http:
    """The innermost stage: it sends a call once, and ends the lease of the attempt whatever happens.

    Args:
        connections: of one key to one origin.
        key: the key, to redact what the server says.
        now: tells the client's clock, in seconds.
        max_body: the greatest number of bytes of a body, decompressed.
    """

    _connections: Connections
    _key: ApiKey
    _now: Callable[[], float]
    _max_body: int = _MOST_BYTES

    async def send(self, call: Call) -> Answer:
        """The answer to one attempt.

        Raises:
            StatusError, TransportError: there is none with a 2xx status.
        """
        outcome = await self._attempt(call)
        try:
            if isinstance(outcome, Answer):
                return outcome
            raise outcome
        finally:
            del outcome  # an error that a frame of its own traceback holds would live on

    def check(self) -> None:
        self._connections.client()

    async def aclose(self) -> None:
        await self._connections.aclose()

    async def _attempt(self, call: Call) -> Answer | Exception:
        """Failures are returned, so that no frame of httpx, which holds the headers, is part of any traceback."""
        request, lease, attempt = call.request, call.lease, _Attempt(self._now())
        assert lease is not None  # noqa: S101  # the stage outside takes one for each attempt
        if call.is_watched:
            call.tell(RequestSent, method=request.method, path=request.path, attempt=call.attempt)
        try:
            return await self._connections.exchange(call.options.timeout, partial(self._exchange, call, attempt))
        except Exception as caught:
            problem = caught
        except BaseException as caught:
            self._tell_failed(call, attempt, caught, sent="unknown")
            _drop_frames(caught)
            await lease.unknown()  # cancelled on the way: the server may have counted it
            raise
        try:
            return await self._failed(call, attempt, problem)
        finally:
            _drop_frames(problem)
            del problem  # this frame is in the traceback of the error that the caller gets

    async def _failed(self, call: Call, attempt: _Attempt, problem: Exception) -> Answer | Exception:
        """End the lease of an attempt that broke off, and return what that means."""
        request, lease, response = call.request, call.lease, attempt.response
        assert lease is not None  # noqa: S101
        is_ours = isinstance(problem, _FAILURES)  # else a bug, or the caller's own transport
        sent: Sent = "no" if is_ours and attempt.never_left else "unknown"
        self._tell_failed(call, attempt, problem, sent=sent)
        await (lease.refund() if sent == "no" else lease.unknown())
        if not is_ours:
            return problem
        if response is not None and not (response.is_success and request.repeatable):
            return self._outcome(request, response, AnswerBody(b"", f"the body broke off ({type(problem).__name__})"))
        call.met_closed_connection = attempt.met_a_closed_connection
        call.is_hopeless = _asks_for_a_password(problem)
        failure = self._failure(call, problem, sent)
        failure.request_id = None if response is None else self._request_id(response)
        return failure

    async def _exchange(self, call: Call, attempt: _Attempt, http: httpx.AsyncClient) -> Answer | SessionsError:
        """One request and its response; raises what httpx raises. The connection is given back whatever happens."""
        assert call.lease is not None  # noqa: S101
        outgoing = self._connections.request(call.request, attempt.trace)
        response = attempt.response = await http.send(outgoing, stream=True)
        try:
            attempt.answered = True
            status = response.status_code
            await call.lease.done(status, response.headers.multi_items())
            if call.is_watched or status == 429:
                self._tell_received(call, attempt, response)
            body = await self._body(response)
        finally:
            await response.aclose()
            response.stream = httpx.ByteStream(b"")  # it holds the response, and so do the extensions
            outgoing.extensions = {}
        return self._outcome(call.request, response, body)

    def _outcome(self, request: Request, response: httpx.Response, body: AnswerBody) -> Answer | StatusError:
        """What the status says, whatever became of the body."""
        if response.is_success:
            return Answer(response.status_code, *body, self._request_id(response))
        return self._refusal(request, response, body.content)

    def _request_id(self, response: httpx.Response) -> str | None:
        """The server's id of the request, redacted and bounded."""
        headers, names = response.headers, response.headers.keys()
        return next((self._key.redact(headers[name])[:_LONGEST_ID] for name in _REQUEST_IDS if name in names), None)

    async def _body(self, response: httpx.Response) -> AnswerBody:
        if response.is_stream_consumed:  # a transport of the caller's own gave it whole, and decompressed
            whole = response.content
            return AnswerBody(whole) if len(whole) <= self._max_body else decoded(whole, "", self._max_body)
        # Not aiter_raw(), which closes at the end, where a cancellation would leak the connection.
        stream: AsyncGenerator[bytes, None] = response.stream.__aiter__()  # type: ignore[union-attr, assignment]
        return await read(stream, self._key.redact(response.headers.get("content-encoding", "")), self._max_body)

    def _failure(self, call: Call, problem: Exception, sent: Sent) -> TransportError:
        """No response came, or none that could be used."""
        method, path = call.request.method, call.request.path
        if isinstance(problem, TimeoutError | httpx.TimeoutException):
            message = f"{method} {path} took longer than {call.options.timeout:g} s"
            return RequestTimeoutError(message, sent=sent, method=method, path=path)
        said = escaped(self._key.redact(f"{type(problem).__name__}: {problem}".removesuffix(": ")))
        proxy = self._connections.proxy if isinstance(problem, httpx.ConnectError | httpx.ProxyError) else ""
        by = f" from the proxy of {proxy}" if proxy else ""
        return TransportError(f"{method} {path} got no usable answer{by} ({said})", sent=sent, method=method, path=path)

    def _tell_received(self, call: Call, attempt: _Attempt, response: httpx.Response) -> None:
        status, request_id = response.status_code, self._request_id(response)
        self._tell(call, attempt, ResponseReceived, request_id=request_id, status_code=status)
        if status == 429:
            pause = parse_retry_after(response.headers.multi_items())
            call.tell(RequestThrottled, request_id=request_id, retry_after=pause)

    def _tell_failed(self, call: Call, attempt: _Attempt, problem: BaseException, *, sent: Sent) -> None:
        request_id = None if attempt.response is None else self._request_id(attempt.response)
        self._tell(call, attempt, RequestFailed, request_id=request_id, reason=type(problem).__name__, sent=sent)

    def _tell(self, call: Call, attempt: _Attempt, event: type[CallEvent], **fields: Any) -> None:
        """Tell how an attempt went, unless nobody listens."""
        if call.is_watched:
            request, elapsed = call.request, self._now() - attempt.started
            what = {"method": request.method, "path": request.path, "attempt": call.attempt}
            call.tell(event, **what, elapsed=elapsed, **fields)

    def _refusal(self, request: Request, response: httpx.Response, body: bytes) -> StatusError:
        """The error of a status, with what the server said, redacted."""
        status, headers, request_id = response.status_code, response.headers, self._request_id(response)
        clean = {self._key.redact_name(name): self._key.redact(value) for name, value in headers.items()}
        try:
            said: Any = self._key.redact_json(parsed(body))
        except (ValueError, RecursionError):
            said = self._key.redact(body.decode(errors="replace"))
        hint = f" (request {escaped(request_id)})" if request_id else ""
        return StatusError.of(status)(
            f"{request.method} {request.path} answered {status}{_message(said)}{hint}",
            status_code=status,
            body=said,
            headers=clean,
            method=request.method,
            path=request.path,
            request_id=request_id,
            retry_after=parse_retry_after(headers.multi_items()),
        )


def _drop_frames(problem: BaseException) -> None:
    """Take the tracebacks off an error and all that led to it. Their frames hold the key, the body, and the error itself.

    Cancellations stay linked: anyio looks through those that led to one for its own.
    """
    chain: list[BaseException | None] = [problem]
    seen = set[int]()
    while chain:
        if (error := chain.pop()) is not None and id(error) not in seen:
            seen.add(id(error))
            chain += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
            error.__traceback__ = None
            if not isinstance(error, asyncio.CancelledError):
                error.__cause__ = error.__context__ = None


def _asks_for_a_password(problem: Exception) -> bool:
    """Whether a proxy refused to connect without a user and a password: it will not do so the next time."""
    return isinstance(problem, httpx.ProxyError) and str(problem).startswith("407")


def _message(said: object) -> str:
    """What the server said went wrong, short: `message` of its usual error body, or the beginning of any text."""
    if isinstance(said, dict):
        said = said.get("message") or said.get("error")
    text = "; ".join(map(str, said)) if isinstance(said, list) else said if isinstance(said, str) else ""
    text = " ".join(text.split())
    return f": {escaped(text)}" if text and not text.startswith("<") else ""
