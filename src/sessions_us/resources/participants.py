"""Participants of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api.sessions import (
    add_session_participants,
    delete_session_participants,
    list_session_participants,
    update_session_participants,
)

from .._calls.arguments import several

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence

    from sessions_us_api.models import Participant

    from .._calls.arguments import Extra
    from .._calls.calls import Calls

__all__ = ("Participants",)


class Participants:
    """Participants of a session: users and guests."""

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self, id: str) -> builtins.list[Participant]:
        """Lists the participants of a session, all at once: this list is not paginated as far as known.

        Args:
            id: of the session.

        Returns:
            The participants; each has a `user` or a `guest`.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: GET /api/sessions/{id}/participants
        Known from: wire.
        """
        return await self._calls.rows(list_session_participants, id)

    async def add(
        self, id: str, *, emails: Sequence[str] | None = None, extra: Extra | None = None
    ) -> builtins.list[Participant] | None:
        """Adds participants to a session, several at once. It may send invitations.

        Args:
            id: of the session.
            emails: addresses to invite (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The participants that the answer holds; None if it is empty or odd (assumed: an array).

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/sessions/{id}/participants
        Known from: documented; the body and the answer are inferred.
        """
        return await self._calls.maybe_rows(
            add_session_participants, id, body={"emails": several(emails, "emails")}, extra=extra
        )

    async def update(
        self, id: str, *, participants: Sequence[Mapping[str, object]] | None = None, extra: Extra | None = None
    ) -> builtins.list[Participant] | None:
        """Changes participants of a session.

        Args:
            id: of the session.
            participants: each with its id and what is to change, by wire names (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The participants that the answer holds; None if it is empty or odd (assumed: an array).

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: PUT /api/sessions/{id}/participants
        Known from: documented; the body and the answer are inferred.
        """
        body = {"participants": several(participants, "participants")}
        return await self._calls.maybe_rows(update_session_participants, id, body=body, extra=extra)

    async def delete(
        self,
        id: str,
        *,
        participant_ids: Sequence[str] | None = None,
        emails: Sequence[str] | None = None,
        extra: Extra | None = None,
    ) -> None:
        """Removes participants from a session. What the server does when nobody is named is unknown.

        Args:
            id: of the session.
            participant_ids: who goes, by the ids of participants (assumed).
            emails: who goes, by e-mail addresses (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: DELETE /api/sessions/{id}/participants
        Known from: documented; that the body names the participants is inferred.
        """
        body = {"participantIds": several(participant_ids, "participant_ids"), "emails": several(emails, "emails")}
        await self._calls.nothing(delete_session_participants, id, body=body, extra=extra)
