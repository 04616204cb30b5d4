"""An async-first client for the Sessions (sessions.us) Public API that lives within its ten requests a minute.

Everything public is here by name, and imported when it is first used: `import sessions_us` alone costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessions_us_api.models import (
        Booking as Booking,
    )
    from sessions_us_api.models import (
        BookingPage as BookingPage,
    )
    from sessions_us_api.models import (
        Collaborator as Collaborator,
    )
    from sessions_us_api.models import (
        Event as Event,
    )
    from sessions_us_api.models import (
        EventReference as EventReference,
    )
    from sessions_us_api.models import (
        FormAnswer as FormAnswer,
    )
    from sessions_us_api.models import (
        Guest as Guest,
    )
    from sessions_us_api.models import (
        Participant as Participant,
    )
    from sessions_us_api.models import (
        RegisteredParticipant as RegisteredParticipant,
    )
    from sessions_us_api.models import (
        RichText as RichText,
    )
    from sessions_us_api.models import (
        Room as Room,
    )
    from sessions_us_api.models import (
        RoomReference as RoomReference,
    )
    from sessions_us_api.models import (
        Session as Session,
    )
    from sessions_us_api.models import (
        SessionReference as SessionReference,
    )
    from sessions_us_api.models import (
        Slot as Slot,
    )
    from sessions_us_api.models import (
        Takeaways as Takeaways,
    )
    from sessions_us_api.models import (
        Transcript as Transcript,
    )
    from sessions_us_api.models import (
        TranscriptContent as TranscriptContent,
    )
    from sessions_us_api.models import (
        User as User,
    )
    from sessions_us_api.models import (
        Webhook as Webhook,
    )
    from sessions_us_api.models import (
        WebhookPermission as WebhookPermission,
    )
    from sessions_us_api.models import (
        WebhookTrigger as WebhookTrigger,
    )

    from .client import (
        GuestClient as GuestClient,
    )
    from .client import (
        UserClient as UserClient,
    )
    from .errors import (
        AuthenticationError as AuthenticationError,
    )
    from .errors import (
        BadRequestError as BadRequestError,
    )
    from .errors import (
        ClientClosedError as ClientClosedError,
    )
    from .errors import (
        ConfigurationError as ConfigurationError,
    )
    from .errors import (
        ConflictError as ConflictError,
    )
    from .errors import (
        DecodeError as DecodeError,
    )
    from .errors import (
        NotFoundError as NotFoundError,
    )
    from .errors import (
        PermissionDeniedError as PermissionDeniedError,
    )
    from .errors import (
        QuotaTimeoutError as QuotaTimeoutError,
    )
    from .errors import (
        RateLimitedError as RateLimitedError,
    )
    from .errors import (
        RequestTimeoutError as RequestTimeoutError,
    )
    from .errors import (
        ServerError as ServerError,
    )
    from .errors import (
        SessionsError as SessionsError,
    )
    from .errors import (
        StatusError as StatusError,
    )
    from .errors import (
        TransportError as TransportError,
    )
    from .errors import (
        UnprocessableEntityError as UnprocessableEntityError,
    )
    from .events import (
        RequestGranted as RequestGranted,
    )
    from .events import (
        RequestQueued as RequestQueued,
    )
    from .events import (
        RequestSent as RequestSent,
    )
    from .events import (
        RequestThrottled as RequestThrottled,
    )
    from .events import (
        ResponseReceived as ResponseReceived,
    )
    from .events import (
        RetryScheduled as RetryScheduled,
    )
    from .events import (
        SchemaDrift as SchemaDrift,
    )
    from .events import (
        StoreRecovered as StoreRecovered,
    )
    from .events import (
        StoreUnavailable as StoreUnavailable,
    )
    from .events import (
        StrangerSeen as StrangerSeen,
    )
    from .keys import (
        GuestKey as GuestKey,
    )
    from .keys import (
        UserKey as UserKey,
    )
    from .paging import (
        Page as Page,
    )
    from .paging import (
        Pager as Pager,
    )
    from .quota import (
        MemoryStore as MemoryStore,
    )
    from .quota import (
        Quota as Quota,
    )
    from .quota import (
        QuotaSnapshot as QuotaSnapshot,
    )
    from .retries import (
        RetryPolicy as RetryPolicy,
    )

__all__ = (
    "AuthenticationError",
    "BadRequestError",
    "Booking",
    "BookingPage",
    "ClientClosedError",
    "Collaborator",
    "ConfigurationError",
    "ConflictError",
    "DecodeError",
    "Event",
    "EventReference",
    "FormAnswer",
    "Guest",
    "GuestClient",
    "GuestKey",
    "MemoryStore",
    "NotFoundError",
    "Page",
    "Pager",
    "Participant",
    "PermissionDeniedError",
    "Quota",
    "QuotaSnapshot",
    "QuotaTimeoutError",
    "RateLimitedError",
    "RegisteredParticipant",
    "RequestGranted",
    "RequestQueued",
    "RequestSent",
    "RequestThrottled",
    "RequestTimeoutError",
    "ResponseReceived",
    "RetryPolicy",
    "RetryScheduled",
    "RichText",
    "Room",
    "RoomReference",
    "SchemaDrift",
    "ServerError",
    "Session",
    "SessionReference",
    "SessionsError",
    "Slot",
    "StatusError",
    "StoreRecovered",
    "StoreUnavailable",
    "StrangerSeen",
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
        "NotFoundError",
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
        "RequestGranted",
        "RequestQueued",
        "RequestSent",
        "RequestThrottled",
        "ResponseReceived",
        "RetryScheduled",
        "SchemaDrift",
        "StoreRecovered",
        "StoreUnavailable",
        "StrangerSeen",
    ),
    ".keys": (
        "GuestKey",
        "UserKey",
    ),
    ".paging": (
        "Page",
        "Pager",
    ),
    ".quota": (
        "MemoryStore",
        "Quota",
        "QuotaSnapshot",
    ),
    ".retries": ("RetryPolicy",),
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


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home, __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
