"""Runs that follow one another, as each night: what is asked again, what is not, and what is said of it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pipelines import chaos
from pipelines.conftest import asked, change, ids, lines, there
from pipelines.test_export import ONCE, add, end_all, now, sessions, when
from support.databases import Database
from support.further import further
from support.scripted import Say, Scripted

from sessions_us import ExportError, Quota, ServerError, UserClient
from sessions_us.pipelines import DltSink, NDJSONSink, ParquetSink, export, note_webhook
from sessions_us.webhooks import parse_webhook

pytestmark = pytest.mark.anyio


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.ndjson"


def rows(out: Path) -> dict[str, dict[str, object]]:
    return {row["id"]: row for row in lines(out)}


def ended(sandbox, **since: float) -> str:
    """End all sessions long ago, and one of them since then, without takeaways; its id."""
    end_all(sandbox)
    one = next(iter(there(sandbox)))
    change(sandbox, one, endedAt=(now(sandbox) - timedelta(**since)).isoformat(), takeaways=None)
    return one


async def test_takeaways_that_come_days_after_the_end_arrive(sandbox, user, out):
    """Until then they are told as awaited. What is there is not asked for again."""
    one = ended(sandbox, days=5)
    change(sandbox, one, transcripts=said(sandbox, one))
    first = await sessions(user, out)
    sent = len(sandbox.requests)
    second = await sessions(user, out)
    asked_again = {request.path for request in sandbox.requests[sent:]} - {"/api/sessions"}
    change(sandbox, one, takeaways="Written the next morning")
    third = await sessions(user, out)
    sent = len(sandbox.requests)
    await sessions(user, out)

    assert first.resources["sessions"].awaited.ids == second.resources["sessions"].awaited.ids == (one,)
    assert asked_again == {f"/api/sessions/{one}/takeaways"}
    assert third.resources["sessions"].awaited.count == 0
    assert rows(out)[one] == there(sandbox)[one]
    assert {request.path for request in sandbox.requests[sent:]} == {"/api/sessions"}


def said(sandbox, id: str) -> list[dict[str, object]]:
    present = there(sandbox)[id]["participants"][0]["id"]
    moment = now(sandbox).isoformat()
    return [{"participantId": present, "sourceTimestamp": moment, "content": [{"text": "Good morning."}]}]


@pytest.mark.parametrize(("patience", "requests"), [(timedelta(days=2), 1), (timedelta(hours=20), 0)])
async def test_takeaways_are_awaited_as_long_as_one_wants(sandbox, user, out, patience, requests):
    """Then they are given up, and are not told any more."""
    one = ended(sandbox, days=1)
    await sessions(user, out, refresh_children=patience)
    before = len(asked(sandbox, f"{one}/takeaways"))
    report = await sessions(user, out, refresh_children=patience)

    assert len(asked(sandbox, f"{one}/takeaways")) - before == requests
    assert report.resources["sessions"].awaited.count == requests


@pytest.mark.parametrize(("trigger", "child"), [("TAKEAWAY_READY", "takeaways"), ("TRANSCRIPT_READY", "transcripts")])
@pytest.mark.parametrize("quick", [False, True])
async def test_a_webhook_brings_what_is_ready(sandbox, user, out, trigger, child, quick):
    """With one request, for a session of any age, and also for what was edited."""
    end_all(sandbox)
    one = list(there(sandbox))[3]
    change(sandbox, one, takeaways="First")
    await sessions(user, out)
    change(sandbox, one, takeaways="Edited", transcripts=said(sandbox, one))
    state = out.with_suffix(".state")
    delivery = {"trigger": trigger, "data": {"session": {"id": one, "takeawaysText": "x", "transcripts": []}}}
    assert note_webhook(state, parse_webhook(json.dumps(delivery)))
    assert not note_webhook(state, parse_webhook('{"trigger": "SESSION_ENDED", "data": {"session": {"id": "a"}}}'))
    sent = len(sandbox.requests)
    for _ in range(2):
        await sessions(user, out, quick=quick)

    asked_again = [request.path for request in sandbox.requests[sent:] if request.path != "/api/sessions"]
    assert asked_again == [f"/api/sessions/{one}/{child}"]
    assert rows(out)[one][child] == there(sandbox)[one][child]


def test_a_webhook_needs_a_state(tmp_path):
    """A typing error in its path makes no file."""
    delivery = parse_webhook('{"trigger": "TRANSCRIPT_READY", "data": {"session": {"id": "a", "transcripts": []}}}')
    with pytest.raises(ExportError, match="there is no state"):
        note_webhook(tmp_path / "state", delivery)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "state").write_text("not a state" * 100)
    with pytest.raises(ExportError, match="state can't be used: "):
        note_webhook(tmp_path / "state", delivery)


async def test_a_quick_run_reads_what_is_new(sandbox, user, out):
    """It stops at the first page of known rows, and says as of when nothing is missing."""
    end_all(sandbox)
    full = (await sessions(user, out)).resources["sessions"]
    new = add(sandbox, "New")
    sent = len(sandbox.requests)
    report = await sessions(user, out, quick=True)

    told = report.resources["sessions"]
    assert report.quick
    assert len(sandbox.requests) - sent <= 5
    assert rows(out)[new] == there(sandbox)[new]
    assert (told.added, told.changed, told.complete, told.as_of) == (1, 0, True, full.as_of)
    assert told.vanished.count == 0, "it has not looked"


async def test_a_quick_run_reads_on_to_what_should_have_begun(sandbox, user, out):
    """A session that was planned when the last full pass saw it, far down the list, has its notes the next night."""
    end_all(sandbox)
    oldest = next(iter(there(sandbox)))
    moment = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    change(sandbox, oldest, endedAt=None, actualStart=None, startAt=moment)
    await sessions(user, out)
    change(sandbox, oldest, actualStart=moment, endedAt=moment, takeaways="Notes", transcripts=said(sandbox, oldest))
    while datetime.now(UTC).isoformat() < moment:
        await asyncio.sleep(0.05)
    report = await sessions(user, out, quick=True)

    assert report.quick
    assert rows(out)[oldest] == there(sandbox)[oldest]


async def test_a_quick_run_is_a_full_one_now_and_then(sandbox, user, out):
    """The first run, and each time that the last full pass is older than one wants; a list in another order is read whole."""
    first = await sessions(user, out, quick=True)
    again = await sessions(user, out, quick=True)
    late = await sessions(user, out, quick=True, full_every=timedelta(0))
    never = await sessions(user, out, quick=True, full_every=timedelta.max)

    assert [report.quick for report in (first, again, late, never)] == [False, True, False, True]


async def test_a_quick_run_that_was_stopped_begins_again(sandbox, user, out):
    """As a full one, if that is wanted then: what came meanwhile is not missed."""
    await sessions(user, out)

    def fail(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await sessions(user, out, quick=True, on_event=fail)
    new = add(sandbox, "New")
    report = await sessions(user, out)

    assert (report.quick, report.resumed) == (False, False)
    assert rows(out)[new] == there(sandbox)[new]


async def test_a_list_in_another_order_is_read_whole(tmp_path):
    """Where the oldest rows are first, new ones are at the end."""
    made = [{"id": f"{n}", "createdAt": f"2026-01-01T00:{n:02}:00.000Z"} for n in range(6)]
    old, new = [Say(body=made[:3]), Say(body=[])], [Say(body=made[:3]), Say(body=made[3:]), Say(body=[])]
    async with (
        Scripted(*old, *old, *new) as server,
        UserClient("k", base_url=server.url, quota=Quota(100, 1.0)) as user,
    ):
        for quick in (False, True):
            report = await export(user, ["rooms"], NDJSONSink(tmp_path / "r.ndjson"), state=tmp_path / "s", quick=quick)

    assert report.quick
    assert report.resources["rooms"].rows == 6


async def test_a_first_page_that_looks_like_the_newest_does_not_stop_a_quick_run(tmp_path):
    """A recurring series fills it in the order of its creation, but the list has another order, as the last full pass saw."""
    made = [{"id": f"{n}", "createdAt": f"2026-01-01T00:{n:02}:00.000Z"} for n in range(7)]
    series, others, new = made[5:2:-1], [made[0], made[2]], made[6]
    full = [Say(body=series), Say(body=others), Say(body=[])]
    night = [Say(body=series), Say(body=[*others, new]), Say(body=[])]
    async with (
        Scripted(*full, *full, *night, *[Say(body=[])] * 5) as server,
        UserClient("k", base_url=server.url, quota=Quota(100, 1.0)) as user,
    ):
        for quick in (False, True):
            report = await export(user, ["rooms"], NDJSONSink(tmp_path / "r.ndjson"), state=tmp_path / "s", quick=quick)

    assert report.quick
    assert (report.resources["rooms"].added, report.resources["rooms"].rows) == (1, 6)


async def test_nothing_is_asked_of_sessions_that_have_not_begun(sandbox, user, out):
    """Nor participants that the list has."""
    await sessions(user, out)
    begun = [row["id"] for row in there(sandbox).values() if row["actualStart"] or row["endedAt"]]

    assert sorted(asked(sandbox, "/takeaways")) == sorted(f"/api/sessions/{one}/takeaways" for one in begun)
    assert asked(sandbox, "/participants") == []
    assert rows(out) == there(sandbox)


async def test_participants_that_the_list_does_not_have_are_asked_for(tmp_path):
    """Of each new row; and again while a session has not ended."""
    session = {"id": "a", "startAt": "2999-01-01T00:00:00Z", "actualStart": None, "endedAt": None}
    people = [{"id": "p"}]
    run = [Say(body=[session]), Say(body=[]), Say(body=people), Say(body=[session]), Say(body=[])]
    async with Scripted(*run, *run) as server, UserClient("k", base_url=server.url, quota=Quota(100, 1.0)) as user:
        for _ in range(2):
            await export(user, ["sessions"], NDJSONSink(tmp_path / "s.ndjson"), state=tmp_path / "state")

    assert [path for path in server.requests if path.endswith("/participants")] == [
        "GET /api/sessions/a/participants"
    ] * 2
    assert lines(tmp_path / "s.ndjson") == [session | {"participants": people, "transcripts": [], "takeaways": None}]


async def test_children_can_be_chosen(sandbox, user, out):
    """The others are neither asked for nor in the rows."""
    await sessions(user, out, children=["participants", "takeaways"])

    assert asked(sandbox, "/transcripts") == []
    assert rows(out) == {
        one: {name: value for name, value in row.items() if name != "transcripts"}
        for one, row in there(sandbox).items()
    }
    with pytest.raises(ValueError, match="children are some of participants, transcripts, takeaways, not 'notes'"):
        await sessions(user, out, children=["notes"])


async def test_two_sinks_cost_no_more_than_one(sandbox, user, tmp_path):
    """All have all rows, and what changes later."""
    sinks = [chaos.SINKS[kind].make(tmp_path / kind) for kind in chaos.SINKS]
    await export(user, ["sessions"], sinks, state=tmp_path / "state")
    begun = sum(bool(row["actualStart"] or row["endedAt"]) for row in there(sandbox).values())
    assert len(sandbox.requests) == 2 * 5 + 2 * begun
    change(sandbox, next(iter(there(sandbox))), name="Renamed")
    await export(user, ["sessions"], sinks, state=tmp_path / "state")

    for kind, sink in chaos.SINKS.items():
        found = {row["id"]: row for row in sink.read(tmp_path / kind)}
        assert found == {one: sink.expect(row) for one, row in there(sandbox).items()}, kind


@pytest.mark.parametrize("stage", ["verifying", "finishing"])
async def test_a_resumed_run_has_nothing_old(sandbox, user, out, stage):
    """Stopped in its last stages, it ends with what is on the server then, and says that it was resumed."""
    first = list(there(sandbox))[-1]  # on the first page, which the pass had read
    count = 0

    def fail(event):
        nonlocal count
        count += event.stage == stage
        if count == (3 if stage == "verifying" else 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await sessions(user, out, on_event=fail)
    change(sandbox, first, name="Renamed meanwhile")
    new = add(sandbox, "New")
    before = datetime.now(UTC)
    report = await sessions(user, out)

    told = report.resources["sessions"]
    assert report.resumed
    assert told.complete
    assert told.as_of >= before
    assert rows(out) == there(sandbox)
    assert new in rows(out)


async def test_what_changes_while_a_run_lasts_is_in_the_sink(sandbox, user, out):
    """Its last reading of the list finds it, with its children."""
    one = next(row["id"] for row in there(sandbox).values() if not row["endedAt"])
    moment = now(sandbox).isoformat()

    def act() -> None:
        change(sandbox, one, actualStart=moment, endedAt=moment, takeaways="Notes", transcripts=said(sandbox, one))

    await sessions(user, out, on_event=when("fetching", 10, act).append)

    assert rows(out) == there(sandbox)


@pytest.mark.parametrize("vanished", ["mark", *further("delete")])
async def test_rows_that_vanished_are_marked_or_deleted(sandbox, user, tmp_path, vanished):
    """In each kind of sink, once a full pass proves it; a row that comes back is as before."""
    sinks = [NDJSONSink(tmp_path / "r.ndjson"), ParquetSink(tmp_path / "p"), DltSink(f"duckdb:///{tmp_path}/d.duckdb")]
    database = Database(f"duckdb:///{tmp_path}/d.duckdb")

    async def run(**options):
        return await export(
            user, ["sessions"], sinks, state=tmp_path / "state", children=False, vanished=vanished, **options
        )

    await run()
    gone = next(iter(there(sandbox)))
    row = there(sandbox)[gone]
    sandbox.remove("sessions", gone)
    await run(quick=True)
    assert len(ids(tmp_path / "r.ndjson")) == 45, "a quick run proves nothing"
    report = (await run()).resources["sessions"]
    left = (await run()).resources["sessions"]

    assert (report.vanished.ids, report.rows) == ((gone,), 44 if vanished == "delete" else 45)
    assert left.changed == 0
    found = {row["id"]: row.get("deleted_at") for row in lines(tmp_path / "r.ndjson")}
    kept = database.rows("SELECT id FROM sessions_us.sessions")
    assert {one for (one,) in kept} == found.keys()
    if vanished == "delete":
        assert gone not in found
        assert row["name"].encode() not in b"".join(
            path.read_bytes() for path in (tmp_path / "r.ndjson", tmp_path / "state")
        ) or any(other["name"].startswith(row["name"]) for other in there(sandbox).values())
    else:
        assert {one for one, moment in found.items() if moment} == {gone}
        assert database.rows("SELECT id FROM sessions_us.sessions WHERE deleted_at IS NOT NULL") == [(gone,)]

    sandbox.load({"sessions": [{name: row[name] for name in ("id", "name", "createdAt", "startAt")}]})
    await run()
    assert rows(tmp_path / "r.ndjson")[gone].get("deleted_at") is None
    assert database.rows("SELECT count(*) FROM sessions_us.sessions") == [(45,)]


async def test_a_failure_keeps_the_state_of_both_sinks(sandbox, user, tmp_path):
    """A stopped run of two sinks goes on for both."""
    one = next(row["id"] for row in there(sandbox).values() if row["transcripts"])
    sandbox.fail(500, times=100, path=f"/api/sessions/{one}/transcripts")
    sinks = [NDJSONSink(tmp_path / "a.ndjson"), NDJSONSink(tmp_path / "b.ndjson")]
    with pytest.raises(ServerError):
        await export(user.with_options(retries=ONCE), ["sessions"], sinks, state=tmp_path / "state")
    sandbox.heal()
    await export(user, ["sessions"], sinks, state=tmp_path / "state")

    assert (tmp_path / "a.ndjson").read_bytes() == (tmp_path / "b.ndjson").read_bytes()
    assert rows(tmp_path / "a.ndjson") == there(sandbox)


@pytest.mark.parametrize("kind", ["ndjson", "parquet", "duckdb"])
async def test_rows_of_another_state_are_not_mixed_with(sandbox, user, tmp_path, kind):
    """Nothing is asked or written, and the state that knows them is named if it lies beside."""

    def sink():
        if kind == "duckdb":
            return DltSink(f"duckdb:///{tmp_path}/d.duckdb")
        return ParquetSink(tmp_path / "p") if kind == "parquet" else NDJSONSink(tmp_path / "b.ndjson")

    first = tmp_path / "a.ndjson.state"
    await export(user, ["sessions"], [NDJSONSink(tmp_path / "a.ndjson"), sink()], state=first, children=False)
    sent = len(sandbox.requests)
    with pytest.raises(ExportError, match=f"the state knows nothing of it: {first} does, so give it as the state"):
        await export(user, ["sessions"], sink(), state=tmp_path / "b.state")
    first.rename(tmp_path / "elsewhere")
    with pytest.raises(ExportError, match="the state knows nothing of it: export to another place, or move it away"):
        await export(user, ["sessions"], sink(), state=tmp_path / "c.state")

    assert len(sandbox.requests) == sent
