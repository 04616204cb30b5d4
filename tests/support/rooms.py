"""Clients of a scripted server, and what it tells them of the quota."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.scripted import Numbered, Scripted

from sessions_us import Quota, RetryPolicy, UserClient

__all__ = ("PLENTY", "QUICK", "SESSION", "SPENT", "client", "read", "retrying", "spend", "warm", "write")

PLENTY = {"ratelimit-limit": "1000", "ratelimit-remaining": "900", "ratelimit-reset": "40"}
QUICK = RetryPolicy(attempts=3, backoff=0.001)
SESSION = {"id": "s1", "name": "Kick-off"}
SPENT = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "40"}


def client(server: Scripted | str, key: str | None = None, **options: Any) -> UserClient:
    """A client with a key that no other test has, a wide quota and no retries."""
    url = server if isinstance(server, str) else server.url
    defaults: dict[str, Any] = {"quota": Quota(limit=1000), "retries": RetryPolicy(attempts=1)}
    return UserClient(key or f"key-{uuid4()}", base_url=url, **{**defaults, **options})


def retrying(server: Scripted | str, key: str | None = None, **options: Any) -> UserClient:
    """A client with the default quota that sends up to three times, almost without back-off."""
    return client(server, key, **{"quota": Quota(), "retries": QUICK, **options})


async def read(user: UserClient) -> object:
    """A call that may be repeated: it gets SESSION."""
    return await user.sessions.get("s1")


async def write(user: UserClient) -> object:
    """A call that may not."""
    return await user.rooms.create(name="Room")


async def warm(user: UserClient, server: Numbered, *held: str) -> None:
    """The server tells that much is left, so that several requests may be in flight. Then it holds its answers back."""
    server.headers = PLENTY
    await user.rooms.get("first")
    server.arrived.clear()
    server.hold(*held)


async def spend(user: UserClient, server: Numbered) -> None:
    """The server tells that nothing is left for 40 seconds."""
    server.headers = SPENT
    await user.rooms.get("first")
    server.arrived.clear()
