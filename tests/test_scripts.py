"""scripts/: what is wrong with what they are given is one line, and never a traceback or a file that nobody asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import audit
import build_docs
import methods
import public_names
import pytest
import release
from command import command

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "given",
    [
        ["release.py"],
        ["release.py", "v1.0.0", "v2.0.0"],
        ["methods.py", "--chekc"],
        ["public_names.py", "--wirte"],
        ["audit.py", "everything"],
        ["build_docs.py", "docs/index.md"],
        ["regenerate.py", "everything"],
    ],
    ids=" ".join,
)
def test_a_wrong_argument(given: list[str]) -> None:
    """It says how it is used, ends with status 2, and writes nothing."""
    page = (ROOT / "docs/methods.md").stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / given[0], *given[1:]], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: {given[0]}")
    assert f"{given[0]}: error: " in done.stderr.splitlines()[-1]
    assert (ROOT / "docs/methods.md").stat().st_mtime_ns == page


FILES = {audit: "PYPROJECT", methods: "PAGE", public_names: "SNAPSHOT", release: "ROOT"}
ARGUMENTS = {methods: ["--check"], release: ["v1.0.0"]}


@pytest.mark.parametrize(
    ("script", "there"),
    [
        (audit, None),
        (audit, "a folder"),
        (audit, b"\xff"),
        (audit, b"= ="),
        (methods, "a folder"),
        (methods, b"\xff"),
        (public_names, None),
        (public_names, "a folder"),
        (public_names, b"\xff"),
        (public_names, b"name-without-a-signature"),
        (release, None),
        (release, "a folder"),
    ],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_a_file_that_can_not_be_used(
    script: ModuleType,
    there: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Missing, a folder, no text, or a text that makes no sense there: one line begins with its name, and status 2."""
    path = tmp_path / "file"
    if isinstance(there, bytes):
        path.write_bytes(there)
    elif there is not None:
        path.mkdir()
    monkeypatch.setattr(script, FILES[script], path)
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *ARGUMENTS.get(script, [])])

    assert command(script.main) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"{script.__name__}: {path}")
    assert (told.out, len(told.err.splitlines())) == ("", 1)


def test_a_changelog_without_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is compared with a changelog that is none."""
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n", "utf-8")
    monkeypatch.setattr(public_names, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["public_names.py"])

    assert command(public_names.main) == 2
    assert capsys.readouterr().err == f"public_names: {tmp_path / 'CHANGELOG.md'}: no part begins with ##\n"


def test_a_file_that_can_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is not there."""
    monkeypatch.setattr(public_names, "SNAPSHOT", tmp_path / "none" / "api.txt")
    monkeypatch.setattr(sys, "argv", ["public_names.py", "--write"])

    assert command(public_names.main) == 2
    assert capsys.readouterr().err == f"public_names: {tmp_path / 'none/api.txt'}: No such file or directory\n"


def test_a_site_without_its_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says which dependency group has it."""
    monkeypatch.setattr(build_docs, "PAGES", tmp_path / "pages")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", ["build_docs.py"])

    assert command(build_docs.main) == 2
    assert "install the dependency group docs" in capsys.readouterr().err
