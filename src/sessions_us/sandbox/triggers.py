"""The triggers of webhooks, and what each says."""

from __future__ import annotations

from collections.abc import Iterable

from . import life, serializer
from .records import EventRecord, Registration, SessionRecord
from .serializer import Json
from .shelf import newest
from .state import TRIGGERS, State, registered

_AFTER_THE_END = ("TAKEAWAY_READY", "TRANSCRIPT_READY", "RECORDING_STATUS_CHANGED")


def told(state: State, trigger: str, id: str | None) -> tuple[SessionRecord, Json]:
    """Return what a trigger says of an object as it is, and the session of which it says it.

    Args:
        state: is not changed. What the object does not have, such as takeaways, is made up.
        trigger: one of `TRIGGERS`.
        id: of a session, booking or event; None takes the newest that fits.

    Raises:
        KeyError: there is no such object.
        ValueError: there is no such trigger, or nothing that fits it, or the object does not.
    """
    if trigger not in TRIGGERS:
        raise ValueError(f"the name of a trigger must be one of {', '.join(sorted(TRIGGERS))}, not {trigger!r}")
    session = _session(state, trigger, id)
    if trigger == "EVENT_NEW_REGISTRATION":
        event = state.events[session.event_id or ""]
        return session, registered(event, _registration(event, state))
    if trigger == "TAKEAWAY_READY":
        return session, _of(session, serializer.takeaways(session.takeaways or life.notes(session)) or {})
    if trigger == "TRANSCRIPT_READY":
        start = session.actual_start or state.now()
        said = session.transcripts or life.spoken(session, start, session.ended_at or start)
        return session, _of(session, {"transcripts": serializer.transcripts(said)})
    if trigger == "RECORDING_STATUS_CHANGED":
        return session, _of(session, {})
    return session, {"session": serializer.told_session(state, session)}


def _of(session: SessionRecord, data: Json) -> Json:
    return {"session": {"id": session.id, **data}}


def _session(state: State, trigger: str, id: str | None) -> SessionRecord:
    fitting = {each.id: each for each in _fitting(state, trigger)}
    if id is None:
        if not fitting:
            raise ValueError(f"there is nothing that {trigger} could tell of: make or load it first")
        return newest(fitting.values())[0]
    part = state.bookings.get(id) or state.events.get(id)
    session = state.sessions[part.session_id if part else id]
    if session.id not in fitting:
        raise ValueError(_unfit(trigger, _family(session)))
    return session


def _unfit(trigger: str, family: str) -> str:
    """Return why a trigger can't tell of a session of a family, and which one tells of the like."""
    whose = {"BOOKING": "the session of a booking", "EVENT": "the session of an event"}
    other = f"{family}_{trigger.partition('_')[2]}"
    hint = f"; {other} tells of it" if other in TRIGGERS else ""
    return f"{trigger} does not tell of {whose.get(family, 'a session of neither a booking nor an event')}{hint}"


def _fitting(state: State, trigger: str) -> Iterable[SessionRecord]:
    family = trigger.partition("_")[0]
    for session in state.sessions.values():
        if trigger in _AFTER_THE_END or family == _family(session):
            yield session


def _family(session: SessionRecord) -> str:
    return "BOOKING" if session.booking_id else "EVENT" if session.event_id else "SESSION"


def _registration(event: EventRecord, state: State) -> Registration:
    if event.registrations:
        return event.registrations[-1]
    form = [{"question": "Name", "answer": "Ada"}, {"question": "Email", "answer": "ada@example.org"}]
    return Registration(state.new_id(), "ada@example.org", "Ada", form)
