"""The fields of each resource that the sandbox knows, sent by default or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Fields = Literal["known", "all"]
PERSON = frozenset({"id", "email", "firstName", "lastName"})
PARTICIPANT = frozenset({"id", "isOwner", "user", "guest"})
UTTERANCE = frozenset({"participantId", "sourceTimestamp", "sourceLanguage", "content"})
FIELDS: Mapping[str, frozenset[str]] = {
    "users": PERSON | {"key"},
    "rooms": frozenset({"id", "name", "slug", "description", "createdAt", "sharedWith"}),
    "booking_pages": frozenset(
        {"id", "name", "slug", "description", "duration", "timeZone", "createdAt", "updatedAt", "collaborators"}
    ),
    "collaborators": frozenset({"id", "collaboratorId", "userId", "email", "role", "priority", "user"}),
    "sessions": frozenset(
        {"id", "name", "description", "quickSession", "room", "createdAt", "startAt", "actualStart", "endedAt"}
        | {"plannedEnd", "timeZone", "sessionLink", "booking", "event", "participants", "takeaways", "transcripts"}
    ),
    "bookings": frozenset(
        {"id", "name", "participantName", "participantEmail", "guests", "startAt", "sessionId", "bookingPageId"}
        | {"timeZone", "createdAt", "cancelledAt"}
    ),
    "events": frozenset({"id", "slug", "session", "createdAt", "isPublished", "isPublic"}),
    "webhooks": frozenset({"id", "url", "trigger", "permission", "linkPublicKey", "integration"}),
}
