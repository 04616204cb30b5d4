"""Files by relative path: read from a folder, compared, put in place."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from document import InputError

#: A folder that is wholly ours: what is in it and not in the new tree goes.
OWNED = "generated"
MARK = "generated/PROVENANCE.json"
_LINES_PER_FILE = 40
_LINES_IN_ALL = 400


@dataclass(frozen=True)
class Difference:
    """One file that is not as it should be; `committed` or `fresh` is None where that side has no such file."""

    path: str
    committed: bytes | None
    fresh: bytes | None

    @property
    def kind(self) -> str:
        if self.committed is None:
            return "missing"
        return "extra" if self.fresh is None else "changed"


def read(root: Path, fresh: Mapping[str, bytes]) -> dict[str, bytes]:
    """What is on disk where `fresh` would go: its files, and everything else in the owned folder."""
    paths = {root / path for path in fresh}
    paths |= {path for path in (root / OWNED).rglob("*") if "__pycache__" not in path.parts}
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(paths) if path.is_file()}


def compare(committed: Mapping[str, bytes], fresh: Mapping[str, bytes]) -> list[Difference]:
    """Every file that is missing, extra or changed, in order of the paths."""
    return [
        Difference(path, committed.get(path), fresh.get(path))
        for path in sorted({*committed, *fresh})
        if committed.get(path) != fresh.get(path)
    ]


def report(differences: list[Difference]) -> str:
    """Counts, and unified diffs from what is committed to what it should be, cut to a readable length."""
    kinds = [difference.kind for difference in differences]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("changed", "missing", "extra"))
    lines = [f"{len(differences)} files differ from what regeneration gives: {counts}"]
    for difference in differences:
        diff = list(_unified(difference))
        added = sum(line.startswith("+") for line in diff[2:])
        removed = sum(line.startswith("-") for line in diff[2:])
        lines.append(f"{difference.kind} {difference.path} (+{added} -{removed})")
        lines += islice(diff, _LINES_PER_FILE)
        if len(diff) > _LINES_PER_FILE:
            lines.append(f"… {len(diff) - _LINES_PER_FILE} more lines in {difference.path}")
    if len(lines) > _LINES_IN_ALL:
        lines[_LINES_IN_ALL:] = [f"… {len(lines) - _LINES_IN_ALL} more lines"]
    return "\n".join(lines)


def _unified(difference: Difference) -> Iterator[str]:
    before, after = (_lines(side) for side in (difference.committed, difference.fresh))
    names = (f"committed/{difference.path}", f"regenerated/{difference.path}")
    return difflib.unified_diff(before, after, *names, lineterm="")


def _lines(data: bytes | None) -> list[str]:
    return (data or b"").decode(errors="backslashreplace").splitlines()


def write(root: Path, fresh: Mapping[str, bytes]) -> None:
    """Put the files in place: written beside first and then renamed, the owned folder as a whole.

    Raises:
        InputError: the owned folder holds something that regeneration did not make.
    """
    owned = root / OWNED
    if owned.exists() and any(owned.iterdir()) and not (root / MARK).exists():
        raise InputError(f"{owned} was not made by regeneration (no PROVENANCE.json); move it away first")
    root.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".regenerate-", dir=root))
    try:
        for path, data in fresh.items():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            (stage / path).write_bytes(data)
        _swap(stage / OWNED, owned, stage / "replaced")
        for path in fresh:
            if not path.startswith(f"{OWNED}/"):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (stage / path).replace(root / path)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _swap(new: Path, place: Path, aside: Path) -> None:
    if place.exists():
        place.rename(aside)
    try:
        new.rename(place)
    except OSError:
        if aside.exists():
            aside.rename(place)
        raise
