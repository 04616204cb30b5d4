"""The 47 operations: one module for each noun, each with its table of (method, path) and handler.

A handler is a plain function, so that nothing can come between its reading and its writing of the state.
"""

from __future__ import annotations

from ..call import Routes
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
