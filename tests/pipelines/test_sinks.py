"""The two file sinks alone: what a crash between any two steps leaves, and what each refuses to touch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pipelines.conftest import ids, lines

from sessions_us import ExportError
from sessions_us.pipelines import NDJSONSink, ParquetSink, Sink

ROOMS = ["rooms"]


def room(number: int, name: str = "Studio") -> dict[str, Any]:
    return {"id": f"r{number}", "name": name, "slug": None, "description": "x" * 50}


def names(path: Path) -> list[tuple[str, str]]:
    """Id and name of each row that a reader of the whole place sees."""
    if path.suffix == ".ndjson":
        return [(row["id"], row["name"]) for row in lines(path)]
    table = pq.read_table(path / "rooms", columns=["id", "name"])
    return [(row["id"], row["name"]) for row in table.to_pylist()]


@pytest.fixture(params=["ndjson", "parquet"])
def make(request: pytest.FixtureRequest, tmp_path: Path):
    """Makes the same sink again and again, as processes do that come after each other."""
    path = tmp_path / ("rooms.ndjson" if request.param == "ndjson" else "out")

    def made() -> Sink:
        return NDJSONSink(path) if request.param == "ndjson" else ParquetSink(path)

    made.path = path
    return made


def begun(make) -> tuple[Sink, str]:
    sink = make()
    sink.open(None, ROOMS)
    return sink, sink.commit()


def test_rows_that_were_not_committed_are_undone(make):
    """Written, perhaps on the disk, and not told of: the next start removes them."""
    sink, _ = begun(make)
    sink.write("rooms", [room(1)])
    checkpoint = sink.commit()
    sink.write("rooms", [room(2), room(3)])
    sink.close()
    again = make()
    again.open(checkpoint, ROOMS)
    again.write("rooms", [room(2)])
    again.commit()
    again.close()

    assert names(make.path) == [("r1", "Studio"), ("r2", "Studio")]


def test_a_commit_that_the_state_never_heard_of_is_undone(make):
    """The crash between the sink's commit and the state's."""
    sink, checkpoint = begun(make)
    sink.write("rooms", [room(1)])
    sink.commit()
    sink.close()
    again = make()
    again.open(checkpoint, ROOMS)
    again.write("rooms", [room(1, "Again")])
    again.commit()
    again.close()

    assert names(make.path) == [("r1", "Again")]


@pytest.mark.parametrize("kept", range(4))
def test_a_run_can_die_anywhere_in_its_end(make, kept):
    """Superseded rows go at the end of a run; wherever that stops, the next start finishes it from the checkpoint that was
    kept."""
    sink, _ = begun(make)
    for rows in ([room(1), room(2)], [room(1, "New"), room(3)], [room(3, "Newer")]):
        sink.write("rooms", rows)
        checkpoint = sink.commit()
    ending = sink.finish({"rooms": 3})
    for _ in range(kept):
        checkpoint = next(ending, checkpoint)
    next(ending, None)  # it went on, and nobody kept what it said
    sink.close()
    again = make()
    again.open(checkpoint, ROOMS)
    checkpoint = again.commit()
    checkpoint = [checkpoint, *again.finish({"rooms": 3})][-1]
    again.close()

    assert sorted(names(make.path)) == [("r1", "New"), ("r2", "Studio"), ("r3", "Newer")]
    after = make()
    after.open(checkpoint, ROOMS)
    after.close()
    assert not [path for path in make.path.parent.rglob("*") if ".rewritten" in path.name or ".new" in path.name]


def test_a_run_that_superseded_nothing_rewrites_nothing(make):
    """A file of gigabytes is not copied for a few rows more."""
    sink, _ = begun(make)
    sink.write("rooms", [room(1)])
    sink.commit()
    files = {path: path.stat().st_ino for path in make.path.parent.rglob("*") if path.suffix in {".ndjson", ".parquet"}}
    list(sink.finish({"rooms": 1}))
    sink.close()

    assert files == {path: path.stat().st_ino for path in files}


def test_what_somebody_else_wrote_is_not_touched(make):
    """Without a checkpoint, what is there is not ours."""
    sink, _ = begun(make)
    sink.write("rooms", [room(1)])
    sink.commit()
    sink.close()
    before = names(make.path)
    with pytest.raises(ExportError, match="the state knows nothing of"):
        make().open(None, ROOMS)

    assert names(make.path) == before


def damage(path: Path, how: str) -> None:
    (file,) = [path] if path.is_file() else (path / "rooms").glob("*.parquet")
    content = file.read_bytes()
    match how:
        case "gone":
            file.unlink()
        case "short":
            file.write_bytes(content[:-5])
        case "edited":
            file.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])


@pytest.mark.parametrize(
    ("how", "said"), [("gone", "is gone"), ("short", "were committed|was changed"), ("edited", "was changed")]
)
def test_what_was_committed_must_be_there(make, how, said):
    """A file that is gone, shorter or edited is told, with what to do, and nothing is written over it."""
    sink, _ = begun(make)
    sink.write("rooms", [room(1), room(2)])
    checkpoint = sink.commit()
    sink.close()
    damage(make.path, how)
    left = {path: path.read_bytes() for path in make.path.parent.rglob("*") if path.is_file()}
    with pytest.raises(ExportError, match=f"({said}).*: bring it back from a copy, or start over"):
        make().open(checkpoint, ROOMS)

    assert left == {path: path.read_bytes() for path in make.path.parent.rglob("*") if path.is_file()}


def test_lines_that_were_added_after_the_end_are_not_cut_off(tmp_path):
    """After a run has ended, whatever else is in the file was put there by somebody."""
    sink = NDJSONSink(tmp_path / "rooms.ndjson")
    sink.open(None, ROOMS)
    sink.write("rooms", [room(1)])
    sink.commit()
    (*_, checkpoint) = sink.finish({"rooms": 1})
    sink.close()
    with (tmp_path / "rooms.ndjson").open("a") as file:
        file.write('{"id": "mine"}\n')
    with pytest.raises(ExportError, match="15 bytes more than the export wrote"):
        NDJSONSink(tmp_path / "rooms.ndjson").open(checkpoint, ROOMS)

    assert ids(tmp_path / "rooms.ndjson") == ["r1", "mine"]


def test_a_torn_line_is_cut_off(tmp_path):
    """Half a line, as a crash leaves it."""
    path = tmp_path / "rooms.ndjson"
    sink = NDJSONSink(path)
    sink.open(None, ROOMS)
    sink.write("rooms", [room(1)])
    checkpoint = sink.commit()
    sink.close()
    with path.open("a") as file:
        file.write('{"id": "r2", "na')
    again = NDJSONSink(path)
    again.open(checkpoint, ROOMS)
    again.write("rooms", [room(2)])
    again.commit()
    again.close()

    assert ids(path) == ["r1", "r2"]


def test_ndjson_takes_whatever_json_can_hold(tmp_path):
    """Line breaks of all kinds, half a surrogate pair, numbers of any size: one line each, and the same when read."""
    odd = {"id": "1", "text": "a\nb\r\u2028\u0085c", "half": "\ud83d", "big": 10**40, "deep": {"ä": [None, True, 1.5]}}
    sink = NDJSONSink(tmp_path / "rooms.ndjson")
    sink.open(None, ROOMS)
    sink.write("rooms", [odd, {"no": "id"}, {"no": "id"}])
    sink.commit()
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


def test_small_parts_are_merged_at_the_end(tmp_path):
    """Ten commits leave one file, which holds each row once, in order."""
    sink = ParquetSink(tmp_path / "out")
    sink.open(None, ROOMS)
    for number in range(10):
        sink.write("rooms", [room(number)])
        sink.commit()
    list(sink.finish({"rooms": 10}))
    sink.close()
    (part,) = (tmp_path / "out" / "rooms").iterdir()

    assert json.loads((tmp_path / "out" / "_manifest.json").read_text()) == {"rooms": [f"rooms/{part.name}"]}
    assert [row["id"] for row in pq.read_table(part).to_pylist()] == [f"r{number}" for number in range(10)]


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
    sink.write("rooms", [room(1), room(1, "Loft")])
    sink.commit()
    list(sink.finish({"rooms": 1}))
    sink.close()

    assert names(real) == [("r1", "Loft")]
    assert real.stat().st_mode & 0o777 == 0o600
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["disk", "rooms.ndjson", "rooms.ndjson"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there is no such lock")
def test_two_at_once_with_states_of_their_own(make):
    """The second is told, before it has written anything, and may come when the first is closed."""
    first, _ = begun(make)
    second = make()
    with pytest.raises(ExportError, match="is in use: another export writes there"):
        second.open(None, ROOMS)
    second.close()
    first.write("rooms", [room(1)])
    checkpoint = first.commit()
    first.close()
    second.open(checkpoint, ROOMS)
    second.close()

    assert names(make.path) == [("r1", "Studio")]
