"""The tools that regeneration needs: which versions, whether they are there, and running them.

The generator and the formatter are pinned exactly, in pyproject.toml and nowhere else: another release of either
changes most generated files.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from regeneration.document import InputError, read_bytes

GENERATOR = "openapi-python-client"
FORMATTER = "ruff"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:==\s*([^\s,;]+))?")


#: No colours and no drawn boxes in what a tool says.
_PLAIN = {"NO_COLOR": "1", "_TYPER_STANDARD_TRACEBACK": "1", "TYPER_STANDARD_TRACEBACK": "1"}


@dataclass(frozen=True)
class Toolchain:
    """The exact versions at work."""

    generator: str
    formatter: str


def find(root: Path, arguments: str) -> Toolchain:
    """Check that everything in the dependency group `regenerate` is installed, exact pins at exactly that version.

    Args:
        root: the repository.
        arguments: of this script, for the command that brings what is missing.

    Raises:
        InputError: a tool is missing or has another version.
    """
    pins = _pins(root / "pyproject.toml")
    cure = f"run `nox -s regenerate -- {arguments}`, which brings it, or `pip install --group regenerate` (pip 25.1)"
    for name, wanted in pins.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError as error:
            raise InputError(f"{name} is not installed for {sys.executable}; {cure}") from error
        if wanted is not None and installed != wanted:
            raise InputError(f"{name} is {installed}, but {wanted} is pinned; {cure}")
    generator, formatter = pins.get(GENERATOR), pins.get(FORMATTER)
    if generator is None or formatter is None:
        raise InputError(f"pyproject.toml: the group `regenerate` must pin {GENERATOR} and {FORMATTER} with ==")
    return Toolchain(generator, formatter)


def _pins(path: Path) -> dict[str, str | None]:
    try:
        groups = tomllib.loads(read_bytes(path).decode()).get("dependency-groups", {})
    except ValueError as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    group = groups.get("regenerate")
    if not isinstance(group, list):
        raise InputError(f"{path} has no dependency group `regenerate`")
    matches = [_REQUIREMENT.match(requirement) for requirement in group if isinstance(requirement, str)]
    return {match[1]: match[2] for match in matches if match is not None}


def run(module: str, *arguments: str, cwd: Path | None = None) -> str:
    """Run a tool of this interpreter's own environment and return its output.

    Never through PATH, where another version may come first or none at all, and with -P, so that a file in the
    working directory cannot stand in for the tool. The RUFF_* variables would change what the formatter does.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RUFF_")}
    command = [sys.executable, "-P", "-m", module.replace("-", "_"), *arguments]
    process = subprocess.run(
        command, cwd=cwd, env={**environment, **_PLAIN}, capture_output=True, check=False, timeout=600
    )
    output = process.stdout.decode(errors="replace")
    if process.returncode != 0:
        errors = process.stderr.decode(errors="replace") or output
        if "Traceback (most recent call last)" in errors:
            errors = errors.strip().splitlines()[-1]
        first = re.search(r"[^\n]*(?:Unable to|Cannot) (?:process|parse)[^\n]*(?:\n\n[^\n]+)?", errors)
        said = re.sub(r"<[\w.]+ object at 0x\w+>", "…", " ".join((first[0] if first else errors).split()))
        raise InputError(f"{module} failed: {said if len(said) < 800 else said[:800] + ' …'}")
    return output
