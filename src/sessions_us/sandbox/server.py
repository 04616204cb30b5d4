"""The application on a loopback socket, by uvicorn in the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .faults import ConnectionDropped


class LoopbackServer:
    """Listens from construction on; serves between `start` and `stop`.

    Args:
        app: the application; it may raise ConnectionDropped.
        host: the address to listen on.
        port: 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        # Connections inherit it. asyncio sets it on none of them, because create_server leaves the protocol unnamed, and then
        # every answer waits 40 ms for the acknowledgement of its own headers.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = self._socket.getsockname()[1]
        reached = _reached(host)
        self.url: str = f"http://[{reached}]:{number}" if ":" in reached else f"http://{reached}:{number}"
        self._app = app
        self._server = _Server(
            _Config(
                self._serve,
                http=_Protocol,
                interface="asgi3",
                # They would put another address in the place of the one that `_drop` looks for.
                proxy_headers=False,
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                # The application tells the date, by its own clock.
                date_header=False,
                server_header=False,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="sessions-us sandbox")
        await self._server.ready.wait()

    async def stop(self) -> None:
        """Drops what is in flight, closes every connection and waits for the server's end."""
        self._server.stopping.set()
        if self._task is not None:
            await self._task
        self._socket.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ConnectionDropped as dropped:
            self._drop(scope, abrupt=dropped.abrupt)
        except asyncio.CancelledError:
            # Only the shutdown cancels; what is left to do is to tell nobody.
            pass
        else:
            return
        # uvicorn takes an unfinished answer for a bug of ours unless the connection is known to be gone.
        while (await receive())["type"] != "http.disconnect":
            pass

    def _drop(self, scope: Scope, *, abrupt: bool) -> None:
        for connection in list(self._server.server_state.connections):
            if getattr(connection, "client", None) == scope["client"]:
                _close(connection.transport, abrupt=abrupt)


def _reached(host: str) -> str:
    """Return where this machine reaches a server that listens on a host. An unspecified address is every one of its own."""
    try:
        is_every = ipaddress.ip_address(host).is_unspecified
    except ValueError:  # a name
        is_every = False
    return ("::1" if ":" in host else "127.0.0.1") if is_every else host


def _close(transport: asyncio.Transport, *, abrupt: bool) -> None:
    if abrupt:
        # Zero linger makes the closing a reset.
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


class _Config(uvicorn.Config):
    def configure_logging(self) -> None:
        """Leaves the process's logging alone: uvicorn would change it for other servers of the same process too."""


class _Protocol(H11Protocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals belong to the program around us.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        # Instead of waking ten times a second.
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Instead of waiting, in tenths of a second, for clients to hang up: who ends a sandbox has no use for its answers.
        for server in self.servers:
            server.close()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if tasks:
            await asyncio.wait(tasks)
        # One turn of the loop, in which the connections learn that they are lost.
        await asyncio.sleep(0)
