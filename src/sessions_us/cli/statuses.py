"""The exit status and the message of each kind of failure."""

from __future__ import annotations

import errno
import os
from enum import IntEnum
from pathlib import Path
from traceback import extract_tb

from .._send.origin import PRODUCTION
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    DecodeError,
    ExportError,
    NotFoundError,
    PagingError,
    PermissionDeniedError,
    QuotaTimeoutError,
    RateLimitedError,
    ServerError,
    SessionsError,
    StatusError,
    TransportError,
)

__all__ = ("MEANINGS", "Status", "failure")


class Status(IntEnum):
    """The exit statuses of the command. 3 and 4 are those of `spec diff`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HARMLESS = 3
    BREAKING = 4
    CONFIGURATION = 10
    DENIED = 11
    NOT_FOUND = 12
    REFUSED = 13
    QUOTA = 14
    NETWORK = 15
    SERVER = 16
    NOT_UNDERSTOOD = 17
    EXPORT = 18
    INCOMPLETE = 19
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANINGS: dict[Status, str] = {
    Status.DONE: "done",
    Status.FAILED: "the work failed: a file, a disk, a port",
    Status.USAGE: "wrong arguments, or an extra is missing",
    Status.HARMLESS: "spec diff: only harmless changes",
    Status.BREAKING: "spec diff: changes that break something",
    Status.CONFIGURATION: "no usable key, key file, quota or address",
    Status.DENIED: "the key is unknown or may not do this (401, 403)",
    Status.NOT_FOUND: "there is no such object (404)",
    Status.REFUSED: "the server refused the request (other 4xx)",
    Status.QUOTA: "the quota: --max-wait is over, or 429",
    Status.NETWORK: "no usable answer from the server",
    Status.SERVER: "the server failed (5xx)",
    Status.NOT_UNDERSTOOD: "the answer could not be understood",
    Status.EXPORT: "export: its files or its state can't be used",
    Status.INCOMPLETE: "done, but rows may be missing (a list without an end that is certain, or --on-error skip)",
    Status.INTERRUPTED: "Ctrl-C",
    Status.BROKEN_PIPE: "the reader of the output went away",
    Status.TERMINATED: "SIGTERM",
}

# The first that fits.
_KINDS: tuple[tuple[type[BaseException], Status], ...] = (
    (ConfigurationError, Status.CONFIGURATION),
    (AuthenticationError, Status.DENIED),
    (PermissionDeniedError, Status.DENIED),
    (NotFoundError, Status.NOT_FOUND),
    (RateLimitedError, Status.QUOTA),
    (QuotaTimeoutError, Status.QUOTA),
    (ServerError, Status.SERVER),
    (StatusError, Status.REFUSED),
    (TransportError, Status.NETWORK),
    (DecodeError, Status.NOT_UNDERSTOOD),
    (ExportError, Status.EXPORT),
    (PagingError, Status.INCOMPLETE),
    (SessionsError, Status.FAILED),
    (OSError, Status.FAILED),
    (ValueError, Status.USAGE),
)

_FOR_PYTHON = {
    " (SESSIONS_BASE_URL if it was not given)": "",
    "base_url": "SESSIONS_BASE_URL",
    "pass allow_http=True or set": "set",
}


def failure(error: Exception) -> tuple[str, Status]:
    """Return the message of an error, and its status. The message of a bug has its place, but no value, which may be a
    key."""
    kind = next((status for kind, status in _KINDS if isinstance(error, kind)), None)
    if kind is None or isinstance(error, UnicodeError):
        frame = extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        return f"this is a bug: {type(error).__name__} in {where}; please report it", Status.FAILED
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return "the reader of the output went away", Status.BROKEN_PIPE
    return _explained(error), kind


def _explained(error: Exception) -> str:
    """Return the message of an error for people who have a command, and no Python."""
    message = str(error) or type(error).__name__
    if isinstance(error, TransportError):
        given = os.environ.get("SESSIONS_BASE_URL", "").strip()
        server = f"{given}, as SESSIONS_BASE_URL says" if given else f"{PRODUCTION}, since SESSIONS_BASE_URL is not set"
        return f"{message}; the server is {server}"
    if isinstance(error, ConfigurationError):
        for said, instead in _FOR_PYTHON.items():
            message = message.replace(said, instead)
    return message
