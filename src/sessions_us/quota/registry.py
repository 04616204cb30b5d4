"""The limiters of this process, one for each key and origin. They outlive their clients: what a server counted stays counted."""

from __future__ import annotations

from typing import Final

from attrs import asdict

from sessions_us.errors import ConfigurationError
from sessions_us.quota.limiter import Limiter
from sessions_us.quota.settings import Quota

__all__ = ("limiter_for",)

_limiters: Final[dict[tuple[str, str], Limiter]] = {}


def limiter_for(name: str, origin: str, quota: Quota) -> Limiter:
    """The limiter of a key at an origin, shared by all clients of the key, and of the same `Quota` object.

    Args:
        name: a digest of the key and the origin, as a shared store calls it.
        origin: of the server. Another origin counts for itself.
        quota: how much may be sent.

    Raises:
        ConfigurationError: a client of the same key has another quota.
    """
    if (name, origin) not in _limiters:
        shared = (each for (_, where), each in _limiters.items() if where == origin and each.quota is quota)
        _limiters[name, origin] = next(shared, None) or Limiter(quota, name=name)
    limiter = _limiters[name, origin]
    if asdict(limiter.quota, recurse=False) != asdict(quota, recurse=False):
        raise ConfigurationError(
            f"this process has a client of the same key with {limiter.quota}, so {quota} can't be kept: give both the same"
        )
    return limiter
