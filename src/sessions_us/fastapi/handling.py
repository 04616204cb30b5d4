"""Run the handlers of webhooks: beside the response, with retries, until the application ends."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import anyio.to_thread

from ..webhooks import WebhookDelivery

__all__ = ("Handler", "Handling")

Handler = Callable[[WebhookDelivery], Awaitable[None] | None]
"""A handler of a webhook. A plain function runs in a thread."""

MOST_IN_FLIGHT: Final = 1000

_logger = logging.getLogger("sessions_us")


class Handling:
    """Runs handlers in tasks.

    Args:
        handlers: handlers by trigger. Those of `*` get every webhook.
        pauses: seconds before each retry of a handler that failed.
        drain: seconds that handlers may still run when the application ends.
    """

    def __init__(self, handlers: Mapping[str, Sequence[Handler]], pauses: Sequence[float], drain: float) -> None:
        self._handlers = handlers
        self._pauses = pauses
        self._drain = drain
        self._tasks: set[asyncio.Task[bool]] = set()
        self._runs: dict[bytes, list[asyncio.Task[bool]]] = {}
        self._ending: asyncio.Event | None = None

    @property
    def is_open(self) -> bool:
        """Whether `aclose` will wait for the handlers: the lifespan of the application runs."""
        return self._ending is not None

    @property
    def is_full(self) -> bool:
        """Whether too many handlers are running to accept another webhook."""
        return len(self._tasks) >= MOST_IN_FLIGHT

    def start(self, webhook: WebhookDelivery, body: bytes, failed: Callable[[], None]) -> None:
        """Start the handlers of a webhook, each in a task of its own.

        Args:
            webhook, body: the delivery, parsed and raw.
            failed: called when all handlers have ended, if one of them failed or was stopped.
        """
        handlers = (*self._handlers.get(webhook.trigger, ()), *self._handlers.get("*", ()))
        run = [asyncio.create_task(self._handle(handler, webhook)) for handler in handlers]
        name = _name(body)

        def ended(task: asyncio.Task[bool]) -> None:
            self._tasks.discard(task)
            if self._runs.get(name) is run and all(each.done() for each in run):
                del self._runs[name]
                if not _succeeded(run):
                    failed()

        if run:
            self._runs[name] = run
            self._tasks.update(run)
        for task in run:
            task.add_done_callback(ended)

    async def outcome(self, body: bytes) -> bool:
        """Wait for the handlers of a delivery. Returns whether all succeeded. The handlers outlive a caller that is cancelled."""
        run = self._runs.get(_name(body), [])
        if run:
            await asyncio.wait(run)
        return _succeeded(run)

    async def open(self) -> None:
        self._tasks, self._runs = set(), {}  # those of an earlier event loop are no use
        self._ending = asyncio.Event()

    async def aclose(self) -> None:
        """Wait for the handlers, without further pauses, and cancel those that take longer than `drain`."""
        if self._ending is not None:
            self._ending.set()
        try:
            if self._tasks:
                await self._drained(self._tasks)
        finally:
            self._ending = None  # a webhook that still comes is waited for where it is answered

    async def _drained(self, tasks: set[asyncio.Task[bool]]) -> None:
        _, late = await asyncio.wait(tasks, timeout=self._drain)
        for task in late:
            task.cancel()
        if late:
            _logger.error("%d handlers of webhooks had to be stopped after %g s", len(late), self._drain)
            await asyncio.wait(late, timeout=1)

    async def _handle(self, handler: Handler, webhook: WebhookDelivery) -> bool:
        """Return whether the handler succeeded, at once or with a retry."""
        name = getattr(handler, "__qualname__", type(handler).__qualname__)
        tries = len(self._pauses) + 1
        for number in range(1, tries + 1):
            try:
                await _call(handler, webhook)
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and _is_stopped():
                    raise
                final = number == tries or (self._ending is not None and self._ending.is_set())
                # The place and the class only: a message may quote the webhook.
                _logger.log(
                    logging.ERROR if final else logging.WARNING,
                    "%s failed on a webhook %a (%d of %d): %s\n%s",
                    name,
                    str(webhook.trigger)[:100],
                    number,
                    tries,
                    type(error).__qualname__,
                    "".join(traceback.format_tb(error.__traceback__)),
                )
                if final:
                    return False
            else:
                return True
            await self._pause(self._pauses[number - 1])
        return False

    async def _pause(self, seconds: float) -> None:
        if self._ending is None:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            pass


def _name(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _succeeded(run: Sequence[asyncio.Task[bool]]) -> bool:
    return all(not task.cancelled() and task.result() for task in run)


def _is_stopped() -> bool:
    """Return whether this task is cancelled. Otherwise a CancelledError comes from something that the handler awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _call(handler: Handler, webhook: WebhookDelivery) -> None:
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        result = handler(webhook)
    else:
        result = await anyio.to_thread.run_sync(handler, webhook, abandon_on_cancel=True)
    if inspect.isawaitable(result):
        await result
