"""A sandbox on a real socket, and plain httpx clients whose every answer is checked against spec/openapi.json."""

from __future__ import annotations

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
