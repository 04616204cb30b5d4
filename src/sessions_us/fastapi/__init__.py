"""Use Sessions in a FastAPI application: clients per application, dependencies, error handlers, webhooks.

    app = FastAPI(lifespan=sessions_lifespan())
    app.add_middleware(DisconnectMiddleware)
    install_error_handlers(app)

    @app.get("/rooms/{room_id}")
    async def room(room_id: str, user: UserDep) -> dict[str, str | None]:
        found = await user.rooms.get(room_id)
        return {"name": found.name}

Needs the extra `fastapi`.
"""

from __future__ import annotations

try:
    import fastapi as _fastapi  # the library: imports are absolute
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] != "fastapi":
        raise
    _needed = "sessions_us.fastapi needs fastapi: pip install 'sessions-us[fastapi]'"
    raise ImportError(_needed, name=__name__) from None
else:
    del _fastapi

from ..client import ClientOptions
from .clients import Clients, clients_of
from .dependencies import (
    BackgroundGuestDep,
    BackgroundUserDep,
    GuestDep,
    UserDep,
    get_background_guest,
    get_background_user,
    get_guest,
    get_user,
)
from .disconnects import DisconnectMiddleware
from .handling import Handler
from .lifespan import sessions_lifespan
from .problems import Problem, install_error_handlers, problem_of
from .quota_router import KeyQuota, QueueLengths, QuotaHealth, quota_router
from .webhook_router import webhook_router

__all__ = (
    "BackgroundGuestDep",
    "BackgroundUserDep",
    "ClientOptions",
    "Clients",
    "DisconnectMiddleware",
    "GuestDep",
    "Handler",
    "KeyQuota",
    "Problem",
    "QueueLengths",
    "QuotaHealth",
    "UserDep",
    "clients_of",
    "get_background_guest",
    "get_background_user",
    "get_guest",
    "get_user",
    "install_error_handlers",
    "problem_of",
    "quota_router",
    "sessions_lifespan",
    "webhook_router",
)
