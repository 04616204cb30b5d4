"""The resource of sessions, their takeaways and transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import sessions as api

from .._calls.arguments import Extra, schedule
from .participants import Participants
from .resource import ApiResource

if TYPE_CHECKING:
    import builtins
    from datetime import datetime

    from sessions_us_api.models import Session, Takeaways, Transcript

    from .._calls.calls import Calls
    from .._calls.pager import Pager

__all__ = ("Sessions",)


class Sessions(ApiResource):
    """Sessions: meetings with a link, planned, running or ended.

    Attributes:
        participants: the participants of a session.
    """

    def __init__(self, calls: Calls) -> None:
        super().__init__(calls)
        self.participants: Participants = Participants(calls)

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Session]:
        """List the sessions of the key's user, 20 at a time. Ended ones are among them.

        Endpoint: GET /api/sessions
        Known from: documented; items, and that ended ones are among them, as clients of the live API read them.
        """
        return self._calls.pages(api.list_sessions, page=page, verify_end=verify_end)

    async def create(
        self,
        *,
        name: str,
        start_at: datetime | str,
        planned_end: datetime | str,
        time_zone: str,
        description: str | None = None,
        extra: Extra | None = None,
    ) -> Session:
        """Plan a session.

        Args:
            name: name of the session.
            start_at: start of the session, an aware date-time.
            planned_end: planned end, an aware date-time.
            time_zone: an IANA name, such as `Europe/Bucharest`.
            description: text shown with the session (assumed).

        Returns:
            The session, with the `session_link` to join it.

        Raises:
            DecodeError: the session was created, but the answer has none.

        Endpoint: POST /api/sessions
        Known from: observed, all but `description`.
        """
        body = {"name": name, "description": description, **schedule(start_at, planned_end, time_zone)}
        return await self._calls.one(api.create_session, body=body, extra=extra)

    async def get(self, id: str) -> Session:
        """Read one session.

        Args:
            id: id of the session.

        Returns:
            The session.

        Raises:
            NotFoundError: there is no such session for this key.

        Endpoint: GET /api/sessions/{id}
        Known from: documented; the fields are those of lists and webhooks (assumed).
        """
        return await self._calls.one(api.get_session, id)

    async def update(
        self,
        id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        start_at: datetime | str | None = None,
        planned_end: datetime | str | None = None,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> Session | None:
        """Update a session. PUT may replace the whole session.

        Args:
            id: id of the session.
            name: name of the session (assumed).
            description: text shown with the session (assumed).
            start_at: start of the session, an aware date-time (assumed).
            planned_end: planned end, an aware date-time (assumed).
            time_zone: an IANA name (assumed).

        Returns:
            The updated session.

        Endpoint: PUT /api/sessions/{id}
        Known from: documented; the fields are inferred from creating one.
        """
        body = {"name": name, "description": description, **schedule(start_at, planned_end, time_zone)}
        return await self._calls.maybe(api.update_session, id, body=body, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Delete a session.

        Args:
            id: id of the session.

        Endpoint: DELETE /api/sessions/{id}
        Known from: documented.
        """
        await self._calls.nothing(api.delete_session, id, extra=extra)

    async def takeaways(self, id: str) -> Takeaways | None:
        """Read the takeaways of a session.

        Args:
            id: id of the session.

        Returns:
            The takeaways, as text and as rich text; None if there are none yet.

        Endpoint: GET /api/sessions/{id}/takeaways
        Known from: documented; the fields are those of the webhook TAKEAWAY_READY (assumed).
        """
        return await self._calls.maybe(api.get_session_takeaways, id)

    async def transcripts(self, id: str) -> builtins.list[Transcript]:
        """Read all transcripts of a session.

        Args:
            id: id of the session.

        Returns:
            The utterances; empty if there are none yet. Each has a time, and its text in one or more languages.

        Endpoint: GET /api/sessions/{id}/transcripts
        Known from: documented; the fields are those of the webhook TRANSCRIPT_READY (assumed).
        """
        return await self._calls.rows(api.get_session_transcripts, id)
