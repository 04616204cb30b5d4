"""Booking pages, their free times and their bookings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api.booking_pages import (
    create_booking_page,
    delete_booking_page,
    get_booking_page,
    list_booking_page_bookings,
    list_booking_page_slots,
    list_booking_pages,
    update_booking_page,
)

from .collaborators import Collaborators

if TYPE_CHECKING:
    import builtins
    from datetime import datetime

    from sessions_us_api.models import Booking, BookingPage, Slot

    from .._calls.arguments import Extra
    from .._calls.calls import Calls
    from .._calls.pager import Pager

__all__ = ("BookingPages",)


class BookingPages:
    """Booking pages: where others book a time with the key's user or team.

    Attributes:
        collaborators: the team members who take a page's bookings.
    """

    __slots__ = ("_calls", "collaborators")

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.collaborators: Collaborators = Collaborators(calls)

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[BookingPage]:
        """Lists the booking pages of the key's user, 20 at a time.

        Args:
            page: where to begin: a page number, or the `cursor` of an earlier Pager; None is the first page.
            verify_end: don't take a page with fewer rows than documented for the end; costs a request or two.

        Returns:
            A Pager, which sends nothing until it is iterated.

        Raises:
            ValueError: `page` is neither a page number nor a cursor.
            SessionsError: while iterating; see `sessions_us.errors`.

        Endpoint: GET /api/booking-pages
        Known from: documented; `id` and `name` on the wire.
        """
        return self._calls.pages(list_booking_pages, page=page, verify_end=verify_end)

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
        """Makes a booking page.

        Args:
            name: of the page (assumed).
            slug: last part of the public link (assumed).
            description: text shown with it (assumed).
            duration: length of one booking in minutes (assumed).
            time_zone: an IANA name, such as `Europe/Bucharest` (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The page; None if the answer holds none.

        Raises:
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/booking-pages
        Known from: documented; the fields are inferred from the app's settings.
        """
        body = {
            "name": name,
            "slug": slug,
            "description": description,
            "duration": duration,
            "timeZone": time_zone,
        }
        return await self._calls.maybe(create_booking_page, body=body, extra=extra)

    async def get(self, id: str) -> BookingPage:
        """Reads one booking page.

        Args:
            id: of the page.

        Returns:
            The page.

        Raises:
            ValueError: the id can't stand in a path.
            NotFoundError: there is no such page for this key.
            DecodeError: the answer holds no page.
            SessionsError: see `sessions_us.errors`.

        Endpoint: GET /api/booking-pages/{id}
        Known from: documented; most fields are inferred.
        """
        return await self._calls.one(get_booking_page, id)

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
        """Changes a booking page.

        None is not sent. Whether the server keeps what is not sent is unknown: PUT may replace the whole page.

        Args:
            id: of the page.
            name: of the page (assumed).
            slug: last part of the public link (assumed).
            description: text shown with it (assumed).
            duration: length of one booking in minutes (assumed).
            time_zone: an IANA name (assumed).
            extra: further fields by their wire names, merged last into the JSON body; also for null.

        Returns:
            The changed page; None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: PUT /api/booking-pages/{id}
        Known from: documented; the fields are inferred.
        """
        body = {
            "name": name,
            "slug": slug,
            "description": description,
            "duration": duration,
            "timeZone": time_zone,
        }
        return await self._calls.maybe(update_booking_page, id, body=body, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Deletes a booking page. What becomes of its bookings is unknown.

        Args:
            id: of the page.
            extra: a JSON body, by wire names; none is known to be needed.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: DELETE /api/booking-pages/{id}
        Known from: documented.
        """
        await self._calls.nothing(delete_booking_page, id, extra=extra)

    async def slots(
        self,
        id: str,
        *,
        start: datetime,
        end: datetime,
        time_zone: str | None = None,
        extra: Extra | None = None,
    ) -> builtins.list[Slot]:
        """Computes the times that are free on a booking page between two dates. It changes nothing.

        Args:
            id: of the page.
            start: the first moment to look at, an aware date-time; it is sent in UTC (its name is assumed).
            end: the last moment to look at, an aware date-time (its name is assumed).
            time_zone: an IANA name (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The free times, empty if there are none. Their fields are assumed; what does not fit them stays in
            `additional_properties`.

        Raises:
            ValueError: the id can't stand in a path, or a date-time is naive.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/booking-pages/{id}/slots
        Known from: documented; the names of the two dates and the answer are inferred.
        """
        body = {"start": start, "end": end, "timeZone": time_zone}
        return await self._calls.rows(list_booking_page_slots, id, body=body, extra=extra)

    def bookings(self, id: str, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Booking]:
        """Lists the bookings of a booking page that have not started yet, 20 at a time.

        Args:
            id: of the booking page.
            page: where to begin: a page number, or the `cursor` of an earlier Pager; None is the first page.
            verify_end: don't take a page with fewer rows than documented for the end; costs a request or two.

        Returns:
            A Pager, which sends nothing until it is iterated. Sort by `start_at` where order matters: none is promised.

        Raises:
            ValueError: the id can't stand in a path, `page` is neither a page number nor a cursor.
            SessionsError: while iterating; see `sessions_us.errors`.

        Endpoint: GET /api/booking-pages/{id}/bookings
        Known from: documented; `start_at` and `session_id` on the wire.
        """
        return self._calls.pages(list_booking_page_bookings, id, page=page, verify_end=verify_end)
