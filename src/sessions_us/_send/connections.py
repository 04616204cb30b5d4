"""The connections of one client: an httpx client for the running event loop, its pool, and the key at the last moment."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

import httpx

from .. import __version__
from ..errors import ClientClosedError, ConfigurationError
from ..keys import ApiKey
from .cancel_scope import shield
from .environment import REFUSALS, check_proxies, proxy_variable, refused_proxy, trusted_certificates
from .origin import Origin

if TYPE_CHECKING:
    from .call import Request

__all__ = ("Connections", "KeyAuth", "running_loop")

T = TypeVar("T")

_NO_TIMEOUT: Final = httpx.Timeout(None).as_dict()
"""The whole attempt is timed, not its parts."""

_BODIED: Final = {"POST", "PUT", "PATCH"}
"""The methods that say the length of their body, even if it is empty."""


class KeyAuth(httpx.Auth):
    """Puts the key on a request to its own origin, at the last moment: as an argument it would be in many frames."""

    def __init__(self, key: ApiKey, origin: httpx.URL) -> None:
        self._key = key
        self._origin = origin

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        url, own = request.url, self._origin
        if (url.scheme, url.raw_host, url.port) != (own.scheme, own.raw_host, own.port):
            raise ConfigurationError("a request to another origin was stopped before it got the key")
        request.headers["x-api-key"] = self._key.reveal()
        yield request


class Connections:
    """The connections with one key to one origin. They are made when they are first used.

    Args:
        origin: where requests go.
        key: goes with each of them.
        transport: an httpx transport of the caller's own, which is not closed.
        app_info: what the user agent says of the application.

    Raises:
        ConfigurationError: the origin is no host that httpx can ask.
    """

    def __init__(
        self, origin: Origin, key: ApiKey, transport: httpx.AsyncBaseTransport | None = None, app_info: str = ""
    ) -> None:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        self._url = _parsed(origin)
        self._base_url = origin.base_url
        self._headers = httpx.Headers(
            [
                ("Host", self._url.netloc.decode()),
                ("accept", "application/json"),
                ("accept-encoding", "gzip"),
                ("connection", "keep-alive"),
                ("user-agent", f"sessions-us/{__version__} python/{python} {app_info}".rstrip()),
            ]
        )
        self._origin = origin
        self._key = key
        self._transport = transport
        self._tls: ssl.SSLContext | None = None
        self._http: httpx.AsyncClient | None = None
        self._busy: dict[httpx.AsyncClient, int] = {}  # how many exchanges each has in flight
        self._inherited: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: int | None = None
        self._closed = False

    async def exchange(self, timeout: float, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
        """Do one exchange with the httpx client, and cut it off after `timeout` seconds.

        An exchange that is cut off at the wrong moment leaves a connection in the pool that is neither used nor free, so such a
        pool is closed when its last exchange is over.
        """
        http = self.client()
        self._busy[http] = self._busy.get(http, 0) + 1
        try:
            async with asyncio.timeout(timeout):
                return await work(http)
        except (TimeoutError, asyncio.CancelledError):
            if self._http is http:
                self._http = None
            raise
        finally:
            self._busy[http] -= 1
            if not self._busy[http]:
                del self._busy[http]
                if self._http is not http:
                    await shield(self._close(http))

    def request(self, request: Request, trace: Callable[[str, Any], Awaitable[None]]) -> httpx.Request:
        """The request that httpx sends.

        It is built here, because `build_request` merges URLs, headers and cookies each time. `stream` is the body without the
        headers that httpx would look for and put in front, so these are given.

        Args:
            request: what is asked.
            trace: hears what httpcore does.
        """
        query = f"?{urlencode(request.params)}" if request.params else ""
        headers, further, body = self._headers, list(request.headers), request.content
        if body is not None:
            further.append(("content-type", "application/json"))
        if body is not None or request.method in _BODIED:
            further.append(("content-length", str(len(body or b""))))
        if further:
            headers = httpx.Headers([*headers.multi_items(), *further])
        url = self._base_url + request.path + query
        stream, extensions = httpx.ByteStream(body or b""), {"timeout": _NO_TIMEOUT, "trace": trace}
        outgoing = httpx.Request(request.method, url, headers=headers, stream=stream, extensions=extensions)
        if self._transport is not None:
            outgoing.read()  # it may look at the body
        return outgoing

    @property
    def proxy(self) -> str:
        """The variable of the environment that names a proxy for these connections, empty if there is none."""
        return proxy_variable(self._origin) if self._origin.scheme == "https" and self._transport is None else ""

    async def aclose(self) -> None:
        """Close the connections. A second call does nothing."""
        self._closed = True
        http, self._http = self._http, None
        if http is None or self._loop is None:
            return
        if self._loop is asyncio.get_running_loop():
            await self._close(http)
        elif self._process == os.getpid() and self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._close(http), self._loop)

    async def _close(self, http: httpx.AsyncClient) -> None:
        """Close a pool. A transport of the caller's own stays open."""
        if self._transport is None:
            await http.aclose()

    def client(self) -> httpx.AsyncClient:
        """The httpx client of the running event loop. That of a loop that has ended is forgotten.

        Raises:
            ClientClosedError: the connections were closed.
            ConfigurationError: the event loop is another one, or none of asyncio's; or a variable of the environment can't be
                used.
        """
        if self._closed:
            raise ClientClosedError
        loop = running_loop()
        if self._http is None or self._loop is not loop:
            if self._loop is not None and self._loop.is_running() and self._loop is not loop:
                if self._process == os.getpid():
                    raise ConfigurationError("this client is in use in another event loop; make one client for each")
                self._inherited = self._http  # this process was forked: closing it could disturb the parent
            self._http, self._loop, self._process = self._new(), loop, os.getpid()
        return self._http

    def _new(self) -> httpx.AsyncClient:
        if self._tls is None:
            self._tls = self._certificates()
        try:
            if self._origin.scheme == "https" and self._transport is None:
                check_proxies()
            http = httpx.AsyncClient(
                auth=KeyAuth(self._key, self._url),
                timeout=None,  # noqa: S113  # see `_NO_TIMEOUT`
                follow_redirects=False,
                # No bound on connections: waiting for one would count as the attempt's time, and the quota is a bound.
                # A server closes idle connections after 5 s; a write that meets that moment would be ambiguous.
                limits=httpx.Limits(max_keepalive_connections=10, keepalive_expiry=2.0),
                trust_env=self._origin.scheme == "https",  # a proxy would read a key that travels in the clear
                verify=self._tls,
                transport=self._transport,
            )
        except REFUSALS:
            problem = refused_proxy()
        else:
            # An API client has no sessions. httpx would make requests of urllib for each answer to find that out.
            http.cookies.extract_cookies = _keep_none  # type: ignore[method-assign]
            return http
        raise problem

    def _certificates(self) -> ssl.SSLContext:
        """The trusted certificates, read once. Nobody shows one in the clear, or to a transport that is not ours."""
        if self._origin.scheme == "https" and self._transport is None:
            return trusted_certificates()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def running_loop() -> asyncio.AbstractEventLoop:
    """The running event loop.

    Raises:
        ConfigurationError: none of asyncio's runs.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError("this client needs a running asyncio event loop; trio is not supported") from None


def _keep_none(response: httpx.Response) -> None:
    pass


def _parsed(origin: Origin) -> httpx.URL:
    """The base URL as httpx reads it."""
    with suppress(httpx.InvalidURL, UnicodeError):  # the latter for `xn--` and what IDNA does not know
        url = httpx.URL(origin.base_url)
        if url.host:
            return url
    raise ConfigurationError("base_url has no host that can be asked (SESSIONS_BASE_URL if it was not given)")
