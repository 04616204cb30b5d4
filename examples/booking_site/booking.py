"""Booking pages, their free times, and booking one of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, HTTPException, Request, Response

from sessions_us import BookingPage, ConflictError, GuestClient, SessionsError, UserClient
from sessions_us.fastapi import GuestDep

from . import forms, times
from .desk import AtDesk, Desk, Facts, Times
from .diary import Entry
from .frame import Id, SameOrigin, now, page, remember_zone, zone_for
from .once import nonce, once
from .settings import settings
from .tokens import sign
from .troubles import explain

routes = APIRouter()

_PAGE_SIZE = 20
OVER = "This time is over. Please choose another one."
_TAKEN = "Somebody else took this time a moment ago. Please choose another one."


@routes.get("/")
async def booking_pages(request: Request, facts: Facts, after: str | None = None) -> Response:
    """What can be booked, a page of the API's list at a time, because each is a request."""
    try:
        pager = facts.booking_pages.list(page=after)
    except ValueError:
        raise HTTPException(404, "There is no such part of the list.") from None
    shown = await pager.collect(limit=_PAGE_SIZE)
    more = None if pager.cursor == "end" else pager.cursor
    return page(request, "pages.html", {"pages": shown, "more": more})


async def free_times(client: UserClient, page_id: str, week: date) -> list[datetime]:
    """When a booking page is free, for a week in any zone."""
    start, end = times.span(week)
    slots = await client.booking_pages.slots(page_id, start=start, end=end)
    return [slot.start_at for slot in slots if slot.start_at is not None]


async def week_shown(
    client: UserClient, page_id: str, asked: str | None, zone: ZoneInfo
) -> tuple[date, list[times.Day]]:
    """The week that was asked for. Without one it is this week, or the next if nothing is left of this one."""
    today = now().astimezone(zone).date()
    week = times.week_of(asked, today) or times.monday(today)
    days = times.days(await free_times(client, page_id, week), week, zone, now())
    if asked is None and not any(day.moments for day in days):
        week += timedelta(weeks=1)
        days = times.days(await free_times(client, page_id, week), week, zone, now())
    return week, days


def calendar(week: date, days: list[times.Day], zone: ZoneInfo) -> dict[str, object]:
    """What the template of a week needs."""
    this = times.monday(now().astimezone(zone).date())
    return {
        "week": week,
        "days": days,
        "zone": zone,
        "zones": times.zones(),
        "clock_change": times.clock_change(week, zone),
        "earlier": week - timedelta(weeks=1) if week > this else None,
        "later": week + timedelta(weeks=1) if week < this + timedelta(weeks=53) else None,
        "last_day": week + timedelta(days=6),
    }


@routes.get("/pages/{page_id}")
async def slots(
    request: Request, page_id: Id, facts: Facts, client: Times, week: str | None = None, notice: str = ""
) -> Response:
    """The free times of a week, in the visitor's zone."""
    offered = await facts.booking_pages.get(page_id)
    zone = zone_for(request, offered.time_zone)
    shown, days = await week_shown(client, page_id, week, zone)
    answer = page(request, "slots.html", {"page": offered, "notice": notice, **calendar(shown, days, zone)})
    return remember_zone(request, answer)


def _book_form(
    request: Request,
    offered: BookingPage,
    start: datetime,
    form: forms.Form,
    sent: str,
    status: int = 200,
    retry_after: int | None = None,
) -> Response:
    zone = zone_for(request, offered.time_zone)
    shown = {"page": offered, "start": start, "form": form, "zone": zone, "once": sent, "gone": status == 409}
    return page(request, "book.html", shown, status=status, retry_after=retry_after)


@routes.get("/pages/{page_id}/book")
async def book_form(request: Request, page_id: Id, facts: Facts, start: str = "") -> Response:
    """The form for one time. It sends no request for the time itself: the server says when it is gone."""
    moment = times.from_url(start)
    if moment is None:
        raise HTTPException(404, "There is no such time.")
    return _book_form(request, await facts.booking_pages.get(page_id), moment, forms.Form(), nonce())


@routes.post("/pages/{page_id}/book", dependencies=[SameOrigin])
async def book(
    request: Request,
    page_id: Id,
    desk: AtDesk,
    facts: Facts,
    guest: GuestDep,
    start: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    guests: Annotated[str, Form()] = "",
    sent: Annotated[str, Form(alias="once")] = "",
) -> Response:
    """Books as a guest, then leads to the booking."""
    moment = times.from_url(start)
    if moment is None:
        raise HTTPException(404, "There is no such time.")
    offered = await facts.booking_pages.get(page_id)
    form = forms.booking(name, email, guests)
    if moment <= now():
        form.trouble = OVER
    if form.errors or form.trouble:
        return _book_form(request, offered, moment, form, sent, 422)
    zone = zone_for(request, offered.time_zone)
    try:
        return await once(
            desk.diary,
            sent,
            lambda: _book(guest, desk, offered, moment, zone, form),
            uncertain=f"/pages/{offered.id}?notice=uncertain",
        )
    except SessionsError as error:
        trouble = explain(error)
        form.trouble = _TAKEN if isinstance(error, ConflictError) else trouble.text
        return _book_form(request, offered, moment, form, sent, trouble.status, trouble.retry_after)


async def _book(
    guest: GuestClient, desk: Desk, offered: BookingPage, moment: datetime, zone: ZoneInfo, form: forms.Form
) -> str:
    made = await guest.bookings.create(
        booking_page_id=offered.id,
        start_at=moment,
        participant_name=form.value("name"),
        participant_email=form.value("email"),
        guests=form.guests() or None,
        time_zone=zone.key,
    )
    if made is None:  # the server may say no more than that it worked
        return f"/pages/{offered.id}?notice=booked"
    entry = Entry(
        id=made.id,
        page_id=offered.id,
        page_name=offered.name or "Booking",
        minutes=offered.duration,
        start_at=made.start_at or moment,
        zone=zone.key,
        name=form.value("name"),
        email=form.value("email"),
    )
    await desk.diary.write(entry)
    return f"{link(made.id)}?done=booked"


def link(id: str) -> str:
    """The address of a booking. Nobody guesses it: who has it may move and cancel the booking."""
    return f"/bookings/{id}/{sign(settings().secret, 'booking', id)}"
