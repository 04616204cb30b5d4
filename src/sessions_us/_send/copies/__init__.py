"""Copies of reads that several processes share: in a SQLite file for one host, or in Redis or Valkey for many.

A place of copies decides nothing. `SharedCopies` says what is read and written; the generations say what is still good.
"""

from __future__ import annotations

from ...errors import ConfigurationError
from ...quota import RedisStore, SQLiteStore
from .place import CopyPlace
from .redis_place import RedisPlace
from .sqlite_place import SQLitePlace

__all__ = ("place_at",)


def place_at(store: object) -> CopyPlace:
    """Return where the copies of a client lie that was given this store.

    Raises:
        ConfigurationError: no copies can be shared there.
    """
    match store:
        case SQLiteStore():
            return SQLitePlace(store.path.with_name(f"{store.path.name}.copies"), store.timeout)
        case RedisStore():
            return RedisPlace(store.server())
        case _:  # its value is not shown: a URL may hold a password
            raise ConfigurationError(
                "cache_store is a SQLiteStore(path) or a RedisStore(url); without it, copies are kept in this process."
            )
