"""The client of a command: its key, quota, retries and `max_wait`. A key is never an argument."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from attrs import evolve
from typer.core import TyperCommand

from ..errors import ConfigurationError
from ..events import ClientEvent, RequestQueued, RequestSent, ResponseReceived, RetryScheduled
from ..keys import GuestKey, UserKey
from .options import a_number
from .text import one_line

if TYPE_CHECKING:
    from .._send.retry_policy import RetryPolicy
    from ..client import GuestClient, UserClient
    from ..quota import Quota

__all__ = (
    "SENDING",
    "KeyFile",
    "MaxWait",
    "QuotaStore",
    "be_verbose",
    "budget",
    "connect",
    "connect_guest",
    "guest_key",
    "user_key",
)

K = TypeVar("K", UserKey, GuestKey)

KeyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A file with the USER key and nothing else, private to you (mode 600). Without it: SESSIONS_USER_KEY_FILE, "
        "else SESSIONS_USER_KEY.",
    ),
]
QuotaStore = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL",
        help="Share the budget with other clients of the key: a file for this host, redis://… for all hosts. Without it: "
        "SESSIONS_QUOTA_STORE.",
    ),
]
MaxWait = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        callback=a_number,
        help="The longest wait for the quota; by default as long as it takes.",
    ),
]


def user_key(file: Path | None) -> UserKey:
    """Return the user's key in a private file, else the key in the environment.

    Raises:
        ConfigurationError: there is no usable key, or others can read the file. The message does not quote the key.
    """
    return _key(UserKey, file)


def guest_key(file: Path | None) -> GuestKey:
    """Return the guest's key, as `user_key` does."""
    return _key(GuestKey, file)


def _key(kind: type[K], file: Path | None) -> K:
    if file is not None:
        return kind.from_file(file)
    if not kind.is_set():
        raise ConfigurationError(f"there is no key: set {kind.variable}, or give --key-file a file that holds it")
    found = kind.resolve(None)
    if isinstance(found, ConfigurationError):
        raise found
    return found


def budget(store: str | None) -> Quota:
    """Return the quota of the environment, at another store if one is given: a file, or a URL of Redis or Valkey.

    Without a store there is no reserve, because no other process shares the quota.

    Raises:
        ConfigurationError: the quota or the store is invalid.
    """
    from ..quota import Quota
    from ..quota.stores import store_at

    given = Quota.from_env()
    if store:
        return evolve(given, store=store_at(store))
    return given if given.store is not None else evolve(given, reserve=0)


def connect(
    key: UserKey,
    quota: Quota,
    *,
    on_event: Callable[[ClientEvent], None],
    max_wait: float | None = None,
    retries: RetryPolicy | None = None,
) -> UserClient:
    """Open a client for one command."""
    from ..client import UserClient

    return UserClient(key, quota=quota, max_wait=max_wait, retries=retries, on_event=_listener(on_event))


def connect_guest(
    key: GuestKey, quota: Quota, *, on_event: Callable[[ClientEvent], None], max_wait: float | None = None
) -> GuestClient:
    """Open a guest's client for one command."""
    from ..client import GuestClient

    return GuestClient(key, quota=quota, max_wait=max_wait, on_event=_listener(on_event))


_verbose = False


def be_verbose() -> None:
    """Print each request, wait and retry of this command on stderr."""
    global _verbose  # a command is a process
    _verbose = True


class _Sending(TyperCommand):
    """A command that sends requests. It has `--verbose`, which may stand before its name too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.extend(typer.main.get_command(_verbose_alone).params)


SENDING: type[Any] = _Sending
"""What commands that send requests are made of."""

_verbose_alone = typer.Typer(add_completion=False)
"""Nothing but the option: what typer makes of one inside has another signature in each of its versions."""


@_verbose_alone.command()
def _be_verbose(
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            expose_value=False,
            callback=lambda value: be_verbose() if value else None,
            help="Print each request, wait and retry on stderr.",
        ),
    ] = False,
) -> None:
    pass


def _listener(on_event: Callable[[ClientEvent], None]) -> Callable[[ClientEvent], None]:
    if not _verbose:
        return on_event

    def listen(event: ClientEvent) -> None:
        on_event(event)
        if (line := _line(event)) is not None:
            print(f"sessions-us: {one_line(line)}", file=sys.stderr, flush=True)  # noqa: T201

    return listen


def _line(event: ClientEvent) -> str | None:
    match event:
        case RequestQueued(operation=operation, expected_wait=seconds):
            return f"{operation} waits for the quota" + ("" if seconds is None else f", at least {seconds:.1f} s")
        case RequestSent(method=method, path=path):
            return f"> {method} {path}"
        case ResponseReceived(method=method, path=path, status_code=status):
            return f"< {status} {method} {path}"
        case RetryScheduled(operation=operation, delay=seconds, reason=reason):
            return f"{operation} is tried again in {seconds:.1f} s: {reason}"
        case _:
            return None
