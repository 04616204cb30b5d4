"""A service that books calls, and writes down what was agreed in them.

Run it with the extra `fastapi` and uvicorn installed: SESSIONS_USER_KEY=… SESSIONS_GUEST_KEY=… uvicorn app:app
"""

from __future__ import annotations

import os

from fastapi import FastAPI, HTTPException
from pydantic import AwareDatetime, BaseModel

from sessions_us import ConflictError
from sessions_us.fastapi import GuestDep, UserDep, install_error_handlers, sessions_lifespan, webhook_router
from sessions_us.webhooks import TakeawaysData, WebhookDelivery

app = FastAPI(lifespan=sessions_lifespan())
install_error_handlers(app)

SECRET = os.environ.get("SESSIONS_WEBHOOK_SECRET", "only-for-tests-0123456789abcdef")
minutes: dict[str, str] = {}  # by the session's id; a real service has a database


class CallRequest(BaseModel):
    page: str
    at: AwareDatetime
    name: str
    email: str


@app.post("/calls", status_code=201)
async def book(call: CallRequest, guest: GuestDep) -> dict[str, str | None]:
    try:
        made = await guest.bookings.create(
            booking_page_id=call.page, start_at=call.at, participant_name=call.name, participant_email=call.email
        )
    except ConflictError:
        raise HTTPException(409, "That time was taken a moment ago.") from None
    return {"session": made.session_id if made else None}


@app.get("/calls/{session_id}")
async def call(session_id: str, user: UserDep) -> dict[str, str | None]:
    session = await user.sessions.get(session_id)
    state = "over" if session.ended_at else "live" if session.actual_start else "planned"
    return {"name": session.name, "state": state, "minutes": minutes.get(session_id)}


@app.post("/subscriptions", status_code=201)
async def subscribe(url: str, user: UserDep) -> None:
    await user.webhooks.create(url=f"{url}/hooks/{SECRET}", trigger="TAKEAWAY_READY")


async def takeaways_ready(webhook: WebhookDelivery) -> None:
    if isinstance(webhook.data, TakeawaysData):
        minutes[webhook.data.session_id] = webhook.data.takeaways.takeaways_text or ""


app.include_router(webhook_router("/hooks", secret=SECRET, on={"TAKEAWAY_READY": takeaways_ready}))
