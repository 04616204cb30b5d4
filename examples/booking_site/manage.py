"""One booking: see, move and cancel it. Who has its link may."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from sessions_us import ConflictError, NotFoundError, SessionsError
from sessions_us.fastapi import GuestDep

from . import times
from .booking import OVER, calendar, link, times_instead, week_shown
from .desk import AtDesk, Times
from .diary import Entry
from .frame import SameOrigin, now, page, remember_zone, zone_for
from .invitation import calendar_entry
from .once import kept, nonce, once
from .settings import settings
from .tokens import is_signed
from .troubles import explain

routes = APIRouter(prefix="/bookings/{id}/{token}")

_TAKEN = "This time is taken, or the booking was cancelled elsewhere. Please choose another time."


async def _booking(id: str, token: str, desk: AtDesk) -> Entry:
    entry = await desk.diary.find(id) if is_signed(settings().secret, "booking", id, token) else None
    if entry is None:
        raise HTTPException(404, "There is no such booking. Check that the link is complete.")
    return entry


Booked = Annotated[Entry, Depends(_booking)]


def _page(
    request: Request,
    template: str,
    entry: Entry,
    more: Mapping[str, object],
    error: SessionsError | HTTPException | None = None,
    status: int = 200,
) -> Response:
    """A page about a booking, or the same one after an attempt that failed."""
    shown = {"booking": entry, "link": link(entry.id), "zone": zone_for(request, entry.zone), **more}
    if error is None:
        return page(request, template, shown, status=status, private=True)
    trouble = explain(error)
    taken = isinstance(error, ConflictError)
    shown |= {"trouble": _TAKEN if taken else trouble.text, "gone": taken, "retry_after": trouble.retry_after}
    return page(request, template, shown, status=trouble.status, retry_after=trouble.retry_after, private=True)


@routes.get("")
async def booking(request: Request, entry: Booked, done: str = "") -> Response:
    """The booking as it stands; right after a change it says what was done."""
    return _page(request, "booking.html", entry, {"done": done})


@routes.get("/booking.ics")
async def calendar_file(request: Request, entry: Booked) -> Response:
    """The booking for the visitor's calendar."""
    address = f"{str(request.base_url).rstrip('/')}{link(entry.id)}"
    text = calendar_entry(entry, host=settings().host_name, link=address, now=now())
    headers = {"Content-Disposition": 'attachment; filename="booking.ics"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/calendar; charset=utf-8", headers=headers)


@routes.get("/join")
async def join(entry: Booked, desk: AtDesk, client: Times) -> Response:
    """Leads to the meeting. Where it is costs a request, once and only if somebody asks."""
    where = entry.link
    if where is None and entry.session_id is not None and not entry.cancelled:
        where = (await client.sessions.get(entry.session_id)).session_link
        if where is not None and where.startswith("https://"):
            await desk.diary.write(replace(entry, link=where))
    if where is None or entry.cancelled or not where.startswith("https://"):
        raise HTTPException(404, "There is no link to join this meeting. Look into your e-mails, please.")
    return RedirectResponse(where, 303, headers={"Cache-Control": "no-store"})


@routes.get("/move")
async def move_form(
    request: Request, entry: Booked, client: Times, week: str | None = None, start: str | None = None
) -> Response:
    """Other free times; or, for one of them, whether to take it."""
    chosen = times.from_url(start)
    if chosen is not None:
        return _page(request, "move.html", entry, {"chosen": chosen, "once": nonce()})
    zone = zone_for(request, entry.zone)
    wanted = week or str(entry.start_at.astimezone(zone).date())
    shown, days = await week_shown(client, entry.page_id, wanted, zone)
    return remember_zone(request, _page(request, "move.html", entry, calendar(shown, days, zone)))


@routes.post("/move", dependencies=[SameOrigin])
async def move(
    request: Request,
    entry: Booked,
    desk: AtDesk,
    guest: GuestDep,
    client: Times,
    start: Annotated[str, Form()] = "",
    sent: Annotated[str, Form(alias="once")] = "",
) -> Response:
    """Takes another time for the booking."""
    chosen = times.from_url(start)
    if chosen is None:
        raise HTTPException(404, "There is no such time.")
    if chosen <= now():
        over = {"chosen": chosen, "once": sent, "trouble": OVER, "gone": True}
        return _page(request, "move.html", entry, over, status=422)

    async def act() -> str:
        await guest.bookings.update(entry.id, start_at=chosen)
        await desk.diary.write(replace(entry, start_at=chosen))
        return f"{link(entry.id)}?done=moved"

    try:
        return await once(desk.diary, sent, act, uncertain=f"{link(entry.id)}?done=uncertain")
    except ConflictError as error:
        instead = await times_instead(client, entry.page_id, chosen, zone_for(request, entry.zone))
        return _page(request, "move.html", entry, {"chosen": chosen, "instead": instead}, error)
    except (SessionsError, HTTPException) as error:
        return _page(request, "move.html", entry, {"chosen": chosen, "once": kept(sent)}, error)


@routes.get("/cancel")
async def cancel_form(request: Request, entry: Booked) -> Response:
    """Whether to cancel."""
    return _page(request, "cancel.html", entry, {"once": nonce()})


@routes.post("/cancel", dependencies=[SameOrigin])
async def cancel(
    request: Request, entry: Booked, desk: AtDesk, guest: GuestDep, sent: Annotated[str, Form(alias="once")] = ""
) -> Response:
    """Cancels the booking. One that is cancelled already, or gone, is what was wanted."""
    if entry.cancelled:
        return RedirectResponse(f"{link(entry.id)}?done=cancelled", 303)

    async def act() -> str:
        with contextlib.suppress(ConflictError, NotFoundError):
            await guest.bookings.cancel(entry.id)
        await desk.diary.write(replace(entry, cancelled=True))
        return f"{link(entry.id)}?done=cancelled"

    try:
        return await once(desk.diary, sent, act, uncertain=f"{link(entry.id)}?done=uncertain")
    except (SessionsError, HTTPException) as error:
        return _page(request, "cancel.html", entry, {"once": kept(sent)}, error)
