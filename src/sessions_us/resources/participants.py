"""The resource of a session's participants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import sessions as api

from .._calls.arguments import Extra, several
from .resource import ApiResource

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence

    from sessions_us_api.models import Participant


__all__ = ("Participants",)


class Participants(ApiResource):
    """Participants of a session: users and guests."""

    async def list(self, id: str) -> builtins.list[Participant]:
        """List all participants of a session. This list is not paginated, as far as known.

        Args:
            id: id of the session.

        Returns:
            The participants; each has a `user` or a `guest`.

        Endpoint: GET /api/sessions/{id}/participants
        Known from: observed.
        """
        return await self._calls.rows(api.list_session_participants, id)

    async def add(
        self, id: str, *, emails: Sequence[str] | None = None, extra: Extra | None = None
    ) -> builtins.list[Participant] | None:
        """Add participants to a session. The server may send invitations.

        Args:
            id: id of the session.
            emails: e-mail addresses to invite (assumed).

        Returns:
            The participants in the answer (assumed: an array).

        Endpoint: POST /api/sessions/{id}/participants
        Known from: documented; the body and the answer are inferred.
        """
        return await self._calls.maybe_rows(
            api.add_session_participants, id, body={"emails": several(emails, "emails")}, extra=extra
        )

    async def update(
        self, id: str, *, participants: Sequence[Mapping[str, object]] | None = None, extra: Extra | None = None
    ) -> builtins.list[Participant] | None:
        """Update participants of a session.

        Args:
            id: id of the session.
            participants: objects with the id and the changed fields of a participant, by wire names (assumed).

        Returns:
            The participants in the answer (assumed: an array).

        Endpoint: PUT /api/sessions/{id}/participants
        Known from: documented; the body and the answer are inferred.
        """
        body = {"participants": several(participants, "participants")}
        return await self._calls.maybe_rows(api.update_session_participants, id, body=body, extra=extra)

    async def delete(
        self,
        id: str,
        *,
        participant_ids: Sequence[str] | None = None,
        emails: Sequence[str] | None = None,
        extra: Extra | None = None,
    ) -> None:
        """Remove participants from a session. What the server does if no field is given is unknown.

        Args:
            id: id of the session.
            participant_ids: ids of the participants (assumed).
            emails: e-mail addresses of the participants (assumed).

        Endpoint: DELETE /api/sessions/{id}/participants
        Known from: documented; that the body names the participants is inferred.
        """
        body = {"participantIds": several(participant_ids, "participant_ids"), "emails": several(emails, "emails")}
        await self._calls.nothing(api.delete_session_participants, id, body=body, extra=extra)
