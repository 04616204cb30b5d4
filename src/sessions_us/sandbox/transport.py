"""The application without a socket, for httpx."""

from __future__ import annotations

import httpx
from starlette.types import ASGIApp

from .faults import ConnectionDropped


class InProcessTransport(httpx.AsyncBaseTransport):
    """Carries requests to the application in this process. Timeouts and the halves of a cut answer don't exist here: what drops
    a connection is an error of httpx at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(request)
        except ConnectionDropped as dropped:
            if dropped.abrupt:
                raise httpx.ReadError("connection reset by the sandbox", request=request) from None
            raise httpx.RemoteProtocolError("connection closed by the sandbox", request=request) from None
