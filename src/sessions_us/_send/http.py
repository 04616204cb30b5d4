"""The one place that knows httpx: sends, tries again, and turns every failure into one of our errors."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx
from attrs import field, frozen

from .. import __version__
from .._calls.options import Options
from ..errors import (
    ClientClosedError,
    ConfigurationError,
    QuotaTimeoutError,
    RequestTimeoutError,
    SessionsError,
    StatusError,
    TransportError,
)
from ..events import Emit, RequestSent, ResponseReceived, RetryScheduled
from ..keys import ApiKey
from ..quota import Lane, Lease, Limiter
from ..quota.rules.headers import parse_retry_after
from .adapters import Borrowed, KeyAuth, Trace
from .body import read_body
from .cancel_scope import cancel_scope
from .origin import Origin
from .shield import shield
from .waiters import Waiters

__all__ = ("Answer", "Request", "Transport", "encode")

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_REQUEST_IDS = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray")


@frozen
class Request:
    """One call of the API, before it is sent.

    Attributes:
        operation: its operationId, or method and path where the document has none.
        method: in capitals.
        path: percent-encoded, from `/api` on.
        params: the query.
        body: the JSON body; None is no body, and no Content-Type.
        repeatable: a read, in effect: it may be sent again when nobody knows what became of it, and be shared.
        invalidates: the reads, by operationId, that may answer differently once it has happened; None where nobody knows.
        removes: whether it may take rows out of lists.
    """

    operation: str
    method: str
    path: str
    params: Sequence[tuple[str, str]]
    body: object | None
    repeatable: bool
    invalidates: tuple[str, ...] | None = None
    removes: bool = False


@frozen
class Answer:
    """A 2xx answer.

    Attributes:
        status_code: 200 to 299.
        body: its bytes, decompressed.
        flaw: why the body is not whole, empty where it is.
    """

    status_code: int
    body: bytes = field(repr=False)  # a traceback that prints locals must not print it
    flaw: str = ""


class Transport:
    """Sends requests of one key to one origin, through the limiter that all users of the key share."""

    def __init__(
        self,
        *,
        origin: Origin,
        key: ApiKey,
        limiter: Limiter,
        emit: Emit,
        transport: httpx.AsyncBaseTransport | None = None,
        max_body: int = 32 * 1024 * 1024,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.origin = origin
        self.limiter = limiter
        self._key = key
        self._emit = emit
        self._transport = transport
        self._max_body = max_body
        self._jitter = jitter
        self._http: httpx.AsyncClient | None = None
        self._busy: dict[httpx.AsyncClient, int] = {}  # how many exchanges each has in flight
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def fingerprint(self, purpose: str) -> str:
        """A name for the key at its origin that can't be turned back, different for each purpose."""
        return f"{self.origin}{self.origin.prefix}#{self._key.digest(purpose)}"

    async def send(
        self,
        request: Request,
        options: Options,
        lane: Lane,
        waiters: Waiters[Answer] | None = None,
        *,
        on_sent: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Sends it, as often as the retry policy allows, each time with a place in the quota.

        Args:
            request, options, lane: what to send, and how.
            waiters: those who wait for the answer, where they may be several; their lane goes before `lane`.
            on_sent: called when an attempt begins.

        Raises:
            QuotaTimeoutError: nothing was sent, because waiting would take longer than `max_wait`.
            StatusError, TransportError: how the last attempt failed.
            ClientClosedError: the client was closed.
        """
        policy = options.retries
        url = self.origin.url(request.path)
        content = None if request.body is None else encode(request.body)
        waited, arrival, front = 0.0, None, False
        failure: SessionsError | None = None
        last_start: float | None = None  # on the limiter's clock: no retry starts later
        for attempt in range(1, policy.attempts + 1):
            own_deadline = None if options.max_wait is None else self.limiter.now() + options.max_wait - waited
            deadline = min((moment for moment in (own_deadline, last_start) if moment is not None), default=None)
            self.check()
            try:
                async with cancel_scope(options.abort_on, lane):
                    lease = await self.limiter.acquire(
                        lane=lane if waiters is None else waiters.lane,
                        deadline=deadline,
                        arrival=arrival,
                        front=front,
                        timeout=options.timeout,
                        operation=request.operation,
                        emit=self._emit,
                        owner=self,
                        callers=waiters,
                    )
            except QuotaTimeoutError:
                if failure is None:
                    raise
                break  # it was sent, and that is what the caller must know
            try:
                http = self._client()  # not the one from before the wait, which may be closed by now
            except SessionsError:
                await lease.refund()
                raise
            waited, arrival = waited + lease.waited, lease.arrival
            if last_start is None and policy.total is not None:
                last_start = self.limiter.now() + policy.total
            trace = Trace(reliable=self._transport is None)
            on_sent()
            if waiters is not None:
                waiters.sent()
            outcome = await self._attempt(http, request, url, content, lease, options.timeout, attempt, trace)
            if isinstance(outcome, Answer):
                return outcome
            failure = outcome
            pause = policy.delay(
                failure,
                attempt=attempt,
                repeatable=request.repeatable,
                jitter=self._jitter(),
                stale=trace.met_a_closed_connection and not isinstance(failure, RequestTimeoutError),
            )
            if pause is None or (options.max_wait is not None and waited + pause > options.max_wait):
                break
            if last_start is not None and self.limiter.now() + pause > last_start:
                break
            if waiters is not None and not waiters.failed(failure, pause):
                break
            reason = str(failure.status_code) if isinstance(failure, StatusError) else type(failure).__name__
            self._emit(RetryScheduled(operation=request.operation, attempt=attempt + 1, delay=pause, reason=reason))
            front = isinstance(failure, StatusError) and failure.status_code == 429
            if pause > 0:
                await asyncio.sleep(pause)
                waited += pause
        assert failure is not None  # noqa: S101  # a policy has at least one attempt
        raise failure

    def check(self) -> None:
        """Raises what a call would: ClientClosedError, ConfigurationError for an event loop that it can't use."""
        self._client()

    def redact(self, said: str) -> str:
        """What a server said, without the key in it."""
        return self._key.redact(said)

    def redact_bytes(self, said: bytes) -> bytes:
        """The same for a body."""
        return self._key.redact_bytes(said)

    async def aclose(self) -> None:
        """Fails what waits and closes the connections. A second call does nothing."""
        self._closed = True
        await self.limiter.leave(self)
        http, self._http = self._http, None
        if http is not None and self._loop is asyncio.get_running_loop():
            await http.aclose()

    async def _attempt(
        self,
        http: httpx.AsyncClient,
        request: Request,
        url: str,
        content: bytes | None,
        lease: Lease,
        timeout: float,
        attempt: int,
        trace: Trace,
    ) -> Answer | SessionsError:
        """Sends once, and ends the lease once whatever happens. Failures are returned, so that no frame of httpx's,
        which hold the headers, is part of any traceback."""
        said, method, path = self._key.redact, request.method, request.path
        expected = True
        self._emit(RequestSent(operation=request.operation, method=method, path=path, attempt=attempt))
        exchange = self._exchange(http, request, url, content, lease, attempt, trace)
        try:
            return await self._in_time(http, timeout, exchange)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as caught:
            problem: Exception = caught
        except Exception as caught:  # a bug, or the caller's own transport: raised without the frames that hold the key
            problem, expected = caught.with_traceback(None), False
            problem.__cause__ = problem.__context__ = None
        except BaseException:
            await lease.unknown()  # cancelled on the way: the server may have counted it
            raise
        if not expected:
            await lease.unknown()
            raise problem
        left = trace.answered or not (isinstance(problem, _NEVER_LEFT) or (trace.reliable and not trace.left))
        await (lease.unknown() if left else lease.refund())
        text = said(f"{type(problem).__name__}: {problem}".removesuffix(": "))
        if isinstance(problem, TimeoutError | httpx.TimeoutException):
            return RequestTimeoutError(
                f"{method} {path} took longer than {timeout:g} s",
                sent="unknown" if left else "no",
                method=method,
                path=path,
            )
        return TransportError(
            f"{method} {path} got no usable answer ({text})", sent="unknown" if left else "no", method=method, path=path
        )

    async def _in_time(
        self, http: httpx.AsyncClient, timeout: float, exchange: Coroutine[Any, Any, Answer | SessionsError]
    ) -> Answer | SessionsError:
        """An exchange in time. One that is cut off at the wrong moment leaves a connection in the pool that is neither used nor
        free, and twenty of them are a client that never sends again: so that pool is closed when its last exchange is over."""
        self._busy[http] = self._busy.get(http, 0) + 1
        try:
            async with asyncio.timeout(timeout):
                return await exchange
        except (TimeoutError, asyncio.CancelledError):
            if self._http is http:
                self._http = None
            raise
        finally:
            self._busy[http] -= 1
            if not self._busy[http]:
                del self._busy[http]
                if self._http is not http:
                    await shield(http.aclose())

    async def _exchange(
        self,
        http: httpx.AsyncClient,
        request: Request,
        url: str,
        content: bytes | None,
        lease: Lease,
        attempt: int,
        trace: Trace,
    ) -> Answer | SessionsError:
        """One request and its answer; raises what httpx raises. A connection is given back whatever happens."""
        started = self.limiter.now()
        outgoing = http.build_request(
            request.method,
            url,
            params=list(request.params) or None,
            content=content,
            headers={"content-type": "application/json"} if content is not None else None,
            extensions={"trace": trace} if trace.reliable else None,
        )
        response = await http.send(outgoing, stream=True)
        try:
            trace.answered = True
            status, headers = response.status_code, response.headers
            await lease.done(status, headers.multi_items())
            self._emit(
                ResponseReceived(
                    operation=request.operation,
                    method=request.method,
                    path=request.path,
                    attempt=attempt,
                    status_code=status,
                    elapsed=self.limiter.now() - started,
                )
            )
            if response.is_stream_consumed:  # a transport of the caller's own gave it whole
                body, whole = response.content[: self._max_body], len(response.content) <= self._max_body
            else:
                # Not aiter_raw(), which closes at the end, where a cancellation would leak the connection.
                stream: AsyncGenerator[bytes, None] = response.stream.__aiter__()  # type: ignore[union-attr, assignment]
                body, whole = await read_body(stream, headers.get("content-encoding", ""), self._max_body)
        finally:
            await response.aclose()
        return self._outcome(request, status, headers, body, whole)

    def _outcome(
        self, request: Request, status: int, headers: httpx.Headers, body: bytes, whole: bool
    ) -> Answer | SessionsError:
        if 200 <= status <= 299:
            flaw = "" if whole else f"the body is compressed wrongly, or longer than {self._max_body} bytes"
            return Answer(status, body, flaw)
        clean = {name: self._key.redact(value) for name, value in headers.items()}
        try:
            said: Any = self._key.redact_json(json.loads(body))
        except (ValueError, RecursionError):
            said = self._key.redact(body.decode(errors="replace"))
        request_id = next((clean[name] for name in _REQUEST_IDS if name in clean), None)
        hint = f" (request {request_id})" if request_id else ""
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

    def _client(self) -> httpx.AsyncClient:
        """The connections of the running event loop; those of a loop that has ended are forgotten."""
        if self._closed:
            raise ClientClosedError("the client was closed; make a new one")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError("this client needs a running asyncio event loop; trio is not supported") from None
        if self._http is None or self._loop is not loop:
            if self._loop is not None and self._loop.is_running() and self._loop is not loop:
                raise ConfigurationError("this client is in use in another event loop; make one client for each")
            self._loop = loop
            tls = self.origin.scheme == "https"
            self._http = httpx.AsyncClient(
                auth=KeyAuth(self._key, self.origin),
                headers={"accept": "application/json", "accept-encoding": "gzip", "user-agent": _user_agent()},
                timeout=None,  # noqa: S113  # the whole attempt is timed, not its parts
                follow_redirects=False,
                # A server closes idle connections after 5 s; a write that meets that moment would be ambiguous.
                limits=httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=2.0),
                trust_env=tls,  # a proxy would read a key that travels in the clear
                # In the clear nobody shows a certificate, and to read those that are trusted takes longer than many calls.
                verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                transport=None if self._transport is None else Borrowed(self._transport),
            )
            self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))  # an API client has no sessions
        return self._http


def encode(body: object) -> bytes:
    """Raises: ValueError, TypeError: it holds something that is no JSON (NaN too), before anything is sent."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def after_write(request: Request) -> str:
    """What a caller must know when the answer to a write can't be used: it happened all the same."""
    return "" if request.repeatable else " (the write happened)"


def _message(said: object) -> str:
    """What the server said went wrong, short: `message` of its usual error body, or the beginning of any text."""
    if isinstance(said, dict):
        said = said.get("message") or said.get("error")
    text = "; ".join(map(str, said)) if isinstance(said, list) else said if isinstance(said, str) else ""
    text = " ".join(text.split())
    return f": {text[:200]}{'…' if len(text) > 200 else ''}" if text and not text.startswith("<") else ""


def _user_agent() -> str:
    return f"sessions-us/{__version__} python/{sys.version_info.major}.{sys.version_info.minor}"
