"""What endpoints ask for: `user: UserDep`, `guest: GuestDep`, and the same clients for work that nobody waits for."""

# FastAPI looks the names of these annotations up in this module, so all of them are imported here.
from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from sessions_us.client import GuestClient, UserClient

from .clients import clients_of
from .disconnects import disconnect_of

__all__ = (
    "BackgroundGuestDep",
    "BackgroundUserDep",
    "GuestDep",
    "UserDep",
    "get_background_guest",
    "get_background_user",
    "get_guest",
    "get_user",
)


async def get_user(connection: HTTPConnection) -> UserClient:
    """The dependency behind `UserDep`. Tests put their own client into `app.dependency_overrides[get_user]`.

    Raises:
        ConfigurationError: the application has no such client.
    """
    return clients_of(connection).user.with_options(lane="interactive", abort_on=disconnect_of(connection))


async def get_guest(connection: HTTPConnection) -> GuestClient:
    """The dependency behind `GuestDep`; see `get_user`."""
    return clients_of(connection).guest.with_options(lane="interactive", abort_on=disconnect_of(connection))


UserDep = Annotated[UserClient, Depends(get_user)]
"""The client of the USER key for one request: all its calls are interactive, and where `DisconnectMiddleware` is installed,
they wait no longer than the browser does."""

GuestDep = Annotated[GuestClient, Depends(get_guest)]
"""The client of the GUEST key for one request."""


async def get_background_user(user: UserDep) -> UserClient:
    """The dependency behind `BackgroundUserDep`; it follows what `get_user` is overridden with."""
    return user.with_options(lane="background", max_wait=None, abort_on=None)


async def get_background_guest(guest: GuestDep) -> GuestClient:
    """The dependency behind `BackgroundGuestDep`; it follows what `get_guest` is overridden with."""
    return guest.with_options(lane="background", max_wait=None, abort_on=None)


BackgroundUserDep = Annotated[UserClient, Depends(get_background_user)]
"""The client of the USER key for a `BackgroundTasks` task: behind all interactive calls, as long as it takes, whether
or not the browser is still there."""

BackgroundGuestDep = Annotated[GuestClient, Depends(get_background_guest)]
"""The client of the GUEST key for a `BackgroundTasks` task."""
