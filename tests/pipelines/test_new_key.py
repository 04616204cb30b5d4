"""`new_key`: an export goes on after its key was rotated, and nothing is paid again that the old key has read."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from pipelines.conftest import asked, ids, lines, there

from sessions_us import ExportError, Quota, RetryPolicy, ServerError, UserClient
from sessions_us.pipelines import ExportReport, NDJSONSink, export
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
SERVER = "https://sessions.example"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.ndjson"


def rotated(sandbox: Sandbox) -> Sandbox:
    """The same workspace once its user has another key."""
    return Sandbox(limit=100_000, window=1.0, data=sandbox.data, empty=True, fields="all")


def client(sandbox: Sandbox, server: str = SERVER, key: str | None = None) -> AbstractAsyncContextManager[UserClient]:
    """A client of a workspace, whose server is always at one address."""
    return UserClient(
        key or sandbox.user_key,
        base_url=server,
        transport=sandbox.transport,
        quota=Quota(limit=100_000, window=1.0),
        retries=RetryPolicy(attempts=1),
    )


async def whole(user: UserClient, out: Path, **options) -> ExportReport:
    return await export(user, ["sessions"], NDJSONSink(out), state=out.with_suffix(".state"), **options)


async def test_the_new_key_reads_the_lists_alone(sandbox, out):
    """The refusal names the way; no child is asked for again, and the place of the rows stays; after a full run quick ones
    go on, and the old key is another one."""
    async with client(sandbox) as user:
        first = await whole(user, out)
    before = out.read_bytes()
    other = rotated(sandbox)
    async with client(other) as user:
        with pytest.raises(ExportError, match=r"of another key for this server: .*with new_key=True \(--new-key\)"):
            await whole(user, out, quick=True)
        assert other.requests == []
        report = await whole(user, out, quick=True, new_key=True)
        lists = [path for path in asked(other) if path == "/api/sessions"]
        quick = await whole(user, out, quick=True)

    assert len(lists) == report.requests < first.requests / 2
    assert (report.quick, quick.quick) == (False, True)
    rows = report.resources["sessions"]
    assert (rows.rows, rows.added, rows.changed, rows.vanished.count, rows.complete) == (45, 0, 0, 0, True)
    assert out.read_bytes() == before
    async with client(sandbox) as user:
        with pytest.raises(ExportError, match="of another key for this server"):
            await whole(user, out)


async def test_an_interrupted_run_begins_again_without_what_it_has(sandbox, out):
    """Its lists are read from their beginning, since half a list of one key and half of another prove nothing."""
    ended = [row["id"] for row in there(sandbox).values() if row["endedAt"]]
    sandbox.fail(500, times=100, path=f"/api/sessions/{ended[9]}/transcripts")
    async with client(sandbox) as user:
        with pytest.raises(ServerError):
            await whole(user, out)
    sandbox.heal()
    had = {path for path in asked(sandbox, "/takeaways") if ended[9] not in path}
    other = rotated(sandbox)
    async with client(other) as user:
        report = await whole(user, out, new_key=True)

    assert had
    assert not had & set(asked(other, "/takeaways"))
    assert not report.resumed
    assert report.resources["sessions"].complete
    assert {row["id"]: row for row in lines(out)} == there(sandbox)


async def test_without_another_key_it_changes_nothing(sandbox, out):
    """On a new state, after an end, where a quick run stays one, and after a stop, which is resumed."""
    ended = [row["id"] for row in there(sandbox).values() if row["endedAt"]]
    sandbox.fail(500, times=1, path=f"/api/sessions/{ended[9]}/transcripts")
    async with client(sandbox) as user:
        with pytest.raises(ServerError):
            await whole(user, out, new_key=True)
        assert (await whole(user, out, new_key=True)).resumed
        assert (await whole(user, out, new_key=True, quick=True)).quick


async def test_another_users_key_keeps_the_rows_that_it_does_not_see(sandbox, out):
    """They are reported as vanished; so `new_key` and the deletion of vanished rows are for two runs, not for one."""
    async with client(sandbox) as user:
        await whole(user, out)
    sandbox.load({"users": [{"id": "kim", "email": "kim@example.com", "key": "key-of-kim"}]})
    sandbox.load({"sessions": [{"id": "kims", "name": "Kim's", "ownerId": "kim"}]})
    async with client(sandbox, key="key-of-kim") as kim:
        with pytest.raises(ValueError, match="new_key and vanished='delete' exclude each other"):
            await whole(kim, out, new_key=True, vanished="delete")
        report = (await whole(kim, out, new_key=True, quick=True)).resources["sessions"]

    assert (report.rows, report.added, report.vanished.count) == (46, 1, 45)
    assert len(ids(out)) == 46


async def test_another_server_is_another_job(sandbox, out):
    """With `new_key` too, whatever the key is; nothing is sent there, and the state stays that of the first."""
    async with client(sandbox) as user:
        await whole(user, out)
    other = rotated(sandbox)
    async with client(other, "https://elsewhere.example") as user:
        with pytest.raises(ExportError, match=f"of another job .*server: {SERVER}, and not https://elsewhere.example"):
            await whole(user, out, new_key=True)
    async with client(sandbox) as user:
        assert (await whole(user, out, quick=True)).quick

    assert other.requests == []
