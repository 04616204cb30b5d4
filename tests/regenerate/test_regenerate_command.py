"""scripts/regenerate.py as it is run: what it writes, what it refuses, what its check finds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from support.further import further

Regenerate = Callable[..., "CompletedProcess[str]"]
Snapshot = Callable[[Path], dict[str, bytes]]
Rewrite = Callable[[Path, Mapping[str, Any], str], None]

TWIN = """
  - target: $.paths
    description: an operation whose name differs in spelling only
    update:
      /api/twins:
        get: {operationId: listThings, tags: [things], x-key-role: user, responses: {200: {description: ok}}}
"""


@pytest.mark.further
def test_the_result_does_not_depend_on_where_and_how_it_is_made(
    project: Path, regenerate_process: Regenerate, snapshot: Snapshot, tmp_path: Path
) -> None:
    """Another hash seed, locale, working folder and host configuration give the same bytes, also under an ignored folder."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build/ruff.py").write_text("raise SystemExit('not the formatter')")
    (tmp_path / "ruff.toml").write_text("line-length = 60\n[format]\nquote-style = 'single'\n")
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / ".git").mkdir()
    for seed, variables in (("1", {"LC_ALL": "C"}), ("2", {"RUFF_OUTPUT_FORMAT": "nonsense", "TMPDIR": str(tmp_path)})):
        process = regenerate_process(
            project, "--output", "out", cwd=tmp_path / "build", PYTHONHASHSEED=seed, **variables
        )
        assert process.returncode == 0, process.stderr
        made, committed = snapshot(tmp_path / "build/out"), snapshot(project)
        assert made == {path: data for path, data in committed.items() if path.startswith(("spec/", "generated/"))}


def test_output_leaves_the_project_alone(
    project: Path, regenerate: Regenerate, snapshot: Snapshot, rewrite: Rewrite, upstream: dict[str, Any],
    overlay_text: str, tmp_path: Path,
) -> None:  # fmt: skip
    """The whole result, its inputs included, is written elsewhere; an older result there is replaced, nothing else is."""
    rewrite(project, upstream, overlay_text.replace("create_thing", "make_thing"))
    before = snapshot(project)
    target = tmp_path / "target"
    shutil.copytree(project / "generated", target / "generated")
    (target / "generated/sessions_us_api/old.py").touch()
    (target / "notes.txt").touch()
    process = regenerate(project, "--output", str(target))
    assert process.returncode == 0, process.stderr
    assert snapshot(project) == before
    result = snapshot(target)
    assert {"notes.txt", "spec/upstream.json", "spec/upstream.toml", "spec/overlay.yaml", "spec/openapi.json"} <= set(
        result
    )
    assert "generated/sessions_us_api/api/things/make_thing.py" in result
    assert not {path for path in result if path.endswith(("old.py", "create_thing.py")) or "/." in f"/{path}"}


def test_output_does_not_replace_what_is_not_its_own(project: Path, regenerate: Regenerate, tmp_path: Path) -> None:
    """A folder called generated that somebody else filled is left as it is."""
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated/thesis.txt").write_text("years of work")
    process = regenerate(project, "--output", str(tmp_path))
    assert (process.returncode, process.stdout) == (2, "")
    assert "was not made by regeneration" in process.stderr
    assert (tmp_path / "generated/thesis.txt").read_text() == "years of work"


def test_regenerating_twice_changes_nothing(project: Path, regenerate: Regenerate) -> None:
    """What is up to date is not written again."""
    stamps = {path: path.stat().st_mtime_ns for path in (project / "generated").rglob("*")}
    process = regenerate(project)
    assert process.returncode == 0
    assert "5 operations, 5 models; 0 files changed" in process.stdout
    assert {path: path.stat().st_mtime_ns for path in (project / "generated").rglob("*")} == stamps


def test_what_was_left_out_is_told(project: Path, regenerate: Regenerate) -> None:
    """A header parameter and an enum that became a string are no surprise to whoever regenerates."""
    output = regenerate(project).stdout
    assert "note: GET /api/things: the header parameter 'x-api-key' is left to the client" in output
    assert "note: Thing.size: several values would be called A_B" in output


def test_fields_that_would_be_one_attribute_are_told(project: Path, regenerate: Regenerate) -> None:
    """The generator would stop there; the second field arrives raw instead, and whoever regenerates knows."""
    same_attribute(project)
    process = regenerate(project)
    assert (process.returncode, process.stderr) == (0, "")
    assert "would be one attribute; the second stays raw" in process.stdout


def test_check_of_what_is_up_to_date_passes(project: Path, regenerate: Regenerate, snapshot: Snapshot) -> None:
    """Nothing differs, nothing is written, and the caches of tools are nobody's business."""
    for cache in ("sessions_us_api/__pycache__", ".mypy_cache"):
        (project / "generated" / cache).mkdir()
        (project / "generated" / cache / "types.cpython-311.pyc").write_bytes(b"\0")
    before = snapshot(project)
    process = regenerate(project, "--check")
    assert (process.returncode, process.stderr) == (0, "")
    assert snapshot(project) == before


@pytest.mark.further
def test_what_is_committed_is_up_to_date(regenerate_process: Regenerate) -> None:
    """The real document, overlay and package of this repository fit together."""
    pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")
    process = regenerate_process(Path(__file__).resolve().parents[2], "--check")
    assert process.returncode == 0, process.stdout + process.stderr


def edit(root: Path) -> None:
    with (root / "generated/sessions_us_api/types.py").open("a") as file:
        file.write("CHANGED = 1\n")


def add(root: Path) -> None:
    (root / "generated/sessions_us_api/models/extra.py").write_text("X = 1\n")


def remove(root: Path) -> None:
    (root / "generated/sessions_us_api/models/person.py").unlink()


def edit_document(root: Path) -> None:
    path = root / "spec/openapi.json"
    path.write_text(path.read_text().replace("get_thing", "fetch_thing"))


def add_beside(root: Path) -> None:
    (root / "generated/other_package").mkdir()
    (root / "generated/other_package/__init__.py").write_bytes(b"\xff")


def forget(root: Path) -> None:
    shutil.rmtree(root / "generated")
    (root / "spec/openapi.json").unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (edit, ["1 files (1 changed, 0 missing, 0 extra)", "types.py (+0 -1)", "-CHANGED = 1"]),
        (add, ["0 changed, 0 missing, 1 extra", "extra generated/sessions_us_api/models/extra.py", "-X = 1"]),
        *further(
            (
                remove,
                [
                    "0 changed, 1 missing, 0 extra",
                    "missing generated/sessions_us_api/models/person.py",
                    "+class Person",
                ],
            ),
            (edit_document, ["changed spec/openapi.json (+1 -1)", '-        "operationId": "fetch_thing"']),
            (add_beside, ["extra generated/other_package/__init__.py"]),
            (forget, ["0 changed, ", "missing spec/openapi.json", "more lines"]),
        ),
    ],
)
def test_check_finds_what_differs(
    project: Path, regenerate: Regenerate, snapshot: Snapshot, damage: Callable[[Path], None], told: list[str]
) -> None:
    """An edit, a file too many or too few, anywhere: exit 1, a diff of bounded length, and nothing is changed."""
    damage(project)
    before = snapshot(project)
    process = regenerate(project, "--check")
    assert process.returncode == 1, process.stderr
    for words in told:
        assert words in process.stdout
    assert len(process.stdout.splitlines()) < 450
    assert snapshot(project) == before


@pytest.mark.further
def test_check_finds_what_a_template_changes(project: Path, regenerate_process: Regenerate) -> None:
    """The project's own templates are what counts: after an edit of one, the committed package is out of date."""
    path = project / "scripts/regeneration/generate/templates/types.py.jinja"
    path.write_text(path.read_text() + "\nMORE = 1\n")
    process = regenerate_process(project, "--check")
    assert process.returncode == 1, process.stderr
    for words in ("changed generated/PROVENANCE.json", "types.py (+2 -0)", "+MORE = 1"):
        assert words in process.stdout


def test_regenerating_repairs_what_check_found(
    project: Path, generated_once: Path, regenerate: Regenerate, snapshot: Snapshot
) -> None:
    """After damage of every kind one run puts everything back, and leaves nothing of its own behind."""
    for damage in (edit, add, remove, edit_document, add_beside):
        damage(project)
    (project / "generated/PROVENANCE.json").unlink()
    assert regenerate(project).returncode == 0
    assert snapshot(project) == snapshot(generated_once)


@pytest.mark.parametrize(("arguments", "code"), [(["--check"], 1), *further(([], 2))])
def test_two_operations_of_one_name_are_told(
    project: Path, regenerate: Regenerate, snapshot: Snapshot, rewrite: Rewrite, upstream: dict[str, Any],
    overlay_text: str, arguments: list[str], code: int,
) -> None:  # fmt: skip
    """The generator would write one file twice and say nothing; both operations are named instead."""
    rewrite(project, upstream, overlay_text + TWIN)
    before = snapshot(project)
    process = regenerate(project, *arguments)
    assert process.returncode == code
    assert "operations lost: list_things (GET /api/things) and listThings (GET /api/twins)" in process.stderr
    assert "api/things/list_things.py" in process.stderr
    assert snapshot(project) == before


@pytest.mark.further
def test_two_models_of_one_file_are_told(
    project: Path, regenerate: Regenerate, rewrite: Rewrite, upstream: dict[str, Any], overlay_text: str
) -> None:
    """Two classes whose names differ in capitals only would share one file."""
    schema = {"type": "object", "x-keep": True, "properties": {"a": {"type": "string"}}}
    upstream["components"]["schemas"] |= {"HTTPThing": schema, "HttpThing": schema}
    rewrite(project, upstream, overlay_text)
    process = regenerate(project)
    assert process.returncode == 2
    assert "models lost" in process.stderr


def same_attribute(root: Path) -> None:
    with (root / "spec/overlay.yaml").open("a") as file:
        file.write(SAME_ATTRIBUTE)


def broken_target(root: Path) -> None:
    path = root / "spec/overlay.yaml"
    path.write_text(path.read_text().replace("$.paths['/api/anything'].get", "$.paths['/api/gone'].get"))


def changed_upstream(root: Path) -> None:
    path = root / "spec/upstream.json"
    path.write_text(path.read_text().replace("Person", "Human"))


def missing_overlay(root: Path) -> None:
    (root / "spec/overlay.yaml").unlink()


def misspelt_action(root: Path) -> None:
    path = root / "spec/overlay.yaml"
    path.write_text(
        path.read_text().replace("    update: {operationId: get_thing", "    updaet: {operationId: get_thing")
    )


def two_tags(root: Path) -> None:
    path = root / "spec/overlay.yaml"
    path.write_text(path.read_text().replace("tags: [odd-ones]", "tags: [odd, ones]"))


def other_formatter(root: Path) -> None:
    path = root / "pyproject.toml"
    path.write_text(path.read_text().replace("ruff==0.17.6", "ruff==0.0.1"))


def absent_tool(root: Path) -> None:
    path = root / "pyproject.toml"
    path.write_text(path.read_text().replace("regenerate = [", 'regenerate = [\n  "no-such-distribution==1.0",'))


def loose_pin(root: Path) -> None:
    path = root / "pyproject.toml"
    path.write_text(path.read_text().replace('"openapi-python-client==0.29.1"', '"openapi-python-client>=0.29"'))


def no_group(root: Path) -> None:
    (root / "pyproject.toml").write_text("[project]\n")


SAME_ATTRIBUTE = """
  - target: $.components.schemas.Person.properties
    description: two fields of one name in Python
    update: {a b: {type: string}, a-b: {type: string}}
"""


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (changed_upstream, "spec/upstream.json is not the document that spec/upstream.toml describes"),
        (missing_overlay, "overlay.yaml: No such file"),
        (misspelt_action, "has the unknown key 'updaet'"),
        (two_tags, "GET /api/anything: needs exactly one tag"),
        (other_formatter, "ruff is 0.17.6, but 0.0.1 is pinned; run `nox -s regenerate -- …`, which brings it"),
        (absent_tool, "no-such-distribution is not installed"),
        (loose_pin, "must pin openapi-python-client and ruff with =="),
        (no_group, "has no dependency group `regenerate`"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    project: Path, regenerate: Regenerate, snapshot: Snapshot, damage: Callable[[Path], None], message: str
) -> None:
    """Exit 2, one line that says what to put right, no file touched."""
    damage(project)
    before = snapshot(project)
    process = regenerate(project)
    assert (process.returncode, process.stdout) == (2, "")
    assert message in process.stderr
    assert len(process.stderr.splitlines()) == 1
    assert snapshot(project) == before


def test_a_tool_that_a_comparison_lacks_is_told_with_the_command_that_brings_it(
    project: Path, regenerate: Regenerate
) -> None:
    """It is the first that a reader without the dependency group can type."""
    absent_tool(project)
    process = regenerate(project, "--diff", "old.json", "new.json")
    assert (process.returncode, process.stdout) == (2, "")
    assert "; run `nox -s regenerate -- --diff OLD NEW`, which brings it" in process.stderr


def test_no_tool_is_imported_before_it_is_known_to_be_there() -> None:
    """The command itself loads without them, so that a missing one is a line and no traceback."""
    tools = "{'openapi_python_client', 'openapi_spec_validator', 'jsonpath_rfc9535', 'yaml'}"
    done = subprocess.run(
        [sys.executable, "-c", f"import regenerate, sys; print({tools} & set(sys.modules))"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.parametrize("arguments", [[], ["--check"], ["--output", "elsewhere"]])
def test_a_target_that_matches_nothing_stops_everything(
    project: Path, regenerate: Regenerate, snapshot: Snapshot, arguments: list[str]
) -> None:
    """An overlay that no longer fits is bad input whatever was asked for: the action is named, nothing is written."""
    broken_target(project)
    before = snapshot(project)
    process = regenerate(project, *arguments)
    assert (process.returncode, process.stdout) == (2, "")
    assert "overlay action 5 (names) with target $.paths['/api/gone'].get matches nothing" in process.stderr
    assert snapshot(project) == before


@pytest.mark.further
def test_output_that_is_a_file_is_one_line(project: Path, regenerate_process: Regenerate, tmp_path: Path) -> None:
    """A path that cannot be a folder is an error, not a traceback."""
    (tmp_path / "file").touch()
    process = regenerate_process(project, "--output", str(tmp_path / "file"))
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1
