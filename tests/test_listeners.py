"""Listeners: what `on_event` may do."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from functools import wraps

import pytest
from support.command import python
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


ENDING = """
import asyncio, sys
from sessions_us import UserClient
from sessions_us.sandbox import Sandbox

async def main():
    sandbox = Sandbox()
    async with UserClient(sandbox.user_key, transport=sandbox.transport, on_event=lambda event: sys.exit(7)) as user:
        await user.rooms.get("r1")

asyncio.run(main())
"""


def test_a_listener_may_end_the_program():
    """What ends a program is no failure of a listener: it is not logged, and the program ends."""
    done = python("-X", "dev", "-c", ENDING)

    assert (done.returncode, done.stderr) == (7, "")


async def hear(event: object) -> None: ...


async def generate(event: object) -> AsyncIterator[object]:
    yield event


@wraps(hear)
def wrapped(*args: object) -> object:
    return hear(*args)


@pytest.mark.parametrize("on_event", [lambda event: hear(event), lambda event: generate(event), wrapped])
async def test_a_listener_that_returns_what_never_runs_is_told_once(on_event, caplog, recwarn):
    """One line says what to do, and no warning comes for each event."""
    async with Scripted(Say(body={"id": "s1"})) as server, retrying(server, on_event=on_event) as user:
        await user.sessions.get("s1")
        await user.sessions.get("s1")
    gc.collect()

    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "on_event is a plain function: an `async def` would never run. Start a task in it"
    ]
    assert [str(each.message) for each in recwarn if "never awaited" in str(each.message)] == []


async def test_a_listener_may_return_a_task(caplog):
    """It runs, and nothing is said of it."""
    heard: list[object] = []

    async def hear(event: object) -> None:
        heard.append(event)

    tasks: list[asyncio.Task[None]] = []

    def start(event: object) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(hear(event)))
        return tasks[-1]

    async with Scripted(Say(body={"id": "s1"})) as server, retrying(server, on_event=start) as user:
        await user.sessions.get("s1")
        await asyncio.gather(*tasks)

    assert len(heard) == len(tasks) > 0
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
