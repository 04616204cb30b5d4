"""For the host: upcoming bookings, and the quota while it is used."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from sessions_us import Booking, SessionsError

from .desk import AtDesk, Times
from .frame import SameOrigin, now, page, zone_for
from .settings import settings
from .tokens import is_signed, sign
from .troubles import explain

routes = APIRouter(prefix="/admin")

_COOKIE = "admin"
_STAYS = 8 * 3600  # seconds
_PAGE_SIZE = 20
_QUIET = 15.0  # seconds after which a line is sent though nothing happened, so that nobody hangs up


def _is_admin(request: Request) -> bool:
    until, _, token = request.cookies.get(_COOKIE, "").partition(".")
    is_current = until.isascii() and until.isdigit() and int(until[:12]) > time.time()
    return is_current and is_signed(settings().secret, "admin", f"{until} {settings().admin_password}", token)


def _require_admin(request: Request) -> None:
    if settings().admin_password is None:
        raise HTTPException(404, "This site has no admin page: BOOKING_SITE_ADMIN_PASSWORD is not set.")
    if not _is_admin(request):
        raise HTTPException(401, "Please sign in.")


@routes.get("")
async def admin(request: Request, desk: AtDesk, client: Times, after: str | None = None) -> Response:
    """Upcoming bookings, of one page of the API's list, and the quota; or the form to sign in."""
    if settings().admin_password is None or not _is_admin(request):
        return page(request, "sign_in.html", {}, status=200 if settings().admin_password else 404)
    zone = zone_for(request, None)
    bookings: list[Booking] = []
    trouble, more = None, None
    try:
        pager = client.bookings.list(page=after)
        listed = await pager.collect(limit=_PAGE_SIZE)
        more = None if pager.cursor == "end" else pager.cursor
        bookings = sorted((each for each in listed if each.start_at and each.start_at > now()), key=_start)
    except ValueError:
        raise HTTPException(404, "There is no such part of the list.") from None
    except SessionsError as error:  # the quota is worth seeing above all when it is used up
        trouble = explain(error)
    shown = {
        "bookings": bookings,
        "more": more,
        "cancelled": await desk.diary.cancelled(),
        "zone": zone,
        "trouble": trouble,
        "live": await desk.board.read(),
    }
    return page(request, "admin.html", shown, private=True)


def _start(booking: Booking) -> str:
    return booking.start_at.isoformat() if booking.start_at else ""


@routes.post("", dependencies=[SameOrigin])
async def sign_in(request: Request, password: Annotated[str, Form()] = "") -> Response:
    """Opens the admin page for some hours."""
    right = settings().admin_password
    secret = settings().secret
    # Comparing signatures takes the same time for any password.
    if right is None or not is_signed(secret, "password", right, sign(secret, "password", password)):
        await asyncio.sleep(0.5)
        return page(request, "sign_in.html", {"error": "This is not the password"}, status=403)
    until = str(int(time.time()) + _STAYS)
    answer = RedirectResponse("/admin", 303)
    answer.set_cookie(
        _COOKIE,
        f"{until}.{sign(secret, 'admin', f'{until} {right}')}",
        max_age=_STAYS,
        path="/admin",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@routes.post("/sign-out", dependencies=[SameOrigin])
async def sign_out() -> Response:
    answer = RedirectResponse("/admin", 303)
    answer.delete_cookie(_COOKIE, path="/admin")
    return answer


@routes.get("/live", dependencies=[Depends(_require_admin)])
async def live(desk: AtDesk) -> Response:
    """Server-sent events: what all workers do, as often as it changes, looked at twice a second."""

    async def stream() -> AsyncIterator[str]:
        told, told_at = "", 0.0
        while not desk.is_ending():
            state = await desk.board.read()
            seen = json.dumps({name: value for name, value in state.items() if name != "now"})
            if seen != told:
                told, told_at = seen, time.monotonic()
                yield f"data: {json.dumps(state)}\n\n"
            elif time.monotonic() - told_at > _QUIET:
                told_at = time.monotonic()
                yield ": still here\n\n"
            await asyncio.sleep(0.5)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
