"""Events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api.events import (
    clone_event,
    create_event,
    list_events,
    publish_event,
    register_to_event,
    toggle_event_public,
)

from .._calls.arguments import several, slug_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessions_us_api.models import Event, RegisteredParticipant

    from .._calls.arguments import Extra
    from .._calls.calls import Calls
    from .._calls.pager import Pager

__all__ = ("Events",)


class Events:
    """Events: sessions that people register for. Most calls take the event's id or its session's."""

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Event]:
        """Lists the events of the key's user, 20 at a time.

        Args:
            page: where to begin: a page number, or the `cursor` of an earlier Pager; None is the first page.
            verify_end: don't take a page with fewer rows than documented for the end; costs a request or two.

        Returns:
            A Pager, which sends nothing until it is iterated. An event's name is in its `session`.

        Raises:
            ValueError: `page` is neither a page number nor a cursor.
            SessionsError: while iterating; see `sessions_us.errors`.

        Endpoint: GET /api/events
        Known from: documented; `id` and `session.name` on the wire.
        """
        return self._calls.pages(list_events, page=page, verify_end=verify_end)

    async def create(
        self,
        *,
        name: str,
        start_at: datetime,
        planned_end: datetime,
        time_zone: str,
        slug: str | None = None,
        description: str | None = None,
        extra: Extra | None = None,
    ) -> Event:
        """Makes an event, which starts as a draft (assumed); `publish` makes it known.

        Args:
            name: of the event.
            start_at: when it begins, an aware date-time; it is sent in UTC.
            planned_end: when it is planned to end, an aware date-time.
            time_zone: an IANA name, such as `Europe/Bucharest`.
            slug: last part of the event's link; None makes it of the name. The server puts a namespace before it.
            description: text shown with it (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The event.

        Raises:
            ValueError: a date-time is naive, or no slug can be made of the name: pass one.
            DecodeError: the event was made, but the answer holds none.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/events
        Known from: wire, all but `description`.
        """
        body = {
            "name": name,
            "slug": slug_from(name) if slug is None else slug,
            "description": description,
            "startAt": start_at,
            "plannedEnd": planned_end,
            "timeZone": time_zone,
        }
        return await self._calls.one(create_event, body=body, extra=extra)

    async def publish(self, event_or_session_id: str, *, extra: Extra | None = None) -> Event | None:
        """Publishes an event. Not repeated after an ambiguous failure: publishing twice is not proven harmless.

        Args:
            event_or_session_id: the event's id or its session's.
            extra: a JSON body, by wire names; none is needed.

        Returns:
            The event; None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/events/{eventIdOrSessionId}/publish
        Known from: wire, without a body; the answer is inferred.
        """
        return await self._calls.maybe(publish_event, event_or_session_id, extra=extra)

    async def toggle_public(self, event_or_session_id: str, *, extra: Extra | None = None) -> Event | None:
        """Makes a private event public and a public one private.

        By its name it is a toggle: a second call undoes the first. So it is not repeated after an ambiguous failure.

        Args:
            event_or_session_id: the event's id or its session's.
            extra: a JSON body, by wire names; none is known to be needed.

        Returns:
            The event; None if the answer holds none. No field is known to say which state it is in now.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/events/{eventIdOrSessionId}/toggle-public
        Known from: documented; the answer is inferred.
        """
        return await self._calls.maybe(toggle_event_public, event_or_session_id, extra=extra)

    async def clone(
        self,
        event_or_session_id: str,
        *,
        name: str | None = None,
        slug: str | None = None,
        extra: Extra | None = None,
    ) -> Event | None:
        """Makes a copy of an event.

        Args:
            event_or_session_id: the event's id or its session's.
            name: of the copy (assumed).
            slug: last part of the copy's link (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The copy (assumed); None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/events/{eventIdOrSessionId}/clone
        Known from: documented; the body and the answer are inferred.
        """
        body = {"name": name, "slug": slug}
        return await self._calls.maybe(clone_event, event_or_session_id, body=body, extra=extra)

    async def register(
        self,
        event_or_session_id: str,
        *,
        form: Sequence[Mapping[str, object]] | None = None,
        extra: Extra | None = None,
    ) -> RegisteredParticipant | None:
        """Registers the key's own user for an event. For others there is `GuestClient.events.register`.

        Args:
            event_or_session_id: the event's id or its session's.
            form: answers to the registration form, each `{"question": …, "answer": …}` (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The registration (assumed); None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/events/{eventIdOrSessionId}/register
        Known from: documented; the body and the answer are inferred from the webhook EVENT_NEW_REGISTRATION.
        """
        return await self._calls.maybe(
            register_to_event, event_or_session_id, body={"form": several(form, "form")}, extra=extra
        )
