"""The resource of rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessions_us_api.api import rooms as api

from .._calls.arguments import Extra, several
from .resource import ApiResource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessions_us_api.models import Room

    from .._calls.pager import Pager

__all__ = ("Rooms",)


class Rooms(ApiResource):
    """Rooms: permanent links for sessions."""

    def list(self, *, page: int | str | None = None, verify_end: bool = False) -> Pager[Room]:
        """List the rooms of the key's user, 20 at a time.

        Endpoint: GET /api/rooms
        Known from: documented; the fields are inferred.
        """
        return self._calls.pages(api.list_rooms, page=page, verify_end=verify_end)

    async def create(
        self, *, name: str, slug: str | None = None, description: str | None = None, extra: Extra | None = None
    ) -> Room | None:
        """Create a room.

        Args:
            name: name of the room (assumed).
            slug: public name in the link, which must be unique (assumed). A later change may be impossible.
            description: text shown with the room (assumed).

        Returns:
            The room.

        Endpoint: POST /api/rooms
        Known from: documented; the fields are inferred from the app's settings.
        """
        body = {"name": name, "slug": slug, "description": description}
        return await self._calls.maybe(api.create_room, body=body, extra=extra)

    async def get(self, id: str) -> Room:
        """Read one room.

        Args:
            id: id of the room.

        Returns:
            The room.

        Raises:
            NotFoundError: there is no such room for this key.

        Endpoint: GET /api/rooms/{id}
        Known from: documented; the fields are inferred.
        """
        return await self._calls.one(api.get_room, id)

    async def update(
        self,
        id: str,
        *,
        name: str | None = None,
        slug: str | None = None,
        description: str | None = None,
        extra: Extra | None = None,
    ) -> Room | None:
        """Update a room. PUT may replace the whole room.

        Args:
            id: id of the room.
            name: name of the room (assumed).
            slug: public name in the link (assumed). The vendor's help says that the link of a room can't
                change; an older version said that it can. Leave it out unless it must change.
            description: text shown with the room (assumed).

        Returns:
            The updated room.

        Endpoint: PUT /api/rooms/{id}
        Known from: documented; the fields are inferred.
        """
        body = {"name": name, "slug": slug, "description": description}
        return await self._calls.maybe(api.update_room, id, body=body, extra=extra)

    async def delete(self, id: str, *, extra: Extra | None = None) -> None:
        """Delete a room.

        Args:
            id: id of the room.

        Endpoint: DELETE /api/rooms/{id}
        Known from: documented.
        """
        await self._calls.nothing(api.delete_room, id, extra=extra)

    async def clone(
        self, id: str, *, name: str | None = None, slug: str | None = None, extra: Extra | None = None
    ) -> Room | None:
        """Copy a room.

        Args:
            id: id of the room to copy.
            name: name of the copy (assumed).
            slug: public name of the copy in the link (assumed).

        Returns:
            The copy (assumed).

        Endpoint: POST /api/rooms/{id}/clone
        Known from: documented; the body and the answer are inferred.
        """
        return await self._calls.maybe(api.clone_room, id, body={"name": name, "slug": slug}, extra=extra)

    async def share(
        self,
        id: str,
        *,
        emails: Sequence[str] | None = None,
        user_ids: Sequence[str] | None = None,
        extra: Extra | None = None,
    ) -> Room | None:
        """Share a room with team members. The server may notify them.

        Args:
            id: id of the room.
            emails: e-mail addresses to share with (assumed).
            user_ids: ids of users to share with (assumed).

        Returns:
            The room (assumed).

        Endpoint: POST /api/rooms/{id}/share
        Known from: documented; the body and the answer are inferred.
        """
        body = {"emails": several(emails, "emails"), "userIds": several(user_ids, "user_ids")}
        return await self._calls.maybe(api.share_room, id, body=body, extra=extra)
