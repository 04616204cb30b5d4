"""The resource of bookings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import bookings as api

from .._calls.arguments import Extra, moment, several
from .resource import ApiResource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessions_us_api.models import Booking

    from .._calls.pager import Pager

__all__ = ("Bookings", "booking_fields")


class Bookings(ApiResource):
    """Bookings on booking pages. The API has no way to read a single booking."""

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Booking]:
        """List the bookings of the key's user, 20 at a time.

        Endpoint: GET /api/bookings
        Known from: documented; items as in a booking page's list (assumed).
        """
        return self._calls.pages(api.list_bookings, page=page, verify_end=verify_end)

    async def create(
        self,
        *,
        booking_page_id: str | None = None,
        start_at: datetime | str | None = None,
        participant_name: str | None = None,
        participant_email: str | None = None,
        guests: Sequence[str | Mapping[str, object]] | None = None,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> Booking | None:
        """Book a time on a booking page. An integration of the API warns that users can't book on their own page.

        Args:
            booking_page_id: the page to book on (assumed).
            start_at: start of the booking, an aware date-time (assumed).
            participant_name: name of the person who books (assumed).
            participant_email: e-mail address of the person who books (assumed).
            guests: further guests, as e-mail addresses or JSON objects (assumed).
            time_zone: an IANA name, such as `Europe/Bucharest` (assumed).

        Returns:
            The booking.

        Endpoint: POST /api/bookings
        Known from: documented; the body is inferred from what bookings look like.
        """
        body = booking_fields(start_at, participant_name, participant_email, guests, time_zone)
        body["bookingPageId"] = booking_page_id
        return await self._calls.maybe(api.create_booking, body=body, extra=extra)

    async def update(
        self,
        id: str,
        *,
        start_at: datetime | str | None = None,
        participant_name: str | None = None,
        participant_email: str | None = None,
        guests: Sequence[str | Mapping[str, object]] | None = None,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> Booking | None:
        """Update a booking. PUT may replace the whole booking.

        Args:
            id: id of the booking.
            start_at: start of the booking, an aware date-time (assumed).
            participant_name: name of the person who booked (assumed).
            participant_email: e-mail address of the person who booked (assumed).
            guests: further guests, as e-mail addresses or JSON objects (assumed).
            time_zone: an IANA name (assumed).

        Returns:
            The updated booking.

        Endpoint: PUT /api/bookings/{id}
        Known from: documented; the body is inferred.
        """
        body = booking_fields(start_at, participant_name, participant_email, guests, time_zone)
        return await self._calls.maybe(api.update_booking, id, body=body, extra=extra)

    async def cancel(self, id: str, *, extra: Extra | None = None) -> Booking | None:
        """Cancel a booking. Deleting one is another operation.

        Which messages the server sends to people, and whether it refunds a fee, is unknown.

        Args:
            id: id of the booking.

        Returns:
            The booking (assumed).

        Raises:
            TransportError: with `sent="unknown"` the booking may or may not be cancelled. Look before you try again.

        Endpoint: POST /api/bookings/{id}
        Known from: documented; the answer is inferred.
        """
        return await self._calls.maybe(api.cancel_booking, id, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Delete a booking. Cancelling one is another operation.

        Args:
            id: id of the booking.

        Endpoint: DELETE /api/bookings/{id}
        Known from: documented.
        """
        await self._calls.nothing(api.delete_booking, id, extra=extra)

    async def change_collaborator(
        self, id: str, *, collaborator_id: str | None = None, user_id: str | None = None, extra: Extra | None = None
    ) -> Booking | None:
        """Assign a booking to another collaborator of its booking page.

        Args:
            id: id of the booking.
            collaborator_id: id of the new collaborator (assumed).
            user_id: user id of the new collaborator (assumed).

        Returns:
            The booking (assumed).

        Endpoint: POST /api/bookings/{id}/collaborator
        Known from: documented; the body and the answer are inferred.
        """
        body = {"collaboratorId": collaborator_id, "userId": user_id}
        return await self._calls.maybe(api.change_booking_collaborator, id, body=body, extra=extra)


def booking_fields(
    start_at: datetime | str | None,
    participant_name: str | None,
    participant_email: str | None,
    guests: Sequence[str | Mapping[str, object]] | None,
    time_zone: str | None,
) -> dict[str, object]:
    """What users and guests say of a booking."""
    return {
        "startAt": moment(start_at, "start_at"),
        "participantName": participant_name,
        "participantEmail": participant_email,
        "guests": several(guests, "guests"),
        "timeZone": time_zone,
    }
