"""Files by relative path: read from a folder, compared, put in place."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from regeneration.document import InputError

#: A folder that is wholly ours: what is in it and not in the new tree goes.
OWNED = "generated"
MARK = "generated/PROVENANCE.json"
_FILES, _LINES_PER_FILE, _LINES = 100, 40, 300


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
    """What is on disk where `fresh` would go: its files, and whatever else is in the owned folder, but for caches."""
    paths = {root / path for path in fresh} | set((root / OWNED).rglob("*"))
    files = {path.relative_to(root): path for path in sorted(paths) if path.is_file()}
    return {name.as_posix(): path.read_bytes() for name, path in files.items() if not _is_cache(name)}


def _is_cache(path: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in path.parts)


def compare(committed: Mapping[str, bytes], fresh: Mapping[str, bytes]) -> list[Difference]:
    """Every file that is missing, extra or changed, in order of the paths."""
    return [
        Difference(path, committed.get(path), fresh.get(path))
        for path in sorted({*committed, *fresh})
        if committed.get(path) != fresh.get(path)
    ]


def report(differences: list[Difference]) -> str:
    """Counts, the files, and unified diffs from what is committed to what it should be, cut to a readable length."""
    kinds = [difference.kind for difference in differences]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("changed", "missing", "extra"))
    diffs = [list(_unified(difference)) for difference in differences]
    summaries = [
        f"{difference.kind} {difference.path} (+{_count('+', diff)} -{_count('-', diff)})"
        for difference, diff in zip(differences, diffs, strict=True)
    ]
    lines = [line for diff in diffs for line in _cut(diff, _LINES_PER_FILE)]
    head = f"not what regeneration gives: {len(differences)} files ({counts})"
    return "\n".join([head, *_cut(summaries, _FILES), *_cut(lines, _LINES)])


def _count(sign: str, diff: list[str]) -> int:
    return sum(line.startswith(sign) for line in diff[2:])


def _cut(lines: list[str], limit: int) -> list[str]:
    return lines if len(lines) <= limit else [*lines[:limit], f"… {len(lines) - limit} more lines"]


def _unified(difference: Difference) -> Iterator[str]:
    before, after = (_lines(side) for side in (difference.committed, difference.fresh))
    names = (f"committed/{difference.path}", f"regenerated/{difference.path}")
    return difflib.unified_diff(before, after, *names, lineterm="")


def _lines(data: bytes | None) -> list[str]:
    return (data or b"").decode(errors="backslashreplace").splitlines()


def refuse_foreign(root: Path) -> None:
    """Writing replaces the owned folder, so under a root that somebody names it must be absent, empty or our own work.

    Raises:
        InputError: it holds something else.
    """
    owned = root / OWNED
    if owned.exists() and not (root / MARK).is_file() and any(owned.iterdir()):
        raise InputError(f"{owned} was not made by regeneration (it has no PROVENANCE.json); name another folder")


def write(root: Path, fresh: Mapping[str, bytes]) -> None:
    """Put the files in place: written beside first and then renamed, the owned folder as a whole."""
    root.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".regenerate-", dir=root))
    try:
        for path, data in fresh.items():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            (stage / path).write_bytes(data)
        _swap(stage / OWNED, root / OWNED, stage / "replaced")
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
