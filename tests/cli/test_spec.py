from __future__ import annotations

import json
from pathlib import Path

from support.command import python, run

ROOT = Path(__file__).resolve().parents[2]


def changed(path: Path, *, harmless: bool) -> Path:
    """The recorded document with one field more in an answer, or one operation less."""
    document = json.loads((ROOT / "spec" / "upstream.json").read_text())
    if harmless:
        document["paths"]["/api/brand-new"] = {"get": {"responses": {"200": {"description": "new"}}}}
    else:
        del document["paths"]["/api/rooms"]
    path.write_text(json.dumps(document))
    return path


def test_the_exit_status_says_how_bad_it_is(tmp_path: Path) -> None:
    """0 for no change, 3 for harmless ones, 4 for breaking ones; OLD is the recorded one if left out."""
    same = ROOT / "spec" / "upstream.json"
    harmless = changed(tmp_path / "harmless.json", harmless=True)
    breaking = changed(tmp_path / "breaking.json", harmless=False)
    compared = ([same], [harmless], [same, breaking, "--format", "json"])
    done = [run("spec", "diff", *map(str, arguments)) for arguments in compared]

    assert [each.returncode for each in done] == [0, 3, 4]
    assert "/api/brand-new" in done[1].stdout
    assert "/api/rooms" in str(json.loads(done[2].stdout))


def test_two_documents_are_compared() -> None:
    """Not three."""
    done = run("spec", "diff", "a.json", "b.json", "c.json")

    assert (done.returncode, done.stderr) == (2, "sessions-us: spec diff compares two documents: [OLD] NEW\n")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """One line, and exit status 2."""
    done = run("spec", "diff", str(tmp_path / "missing.json"))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "missing.json" in done.stderr


def test_without_the_repository(tmp_path: Path) -> None:
    """An installed package says in one line that it needs it, and runs nothing that lies around."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "regenerate.py").write_text("print('stranger')")
    program = (
        "import pathlib, sessions_us.cli.spec as spec; spec._ROOT = pathlib.Path('/nowhere')\n"
        "from sessions_us.cli import main; main(['spec', 'diff', 'x'])"
    )
    done = python("-c", program, cwd=tmp_path)

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "needs a checkout of the repository" in done.stderr
