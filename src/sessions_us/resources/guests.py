"""The resources of a GUEST key: bookings, and registration for events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import guests as api

from .._calls.arguments import Extra, several
from .bookings import booking_fields
from .resource import ApiResource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessions_us_api.models import Booking, RegisteredParticipant


__all__ = ("GuestBookings", "GuestEvents")


class GuestBookings(ApiResource):
    """Bookings as a guest. The API has no way to read them with a GUEST key."""

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
        """Book a time on a booking page as a guest.

        Args:
            booking_page_id: the page to book on (assumed).
            start_at: start of the booking, an aware date-time (assumed).
            participant_name: name of the guest who books (assumed).
            participant_email: e-mail address of the guest who books (assumed).
            guests: further guests, as e-mail addresses or JSON objects (assumed).
            time_zone: an IANA name, such as `Europe/Bucharest` (assumed).

        Returns:
            The booking.

        Endpoint: POST /api/guests/bookings
        Known from: documented; the body is inferred from what bookings look like.
        """
        body = booking_fields(start_at, participant_name, participant_email, guests, time_zone)
        body["bookingPageId"] = booking_page_id
        return await self._calls.maybe(api.create_guest_booking, body=body, extra=extra)

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
        """Update a booking as a guest. PUT may replace the whole booking.

        Args:
            id: id of the booking.
            start_at: start of the booking, an aware date-time (assumed).
            participant_name: name of the guest who booked (assumed).
            participant_email: e-mail address of the guest who booked (assumed).
            guests: further guests, as e-mail addresses or JSON objects (assumed).
            time_zone: an IANA name (assumed).

        Returns:
            The updated booking.

        Endpoint: PUT /api/guests/bookings/{id}
        Known from: documented; the body is inferred.
        """
        body = booking_fields(start_at, participant_name, participant_email, guests, time_zone)
        return await self._calls.maybe(api.update_guest_booking, id, body=body, extra=extra)

    async def cancel(self, id: str, *, extra: Extra | None = None) -> Booking | None:
        """Cancel a booking as a guest.

        Which messages the server sends to people, and whether it refunds a fee, is unknown.

        Args:
            id: id of the booking.

        Returns:
            The booking (assumed).

        Raises:
            TransportError: with `sent="unknown"` the booking may or may not be cancelled.

        Endpoint: POST /api/guests/bookings/{id}
        Known from: documented; the answer is inferred.
        """
        return await self._calls.maybe(api.cancel_guest_booking, id, extra=extra)


class GuestEvents(ApiResource):
    """Registration for events as a guest."""

    async def register(
        self,
        event_or_session_id: str,
        *,
        email: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        form: Sequence[Mapping[str, object]] | None = None,
        extra: Extra | None = None,
    ) -> RegisteredParticipant | None:
        """Register a guest for an event.

        Args:
            event_or_session_id: id of the event or of its session.
            email: e-mail address of the guest (assumed).
            first_name: first name of the guest (assumed).
            last_name: last name of the guest (assumed).
            form: answers to the registration form, each `{"question": …, "answer": …}` (assumed).

        Returns:
            The registration (assumed).

        Endpoint: POST /api/guests/events/{eventIdOrSessionId}/register
        Known from: documented; the body and the answer are inferred from the webhook EVENT_NEW_REGISTRATION.
        """
        body = {"email": email, "firstName": first_name, "lastName": last_name, "form": several(form, "form")}
        return await self._calls.maybe(api.register_guest_to_event, event_or_session_id, body=body, extra=extra)
