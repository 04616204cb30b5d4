"""Builds the site: stages the pages in build/pages, renders them with Zensical, and checks every link of what came out.

    python scripts/build_docs.py

A warning of Zensical or of griffe, which reads the docstrings, is an error, and so are a link that leads nowhere and what a
browser would fetch from elsewhere.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from command import UnusableError, arguments_of, command, toml_of
from docstrings import expanded

ROOT: Final = Path(__file__).parents[1]
PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
# Pages that stand elsewhere in the repository, because people look for them there.
ELSEWHERE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "examples/booking_site/README.md": "booking-site.md",
    "examples/operations/README.md": "operations-example.md",
}
PROGRAMS: Final = {".py": "python", ".sh": "sh", ".yml": "yaml"}
FOLDERS: Final = {"testing": "A service and its tests", "operations": "A service to operate"}
EXAMPLES: Final = """# Examples

Programs to copy. The tests run each of them against a sandbox. [A whole booking site](booking-site.md) has a page of its own.
"""
ABOUT: Final = """# sessions-us

> An async-first Python client for the Sessions (sessions.us) Public API that stays within its ten requests a minute. It has
> never been run against the live service; the API's document is reconstructed.
"""


def stage() -> None:
    """Put all pages into one folder, with links that lead to each other there."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES)
    for source, page in ELSEWHERE.items():
        shutil.copy(ROOT / source, PAGES / page)
    shutil.copytree(ROOT / "examples/booking_site/screenshots", PAGES / "screenshots")
    (PAGES / "examples.md").write_text(_examples(), "utf-8")
    for path in PAGES.glob("*.md"):
        path.write_text(_relinked(path.read_text("utf-8")), "utf-8")
    (PAGES / "llms.txt").write_text("".join(_contents()), "utf-8")
    (PAGES / "llms-full.txt").write_text(
        "\n\n".join([ABOUT, *(expanded(_text(page)) for _, page in _named_pages())]), "utf-8"
    )


def _relinked(text: str) -> str:
    """The text of a page at the top of the site, whose links were made for its place in the repository."""
    for source, page in ELSEWHERE.items():
        text = re.sub(rf"\]\((\.\./)*{re.escape(source)}", f"]({page}", text)
    text = re.sub(r"\]\((?:\.\./)?examples/([\w/.]+)\)", lambda found: f"](examples.md#{_anchor(found[1])})", text)
    text = re.sub(r"`([^`\n]*\\\|[^`\n]*)`", lambda found: f"<code>{_escaped(found[1])}</code>", text)  # in tables
    return re.sub(r"\]\((\.\./)*docs/", "](", text)


def _escaped(code: str) -> str:
    """Code of a table's cell as HTML: the renderer shows the backslash that GitHub needs before a bar."""
    return html.escape(code.replace("\\|", "|"), quote=False).replace("|", "&#124;")


def _examples() -> str:
    """A page with the source of each example."""
    files = [path for path in sorted((ROOT / "examples").glob("*.py")) if path.stem != "__init__"]
    parts = [EXAMPLES, *map(_example, files)]
    for folder, title in FOLDERS.items():
        inside = [path for path in sorted((ROOT / "examples" / folder).iterdir()) if path.suffix in PROGRAMS]
        parts += [f"## {title} {{ #{_anchor(folder)} }}\n", *map(_example, inside)]
    return "\n".join(parts)


def _example(path: Path) -> str:
    name = path.relative_to(ROOT / "examples").as_posix()
    code = path.read_text("utf-8")
    return f"## `examples/{name}` {{ #{_anchor(name)} }}\n\n````{PROGRAMS[path.suffix]}\n{code}````\n"


def _anchor(name: str) -> str:
    return re.sub(r"\W+", "-", name)


def _contents() -> Iterator[str]:
    """The lines of llms.txt: the pages in the order of the navigation, each with its first sentence."""
    yield ABOUT
    section = ""
    for named, page in _named_pages():
        if named != section:
            section = named
            yield f"\n## {section}\n\n"
        title, about = _summary(_text(page))
        yield f"- [{title}]({page.removesuffix('.md')}.html): {about}\n"


def _text(page: str) -> str:
    return (PAGES / page).read_text("utf-8")


def _summary(text: str) -> tuple[str, str]:
    """A page's title, and what its parts are called; its first sentence where it has none."""
    title, _, rest = re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE).partition("\n")
    parts = re.findall(r"^## ([^{\n]+)", rest, re.MULTILINE) or re.findall(r"^::: (\S+)", rest, re.MULTILINE)
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(rest.split()))
    return title.removeprefix("# ").replace("`", ""), ", ".join(map(str.strip, parts)) or plain.partition(". ")[0]


def _named_pages() -> Iterator[tuple[str, str]]:
    """Each page of the navigation, with the name of its section."""
    project = toml_of(ROOT / "zensical.toml")["project"]
    for entry in project["nav"]:
        ((section, pages),) = entry.items()
        for page in pages:
            yield section, page if isinstance(page, str) else next(iter(page.values()))


def render() -> list[str]:
    """Render the pages; return what is wrong.

    Raises:
        UnusableError: Zensical is not there.
    """
    zensical = Path(sys.executable).with_name("zensical")
    if not zensical.exists():
        raise UnusableError(f"there is no {zensical}: install the dependency group docs, or run nox -s docs")
    done = subprocess.run(
        [str(zensical), "build", "--clean", "--strict"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"NO_COLOR": "1", "PATH": "/usr/bin:/bin"},
    )
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    if done.returncode:
        return [said.partition("Traceback")[0]]
    return [line for line in said.splitlines() if line.startswith("griffe:") or "Warning" in line]


class _Links(HTMLParser):
    """The anchors of a page, what it links to, and what a browser fetches from elsewhere to show it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.fetched: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found: dict[str, Any] = dict(attrs)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        targets = [found[name] for name in ("href", "src") if found.get(name)]
        self.targets += targets
        if tag != "a" and found.get("rel") != "canonical":
            self.fetched += [target for target in targets if urlsplit(target).netloc]


def broken_links() -> list[str]:
    """Links within the site to a file or an anchor that is not there, and what a browser would fetch from elsewhere, because that
    tells others who reads. Nothing is fetched here."""
    links = {page: _Links(page) for page in SITE.rglob("*.html") if page.name != "404.html"}
    problems = []
    for page, found in links.items():
        lost = [target for target in found.targets if not _leads_somewhere(page, target, links)]
        problems += [f"{page.relative_to(SITE)}: {target} leads nowhere" for target in lost]
        problems += [f"{page.relative_to(SITE)}: {target} is fetched from elsewhere" for target in found.fetched]
    return problems


def _leads_somewhere(page: Path, target: str, links: dict[Path, _Links]) -> bool:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return True
    file = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
    file = file / "index.html" if file.is_dir() else file
    anchor = unquote(parts.fragment)
    if not file.exists():
        return False
    return not anchor or file not in links or anchor in links[file].anchors or anchor in {"only-light", "only-dark"}


def missing_pages() -> list[str]:
    """Pages that the navigation has not, or that it alone has."""
    named, there = (
        {page for _, page in _named_pages()},
        {page.relative_to(PAGES).as_posix() for page in PAGES.rglob("*.md")},
    )
    return [f"{page} is in the navigation or in docs/, and not in both" for page in sorted(named ^ there)]


def main(*arguments: str) -> int:
    """Build and check the site. The exit status is 1 if anything is wrong."""
    arguments_of(__doc__).parse_args(arguments)
    stage()
    problems = missing_pages() or render() or broken_links()
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    if not problems:
        sys.stdout.write(
            f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}, every link leads somewhere\n"
        )
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(command(main))
