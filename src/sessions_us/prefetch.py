"""Prefetch: the pages after the one that is being read, fetched one after the other while its reader works."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, NoReturn, Protocol, Self, TypeVar

from .errors import QuotaTimeoutError

__all__ = ("Prefetch", "Spawn", "Walk")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Starts a task that somebody ends, if it does not end by itself."""


class Walk(Protocol[T_co]):
    """Goes from page to page, one step at a time. A step that fails can be made again."""

    @property
    def is_over(self) -> bool:
        """Whether there is no further step."""
        ...

    async def step(self, *, ahead: bool) -> T_co:
        """Make one; `ahead` of a reader, who does not wait for it yet."""
        ...

    async def hurry(self) -> None:
        """A reader waits now for the step that is being made ahead."""
        ...


class Prefetch(Generic[T]):
    """The steps of a walk, of which some are made before they are asked for. `async with` it while it is being read.

    It has a task only while a request of it is under way: the next one begins when a reader takes a step and makes room. What
    was fetched when its readers leave is kept for the next one; a request that is under way is broken off.

    Args:
        walk: makes the steps; the first one, and all if the depth is 0, are made by the reader itself.
        depth: how many steps to be ahead of the reader.
        spawn: starts the tasks.

    Raises:
        ValueError: a depth that is no number of pages.
    """

    def __init__(self, walk: Walk[T], depth: object, spawn: Spawn) -> None:
        if not isinstance(depth, int) or isinstance(depth, bool) or depth < 0:
            raise ValueError(f"prefetch is how many pages to fetch ahead, 0 or more, not {depth!r}")
        self._walk = walk
        self._depth = depth
        self._spawn = spawn
        self._ready: deque[T] = deque()
        self._failure: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        self._readers = 0
        self._awaited = False

    async def next(self) -> T:
        """The next step: one that was made, or is being made, or now. To be called by one reader at a time.

        Raises:
            SessionsError: what the step raised. Called again, it makes the step again.
        """
        while not self._ready:
            if self._failure is not None:
                self._fail()
            if (task := self._under_way()) is None:
                self._ready.append(await self._walk.step(ahead=False))
                break
            self._awaited = True
            try:
                await self._walk.hurry()
                await asyncio.wait([task])
            finally:
                self._awaited = False
        step = self._ready.popleft()
        self._go_on()
        return step

    async def __aenter__(self) -> Self:
        self._readers += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers -= 1
        if self._readers == 0:
            self._failure = None  # the next reader asks again
            if (task := self._under_way()) is not None:
                task.cancel()
                await asyncio.wait([task])

    def _go_on(self) -> None:
        """Begins a step if there is room for it, and somebody reads."""
        room = self._readers > 0 and len(self._ready) < self._depth
        if room and self._failure is None and not self._walk.is_over and self._under_way() is None:
            self._task = self._spawn(self._step())

    def _fail(self) -> NoReturn:
        failure, self._failure = self._failure, None
        try:
            assert failure is not None  # noqa: S101  # that is why it is called
            raise failure
        finally:
            del failure  # an error whose traceback holds it lives on

    async def _step(self) -> None:
        try:
            # A reader that waits already asks for it itself, in effect.
            self._ready.append(await self._walk.step(ahead=not self._awaited))
        except QuotaTimeoutError as error:
            # Nothing was sent, and nobody's patience ended if nobody waits: the reader will ask itself.
            self._failure = error if self._awaited else None
        except Exception as error:
            self._failure = error
        else:
            self._task, self._awaited = None, False
            self._go_on()

    def _under_way(self) -> asyncio.Task[None] | None:
        """The task that makes a step. One of an event loop that has ended never will."""
        task = self._task
        alive = task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()
        return task if alive else None
