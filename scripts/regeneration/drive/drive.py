"""The drive: whether every method of the client works with a package, against a server of the document that it was made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regeneration.adopt.alignment import by_key
from regeneration.document import Document, InputError
from regeneration.drive.calls import METHODS

SCRIPTS = Path(__file__).resolve().parents[2]
#: Seconds for all methods together.
_PATIENCE = 240.0


@dataclass(frozen=True)
class Driven:
    """What became of each method.

    Attributes:
        broken: why it fails, by operationId; only what fails.
        absent: operations that the document does not have, and the vendor's page does not name.
    """

    broken: Mapping[str, str]
    absent: tuple[str, ...]

    @property
    def works(self) -> str:
        return f"{len(METHODS) - len(self.broken)} of {len(METHODS)}"


def drive(client: Path, package: Mapping[str, bytes], document: Document, made_of_it: Document) -> Driven:
    """Run all methods.

    Args:
        client: the folder in which the hand-written package is.
        package: the generated files, by path relative to the folder in which the generated package is.
        document: as published, sound and spelled like ours, before the overlay.
        made_of_it: the document that the package was generated from.

    Raises:
        InputError: what the client needs itself is not installed.
    """
    there = by_key(document)
    absent = {
        route.operation["operationId"]
        for key, route in by_key(made_of_it).items()
        if route.operation.get("x-observed") and key not in there
    }
    given = {"document": document, "made_of_it": made_of_it, "kept": sorted(absent)}
    with tempfile.TemporaryDirectory(prefix="drive-") as folder:
        for path, data in package.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        results = _run([folder, str(client), str(SCRIPTS)], json.dumps(given))
    return Driven({name: why for name, why in results.items() if why}, tuple(sorted(absent)))


def _run(path: list[str], given: str) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SESSIONS_", "PYTHON"))}
    command = [sys.executable, "-m", "regeneration.drive.run"]
    try:
        process = subprocess.run(
            command, input=given, env={**environment, "PYTHONPATH": os.pathsep.join(path), "NO_PROXY": "127.0.0.1"},
            cwd=path[0], capture_output=True, text=True, check=False, timeout=_PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return dict.fromkeys(METHODS, f"nothing came of it within {_PATIENCE:.0f} seconds")
    if process.returncode == 0:
        return dict(json.loads(process.stdout))
    last = (process.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    if "No module named" in last and "sessions_us" not in last:
        raise InputError(f"the drive needs what the client needs: {last}")
    return dict.fromkeys(METHODS, f"import sessions_us fails: {last}")
