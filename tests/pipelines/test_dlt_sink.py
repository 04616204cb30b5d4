"""`DltSink`: rows merged into DuckDB and PostgreSQL, looked at past dlt."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.databases import Database

from sessions_us import ConfigurationError, ExportError
from sessions_us.pipelines import DltSink

MOMENT = "2026-03-01T09:30:00.250Z"


@pytest.fixture
def dataset(request: pytest.FixtureRequest) -> str:
    """A schema of the test's own, since the server is shared."""
    return f"d{abs(hash(request.node.name)):x}"


@pytest.fixture
def sink(database: Database, dataset: str, tmp_path: Path) -> Iterator[DltSink]:
    sink = DltSink(database.url, dataset=dataset, pipelines_dir=tmp_path / "work")
    sink.open(None, ["sessions", "rooms"])
    yield sink
    sink.close()


def session(id: str, **fields: Any) -> dict[str, Any]:
    participants = [{"id": f"{id}-p{n}", "isOwner": n == 0, "user": None, "guest": {"id": "g"}} for n in range(3)]
    transcripts = [
        {"participantId": f"{id}-p0", "sourceTimestamp": MOMENT, "content": [{"text": "Hi", "language": "en"}]}
    ]
    takeaways = {"takeawaysText": "Done.", "takeawaysRaw": {"type": "doc", "content": [{"type": "p", "content": [{}]}]}}
    row = {"id": id, "name": "Kick-off", "startAt": MOMENT, "quickSession": False, "room": None, "endedAt": None}
    return {**row, "participants": participants, "transcripts": transcripts, "takeaways": takeaways, **fields}


def test_a_row_supersedes_the_one_with_its_id(database: Database, dataset: str, sink: DltSink) -> None:
    """Within a commit and across commits the last one stays, with what hangs on it and nothing of the others."""
    sink.write("sessions", [session("a"), session("b")])
    sink.write("sessions", [session("b", name="Retro")])
    sink.commit()
    sink.write("sessions", [session("a", name="Demo", participants=[{"id": "only"}], takeaways=None)])
    sink.commit()

    assert database.rows(f"SELECT id, name, takeaways__takeaways_text FROM {dataset}.sessions ORDER BY id") == [
        ("a", "Demo", None),
        ("b", "Retro", "Done."),
    ]
    participants = f"SELECT s.id, p.id FROM {dataset}.sessions__participants p JOIN {dataset}.sessions s"
    assert database.rows(f"{participants} ON p._dlt_parent_id = s._dlt_id ORDER BY 1, 2") == [
        ("a", "only"),
        ("b", "b-p0"),
        ("b", "b-p1"),
        ("b", "b-p2"),
    ]
    assert database.rows(f"SELECT count(*) FROM {dataset}.sessions__participants") == [(4,)]


def test_a_list_that_becomes_empty_is_empty(database: Database, dataset: str, sink: DltSink) -> None:
    """No row of an inner list outlives its parent's, however deep."""
    sink.write("sessions", [session("a")])
    sink.commit()
    sink.write("sessions", [session("a", participants=[], transcripts=[])])
    sink.commit()

    for table in ("sessions__participants", "sessions__transcripts", "sessions__transcripts__content"):
        assert database.rows(f"SELECT count(*) FROM {dataset}.{table}") == [(0,)], table
    assert database.rows(f"SELECT id FROM {dataset}.sessions") == [("a",)]


def test_fields_that_would_share_a_column_are_both_there(database: Database, dataset: str, sink: DltSink) -> None:
    """The column has the field that the document knows, wherever it stands in the row; the others are beside it as JSON, and
    so is what has no name."""
    room = {
        "id": "r",
        "NAME": "Other",
        "name": "Studio",
        "Name": "Third",
        "time_zone": "a",
        "timeZone": "b",
        " ": "blank",
    }
    sink.write("rooms", [room, {"id": "q", "NAME": "Alone"}])
    sink.write("sessions", [session("a", room={"SLUG": "x", "slug": "blue"}, PARTICIPANTS=[{"id": "lost?"}])])
    sink.commit()

    rooms = database.rows(f"SELECT id, name, time_zone, additional_properties FROM {dataset}.rooms ORDER BY id")
    assert rooms[0] == ("q", "Alone", None, None)
    assert rooms[1][:3] == ("r", "Studio", "b")
    assert json.loads(rooms[1][3]) == {"NAME": "Other", "Name": "Third", "time_zone": "a", " ": "blank"}
    asked = f"SELECT room__slug, room__additional_properties, additional_properties FROM {dataset}.sessions"
    assert database.rows(asked) == [("blue", '{"SLUG":"x"}', '{"PARTICIPANTS":[{"id":"lost?"}]}')]
    assert database.rows(f"SELECT count(*) FROM {dataset}.sessions__participants") == [(3,)]


def test_numbers_that_json_does_not_have_are_text(database: Database, dataset: str, sink: DltSink) -> None:
    """dlt would write them as null."""
    sink.write("rooms", [{"id": "r", "size": float("nan"), "more": {"least": float("-inf")}}])
    sink.commit()

    assert database.rows(f"SELECT size, more__least FROM {dataset}.rooms") == [("NaN", "-Infinity")]


def test_a_field_that_is_nested_too_deep_is_text(database: Database, dataset: str, sink: DltSink) -> None:
    """dlt gives up somewhere beyond, and would at each try: so it gets what it need not follow."""
    deep: Any = "x"
    for _ in range(150):
        deep = [{"a": deep}]
    sink.write("rooms", [{"id": "r", "odd": deep}])
    sink.write("sessions", [session("a", takeaways={"takeawaysText": "t", "takeawaysRaw": {"content": deep}})])
    sink.commit()

    assert json.loads(str(database.rows(f"SELECT odd FROM {dataset}.rooms")[0][0])) == deep
    ((text,),) = database.rows(f"SELECT takeaways FROM {dataset}.sessions")
    assert json.loads(str(text))["takeawaysRaw"] == {"content": deep}


def test_types_are_those_of_the_document(database: Database, dataset: str, sink: DltSink) -> None:
    """Columns have their types though no row has a value for them, and there are no tables that nobody described."""
    sink.write("sessions", [{"id": "a", "createdAt": MOMENT, "takeaways": session("a")["takeaways"]}])
    sink.commit()

    columns = database.columns(dataset, "sessions")
    assert {name: columns[name] for name in ("id", "quick_session", "start_at", "room__slug", "booking__id")} == {
        "id": "varchar" if "duckdb" in database.url else "character varying",
        "quick_session": "boolean",
        "start_at": "timestamp with time zone",
        "room__slug": columns["id"],
        "booking__id": columns["id"],
    }
    assert columns["takeaways__takeaways_raw__content"] in {"json", "jsonb"}
    assert columns["booking__guests"] in {"json", "jsonb"}
    assert database.tables(dataset) == {"sessions"}
    seconds = f"SELECT EXTRACT(EPOCH FROM created_at)::DOUBLE PRECISION FROM {dataset}.sessions"
    assert database.rows(seconds) == [(1772357400.25,)]


def test_nothing_that_surprises_is_lost(database: Database, dataset: str, sink: DltSink) -> None:
    """Unknown fields get columns, values of a wrong type stand beside their columns, and what no database holds is written
    out."""
    odd: dict[str, Any] = {"startAt": "soon", "quickSession": {"is": "odd"}, "name": "a\0b\ud800", "newField": 2**70}
    deep = {"deep": [{"one": [{"two": [{"three": [1]}]}]}]}
    sink.write("sessions", [{"id": "a", **odd, **deep, "isNew": True}, {"id": 7, "name": "Number"}])
    sink.write("sessions", [{"name": "No id"}, {"name": "No id"}, {"id": None, "name": "Null"}])
    sink.commit()

    values = "name, start_at__v_text, quick_session__is, new_field, is_new"
    assert database.rows(f"SELECT {values} FROM {dataset}.sessions WHERE id = 'a'") == [
        ("a\\u0000b\\ud800", "soon", "odd", str(2**70), True)
    ]
    assert sorted(database.rows(f"SELECT id LIKE 'without id: %', name FROM {dataset}.sessions WHERE id <> 'a'")) == [
        (False, "Number"),
        (True, "No id"),
        (True, "Null"),
    ]
    ((kept,),) = database.rows(f"SELECT two FROM {dataset}.sessions__deep__one")
    assert (json.loads(kept) if isinstance(kept, str) else kept) == [{"three": [1]}]


def test_what_was_not_committed_is_forgotten(database: Database, dataset: str, sink: DltSink, tmp_path: Path) -> None:
    """Closing writes nothing and leaves no file; the next one goes on after the checkpoint, whatever rows it gets again."""
    sink.write("rooms", [{"id": "r1"}])
    first = sink.commit()
    sink.write("rooms", [{"id": "r2"}])
    second = sink.commit()
    sink.write("rooms", [{"id": "lost"}])
    sink.close()
    assert list((tmp_path / "work").iterdir()) == []

    again = DltSink(database.url, dataset=dataset, pipelines_dir=tmp_path / "work")
    assert again.identity == sink.identity
    again.open(first, ["rooms"])
    again.write("rooms", [{"id": "r2", "name": "again"}])
    third = again.commit()
    assert again.commit() == third, "there was nothing to load"
    again.close()

    assert len({first, second, third}) == 3
    assert database.rows(f"SELECT id, name FROM {dataset}.rooms ORDER BY id") == [("r1", None), ("r2", "again")]


def test_a_database_without_the_load_is_told(database: Database, dataset: str, sink: DltSink) -> None:
    """Then the export writes all rows again. One that no load was made for yet lacks nothing."""
    assert sink.open("1700000000.1", ["rooms"]) is False
    assert sink.open(None, ["rooms"]) is True
    sink.write("rooms", [{"id": "r1"}])
    checkpoint = sink.commit()
    assert sink.open(checkpoint, ["rooms"]) is True
    assert sink.open("1700000000.1", ["rooms"]) is False


def test_rows_can_be_deleted(database: Database, dataset: str, sink: DltSink) -> None:
    """With what hangs on them, and no other row."""
    sink.write("sessions", [session("a"), session("b")])
    sink.commit()
    sink.write("sessions", [session("c")], ["a"])
    sink.commit()

    assert database.rows(f"SELECT id FROM {dataset}.sessions ORDER BY id") == [("b",), ("c",)]
    assert database.rows(f"SELECT count(*) FROM {dataset}.sessions__participants") == [(6,)]
    sink.write("sessions", [session("a")])
    sink.commit()
    assert database.rows(f"SELECT id FROM {dataset}.sessions ORDER BY id") == [("a",), ("b",), ("c",)]


def test_a_marked_row_has_a_timestamp(database: Database, dataset: str, sink: DltSink) -> None:
    """`deleted_at` is a column as any other."""
    sink.write("rooms", [{"id": "r", "deleted_at": MOMENT}])
    sink.commit()

    assert database.columns(dataset, "rooms")["deleted_at"] == "timestamp with time zone"


def test_an_export_of_nothing_goes_on(database: Database, sink: DltSink) -> None:
    """An empty account has a checkpoint too."""
    checkpoint = sink.commit()
    sink.open(checkpoint, ["rooms"])
    assert sink.commit() == checkpoint


def test_a_commit_that_failed_can_be_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was written is kept until the database has it, and no failed load stands in the way; the error is told once."""
    database = Database(f"duckdb:///{tmp_path}/out.duckdb")
    sink = DltSink(database.url, dataset="d")
    sink.open(None, ["rooms"])
    sink.write("rooms", [{"id": "r1", "description": "Large"}])
    sink.commit()
    sink.write("rooms", [{"id": "r2"}])
    database.rows("ALTER TABLE d.rooms ALTER COLUMN description SET NOT NULL")
    with pytest.raises(ExportError, match=r"out\.duckdb did not take the rows: .*NOT NULL.*run the same export again"):
        sink.commit()
    assert capfd.readouterr().err == ""

    database.rows("ALTER TABLE d.rooms ALTER COLUMN description DROP NOT NULL")
    sink.commit()
    sink.close()
    assert database.rows("SELECT id FROM d.rooms ORDER BY id") == [("r1",), ("r2",)]


@contextmanager
def opened_elsewhere(file: Path, *, read_only: bool) -> Iterator[int]:
    """A process that has a DuckDB file open; gives its id."""
    program = "import duckdb, sys; it = duckdb.connect(sys.argv[1], read_only=bool(sys.argv[2])); print(); input()"
    command = [sys.executable, "-c", program, str(file), "yes" if read_only else ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process.pid
        process.communicate(b"\n")


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_that_somebody_has_open(tmp_path: Path, read_only: bool) -> None:
    """One line names the file and the process, at the start and at a load; once it is closed, the rows are taken."""
    file = tmp_path / "out.duckdb"
    sink = DltSink(f"duckdb:///{file}", dataset="d")
    sink.open(None, ["rooms"])
    sink.write("rooms", [{"id": "r1"}])
    checkpoint = sink.commit()
    sink.write("rooms", [{"id": "r2"}])
    with opened_elsewhere(file, read_only=read_only) as holder:
        said = (
            rf"{re.escape(str(file))} is open in \S+ \(PID {holder}\).*: close it there, and run the same export again$"
        )
        with pytest.raises(ExportError, match=said):
            sink.commit()
        with pytest.raises(ExportError, match=said):
            DltSink(f"duckdb:///{file}", dataset="d").open(checkpoint, ["rooms"])
    sink.commit()
    sink.close()

    assert Database(f"duckdb:///{file}").rows("SELECT id FROM d.rooms ORDER BY id") == [("r1",), ("r2",)]


def test_a_file_that_this_process_has_open(tmp_path: Path) -> None:
    """To read, which DuckDB does not let a process do beside a writer."""
    file = tmp_path / "out.duckdb"
    duckdb.connect(str(file)).close()
    with (
        duckdb.connect(str(file), read_only=True),
        pytest.raises(ExportError, match=r"out\.duckdb is open in this process: close it there, and run"),
    ):
        DltSink(f"duckdb:///{file}", dataset="d").open(None, ["rooms"])


@pytest.mark.parametrize("url", ["duckdb:///sessions.duckdb", "duckdb:///data.v2.db"])
def test_the_documented_url_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """DuckDB names a database after its file, so the dataset that is not chosen has another name."""
    monkeypatch.chdir(tmp_path)
    sink = DltSink(url)
    sink.open(None, ["rooms"])
    sink.write("rooms", [{"id": "r1"}])
    sink.commit()
    sink.close()

    database = Database(f"duckdb:///{tmp_path}/{url.removeprefix('duckdb:///')}")
    assert database.rows("SELECT id FROM sessions_us.rooms") == [("r1",)]


@pytest.mark.parametrize(
    ("file", "dataset"), [("sessions_us.duckdb", "sessions_us"), ("Rows.v2.duckdb", "rows"), ("rows", "Rows")]
)
def test_a_file_with_the_name_of_its_dataset_is_refused_at_once(tmp_path: Path, file: str, dataset: str) -> None:
    """Before anything is sent or made, in one line that says what to do."""
    with pytest.raises(ConfigurationError, match="give the file another name, or DltSink another dataset"):
        DltSink(f"duckdb:///{tmp_path}/{file}", dataset=dataset)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("destination", "said"),
    [
        ("nowhere", "dlt knows no destination 'nowhere'"),
        ("nowhere://user:hunter2@host/db", "dlt knows no destination 'nowhere'"),
        ("postgres", "'postgres' lacks .*password"),
        ("postgresql://user@host/db", "'postgres' lacks password"),
        ("postgresql://user:hunter2@host:port/db", "'postgres' can't be used: look at its host and port"),
        ("duckdb:///:memory:", "'duckdb' can't be used: .*in-memory"),
        ("postgresql://user:no@hunter2@host/db", "'postgres' can't be used: write an @ in a password as %40"),
    ],
)
def test_a_destination_that_can_not_be_meant_is_said_at_once(destination: str, said: str) -> None:
    """One line, before anything is read or written."""
    with pytest.raises(ConfigurationError, match=said) as raised:
        DltSink(destination)
    assert "\n" not in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_destination_that_only_appends_is_refused(tmp_path: Path) -> None:
    """Files would hold rows twice after a restart."""
    import dlt

    with pytest.raises(ConfigurationError, match="filesystem can't replace rows"):
        DltSink(dlt.destinations.filesystem(str(tmp_path)))


def test_a_server_that_is_not_there_is_said_in_a_line_without_the_password(tmp_path: Path) -> None:
    """The place is named as far as it is no secret."""
    sink = DltSink("postgresql://ada:hunter2@127.0.0.1:1/db", pipelines_dir=tmp_path)
    with pytest.raises(
        ExportError, match=r"127\.0\.0\.1:1/db can't be reached: connection to server .*refused"
    ) as raised:
        sink.open(None, ["rooms"])
    assert "hunter2" not in f"{raised.value}{sink.identity}"
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys
from sessions_us.pipelines import DltSink

url, mark, work = sys.argv[1:]
sink = DltSink(url, dataset="d", pipelines_dir=work)
sink.open(mark, ["sessions"])  # an export tells its state of the sink before it loads anything
for batch in range(2):
    sink.write("sessions", [{"id": f"{batch}-{n}", "participants": [{"id": "p"}, {"id": "q"}]} for n in range(50)])
    print(sink.commit(), flush=True)
"""
MOMENTS = [
    "",
    "normalize/extracted/*",
    "load/new/*",
    "load/normalized/*",
    "load/normalized/*/started_jobs/*",
    "load/loaded/*",
]


@pytest.mark.further
def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed as each of dlt's steps begins, and started again with the last checkpoint that was told."""
    url, checkpoint, killed = f"duckdb:///{tmp_path}/out.duckdb", "", 0
    for number, moment in enumerate([*MOMENTS, None]):
        work = tmp_path / f"work{number}"
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, url, checkpoint, str(work)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ},
        ) as process:
            while process.poll() is None and (moment is None or not any(work.glob(f"*/*/{moment}"))):
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            assert process.stdout is not None
            checkpoint = next(reversed(process.stdout.read().split()), checkpoint)
        assert process.returncode in ({0} if moment is None else {0, -signal.SIGKILL})
        killed += process.returncode != 0

    assert killed >= len(MOMENTS) // 2, "the moments were missed"
    database = Database(url)
    assert database.rows("SELECT count(*), count(DISTINCT id) FROM d.sessions") == [(100, 100)]
    pairs = "SELECT count(*), count(DISTINCT (_dlt_parent_id, id)) FROM d.sessions__participants"
    assert database.rows(pairs) == [(200, 200)]
    orphans = (
        "SELECT count(*) FROM d.sessions__participants WHERE _dlt_parent_id NOT IN (SELECT _dlt_id FROM d.sessions)"
    )
    assert database.rows(orphans) == [(0,)]


@pytest.mark.further
def test_no_run_of_ours_tells_dlts_makers(tmp_path: Path) -> None:
    """Where nobody has decided on dlt's telemetry, the sink decides against it."""
    code = """
import sys
from sessions_us.pipelines import DltSink
sink = DltSink(sys.argv[1])
sink.open(None, ["rooms"])
sink.write("rooms", [{"id": "r"}])
sink.commit()
from dlt.common.runtime import anon_tracker, telemetry
print(telemetry.is_telemetry_started(), anon_tracker._ANON_TRACKER_ENDPOINT)
"""
    environment = {name: value for name, value in os.environ.items() if name != "RUNTIME__DLTHUB_TELEMETRY"}
    environment["RUNTIME__DLTHUB_TELEMETRY_ENDPOINT"] = "http://127.0.0.1:1"  # should this fail
    done = subprocess.run(
        [sys.executable, "-c", code, f"duckdb:///{tmp_path}/out.duckdb"],
        capture_output=True, text=True, check=True, env=environment, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "None"]
