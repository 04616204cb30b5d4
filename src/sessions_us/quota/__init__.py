"""The quota: share a few requests a minute among all users of a key, without a 429, interactive work first."""

from typing import TYPE_CHECKING

from .._lazy import loader
from .lease import Lease
from .limiter import Limiter
from .rules.state import Lane
from .settings import Quota, QuotaSnapshot
from .stores import MemoryStore

if TYPE_CHECKING:
    from .stores.redis import RedisStore
    from .stores.sqlite import SQLiteStore
else:
    __getattr__ = loader(__name__, {"stores.redis": ("RedisStore",), "stores.sqlite": ("SQLiteStore",)})

__all__ = ("Lane", "Lease", "Limiter", "MemoryStore", "Quota", "QuotaSnapshot", "RedisStore", "SQLiteStore")
