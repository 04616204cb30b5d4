"""What the type checkers must see of webhooks and of the FastAPI module. Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from fastapi import APIRouter, FastAPI

from sessions_us import GuestClient, Quota, Session, SQLiteStore, UserClient, WebhookTrigger
from sessions_us.fastapi import (
    BackgroundGuestDep,
    BackgroundUserDep,
    GuestDep,
    UserDep,
    clients_of,
    install_error_handlers,
    quota_router,
    sessions_lifespan,
    webhook_router,
)
from sessions_us.webhooks import (
    RegistrationData,
    SessionData,
    TakeawaysData,
    TranscriptsData,
    WebhookDelivery,
    parse_webhook,
)


async def endpoint(user: UserDep, guest: GuestDep, later: BackgroundUserDep, guest_later: BackgroundGuestDep) -> None:
    assert_type(user, UserClient)
    assert_type(guest, GuestClient)
    assert_type(later, UserClient)
    assert_type(guest_later, GuestClient)


async def handler(webhook: WebhookDelivery) -> None: ...


def plain(webhook: WebhookDelivery) -> None: ...


def application() -> None:
    app = FastAPI(lifespan=sessions_lifespan(quota=Quota(store=SQLiteStore("quota.db")), cache_ttl=5))
    install_error_handlers(app)
    on = {WebhookTrigger.SESSION_ENDED: handler}
    assert_type(webhook_router("/hooks", secret="s", on={"*": [handler, plain]}), APIRouter)
    assert_type(quota_router("/-/quota"), APIRouter)
    app.include_router(webhook_router("/hooks", secret=["s", "t"], on=on))
    assert_type(clients_of(app).user, UserClient)
    sessions_lifespan(cache="yes")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def told(body: bytes) -> None:
    webhook = parse_webhook(body)
    assert_type(webhook.trigger, WebhookTrigger | str)
    match webhook.data:
        case SessionData() as data:
            assert_type(data.session, Session)
        case RegistrationData() | TakeawaysData() | TranscriptsData():
            pass
        case raw:
            assert_type(raw, Mapping[str, Any])
