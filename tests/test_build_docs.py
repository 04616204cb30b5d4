"""scripts/build_docs.py: the pages that Zensical gets, and the links of what it makes. `nox -s docs` builds the site itself."""

from __future__ import annotations

import sys
from pathlib import Path

import build_docs
import pytest

needs_a_shell = pytest.mark.skipif(sys.platform == "win32", reason="it puts a shell script in Zensical's place")


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pages and the site are put instead of build/."""
    monkeypatch.setattr(build_docs, "PAGES", tmp_path / "pages")
    monkeypatch.setattr(build_docs, "SITE", tmp_path / "site")
    return tmp_path


@pytest.fixture
def site(build: Path) -> Path:
    """A site with one page, to write others into."""
    (build / "site" / "part").mkdir(parents=True)
    (build / "site" / "index.html").write_text('<h1 id="top">Home</h1><a name="old">here</a>', "utf-8")
    (build / "site" / "part" / "index.html").write_text("<p>Part</p>", "utf-8")
    return build / "site"


def zensical(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A shell script in the place of Zensical's program."""
    program = folder / "zensical"
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_all_pages_are_staged(build: Path) -> None:
    """Those of docs/, those that stand elsewhere, and a page of the examples' sources; the navigation has each of them."""
    build_docs.stage()

    pages = {path.name for path in (build / "pages").glob("*.md")}
    assert {"changelog.md", "contributing.md", "security.md", "examples.md", "design.md"} <= pages
    assert "## `examples/" in (build / "pages" / "examples.md").read_text("utf-8")
    assert build_docs.missing_pages() == []


def test_links_lead_to_staged_pages(build: Path) -> None:
    """Links that were made for a page's place in the repository lead to the page of the site."""
    build_docs.stage()

    text = "".join(path.read_text("utf-8") for path in (build / "pages").glob("*.md"))
    assert "](docs/" not in text
    assert "](../CHANGELOG.md" not in text
    assert "](contributing.md" in text
    assert "](examples.md#" in text


def test_readers_without_a_renderer_get_text(build: Path) -> None:
    """llms.txt lists the pages; llms-full.txt has all of them, with the docstrings that a page takes in."""
    build_docs.stage()

    listed = (build / "pages" / "llms.txt").read_text("utf-8")
    assert listed.startswith("# sessions-us\n")
    assert "](design.html): " in listed
    whole = (build / "pages" / "llms-full.txt").read_text("utf-8")
    assert "\n::: " not in whole
    assert "`list(" in whole


def test_a_page_outside_the_navigation_is_told(build: Path) -> None:
    """Nobody would find it."""
    build_docs.stage()
    (build / "pages" / "lonely.md").write_text("# Lonely\n", "utf-8")

    assert build_docs.missing_pages() == ["lonely.md is in the navigation or in docs/, and not in both"]


@pytest.mark.parametrize(
    "target",
    [
        "https://example.org/gone",
        "#top",
        "../index.html#old",
        "..",  # a folder, by its index
        "../#only-dark",  # how a picture says its scheme of colours
        "../picture.svg#anything",  # only pages are read for anchors
        "../with%20space.html",
    ],
)
def test_a_link_that_leads_somewhere(site: Path, target: str) -> None:
    """To a file or an anchor of the site, or out of it."""
    (site / "picture.svg").write_text("<svg/>", "utf-8")
    (site / "with space.html").write_text("", "utf-8")
    (site / "part" / "index.html").write_text(f'<p id="top"><a href="{target}">there</a>', "utf-8")

    assert build_docs.broken_links() == []


@pytest.mark.parametrize("target", ["../gone.html", "#gone", "../index.html#gone"])
def test_a_link_that_leads_nowhere(site: Path, target: str) -> None:
    """It is named with its page; a page that is not found anyway may have any."""
    (site / "part" / "index.html").write_text(f'<img src="{target}">', "utf-8")
    (site / "404.html").write_text('<a href="nowhere.html">', "utf-8")

    assert build_docs.broken_links() == [f"{Path('part/index.html')}: {target} leads nowhere"]


@pytest.mark.parametrize(
    ("element", "fetched"),
    [
        ('<link rel="stylesheet" href="https://fonts.example/css">', ["https://fonts.example/css"]),
        ('<script src="//cdn.example/a.js"></script>', ["//cdn.example/a.js"]),
        ('<link rel="canonical" href="https://docs.example/part/">', []),
    ],
)
def test_nothing_is_fetched_from_elsewhere(site: Path, element: str, fetched: list[str]) -> None:
    """A page needs its own site alone."""
    (site / "part" / "index.html").write_text(element, "utf-8")

    assert build_docs.broken_links() == [
        f"{Path('part/index.html')}: {target} is fetched from elsewhere" for target in fetched
    ]


@needs_a_shell
def test_a_site_without_fault(build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The number of its pages, and status 0."""
    monkeypatch.setattr(build_docs, "SITE", build_docs.ROOT / "build" / "no site")
    zensical(build, monkeypatch, "echo Build finished")

    assert build_docs.main() == 0
    assert capsys.readouterr().out == f"0 pages in {Path('build/no site')}, every link leads somewhere\n"


@needs_a_shell
@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("printf '\\033[33mgriffe: app.py:1: no type for x\\033[0m\\nfine\\n'", "griffe: app.py:1: no type for x"),
        ("echo 'Warning: no such page' >&2", "Warning: no such page"),
        ("echo 'it broke'; echo 'Traceback (most recent call last)'; exit 1", "it broke\n"),
    ],
)
def test_what_zensical_warns_of_is_an_error(
    build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: str, problem: str
) -> None:
    """Without its colours and its traceback; the status is 1."""
    zensical(build, monkeypatch, script)

    assert build_docs.main() == 1
    assert capsys.readouterr().err == f"{problem}\n"
