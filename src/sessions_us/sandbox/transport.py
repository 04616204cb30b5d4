"""The application without a socket, for httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .faults import ConnectionDropped

_CLOSED = "connection closed by the sandbox"


class InProcessTransport(httpx.AsyncBaseTransport):
    """Carries requests to the application in this process. Timeouts don't exist here. What drops a connection is an error of
    httpx: at once, or where the body of a cut answer ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async def keep(message: Message) -> None:
                sent.append(message)
                await send(message)

            await self._app(scope, receive, keep)

        try:
            return await httpx.ASGITransport(app).handle_async_request(request)
        except ConnectionDropped as dropped:
            if dropped.abrupt:
                raise httpx.ReadError("connection reset by the sandbox", request=request) from None
            if not sent:
                raise httpx.RemoteProtocolError(_CLOSED, request=request) from None
        start, *parts = sent
        half = _Half(b"".join(part["body"] for part in parts))
        return httpx.Response(start["status"], headers=start["headers"], stream=half)


class _Half(httpx.AsyncByteStream):
    """The beginning of a body. After it the connection is closed."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        raise httpx.RemoteProtocolError(_CLOSED)
