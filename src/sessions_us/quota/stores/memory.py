"""The states of this process, in memory."""

from __future__ import annotations

import asyncio

from ..rules.state import QuotaState
from .store import Held

__all__ = ("MemoryStore",)


class MemoryStore:
    """The states of this process. Its steps never suspend, so nothing else runs between a decision and its effect."""

    shared = False
    fallback: float | None = None

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def of(self, loop: asyncio.AbstractEventLoop) -> MemoryStore:
        """Return this store. All loops use the same."""
        return self

    async def load(self, name: str) -> Held:
        """Read what is held under a name."""
        return self._held.get(name) or Held(0, None)

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        """Set the state if its version is still this one. Returns (True, what was set), or (False, the newer one)."""
        current = self._held.get(name)
        if current is not None and current.version != version:
            return False, current
        held = self._held[name] = Held(version + 1, state)
        return True, held

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""
