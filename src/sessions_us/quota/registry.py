"""The limiters of this process, one for each key and origin. They outlive their clients, because the server's count does too.

Any thread may ask for one. A limiter is dropped once no client has it and nothing that it counted holds a request back.
"""

from __future__ import annotations

import os
import threading
from typing import Final
from weakref import WeakValueDictionary

from ..errors import ConfigurationError
from ..events import Role
from .clock import MACHINE, Clock
from .limiter import Limiter
from .settings import Quota, QuotaSnapshot

__all__ = ("limiter_for", "snapshots")

FEW: Final = 256
"""As many limiters are kept without a look at their use."""


class _Registry:
    """The limiters by key and origin, and by the `Quota` object and the origin."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._limiters: dict[tuple[str, str], Limiter] = {}
        self.roles: dict[tuple[str, str], Role] = {}
        self._of_quota: WeakValueDictionary[tuple[int, str], Limiter] = WeakValueDictionary()
        self._most = FEW
        self._blank: set[tuple[str, str]] = set()  # were of no use at the last look, and were not asked for since

    def get(self, name: str, origin: str) -> Limiter | None:
        self._blank.discard((name, origin))
        return self._limiters.get((name, origin))

    def add(self, name: str, origin: str, quota: Quota, clock: Clock | None, before: Limiter | None) -> Limiter:
        """Add the limiter of this `Quota` object, or a new one in the place of the one before."""
        limiter = self._of_quota.get((id(quota), origin))
        if limiter is None or not _fits(limiter, quota, clock):
            limiter = Limiter(quota, name=name, clock=clock, before=before)
            self._of_quota[id(quota), origin] = limiter
        self._limiters[name, origin] = limiter
        if before is not None and before not in self._limiters.values():  # otherwise other keys go on with it
            self._of_quota.pop((id(before.quota), origin), None)
            before.retire()
        if len(self._limiters) > self._most:
            self._tidy()
        return limiter

    def used(self) -> list[tuple[Role, str, Limiter]]:
        """Return the limiters of keys whose role is known and that open clients have."""
        return [
            (role, place[1], limiter)
            for place, role in self.roles.items()
            if (limiter := self._limiters.get(place)) is not None and limiter.in_use
        ]

    def _tidy(self) -> None:
        """Drop the limiters that are of no use at a second look. One that was just handed out has no client yet."""
        blank = {place for place, limiter in self._limiters.items() if limiter.is_blank}
        for place in blank & self._blank:
            del self._limiters[place]
            self.roles.pop(place, None)
        self._blank = blank - self._blank
        self._most = max(FEW, 2 * len(self._limiters))


_registry: Final = _Registry()


def limiter_for(name: str, origin: str, quota: Quota, clock: Clock | None = None, role: Role | None = None) -> Limiter:
    """Return the limiter of a key at an origin. All clients of the key share it, and all clients of the same `Quota` object.

    While no client of the key is open, another quota or clock may be given. What was counted stays.

    Args:
        name: a digest of the key and the origin; the name of the state in a shared store.
        origin: of the server. Each origin counts separately.
        quota: how much may be sent.
        clock: times the waits; None: the machine's clock, or the one of the open clients of the key.
        role: of the key, for `snapshots`.

    Raises:
        ConfigurationError: an open client of the same key has another quota or clock, or a clock is given with a shared store.
    """
    if clock is not None and quota.store is not None and quota.store.shared:
        raise ConfigurationError("a clock can't be given with a store that other processes use: they have their own")
    with _registry.lock:
        if role is not None:
            _registry.roles[name, origin] = role
        limiter = _registry.get(name, origin)
        if limiter is None or not (_fits(limiter, quota, clock) or limiter.in_use):
            return _registry.add(name, origin, quota, clock, limiter)
    if limiter.quota != quota:
        raise ConfigurationError(
            f"this process has an open client of the same key with {limiter.quota}, so {quota} can't be kept: close that one"
            " first, or give both the same"
        )
    if clock is not None and limiter.clock is not clock:
        raise ConfigurationError(
            "this process has an open client of the same key with another clock: close that one first, or give both the same"
        )
    return limiter


def snapshots() -> list[tuple[Role, str, QuotaSnapshot]]:
    """Return the role, the origin and the quota of each key that an open client has. Any thread may call it."""
    with _registry.lock:
        used = _registry.used()
    return [(role, origin, limiter.snapshot()) for role, origin, limiter in used]


def _fits(limiter: Limiter, quota: Quota, clock: Clock | None) -> bool:
    """Whether a limiter does what is asked, also if no client of it is open."""
    return limiter.quota == quota and limiter.clock is (MACHINE if clock is None else clock)


def _after_fork() -> None:
    _registry.lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)
