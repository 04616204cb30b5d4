"""The error classes. Every error that this library raises on purpose derives from `SessionsError`.

Bad arguments (an empty id, a naive datetime) raise the standard `ValueError` and `TypeError`.
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from typing import Any, Literal

__all__ = (
    "AuthenticationError",
    "BadRequestError",
    "CallAbandonedError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "DecodeError",
    "ExportError",
    "InvalidIdError",
    "NotFoundError",
    "PagingError",
    "PermissionDeniedError",
    "QuotaTimeoutError",
    "RateLimitedError",
    "RequestTimeoutError",
    "ServerError",
    "SessionsError",
    "StatusError",
    "TransportError",
    "UnprocessableEntityError",
)

Sent = Literal["no", "unknown"]


class SessionsError(Exception):
    """The base class of all errors."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default protocol fails for keyword-only constructors, and errors are pickled between processes.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__.copy()  # type: ignore[attr-defined]


class InvalidIdError(ValueError):
    """An id that can't stand in a path: it would lead to another one, or to none. Nothing was sent."""


class ConfigurationError(SessionsError):
    """The configuration is unusable: a missing or unusable key, plain http to a public host, …"""


class ClientClosedError(SessionsError):
    """The client was closed before the call, or while the call waited for the quota."""

    def __init__(
        self, message: str = "The client is closed: make a new one, or call it inside its `async with` block."
    ) -> None:
        super().__init__(message)


class CallAbandonedError(SessionsError):
    """Nobody waits for the answer any more: the `abort_on` of the call is done, because a visitor left, say.

    A read may have been sent; a write was not.
    """

    def __init__(self, message: str = "Given up: nobody waits for the answer any more.") -> None:
        super().__init__(message)


class QuotaTimeoutError(SessionsError):
    """Nothing was sent, because waiting for the quota would take longer than `max_wait`.

    Attributes:
        retry_after: seconds until the earliest moment at which the request could be sent; None if unknown.
        lane: the lane of the request, `interactive` or `background`.
        position: position in the queue, from 1.
    """

    def __init__(self, message: str, *, lane: str, retry_after: float | None = None, position: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.lane = lane
        self.position = position


class TransportError(SessionsError):
    """There is no usable answer: no connection, a broken connection, or a body that is too long.

    Attributes:
        sent: `"no"` if the request provably never left this machine, `"unknown"` if the server may have acted on it.
        method, path: of the request.
        request_id: the server's id of the request, of an answer that broke off; None if there is none.
    """

    def __init__(self, message: str, *, sent: Sent, method: str, path: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.sent: Sent = sent
        self.method = method
        self.path = path
        self.request_id = request_id


class RequestTimeoutError(TransportError):
    """One attempt took longer than `timeout`."""


class StatusError(SessionsError):
    """The server answered with any status but 2xx.

    Callers that shared one read have an error each, and share its body and headers. Do not change these.

    Attributes:
        status_code: the HTTP status.
        body: the decoded JSON of the answer, or its text if it is not JSON.
        headers: the answer's headers, names in lower case.
        request_id: the server's id of the request; None if it sent none.
        method, path: of the request.
        retry_after: seconds that the server asked to wait; None if it did not ask.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        body: Any,
        headers: Mapping[str, str],
        method: str,
        path: str,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.body = body
        self.headers = headers
        self.method = method
        self.path = path
        self.request_id = request_id
        self.retry_after = retry_after

    @staticmethod
    def of(status_code: int) -> type[StatusError]:
        """Return the error class of a status: its own, `ServerError` for any other 5xx, else `StatusError`."""
        return _BY_STATUS.get(status_code) or (ServerError if 500 <= status_code <= 599 else StatusError)


class BadRequestError(StatusError):
    """400: the server refused the arguments."""


class AuthenticationError(StatusError):
    """401: the key is unknown or was revoked."""


class PermissionDeniedError(StatusError):
    """403: the key may not do this. Its role may be wrong."""


class NotFoundError(StatusError):
    """404: there is no such object, or the key may not see it."""


class ConflictError(StatusError):
    """409: the state of the object does not allow this."""


class UnprocessableEntityError(StatusError):
    """422: the arguments are well formed, but the server can't use them."""


class RateLimitedError(StatusError):
    """429: the quota was used up, by other clients of the key or before this process had a reading."""


class ServerError(StatusError):
    """5xx: the server, or a proxy before it, failed."""


class DecodeError(SessionsError):
    """The answer could not be understood. After a write its message says that the write happened.

    Attributes:
        body: the body of the answer, up to the size limit.
        status_code: the HTTP status of the answer.
        request_id: the server's id of the request; None if it sent none.
        method, path: of the request.
    """

    def __init__(
        self, message: str, *, body: bytes, status_code: int, method: str, path: str, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.body = body
        self.status_code = status_code
        self.method = method
        self.path = path
        self.request_id = request_id


class PagingError(SessionsError):
    """A list may never end: page after page had no new row. The rows read so far stay readable; more may exist."""


class ExportError(SessionsError):
    """An export can't use its files: the state or the sink is damaged, full, read-only, in use, or belongs to another job.

    Committed rows are untouched. The message says what to do.
    """


_BY_STATUS: Mapping[int, type[StatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitedError,
}
