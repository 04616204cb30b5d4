"""What the stores of several processes have in common: their options, their identity, and the states they have read."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from typing import Literal, TypeVar

from sessions_us.errors import ConfigurationError
from sessions_us.quota.stores import codec
from sessions_us.quota.stores.store import Held, StoreFailure

__all__ = ("OnStoreFailure", "SharedStore", "new_version")

T = TypeVar("T")
OnStoreFailure = Literal["local", "refuse"]
_log = logging.getLogger("sessions_us")


class SharedStore:
    """The base of stores that several processes use. Two stores of one place with the same options are equal.

    Args:
        place: what identifies the place; compared, and never shown.
        shown: the place as the repr shows it.
        on_store_failure, share: see the stores.
        timeout: seconds for one step.

    Raises:
        ConfigurationError: an argument that makes no sense.
    """

    shared = True

    def __init__(
        self, place: tuple[object, ...], shown: str, on_store_failure: OnStoreFailure, share: float, timeout: float
    ) -> None:
        if on_store_failure not in ("local", "refuse"):
            raise ConfigurationError(f"on_store_failure={on_store_failure!r}: give 'local' or 'refuse'.")
        if not 0 < share <= 1:
            raise ConfigurationError(f"share={share!r}: give a part of the quota, more than 0 and at most 1.")
        if not 0 < timeout <= 60:
            raise ConfigurationError(f"timeout={timeout!r}: give seconds, more than 0 and at most 60.")
        self.fallback: float | None = share if on_store_failure == "local" else None
        self._timeout = float(timeout)
        self._identity = (*place, self.fallback, self._timeout)
        self._shown = shown
        self._known: dict[str, Held] = {}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._identity == self._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shown!r})"

    async def _in_time(self, step: Awaitable[T], timeout: float, *failures: type[Exception]) -> T:
        """Run a step. Turn its failures, and an answer that takes too long, into a `StoreFailure`."""
        try:
            async with asyncio.timeout(timeout):
                return await step
        except TimeoutError:
            raise StoreFailure("no answer in time") from None
        except failures as problem:
            raise StoreFailure(self._reason(problem)) from None

    def _reason(self, problem: Exception) -> str:
        return f"{type(problem).__name__}: {problem}"

    def _keep(self, name: str, held: Held) -> Held:
        """Remember what the store holds, so that it need not be sent and parsed again."""
        self._known[name] = held
        return held

    def _decode(self, name: str, version: int, text: str, at: float, now: float) -> Held:
        """Parse a state written at `at`. Log and ignore one that can't be used."""
        state = None
        try:
            codec.check_time(at, now)
            state = codec.from_text(text)
        except codec.Unreadable as problem:
            _log.warning("%r: what it holds is not used (%s); the count begins again", self, problem)
        return self._keep(name, Held(version, state, now))


def new_version() -> int:
    """Draw a version that was never used, so that a lost answer or a state that began again can't be mistaken."""
    return secrets.randbits(52) + 1
