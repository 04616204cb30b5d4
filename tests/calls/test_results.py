"""What calls return, and when an answer is an error."""

from __future__ import annotations

from typing import Any

import pytest
from support.rooms import read, retrying, write
from support.scripted import Say, Scripted

from sessions_us import DecodeError, SchemaDrift

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[]", b"<html>", b'"text"', b"{", b"\xff", b"[" * 100_000])
async def test_a_get_without_its_object_is_an_error(body):
    """The error keeps the body, to find out what is wrong with it."""
    async with Scripted(Say(body=body)) as server, retrying(server) as user:
        with pytest.raises(DecodeError) as caught:
            await read(user)

    assert (caught.value.body, caught.value.status_code) == (body, 200)
    assert len(server.arrived) == 1


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[]", b"<html>", b"{", b"[1]"])
async def test_a_write_that_happened_is_no_error(body):
    """Any 2xx counts; what can't be understood is None, and told."""
    events: list[Any] = []
    async with Scripted(Say(201, body)) as server, retrying(server, on_event=events.append) as user:
        assert await write(user) is None

    assert body in {b"", b"null"} or any(isinstance(event, SchemaDrift) for event in events)


async def test_a_missing_page_does_not_end_a_list():
    """An empty body is an error, after which the Pager goes on with that page; null is told, and an error when strict."""
    full = Say(body=[{"id": f"s{number}"} for number in range(20)])
    async with Scripted(full, full, Say(body=b""), Say(body=[{"id": "last"}])) as server, retrying(server) as user:
        pager = user.sessions.list()
        with pytest.raises(DecodeError, match="no page"):
            await pager.collect()
        assert len(await pager.collect()) == 21
    events: list[Any] = []
    async with Scripted(full, full, Say(body=None)) as server, retrying(server, on_event=events.append) as user:
        assert len(await user.rooms.list().collect()) == 20
        with pytest.raises(DecodeError, match="null"):
            await user.with_options(strict=True).rooms.list(page=3).collect()

    assert [event.problem for event in events if isinstance(event, SchemaDrift)] == ["null", "null"]


async def test_unknown_fields_are_kept():
    """The names are reconstructed; what comes instead stays in additional_properties."""
    async with Scripted(Say(body={"summary": "long"})) as server, retrying(server) as user:
        takeaways = await user.sessions.takeaways("s1")

    assert takeaways is not None
    assert takeaways.additional_properties == {"summary": "long"}


async def test_a_create_says_that_it_happened():
    """The caller must not simply try again."""
    async with Scripted(Say(201, b"<html>")) as server, retrying(server) as user:
        with pytest.raises(DecodeError, match="the write happened"):
            await user.webhooks.create(url="https://example.com", trigger="SESSION_CREATED")


@pytest.mark.parametrize("extra", [None, {}])
async def test_an_update_without_a_field_is_not_sent(extra):
    """It would spend a request for nothing, or replace all by nothing."""
    async with Scripted(Say(500)) as server, retrying(server) as user:
        updates = [
            user.rooms.update("r1", extra=extra),
            user.sessions.update("s1", name=None, extra=extra),
            user.bookings.update("b1", extra=extra),
            user.booking_pages.update("p1", extra=extra),
            user.booking_pages.collaborators.update("p1", extra=extra),
            user.sessions.participants.update("s1", extra=extra),
        ]
        for update in updates:
            with pytest.raises(ValueError, match="at least one field"):
                await update

    assert server.arrived == []
