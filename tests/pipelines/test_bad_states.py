"""Whatever is wrong with the files of a job: one clear error that says what to do, and nothing lost."""

from __future__ import annotations

import asyncio
import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from pipelines import chaos
from pipelines.conftest import ids, lines, there

from sessions_us import ExportError, RetryPolicy, ServerError, SessionsError, UserClient
from sessions_us.pipelines import ExportReport, NDJSONSink, Sink, export
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(limit=100_000, window=1.0, empty=True, fields="all") as made:
        chaos.World(made, random.Random(1), 12)
        yield made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.ndjson"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def half(sandbox: Sandbox, user: UserClient, sink: Sink, state: Path) -> None:
    """Stops an export in its middle by a failure of the server."""
    ended = [row["id"] for row in await user.request("GET", "/api/sessions") if row["endedAt"]]
    sandbox.fail(500, times=100, path=f"/api/sessions/{ended[5]}/transcripts")
    with pytest.raises(ServerError):
        await whole(user, sink, state)
    sandbox.heal()


async def whole(user: UserClient, sink: Sink, state: Path, **options) -> ExportReport:
    quick = user.with_options(retries=RetryPolicy(attempts=1))
    return await export(quick, ["sessions"], sink, state=state, **options)


async def whole_or_error(user: UserClient, sink: Sink, state: Path) -> ExportError | None:
    try:
        await whole(user, sink, state)
    except ExportError as error:
        return error
    return None


async def test_a_state_that_is_no_database(user, out, state):
    """Damage is told; neither file is touched."""
    state.write_bytes(b"This is not what you are looking for. " * 100)
    with pytest.raises(ExportError, match=r"state is damaged; nothing was changed. Bring it back from a copy"):
        await whole(user, NDJSONSink(out), state)

    assert state.read_bytes().startswith(b"This is not")
    assert not out.exists()


@pytest.mark.parametrize("seed", range(6))
async def test_a_damaged_state_is_told_or_does_no_harm(sandbox, user, out, state, seed):
    """Where a block of it is overwritten, either that is told and the rows are untouched, or it did not matter."""
    await half(sandbox, user, NDJSONSink(out), state)
    content, before, draw = bytearray(state.read_bytes()), out.read_bytes(), random.Random(seed)
    place = draw.randrange(100, len(content) - 512)
    content[place : place + 512] = draw.randbytes(512)
    state.write_bytes(content)
    problem = await whole_or_error(user, NDJSONSink(out), state)

    if problem is not None:
        assert "damaged" in str(problem)
        assert out.read_bytes() == before
    else:
        assert {row["id"]: row for row in lines(out)} == there(sandbox)


@pytest.mark.parametrize("value", ["garbage", "{}", "[]", "7"])
@pytest.mark.parametrize("name", ["job", "sink", "run", "finished", "start", "quick"])
async def test_a_damaged_state_that_is_a_sound_database(sandbox, user, out, state, name, value):
    """What it says was altered, which SQLite can't see: told as any other damage, and the rows are untouched."""
    await half(sandbox, user, NDJSONSink(out), state)
    before = out.read_bytes()
    with closing(sqlite3.connect(state)) as db, db:
        db.execute("UPDATE job SET value = ? WHERE name = ? OR name LIKE ?", (value, name, f"{name} %"))
    db.close()
    with pytest.raises(ExportError, match=r"is damaged; nothing was changed"):
        await whole(user, NDJSONSink(out), state)

    assert out.read_bytes() == before


async def test_a_state_that_lost_its_end(sandbox, user, out, state):
    """A copy that was cut short."""
    await half(sandbox, user, NDJSONSink(out), state)
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    before = out.read_bytes()
    with pytest.raises(ExportError, match="damaged"):
        await whole(user, NDJSONSink(out), state)

    assert out.read_bytes() == before


async def test_a_database_of_somebody_else(user, out, state):
    """It is no state, and stays as it is."""
    with closing(sqlite3.connect(state)) as db, db:
        db.execute("CREATE TABLE mine (value)")
    db.close()
    before = state.read_bytes()
    with pytest.raises(ExportError, match="is a database, but no state of an export: give another path"):
        await whole(user, NDJSONSink(out), state)

    assert state.read_bytes() == before


@pytest.mark.parametrize(("version", "said"), [(0, "older version"), (99, "newer version")])
async def test_a_state_of_another_version(sandbox, user, out, state, version, said):
    """Neither an older nor a newer one is guessed at."""
    await half(sandbox, user, NDJSONSink(out), state)
    with closing(sqlite3.connect(state)) as db, db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    before = out.read_bytes()
    with pytest.raises(ExportError, match=said):
        await whole(user, NDJSONSink(out), state)

    assert out.read_bytes() == before


async def test_a_state_of_another_job(sandbox, user, out, state):
    """Other resources, without children, another key: each is named, none is mixed up."""
    await half(sandbox, user, NDJSONSink(out), state)
    with pytest.raises(ExportError, match=r"of another job \(resources: sessions, and not rooms"):
        await export(user, ["rooms"], NDJSONSink(out), state=state)
    with pytest.raises(ExportError, match="children: participants, transcripts, takeaways, and not none"):
        await whole(user, NDJSONSink(out), state, children=False)
    async with UserClient("another-key", base_url=sandbox.url) as stranger:
        with pytest.raises(
            ExportError, match=r"of another key for this server: .*new_key=True \(--new-key\)"
        ) as caught:
            await whole(stranger, NDJSONSink(out), state)

    assert sandbox.user_key not in str(caught.value)
    assert "another-key" not in str(caught.value)
    assert (await whole(user, NDJSONSink(out), state)).resumed


async def test_a_read_only_state(sandbox, user, out, state):
    """It is told, also to those who may write everywhere."""
    await half(sandbox, user, NDJSONSink(out), state)
    state.chmod(0o400)
    with pytest.raises(ExportError, match=r"state is read-only: make it writable|can't be written"):
        await whole(user, NDJSONSink(out), state)
    state.chmod(0o600)

    assert (await whole(user, NDJSONSink(out), state)).resources["sessions"].rows == 12


async def test_a_state_that_can_not_be_made(user, out, tmp_path):
    """A directory that does not exist, or stands in its place."""
    with pytest.raises(ExportError, match="there is no directory"):
        await whole(user, NDJSONSink(out), tmp_path / "nowhere" / "state")
    with pytest.raises(ExportError, match=r"can't be written: Is a directory"):
        await whole(user, NDJSONSink(out), tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("where", ["rows.ndjson", "state"])
async def test_a_pipe_is_no_file(user, tmp_path, where):
    """Nobody reads it, so to open it would take for ever, and no cancellation would end that."""
    os.mkfifo(tmp_path / where)

    with pytest.raises(ExportError, match=rf"{where} is no regular file"):
        await export(user, ["rooms"], NDJSONSink(tmp_path / "rows.ndjson"), state=tmp_path / "state")


async def test_a_state_is_for_its_owner_alone(sandbox, user, out, state):
    """It holds rows for a while, and nothing of the key."""
    await half(sandbox, user, NDJSONSink(out), state)

    assert state.stat().st_mode & 0o777 == 0o600
    assert sandbox.user_key.encode() not in state.read_bytes()


async def test_rows_whose_state_is_gone(sandbox, user, out, state):
    """Without a state nobody knows what is in the file, so it is not written to."""
    await half(sandbox, user, NDJSONSink(out), state)
    state.unlink()
    before = out.read_bytes()
    with pytest.raises(ExportError, match="is there already, and the state knows nothing of it"):
        await whole(user, NDJSONSink(out), state)

    assert out.read_bytes() == before


@pytest.mark.parametrize("how", ["gone", "shorter", "edited"])
@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
async def test_a_file_of_rows_that_was_changed(sandbox, user, state, tmp_path, kind, how):
    """The state has all rows, so the file is written again as it was, though no row has changed, and with no request more."""
    make, read = chaos.SINKS[kind].make, chaos.SINKS[kind].read
    await whole(user, make(tmp_path), state)
    before, (file,) = read(tmp_path), (tmp_path / "rows").iterdir()
    usual = (await whole(user, make(tmp_path), state)).requests
    content = file.read_bytes()
    changed = {"gone": None, "shorter": content[:-10], "edited": content.replace(b"Session", b"sESSION", 1)}[how]
    file.unlink() if changed is None else file.write_bytes(changed)
    report = await whole(user, make(tmp_path), state)

    assert read(tmp_path) == before
    assert report.requests == usual
    assert report.resources["sessions"].changed == 0


async def test_another_sink_gets_all_rows_without_a_request(sandbox, user, out, state, tmp_path):
    """The place of the rows may change between two runs."""
    await whole(user, NDJSONSink(out), state)
    usual = (await whole(user, NDJSONSink(out), state)).requests
    report = await whole(user, NDJSONSink(tmp_path / "other.ndjson"), state)

    assert (tmp_path / "other.ndjson").read_bytes() == out.read_bytes()
    assert report.requests == usual


async def test_rows_can_be_read_while_an_export_runs(out, state):
    """By any program that reads SQLite, without disturbing the export."""
    async with Sandbox(limit=10, window=60.0) as slow, UserClient(slow.user_key, base_url=slow.url) as user:
        task = asyncio.create_task(whole(user, NDJSONSink(out), state))
        async with asyncio.timeout(30):
            while not user.quota.snapshot().waiting["background"] or not count(state):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert len(ids(out)) >= 20


async def test_the_documented_queries_tell_how_far_a_stopped_export_is(sandbox, user, out, state):
    """Which lists are proven complete and as of when, how many rows were read, and how many wait for their children."""
    documented = re.findall(r"^\| `(SELECT [^`]+)` \|", (DOCS / "pipelines.md").read_text("utf-8"), re.MULTILINE)
    await half(sandbox, user, NDJSONSink(out), state)
    (stopped, (_, rows, waiting)) = [answer for query in documented for answer in answers(state, query)]
    before = time.time()
    await whole(user, NDJSONSink(out), state)
    (ended, work) = [answer for query in documented for answer in answers(state, query)]

    assert stopped == ("sessions", 0, None)
    assert (rows, 0 < waiting < rows) == (12, True)
    assert ended[:2] == ("sessions", 1)
    assert before <= ended[2] <= time.time()
    assert work == ("sessions", 12, 0)


def answers(state: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def count(state: Path) -> int:
    if not state.exists():
        return 0
    with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchall():
            return 0
        (number,) = db.execute("SELECT COUNT(*) FROM rows WHERE resource = 'sessions'").fetchone()
    return int(number)


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
async def test_a_file_that_may_not_grow(sandbox, user, tmp_path, kind):
    """A limit of the system in the middle of a row: told; without the limit the same call ends with each row once."""
    place = tmp_path
    sink = chaos.SINKS[kind].make
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    await half(sandbox, user, sink(place), place / "state")
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
    try:
        with pytest.raises(
            ExportError, match=r"can't be used: .*the same export again; what was committed is untouched"
        ):
            await whole(user, sink(place), place / "state")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await whole(user, sink(place), place / "state")

    assert sorted(row["id"] for row in chaos.SINKS[kind].read(place)) == sorted(there(sandbox))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def open_below(directory: Path) -> list[str]:
    """What this process has open there."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # of this very loop
            links.append(str(link.readlink()))
    return [link for link in links if link.startswith(f"{directory}/")]


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
async def test_a_full_disk_under_the_rows(sandbox, user, tmp_path, small_disk, kind):
    """What was read stays in the state: with more room the export goes on, and asks for none of it again. The failed one has
    left no file open."""
    make, read = chaos.SINKS[kind].make, chaos.SINKS[kind].read
    full = r"No space left on device. Put that right and run the same export again"
    with pytest.raises(ExportError, match=full) as caught:
        while True:  # until it is full
            await whole(user, make(small_disk), tmp_path / "state")
            longer = [{"id": row["id"], "name": row["name"] + os.urandom(200).hex()} for row in there(sandbox).values()]
            sandbox.load({"sessions": longer})
    left = open_below(small_disk)
    assert left == [], caught.value  # with all frames that the error holds
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    await whole(user, make(small_disk), tmp_path / "state")

    assert sorted(row["id"] for row in read(small_disk)) == sorted(there(sandbox))


async def test_a_full_disk_under_the_state(sandbox, user, out, small_disk):
    """Told, and with more room it goes on."""
    with pytest.raises(ExportError, match=r"state can't be used: .*full.* what was committed is untouched"):
        await whole(user, NDJSONSink(out), small_disk / "state")
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    await whole(user, NDJSONSink(out), small_disk / "state")

    assert sorted(ids(out)) == sorted(there(sandbox))


async def test_a_killed_process_leaves_no_lock(sandbox, user, tmp_path):
    """While another process works, the job is in use; the moment it is killed, it is not."""
    sandbox.limiter.reset()
    child = await asyncio.create_subprocess_exec(
        sys.executable, chaos.__file__, "--child", "--sink", "ndjson", "--place", str(tmp_path),
        env={**os.environ, "SESSIONS_BASE_URL": sandbox.url, "SESSIONS_USER_KEY": sandbox.user_key, "SESSIONS_QUOTA": "1/60s"},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        await child.stdout.readline()
        async with asyncio.timeout(20):
            while not (tmp_path / "rows" / "sessions.ndjson").exists():  # then it has the lock
                await asyncio.sleep(0.01)
        sink = NDJSONSink(tmp_path / "rows")
        with pytest.raises(ExportError, match="is in use"):
            await whole(user, sink, tmp_path / "state")
    finally:
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
    await whole(user, NDJSONSink(tmp_path / "rows"), tmp_path / "state")

    assert sorted(ids(tmp_path / "rows" / "sessions.ndjson")) == sorted(there(sandbox))


def test_an_export_error_is_one_of_the_tree():
    """Whoever catches SessionsError catches it."""
    assert issubclass(ExportError, SessionsError)
