"""What httpx is given: the key at the last moment, the caller's own transport, and an ear for what left this machine."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import httpx
from attrs import define

from ..errors import ConfigurationError
from ..keys import ApiKey
from .origin import Origin

__all__ = ("Borrowed", "KeyAuth", "Trace")


class KeyAuth(httpx.Auth):
    """Puts the key on a request to its own origin, at the last moment: as an argument it would be in many frames."""

    def __init__(self, key: ApiKey, origin: Origin) -> None:
        self._key = key
        self._origin = origin

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        url = request.url
        port = url.port or {"https": 443, "http": 80}.get(url.scheme)
        if (url.scheme, url.host.lower(), port) != (self._origin.scheme, self._origin.host, self._origin.port):
            raise ConfigurationError("a request to another origin was stopped before it got the key")
        request.headers["x-api-key"] = self._key.reveal()
        yield request


class Borrowed(httpx.AsyncBaseTransport):
    """A transport that belongs to the caller: closing our client leaves it open."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)


@define
class Trace:
    """Listens to httpcore: whether anything of the request left this machine, and on what connection.

    What replaces httpcore says nothing, and silence proves nothing.

    Attributes:
        heard: httpcore said something of this request.
        left: the request's first byte may be on its way.
        fresh: a connection was opened for it.
        answered: the headers of an answer came.
        response: the answer, once httpx gave it; its body may be missing.
    """

    heard: bool = False
    left: bool = False
    fresh: bool = False
    answered: bool = False
    response: httpx.Response | None = None

    @property
    def never_left(self) -> bool:
        """Whether the request was heard to fail before its first byte was sent."""
        return self.heard and not self.left and not self.answered

    @property
    def met_a_closed_connection(self) -> bool:
        """Whether a failure may be no more than an idle connection that the server had closed."""
        return self.left and not self.fresh and not self.answered

    async def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        self.heard = True
        if name.endswith("send_request_headers.started"):
            self.left |= info["request"].method != b"CONNECT"  # that tells a proxy nothing of the request
        elif name.startswith("connection."):
            self.fresh = True
        elif name.endswith("receive_response_headers.complete"):
            self.answered = self.left
