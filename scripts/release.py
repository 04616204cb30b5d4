"""Says whether the repository is ready for the version of a tag; the release workflow asks it before it builds.

python scripts/release.py v0.1.0
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from command import arguments_of, command, text_of, toml_of

ROOT: Final = Path(__file__).parents[1]
URLS: Final = ("Documentation", "Repository", "Changelog")


def problems(tag: str) -> Iterator[str]:
    """What is missing for this tag, one line each."""
    source = text_of(ROOT / "src/sessions_us/__init__.py")
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if version is None or tag != f"v{version[1]}":
        yield f"the tag is {tag}, and __version__ is {version and version[1]}"
    first = re.search(r"^## (.*)$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    if first is None or not re.fullmatch(rf"\[{re.escape(tag[1:])}\] - \d{{4}}-\d\d-\d\d", first[1]):
        yield f"CHANGELOG.md begins with {first and first[1]!r}: it needs [{tag[1:]}] and a date"
    urls = toml_of(ROOT / "pyproject.toml").get("project", {}).get("urls", {})
    for name in URLS:
        if name not in urls:
            yield f"[project.urls] has no {name}"


def main(*arguments: str) -> int:
    """Print what is missing. The exit status is 1 if anything is."""
    parser = arguments_of(__doc__)
    parser.add_argument("tag", help="the version with a v before it, such as v0.1.0")
    found = list(problems(parser.parse_args(arguments).tag))
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(command(main))
