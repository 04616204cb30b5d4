"""The connections of one client: an httpx client for the running event loop, and its pool."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy

import httpx

from .. import __version__
from ..errors import ClientClosedError, ConfigurationError
from ..keys import ApiKey
from .adapters import Borrowed, KeyAuth
from .origin import Origin
from .shield import shield

__all__ = ("Connections",)


class Connections:
    """The connections with one key to one origin. They are made when they are first used.

    Args:
        origin: where requests go.
        key: goes with each of them.
        transport: an httpx transport of the caller's own, which is not closed.

    Attributes:
        base_url: what stands before each path.
        are_traced: whether it can be known if a request left. Only httpx's own transport tells.
    """

    def __init__(self, origin: Origin, key: ApiKey, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.base_url: str = origin.base_url
        self.are_traced: bool = transport is None
        self._origin = origin
        self._key = key
        self._transport = transport
        self._http: httpx.AsyncClient | None = None
        self._busy: dict[httpx.AsyncClient, int] = {}  # how many exchanges each has in flight
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @asynccontextmanager
    async def use(self, timeout: float) -> AsyncIterator[httpx.AsyncClient]:
        """The httpx client for one exchange, which is cut off after `timeout` seconds.

        An exchange that is cut off at the wrong moment leaves a connection in the pool that is neither used nor free. Twenty of
        them are a client that never sends again, so such a pool is closed when its last exchange is over.
        """
        http = self.client()
        self._busy[http] = self._busy.get(http, 0) + 1
        try:
            async with asyncio.timeout(timeout):
                yield http
        except (TimeoutError, asyncio.CancelledError):
            if self._http is http:
                self._http = None
            raise
        finally:
            self._busy[http] -= 1
            if not self._busy[http]:
                del self._busy[http]
                if self._http is not http:
                    await shield(http.aclose())

    async def aclose(self) -> None:
        """Close the connections. A second call does nothing."""
        self._closed = True
        http, self._http = self._http, None
        if http is not None and self._loop is asyncio.get_running_loop():
            await http.aclose()

    def client(self) -> httpx.AsyncClient:
        """The httpx client of the running event loop. That of a loop that has ended is forgotten.

        Raises:
            ClientClosedError: the connections were closed.
            ConfigurationError: the event loop is another one, or none of asyncio's.
        """
        if self._closed:
            raise ClientClosedError
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError("this client needs a running asyncio event loop; trio is not supported") from None
        if self._http is None or self._loop is not loop:
            if self._loop is not None and self._loop.is_running() and self._loop is not loop:
                raise ConfigurationError("this client is in use in another event loop; make one client for each")
            self._loop = loop
            self._http = self._new()
        return self._http

    def _new(self) -> httpx.AsyncClient:
        tls = self._origin.scheme == "https"
        http = httpx.AsyncClient(
            auth=KeyAuth(self._key, self._origin),
            headers={"accept": "application/json", "accept-encoding": "gzip", "user-agent": _user_agent()},
            timeout=None,  # noqa: S113  # the whole attempt is timed, not its parts
            follow_redirects=False,
            # A server closes idle connections after 5 s; a write that meets that moment would be ambiguous.
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=2.0),
            trust_env=tls,  # a proxy would read a key that travels in the clear
            # In the clear nobody shows a certificate, and to read those that are trusted takes longer than many calls.
            verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            transport=None if self._transport is None else Borrowed(self._transport),
        )
        http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))  # an API client has no sessions
        return http


def _user_agent() -> str:
    return f"sessions-us/{__version__} python/{sys.version_info.major}.{sys.version_info.minor}"
