"""The client of a command: its key, quota, retries and `max_wait`. A key is never an argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from attrs import evolve

from ..errors import ConfigurationError
from ..events import ClientEvent
from ..keys import UserKey

if TYPE_CHECKING:
    from .._send.retry_policy import RetryPolicy
    from ..client import UserClient
    from ..quota import Quota

__all__ = ("KeyFile", "MaxWait", "QuotaStore", "budget", "connect", "user_key")

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
    typer.Option(min=0, metavar="SECONDS", help="The longest wait for the quota; by default as long as it takes."),
]


def user_key(file: Path | None) -> UserKey:
    """Return the key in a private file, else the key in the environment.

    Raises:
        ConfigurationError: there is no usable key, or others can read the file. The message does not quote the key.
    """
    if file is not None:
        return UserKey.from_file(file)
    if not UserKey.is_set():
        raise ConfigurationError(f"there is no key: set {UserKey.variable}, or give --key-file a file that holds it")
    found = UserKey.resolve(None)
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

    return UserClient(key, quota=quota, max_wait=max_wait, retries=retries, on_event=on_event)
