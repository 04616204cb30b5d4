"""The report of a pull or a drive: a screen that begins with the verdict and ends with the next command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from regeneration.report.broken import explained
from regeneration.report.levels import HARMLESS

if TYPE_CHECKING:
    from regeneration.report.render import ChangeReport

_REGENERATE = "python scripts/regenerate.py"
Section = tuple[str, Sequence[str]]


def verdict(report: ChangeReport) -> str:
    """Whether the client works with the document, in one sentence."""
    if report.driven is None:
        return f"taken in: {report.summary}"
    if report.fits:
        return f"works: {report.driven.works} methods of the client; {report.summary}"
    fate = "written all the same" if report.written else "nothing is written in place"
    what = (
        f"{report.driven.works} methods of the client work"
        if report.driven.broken
        else "models lose what is read of them"
    )
    return f"DOES NOT WORK: {what}; {fate}"


def sections(report: ChangeReport) -> Iterator[Section]:
    """What follows the verdict: what breaks, what to decide, what changed, in this order; each cut to a readable length."""
    if report.driven is not None:
        broken = [*explained(report.driven.broken, report.client), *grouped(report.misfits)]
        yield "Broken", cut(broken, 14)
        absent = ", ".join(report.driven.absent)
        yield "Not in the document, nor on the vendor's page; kept", [absent] if absent else []
    yield (
        "Warnings",
        cut([note.removeprefix("warning: ") for note in report.warnings if note.startswith("warning: ")], 4),
    )
    unfit = [f"overlay action {action} matches nothing any more" for action in report.unfit]
    yield "To decide", cut([*grouped(unfit), *grouped(report.undecided)], 8)
    breaking = [f"{change.operation}: {change.words}" for change in report.changes if change.level != HARMLESS]
    yield f"Changes that break ({len(breaking)})", cut(list(grouped(breaking)), 8)
    harmless = [f"{change.operation}: {change.words}" for change in report.changes if change.level == HARMLESS]
    yield f"Harmless ({len(harmless)})", cut(list(grouped(harmless)), 5)
    yield f"Put right, named or filled ({len(report.notes)})", cut(list(grouped(report.notes)), 8)


def next_command(report: ChangeReport) -> str:
    """What to type next."""
    if report.driven is None:
        return "git diff --stat"
    if not report.fits:
        return "$EDITOR spec/overlay.yaml, then the same command again; --accept writes it as it is"
    if report.written:
        return "git diff --stat && nox -s tests -- tests/regenerate tests/resources"
    return f"{_REGENERATE} --pull FROM"


def closing(report: ChangeReport) -> list[str]:
    """Where the document was, and the counts."""
    return [*(f"note: {note}" for note in report.warnings if not note.startswith("warning: ")), report.counts]


def grouped(entries: Iterable[str]) -> Iterator[str]:
    """Lines that say the same of different places are one line with a number."""
    places: dict[str, list[str]] = {}
    for entry in entries:
        place, _, words = entry.partition(": ")
        key = words or place
        places.setdefault(re.sub(r"\d+(?=XX|\b)|'[^']*'", "…", key), []).append(entry)
    for alike in sorted(places.values(), key=lambda group: -len(group)):
        yield alike[0] if len(alike) == 1 else f"{alike[0]}" + f" (and {len(alike) - 1} more of the kind)"


def cut(lines: Sequence[str], most: int) -> Sequence[str]:
    return (
        lines
        if len(lines) <= most
        else [*lines[: most - 1], f"… and {len(lines) - most + 1} more (--format json has all)"]
    )
