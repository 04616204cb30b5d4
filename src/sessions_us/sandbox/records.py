"""What the sandbox remembers: one record for each noun of the API.

`extra` holds the fields of requests that nothing here knows. They are given back as they came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Person:
    """A user with an account, or a guest without one; a guest's last name is often unknown."""

    id: str
    email: str | None
    first_name: str | None
    last_name: str | None = None


@dataclass(slots=True)
class ParticipantRecord:
    """A person in a session; `is_guest` tells on which side of the wire format the person stands."""

    id: str
    is_owner: bool
    person: Person
    is_guest: bool = False


@dataclass(slots=True)
class Utterance:
    participant_id: str
    at: datetime
    text: str
    language: str = "en"


@dataclass(slots=True)
class SessionRecord:
    """A session. Its life: planned, live from `actual_start`, over from `ended_at`."""

    id: str
    name: str
    created_at: datetime
    owner_id: str
    description: str | None = ""
    quick: bool = False
    room_id: str | None = None
    start_at: datetime | None = None
    planned_end: datetime | None = None
    time_zone: str | None = None
    actual_start: datetime | None = None
    ended_at: datetime | None = None
    booking_id: str | None = None
    event_id: str | None = None
    participants: list[ParticipantRecord] = field(default_factory=list)
    takeaways: str | None = None
    transcripts: list[Utterance] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class CollaboratorRecord:
    id: str
    email: str | None
    created_at: datetime
    user: Person | None = None
    role: str | None = None
    priority: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class BookingPageRecord:
    id: str
    owner: Person
    name: str
    slug: str
    created_at: datetime
    updated_at: datetime
    duration: int
    time_zone: str
    description: str | None = None
    collaborators: dict[str, CollaboratorRecord] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class BookingRecord:
    id: str
    page_id: str
    session_id: str
    created_at: datetime
    name: str
    participant_name: str
    participant_email: str | None
    guests: list[str | dict[str, Any]]
    start_at: datetime
    end_at: datetime
    time_zone: str
    collaborator_id: str | None = None
    cancelled_at: datetime | None = None
    booker_id: str | None = None  # the user who booked; None for a guest
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class RoomRecord:
    id: str
    name: str
    slug: str
    created_at: datetime
    owner_id: str
    description: str | None = None
    shared_with: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Registration:
    id: str
    email: str
    first_name: str
    form: list[dict[str, Any]]


@dataclass(slots=True)
class EventRecord:
    """Wraps exactly one session."""

    id: str
    slug: str
    session_id: str
    created_at: datetime
    published: bool = False
    public: bool = False
    registrations: list[Registration] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class WebhookRecord:
    id: str
    url: str
    trigger: str
    permission: str
    link_public_key: bool
    integration: str | None
    created_at: datetime
    owner_id: str
    extra: dict[str, Any] = field(default_factory=dict)
