"""What regeneration says of two documents: as text, as Markdown, as JSON, and by its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.document import dump_json
from regeneration.report.changes import DocumentChange
from regeneration.report.fit import lost
from regeneration.report.render import ChangeReport, render
from support.further import further
from support.mutations import MUTATIONS, RECONSTRUCTION, original

Regenerate = Callable[..., "CompletedProcess[str]"]
ROOT = RECONSTRUCTION.parents[1]
NAMED = {mutation.name: mutation for mutation in MUTATIONS}

REPORT = ChangeReport(
    changes=(
        DocumentChange(
            "GET /api/rooms", "field-added", "answer 200, [].size", "harmless", "answer 200, [].size: a new field"
        ),
        DocumentChange(
            "GET /api/rooms",
            "field-removed",
            "answer 200, [].name",
            "breaking for parsing",
            "answer 200, [].name: gone",
        ),
        DocumentChange(
            "GET /api/<b>|@me", "operation-added", "", "harmless", "a new\x1b[31m operation `x` [y](http://z)"
        ),
    ),
    unfit=("3: $.paths['/a'].get",),
)


@pytest.mark.parametrize(
    ("mutation", "status"),
    [
        ("nothing", 0),
        ("answer_field_added", 3),
        ("operation_dropped", 4),
        *further(("schema_renamed", 0), ("evidence_risen", 0)),
    ],
)
def test_the_exit_status_of_diff_tells_whom_it_breaks(
    mutation: str, status: int, regenerate: Regenerate, tmp_path: Path
) -> None:
    """0 no change, 3 only harmless ones, 4 some that break somebody; and nothing is written."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(dump_json(original()))
    new.write_bytes(dump_json(NAMED[mutation]()))
    process = regenerate(ROOT, "--diff", str(old), str(new), "--format", "json", cwd=tmp_path)
    assert (process.returncode, process.stderr) == (status, "")
    assert json.loads(process.stdout)["status"] == status
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.json", "old.json"]


def test_diff_reads_yaml_and_refuses_what_is_no_document(regenerate: Regenerate, tmp_path: Path) -> None:
    """The same document as YAML is no change; anything else is one line and exit status 2."""
    old, new = tmp_path / "old.json", tmp_path / "new.yaml"
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}
    document["paths"] = {"/a": {"get": {"responses": {"200": {"description": "ok"}}}}}
    old.write_bytes(dump_json(document))
    new.write_text(
        "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths:\n  /a: {get: {responses: {'200': {description: ok}}}}\n"
    )
    process = regenerate(ROOT, "--diff", str(old), str(new))
    assert (process.returncode, process.stdout) == (0, "no changes\n")
    new.write_text("<html>")
    process = regenerate(ROOT, "--diff", str(old), str(new))
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1


def test_text_has_the_breaking_changes_first() -> None:
    """By operation, in whole words, and nothing that a terminal would obey."""
    assert render(REPORT, "text").splitlines() == [
        "3 changes: 1 breaking for parsing, 2 harmless",
        "",
        "GET /api/rooms",
        "  breaking for parsing: answer 200, [].name: gone",
        "  harmless: answer 200, [].size: a new field",
        "",
        "GET /api/<b>|@me",
        "  harmless: a new [31m operation `x` [y](http://z)",
        "",
        "Overlay actions that no longer match (1)",
        "  action 3: $.paths['/a'].get",
    ]


def test_markdown_takes_nothing_of_a_document_for_markup() -> None:
    """A name in a vendor's document becomes no link, no mention and no table cell in a pull request."""
    lines = render(REPORT, "markdown").splitlines()
    assert "| **breaking for parsing** | answer 200, &#91;&#93;.name: gone |" in lines
    assert "### `GET /api/<b>|@me`" in lines
    (row,) = (line for line in lines if "operation &#96;x&#96;" in line)
    assert row.count("|") == 3
    assert "](" not in row


def test_json_says_the_same() -> None:
    """Each change with its operation, kind, place, level and words."""
    said = json.loads(render(REPORT, "json"))
    assert (said["status"], len(said["changes"])) == (4, 3)
    assert said["changes"][1]["kind"] == "field-removed"


def test_a_field_that_the_client_reads_is_missed(tmp_path: Path) -> None:
    """An id in any case, another one where an attribute of that name is read; and the likely name of it now."""
    (tmp_path / "rooms.py").write_text("def label(room): return room.start_at\n")
    fields = {"id": {}, "startAt": {}, "colour": {}}
    ours = {"components": {"schemas": {"Room": {"properties": fields}, "Error": {"properties": fields}}}}
    document = {"components": {"schemas": {"Room": {"x-keep": True, "properties": {"_id": {}}}, "Error": {}}}}
    assert list(lost(tmp_path, document, ours)) == [
        "Room: has no id, which the client reads; it has _id",
        "Room: has no startAt, which the client reads",
    ]
