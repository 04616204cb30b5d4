"""The tree of errors. Everything that this library raises on purpose derives from `SessionsError`.

Bad arguments (an empty id, a naive datetime) are the standard `ValueError` and `TypeError`, as for any Python function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

__all__ = (
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "DecodeError",
    "ExportError",
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
    """The root of the tree."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructors break the default protocol, and errors do travel between processes.
        return _revive, (type(self), self.args, self.__dict__.copy())


def _revive(kind: type[SessionsError], args: tuple[object, ...], state: dict[str, Any]) -> SessionsError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(SessionsError):
    """The client can't be used as it was set up: a missing or unusable key, plain http to a public host, …"""


class ClientClosedError(SessionsError):
    """The client was closed before the call, or while the call waited for its turn."""

    def __init__(
        self, message: str = "The client is closed: make a new one, or call it inside its `async with` block."
    ) -> None:
        super().__init__(message)


class QuotaTimeoutError(SessionsError):
    """Nothing was sent, because waiting for the quota would take longer than `max_wait`.

    Attributes:
        retry_after: seconds from now until the request could have been sent at the earliest; None where that is unknown.
        lane: the lane in which it waited, `interactive` or `background`.
        position: its place in the queue, 1 for the next.
    """

    def __init__(self, message: str, *, retry_after: float | None, lane: str, position: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.lane = lane
        self.position = position


class TransportError(SessionsError):
    """There is no usable answer: no connection, a broken one, or a body beyond the bound.

    Attributes:
        sent: `"no"` if the request provably never left this machine, `"unknown"` if the server may have acted on it.
        method, path: what was asked.
    """

    def __init__(self, message: str, *, sent: Sent, method: str, path: str) -> None:
        super().__init__(message)
        self.sent: Sent = sent
        self.method = method
        self.path = path


class RequestTimeoutError(TransportError):
    """One attempt took longer than `timeout`."""


class StatusError(SessionsError):
    """The server answered with any status but 2xx.

    Attributes:
        status_code: the HTTP status.
        body: the decoded JSON of the answer, or its text where it is no JSON.
        headers: the answer's headers, names in lower case.
        request_id: the server's id of the request, where it sent one.
        method, path: what was asked.
        retry_after: seconds that the server asked to wait, None if it did not.
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
        """The class of error for a status: its own, `ServerError` for any other 5xx, else `StatusError`."""
        return _BY_STATUS.get(status_code) or (ServerError if 500 <= status_code <= 599 else StatusError)


class BadRequestError(StatusError):
    """400: the server refused the arguments."""


class AuthenticationError(StatusError):
    """401: the key is unknown or was revoked."""


class PermissionDeniedError(StatusError):
    """403: the key may not do this; its role may be the wrong one."""


class NotFoundError(StatusError):
    """404: there is no such object, or it is not this key's to see."""


class ConflictError(StatusError):
    """409: the state of the object does not allow it."""


class UnprocessableEntityError(StatusError):
    """422: the arguments are well formed and still can't be used."""


class RateLimitedError(StatusError):
    """429: the quota was used up, by somebody else or before this process knew of it."""


class ServerError(StatusError):
    """5xx: the server, or something before it, failed."""


class DecodeError(SessionsError):
    """The answer could not be understood. After a write its message says that the write happened.

    Attributes:
        body: the answer, as far as the bound on its size.
        status_code: its HTTP status.
        method, path: what was asked.
    """

    def __init__(self, message: str, *, body: bytes, status_code: int, method: str, path: str) -> None:
        super().__init__(message)
        self.body = body
        self.status_code = status_code
        self.method = method
        self.path = path


class PagingError(SessionsError):
    """A list may never end: page after page brought no new row. What was read stays readable; it may not be all."""


class ExportError(SessionsError):
    """An export can't go on with its files: the state or the sink is damaged, full, read-only, in use, or of another job.

    What was committed is untouched; the message says what to do.
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
