"""Where a ledger lives. A store decides nothing: it compares and sets, and tells the time that all its users share."""

from __future__ import annotations

from typing import Protocol

import attrs

from sessions_us.quota.ledger import Ledger

__all__ = ("Held", "MemoryStore", "Store")


@attrs.frozen
class Held:
    """A ledger as a store holds it, None before the first one. `now`: the time that all users share when the store answered,
    in seconds; None where one process is alone and its own clock will do."""

    version: int
    ledger: Ledger | None
    now: float | None = None


class Store(Protocol):
    """What the limiter asks of a store.

    Attributes:
        shared: other processes use it too, so its steps take time, and its ledger alone decides who goes.
    """

    shared: bool

    async def load(self, name: str) -> Held:
        """What is held under a name."""
        ...

    async def swap(self, name: str, version: int, ledger: Ledger) -> tuple[bool, Held]:
        """Set the ledger if its version is still this one. (True, what was set), or (False, the newer one)."""
        ...


class MemoryStore:
    """Ledgers in this process. Its steps never suspend, so that between a decision and its effect nothing else runs."""

    shared = False

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    async def load(self, name: str) -> Held:
        """What is held under a name."""
        return self._held.get(name) or Held(0, None)

    async def swap(self, name: str, version: int, ledger: Ledger) -> tuple[bool, Held]:
        """Set the ledger if its version is still this one. (True, what was set), or (False, the newer one)."""
        current = self._held.get(name)
        if current is not None and current.version != version:
            return False, current
        held = self._held[name] = Held(version + 1, ledger)
        return True, held
