"""The job against a sandbox on a real socket: what is in the sink, what is asked for, and what is told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pipelines import chaos
from pipelines.conftest import asked, change, ids, lines, there
from support.scripted import Say, Scripted

from sessions_us import (
    ClientEvent,
    ExportError,
    ExportProgress,
    Quota,
    RequestGranted,
    RetryPolicy,
    ServerError,
    UserClient,
)
from sessions_us.pipelines import RESOURCES, ExportReport, NDJSONSink, ParquetSink, Sink, export
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.ndjson"


async def sessions(user: UserClient, out: Path, **options) -> ExportReport:
    return await export(user, ["sessions"], NDJSONSink(out), state=out.with_suffix(".state"), **options)


def end_all(sandbox: Sandbox) -> None:
    """All sessions ended eight days ago, so that nothing of them is awaited."""
    then = (now(sandbox) - timedelta(days=8)).isoformat()
    sandbox.load({"sessions": [{"id": each, "endedAt": then} for each in there(sandbox)]})


def now(sandbox: Sandbox) -> datetime:
    return datetime.fromtimestamp(sandbox.clock.now(), UTC)


def add(sandbox: Sandbox, name: str) -> str:
    """A session that starts now, and its id."""
    (made,) = sandbox.load({"sessions": [{"name": name, "startAt": now(sandbox).isoformat()}]})["sessions"]
    return made


async def test_every_session_is_there_once_with_what_belongs_to_it(sandbox, user, out):
    """Rows are what the server has, by wire names, with participants, transcripts and takeaways nested."""
    report = await sessions(user, out)

    rows = {row["id"]: row for row in lines(out)}
    assert rows == there(sandbox)
    assert len(lines(out)) == len(rows) == report.resources["sessions"].rows == report.resources["sessions"].added
    assert report.resources["sessions"].complete
    assert any(row["transcripts"] and row["takeaways"] for row in rows.values())


async def test_every_list_can_be_exported(tmp_path):
    """Each list into a file of its own; booking pages come with their bookings and collaborators, over several pages."""
    names = [name for name in RESOURCES if name != "sessions"]
    async with Sandbox(limit=100_000, window=1.0, fields="all") as full:
        async with UserClient(full.user_key, base_url=full.url, quota=Quota(limit=100_000, window=1.0)) as user:
            await export(user, names, NDJSONSink(tmp_path / "out"), state=tmp_path / "state")

    written = {name: {row["id"]: row for row in lines(tmp_path / "out" / f"{name}.ndjson")} for name in names}
    for name in ("rooms", "bookings", "events"):
        assert written[name] == there(full, name)
    assert written["booking_pages"].keys() == there(full, "booking_pages").keys() - {full.team_page_id}
    page = next(row for row in written["booking_pages"].values() if row["bookings"])
    assert len(page["bookings"]) == 34
    assert len(page["collaborators"]) == 22


ODD_NUMBERS = b'[{"id": "r1", "size": NaN, "more": [Infinity, {"least": -1e999}], "name": 1.5}]'


async def exported(tmp_path: Path, rows: bytes, sink: Sink) -> None:
    runs = [Say(body=body) for body in (rows, b"[]", rows, b"[]")]
    async with Scripted(*runs) as server, UserClient("k", base_url=server.url, quota=Quota(100, 1.0)) as user:
        await export(user, ["rooms"], sink, state=tmp_path / "state")


async def test_a_number_that_json_does_not_have_is_a_string(tmp_path, out):
    """Python reads NaN and infinity, which no other reader of NDJSON does: as strings they are lost to nobody."""
    await exported(tmp_path, ODD_NUMBERS, NDJSONSink(out))

    row = json.loads(out.read_text("utf-8"), parse_constant=pytest.fail)
    assert row == {"id": "r1", "size": "NaN", "more": ["Infinity", {"least": "-Infinity"}], "name": 1.5}


async def test_a_number_that_json_does_not_have_is_a_string_in_parquets_json(tmp_path):
    """What has no column of its own is JSON text there, too."""
    await exported(tmp_path, ODD_NUMBERS, ParquetSink(tmp_path / "out"))

    (row,) = pq.read_table(tmp_path / "out" / "rooms.parquet").to_pylist()
    kept = json.loads(row["additional_properties"], parse_constant=pytest.fail)
    assert kept == {"size": "NaN", "more": ["Infinity", {"least": "-Infinity"}], "name": 1.5}


@pytest.mark.parametrize("kind", list(chaos.SINKS))
async def test_an_id_that_no_file_can_hold_stops_nothing(tmp_path, kind):
    """JSON can name half a surrogate pair, UTF-8 can't: such a row is one without an id, and each state of it is there once."""
    before, after = ([{"id": "\ud800", "name": name}, {"id": "r1", "name": name}] for name in ("a", "b"))
    runs = [Say(body=rows) for page in (before, after) for rows in (page, [], page, [])]
    async with Scripted(*runs) as server, UserClient("k", base_url=server.url, quota=Quota(100, 1.0)) as user:
        for _ in range(2):
            sink = chaos.SINKS[kind].make(tmp_path)
            report = await export(user, ["rooms"], sink, state=tmp_path / "state")

    told = report.resources["rooms"]
    assert (told.rows, told.added, told.changed, told.vanished.count) == (3, 1, 1, 1)
    assert len(server.arrived) == 8


async def test_the_order_of_fields_says_nothing(tmp_path, out):
    """A server that sends the same row with its fields in another order has not changed it; a value of another type has."""
    first, second = {"id": "r1", "name": "Studio", "seats": 1}, {"seats": 1, "name": "Studio", "id": "r1"}
    runs = [Say(body=rows) for row in (first, second, {**second, "seats": True}) for rows in ([row], [], [row], [])]
    told = []
    async with Scripted(*runs) as server, UserClient("k", base_url=server.url, quota=Quota(100, 1.0)) as user:
        for _ in range(3):
            report = await export(user, ["rooms"], NDJSONSink(out), state=tmp_path / "state")
            told.append((report.resources["rooms"].added, report.resources["rooms"].changed))

    assert told == [(1, 0), (0, 0), (0, 1)]
    assert lines(out) == [{"id": "r1", "name": "Studio", "seats": True}]


async def test_without_children_rows_are_those_of_the_list(sandbox, user, out):
    """`children=False` asks for the list alone: two passes over 45 rows, and one request to learn how pages count."""
    report = await sessions(user, out, children=False)

    children = {"transcripts", "takeaways"}
    assert {row["id"]: row for row in lines(out)} == {
        row["id"]: {name: value for name, value in row.items() if name not in children}
        for row in there(sandbox).values()
    }
    assert set(asked(sandbox)) == {"/api/sessions"}
    assert report.requests <= len(sandbox.requests) <= report.requests + 1


async def test_everything_goes_in_the_background(out):
    """Not one request stands in the interactive lane, the reserve stays, and waiting for the quota can be cancelled."""
    events: list[ClientEvent] = []
    async with Sandbox(limit=10, window=60.0) as slow:
        async with UserClient(slow.user_key, base_url=slow.url, on_event=events.append) as user:
            task = asyncio.create_task(sessions(user, out))
            async with asyncio.timeout(30):
                while user.quota.snapshot().remaining > 2 or not user.quota.snapshot().waiting["background"]:
                    await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 20)

    assert len(slow.requests) == 8
    assert {event.lane for event in events if isinstance(event, RequestGranted)} == {"background"}


async def test_what_has_ended_is_not_fetched_again(sandbox, user, out):
    """The second run asks for the list only, and leaves the file as it is."""
    end_all(sandbox)
    await sessions(user, out)
    before, sent = out.read_bytes(), len(sandbox.requests)
    report = await sessions(user, out)

    assert {request.path for request in sandbox.requests[sent:]} == {"/api/sessions"}
    assert out.read_bytes() == before
    assert (report.resources["sessions"].added, report.resources["sessions"].changed) == (0, 0)
    assert report.resources["sessions"].rows == 45


async def test_what_is_open_is_fetched_again_and_changes_take_the_place_of_what_was(sandbox, user, out):
    """Each row is there once even then, in its newest form."""
    still_open = [row["id"] for row in there(sandbox).values() if row["endedAt"] is None]
    change(sandbox, still_open[0], actualStart=now(sandbox).isoformat())
    await sessions(user, out)
    change(sandbox, still_open[0], takeaways="Notes that the list does not show")
    change(sandbox, still_open[1], name="Renamed")
    renamed = next(row["id"] for row in there(sandbox).values() if row["endedAt"] is not None)
    change(sandbox, renamed, name="Renamed after its end")
    new = add(sandbox, "New")
    report = (await sessions(user, out)).resources["sessions"]

    rows = {row["id"]: row for row in lines(out)}
    assert len(rows) == len(lines(out)) == 46
    assert rows == there(sandbox)
    assert (report.added, report.changed) == (1, 3)
    assert rows[new]["name"] == "New"


async def test_notes_that_are_still_to_come_are_looked_for(sandbox, user, out):
    """Takeaways are written after a session's end: a session without any is fetched again within the hour."""
    end_all(sandbox)
    just_ended, row = next(iter(there(sandbox).items()))
    a_minute_ago = (now(sandbox) - timedelta(minutes=1)).isoformat()
    change(sandbox, just_ended, endedAt=a_minute_ago, takeaways=None)
    await sessions(user, out)
    bye = {
        "participantId": row["participants"][0]["id"],
        "sourceTimestamp": a_minute_ago,
        "content": [{"text": "Bye."}],
    }
    change(sandbox, just_ended, takeaways="Here they are", transcripts=[*row["transcripts"], bye])
    await sessions(user, out)
    sent = len(sandbox.requests)
    await sessions(user, out)

    assert {row["id"]: row for row in lines(out)}[just_ended]["takeaways"]["takeawaysText"] == "Here they are"
    assert {request.path for request in sandbox.requests[sent:]} == {"/api/sessions"}


async def test_what_the_server_has_no_more_stays_and_is_told(sandbox, user, out):
    """A row that vanished between two runs is kept."""
    await sessions(user, out)
    gone = next(iter(there(sandbox)))
    sandbox.remove("sessions", gone)
    report = (await sessions(user, out)).resources["sessions"]

    assert gone in ids(out)
    assert report.vanished.ids == (gone,)
    assert report.vanished.count == 1
    assert report.rows == 45


def when(stage: str, requests: int, act) -> list[ExportProgress]:
    """Events; at the first of a stage after so many requests something happens on the server."""

    class Acting(list):
        acted = False

        def append(self, event):
            super().append(event)
            if not self.acted and event.stage == stage and event.requests >= requests:
                self.acted = True
                act()

    return Acting()


async def test_a_row_that_slips_between_two_pages_is_caught(sandbox, user, out):
    """What is deleted behind the reader pulls a row past him; the second pass finds it, the third that all is well."""
    rows = [row["id"] for row in await user.request("GET", "/api/sessions")]
    events = when("listing", 2, lambda: sandbox.remove("sessions", rows[3]))
    report = (await sessions(user, out, on_event=events.append)).resources["sessions"]

    assert set(ids(out)) == {*there(sandbox), rows[3]}
    assert len(ids(out)) == 45
    assert report.appeared.count == 1  # to the reader it is new
    assert report.gone.ids == (rows[3],)
    assert report.orphaned.ids == (rows[3],)
    assert (report.passes, report.complete) == (3, True)


async def test_what_comes_and_goes_meanwhile_is_told(sandbox, user, out):
    """A session that is made while others are fetched is in the sink; one that goes then is told."""
    first = next(iter(there(sandbox)))
    made = []

    def act() -> None:
        made.append(add(sandbox, "Late"))
        sandbox.remove("sessions", first)

    report = (await sessions(user, out, on_event=when("fetching", 30, act).append)).resources["sessions"]

    assert {row["id"]: row for row in lines(out)}[made[0]] == there(sandbox)[made[0]]
    assert report.appeared.ids == (made[0],)
    assert report.gone.ids == (first,)
    assert len(ids(out)) == len(set(ids(out))) == 46


async def test_a_list_that_never_rests_ends_and_says_so(sandbox, user, out):
    """After five passes in which rows went, the report says that one may have slipped."""

    def act(event: ExportProgress) -> None:
        if event.stage in {"listing", "verifying"} and event.done:
            sandbox.remove("sessions", next(reversed(there(sandbox))))

    report = (await sessions(user, out, children=False, on_event=act)).resources["sessions"]

    assert (report.passes, report.complete) == (5, False)
    assert len(ids(out)) == len(set(ids(out)))


async def test_a_child_that_is_not_found_is_nothing(sandbox, user, out):
    """Some servers answer 404 for what does not exist yet: the row is there without it, and with the other children."""
    one = next(row["id"] for row in there(sandbox).values() if row["transcripts"])
    sandbox.fail(404, path=f"/api/sessions/{one}/takeaways")
    report = (await sessions(user, out)).resources["sessions"]

    assert {row["id"]: row for row in lines(out)}[one] == there(sandbox)[one] | {"takeaways": None}
    assert report.orphaned.count == 0


async def test_what_is_in_the_sink_survives_children_that_are_gone(sandbox, user, out):
    """A session with notes is not overwritten by the same without them."""
    session = next(row["id"] for row in there(sandbox).values() if row["transcripts"])
    await sessions(user, out)
    change(sandbox, session, name="Renamed")
    sandbox.fail(404, path=f"/api/sessions/{session}/transcripts")
    await sessions(user, out)

    assert {row["id"]: row for row in lines(out)}[session] == there(sandbox)[session]


async def test_a_failure_stops_and_the_same_call_goes_on(sandbox, user, out):
    """What was read until then is in the file, nothing of it is asked for again, and nothing is missing at the end."""
    names = [row["id"] for row in await user.request("GET", "/api/sessions") if row["endedAt"]]
    sandbox.fail(500, times=100, path=f"/api/sessions/{names[10]}/transcripts")
    quick = user.with_options(retries=ONCE)
    with pytest.raises(ServerError):
        await sessions(quick, out)
    written = {row["id"] for row in lines(out)}
    assert {*names} & written == {*names[:10]}
    assert {row["id"] for row in there(sandbox).values() if not row["endedAt"]} <= written

    sandbox.heal()
    sent = len(sandbox.requests)
    report = await sessions(quick, out)

    assert report.resumed
    assert {row["id"]: row for row in lines(out)} == there(sandbox)
    assert len(lines(out)) == 45
    again = {request.path for request in sandbox.requests[sent:]}
    assert not any(f"/api/sessions/{name}/transcripts" in again for name in names[:10])


async def test_a_cancelled_export_keeps_what_it_has(sandbox, user, out):
    """Ctrl-C in the middle: what was read is in the file, and the same call goes on."""
    told: list[ExportProgress] = []
    task = asyncio.create_task(sessions(user, out, on_event=told.append))
    async with asyncio.timeout(20):
        while not any(event.stage == "fetching" and event.done >= 5 for event in told):
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    kept = ids(out)

    assert len(kept) >= 5
    report = await sessions(user, out)
    assert report.resumed
    assert set(kept) <= set(ids(out))
    assert set(ids(out)) == set(there(sandbox))
    assert len(ids(out)) == 45


async def test_a_listing_goes_on_with_the_page_that_failed(sandbox, user, out):
    """Of a pass that was stopped, only the rest is read."""
    events = when("listing", 3, lambda: sandbox.fail(500, path="/api/sessions"))
    with pytest.raises(ServerError):
        await sessions(user.with_options(retries=ONCE), out, children=False, on_event=events.append)
    sandbox.heal()
    sent = len(sandbox.requests)
    await sessions(user, out, children=False)

    failed = next(request for request in sandbox.requests[:sent] if request.status == 500)
    assert sandbox.requests[sent].query["page"] == failed.query["page"] == "3"
    assert set(ids(out)) == set(there(sandbox))


async def test_progress_ends_where_it_said(sandbox, user, out):
    """Rows are counted up to their total, and the estimate of requests left falls to 0 from about the right number."""
    events: list[ExportProgress] = []
    report = await sessions(user, out, on_event=events.append)

    first_estimate = next(event for event in events if event.requests_left is not None)
    assert first_estimate.requests + first_estimate.requests_left == pytest.approx(report.requests, abs=2)
    assert (events[-1].stage, events[-1].done, events[-1].total, events[-1].requests_left) == ("finishing", 45, 45, 0)
    assert events[0].total is None
    done = [event.done for event in events if event.stage == "fetching"]
    assert done == sorted(done)
    assert [event.seconds_left is None for event in events] == [event.requests_left is None for event in events]


async def test_a_total_is_told_as_soon_as_its_list_has_ended(sandbox, user, tmp_path):
    """Not with the next answer, for which an export may wait a minute. The same holds for the stage after the lists."""
    sandbox.load({"rooms": [{"name": "Blue"}]})
    told: list[tuple[ExportProgress, str]] = []

    def hear(event: ExportProgress) -> None:
        told.append((event, sandbox.requests[-1].path if sandbox.requests else ""))

    await export(user, ["rooms", "sessions"], NDJSONSink(tmp_path / "out"), state=tmp_path / "state", on_event=hear)

    for resource, rows in ("rooms", 1), ("sessions", 45):
        event, path = next((event, path) for event, path in told if event.resource == resource and event.total)
        assert (event.stage, event.total, path) == ("listing", rows, f"/api/{resource}")
    event, path = next((event, path) for event, path in told if event.stage == "fetching")
    assert (event.resource, path) == ("sessions", "/api/sessions")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are text")
async def test_a_place_whose_name_is_no_text(user, tmp_path):
    """Linux takes any bytes; the state knows the place by them."""
    out = tmp_path / os.fsdecode(b"\xe9.ndjson")
    first, again = [await sessions(user, out, children=False) for _ in range(2)]

    assert (len(ids(out)), first.resources["sessions"].added, again.resources["sessions"].added) == (45, 45, 0)
    with pytest.raises(ExportError, match=r"knows nothing of it: .*state does, so give it as the state"):
        await export(user, ["sessions"], NDJSONSink(out), state=tmp_path / "other", children=False)


@pytest.mark.parametrize("kind", [RuntimeError, asyncio.CancelledError])
async def test_a_listener_that_fails_breaks_nothing(user, out, caplog, kind):
    """It is logged; what a cancelled future raises does not stop the export."""

    def fail(event: object) -> None:
        raise kind("listener")

    await sessions(user, out, children=False, on_event=fail)

    assert len(ids(out)) == 45
    assert "on_event raised" in caplog.text


@pytest.mark.parametrize("resources", [[], ["sessionz"], "session"])
async def test_a_resource_that_does_not_exist_is_refused(user, tmp_path, resources):
    """Before anything is made or sent, and the message lists those that do."""
    with pytest.raises(ValueError, match="booking_pages, bookings, rooms, sessions, events"):
        await export(user, resources, NDJSONSink(tmp_path / "out"), state=tmp_path / "state")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("resources", "options", "said"),
    [
        ("sessions", {"on_error": "ignore"}, "on_error is 'stop' or 'skip', not 'ignore'"),
        ("sessions", {"vanished": "forget"}, "vanished is 'keep', 'mark' or 'delete', not 'forget'"),
        ("sessions", {"children": ["notes"]}, "children are some of .*, not 'notes'"),
        ("rooms", {"children": "notes"}, "rooms have no children: leave 'notes' out"),
        ("sessions", {"sink": []}, "an export needs a sink"),
    ],
)
async def test_an_argument_that_makes_no_sense_is_refused(user, tmp_path, resources, options, said):
    """Before anything is made or sent."""
    arguments = {"sink": NDJSONSink(tmp_path / "out"), "state": tmp_path / "state", **options}
    with pytest.raises(ValueError, match=said):
        await export(user, resources, **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"refresh_children": "2d"}, "refresh_children is a timedelta, such as .*, not '2d'"),
        ({"full_every": 7}, "full_every is a timedelta, such as .*, not 7"),
        ({"quick": "no"}, "quick is True or False, not 'no'"),
        ({"new_key": None}, "new_key is True or False, not None"),
        ({"on_event": 1}, "on_event is a function that takes an event, not 1"),
    ],
)
async def test_an_argument_of_another_kind_is_refused(sandbox, user, tmp_path, options, said):
    """Also one that is looked at late, or not at all in this run."""
    with pytest.raises(TypeError, match=said):
        await export(user, ["sessions"], NDJSONSink(tmp_path / "out"), state=tmp_path / "state", **options)
    assert (list(tmp_path.iterdir()), sandbox.requests) == ([], [])


async def test_two_exports_of_one_job_at_once(sandbox, user, out):
    """The second says so and stops; the first is not disturbed."""
    started = asyncio.Event()
    task = asyncio.create_task(sessions(user, out, on_event=lambda event: started.set()))
    await asyncio.wait_for(started.wait(), 10)
    with pytest.raises(ExportError, match=r"out\.state is in use: another export of this job is running"):
        await sessions(user, out)

    assert (await task).resources["sessions"].rows == 45
    assert len(ids(out)) == 45
