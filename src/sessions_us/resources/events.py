"""The resource of events: sessions that people register for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import events as api

from .._calls.arguments import Extra, schedule, several, slug_from
from .resource import ApiResource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessions_us_api.models import Event, RegisteredParticipant

    from .._calls.pager import Pager

__all__ = ("Events",)


class Events(ApiResource):
    """Events: sessions that people register for. Most methods take the id of the event or of its session."""

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Event]:
        """List the events of the key's user, 20 at a time.

        Returns:
            A Pager. The name of an event is in its `session`.

        Endpoint: GET /api/events
        Known from: documented; `id` and `session.name` were observed.
        """
        return self._calls.pages(api.list_events, page=page, verify_end=verify_end)

    async def create(
        self,
        *,
        name: str,
        start_at: datetime | str,
        planned_end: datetime | str,
        time_zone: str,
        slug: str | None = None,
        description: str | None = None,
        extra: Extra | None = None,
    ) -> Event:
        """Create an event. It is a draft (assumed) until `publish`.

        Args:
            name: name of the event.
            start_at: start of the event, an aware date-time.
            planned_end: planned end, an aware date-time.
            time_zone: an IANA name, such as `Europe/Bucharest`.
            slug: last part of the event's link; None: made from the name. The server prefixes a namespace.
            description: text shown with the event (assumed).

        Returns:
            The event.

        Raises:
            ValueError: no slug can be made from the name. Pass one.
            DecodeError: the event was created, but the answer has none.

        Endpoint: POST /api/events
        Known from: observed, all but `description`.
        """
        slug = slug_from(name) if slug is None else slug
        when = schedule(start_at, planned_end, time_zone)
        body = {"name": name, "slug": slug, "description": description, **when}
        return await self._calls.one(api.create_event, body=body, extra=extra)

    async def publish(self, event_or_session_id: str, *, extra: Extra | None = None) -> Event | None:
        """Publish an event. Whether publishing twice is harmless is unknown.

        Args:
            event_or_session_id: id of the event or of its session.

        Returns:
            The event.

        Endpoint: POST /api/events/{eventIdOrSessionId}/publish
        Known from: observed, without a body; the answer is inferred.
        """
        return await self._calls.maybe(api.publish_event, event_or_session_id, extra=extra)

    async def toggle_public(self, event_or_session_id: str, *, extra: Extra | None = None) -> Event | None:
        """Toggle whether an event is public. A second call undoes the first.

        Args:
            event_or_session_id: id of the event or of its session.

        Returns:
            The event. No field is known that has its new state.

        Endpoint: POST /api/events/{eventIdOrSessionId}/toggle-public
        Known from: documented; the answer is inferred.
        """
        return await self._calls.maybe(api.toggle_event_public, event_or_session_id, extra=extra)

    async def clone(
        self, event_or_session_id: str, *, name: str | None = None, slug: str | None = None, extra: Extra | None = None
    ) -> Event | None:
        """Copy an event.

        Args:
            event_or_session_id: id of the event or of its session.
            name: name of the copy (assumed).
            slug: last part of the copy's link (assumed).

        Returns:
            The copy (assumed).

        Endpoint: POST /api/events/{eventIdOrSessionId}/clone
        Known from: documented; the body and the answer are inferred.
        """
        body = {"name": name, "slug": slug}
        return await self._calls.maybe(api.clone_event, event_or_session_id, body=body, extra=extra)

    async def register(
        self,
        event_or_session_id: str,
        *,
        form: Sequence[Mapping[str, object]] | None = None,
        extra: Extra | None = None,
    ) -> RegisteredParticipant | None:
        """Register the key's own user (assumed) for an event. `GuestClient.events.register` registers others.

        Args:
            event_or_session_id: id of the event or of its session.
            form: answers to the registration form, each `{"question": …, "answer": …}` (assumed).

        Returns:
            The registration (assumed).

        Endpoint: POST /api/events/{eventIdOrSessionId}/register
        Known from: documented; the body and the answer are inferred from the webhook EVENT_NEW_REGISTRATION.
        """
        return await self._calls.maybe(
            api.register_to_event, event_or_session_id, body={"form": several(form, "form")}, extra=extra
        )
