"""The dependencies of endpoints: `user: UserDep`, `guest: GuestDep`, and the same clients for background tasks."""

# FastAPI looks the names of these annotations up in this module, so all of them are imported here.
from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from ..client import GuestClient, UserClient
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
    """Provide `UserDep`. Tests can put their own client into `app.dependency_overrides[get_user]`.

    Raises:
        ConfigurationError: the application has no client of a USER key.
    """
    return clients_of(connection).user.with_options(lane="interactive", abort_on=disconnect_of(connection))


async def get_guest(connection: HTTPConnection) -> GuestClient:
    """Provide `GuestDep`; see `get_user`."""
    return clients_of(connection).guest.with_options(lane="interactive", abort_on=disconnect_of(connection))


UserDep = Annotated[UserClient, Depends(get_user)]
"""The client of the USER key for one request. Its calls are interactive. With `DisconnectMiddleware`, they stop waiting when
the browser disconnects."""

GuestDep = Annotated[GuestClient, Depends(get_guest)]
"""The client of the GUEST key for one request."""


async def get_background_user(user: UserDep) -> UserClient:
    """Provide `BackgroundUserDep`. An override of `get_user` applies here too."""
    return user.with_options(lane="background", max_wait=None, abort_on=None)


async def get_background_guest(guest: GuestDep) -> GuestClient:
    """Provide `BackgroundGuestDep`. An override of `get_guest` applies here too."""
    return guest.with_options(lane="background", max_wait=None, abort_on=None)


BackgroundUserDep = Annotated[UserClient, Depends(get_background_user)]
"""The client of the USER key for a `BackgroundTasks` task. Its calls are in the background lane, wait without a limit, and
go on after the browser disconnects."""

BackgroundGuestDep = Annotated[GuestClient, Depends(get_background_guest)]
"""The client of the GUEST key for a `BackgroundTasks` task."""
