"""The clients of a running application."""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from ..client import GuestClient, UserClient
from ..errors import ConfigurationError
from ..events import Role
from ..keys import ApiKey, GuestKey, UserKey
from ..quota import QuotaSnapshot

__all__ = ("STATE", "Clients", "clients_of")

STATE: Final = "sessions_us"
"""The name of the clients in an application's state."""


class Clients:
    """The clients that `sessions_lifespan` opened: one of each kind for the process."""

    def __init__(self, user: UserClient | None, guest: GuestClient | None) -> None:
        self._user = user
        self._guest = guest

    @property
    def user(self) -> UserClient:
        """The client of the USER key. Raises: ConfigurationError: there is none."""
        if self._user is None:
            raise _missing(UserKey)
        return self._user

    @property
    def guest(self) -> GuestClient:
        """The client of the GUEST key. Raises: ConfigurationError: there is none."""
        if self._guest is None:
            raise _missing(GuestKey)
        return self._guest

    def snapshots(self) -> dict[Role, QuotaSnapshot]:
        """Return the quota of each client that there is, by the role of its key. Sends nothing."""
        quotas: dict[Role, QuotaSnapshot] = {}
        if self._user is not None:
            quotas["USER"] = self._user.quota.snapshot()
        if self._guest is not None:
            quotas["GUEST"] = self._guest.quota.snapshot()
        return quotas


def clients_of(where: Starlette | HTTPConnection) -> Clients:
    """Return the clients of a running application, for code outside endpoints. Endpoints use `UserDep` and `GuestDep`.

    Args:
        where: the application, or one of its requests or WebSockets.

    Raises:
        ConfigurationError: no clients are open.
    """
    found = None
    if isinstance(where, HTTPConnection):
        found = getattr(where.state, STATE, None)  # a mounted application has its state only here
        where = where.app
    found = found or getattr(where.state, STATE, None)
    if isinstance(found, Clients):
        return found
    raise ConfigurationError(
        "No clients are open: make the application with FastAPI(lifespan=sessions_lifespan()), and start it, as "
        "`with TestClient(app):` does in tests. The lifespan of a mounted application never runs: give it to the outermost one."
    )


def _missing(kind: type[ApiKey]) -> ConfigurationError:
    return ConfigurationError(
        f"There is no client of the role {kind.role}: {kind.variable} was not set when the application started."
    )
