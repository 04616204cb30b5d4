"""An async-first client for the Sessions (sessions.us) Public API that lives within its ten requests a minute.

Everything public is here by name, and imported when it is first used: `import sessions_us` alone costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sessions_us_api.models import (
        Booking,
        BookingPage,
        Collaborator,
        Event,
        EventReference,
        FormAnswer,
        Guest,
        Participant,
        RegisteredParticipant,
        RichText,
        Room,
        RoomReference,
        Session,
        SessionReference,
        Slot,
        Takeaways,
        Transcript,
        TranscriptContent,
        User,
        Webhook,
        WebhookPermission,
        WebhookTrigger,
    )

    from ._calls.pager import (
        Page,
        Pager,
    )
    from ._send.retry_policy import (
        RetryPolicy,
    )
    from .client import (
        GuestClient,
        UserClient,
    )
    from .errors import (
        AuthenticationError,
        BadRequestError,
        ClientClosedError,
        ConfigurationError,
        ConflictError,
        DecodeError,
        ExportError,
        NotFoundError,
        PagingError,
        PermissionDeniedError,
        QuotaTimeoutError,
        RateLimitedError,
        RequestTimeoutError,
        ServerError,
        SessionsError,
        StatusError,
        TransportError,
        UnprocessableEntityError,
    )
    from .events import (
        CacheHit,
        ClientEvent,
        ExportProgress,
        OtherClientsSeen,
        PagingSurprise,
        RequestGranted,
        RequestQueued,
        RequestSent,
        RequestThrottled,
        ResponseReceived,
        ResponseShared,
        RetryScheduled,
        SchemaDrift,
        StoreRecovered,
        StoreUnavailable,
    )
    from .keys import (
        GuestKey,
        UserKey,
    )
    from .quota import (
        MemoryStore,
        Quota,
        QuotaSnapshot,
        RedisStore,
        SQLiteStore,
    )

__all__ = (
    "AuthenticationError",
    "BadRequestError",
    "Booking",
    "BookingPage",
    "CacheHit",
    "ClientClosedError",
    "ClientEvent",
    "Collaborator",
    "ConfigurationError",
    "ConflictError",
    "DecodeError",
    "Event",
    "EventReference",
    "ExportError",
    "ExportProgress",
    "FormAnswer",
    "Guest",
    "GuestClient",
    "GuestKey",
    "MemoryStore",
    "NotFoundError",
    "OtherClientsSeen",
    "Page",
    "Pager",
    "PagingError",
    "PagingSurprise",
    "Participant",
    "PermissionDeniedError",
    "Quota",
    "QuotaSnapshot",
    "QuotaTimeoutError",
    "RateLimitedError",
    "RedisStore",
    "RegisteredParticipant",
    "RequestGranted",
    "RequestQueued",
    "RequestSent",
    "RequestThrottled",
    "RequestTimeoutError",
    "ResponseReceived",
    "ResponseShared",
    "RetryPolicy",
    "RetryScheduled",
    "RichText",
    "Room",
    "RoomReference",
    "SQLiteStore",
    "SchemaDrift",
    "ServerError",
    "Session",
    "SessionReference",
    "SessionsError",
    "Slot",
    "StatusError",
    "StoreRecovered",
    "StoreUnavailable",
    "Takeaways",
    "Transcript",
    "TranscriptContent",
    "TransportError",
    "UnprocessableEntityError",
    "User",
    "UserClient",
    "UserKey",
    "Webhook",
    "WebhookPermission",
    "WebhookTrigger",
)

_HOMES = {
    ".client": (
        "GuestClient",
        "UserClient",
    ),
    ".errors": (
        "AuthenticationError",
        "BadRequestError",
        "ClientClosedError",
        "ConfigurationError",
        "ConflictError",
        "DecodeError",
        "ExportError",
        "NotFoundError",
        "PagingError",
        "PermissionDeniedError",
        "QuotaTimeoutError",
        "RateLimitedError",
        "RequestTimeoutError",
        "ServerError",
        "SessionsError",
        "StatusError",
        "TransportError",
        "UnprocessableEntityError",
    ),
    ".events": (
        "CacheHit",
        "ClientEvent",
        "ExportProgress",
        "PagingSurprise",
        "RequestGranted",
        "RequestQueued",
        "RequestSent",
        "RequestThrottled",
        "ResponseReceived",
        "ResponseShared",
        "RetryScheduled",
        "SchemaDrift",
        "StoreRecovered",
        "StoreUnavailable",
        "OtherClientsSeen",
    ),
    ".keys": (
        "GuestKey",
        "UserKey",
    ),
    "._calls.pager": (
        "Page",
        "Pager",
    ),
    ".quota": (
        "MemoryStore",
        "Quota",
        "QuotaSnapshot",
        "RedisStore",
        "SQLiteStore",
    ),
    "._send.retry_policy": ("RetryPolicy",),
    "sessions_us_api.models": (
        "Booking",
        "BookingPage",
        "Collaborator",
        "Event",
        "EventReference",
        "FormAnswer",
        "Guest",
        "Participant",
        "RegisteredParticipant",
        "RichText",
        "Room",
        "RoomReference",
        "Session",
        "SessionReference",
        "Slot",
        "Takeaways",
        "Transcript",
        "TranscriptContent",
        "User",
        "Webhook",
        "WebhookPermission",
        "WebhookTrigger",
    ),
}


if not TYPE_CHECKING:  # so that a type checker refuses names that are not there

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                value = getattr(import_module(home, __name__), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
