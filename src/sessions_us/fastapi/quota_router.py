"""A router that tells operators and probes how much of the quota is left, and whether anything can be sent."""

from __future__ import annotations

from typing import Literal

from attrs import asdict
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from sessions_us.quota import QuotaSnapshot
from sessions_us.quota.settings import StoreStatus

from .clients import clients_of

__all__ = ("KeyQuota", "QuotaHealth", "quota_router")


class QueueLengths(BaseModel):
    """Requests that wait for the quota, by lane."""

    interactive: int
    background: int


class KeyQuota(BaseModel):
    """The quota of a key, as this process knows it."""

    limit: int = Field(description="Requests per window.")
    window: float = Field(description="Seconds.")
    remaining: int = Field(description="Requests left in this window, as far as is known.")
    resets_in: float | None = Field(description="Seconds until more is free at the latest; null if that is not known.")
    waiting: QueueLengths
    in_flight: int = Field(description="Requests that have a place in the quota and no answer yet.")
    store: StoreStatus = Field(
        description="`up`; `alone`: the shared store is down, and this process goes on with its share; `refusing`: it is down, "
        "and nothing is sent."
    )


class QuotaHealth(BaseModel):
    """The quotas of an application's clients, and what they come to."""

    status: Literal["ok", "degraded", "down"] = Field(
        description="`degraded`: a store is down; `down`: because of it nothing is sent with one of the keys."
    )
    user: KeyQuota | None = Field(description="Of the USER key; null if there is no client of it.")
    guest: KeyQuota | None = Field(description="Of the GUEST key; null if there is no client of it.")


def quota_router(path: str = "/quota") -> APIRouter:
    """Make a router that answers `GET {path}` with `QuotaHealth` as JSON: 200, or 503 where the status is `down`.

    It sends nothing, to Sessions or to a store, and needs and shows no key. Who may ask is up to the application:
    `app.include_router(quota_router(), dependencies=[…])`. That Sessions answers it does not say: see the metrics.

    Args:
        path: of the URL.

    Returns:
        A router for `app.include_router`. The application has the clients of `sessions_lifespan`.
    """
    router = APIRouter()

    @router.get(path, responses={503: {"model": QuotaHealth}})
    async def sessions_quota(request: Request, response: Response) -> QuotaHealth:
        """How much of the quota is left, and whether anything can be sent."""
        snapshots = clients_of(request).snapshots()
        status = _status([each.store for each in snapshots.values()])
        response.headers["cache-control"] = "no-store"
        response.status_code = 503 if status == "down" else 200
        return QuotaHealth(status=status, user=_told(snapshots.get("USER")), guest=_told(snapshots.get("GUEST")))

    return router


def _status(stores: list[StoreStatus]) -> Literal["ok", "degraded", "down"]:
    if "refusing" in stores:
        return "down"
    return "degraded" if "alone" in stores else "ok"


def _told(quota: QuotaSnapshot | None) -> KeyQuota | None:
    return None if quota is None else KeyQuota.model_validate(asdict(quota))
