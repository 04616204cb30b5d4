"""A server on loopback, for the event loop that enters it."""

from __future__ import annotations

import asyncio
import itertools
import random
from types import TracebackType
from typing import Self

__all__ = ("Loopback", "ports")

ports = itertools.cycle(random.sample(range(10_000, 32_000), 22_000))
"""Each server has one of its own, and no system gives these to others: what a client learns of an origin that misbehaves must not
meet another test's server."""


class Loopback:
    """Listens while it is entered; connections that are open at the end are cut. Entered again, it listens on the same port.

    Attributes:
        port: 0 before it listens for the first time.
        connections: how many were opened.
    """

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return len(self._writers)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the server does with one connection. A client that hangs up in the middle is no error."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        for port in [self.port] if self.port else ports:
            try:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
            except OSError:  # another program has it
                if self.port:
                    raise
            else:
                self.port = port
                break
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        try:
            await self.converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)
