"""A booking backend in FastAPI: visitors see free slots (USER key) and book them (GUEST key).

Run it with the extra `fastapi` and uvicorn installed: SESSIONS_USER_KEY=… SESSIONS_GUEST_KEY=… uvicorn backend:app
"""

import logging
import os
from datetime import datetime, timedelta

from fastapi import BackgroundTasks, FastAPI
from pydantic import AwareDatetime, BaseModel

from sessions_us import UserClient
from sessions_us.fastapi import (
    BackgroundUserDep,
    DisconnectMiddleware,
    GuestDep,
    UserDep,
    install_error_handlers,
    sessions_lifespan,
    webhook_router,
)
from sessions_us.webhooks import SessionData, WebhookDelivery

# One client of each kind for the whole process. A visitor waits 5 seconds at most: what can't be sent by then is a 503 at
# once, with the seconds after which to come back. For several workers: quota=Quota(store=SQLiteStore("quota.db")).
app = FastAPI(title="Bookings", lifespan=sessions_lifespan(cache_ttl=5, stale_while_revalidate=60, stale_if_error=300))
app.add_middleware(DisconnectMiddleware)  # a visitor who leaves while waiting leaves the queue
install_error_handlers(app)

log = logging.getLogger("bookings")


class NewBooking(BaseModel):
    start_at: AwareDatetime
    name: str
    email: str


@app.get("/pages/{page_id}/slots")
async def slots(page_id: str, start: AwareDatetime, user: UserDep) -> list[datetime]:
    """The free slots of the week from the hour of `start`: all visitors of an hour share an answer."""
    start = start.replace(minute=0, second=0, microsecond=0)
    free = await user.booking_pages.slots(page_id, start=start, end=start + timedelta(days=7))
    return [slot.start_at for slot in free if slot.start_at is not None]


@app.post("/pages/{page_id}/bookings", status_code=201)
async def book(
    page_id: str, new: NewBooking, guest: GuestDep, background: BackgroundUserDep, tasks: BackgroundTasks
) -> dict[str, str | None]:
    # The guest's key can do nothing but this, so this is the one to use for what strangers type.
    made = await guest.bookings.create(
        booking_page_id=page_id, start_at=new.start_at, participant_name=new.name, participant_email=new.email
    )
    tasks.add_task(count, background, page_id)
    return {"id": made.id if made else None}  # the server may say no more than that it worked


async def count(user: UserClient, page_id: str) -> None:
    """Work that nobody waits for: it takes its turn behind all visitors."""
    log.info("%d bookings", len(await user.booking_pages.bookings(page_id).collect()))


async def started(webhook: WebhookDelivery) -> None:
    if isinstance(webhook.data, SessionData):
        log.info("%s has started", webhook.data.session.name)


if secret := os.environ.get("SESSIONS_WEBHOOK_SECRET"):  # python -c "import secrets; print(secrets.token_urlsafe(32))"
    app.include_router(webhook_router("/hooks/sessions", secret=secret, on={"SESSION_STARTED": started}))
