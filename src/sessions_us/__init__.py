"""An async-first client for the Sessions (sessions.us) Public API that stays within its ten requests a minute.

Every public name is here and is imported on first use: `import sessions_us` alone costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import loader

__version__ = "0.1.0"

if TYPE_CHECKING:  # what type checkers see; the homes below are what Python sees, and a test compares the two
    from sessions_us_api.models import *

    from ._calls.pager import Page as Page
    from ._calls.pager import Pager as Pager
    from ._send.retry_policy import *
    from .client import *
    from .errors import *
    from .events import *
    from .keys import *
    from .quota.settings import *
    from .quota.stores.memory import *
    from .quota.stores.redis import *
    from .quota.stores.sqlite import *

else:
    __getattr__ = loader(
        __name__,
        {
            "client": ("CallOptions", "ClientOptions", "ClientQuota", "GuestClient", "UserClient"),
            "quota": ("MemoryStore", "Quota", "QuotaSnapshot", "RedisStore", "SQLiteStore"),
            "_calls.pager": ("Page", "Pager"),
            "_send.retry_policy": ("RetryPolicy",),
        },
        whole=("sessions_us.errors", "sessions_us.events", "sessions_us.keys", "sessions_us_api.models"),
    )

    def __dir__() -> list[str]:
        return sorted({*globals(), *__getattr__("__all__")})
