"""scripts/release.py: what is missing for a tag, before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest
import release


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that is ready for v1.2.0."""
    package = tmp_path / "src" / "sessions_us"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Clients."""\n\n__version__ = "1.2.0"\n', "utf-8")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [1.2.0] - 2027-01-31\n\n## [1.1.0] - 2026-12-01\n", "utf-8"
    )
    urls = "".join(f'{name} = "https://example.org"\n' for name in release.URLS)
    (tmp_path / "pyproject.toml").write_text(f"[project.urls]\n{urls}", "utf-8")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    return tmp_path


def test_nothing_is_missing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Version, changelog and addresses are there: no word, and status 0."""
    assert release.main("v1.2.0") == 0
    assert capsys.readouterr().err == ""


def test_a_tag_of_another_version(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the package nor the changelog is of it, and both are named."""
    assert release.main("v1.3.0") == 1
    assert capsys.readouterr().err.splitlines() == [
        "__version__ in src/sessions_us/__init__.py is 1.2.0: it has to be 1.3.0",
        "the first part of CHANGELOG.md is '[1.2.0] - 2027-01-31': it has to be [1.3.0] - YYYY-MM-DD",
    ]


def test_a_tag_without_its_v(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All else is ready, so that this is the only line."""
    assert release.main("1.2.0") == 1
    assert capsys.readouterr().err == "the tag is 1.2.0: it has to be v1.2.0\n"


def test_a_changelog_without_a_date(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not dated is not released."""
    (project / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.0] - unreleased\n", "utf-8")

    assert release.main("v1.2.0") == 1
    assert capsys.readouterr().err == (
        "the first part of CHANGELOG.md is '[1.2.0] - unreleased': it has to be [1.2.0] - YYYY-MM-DD\n"
    )


def test_what_is_not_there_at_all(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No version, no part of a changelog, no addresses: a line for each, and no crash."""
    for path in ("src/sessions_us/__init__.py", "CHANGELOG.md"):
        (project / path).write_text("", "utf-8")
    (project / "pyproject.toml").write_text("[project]\n", "utf-8")

    assert release.main("v1.2.0") == 1
    assert capsys.readouterr().err.splitlines() == [
        "__version__ in src/sessions_us/__init__.py is None: it has to be 1.2.0",
        "the first part of CHANGELOG.md is None: it has to be [1.2.0] - YYYY-MM-DD",
        *(f"[project.urls] in pyproject.toml has no {name}: add its address" for name in release.URLS),
    ]
