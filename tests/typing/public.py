"""What the type checkers must see. Checked by mypy and pyright, never run."""

from __future__ import annotations

from datetime import datetime
from typing import assert_type

from sessions_us import (
    Booking,
    GuestClient,
    Page,
    Pager,
    Participant,
    RegisteredParticipant,
    Room,
    Session,
    Slot,
    Takeaways,
    Transcript,
    UserClient,
    UserKey,
    Webhook,
)


async def results(user: UserClient, guest: GuestClient, at: datetime) -> None:
    assert_type(user.sessions.list(), Pager[Session])
    async for session in user.sessions.list():
        assert_type(session, Session)
        assert_type(session.id, str)
        assert_type(session.start_at, datetime | None)
        assert_type(session.participants, list[Participant] | None)
    async for page in user.bookings.list(page="start").pages():
        assert_type(page, Page[Booking])
    assert_type(await user.rooms.list().collect(limit=5), list[Room])
    assert_type(await user.sessions.get("id"), Session)
    assert_type(await user.sessions.create(name="n", start_at=at, planned_end=at, time_zone="UTC"), Session)
    assert_type(await user.sessions.update("id", name="n"), Session | None)
    assert_type(await user.sessions.takeaways("id"), Takeaways | None)
    assert_type(await user.sessions.transcripts("id"), list[Transcript])
    assert_type(await user.booking_pages.slots("id", start=at, end=at), list[Slot])
    assert_type(await user.webhooks.create(url="https://example.com", trigger="SESSION_CREATED"), Webhook)
    assert_type(await guest.events.register("id", email="a@example.com"), RegisteredParticipant | None)
    assert_type(user.with_options(lane="background", max_wait=None), UserClient)
    assert_type(guest.with_options(timeout=3), GuestClient)


async def refused(user: UserClient, guest: GuestClient) -> None:
    guest.sessions  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    guest.events.publish  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    user.guests  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    GuestClient(UserKey("u"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    user.with_options(lane="urgent")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for _ in user.sessions.list():  # type: ignore[attr-defined,unused-ignore]  # pyright: ignore
        pass
