"""Sessions, their takeaways and transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api.sessions import (
    create_session,
    delete_session,
    get_session,
    get_session_takeaways,
    get_session_transcripts,
    list_sessions,
    update_session,
)

from .participants import Participants

if TYPE_CHECKING:
    import builtins
    from datetime import datetime

    from sessions_us_api.models import Session, Takeaways, Transcript

    from .._calls.arguments import Extra
    from .._calls.calls import Calls
    from .._calls.pager import Pager

__all__ = ("Sessions",)


class Sessions:
    """Sessions: meetings with a link, planned or running or over.

    Attributes:
        participants: who takes part in a session.
    """

    __slots__ = ("_calls", "participants")

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.participants: Participants = Participants(calls)

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Session]:
        """Lists the sessions of the key's user, ended ones too, 20 at a time.

        Args:
            page: where to begin: a page number, or the `cursor` of an earlier Pager; None is the first page.
            verify_end: don't take a page with fewer rows than documented for the end; costs a request or two.

        Returns:
            A Pager, which sends nothing until it is iterated. The order is the server's; none is promised.

        Raises:
            ValueError: `page` is neither a page number nor a cursor.
            SessionsError: while iterating; see `sessions_us.errors`.

        Endpoint: GET /api/sessions
        Known from: documented; items as clients of the live API read them.
        """
        return self._calls.pages(list_sessions, page=page, verify_end=verify_end)

    async def create(
        self,
        *,
        name: str,
        start_at: datetime,
        planned_end: datetime,
        time_zone: str,
        description: str | None = None,
        extra: Extra | None = None,
    ) -> Session:
        """Plans a session.

        Args:
            name: of the session.
            start_at: when it begins, an aware date-time; it is sent in UTC.
            planned_end: when it is planned to end, an aware date-time.
            time_zone: an IANA name, such as `Europe/Bucharest`.
            description: text shown with it (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The session, with the `session_link` to join it.

        Raises:
            ValueError: a date-time is naive.
            DecodeError: the session was made, but the answer holds none.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/sessions
        Known from: wire, all but `description`.
        """
        body = {
            "name": name,
            "description": description,
            "startAt": start_at,
            "plannedEnd": planned_end,
            "timeZone": time_zone,
        }
        return await self._calls.one(create_session, body=body, extra=extra)

    async def get(self, id: str) -> Session:
        """Reads one session.

        Args:
            id: of the session.

        Returns:
            The session.

        Raises:
            ValueError: the id can't stand in a path.
            NotFoundError: there is no such session for this key.
            DecodeError: the answer holds no session.
            SessionsError: see `sessions_us.errors`.

        Endpoint: GET /api/sessions/{id}
        Known from: documented; the fields are those of lists and webhooks (assumed).
        """
        return await self._calls.one(get_session, id)

    async def update(
        self,
        id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        start_at: datetime | None = None,
        planned_end: datetime | None = None,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> Session | None:
        """Changes a session.

        None is not sent. Whether the server keeps what is not sent is unknown: PUT may replace the whole session.

        Args:
            id: of the session.
            name: of the session (assumed).
            description: text shown with it (assumed).
            start_at: when it begins, an aware date-time (assumed).
            planned_end: when it is planned to end, an aware date-time (assumed).
            time_zone: an IANA name (assumed).
            extra: further fields by their wire names, merged last into the JSON body; also for null.

        Returns:
            The changed session; None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path, or a date-time is naive.
            SessionsError: see `sessions_us.errors`.

        Endpoint: PUT /api/sessions/{id}
        Known from: documented; the fields are inferred from creating one.
        """
        body = {
            "name": name,
            "description": description,
            "startAt": start_at,
            "plannedEnd": planned_end,
            "timeZone": time_zone,
        }
        return await self._calls.maybe(update_session, id, body=body, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Deletes a session.

        Args:
            id: of the session.
            extra: a JSON body, by wire names; none is known to be needed.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: DELETE /api/sessions/{id}
        Known from: documented.
        """
        await self._calls.nothing(delete_session, id, extra=extra)

    async def takeaways(self, id: str) -> Takeaways | None:
        """Reads the takeaways of a session.

        Args:
            id: of the session.

        Returns:
            The takeaways, as text and as rich text; None if there are none (yet).

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: GET /api/sessions/{id}/takeaways
        Known from: documented; the fields are those of the webhook TAKEAWAY_READY (assumed).
        """
        return await self._calls.maybe(get_session_takeaways, id)

    async def transcripts(self, id: str) -> builtins.list[Transcript]:
        """Reads the transcripts of a session, all at once.

        Args:
            id: of the session.

        Returns:
            The utterances, empty if there are none (yet). Each has its time and the text in one or more languages.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: GET /api/sessions/{id}/transcripts
        Known from: documented; the fields are those of the webhook TRANSCRIPT_READY (assumed).
        """
        return await self._calls.rows(get_session_transcripts, id)
