"""The protocol of a store: what the quota asks of it, and what it answers."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

from ..rules.state import QuotaState

__all__ = ("Held", "Store", "StoreFailure")


class Held(NamedTuple):
    """What a store holds under a name.

    Attributes:
        version: of the state; 0 before the first one.
        state: None if there is none, or none that can be used.
        now: the shared time at which the store answered, in seconds; None if the process's own clock counts.
    """

    version: int
    state: QuotaState | None
    now: float | None = None


class StoreFailure(Exception):
    """A step of a store failed, or took too long. It may have been carried out. Its text is the kind of failure."""


class Store(Protocol):
    """What the limiter asks of a store.

    Attributes:
        shared: whether other processes use it too. Then its steps take time, and only its state decides which request goes.
        fallback: the share of the quota that a process uses alone while the store fails; None: it sends nothing.
    """

    shared: bool
    fallback: float | None

    def of(self, loop: asyncio.AbstractEventLoop) -> Store:
        """Return the store of the same place whose files and connections only this loop of this process uses."""
        ...

    async def load(self, name: str) -> Held:
        """Read what is held under a name.

        Raises:
            StoreFailure: it can't be read; raised at the latest after the store's own time limit.
        """
        ...

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        """Set the state if its version is still this one. Returns (True, what was set), or (False, the newer one).

        Raises:
            StoreFailure: as for `load`; the state may have been set all the same.
        """
        ...

    async def aclose(self) -> None:
        """Close files and connections. The next step opens them again."""
        ...
