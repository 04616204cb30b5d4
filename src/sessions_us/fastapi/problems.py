"""Turn errors into responses: `application/problem+json` (RFC 9457) with no more than a visitor may know."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from .._foreign_text import escaped
from ..errors import (
    CallAbandonedError,
    ClientClosedError,
    DecodeError,
    InvalidIdError,
    PagingError,
    QuotaTimeoutError,
    RateLimitedError,
    RequestTimeoutError,
    SessionsError,
    StatusError,
    TransportError,
)

__all__ = ("Problem", "install_error_handlers", "problem_of")

_logger = logging.getLogger("sessions_us")

_UNKNOWN_WAIT: Final = 60.0  # seconds: the window that the API documents
_THEIRS: Final = {
    400: "Sessions did not accept this.",
    404: "There is no such thing, or not any more.",
    409: "This is not possible as things stand.",
    422: "Sessions did not accept this.",
}
"""The statuses of Sessions that a visitor may see, with a text for each."""


@frozen
class Problem:
    """A response to a failed call. Of the answer of Sessions it has only the kind of failure.

    Attributes:
        status: the HTTP status.
        detail: a sentence for the visitor.
        retry_after: whole seconds, at least 1, before a retry makes sense; None if a retry makes no sense.
    """

    status: int
    detail: str
    retry_after: int | None = None

    @property
    def title(self) -> str:
        """The reason phrase of the status."""
        return HTTPStatus(self.status).phrase

    def response(self) -> Response:
        """Return the problem as `application/problem+json`."""
        headers = {"cache-control": "no-store"}
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        content = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return JSONResponse(content, self.status, headers, media_type="application/problem+json")


def problem_of(error: SessionsError | InvalidIdError) -> Problem:
    """Return the problem of an error, for error handlers of the application, for instance in HTML.

    | error | status |
    |---|---|
    | `QuotaTimeoutError`, Sessions' 429 | 503 with Retry-After |
    | Sessions' 400, 404, 409, 422 | the same |
    | any other status of Sessions, `DecodeError`, `PagingError`, `TransportError` | 502 |
    | `RequestTimeoutError` | 504 |
    | `ClientClosedError` | 503 |
    | `InvalidIdError` | 404 |
    | `CallAbandonedError` | 503, which the visitor who left never sees |
    | any other | 500 |
    """
    match error:
        case QuotaTimeoutError():
            wait = _whole_seconds(error.retry_after, 1.0)
            why = "Too many are waiting" if error.position > 1 else "Sessions can't be asked now"
            return Problem(503, f"{why}. Nothing was done; try again in {_said(wait)}.", wait)
        case RateLimitedError():
            wait = _whole_seconds(error.retry_after, _UNKNOWN_WAIT)
            return Problem(503, f"Sessions takes no more requests now; try again in {_said(wait)}.", wait)
        case StatusError() if error.status_code in _THEIRS:
            return Problem(error.status_code, _THEIRS[error.status_code])
        case TransportError():
            return Problem(504 if isinstance(error, RequestTimeoutError) else 502, _unanswered(error))
        case StatusError() | DecodeError() | PagingError():
            return Problem(502, _failed(error))
        case InvalidIdError():
            return Problem(404, "There is no such thing.")
        case CallAbandonedError():
            return Problem(503, "Nobody waits for this any more.")
        case ClientClosedError():
            return Problem(503, "This service is shutting down.")
        case _:
            return Problem(500, "This service can't do this.")


def install_error_handlers(app: Starlette) -> None:
    """Install handlers for the errors that clients raise in endpoints; see `problem_of`.

    `ConfigurationError`, and `ValueError` for a bad argument other than an id, are not handled: they are bugs of the
    application. A handler that is added later for one of the classes replaces this one. Failures of Sessions are logged (logger
    `sessions_us`) with the template of the route, the status and the request id, and without paths, which have ids. An open
    WebSocket is closed with 1013 (try again later) or 1011.
    """
    handler: Any = _answer  # for requests and WebSockets, which Starlette's types keep apart
    for kind in (
        QuotaTimeoutError,
        CallAbandonedError,
        StatusError,
        TransportError,
        DecodeError,
        PagingError,
        ClientClosedError,
        InvalidIdError,
    ):
        app.add_exception_handler(kind, handler)


async def _answer(connection: Request | WebSocket, error: Exception) -> Response | None:
    if not isinstance(error, SessionsError | InvalidIdError):  # a handler gets what it is registered for
        raise error
    problem = problem_of(error)
    if isinstance(error, StatusError | TransportError | DecodeError) and problem.status >= 500:
        _logger.warning("%s in %s: %s", type(error).__name__, _place(connection), _known(error))
    if isinstance(connection, WebSocket):
        await connection.close(1013 if problem.status == 503 else 1011)
        return None
    return problem.response()


def _place(connection: Request | WebSocket) -> str:
    """Return what was asked of this application: the method, and the template of the route, without what a visitor filled in."""
    scope = connection.scope
    template = getattr(scope.get("route"), "path", None) or getattr(scope.get("endpoint"), "__name__", "no route")
    return f"{scope.get('method', 'WebSocket')} {template}"


def _known(error: StatusError | TransportError | DecodeError) -> str:
    """Return what is known of the answer of Sessions, for the operator."""
    request = "" if error.request_id is None else f" (request {escaped(error.request_id)})"
    if isinstance(error, TransportError):
        return f"no usable answer to a {error.method}, sent: {error.sent}{request}"
    return f"{error.status_code} answered a {error.method}{request}"


def _unanswered(error: TransportError) -> str:
    if error.sent == "no":
        return "Sessions could not be reached, so nothing was done."
    why = "did not answer in time" if isinstance(error, RequestTimeoutError) else "gave no usable answer"
    return f"Sessions {why}, so it is not known what was done."


def _failed(error: StatusError | DecodeError | PagingError) -> str:
    match error:
        case StatusError():
            failed = "Sessions failed, so it is not known what was done."
            return failed if error.status_code >= 500 else "Sessions refused this."
        case DecodeError() if error.method != "GET":
            return "Sessions did this, but its answer could not be understood."
        case DecodeError():
            return "The answer of Sessions could not be understood."
        case PagingError():
            return "A list of Sessions has no end."


def _whole_seconds(seconds: float | None, unknown: float) -> int:
    known = seconds if seconds is not None and math.isfinite(seconds) else unknown
    return max(1, math.ceil(known))


def _said(seconds: int) -> str:
    return "a second" if seconds == 1 else f"{seconds} seconds"
