"""The limiters of this process, one for each key and origin. They outlive their clients, because the server's count does too."""

from __future__ import annotations

from typing import Final

from sessions_us.errors import ConfigurationError
from sessions_us.quota.clock import Clock
from sessions_us.quota.limiter import Limiter
from sessions_us.quota.settings import Quota

__all__ = ("limiter_for",)

_limiters: Final[dict[tuple[str, str], Limiter]] = {}


def limiter_for(name: str, origin: str, quota: Quota, clock: Clock | None = None) -> Limiter:
    """Return the limiter of a key at an origin. All clients of the key share it, and all clients of the same `Quota` object.

    Args:
        name: a digest of the key and the origin; the name of the state in a shared store.
        origin: of the server. Each origin counts separately.
        quota: how much may be sent.
        clock: times the waits; None: the machine's clock, or the one of the other clients of the key.

    Raises:
        ConfigurationError: a client of the same key has another quota or clock, or a clock is given with a shared store.
    """
    if clock is not None and quota.store is not None and quota.store.shared:
        raise ConfigurationError("a clock can't be given with a store that other processes use: they have their own")
    if (name, origin) not in _limiters:
        shared = (each for (_, where), each in _limiters.items() if where == origin and each.quota is quota)
        _limiters[name, origin] = next(shared, None) or Limiter(quota, name=name, clock=clock)
    limiter = _limiters[name, origin]
    if limiter.quota != quota:
        raise ConfigurationError(
            f"this process has a client of the same key with {limiter.quota}, so {quota} can't be kept: give both the same"
        )
    if clock is not None and limiter.clock is not clock:
        raise ConfigurationError("this process has a client of the same key with another clock: give both the same")
    return limiter
