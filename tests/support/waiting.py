"""Calls that run beside a test, and what they leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

import httpcore
import pytest

from sessions_us import UserClient

__all__ = ("Pools", "cancelled", "left_behind", "outcome", "record_pools", "start", "tasks", "until")

Pools = WeakSet[httpcore.AsyncConnectionPool]


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Let the event loop turn until something is true; fail if it does not become so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0)


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call returns, or the error that it raises."""
    try:
        return await call
    except Exception as error:
        return error


def start(*calls: Awaitable[Any]) -> list[asyncio.Task[Any]]:
    """Begin calls, each in a task of its own."""
    return [asyncio.ensure_future(call) for call in calls]


async def cancelled(*calls: asyncio.Task[Any]) -> None:
    """Cancel calls and wait for their end."""
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


def tasks() -> set[asyncio.Task[Any]]:
    """The tasks of this event loop, without those of a server on loopback."""
    return {task for task in asyncio.all_tasks() if "Loopback" not in repr(task)}


def record_pools(monkeypatch: pytest.MonkeyPatch) -> Pools:
    """The connection pools that httpx makes from now on, until they are closed."""
    pools: Pools = WeakSet()

    class Recorded(httpcore.AsyncConnectionPool):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            pools.add(self)

        async def aclose(self) -> None:
            pools.discard(self)
            await super().aclose()

    monkeypatch.setattr(httpcore, "AsyncConnectionPool", Recorded)
    return pools


def left_behind(user: UserClient, before: set[asyncio.Task[Any]], pools: Pools) -> list[str]:
    """What a call that is over must not leave: tasks, a lease, a place in the queue, connections, requests for one."""
    left = [f"task {task!r}" for task in tasks() - before]
    snapshot = user.quota.snapshot()
    if snapshot.in_flight or any(snapshot.waiting.values()):
        left.append(f"lease or place: {snapshot}")
    for pool in pools:
        left += [f"connection {each!r}" for each in pool.connections if not (each.is_idle() or each.is_closed())]
        if "Requests: 0 active, 0 queued" not in repr(pool):
            left.append(f"request in {pool!r}")
    return left
