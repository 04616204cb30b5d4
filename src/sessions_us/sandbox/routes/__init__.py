"""The 47 operations: one module for each noun, each with its table of (method, path) and handler.

A handler is a plain function, so that nothing can come between its reading and its writing of the state.
"""

from __future__ import annotations

from urllib.parse import unquote

from ..call import Handler, Routes
from . import booking_pages, bookings, collaborators, events, participants, rooms, sessions, webhooks

ROUTES: Routes = {
    **booking_pages.ROUTES,
    **collaborators.ROUTES,
    **bookings.ROUTES,
    **rooms.ROUTES,
    **sessions.ROUTES,
    **participants.ROUTES,
    **events.ROUTES,
    **webhooks.ROUTES,
}


def id_place(path: str) -> int:
    """Return which segment of a path is the id, if any is."""
    return 4 if path.lower().startswith("/api/guests/") else 3


def written(path: str) -> str:
    """Return a path as routes compare it: in lower case but for the id, and without a slash at the end."""
    place = id_place(path)
    segments = path.removesuffix("/").split("/")
    return "/".join(each if number == place else each.lower() for number, each in enumerate(segments))


_PREFIXES = (3, 4)  # segments before the id: `/api/rooms`, `/api/guests/bookings`


def find(method: str, path: str) -> tuple[Handler, str, str] | None:
    """Return the handler for a path as sent, the path with `{id}`, and the decoded id.

    As in Express, the case of letters and one slash at the end do not matter, and a wrong method is as unknown as a wrong
    path. An encoded slash is part of an id, and not of the path's structure.
    """
    method = "GET" if method == "HEAD" else method
    segments = path.removesuffix("/").split("/")
    lower = [segment.lower() for segment in segments]
    template = "/".join(lower)
    if (method, template) in ROUTES and "{" not in template:
        return ROUTES[method, template], template, ""
    for place in _PREFIXES:
        if len(segments) > place and segments[place]:
            template = "/".join((*lower[:place], "{id}", *lower[place + 1 :]))
            handler = ROUTES.get((method, template))
            if handler is not None:
                return handler, template, unquote(segments[place])
    return None
