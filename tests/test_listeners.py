"""Listeners: what `on_event` may do."""

from __future__ import annotations

import asyncio

import pytest
from support.rooms import retrying
from support.scripted import Say, Scripted

pytestmark = pytest.mark.anyio


class Uncaught(BaseException):
    """Such as pytest's outcomes."""


@pytest.mark.parametrize("kind", [RuntimeError, asyncio.CancelledError, Uncaught])
async def test_a_listener_that_raises_breaks_no_call(caplog, kind):
    """It is logged, and the call goes on; what a cancelled future raises does not cancel it."""

    def raise_error(event: object) -> None:
        raise kind("listener")

    async with Scripted(Say(body={"id": "s1"})) as server, retrying(server, on_event=raise_error) as user:
        await asyncio.wait_for(user.sessions.get("s1"), 10)

    assert "on_event raised" in caplog.text
