"""What the quota asks of a store, and what a store answers."""

from __future__ import annotations

import secrets
from typing import Literal, NamedTuple, Protocol

from sessions_us.errors import ConfigurationError
from sessions_us.quota.rules.state import QuotaState

__all__ = ("Held", "OnStoreFailure", "Store", "StoreFailure", "fallback", "new_version", "seconds")

OnStoreFailure = Literal["local", "refuse"]


class Held(NamedTuple):
    """What a store holds under a name.

    Attributes:
        version: of the state; 0 before the first one.
        state: None where there is none, or none that can be used.
        now: the time that all users share when the store answered, in seconds; None where it is the process's own clock.
    """

    version: int
    state: QuotaState | None
    now: float | None = None


class StoreFailure(Exception):
    """A step of a store failed, or took too long. Nobody knows whether it was carried out. `reason`: the kind of failure."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Store(Protocol):
    """What the limiter asks of a store.

    Attributes:
        shared: other processes use it too, so its steps take time, and its state alone decides who goes.
        fallback: the share of the quota with which a process goes on alone while the store fails; None: it sends nothing.
    """

    shared: bool
    fallback: float | None

    async def load(self, name: str) -> Held:
        """What is held under a name.

        Raises:
            StoreFailure: it can't be told, at the latest after the store's own time limit.
        """
        ...

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        """Set the state if its version is still this one. (True, what was set), or (False, the newer one).

        Raises:
            StoreFailure: as for `load`; it may have been set all the same.
        """
        ...

    async def aclose(self) -> None:
        """Let go of files and connections. The next step opens them again."""
        ...


def fallback(on_store_failure: OnStoreFailure, share: float) -> float | None:
    """`Store.fallback` of the arguments that stores take.

    Raises:
        ConfigurationError: they make no sense.
    """
    if on_store_failure not in ("local", "refuse"):
        raise ConfigurationError(f"on_store_failure={on_store_failure!r}: give 'local' or 'refuse'.")
    if not 0 < share <= 1:
        raise ConfigurationError(f"share={share!r}: give a part of the quota, more than 0 and at most 1.")
    return share if on_store_failure == "local" else None


def seconds(timeout: float) -> float:
    """The time limit of one step.

    Raises:
        ConfigurationError: it can't be one.
    """
    if not 0 < timeout <= 60:
        raise ConfigurationError(f"timeout={timeout!r}: give seconds, more than 0 and at most 60.")
    return float(timeout)


def new_version() -> int:
    """A version that was never used: a step whose answer was lost, and a state that was begun anew, can't be mistaken."""
    return secrets.randbits(52) + 1
