"""The lists of `list`: their names, the source of their raw rows, and the columns of their tables."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from attrs import define, field, frozen

from .._calls.arguments import path_id
from .._calls.decoding import Decoder, NotUnderstood
from .._calls.envelopes import rows_of
from ..errors import DecodeError, PagingError

if TYPE_CHECKING:
    from .._calls.pager import Pager
    from ..client import GuestClient, UserClient

__all__ = ("SHOWN", "Listing", "Position", "Shown", "batches", "path_of", "read", "shape_of")


_PAGE_ROWS = 20  # of a page that may have one behind it
_WITHIN = re.compile(r"(.+)\+(\d{1,4})")


class Listing(StrEnum):
    """The arguments of `list`. The last four need the id of a session or a booking page."""

    BOOKING_PAGES = "booking-pages"
    BOOKINGS = "bookings"
    ROOMS = "rooms"
    SESSIONS = "sessions"
    EVENTS = "events"
    PARTICIPANTS = "participants"
    TRANSCRIPTS = "transcripts"
    TAKEAWAYS = "takeaways"
    COLLABORATORS = "collaborators"


@frozen
class Shown:
    """A resource as a table.

    Attributes:
        columns: headings, and the path of the value in a row: wire names with dots; several paths are joined by `+`.
        owner: the name of the id that is needed; None if none is.
    """

    columns: Mapping[str, str]
    owner: str | None = None


SHOWN: Mapping[Listing, Shown] = {
    Listing.BOOKING_PAGES: Shown(
        {"id": "id", "name": "name", "slug": "slug", "minutes": "duration", "time zone": "timeZone"}
    ),
    Listing.BOOKINGS: Shown(
        {
            "starts (UTC)": "startAt",
            "id": "id",
            "e-mail": "participantEmail",
            "with": "participantName",
            "name": "name",
        }
    ),
    Listing.ROOMS: Shown({"id": "id", "name": "name", "description": "description"}),
    Listing.SESSIONS: Shown(
        {
            "starts (UTC)": "startAt",
            "id": "id",
            "name": "name",
            "ended": "endedAt",
            "participants": "participants",
            "planned end": "plannedEnd",
        }
    ),
    Listing.EVENTS: Shown(
        {"starts (UTC)": "session.startAt", "id": "id", "name": "session.name", "session": "session.id"}
    ),
    Listing.PARTICIPANTS: Shown(
        {
            "id": "id",
            "e-mail": "user.email+guest.email",
            "name": "user.firstName+user.lastName+guest.firstName+guest.lastName",
            "owner": "isOwner",
        },
        owner="SESSION_ID",
    ),
    Listing.TRANSCRIPTS: Shown(
        {
            "said (UTC)": "sourceTimestamp",
            "participant": "participantId",
            "language": "sourceLanguage",
            "text": "content.text",
        },
        owner="SESSION_ID",
    ),
    Listing.TAKEAWAYS: Shown({"takeaways": "takeawaysText"}, owner="SESSION_ID"),
    Listing.COLLABORATORS: Shown(
        {
            "id": "id",
            "e-mail": "email+user.email",
            "name": "user.firstName+user.lastName",
            "role": "role",
            "priority": "priority",
        },
        owner="PAGE_ID",
    ),
}


def shape_of(resource: str) -> Any:
    """Return the model of a row, by the name of its list."""
    from sessions_us_api import models

    return {
        Listing.BOOKING_PAGES: models.BookingPage,
        Listing.BOOKINGS: models.Booking,
        Listing.ROOMS: models.Room,
        Listing.SESSIONS: models.Session,
        Listing.EVENTS: models.Event,
        Listing.PARTICIPANTS: models.Participant,
        Listing.TRANSCRIPTS: models.Transcript,
        Listing.TAKEAWAYS: models.Takeaways,
        Listing.COLLABORATORS: models.Collaborator,
    }[Listing(resource)]


@define
class Position:
    """Where a list begins, and where it stopped.

    A cursor of a command is one of the library, and perhaps how many rows of its page were shown before: `page:2+5`.

    Attributes:
        page: a page number or a cursor to begin with; None is the beginning.
        skips: rows of the first page that were shown before.
        after: the cursor to go on with; None if it is not known.
        may_go_on: whether there may be more rows.
        read: how many rows were read.
        here: the cursor of the last page.
        rows: the rows of the last page.
    """

    page: int | str | None = None
    skips: int = 0
    after: str | None = None
    may_go_on: bool = False
    read: int = 0
    here: str = ""
    rows: list[Any] = field(factory=list, repr=False)

    @classmethod
    def at(cls, cursor: str) -> Position:
        """Return the position of a command's cursor."""
        found = _WITHIN.fullmatch(cursor)
        return cls(cursor) if found is None else cls(found[1], int(found[2]))

    def cut(self, last: Any) -> None:
        """Record the last row that is shown of the last page, if there are others behind it."""
        shown = next((place for place, row in enumerate(self.rows, 1) if row is last), None)
        if shown is not None:
            self.after, self.may_go_on = f"{self.here}+{shown}", True


def batches(user: UserClient, resource: Listing, id: str | None, position: Position) -> AsyncIterator[list[Any]]:
    """Yield the rows as the server sent them, page by page, without repeated rows.

    Args:
        user: the client.
        resource: the list.
        position: where to begin; it follows what is read.
        id: id of the session or the booking page of the list.

    Raises:
        ValueError: an id is missing, superfluous, or can't stand in a path.
    """
    if id is None:
        if SHOWN[resource].owner is not None:
            raise ValueError(f"list {resource} needs the {SHOWN[resource].owner} that they belong to")
        lists: dict[Listing, Callable[[], Pager[Any]]] = {
            Listing.BOOKING_PAGES: lambda: user.booking_pages.list(page=position.page),
            Listing.BOOKINGS: lambda: user.bookings.list(page=position.page),
            Listing.ROOMS: lambda: user.rooms.list(page=position.page),
            Listing.SESSIONS: lambda: user.sessions.list(page=position.page),
            Listing.EVENTS: lambda: user.events.list(page=position.page),
        }
        return _paged(lists[resource](), position)
    match resource:
        case Listing.BOOKINGS:
            return _paged(user.booking_pages.bookings(id, page=position.page), position)
        case Listing.COLLABORATORS:
            return _paged(user.booking_pages.collaborators.list(id, page=position.page), position)
        case Listing.PARTICIPANTS | Listing.TRANSCRIPTS | Listing.TAKEAWAYS:
            return _whole(user, id, resource)
        case _:
            hint = f"; to choose fields, give --fields {id}" if "," in id else ""
            raise ValueError(f"list {resource} takes no id{hint}")


async def _paged(pager: Pager[Any], position: Position) -> AsyncIterator[list[Any]]:
    skips = position.skips
    async for page in pager.pages():
        numbered = pager.requests > 1 or position.page not in {None, "start"}  # else the next page may be this one
        position.here, position.rows = pager.cursor, page.raw
        position.after = page.after if numbered else f"{position.here}+{len(page.raw)}"
        position.may_go_on = len(page.raw) >= _PAGE_ROWS
        shown, skips = set(map(id, page.raw[:skips])), 0
        yield [row for row in page.new_rows if id(row) not in shown]
    position.after, position.may_go_on = None, False
    if pager.complete is False:
        raise PagingError(
            "rows may be missing: the server repeats pages, or orders the rows differently for each request"
        )


def path_of(resources: str, id: str) -> str:
    """Return the path of an object.

    Raises:
        ValueError: the id can't stand in a path.
    """
    return f"/api/{resources}/{quote(path_id(id), safe='')}"


async def read(client: UserClient | GuestClient, path: str, id: str) -> Any:
    """Return the answer to a GET of an object, or of what belongs to it.

    Args:
        path: begins with the object's.
        id: of the object, for an error.

    Raises:
        ValueError: the id would lead to another path.
    """
    try:
        return await client.request("GET", path)
    except ValueError:
        noun = path.split("/")[2].removesuffix("s").replace("-", " ")
        raise ValueError(f"'{id}' is no id of a {noun}: an id with \\ or .. in it would lead to another path") from None


async def _whole(user: UserClient, id: str, resource: Listing) -> AsyncIterator[list[Any]]:
    path = f"{path_of('sessions', id)}/{resource}"
    body = await read(user, path, id)
    if resource is Listing.TAKEAWAYS:
        yield [] if body is None else [body]
        return
    try:
        rows = rows_of(body, Decoder())
    except NotUnderstood as error:
        why = f"GET {path} answered, but the answer could not be understood: {error}"
        raise DecodeError(why, body=b"", status_code=200, method="GET", path=path) from None
    yield rows
