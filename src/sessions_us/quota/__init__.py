"""The quota: share a few requests a minute among all users of a key, without a 429, interactive work first."""

from sessions_us.quota.lease import Lease
from sessions_us.quota.limiter import Limiter
from sessions_us.quota.rules.state import Lane
from sessions_us.quota.settings import Quota, QuotaSnapshot
from sessions_us.quota.stores import MemoryStore, RedisStore, SQLiteStore

__all__ = ("Lane", "Lease", "Limiter", "MemoryStore", "Quota", "QuotaSnapshot", "RedisStore", "SQLiteStore")
