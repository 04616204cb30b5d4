"""Rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api.rooms import (
    clone_room,
    create_room,
    delete_room,
    get_room,
    list_rooms,
    share_room,
    update_room,
)

from .._calls.arguments import several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessions_us_api.models import Room

    from .._calls.arguments import Extra
    from .._calls.calls import Calls
    from .._calls.pager import Pager

__all__ = ("Rooms",)


class Rooms:
    """Rooms: permanent links under which sessions are held."""

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Room]:
        """Lists the rooms of the key's user, 20 at a time.

        Args:
            page: where to begin: a page number, or the `cursor` of an earlier Pager; None is the first page.
            verify_end: don't take a page with fewer rows than documented for the end; costs a request or two.

        Returns:
            A Pager, which sends nothing until it is iterated.

        Raises:
            ValueError: `page` is neither a page number nor a cursor.
            SessionsError: while iterating; see `sessions_us.errors`.

        Endpoint: GET /api/rooms
        Known from: documented; the fields are inferred.
        """
        return self._calls.pages(list_rooms, page=page, verify_end=verify_end)

    async def create(
        self, *, name: str, slug: str | None = None, description: str | None = None, extra: Extra | None = None
    ) -> Room | None:
        """Makes a room.

        Args:
            name: of the room (assumed).
            slug: its public name in the link, which must be unique (assumed). It may not be changeable later.
            description: text shown with it (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The room; None if the answer holds none.

        Raises:
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/rooms
        Known from: documented; the fields are inferred from the app's settings.
        """
        body = {"name": name, "slug": slug, "description": description}
        return await self._calls.maybe(create_room, body=body, extra=extra)

    async def get(self, id: str) -> Room:
        """Reads one room.

        Args:
            id: of the room.

        Returns:
            The room.

        Raises:
            ValueError: the id can't stand in a path.
            NotFoundError: there is no such room for this key.
            DecodeError: the answer holds no room.
            SessionsError: see `sessions_us.errors`.

        Endpoint: GET /api/rooms/{id}
        Known from: documented; the fields are inferred.
        """
        return await self._calls.one(get_room, id)

    async def update(
        self,
        id: str,
        *,
        name: str | None = None,
        slug: str | None = None,
        description: str | None = None,
        extra: Extra | None = None,
    ) -> Room | None:
        """Changes a room.

        None is not sent. Whether the server keeps what is not sent is unknown: PUT may replace the whole room.

        Args:
            id: of the room.
            name: of the room (assumed).
            slug: its public name in the link (assumed). The vendor's help says that the link can't change once the room
                exists; an older version said that it could. Leave it out unless it must change.
            description: text shown with it (assumed).
            extra: further fields by their wire names, merged last into the JSON body; also for null.

        Returns:
            The changed room; None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: PUT /api/rooms/{id}
        Known from: documented; the fields are inferred.
        """
        body = {"name": name, "slug": slug, "description": description}
        return await self._calls.maybe(update_room, id, body=body, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Deletes a room.

        Args:
            id: of the room.
            extra: a JSON body, by wire names; none is known to be needed.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: DELETE /api/rooms/{id}
        Known from: documented.
        """
        await self._calls.nothing(delete_room, id, extra=extra)

    async def clone(
        self, id: str, *, name: str | None = None, slug: str | None = None, extra: Extra | None = None
    ) -> Room | None:
        """Makes a copy of a room.

        Args:
            id: of the room to copy.
            name: of the copy (assumed).
            slug: the copy's public name in the link (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The copy (assumed); None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/rooms/{id}/clone
        Known from: documented; the body and the answer are inferred.
        """
        return await self._calls.maybe(clone_room, id, body={"name": name, "slug": slug}, extra=extra)

    async def share(
        self,
        id: str,
        *,
        emails: Sequence[str] | None = None,
        user_ids: Sequence[str] | None = None,
        extra: Extra | None = None,
    ) -> Room | None:
        """Shares a room with team members. It may notify them.

        Args:
            id: of the room.
            emails: addresses to share with (assumed).
            user_ids: ids of users to share with (assumed).
            extra: further fields by their wire names, merged last into the JSON body.

        Returns:
            The room (assumed); None if the answer holds none.

        Raises:
            ValueError: the id can't stand in a path.
            SessionsError: see `sessions_us.errors`.

        Endpoint: POST /api/rooms/{id}/share
        Known from: documented; the body and the answer are inferred.
        """
        body = {"emails": several(emails, "emails"), "userIds": several(user_ids, "user_ids")}
        return await self._calls.maybe(share_room, id, body=body, extra=extra)
