"""Calls that are cut short at a chosen point, and situations in which that may happen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any

from support.scripted import Behaviour, Reset, Say, Silence, Slowly

from sessions_us import UserClient

__all__ = ("FINE", "ROW", "SCENES", "SPENT", "Interposed", "Interrupted", "Scene", "made", "read", "whole", "write")

ROW = {"id": "s1"}
SPENT = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "40"}


class Interposed:
    """Awaits something, and does something else at the given suspension, counted from 0.

    Attributes:
        acted: whether it came as far as that.
    """

    def __init__(self, inner: Awaitable[object], at: int, act: Callable[[], object]) -> None:
        self._inner = inner
        self._at = at
        self._act = act
        self.acted = False

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self._inner.__await__()
        suspensions = 0
        send, value = steps.send, None
        while True:
            try:
                waits_for = send(value)
            except StopIteration as done:
                return done.value
            if suspensions == self._at:
                self.acted = True
                self._act()
            suspensions += 1
            try:
                value, send = (yield waits_for), steps.send
            except BaseException as error:  # cancellation among them: it belongs to what is inside
                value, send = error, steps.throw


class Interrupted(Interposed):
    """Awaits something, and cancels its task at the given suspension, counted from 0."""

    def __init__(self, inner: Awaitable[object], at: int) -> None:
        super().__init__(inner, at, _cancel)

    @property
    def cancelled(self) -> bool:
        return self.acted


def _cancel() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@dataclass(frozen=True)
class Scene:
    """A call in a situation in which it may be cut short.

    Attributes:
        script: what the server does, the warm-up's answer first.
        call: what is cut short.
        ends: whether it comes to an end if nobody cuts it short.
        warm: whether another call went before, on the connection that this one may use.
    """

    script: tuple[Behaviour, ...]
    call: Callable[[UserClient], Awaitable[object]]
    ends: bool = True
    warm: bool = True


def read(user: UserClient) -> Awaitable[object]:
    return user.sessions.get("s1")


def write(user: UserClient) -> Awaitable[object]:
    return user.rooms.create(name="Room")


async def stream(user: UserClient) -> object:
    return [session async for session in user.sessions.list()]


FINE = Say(body=ROW)
PAGE = Say(body=[{"id": str(number)} for number in range(20)])
OTHER = Say(body=[{"id": f"other {number}"} for number in range(20)])
LAST = Say(body=[{"id": "last"}])
SCENES = {
    "the first call": Scene((FINE,), read, warm=False),
    "a read": Scene((FINE, FINE), read),
    "a write": Scene((FINE, FINE), write),
    "a read that is repeated": Scene((FINE, Reset(), Say(502), FINE), read),
    "a server that closes the connection": Scene((Say(body=ROW, close=True), FINE), read),
    "a refusal": Scene((FINE, Say(404, {"message": "no"})), read),
    "a server that says nothing": Scene((FINE, Silence()), read, ends=False),
    "slow headers": Scene((FINE, Slowly(b"HTTP/1.1 200 OK\r\n", 0.001)), read, ends=False),
    "a body that stops": Scene((FINE, Say(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")), write, ends=False),
    "a long back-off": Scene((FINE, Say(503, None, {"retry-after": "600"})), read, ends=False),
    "a spent quota": Scene((Say(body=ROW, headers=SPENT), FINE), read, ends=False),
    "a list of two pages": Scene((FINE, PAGE, LAST), stream),
    "a list whose first page has number 1": Scene((FINE, PAGE, PAGE, OTHER, LAST), stream),
}
SCENES["several at once"] = Scene(
    (FINE, FINE), lambda user: asyncio.gather(read(user), write(user), user.rooms.get("r1"), user.sessions.get("s2"))
)


async def whole(call: Awaitable[object]) -> object:
    """A coroutine of whatever can be awaited, as a task wants it."""
    return await call


async def made(scene: Scene, user: UserClient) -> object:
    """The scene's call; nothing of it exists before it begins."""
    return await scene.call(user)
