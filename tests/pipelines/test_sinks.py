"""The two file sinks alone: each write replaces a whole file, and neither touches what is not its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pipelines.conftest import lines

from sessions_us import ExportError
from sessions_us.pipelines import NDJSONSink, ParquetSink, Sink

ROOMS = ["rooms"]


def room(number: int, name: str = "Studio") -> dict[str, Any]:
    return {"id": f"r{number}", "name": name, "slug": None, "description": "x" * 50}


def names(path: Path) -> list[tuple[str, str]]:
    """Id and name of each row that a reader of the whole place sees."""
    if path.suffix == ".ndjson":
        return [(row["id"], row["name"]) for row in lines(path)]
    with pq.ParquetFile(path / "rooms.parquet") as file:
        return [(row["id"], row["name"]) for row in file.read().to_pylist()]


@pytest.fixture(params=["ndjson", "parquet"])
def make(request: pytest.FixtureRequest, tmp_path: Path):
    """Makes the same sink again and again, as processes do that come after each other."""
    path = tmp_path / ("rooms.ndjson" if request.param == "ndjson" else "out")

    def made() -> Sink:
        return NDJSONSink(path) if request.param == "ndjson" else ParquetSink(path)

    made.path = path
    return made


def written(make, *rows: dict[str, Any], checkpoint: str | None = None) -> str:
    """Open a sink, write rows, and close it. Returns the checkpoint."""
    sink = make()
    sink.open(checkpoint, ROOMS)
    sink.write("rooms", rows)
    checkpoint = sink.commit()
    sink.close()
    return checkpoint


def test_a_write_replaces_all_rows(make):
    """In the order in which they are given."""
    checkpoint = written(make, room(1), room(2))
    written(make, room(3), room(1, "New"), checkpoint=checkpoint)

    assert names(make.path) == [("r3", "Studio"), ("r1", "New")]


def test_a_run_without_a_write_changes_nothing(make):
    """So that the next one finds what was committed, and need not write it again."""
    checkpoint = written(make, room(1))
    for _ in range(2):
        sink = make()
        assert sink.open(checkpoint, ROOMS)
        sink.close()


def test_a_write_that_fails_leaves_the_rows_that_were_there(make):
    """Whole, and no other file beside them."""
    written(make, room(1))
    before = {path: path.read_bytes() for path in make.path.parent.rglob("*") if path.is_file()}

    def rows():
        yield room(2)
        raise OSError("no more")

    sink = make()
    sink.open("", ROOMS)
    with pytest.raises(OSError, match="no more"):
        sink.write("rooms", rows())
    sink.close()

    assert {path: path.read_bytes() for path in make.path.parent.rglob("*") if path.is_file()} == before


def test_what_a_killed_process_left_is_no_hindrance(make):
    """Half a new file goes with the next write."""
    checkpoint = written(make, room(1))
    (file,) = [path for path in make.path.parent.rglob("rooms.*") if path.is_file()]
    (file.parent / f".{file.name}.new").write_text("half")
    written(make, room(2), checkpoint=checkpoint)

    assert names(make.path) == [("r2", "Studio")]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_somebody_else_wrote_is_not_touched(make):
    """Where the state has never written, what is there is not ours."""
    written(make, room(1))
    before = names(make.path)
    with pytest.raises(ExportError, match="the state knows nothing of"):
        make().open(None, ROOMS)

    assert names(make.path) == before


@pytest.mark.parametrize("how", ["gone", "short", "edited", "as it was"])
def test_a_file_that_is_another_is_told(make, how):
    """Then the export writes all rows again."""
    checkpoint = written(make, room(1), room(2))
    (file,) = [path for path in make.path.parent.rglob("rooms.*") if path.is_file()]
    content = file.read_bytes()
    match how:
        case "gone":
            file.unlink()
        case "short":
            file.write_bytes(content[:-5])
        case "edited":
            file.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])
    sink = make()

    assert sink.open(checkpoint, ROOMS) is (how == "as it was")
    sink.close()


def test_ndjson_takes_whatever_json_can_hold(tmp_path):
    """Line breaks of all kinds, half a surrogate pair, numbers of any size: one line each, and the same when read."""
    odd = {"id": "1", "text": "a\nb\r\u2028\u0085c", "half": "\ud83d", "big": 10**40, "deep": {"ä": [None, True, 1.5]}}
    sink = NDJSONSink(tmp_path / "rooms.ndjson")
    sink.open(None, ROOMS)
    sink.write("rooms", [odd, {"no": "id"}, {"no": "id"}])
    sink.close()
    content = (tmp_path / "rooms.ndjson").read_bytes()

    assert [json.loads(line) for line in content.splitlines()] == [odd, {"no": "id"}, {"no": "id"}]


@pytest.mark.parametrize(
    ("path", "resources", "files"),
    [
        ("rooms.ndjson", ["rooms"], ["rooms.ndjson"]),
        ("rooms.jsonl", ["rooms"], ["rooms.jsonl"]),
        ("out", ["rooms"], ["out/rooms.ndjson"]),
        ("out", ["rooms", "events"], ["out/events.ndjson", "out/rooms.ndjson"]),
    ],
)
def test_where_ndjson_goes(tmp_path, path, resources, files):
    """One resource may have a file of its own name; several have a directory."""
    sink = NDJSONSink(tmp_path / path)
    sink.open(None, resources)
    sink.close()

    assert sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*.*") if each.is_file()) == files


def test_several_resources_do_not_fit_into_one_file(tmp_path):
    """Nor does a directory go where a file is."""
    with pytest.raises(ExportError, match="several resources need a directory"):
        NDJSONSink(tmp_path / "out.ndjson").open(None, ["rooms", "events"])
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ExportError, match="is a file"):
        NDJSONSink(tmp_path / "out").open(None, ROOMS)
    with pytest.raises(ExportError, match="is a file"):
        ParquetSink(tmp_path / "out").open(None, ROOMS)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a file has no mode, and links need a right of their own")
def test_a_file_that_is_written_rewritten_stays_what_it_was(tmp_path):
    """As private as its owner made it, and where a link points to."""
    real = tmp_path / "disk" / "rooms.ndjson"
    real.parent.mkdir()
    link = tmp_path / "rooms.ndjson"
    link.symlink_to(real)
    sink = NDJSONSink(link)
    sink.open(None, ROOMS)
    real.chmod(0o600)
    sink.write("rooms", [room(1, "Loft")])
    sink.close()

    assert names(real) == [("r1", "Loft")]
    assert real.stat().st_mode & 0o777 == 0o600
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["disk", "rooms.ndjson", "rooms.ndjson"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there is no such lock")
def test_two_at_once_with_states_of_their_own(make):
    """The second is told, before and after the first has written, and may come when the first is closed."""
    first, second = make(), make()
    first.open(None, ROOMS)
    for _ in range(2):
        with pytest.raises(ExportError, match="is in use: another export writes there"):
            second.open("", ROOMS)
        second.close()
        first.write("rooms", [room(1)])
    first.close()
    second.open("", ROOMS)
    second.close()

    assert names(make.path) == [("r1", "Studio")]
