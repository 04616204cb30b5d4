"""Stop waiting for the quota when the browser disconnects. ASGI reports a disconnect only to code that awaits `receive()`,
so the middleware awaits it while the endpoint runs."""

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
    """End the waiting of `UserDep` and `GuestDep` when the browser disconnects: `app.add_middleware(DisconnectMiddleware)`.

    Calls that wait for the quota leave the queue, and reads end, with a `CallAbandonedError`. A write that was sent is
    completed. The endpoint is not cancelled, so its other work is never interrupted. The watch ends when the response
    starts.

    The middleware is pure ASGI. It buffers at most 64 KiB of a body that the endpoint has not read yet. A disconnect during
    a longer body is not noticed until the endpoint has read the body.
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
    """Return a future that is done when the browser has disconnected; None without the middleware."""
    visit = connection.scope.get(_VISIT)
    return visit.gone() if isinstance(visit, _Visit) else None


class _Visit:
    """One request: buffers the server's messages, passes each to the endpoint once, and watches for a disconnect."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._turn = asyncio.Lock()  # only one task may await the server's `receive()`
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
        if message["type"] == "http.request":  # a disconnect is repeated for ever
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
        """Watch on, if a disconnect is of interest and the buffer has room."""
        wanted = self._gone is not None and not self._gone.done() and not self._answered
        idle = self._watching is None or self._watching.done()
        if wanted and idle and self._size < _MOST_HELD:
            self._watching = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        # The server raises the same error again when the endpoint calls `receive()`, which can handle it.
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
