"""Collaborators of a booking page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api.booking_pages import (
    create_booking_page_collaborator,
    delete_booking_page_collaborator,
    list_booking_page_collaborators,
    update_booking_page_collaborator,
)

if TYPE_CHECKING:
    from sessions_us_api.models import Collaborator

    from .._calls.arguments import Extra
    from .._calls.calls import Calls
    from .._calls.pager import Pager

__all__ = ("Collaborators",)


class Collaborators:
    """Collaborators of a booking page: team members who take its bookings.

    The paths name no collaborator, so the JSON body has to; the names of its fields are assumed.
    """

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self, id: str, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Collaborator]:
        """Lists the collaborators of a booking page, 20 at a time.

        Args:
            id: of the booking page.
            page: where to begin: a page number, or the `cursor` of an earlier Pager; None is the first page.
            verify_end: don't take a page with fewer rows than documented for the end; costs a request or two.

        Returns:
            A Pager, which sends nothing until it is iterated.

        Raises:
            ValueError: the id can't stand in a path, `page` is neither a page number nor a cursor.
            SessionsError: while iterating; see `sessions_us.errors`.

        Endpoint: GET /api/booking-pages/{id}/collaborators
        Known from: documented; the fields are inferred.
        """
        return self._calls.pages(list_booking_page_collaborators, id, page=page, verify_end=verify_end)

    async def create(
        self,
        id: str,
        *,
        user_id: str | None = None,
        email: str | None = None,
        role: str | None = None,
        priority: int | None = None,
        extra: Extra | None = None,
    ) -> Collaborator | None:
        """Adds a collaborator to a booking page.

        Args:
            id: of the booking page.
            user_id: who, by the user's id (assumed).
            email: who, by the user's e-mail address (assumed).
            role: what the collaborator may do (assumed).
            priority: rank where bookings are routed by priority (assumed); its direction is unknown.
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The collaborator; None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/booking-pages/{id}/collaborators
        Known from: documented; the body and the answer are inferred.
        """
        body = {"userId": user_id, "email": email, "role": role, "priority": priority}
        return await self._calls.maybe(create_booking_page_collaborator, id, body=body, extra=extra)

    async def update(
        self,
        id: str,
        *,
        collaborator_id: str | None = None,
        user_id: str | None = None,
        email: str | None = None,
        role: str | None = None,
        priority: int | None = None,
        extra: Extra | None = None,
    ) -> Collaborator | None:
        """Changes a collaborator of a booking page.

        None is not sent. Whether the server keeps what is not sent is unknown.

        Args:
            id: of the booking page.
            collaborator_id: who, by the collaborator's id (assumed).
            user_id: who, by the user's id (assumed).
            email: who, by the user's e-mail address (assumed).
            role: what the collaborator may do (assumed).
            priority: rank where bookings are routed by priority (assumed); its direction is unknown.
            extra: further fields by their wire names, merged last into the JSON body; also for null.

        Returns:
            The changed collaborator; None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: PUT /api/booking-pages/{id}/collaborators
        Known from: documented; the body and the answer are inferred.
        """
        body = {
            "collaboratorId": collaborator_id,
            "userId": user_id,
            "email": email,
            "role": role,
            "priority": priority,
        }
        return await self._calls.maybe(update_booking_page_collaborator, id, body=body, extra=extra)

    async def delete(
        self,
        id: str,
        *,
        collaborator_id: str | None = None,
        user_id: str | None = None,
        email: str | None = None,
        extra: Extra | None = None,
    ) -> None:
        """Removes a collaborator from a booking page. What the server does when nobody is named is unknown.

        Args:
            id: of the booking page.
            collaborator_id: who, by the collaborator's id (assumed).
            user_id: who, by the user's id (assumed).
            email: who, by the user's e-mail address (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: DELETE /api/booking-pages/{id}/collaborators
        Known from: documented; that the body names the collaborator is inferred.
        """
        body = {"collaboratorId": collaborator_id, "userId": user_id, "email": email}
        await self._calls.nothing(delete_booking_page_collaborator, id, body=body, extra=extra)
