"""The setting of the quota that a client takes, and the snapshot of the state that it returns."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal

import attrs

from ..errors import ConfigurationError
from .rules.state import Lane
from .stores import Store, store_at

__all__ = ("Quota", "QuotaSnapshot")

StoreStatus = Literal["up", "alone", "refusing"]

_TEXT = r"\s*(\d{1,9})\s*/\s*(\d{0,9}(?:\.\d{1,9})?)\s*(ms|s|sec|m|min|h|)\s*"
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@attrs.frozen
class Quota:
    """How many requests a key may send, and how lanes share them. A limit or window in the server's answers replaces this one.

    Two clients that are given the same `Quota` object share one budget, even if their keys differ. A shared store names the
    budget after the key of the first client, so that must be the same key in all processes.

    Attributes:
        limit: requests per window. The API documents 10.
        window: seconds. The API documents a minute.
        reserve: slots of each window that background work leaves free until the window's last tenth, or all the time if slots
            refill one by one. At most a fifth of the limit counts. docs/quota.md says what it costs.
        store: where the count is kept: None or `MemoryStore()` for this process alone, `SQLiteStore(path)` for all processes
            of this host, `RedisStore(url)` for all hosts.

    Raises:
        ConfigurationError: a value that makes no sense.
    """

    limit: int = 10
    window: float = 60.0
    reserve: int = 2
    store: Store | None = None

    def __attrs_post_init__(self) -> None:
        if not _is_a(self.limit, int) or self.limit < 1:
            raise ConfigurationError(f"Quota(limit={self.limit!r}): give a whole number of requests, 1 or more.")
        if not _is_a(self.window, int, float) or not 0 < self.window <= 1e6:
            raise ConfigurationError(f"Quota(window={self.window!r}): give seconds, more than 0 and at most a million.")
        if not _is_a(self.reserve, int) or self.reserve < 0:
            raise ConfigurationError(f"Quota(reserve={self.reserve!r}): give a whole number of slots, 0 or more.")
        if self.store is not None and not _is_a_store(self.store):  # its value is not shown: a URL may hold a password
            raise ConfigurationError("Quota(store=…): give a MemoryStore(), SQLiteStore(path) or RedisStore(url).")

    @classmethod
    def parse(cls, text: str) -> Quota:
        """Parse requests per window, such as `"10/60s"`. The unit is ms, s (or none), m or h. `"10/m"` is 10 in one minute.

        Raises:
            ConfigurationError: the text is not a quota.
        """
        match = re.fullmatch(_TEXT, str(text), re.ASCII)
        if not match or not (match[2] or match[3]):
            raise ConfigurationError(f"{text!r} is no quota: write requests/window, such as 10/60s.")
        return cls(limit=int(match[1]), window=float(match[2] or 1) * _SECONDS[match[3]])

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Quota:
        """Return the quota that the environment sets. A client has it unless it is given another one.

        `SESSIONS_QUOTA` is requests per window; the documented 10/60s unless set. `SESSIONS_QUOTA_STORE` is the store: a path
        is a `SQLiteStore`, a URL such as `redis://host` a `RedisStore`; memory unless set. `attrs.evolve(Quota.from_env(), …)`
        changes a part of it.

        Args:
            environ: the variables; None is `os.environ`.

        Raises:
            ConfigurationError: a variable can't be used. The message names it.
        """
        given = os.environ if environ is None else environ
        text, place = (given.get(name, "").strip() for name in ("SESSIONS_QUOTA", "SESSIONS_QUOTA_STORE"))
        name = "SESSIONS_QUOTA"
        try:
            quota = cls.parse(text) if text else cls()
            name = "SESSIONS_QUOTA_STORE"
            return attrs.evolve(quota, store=store_at(place)) if place else quota
        except ConfigurationError as error:
            raise ConfigurationError(f"{name}: {error}") from None


@attrs.frozen
class QuotaSnapshot:
    """What is known of the quota at one moment.

    Attributes:
        limit: requests per window, as the server says or else as configured.
        window: seconds, likewise.
        remaining: requests that could be sent before the reset. An estimate until the server has answered.
        resets_in: seconds until more is free at the latest; None if that is not known.
        waiting: requests that wait in each lane.
        in_flight: requests that have a place in the quota and no answer yet.
        store: `up`, or what happens while the store of a shared quota can't be used: `alone`, this process goes on with its
            share; `refusing`, nothing is sent.
    """

    limit: int
    window: float
    remaining: int
    resets_in: float | None
    waiting: Mapping[Lane, int]
    in_flight: int
    store: StoreStatus = "up"


def _is_a(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _is_a_store(value: object) -> bool:
    return not isinstance(value, type) and hasattr(value, "swap")
