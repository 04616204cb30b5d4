"""What the stores of several processes have in common: their options, their identity, and the states they have read."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable
from typing import Literal, NamedTuple

from ...errors import ConfigurationError
from ...events import logger
from ..rules.state import QuotaState
from . import codec
from .store import Held

__all__ = ("Change", "Found", "OnStoreFailure", "SharedStore")

OnStoreFailure = Literal["local", "refuse"]
_AHEAD = 5.0  # seconds; a state from further in the future is of another clock, or from before the clock was set back


class Change(NamedTuple):
    """The state that replaces the one of a version. Its own version was never used, so a lost answer can't be mistaken."""

    replaced: int
    version: int
    state: QuotaState
    text: str


class Found(NamedTuple):
    """What is found there: its version, the shared time, and its text unless that version is known.

    `written_at`: when the text was written; infinite if the shared clock began again since.
    """

    version: int
    now: float
    written_at: float = 0.0
    text: str | None = None


class SharedStore:
    """The base of stores that several processes use. Two stores of one place with the same options are equal.

    An event loop that uses a store while another one does gets a copy of it (`of`), so that files and connections belong to one
    loop. A loop of a process that forked never ends here, so a child leaves alone what its parent has open.

    A store has a `_copy`, which makes another one of the same arguments, and an `_ask`, which takes a name, the version that is
    known of it, and a change to make if the version to replace is still there. It raises `StoreFailure`.

    Args:
        place: what identifies the place; compared, and never shown.
        shown: the place as the repr shows it.
        on_store_failure, share: see the stores.
        timeout: seconds for one step.

    Raises:
        ConfigurationError: an argument that makes no sense.
    """

    shared = True
    _copy: Callable[[], SharedStore]

    def __init__(
        self, place: tuple[object, ...], shown: str, on_store_failure: OnStoreFailure, share: float, timeout: float
    ) -> None:
        if on_store_failure not in ("local", "refuse"):
            raise ConfigurationError(f"on_store_failure={on_store_failure!r}: give 'local' or 'refuse'.")
        if not _is_part(share, 1):
            raise ConfigurationError(f"share={share!r}: give a part of the quota, more than 0 and at most 1.")
        if not _is_part(timeout, 60):
            raise ConfigurationError(f"timeout={timeout!r}: give seconds, more than 0 and at most 60.")
        self.fallback: float | None = share if on_store_failure == "local" else None
        self.timeout: float = float(timeout)
        self._identity = (*place, self.fallback, self.timeout)
        self._shown = shown
        self._known: dict[str, Held] = {}
        self._copies: list[tuple[asyncio.AbstractEventLoop, SharedStore]] = []

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._identity == self._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shown!r})"

    def of(self, loop: asyncio.AbstractEventLoop) -> SharedStore:
        """Return the store of the same place whose files and connections only this loop of this process uses."""
        with _guard:
            used = [(each, store) for each, store in self._copies if each is loop or not each.is_closed()]
            mine = next((store for each, store in used if each is loop), None)
            if mine is None:
                free = [store for each, store in self._copies if each.is_closed()]
                mine = free[0] if free else self._copy() if used else self
                used.append((loop, mine))
            self._copies = used
            return mine

    async def load(self, name: str) -> Held:
        """Read what is held under a name.

        Raises:
            StoreFailure: the place can't be reached, or refuses.
        """
        return await self._exchange(name, None)

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        """Set the state if its version is still this one. Returns (True, what was set), or (False, the newer one).

        Raises:
            StoreFailure: as for `load`; the state may have been set all the same.
        """
        change = Change(version, secrets.randbits(52) + 1, state, codec.to_text(state))
        held = await self._exchange(name, change)
        return held.version == change.version, held

    async def _exchange(self, name: str, change: Change | None) -> Held:
        known = self._known.get(name)
        version, now, written_at, text = await self._ask(name, None if known is None else known.version, change)
        state = None
        if change is not None and version == change.version:
            state = change.state
        elif text is not None:
            state = self._parsed(text, written_at, now)
        elif known is not None and known.version == version:
            state = known.state
        held = self._known[name] = Held(version, state, now)
        return held

    async def aclose(self) -> None:
        """Close files and connections. The next step opens them again."""
        raise NotImplementedError

    async def _ask(self, name: str, known: int | None, change: Change | None) -> Found:
        raise NotImplementedError

    def _parsed(self, text: str, written_at: float, now: float) -> QuotaState | None:
        """Parse a state. Log and ignore one that can't be used."""
        try:
            if written_at > now + _AHEAD:
                raise codec.Unreadable("written by another clock")
            return codec.from_text(text)
        except codec.Unreadable as problem:
            logger.warning("%r: what it holds is not used (%s); the count begins again", self, problem)
            return None


_guard = threading.RLock()


def _after_fork() -> None:
    global _guard
    _guard = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)


def _is_part(value: object, most: float) -> bool:
    return isinstance(value, int | float) and 0 < value <= most
