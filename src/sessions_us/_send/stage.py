"""Stages: the steps on the way of a call. Each knows only the one inside it; `client.py` puts them together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field

from ..errors import ClientClosedError

if TYPE_CHECKING:
    from .call import Answer, Call

__all__ = ("OuterStage", "Stage")


class Stage(Protocol):
    """One step on the way of a call; the innermost one sends it."""

    async def send(self, call: Call) -> Answer:
        """The answer.

        Raises:
            SessionsError: there is none.
        """
        ...

    def check(self) -> None:
        """Raise at once what `send` would: the client is closed, or in use in another event loop."""
        ...

    async def aclose(self) -> None:
        """End what is in flight. A second call does nothing."""
        ...


@define(eq=False, repr=False)
class OuterStage:
    """What the stages around another one have in common: they are closed with it, and send only if it can.

    Args:
        inner: the stage inside.
    """

    _inner: Stage
    _closed: bool = field(default=False, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set, init=False)

    def check(self) -> None:
        if self._closed:
            raise ClientClosedError
        self._inner.check()

    async def aclose(self) -> None:
        self._closed = True
        try:
            await self._end()
        finally:
            await self._inner.aclose()

    async def _end(self) -> None:
        """End what this stage has begun."""
        tasks = [task for task in self._tasks if task.get_loop() is asyncio.get_running_loop()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that ends with the client. An eager one may be over when this returns."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
