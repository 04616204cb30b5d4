"""The resource of a booking page's collaborators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import booking_pages as api

from .resource import ApiResource

if TYPE_CHECKING:
    from sessions_us_api.models import Collaborator

    from .._calls.arguments import Extra
    from .._calls.pager import Pager

__all__ = ("Collaborators",)


class Collaborators(ApiResource):
    """Collaborators of a booking page: team members who take its bookings.

    The paths have no id of a collaborator, so the JSON body names the collaborator. The names of its fields are assumed.
    """

    def list(self, id: str, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Collaborator]:
        """List the collaborators of a booking page, 20 at a time.

        Args:
            id: id of the booking page.

        Endpoint: GET /api/booking-pages/{id}/collaborators
        Known from: documented; the fields are inferred.
        """
        return self._calls.pages(api.list_booking_page_collaborators, id, page=page, verify_end=verify_end)

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
        """Add a collaborator to a booking page.

        Args:
            id: id of the booking page.
            user_id: the user's id (assumed).
            email: the user's e-mail address (assumed).
            role: role of the collaborator (assumed).
            priority: rank where bookings are routed by priority (assumed); whether 1 is the highest is unknown.

        Returns:
            The collaborator.

        Endpoint: POST /api/booking-pages/{id}/collaborators
        Known from: documented; the body and the answer are inferred.
        """
        body = {"userId": user_id, "email": email, "role": role, "priority": priority}
        return await self._calls.maybe(api.create_booking_page_collaborator, id, body=body, extra=extra)

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
        """Update a collaborator of a booking page. PUT may replace the whole collaborator.

        Args:
            id: id of the booking page.
            collaborator_id: the collaborator's id (assumed).
            user_id: the user's id (assumed).
            email: the user's e-mail address (assumed).
            role: role of the collaborator (assumed).
            priority: rank where bookings are routed by priority (assumed); whether 1 is the highest is unknown.

        Returns:
            The updated collaborator.

        Endpoint: PUT /api/booking-pages/{id}/collaborators
        Known from: documented; the body and the answer are inferred.
        """
        body = {"userId": user_id, "email": email, "role": role, "priority": priority}
        body["collaboratorId"] = collaborator_id
        return await self._calls.maybe(api.update_booking_page_collaborator, id, body=body, extra=extra)

    async def delete(
        self,
        id: str,
        *,
        collaborator_id: str | None = None,
        user_id: str | None = None,
        email: str | None = None,
        extra: Extra | None = None,
    ) -> None:
        """Remove a collaborator from a booking page. What the server does if no field is given is unknown.

        Args:
            id: id of the booking page.
            collaborator_id: the collaborator's id (assumed).
            user_id: the user's id (assumed).
            email: the user's e-mail address (assumed).

        Endpoint: DELETE /api/booking-pages/{id}/collaborators
        Known from: documented; that the body names the collaborator is inferred.
        """
        body = {"collaboratorId": collaborator_id, "userId": user_id, "email": email}
        await self._calls.nothing(api.delete_booking_page_collaborator, id, body=body, extra=extra)
