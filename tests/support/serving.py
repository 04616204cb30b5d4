"""Applications on a real socket, served by uvicorn in the running event loop, and visitors who can hang up."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ("Upstream", "Visitor", "eventually", "serving")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals belong to pytest


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """The url of an application that has started; it ends as under a signal."""
    server = _Server(uvicorn.Config(app, port=0, log_config=None, **{"timeout_graceful_shutdown": 5, **options}))
    task = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or task.done())
        if not server.started:
            await task
            raise RuntimeError("the application did not start")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is true; fail if it does not become so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Visitor:
    """A browser: asks for one thing, waits for the answer or hangs up."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._address = host, int(port)

    async def asks(self, path: str, *, method: str = "GET", body: bytes = b"", length: int | None = None) -> Self:
        """Send a request; `length` promises a longer body than is sent."""
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        size = len(body) if length is None else length
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        await self._writer.drain()
        return self

    async def sends(self, body: bytes) -> None:
        self._writer.write(body)
        await self._writer.drain()

    async def hears(self) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split()[0])
        return int(head.split()[1]), await self._reader.readexactly(length)

    async def hears_of(self, said: bytes) -> int:
        """The status of an answer that has come as far as this."""
        return int((await self._reader.readuntil(said)).split()[1])

    async def leaves(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Upstream:
    """An API that answers when its gate is open. It is an ASGI application, and remembers what arrived and what was broken off.

    Args:
        limit: the requests an hour that its headers tell.

    Attributes:
        arrived: `METHOD /path` of each request.
        gone: how many hung up before they were answered.
        gate: opens the answers to all that arrived and will arrive.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen = 0
        self.arrived: list[str] = []
        self.gone = 0
        self.gate = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        while (await receive()).get("more_body"):
            pass
        self.arrived.append(f"{scope['method']} {scope['path']}")
        self._seen += 1
        left = asyncio.ensure_future(receive())
        opened = asyncio.ensure_future(self.gate.wait())
        await asyncio.wait([left, opened], return_when=asyncio.FIRST_COMPLETED)
        if left.done():
            self.gone += 1
        left.cancel()
        opened.cancel()
        await asyncio.gather(left, opened, return_exceptions=True)
        body = json.dumps({"id": scope["path"].rpartition("/")[2], "name": "n"}).encode()
        told = {
            "content-type": "application/json",
            "content-length": len(body),
            "ratelimit-limit": self._limit,
            "ratelimit-remaining": self._limit - self._seen,
            "ratelimit-reset": 3600,
        }
        headers = [(name.encode(), str(value).encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
