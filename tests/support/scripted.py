"""A server that does what a test tells it, on a real loopback socket: raw bytes, resets, silence, answers that are held back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.loopback import Loopback, ports


@dataclass(frozen=True)
class Arrived:
    """A request as the server read it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Say:
    """Answer with bytes of HTTP."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    close: bool = False

    def encoded(self) -> bytes:
        if self.raw is not None:
            return self.raw
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + body


@dataclass(frozen=True)
class Reset:
    """Read the request, then reset the connection."""


@dataclass(frozen=True)
class Silence:
    """Read the request, then say nothing until the client gives up."""


@dataclass(frozen=True)
class Early:
    """Reset the connection before reading anything."""


@dataclass(frozen=True)
class Slowly:
    """Read the request, then send these bytes one at a time, `pause` seconds apart, and then nothing."""

    raw: bytes
    pause: float


@dataclass(frozen=True)
class Flood:
    """Read the request, then send so many bytes of body as fast as they are taken."""

    size: int


Behaviour = Say | Reset | Silence | Early | Slowly | Flood
Step = Behaviour | Callable[[Arrived], Behaviour]


class Scripted(Loopback):
    """`async with Scripted(Say(…), Reset(), …) as server:` does one thing for each request; the last one for all further ones.

    Args:
        script: what it does, or functions that decide it when they see the request.
        held: whether answers are held back from the beginning, as by `hold`.

    Attributes:
        arrived: the requests, as they were read.
        gone: how many clients hung up while their answer was held back.
    """

    def __init__(self, *script: Step, held: bool = False) -> None:
        super().__init__()
        self._script: deque[Step] = deque(script)
        self.arrived: list[Arrived] = []
        self.gone = 0
        self._held: tuple[str, ...] | None = () if held else None
        self._released = asyncio.Event()

    @property
    def requests(self) -> list[str]:
        """`METHOD /path?query` of each request that arrived."""
        return [f"{arrived.method} {arrived.target}" for arrived in self.arrived]

    def then(self, *script: Step) -> None:
        """Do this from now on, instead of the rest of the script."""
        self._script = deque(script)

    def hold(self, *methods: str) -> None:
        """Read requests, but hold their answers back until `release`: those of some methods, or all."""
        self._held = methods
        self._released.clear()

    def release(self) -> None:
        """Give the answers that were held back, and hold back no more."""
        self._held = None
        self._released.set()

    def _next(self) -> Step:
        return self._script.popleft() if len(self._script) > 1 else self._script[0]

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._script[0], Early):
            self._next()
            _reset(writer)
            return
        while await self._one(reader, writer):
            pass

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = await reader.readline()
        if not line:
            return False
        method, target, _ = line.decode().split(" ")
        headers: dict[str, str] = {}
        while header := (await reader.readline()).decode().strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        arrived = Arrived(method, target, headers, body)
        self.arrived.append(arrived)
        step = self._next()
        behaviour = step(arrived) if callable(step) else step
        if self._holds_back(method) and await self._hangs_up(reader):
            self.gone += 1
            return False
        match behaviour:
            case Say():
                writer.write(behaviour.encoded())
                await writer.drain()
                return not behaviour.close
            case Reset():
                _reset(writer)
                return False
            case Slowly():
                left = asyncio.create_task(reader.read(), name="Loopback reads")
                for byte in behaviour.raw:
                    if not left.done():
                        writer.write(bytes([byte]))
                        await asyncio.wait([left], timeout=behaviour.pause)
                await left
                return False
            case Flood():
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {behaviour.size}\r\n\r\n".encode())
                for _ in range(behaviour.size // 65536):
                    if writer.is_closing():  # uvloop refuses to write then
                        break
                    writer.write(b" " * 65536)
                    await writer.drain()
                return False
            case _:
                await reader.read()
                return False

    def _holds_back(self, method: str) -> bool:
        return self._held is not None and (not self._held or method in self._held)

    async def _hangs_up(self, reader: asyncio.StreamReader) -> bool:
        """Wait for `release`, or for a client that does not. Returns True if the client went first."""
        left = asyncio.create_task(reader.read(1), name="Loopback reads")
        released = asyncio.create_task(self._released.wait(), name="Loopback waits")
        try:
            await asyncio.wait([left, released], return_when=asyncio.FIRST_COMPLETED)
            return left.done()
        finally:
            left.cancel()
            released.cancel()
            await asyncio.gather(left, released, return_exceptions=True)


LISTS = frozenset({"rooms", "sessions", "events", "bookings", "booking-pages", "slots"})


class Numbered(Scripted):
    """Answers with an object of the id that the path ends with, or a list of one. Its name is the number of the request.

    Attributes:
        status: of each answer.
        headers: of each answer, besides its length and type.
    """

    def __init__(self, *, held: bool = False) -> None:
        super().__init__(self._numbered, held=held)
        self.status = 200
        self.headers: Mapping[str, str] = {}

    def _numbered(self, arrived: Arrived) -> Say:
        last = arrived.target.partition("?")[0].rpartition("/")[2]
        one = {"id": last, "name": str(len(self.arrived))}
        return Say(self.status, [one] if last in LISTS else one, self.headers)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def unused_port() -> int:
    """A port of loopback on which nobody listens, and which no system gives away before it is used."""
    with socket.socket() as probe:
        for port in ports:
            with contextlib.suppress(OSError):  # another program has it
                probe.bind(("127.0.0.1", port))
                return port
    raise AssertionError("the ports never end")
