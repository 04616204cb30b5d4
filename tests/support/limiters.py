"""The limiter behind a client, and what a shared store calls its state."""

from __future__ import annotations

from sessions_us import Quota, UserKey
from sessions_us.quota import Limiter
from sessions_us.quota.registry import limiter_for

__all__ = ("limiter_of", "state_name")


def state_name(key: str, url: str) -> str:
    """The name of the state of a key at an origin."""
    return UserKey(key).digest(f"quota at {url}")


def limiter_of(key: str, url: str) -> Limiter:
    """The limiter of an open client with the default quota."""
    quota = Quota()
    limiter = limiter_for(state_name(key, url), url, quota)
    assert limiter.quota is not quota, "no client of this key is open, so this is a new limiter"
    return limiter
