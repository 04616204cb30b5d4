"""Where a state is kept: in this process, in a file for all processes of a host, or in Redis or Valkey for all hosts.

A store decides nothing. It compares and sets, and returns the time that all its users share.
"""

from .memory import MemoryStore
from .store import Held, Store, StoreFailure

__all__ = ("Held", "MemoryStore", "Store", "StoreFailure", "store_at")


def store_at(place: str) -> Store:
    """Return the store at a place: a URL of Redis or Valkey, or the path of a file for this host.

    Raises:
        ConfigurationError: no store can be there. The message has no password.
    """
    if "://" in place:
        from .redis import RedisStore

        return RedisStore(place)
    from .sqlite import SQLiteStore

    return SQLiteStore(place)
