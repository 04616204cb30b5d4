"""Events, and registering for one. Those that the site's configuration names: the API does not say which are public."""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response

from sessions_us import ConflictError, SessionsError, UserClient
from sessions_us.fastapi import GuestDep

from . import forms
from .catalog import Catalog, EventFacts
from .desk import AtDesk, Facts
from .frame import Id, SameOrigin, now, page, remember_zone, zone_for
from .once import kept, nonce, once
from .settings import settings
from .troubles import Trouble, explain

routes = APIRouter(prefix="/events")

_PAGE_SIZE = 20


async def _ask(facts: UserClient, catalog: Catalog, after: str | None = None) -> str | None:
    """Ask for one page of the API's list, and remember it. Returns where the next one begins, None if there is none.

    Raises:
        ValueError: no page begins there.
        SessionsError: it can't be had.
    """
    pager = facts.events.list(page=after)
    await catalog.saw_events(await pager.collect(limit=_PAGE_SIZE))
    return None if pager.cursor == "end" else pager.cursor


@routes.get("")
async def events(request: Request, desk: AtDesk, facts: Facts, after: str | None = None) -> Response:
    """What is ahead, the next one first; those without a time last. One request."""
    named = settings().events
    try:
        more = await _ask(facts, desk.catalog, after) if named else None
    except ValueError:
        raise HTTPException(404, "There is no such part of the list.") from None
    known = await desk.catalog.events(named)
    ahead = [each for each in known if each.start_at is None or each.start_at > now()]
    ahead.sort(key=lambda each: (each.start_at is None, each.start_at or now(), each.name))
    shown = {"events": ahead, "zone": zone_for(request, None), "more": more if len(known) < len(named) else None}
    return remember_zone(request, page(request, "events.html", shown))


def _named(id: Id) -> str:
    if id not in settings().events:
        raise HTTPException(404, "There is no such event.")
    return id


EventId = Annotated[str, Depends(_named)]


def _event_page(
    request: Request,
    event: EventFacts,
    form: forms.Form,
    sent: str,
    *,
    done: str = "",
    trouble: Trouble | None = None,
    status: int = 200,
) -> Response:
    zone, retry_after = zone_for(request, event.zone), trouble.retry_after if trouble else None
    shown = {"event": event, "form": form, "once": sent, "zone": zone, "done": done, "retry_after": retry_after}
    shown["over"] = event.start_at is not None and event.start_at <= now()
    return page(request, "event.html", shown, status=trouble.status if trouble else status, retry_after=retry_after)


@routes.get("/{id}")
async def event_form(request: Request, id: EventId, desk: AtDesk, facts: Facts, done: str = "") -> Response:
    """The event and the form to register. Most often it is known what the event is called; else that is one request."""
    event, is_old = await desk.catalog.event(id)
    if is_old:
        with contextlib.suppress(SessionsError):  # then the page says less
            await _ask(facts, desk.catalog)
            event, _ = await desk.catalog.event(id)
    return _event_page(request, event, forms.Form(), nonce(), done=done)


@routes.post("/{id}", dependencies=[SameOrigin])
async def register(
    request: Request,
    id: EventId,
    desk: AtDesk,
    guest: GuestDep,
    first_name: Annotated[str, Form()] = "",
    last_name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    sent: Annotated[str, Form(alias="once")] = "",
) -> Response:
    """Registers as a guest. It asks for nothing else."""
    event, _ = await desk.catalog.event(id)
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
    except (SessionsError, HTTPException) as error:
        trouble = explain(error)
        form.trouble = trouble.text
        if isinstance(error, ConflictError):
            form.trouble = "Somebody is registered with this address already."
        return _event_page(request, event, form, kept(sent), trouble=trouble)
