"""A sandbox on a real socket, and plain httpx clients whose every answer is checked against spec/openapi.json."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from support.contract import check

from sessions_us.sandbox import Sandbox

# A Monday morning: office hours lie ahead.
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checked() -> dict[str, list[Any]]:
    """An event hook for httpx that checks each answer."""

    async def hook(response: httpx.Response) -> None:
        await response.aread()
        check(response)

    return {"response": [hook]}


@pytest.fixture
async def sandbox(anyio_backend: str, clock: Clock) -> AsyncIterator[Sandbox]:
    async with Sandbox(limit=1000, clock=clock, fields="all") as serving:
        yield serving


@pytest.fixture
async def user(sandbox: Sandbox, checked: dict[str, list[Any]]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": sandbox.user_key}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, event_hooks=checked, verify=False) as client:
        yield client


@pytest.fixture
async def guest(sandbox: Sandbox, checked: dict[str, list[Any]]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": sandbox.guest_key}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, event_hooks=checked, verify=False) as client:
        yield client


class Receiver:
    """A subscriber's server: one request for each connection."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.received: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").lower()
        length = int(head.partition("content-length:")[2].split()[0])
        self.heads.append(head)
        self.received.append(json.loads(await reader.readexactly(length)))
        await self.may_answer.wait()
        writer.write(f"HTTP/1.1 {self.status} Done\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def receiver(anyio_backend: str) -> AsyncIterator[tuple[Receiver, str]]:
    """A subscriber, and its URL."""
    receiving = Receiver()
    server = await asyncio.start_server(receiving.answer, "127.0.0.1", 0)
    async with server:
        yield receiving, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
