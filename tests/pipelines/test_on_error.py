"""`export(on_error="skip")`: one row that can't be read stops nothing, and is lost to nobody."""

from __future__ import annotations

import json
import logging

import pytest
from pipelines.conftest import asked, change, lines, there
from pipelines.test_export import ONCE, end_all, sessions
from support.further import further

from sessions_us import DecodeError, StatusError
from sessions_us.pipelines import RowIds, note_webhook
from sessions_us.webhooks import parse_webhook

pytestmark = pytest.mark.anyio


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.ndjson"


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "no json"), (403, "{}"), (500, "{}"), *further((400, "{}"), (403, "no json"), (422, "{}"))],
)
async def test_a_row_that_can_not_be_read_is_skipped_on_request(sandbox, user, out, status, body):
    """All others are there; that one has what could be read, is told and not settled, and the next run mends it."""
    end_all(sandbox)
    one = list(there(sandbox))[7]
    sandbox.fail(status, times=100, path=f"/api/sessions/{one}/transcripts", body=body)
    quick = user.with_options(retries=ONCE)
    with pytest.raises((StatusError, DecodeError)):
        await sessions(quick, out)
    first = await sessions(quick, out, on_error="skip")
    rows = {row["id"]: row for row in lines(out)}
    whole = there(sandbox)[one]
    again = await sessions(quick, out, on_error="skip")

    assert (first.resources["sessions"].failed, again.resources["sessions"].failed) == (RowIds(1, (one,)),) * 2
    assert rows == there(sandbox) | {one: rows[one]}
    assert rows[one] == {name: value for name, value in whole.items() if name != "transcripts"}

    sandbox.heal()
    last = (await sessions(quick, out)).resources["sessions"]
    assert (last.changed, last.failed) == (1, RowIds())
    assert {row["id"]: row for row in lines(out)}[one] == whole


async def test_a_skipped_row_in_the_log(sandbox, user, out, caplog):
    """What it lacks, the status and the request, without its id: the report has that."""
    end_all(sandbox)
    one = list(there(sandbox))[7]
    sandbox.fail(500, times=100, path=f"/api/sessions/{one}/transcripts", headers={"x-request-id": "abc"})
    with caplog.at_level(logging.INFO, "sessions_us"):
        await sessions(user.with_options(retries=ONCE), out, on_error="skip")

    told = [record.getMessage() for record in caplog.records if record.name == "sessions_us"]
    assert "sessions: transcripts of a row got 500 (request abc)" in told
    assert not [line for line in told if one in line]


async def test_a_skipped_row_that_the_sink_has_stays(sandbox, user, out):
    """What an earlier run read whole is not overwritten by less."""
    session = next(row["id"] for row in there(sandbox).values() if row["transcripts"])
    change(sandbox, session, endedAt=None)
    await sessions(user, out)
    change(sandbox, session, name="Renamed")
    sandbox.fail(403, path=f"/api/sessions/{session}/transcripts")
    report = (await sessions(user, out, on_error="skip")).resources["sessions"]

    assert report.failed.ids == (session,)
    assert {row["id"]: row for row in lines(out)}[session]["transcripts"]
    await sessions(user, out)
    assert {row["id"]: row for row in lines(out)}[session] == there(sandbox)[session]


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_what_is_no_rows_fault_stops_all_the_same(sandbox, user, out, status):
    """A key or quota that is refused, a server that fails for one row after the other: the rest is not asked for."""
    sandbox.fail(status, times=1_000, path="/api/sessions/*/transcripts")
    with pytest.raises(StatusError):
        await sessions(user.with_options(retries=ONCE), out, on_error="skip")
    assert len(asked(sandbox, "/transcripts")) == (5 if status == 500 else 1)

    sandbox.heal()
    report = (await sessions(user, out)).resources["sessions"]
    assert report.failed == RowIds(), "its pass that verifies asks again for what failed in the process before"
    assert {row["id"]: row for row in lines(out)} == there(sandbox)


@pytest.mark.parametrize("noted", [False, True])
async def test_a_quick_run_asks_again_for_what_failed(sandbox, user, out, noted):
    """In every run, far down the list too, told until it is read; a webhook's note survives the failure."""
    end_all(sandbox)
    one = next(iter(there(sandbox)))
    path = f"/api/sessions/{one}/takeaways"
    once = user.with_options(retries=ONCE)
    if noted:
        await sessions(once, out)
        change(sandbox, one, takeaways="Edited")
        delivery = {"trigger": "TAKEAWAY_READY", "data": {"session": {"id": one, "takeawaysText": "x"}}}
        assert note_webhook(out.with_suffix(".state"), parse_webhook(json.dumps(delivery)))
    sandbox.fail(403, times=100, path=path)
    if not noted:
        await sessions(once, out, on_error="skip")
    runs = [await sessions(once, out, on_error="skip", quick=True) for _ in range(3)]
    sent = len(asked(sandbox, path))
    sandbox.heal()
    last = await sessions(once, out, on_error="skip", quick=True)
    settled = await sessions(once, out, on_error="skip", quick=True)

    assert [(run.quick, run.resources["sessions"].failed.ids) for run in runs] == [(True, (one,))] * 3
    assert sent == len(runs) + 1, "once in each run"
    assert last.resources["sessions"].failed == settled.resources["sessions"].failed == RowIds()
    assert len(asked(sandbox, path)) == sent + 1
    assert {row["id"]: row for row in lines(out)} == there(sandbox)


async def test_another_on_error_is_refused(user, out):
    """Before anything is made."""
    with pytest.raises(ValueError, match="'stop' or 'skip', not 'ignore'"):
        await sessions(user, out, on_error="ignore")
    assert list(out.parent.iterdir()) == []
