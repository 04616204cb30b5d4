"""Booking pages, their free times, and booking one of them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, HTTPException, Request, Response
from starlette.background import BackgroundTask

from sessions_us import ConflictError, GuestClient, SessionsError, UserClient
from sessions_us.fastapi import BackgroundUserDep, GuestDep

from . import forms, times
from .catalog import PageDetails
from .desk import AtDesk, Desk, Facts, Times
from .diary import Entry
from .frame import Id, SameOrigin, now, page, remember_zone, zone_for
from .once import kept, nonce, once
from .settings import settings
from .tokens import sign
from .troubles import Trouble, explain

routes = APIRouter()

_PAGE_SIZE = 20
_PATIENCE = 2.0  # seconds to wait for other times in place of one that is gone
OVER = "This time is over. Please choose another one."
_TAKEN = "Somebody else took this time a moment ago. Please choose another one."

Free = dict[datetime, int | None]
"""When a booking page is free, and for how many minutes."""


@routes.get("/")
async def booking_pages(request: Request, desk: AtDesk, facts: Facts, after: str | None = None) -> Response:
    """What can be booked, a page of the API's list at a time, because each is a request."""
    try:
        pager = facts.booking_pages.list(page=after)
    except ValueError:
        raise HTTPException(404, "There is no such part of the list.") from None
    shown = await desk.catalog.saw_pages(await pager.collect(limit=_PAGE_SIZE))
    more = None if pager.cursor == "end" else pager.cursor
    return page(request, "pages.html", {"pages": shown, "more": more})


async def free_times(client: UserClient, page_id: str, week: date | None) -> Free:
    """When a booking page is free, for a week in any zone. The answer has another week too, see `times.span`."""
    start, end = times.span(week, now())
    slots = await client.booking_pages.slots(page_id, start=start, end=end)
    return {slot.start_at: _minutes(slot.start_at, slot.end_at) for slot in slots if slot.start_at is not None}


def _minutes(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else round((end - start) / timedelta(minutes=1))


async def week_shown(
    client: UserClient, page_id: str, asked: str | None, zone: ZoneInfo
) -> tuple[date, list[times.Day]]:
    """The week that was asked for. Without one it is this week, or the next if nothing is left of this one. One request."""
    today = now().astimezone(zone).date()
    named = times.week_of(asked, today)
    week = named or times.monday(today)
    free = await free_times(client, page_id, named)
    days = times.days(free, week, zone, now())
    if named is None and not any(day.moments for day in days):
        week += timedelta(weeks=1)
        days = times.days(free, week, zone, now())
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


async def times_instead(client: UserClient, page_id: str, wanted: datetime, zone: ZoneInfo) -> list[times.Day]:
    """Free times near one that is gone; none if they can't be had soon: the visitor has waited already."""
    this = times.monday(now().astimezone(zone).date())
    week = max(times.monday(wanted.astimezone(zone).date()), this)
    with contextlib.suppress(SessionsError):
        hurried = client.with_options(max_wait=_PATIENCE)
        free = await free_times(hurried, page_id, week)
        return times.nearest(free, wanted, zone, now())
    return []


@routes.get("/pages/{page_id}")
async def slots(
    request: Request,
    page_id: Id,
    desk: AtDesk,
    client: Times,
    unhurried: BackgroundUserDep,
    week: str | None = None,
    notice: str = "",
) -> Response:
    """The free times of a week, in the visitor's zone. One request; what the page is called is known from the list."""
    offered = await desk.catalog.page(page_id)
    zone = zone_for(request, offered.zone)
    shown, days = await week_shown(client, page_id, week, zone)
    answer = page(request, "slots.html", {"page": offered, "notice": notice, **calendar(shown, days, zone)})
    if await desk.catalog.is_to_be_asked(page_id):
        answer.background = BackgroundTask(_learn, desk, unhurried, page_id)
    return remember_zone(request, answer)


async def _learn(desk: Desk, unhurried: UserClient, page_id: str) -> None:
    """What a page is called of which a visitor had the address alone, for those who come later and if there is quota to spare."""
    with contextlib.suppress(SessionsError):
        found = await unhurried.with_options(max_wait=_PATIENCE).booking_pages.get(page_id)
        await desk.catalog.saw_pages([found])


def _book_form(
    request: Request,
    offered: PageDetails,
    form: forms.Form,
    sent: str,
    *,
    start: datetime,
    instead: list[times.Day] | None = None,
    trouble: Trouble | None = None,
    status: int = 200,
) -> Response:
    """The form for a time; where that is gone, `instead` has others to choose from."""
    zone, retry_after = zone_for(request, offered.zone), trouble.retry_after if trouble else None
    about = {"page": offered, "start": start, "zone": zone, "instead": instead}
    shown = {**about, "form": form, "once": sent, "retry_after": retry_after}
    return page(request, "book.html", shown, status=trouble.status if trouble else status, retry_after=retry_after)


@routes.get("/pages/{page_id}/book")
async def book_form(request: Request, page_id: Id, desk: AtDesk, start: str = "", minutes: str = "") -> Response:
    """The form for one time. It costs no request: the server says when the time is gone."""
    moment = times.from_url(start)
    if moment is None:
        raise HTTPException(404, "There is no such time.")
    if moment <= now():
        raise HTTPException(404, OVER)
    offered = _lasting(await desk.catalog.page(page_id), minutes)
    return _book_form(request, offered, forms.Form(), nonce(), start=moment)


def _lasting(offered: PageDetails, minutes: str) -> PageDetails:
    """How long it lasts, as the list of free times said it, where the page does not say."""
    told = int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 5 else None
    return replace(offered, minutes=offered.minutes or told)


@routes.post("/pages/{page_id}/book", dependencies=[SameOrigin])
async def book(
    request: Request,
    page_id: Id,
    desk: AtDesk,
    guest: GuestDep,
    client: Times,
    start: Annotated[str, Form()] = "",
    wanted: Annotated[str, Form()] = "",
    minutes: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    guests: Annotated[str, Form()] = "",
    sent: Annotated[str, Form(alias="once")] = "",
) -> Response:
    """Books as a guest, then leads to the booking. Before that it asks for nothing: what the page is called is known, or may
    be missing.

    Without `start`, the visitor wants times near `wanted` to choose from.
    """
    offered = _lasting(await desk.catalog.page(page_id), minutes)
    zone, form = zone_for(request, offered.zone), forms.booking(name, email, guests)
    moment, gone = times.from_url(start), times.from_url(wanted)
    if moment is None and gone is None:
        raise HTTPException(404, "There is no such time.")
    if moment is None or moment <= now():
        near = moment or gone or now()
        form.errors["start"] = "Choose a time" if moment is None else OVER.removesuffix(".")
        instead = await times_instead(client, page_id, near, zone)
        return _book_form(request, offered, form, sent, start=near, instead=instead, status=422)
    if form.errors:
        return _book_form(request, offered, form, sent, start=moment, status=422)
    try:
        return await once(
            desk.diary,
            sent,
            lambda: _book(guest, desk, offered, moment, zone, form),
            uncertain=f"/pages/{offered.id}?notice=uncertain",
        )
    except ConflictError as error:
        form.trouble = _TAKEN
        instead = await times_instead(client, page_id, moment, zone)
        return _book_form(request, offered, form, sent, start=moment, instead=instead, trouble=explain(error))
    except (SessionsError, HTTPException) as error:
        trouble = explain(error)
        form.trouble = trouble.text
        return _book_form(request, offered, form, kept(sent), start=moment, trouble=trouble)


async def _book(
    guest: GuestClient, desk: Desk, offered: PageDetails, moment: datetime, zone: ZoneInfo, form: forms.Form
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
        page_name=offered.name if offered.name != PageDetails.name else made.name or "Booking",
        minutes=offered.minutes,
        start_at=made.start_at or moment,
        zone=zone.key,
        name=form.value("name"),
        email=form.value("email"),
        guests=tuple(form.guests()),
        session_id=made.session_id,
    )
    await desk.diary.write(entry)
    return f"{link(made.id)}?done=booked"


def link(id: str) -> str:
    """The address of a booking. Nobody guesses it: who has it may move and cancel the booking."""
    return f"/bookings/{id}/{sign(settings().secret, 'booking', id)}"
