"""A booking backend in FastAPI: visitors see free slots (USER key) and book them (GUEST key).

Run it with FastAPI and uvicorn installed: SESSIONS_USER_KEY=… SESSIONS_GUEST_KEY=… uvicorn backend:app
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel

from sessions_us import GuestClient, QuotaTimeoutError, StatusError, UserClient


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    # One client of each kind for the whole process: they hold the connections and know what is left of the quota.
    # A visitor waits 5 seconds at most: a request that can't be sent by then is a 503, as soon as that is known.
    async with UserClient(max_wait=5) as user, GuestClient(max_wait=5) as guest:
        yield {"user": user, "guest": guest}


app = FastAPI(title="Bookings", lifespan=lifespan)


def user_client(request: Request) -> UserClient:
    client: UserClient = request.state.user
    return client


def guest_client(request: Request) -> GuestClient:
    client: GuestClient = request.state.guest
    return client


class NewBooking(BaseModel):
    start_at: AwareDatetime
    name: str
    email: str


User = Annotated[UserClient, Depends(user_client)]
Guest = Annotated[GuestClient, Depends(guest_client)]


@app.get("/pages/{page_id}/slots")
async def slots(page_id: str, start: AwareDatetime, user: User) -> list[datetime]:
    """The free slots of the week from `start`."""
    free = await user.booking_pages.slots(page_id, start=start, end=start + timedelta(days=7))
    return [slot.start_at for slot in free if slot.start_at is not None]


@app.post("/pages/{page_id}/bookings", status_code=201)
async def book(page_id: str, new: NewBooking, guest: Guest) -> dict[str, str | None]:
    # The guest's key can do nothing but this, so this is the one to use for what strangers type.
    made = await guest.bookings.create(
        booking_page_id=page_id, start_at=new.start_at, participant_name=new.name, participant_email=new.email
    )
    return {"id": made.id if made else None}  # the server may say no more than that it worked


@app.exception_handler(QuotaTimeoutError)
async def busy(request: Request, error: QuotaTimeoutError) -> JSONResponse:
    """Nothing was sent. The browser may come back when there is quota again."""
    seconds = str(math.ceil(error.retry_after or 60))
    return JSONResponse({"detail": "Too busy, please try again."}, 503, {"Retry-After": seconds})


@app.exception_handler(StatusError)
async def refused(request: Request, error: StatusError) -> JSONResponse:
    """A page that is not there and a slot that is taken are the visitor's to know; all else is ours."""
    return JSONResponse({"detail": "Refused."}, error.status_code if error.status_code in {404, 409} else 502)
