"""The resources of an export: the lists of the API, the children of their rows, and how to read each raw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen
from sessions_us_api.models import (
    Booking,
    BookingPage,
    Collaborator,
    Event,
    Participant,
    Room,
    Session,
    Takeaways,
    Transcript,
)
from sessions_us_api.operations import OPERATIONS
from sessions_us_api.types import Model

from .._calls.arguments import path_id
from .._calls.decoding import Decoder, NotUnderstood
from .._calls.envelopes import rows_of
from .._calls.pager import Pager
from ..client import SharedOptions, UserClient

__all__ = ("FRESH", "RESOURCES", "Child", "Resource")

FRESH: Final[SharedOptions] = {"cache_ttl": 0, "stale_while_revalidate": 0, "stale_if_error": 0}
"""Options of a client without a cache: a second pass over cached copies would prove nothing."""

Open = Callable[[UserClient, int | str | None], Pager[Any]]
OpenOf = Callable[[UserClient, str], Pager[Any]]


@frozen
class Child:
    """Something that belongs to a row and is read by a request of its own.

    Attributes:
        name: its field in the row.
        shape: its type, such as `list[Participant]` or `Takeaways`.
        operation: the id of the operation that reads it.
        pager: opens its list for the id of a row, if it is paginated.
        is_in_rows: whether the rows of the list may have it already.
        comes_late: whether it exists only after a session has begun, and may appear long after its end.
    """

    name: str
    shape: Any
    operation: str
    pager: OpenOf | None = None
    is_in_rows: bool = False
    comes_late: bool = False

    @property
    def nothing(self) -> Any:
        """The value where there are none."""
        return None if isinstance(self.shape, type) else []

    @property
    def usual_requests(self) -> int:
        """The usual number of requests. A paginated list costs two more than its pages, because its end is verified."""
        return 1 if self.pager is None else 3

    async def fetch(self, client: UserClient, id: str) -> tuple[Any, int]:
        """Return the raw children of the row with this id, and the number of requests.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: an error of the request; `NotFoundError` if the row is gone.
        """
        if self.pager is not None:
            pager = self.pager(client, id)
            return [row async for page in pager.pages() for row in page.new_rows], pager.requests
        path = OPERATIONS[self.operation].path.replace("{id}", quote(path_id(id), safe=""))
        body = await client.request("GET", path)
        if isinstance(self.shape, type):
            return body, 1
        try:
            return rows_of(body, Decoder()), 1
        except NotUnderstood:
            return body, 1  # raw is better than nothing


@frozen
class Resource:
    """A list of the API.

    Attributes:
        name: its name on the client, such as `sessions`.
        model: the model of a row.
        children: the children of a row.
        pager: opens the list at a page number or a cursor; None is the beginning.
    """

    name: str
    model: type[Model]
    pager: Open
    children: tuple[Child, ...] = ()


_ALL: Final = (
    Resource(
        "booking_pages",
        BookingPage,
        lambda client, page: client.booking_pages.list(page=page, verify_end=True),
        (
            Child(
                "bookings",
                list[Booking],
                "list_booking_page_bookings",
                lambda client, page_id: client.booking_pages.bookings(page_id, verify_end=True),
            ),
            Child(
                "collaborators",
                list[Collaborator],
                "list_booking_page_collaborators",
                lambda client, page_id: client.booking_pages.collaborators.list(page_id, verify_end=True),
            ),
        ),
    ),
    Resource("bookings", Booking, lambda client, page: client.bookings.list(page=page, verify_end=True)),
    Resource("rooms", Room, lambda client, page: client.rooms.list(page=page, verify_end=True)),
    Resource(
        "sessions",
        Session,
        lambda client, page: client.sessions.list(page=page, verify_end=True),
        (
            Child("participants", list[Participant], "list_session_participants", is_in_rows=True),
            Child("transcripts", list[Transcript], "get_session_transcripts", comes_late=True),
            Child("takeaways", Takeaways, "get_session_takeaways", comes_late=True),
        ),
    ),
    Resource("events", Event, lambda client, page: client.events.list(page=page, verify_end=True)),
)

RESOURCES: Final[Mapping[str, Resource]] = MappingProxyType({resource.name: resource for resource in _ALL})
"""All resources that can be exported, by name."""
