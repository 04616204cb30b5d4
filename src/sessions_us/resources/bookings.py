"""Bookings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api.bookings import (
    cancel_booking,
    change_booking_collaborator,
    create_booking,
    delete_booking,
    list_bookings,
    update_booking,
)

from .._calls.arguments import several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessions_us_api.models import Booking

    from .._calls.arguments import Extra
    from .._calls.calls import Calls
    from .._calls.pager import Pager

__all__ = ("Bookings",)


class Bookings:
    """Bookings: times that were booked on booking pages. The API has no way to read a single one."""

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Booking]:
        """Lists the bookings of the key's user, 20 at a time.

        Args:
            page: where to begin: a page number, or the `cursor` of an earlier Pager; None is the first page.
            verify_end: don't take a page with fewer rows than documented for the end; costs a request or two.

        Returns:
            A Pager, which sends nothing until it is iterated.

        Raises:
            ValueError: `page` is neither a page number nor a cursor.
            SessionsError: while iterating; see `sessions_us.errors`.

        Endpoint: GET /api/bookings
        Known from: documented; items as in a booking page's list (assumed).
        """
        return self._calls.pages(list_bookings, page=page, verify_end=verify_end)

    async def create(
        self,
        *,
        booking_page_id: str | None = None,
        start_at: datetime | None = None,
        participant_name: str | None = None,
        participant_email: str | None = None,
        guests: Sequence[str | Mapping[str, object]] | None = None,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> Booking | None:
        """Books a time on a booking page. A user can't book on their own page, an integration of the API warns.

        Args:
            booking_page_id: the page to book on (assumed).
            start_at: when the booking begins, an aware date-time; it is sent in UTC (assumed).
            participant_name: of the person who books (assumed).
            participant_email: of the person who books (assumed).
            guests: who else comes, as e-mail addresses or JSON objects (assumed).
            time_zone: an IANA name, such as `Europe/Bucharest` (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The booking; None if the answer holds none.

        Raises:
            ValueError: a date-time is naive.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/bookings
        Known from: documented; the body is inferred from what bookings look like.
        """
        body = {
            "bookingPageId": booking_page_id,
            "startAt": start_at,
            "participantName": participant_name,
            "participantEmail": participant_email,
            "guests": several(guests, "guests"),
            "timeZone": time_zone,
        }
        return await self._calls.maybe(create_booking, body=body, extra=extra)

    async def update(
        self,
        id: str,
        *,
        start_at: datetime | None = None,
        participant_name: str | None = None,
        participant_email: str | None = None,
        guests: Sequence[str | Mapping[str, object]] | None = None,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> Booking | None:
        """Changes a booking.

        None is not sent. Whether the server keeps what is not sent is unknown: PUT may replace the whole booking.

        Args:
            id: of the booking.
            start_at: when it begins, an aware date-time (assumed).
            participant_name: of the person who booked (assumed).
            participant_email: of the person who booked (assumed).
            guests: who else comes, as e-mail addresses or JSON objects (assumed).
            time_zone: an IANA name (assumed).
            extra: further fields by their wire names, merged last into the JSON body; also for null.

        Returns:
            The changed booking; None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path, or a date-time is naive.
            SessionsError: see `sessions_us.errors`.

        Endpoint: PUT /api/bookings/{id}
        Known from: documented; the body is inferred.
        """
        body = {
            "startAt": start_at,
            "participantName": participant_name,
            "participantEmail": participant_email,
            "guests": several(guests, "guests"),
            "timeZone": time_zone,
        }
        return await self._calls.maybe(update_booking, id, body=body, extra=extra)

    async def cancel(self, id: str, *, extra: Extra | None = None) -> Booking | None:
        """Cancels a booking, which is not the same as deleting it.

        Never repeated after an ambiguous failure. What it sends to people, and what becomes of a fee that was paid, is
        unknown: nothing is claimed about refunds.

        Args:
            id: of the booking.
            extra: a JSON body, by wire names; none is known to be needed.

        Returns:
            The booking (assumed); None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            TransportError: with `sent="unknown"` the booking may or may not be cancelled: look before trying again.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/bookings/{id}
        Known from: documented; the answer is inferred.
        """
        return await self._calls.maybe(cancel_booking, id, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Deletes a booking, which is not the same as cancelling it.

        Args:
            id: of the booking.
            extra: a JSON body, by wire names; none is known to be needed.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: DELETE /api/bookings/{id}
        Known from: documented.
        """
        await self._calls.nothing(delete_booking, id, extra=extra)

    async def change_collaborator(
        self, id: str, *, collaborator_id: str | None = None, user_id: str | None = None, extra: Extra | None = None
    ) -> Booking | None:
        """Gives a booking to another collaborator of its page.

        Args:
            id: of the booking.
            collaborator_id: who takes it over, by the collaborator's id (assumed).
            user_id: who takes it over, by the user's id (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The booking (assumed); None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/bookings/{id}/collaborator
        Known from: documented; the body and the answer are inferred.
        """
        body = {"collaboratorId": collaborator_id, "userId": user_id}
        return await self._calls.maybe(change_booking_collaborator, id, body=body, extra=extra)
