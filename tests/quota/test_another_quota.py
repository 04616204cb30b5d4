"""A key's `Quota` and clock may be others once no client of the key is open. What the server counted stays."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from support.clock import HandClock
from support.scripted import Say, Scripted

from sessions_us import ConfigurationError, Quota, QuotaTimeoutError, UserClient
from sessions_us.quota import MemoryStore, SQLiteStore
from sessions_us.quota.clock import LoopClock
from sessions_us.quota.stores import Store

SPENT = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "600"}
ROOM = {"id": "r1"}


async def spend(url: str, key: str, quota: Quota | None = None, clock: HandClock | None = None) -> None:
    """Use a key up, and close the client."""
    async with UserClient(key, base_url=url, quota=quota, clock=clock) as user:
        await user.rooms.get("r1")
        assert user.quota.snapshot().remaining == 0


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["none", "memory", "sqlite"])
async def test_what_was_counted_stays(kind: str, tmp_path: Path) -> None:
    """Ten of ten were used: another reserve, limit, window or store does not change that."""
    stores: dict[str, Store | None] = {
        "none": None,
        "memory": MemoryStore(),
        "sqlite": SQLiteStore(tmp_path / "quota.db", timeout=10),
    }
    async with Scripted(Say(body=ROOM, headers=SPENT)) as server:
        key = f"key-{uuid4()}"
        await spend(server.url, key, Quota(limit=10, reserve=2))
        quota = Quota(limit=10, reserve=0, store=stores[kind])
        async with UserClient(key, base_url=server.url, quota=quota, max_wait=500) as user:
            for _ in range(2):
                with pytest.raises(QuotaTimeoutError) as refused:
                    await user.rooms.create(name="new")
                assert refused.value.retry_after == pytest.approx(600, abs=20)
        await spend_nothing_more(server.url, key, Quota(limit=10, reserve=1))
        assert len(server.arrived) == 1


async def spend_nothing_more(url: str, key: str, quota: Quota) -> None:
    async with UserClient(key, base_url=url, quota=quota, max_wait=0) as user:
        with pytest.raises(QuotaTimeoutError):
            await user.rooms.create(name="new")


@pytest.mark.anyio
async def test_what_the_user_chose_changes() -> None:
    """The limit and the window that are expected change, unless the server has said them."""
    async with Scripted(Say(body=ROOM, headers={**SPENT, "ratelimit-limit": "7"})) as server:
        key, said = f"key-{uuid4()}", f"key-{uuid4()}"
        async with UserClient(key, base_url=server.url, quota=Quota(limit=5, window=30)) as user:
            assert user.quota.snapshot().limit == 5
        async with UserClient(key, base_url=server.url, quota=Quota(limit=20, window=90)) as user:
            assert (user.quota.snapshot().limit, user.quota.snapshot().window) == (20, 90)
        async with UserClient(said, base_url=server.url, quota=Quota(limit=5)) as user:
            await user.rooms.get("r1")
        async with UserClient(said, base_url=server.url, quota=Quota(limit=20)) as user:
            assert user.quota.snapshot().limit == 7


def test_processes_that_share_a_quota_have_their_own_clocks(tmp_path: Path) -> None:
    """They could not agree what time it is."""
    shared = Quota(store=SQLiteStore(tmp_path / "quota.db"))
    with pytest.raises(ConfigurationError, match="a clock can't be given with a store that other processes use"):
        UserClient(f"key-{uuid4()}", quota=shared, clock=HandClock())
    assert UserClient(f"key-{uuid4()}", quota=Quota(store=MemoryStore()), clock=HandClock())


@pytest.mark.anyio
async def test_an_open_client_keeps_its_quota() -> None:
    """The error says what to do: close the other client, or give both the same."""
    key = f"key-{uuid4()}"
    one = UserClient(key, quota=Quota(limit=10))
    with pytest.raises(ConfigurationError, match=r"open client of the same key.*close that one first, or give both"):
        UserClient(key, quota=Quota(limit=20))
    with pytest.raises(ConfigurationError, match="another clock: close that one first, or give both"):
        UserClient(key, clock=HandClock())
    copy = one.with_options(timeout=5)
    del one
    gc.collect()
    with pytest.raises(ConfigurationError):
        UserClient(key, quota=Quota(limit=20))  # the copy is the client, too
    await copy.aclose()
    assert UserClient(key, quota=Quota(limit=10)).quota.snapshot().limit == 10
    del copy
    gc.collect()
    assert UserClient(key, quota=Quota(limit=20)).quota.snapshot().limit == 20


@pytest.mark.parametrize("ends", ["closed", "collected", "its loop ended"])
def test_a_client_that_is_gone_keeps_nothing(ends: str) -> None:
    """Closed, collected, or left behind by a loop that ended."""
    key, kept = f"key-{uuid4()}", []

    async def use() -> None:
        async with Scripted(Say(body=ROOM, headers=SPENT)) as server:
            user = UserClient(key, base_url="http://127.0.0.1:9", quota=Quota(limit=10), max_wait=0)
            with pytest.raises(Exception, match="got no usable answer"):
                await user.rooms.create(name="new")
            assert not server.arrived
            if ends == "closed":
                await user.aclose()
            if ends != "collected":
                kept.append(user)

    asyncio.run(use())
    gc.collect()
    new = UserClient(key, base_url="http://127.0.0.1:9", quota=Quota(limit=20))
    assert new.quota.snapshot().limit == 20
    if ends == "its loop ended":
        with pytest.raises(ConfigurationError, match="close the other"):
            asyncio.run(kept[0].rooms.get("r1"))


@pytest.mark.anyio
async def test_another_clock_tells_the_same_moments() -> None:
    """What is counted until a moment is counted until that moment, whatever the new clock calls it."""
    async with Scripted(Say(body=ROOM, headers=SPENT)) as server:
        key, clock = f"key-{uuid4()}", HandClock()
        await spend(server.url, key)
        async with UserClient(key, base_url=server.url, clock=clock, max_wait=0) as user:
            assert user.quota.snapshot().resets_in == pytest.approx(600, abs=20)
            clock.advance(300)
            assert user.quota.snapshot().resets_in == pytest.approx(300, abs=20)
            with pytest.raises(QuotaTimeoutError):
                await user.rooms.create(name="new")
        async with UserClient(key, base_url=server.url, max_wait=0) as user:
            assert user.quota.snapshot().resets_in == pytest.approx(300, abs=20)
            clock.advance(1000)  # nobody's clock any more
            assert user.quota.snapshot().remaining == 0
        later = LoopClock(lambda: clock.now() + 1e6)
        async with UserClient(key, base_url=server.url, clock=later, max_wait=0) as user:
            assert user.quota.snapshot().resets_in == pytest.approx(300, abs=20)


MANY_KEYS = """
import gc, sys
from sessions_us import Quota, UserClient

def objects(names):
    for each in names:
        UserClient(f"key-{each}", quota=Quota(limit=5 + each % 2))
    gc.collect()
    return len(gc.get_objects())

few = objects(range(1000))
print(objects(range(1000, 1000 + int(sys.argv[1]))) - few)
"""


def test_many_keys_take_bounded_memory() -> None:
    """What is kept of keys that nobody uses any more does not grow with their number."""
    keys = 100_000 if "SESSIONS_LONG_TESTS" in os.environ else 10_000
    made = subprocess.run([sys.executable, "-c", MANY_KEYS, str(keys)], capture_output=True, text=True, check=True)
    assert int(made.stdout) < keys, "objects that are alive after so many further keys"


@pytest.mark.anyio
async def test_a_key_that_is_used_up_is_not_forgotten() -> None:
    """However many other keys come and go, until its window has ended."""
    async with Scripted(Say(body=ROOM, headers={**SPENT, "ratelimit-limit": "7"})) as server:
        key, clock = f"key-{uuid4()}", HandClock()
        await spend(server.url, key, clock=clock)
        others(server.url, clock)
        async with UserClient(key, base_url=server.url, clock=clock, max_wait=0) as user:
            assert (user.quota.snapshot().limit, user.quota.snapshot().remaining) == (7, 0)
            with pytest.raises(QuotaTimeoutError):
                await user.rooms.create(name="new")


def others(url: str, clock: HandClock) -> None:
    for _ in range(3000):
        UserClient(f"key-{uuid4()}", base_url=url, clock=clock)
    gc.collect()
