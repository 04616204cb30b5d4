"""How a command reaches the API: whose key, which budget, how patient. A key is never an argument."""

from __future__ import annotations

import os
import shlex
import stat
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

__all__ = ("KeyFile", "MaxWait", "QuotaStore", "connect", "quota", "user_key")

KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="SESSIONS_USER_KEY_FILE",
        metavar="FILE",
        help="A file with the USER key and nothing else, private to you (mode 600). Without it: SESSIONS_USER_KEY.",
    ),
]
QuotaStore = Annotated[
    str | None,
    typer.Option(
        envvar="SESSIONS_QUOTA_STORE",
        metavar="FILE|URL",
        help="Share the budget with others who use the key: a file for this host, redis://… for all hosts.",
    ),
]
MaxWait = Annotated[
    float | None,
    typer.Option(min=0, metavar="SECONDS", help="The longest wait for the quota; by default as long as it takes."),
]

_LONGEST = 8192  # bytes; no key is longer, and a file that is was given by mistake


def user_key(file: Path | None) -> UserKey:
    """The key in a private file, else the one in the environment.

    Raises:
        ConfigurationError: there is none, it can't be used, or others can read the file. The message never shows it.
    """
    if file is not None:
        found = UserKey.resolve(_read(file))
    elif os.environ.get(UserKey.variable):
        found = UserKey.resolve(None)
    else:
        raise ConfigurationError(f"there is no key: set {UserKey.variable}, or give --key-file a file that holds it")
    if isinstance(found, ConfigurationError):
        why = str(found).partition(". Set ")[0]
        raise ConfigurationError(f"{why}: look into {UserKey.variable if file is None else file}")
    return found


def quota(store: str | None) -> Quota:
    """The quota of `SESSIONS_QUOTA`, kept in a store: None for this process, a file, or a URL of Redis or Valkey.

    Without a store there is no reserve: a command has nobody to leave it to.

    Raises:
        ConfigurationError: the quota or the store makes no sense.
    """
    from ..quota import Quota, RedisStore, SQLiteStore

    given = Quota.from_env()
    if not store:
        return evolve(given, reserve=0)
    return evolve(given, store=RedisStore(store) if "://" in store else SQLiteStore(store))


def connect(
    key: UserKey,
    store: str | None,
    *,
    hear: Callable[[ClientEvent], None],
    max_wait: float | None = None,
    retries: RetryPolicy | None = None,
) -> UserClient:
    """A client for one command."""
    from ..client import UserClient

    return UserClient(key, quota=quota(store), max_wait=max_wait, retries=retries, on_event=hear)


def _read(file: Path) -> str:
    """The text of a file that nobody else can read, without the line break at its end."""
    try:
        # Not blocked by a pipe that nobody writes to; what it is gets asked of the opened file, so it can't be another one.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as problem:
        raise ConfigurationError(f"the key file {file} can't be read: {problem.strerror}") from None
    try:
        exposure = _exposure(file, os.fstat(descriptor))
        held = b"" if exposure else os.read(descriptor, _LONGEST + 1)
    finally:
        os.close(descriptor)
    if exposure is not None:
        raise ConfigurationError(exposure)
    text = "" if len(held) > _LONGEST else held.decode("utf-8", "replace")
    del held
    if not text:
        raise ConfigurationError(f"the key file {file} must hold a key, and nothing else")
    return text.removesuffix("\n").removesuffix("\r")


def _exposure(file: Path, about: os.stat_result) -> str | None:
    """Why a file is no place for a key, None if it is one."""
    if not stat.S_ISREG(about.st_mode):
        return f"the key file {file} is no regular file"
    if os.name != "posix":
        return None  # elsewhere the mode says nothing about who can read it
    if about.st_uid != os.geteuid():
        return f"the key file {file} belongs to another user: copy it to a file of your own"
    if about.st_mode & 0o077:
        return f"others can use the key file {file}: run `chmod 600 {shlex.quote(str(file))}`"
    return None
