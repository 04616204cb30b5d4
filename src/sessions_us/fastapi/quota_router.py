"""A router that tells operators and probes how much of the quota is left, and whether anything can be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..quota import QuotaSnapshot
from ..quota.settings import StoreStatus
from .clients import clients_of

__all__ = ("KeyQuota", "QueueLengths", "QuotaHealth", "quota_router")

Status = Literal["ok", "degraded", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLengths:
    """Requests that wait for the quota, by lane."""

    interactive: int
    background: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyQuota:
    """The quota of a key, as this process knows it.

    Attributes:
        limit: requests per window.
        window: seconds.
        remaining: requests left in this window, as far as is known; while the store can't be used, of this process's share.
        resets_in: seconds until more is free at the latest; None if that is not known.
        waiting: requests that wait.
        in_flight: requests that have a place in the quota and no answer yet.
        store: `up`, or what happens while the shared store can't be used: `alone`, this process goes on with its share;
            `refusing`, nothing is sent.
    """

    limit: int
    window: float
    remaining: int
    resets_in: float | None
    waiting: QueueLengths
    in_flight: int
    store: StoreStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaHealth:
    """The quotas of an application's clients, and what they come to.

    Attributes:
        status: `ok`; `degraded`: the store of a shared quota can't be used; `down`: because of it, nothing is sent with one of
            the keys.
        user, guest: of the client of each key; None where there is none.
    """

    status: Status
    user: KeyQuota | None
    guest: KeyQuota | None


def quota_router(path: str = "/quota") -> APIRouter:
    """Make a router that answers `GET {path}` (and `HEAD`) with `QuotaHealth` as JSON: 200, or 503 where the status is `down`.

    It sends nothing, to Sessions or to a store, and needs and shows no key. Who may ask is up to the application:
    `app.include_router(quota_router(), dependencies=[…])`. That Sessions answers it does not say: see the metrics.

    Args:
        path: of the URL.

    Returns:
        A router for `app.include_router`. The application has the clients of `sessions_lifespan`.
    """
    router = APIRouter()

    @router.head(path, include_in_schema=False)
    @router.get(path, responses={503: {"model": QuotaHealth}})
    async def sessions_quota(request: Request, response: Response) -> QuotaHealth:
        """How much of the quota is left, and whether anything can be sent."""
        snapshots = clients_of(request).snapshots()
        status = _status([each.store for each in snapshots.values()])
        response.headers["cache-control"] = "no-store"
        response.status_code = 503 if status == "down" else 200
        return QuotaHealth(status=status, user=_told(snapshots.get("USER")), guest=_told(snapshots.get("GUEST")))

    return router


def _status(stores: list[StoreStatus]) -> Status:
    if "refusing" in stores:
        return "down"
    return "degraded" if "alone" in stores else "ok"


def _told(quota: QuotaSnapshot | None) -> KeyQuota | None:
    if quota is None:
        return None
    return KeyQuota(
        limit=quota.limit,
        window=quota.window,
        remaining=quota.remaining,
        resets_in=quota.resets_in,
        waiting=QueueLengths(interactive=quota.waiting["interactive"], background=quota.waiting["background"]),
        in_flight=quota.in_flight,
        store=quota.store,
    )
