"""Events, and registering for one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response

from sessions_us import ConflictError, Event, SessionsError
from sessions_us.fastapi import GuestDep

from . import forms
from .desk import AtDesk, Facts
from .frame import Id, SameOrigin, now, page, remember_zone, zone_for
from .once import nonce, once
from .troubles import explain

routes = APIRouter(prefix="/events")

_MOST = 40  # two pages of the API's list


async def _ahead(facts: Facts) -> list[Event]:
    """Events that have not begun, the next one first. The API's list comes in no such order, so some of it is read."""
    listed = await facts.events.list().collect(limit=_MOST)
    coming = [
        (event.session.start_at, event.id, event)
        for event in listed
        if event.session is not None and event.session.start_at is not None and event.session.start_at > now()
    ]
    return [event for _, _, event in sorted(coming, key=lambda each: each[:2])]


async def _find(facts: Facts, id: str) -> Event:
    """One event. The API has no way to read a single one, but the list is kept for minutes."""
    found = next((event for event in await _ahead(facts) if event.id == id), None)
    if found is None:
        raise HTTPException(404, "There is no such event, or it is over.")
    return found


@routes.get("")
async def events(request: Request, facts: Facts) -> Response:
    """What is ahead."""
    answer = page(request, "events.html", {"events": await _ahead(facts), "zone": zone_for(request, None)})
    return remember_zone(request, answer)


def _event_page(
    request: Request,
    event: Event,
    form: forms.Form,
    sent: str,
    *,
    done: str = "",
    status: int = 200,
    retry_after: int | None = None,
) -> Response:
    zone = zone_for(request, event.session.time_zone if event.session else None)
    shown = {"event": event, "form": form, "once": sent, "zone": zone, "done": done}
    return page(request, "event.html", shown, status=status, retry_after=retry_after)


@routes.get("/{id}")
async def event_form(request: Request, id: Id, facts: Facts, done: str = "") -> Response:
    """The event and the form to register."""
    return _event_page(request, await _find(facts, id), forms.Form(), nonce(), done=done)


@routes.post("/{id}", dependencies=[SameOrigin])
async def register(
    request: Request,
    id: Id,
    desk: AtDesk,
    facts: Facts,
    guest: GuestDep,
    first_name: Annotated[str, Form()] = "",
    last_name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    sent: Annotated[str, Form(alias="once")] = "",
) -> Response:
    """Registers as a guest."""
    event = await _find(facts, id)
    form = forms.registration(first_name, last_name, email)
    if not form.is_valid:
        return _event_page(request, event, form, sent, status=422)

    async def act() -> str:
        await guest.events.register(
            event.id,
            email=form.value("email"),
            first_name=form.value("first_name"),
            last_name=form.value("last_name") or None,
        )
        return f"/events/{event.id}?done=registered"

    try:
        return await once(desk.diary, sent, act, uncertain=f"/events/{event.id}?done=uncertain")
    except SessionsError as error:
        trouble = explain(error)
        form.trouble = trouble.text
        if isinstance(error, ConflictError):
            form.trouble = "Somebody is registered with this address already."
        return _event_page(request, event, form, sent, status=trouble.status, retry_after=trouble.retry_after)
