"""What the package index says of our dependencies.

    python scripts/audit.py

Each extra is resolved twice as a fresh install would be, at the lowest versions that pyproject.toml allows and at the newest. A
finding is: what can't be resolved, a version that was yanked, one that does not run on this Python or on a newer one that we
support, one that calls itself inactive, and a direct dependency whose project the index marks as archived, deprecated or
quarantined. What an index does not tell is no finding. Known vulnerabilities are not asked for here: that needs a database of
them (`pip-audit`).

It asks the index that pip is configured for. Exit status 0: nothing found; 1: findings, one a line; 2: the index can't be asked.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from command import arguments_of, command, toml_of
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
UNUSABLE = {"archived", "deprecated", "quarantined"}
INACTIVE = "Development Status :: 7 - Inactive"
_DEFAULT_INDEX = re.compile(r"--index-url <url>.*?\(default\s+(\S+?)\)", re.DOTALL)


class UnreachableError(Exception):
    """The index can't be asked."""


@dataclass(frozen=True)
class Plan:
    """Requirements that are installed together, and what to call them."""

    name: str
    requirements: tuple[str, ...]


def plans(project: dict[str, Any]) -> list[Plan]:
    """The core alone and with each extra at the lowest versions, and everything together at the newest."""
    core, extras = project["dependencies"], project.get("optional-dependencies", {})
    lowest = {"the core": core, **{f"the extra {name}": [*core, *more] for name, more in extras.items()}}
    newest = [*core, *(requirement for more in extras.values() for requirement in more)]
    return [
        *(Plan(f"{name} at its lowest", tuple(map(at_lowest, wanted))) for name, wanted in lowest.items()),
        Plan("everything at its newest", tuple(dict.fromkeys(newest))),
    ]


def at_lowest(requirement: str) -> str:
    """The same, pinned to the version that its range begins with, if it has one."""
    parsed = Requirement(requirement)
    lowest = [each.version for each in parsed.specifier if each.operator == ">="]
    if lowest:
        parsed.specifier = SpecifierSet(f"=={lowest[0]}")
    return str(parsed)


def resolve(plan: Plan) -> tuple[list[dict[str, Any]], str]:
    """What pip would install, and why it can't, if so."""
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    done = subprocess.run([*pip, *plan.requirements], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout)["install"], ""
    errors = [line.removeprefix("ERROR: ").strip() for line in done.stderr.splitlines() if "ERROR" in line]
    return [], "; ".join(errors) or f"pip ended with {done.returncode}"


def installed(report: Iterable[dict[str, Any]], pythons: Iterable[str]) -> Iterator[str]:
    """What is wrong with the distributions that pip would install."""
    for each in report:
        metadata = each["metadata"]
        name = f"{metadata['name']} {metadata['version']}"
        if "is_yanked" not in each:
            raise UnreachableError("this pip does not tell what was yanked; it takes 24 or newer")
        if each["is_yanked"]:
            yield f"{name} was yanked"
        if INACTIVE in metadata.get("classifier", ()):
            yield f"{name} calls itself inactive"
        for python in pythons:
            if not _runs_on(metadata.get("requires_python"), python):
                yield f"{name} does not run on Python {python} (it says {metadata['requires_python']})"


def _runs_on(requires: str | None, python: str) -> bool:
    try:
        return SpecifierSet(requires or "").contains(f"{python}.0" if python.count(".") == 1 else python)
    except InvalidSpecifier:
        return True  # it says nothing that could be understood


def status(project: dict[str, Any]) -> str | None:
    """What the index says of a project: why nobody should depend on it, None for nothing."""
    told = project.get("project-status") or {}
    told = told if isinstance(told, dict) else {"status": told}
    if told.get("status") not in UNUSABLE:
        return None
    return f"is {told['status']}" + (f": {told['reason']}" if told.get("reason") else "")


def index_url() -> str:
    """The index that pip asks."""
    if url := os.environ.get("PIP_INDEX_URL"):
        return url
    pip = [sys.executable, "-m", "pip"]
    asked = subprocess.run([*pip, "config", "get", "global.index-url"], capture_output=True, text=True, check=False)
    if asked.returncode == 0 and asked.stdout.strip():
        return asked.stdout.strip()
    said = subprocess.run([*pip, "help", "install"], capture_output=True, text=True, check=False).stdout
    found = _DEFAULT_INDEX.search(said)
    if found is None:
        raise UnreachableError("pip does not say which index it asks; set PIP_INDEX_URL")
    return found[1]


def statuses(names: Iterable[str]) -> Iterator[str]:
    """What the index says of projects, where it answers in JSON; one that does not says nothing."""
    url = index_url().rstrip("/")
    with httpx.Client(
        headers={"accept": "application/vnd.pypi.simple.v1+json"}, follow_redirects=True, timeout=30
    ) as http:
        for name in names:
            try:
                answer = http.get(f"{url}/{name}/")
            except httpx.HTTPError as error:
                raise UnreachableError(f"the index does not answer ({type(error).__name__})") from error
            if answer.status_code == 200 and "json" in answer.headers.get("content-type", ""):
                said = status(answer.json())
                if said:
                    yield f"{name} {said}"


def direct(project: dict[str, Any]) -> list[str]:
    """The names of the projects that pyproject.toml names for those who install it."""
    wanted = [
        *project["dependencies"],
        *(r for more in project.get("optional-dependencies", {}).values() for r in more),
    ]
    return sorted({canonicalize_name(Requirement(each).name) for each in wanted})


def supported(project: dict[str, Any]) -> list[str]:
    """The Python versions of the classifiers, 3.11 for one, from this one on: pip may choose other versions for an older one."""
    prefix = "Programming Language :: Python :: 3."
    named = [each.rpartition(" ")[2] for each in project["classifiers"] if each.startswith(prefix)]
    return [each for each in named if int(each.partition(".")[2]) >= sys.version_info.minor]


def audit(project: dict[str, Any]) -> list[str]:
    """All findings, each once."""
    wanted, pythons = plans(project), supported(project)
    findings = list(statuses(direct(project)))
    with ThreadPoolExecutor(4) as pool:
        for plan, (report, problem) in zip(wanted, pool.map(resolve, wanted), strict=True):
            if problem:
                findings.append(f"{plan.name} can't be installed: {problem}")
            findings += installed(report, pythons)
            if report:
                sys.stdout.write(f"{plan.name}: {len(report)} distributions\n")
    return list(dict.fromkeys(findings))


def main(*arguments: str) -> int:
    arguments_of(__doc__).parse_args(arguments)
    try:
        findings = audit(toml_of(PYPROJECT)["project"])
    except (UnreachableError, InvalidRequirement) as error:
        sys.stderr.write(f"audit: {error}\n")
        return 2
    for finding in findings:
        sys.stderr.write(f"audit: {finding}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(command(main))
