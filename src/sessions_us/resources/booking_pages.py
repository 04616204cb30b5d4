"""The resource of booking pages, their free times and their bookings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import booking_pages as api

from .._calls.arguments import Extra, moment
from .collaborators import Collaborators
from .resource import ApiResource

if TYPE_CHECKING:
    import builtins
    from datetime import datetime

    from sessions_us_api.models import Booking, BookingPage, Slot

    from .._calls.calls import Calls
    from .._calls.pager import Pager

__all__ = ("BookingPages",)


class BookingPages(ApiResource):
    """Booking pages, on which others book a time with the key's user or team.

    Attributes:
        collaborators: the team members who take a page's bookings.
    """

    def __init__(self, calls: Calls) -> None:
        super().__init__(calls)
        self.collaborators: Collaborators = Collaborators(calls)

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[BookingPage]:
        """List the booking pages of the key's user, 20 at a time.

        Endpoint: GET /api/booking-pages
        Known from: documented; the fields are inferred.
        """
        return self._calls.pages(api.list_booking_pages, page=page, verify_end=verify_end)

    async def create(
        self,
        *,
        name: str,
        slug: str | None = None,
        description: str | None = None,
        duration: int | None = None,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> BookingPage | None:
        """Create a booking page.

        Args:
            name: name of the page (assumed).
            slug: last part of the public link (assumed).
            description: text shown with the page (assumed).
            duration: length of one booking in minutes (assumed).
            time_zone: an IANA name, such as `Europe/Bucharest` (assumed).

        Returns:
            The page.

        Endpoint: POST /api/booking-pages
        Known from: documented; the fields are inferred from the app's settings.
        """
        body = {"name": name, "slug": slug, "description": description, "duration": duration, "timeZone": time_zone}
        return await self._calls.maybe(api.create_booking_page, body=body, extra=extra)

    async def get(self, id: str) -> BookingPage:
        """Read one booking page.

        Args:
            id: id of the page.

        Returns:
            The page.

        Raises:
            NotFoundError: there is no such page for this key.

        Endpoint: GET /api/booking-pages/{id}
        Known from: documented; the fields are inferred.
        """
        return await self._calls.one(api.get_booking_page, id)

    async def update(
        self,
        id: str,
        *,
        name: str | None = None,
        slug: str | None = None,
        description: str | None = None,
        duration: int | None = None,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> BookingPage | None:
        """Update a booking page. PUT may replace the whole page.

        Args:
            id: id of the page.
            name: name of the page (assumed).
            slug: last part of the public link (assumed).
            description: text shown with the page (assumed).
            duration: length of one booking in minutes (assumed).
            time_zone: an IANA name (assumed).

        Returns:
            The updated page.

        Endpoint: PUT /api/booking-pages/{id}
        Known from: documented; the fields are inferred.
        """
        body = {"name": name, "slug": slug, "description": description, "duration": duration, "timeZone": time_zone}
        return await self._calls.maybe(api.update_booking_page, id, body=body, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Delete a booking page. What becomes of its bookings is unknown.

        Args:
            id: id of the page.

        Endpoint: DELETE /api/booking-pages/{id}
        Known from: documented.
        """
        await self._calls.nothing(api.delete_booking_page, id, extra=extra)

    async def slots(
        self,
        id: str,
        *,
        start: datetime | str,
        end: datetime | str,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> builtins.list[Slot]:
        """Compute the free times of a booking page between two date-times. The request changes nothing.

        An answer is shared and kept (see `cache_ttl`) for the same two moments. `datetime.now(UTC)` is another one each
        time: round it, such as `now.replace(minute=0, second=0, microsecond=0)`.

        Args:
            id: id of the page.
            start: the first moment, an aware date-time (the name is assumed).
            end: the last moment, an aware date-time (the name is assumed).
            time_zone: an IANA name (assumed).

        Returns:
            The free times. Their fields are assumed; other fields stay in `additional_properties`.

        Endpoint: POST /api/booking-pages/{id}/slots
        Known from: documented; the names of the two dates and the answer are inferred.
        """
        body = {"start": moment(start, "start"), "end": moment(end, "end"), "timeZone": time_zone}
        return await self._calls.rows(api.list_booking_page_slots, id, body=body, extra=extra)

    def bookings(self, id: str, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Booking]:
        """List the bookings of a booking page that have not started yet, 20 at a time.

        Args:
            id: id of the booking page.

        Returns:
            A Pager. Sort by `start_at` if order matters.

        Endpoint: GET /api/booking-pages/{id}/bookings
        Known from: documented; `start_at` and `session_id` were observed.
        """
        return self._calls.pages(api.list_booking_page_bookings, id, page=page, verify_end=verify_end)
