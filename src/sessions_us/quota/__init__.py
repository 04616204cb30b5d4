"""The quota: share a few requests a minute among all users of a key, without a 429, interactive work first."""

from typing import TYPE_CHECKING

from sessions_us._lazy import loader
from sessions_us.quota.lease import Lease
from sessions_us.quota.limiter import Limiter
from sessions_us.quota.rules.state import Lane
from sessions_us.quota.settings import Quota, QuotaSnapshot
from sessions_us.quota.stores import MemoryStore

if TYPE_CHECKING:
    from sessions_us.quota.stores.redis import RedisStore
    from sessions_us.quota.stores.sqlite import SQLiteStore
else:
    __getattr__ = loader(__name__, {"stores.redis": ("RedisStore",), "stores.sqlite": ("SQLiteStore",)})

__all__ = ("Lane", "Lease", "Limiter", "MemoryStore", "Quota", "QuotaSnapshot", "RedisStore", "SQLiteStore")
