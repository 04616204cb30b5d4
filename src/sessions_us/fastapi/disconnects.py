"""Visitors who leave: a server tells it to whoever listens, and nobody does while an endpoint waits."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("DisconnectMiddleware", "disconnect_of")

_VISIT: Final = "sessions_us.visit"
_MOST_HELD: Final = 64 * 1024


class DisconnectMiddleware:
    """Lets `UserDep` and `GuestDep` know when the browser has gone: `app.add_middleware(DisconnectMiddleware)`.

    Their calls that wait for the quota then leave the queue, and reads end, with a `QuotaTimeoutError`; a write that was sent
    goes on to its end. The endpoint itself is not cancelled, so that what it does besides is never cut in half. The watch
    ends when the answer begins.

    It is pure ASGI, and bodies pass through it as they come: what arrives before the endpoint asks for it is held, 64 KiB at
    most. Before an endpoint has read a longer body, a disconnect goes unnoticed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _VISIT in scope:
            await self._app(scope, receive, send)
            return
        visit = scope[_VISIT] = _Visit(receive, send)
        try:
            await self._app(scope, visit.receive, visit.send)
        finally:
            await visit.end()


def disconnect_of(connection: HTTPConnection) -> asyncio.Future[None] | None:
    """Is done as soon as the browser has gone; None where nobody watches."""
    visit = connection.scope.get(_VISIT)
    return visit.gone() if isinstance(visit, _Visit) else None


class _Visit:
    """One request: the messages of its server, of which the endpoint is given each once, and the watch over them."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._turn = asyncio.Lock()  # a server must not be asked by two at a time
        self._held: deque[Message] = deque()
        self._size = 0
        self._answered = False
        self._gone: asyncio.Future[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def gone(self) -> asyncio.Future[None]:
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
            self._watch()
        return self._gone

    async def receive(self) -> Message:
        if not self._held:
            async with self._turn:
                if not self._held:
                    self._take(await self._receive())
        message = self._held[0]
        if message["type"] == "http.request":  # all that follows a disconnect is the disconnect again
            self._held.popleft()
            self._size -= _size(message)
        self._watch()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered = True
            if self._watching is not None:
                self._watching.cancel()
        await self._send(message)

    async def end(self) -> None:
        self._answered = True
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    def _watch(self) -> None:
        """Go on watching, if somebody wants to know and there is room for what comes meanwhile."""
        wanted = self._gone is not None and not self._gone.done() and not self._answered
        idle = self._watching is None or self._watching.done()
        if wanted and idle and self._size < _MOST_HELD:
            self._watching = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        # What a server raises here it raises again when the endpoint asks, and that is whose concern it is.
        with suppress(Exception):
            while self._size < _MOST_HELD and not (self._gone is None or self._gone.done()):
                async with self._turn:
                    self._take(await self._receive())

    def _take(self, message: Message) -> None:
        self._held.append(message)
        self._size += _size(message)
        if message["type"] == "http.disconnect" and self._gone is not None and not self._gone.done():
            self._gone.set_result(None)


def _size(message: Message) -> int:
    return 1 + len(message.get("body", b""))
