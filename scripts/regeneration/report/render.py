"""What is to be said about a newer document: for people as text or Markdown, for machines as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from regeneration.report import summary
from regeneration.report.levels import CALLERS, HARMLESS, PARSING, Level

if TYPE_CHECKING:  # it imports the tools, which may be missing, and which whoever only wants to print need not wait for
    from regeneration.drive.drive import Driven
    from regeneration.report.changes import DocumentChange

Format = Literal["text", "markdown", "json"]
FORMATS: Final[tuple[Format, ...]] = ("text", "markdown", "json")
UNCHANGED, REFUSED, HARMLESS_ONLY, BREAKING = 0, 2, 3, 4
_MARKUP: Final = {ord(sign): f"&#{ord(sign)};" for sign in "&\\`*_[]<>|#~!@"}
_UNFIT: Final = "Overlay actions that no longer match"
_ORDER: Final[tuple[Level, ...]] = (CALLERS, PARSING, HARMLESS)


@dataclass(frozen=True)
class ChangeReport:
    """Everything that is to be said.

    Attributes:
        changes: between the documents.
        unfit: number and target of each overlay action that fitted the older document and does not fit the newer one.
        notes: what was put right, filled or named, to make something of the document; this and the rest only after a pull.
        misfits: what models lose that the client reads.
        undecided: what may have to be changed, and breaks nothing.
        warnings: where the document was found, and what is odd about it.
        driven: what became of each method of the client; None where there is no client.
        client: the folder of the client.
        counts: of what was generated and written.
        written: whether the result is in place.
    """

    changes: Sequence[DocumentChange] = ()
    unfit: Sequence[str] = ()
    notes: Sequence[str] = ()
    misfits: Sequence[str] = ()
    undecided: Sequence[str] = ()
    warnings: Sequence[str] = ()
    driven: Driven | None = None
    client: Path = Path()
    counts: str = ""
    written: bool = False

    @property
    def fits(self) -> bool:
        """Whether every method of the client works with the document."""
        return not self.misfits and (self.driven is None or not self.driven.broken)

    @property
    def status(self) -> int:
        """0 no change, 3 only harmless ones, 4 something breaks."""
        if any(change.level != HARMLESS for change in self.changes):
            return BREAKING
        return HARMLESS_ONLY if self.changes or self.unfit else UNCHANGED

    @property
    def summary(self) -> str:
        counts = Counter(change.level for change in self.changes)
        if not self.changes:
            return "no changes"
        return f"{len(self.changes)} changes: " + ", ".join(
            f"{counts[level]} {level}" for level in _ORDER if counts[level]
        )


def render(report: ChangeReport, form: Format) -> str:
    """The report, without a newline at its end."""
    return _RENDERERS[form](report)


def refused(reason: str, form: Format) -> str:
    """The report of a document that is not taken in; nothing as text, for then the reason is on stderr alone."""
    if form == "json":
        return json.dumps({"status": REFUSED, "verdict": f"REFUSED: {reason}"}, indent=2, ensure_ascii=False)
    return f"**REFUSED: {_escaped(reason)}**" if form == "markdown" else ""


def _by_operation(changes: Sequence[DocumentChange]) -> Mapping[str, list[DocumentChange]]:
    """The changes of each operation, in order of the document, the breaking ones first."""
    result: dict[str, list[DocumentChange]] = {}
    for change in changes:
        result.setdefault(change.operation, []).append(change)
    return {name: sorted(group, key=lambda change: _ORDER.index(change.level)) for name, group in result.items()}


def _text(report: ChangeReport) -> str:
    if report.counts:
        return "\n".join(_plain(line) for line in _pulled_text(report))
    lines = [report.summary]
    for name, group in _by_operation(report.changes).items():
        lines += ["", name, *(f"  {change.level}: {change.words}" for change in group)]
    if report.unfit:
        lines += ["", f"{_UNFIT} ({len(report.unfit)})", *(f"  action {action}" for action in report.unfit)]
    return "\n".join(_plain(line) for line in lines)


def _pulled_text(report: ChangeReport) -> Iterator[str]:
    yield summary.verdict(report)
    for title, entries in summary.sections(report):
        if entries:
            yield from (title, *(f"  {entry}" for entry in entries))
    yield from summary.closing(report)
    yield f"Next: {summary.next_command(report)}"


def _pulled_markdown(report: ChangeReport) -> Iterator[str]:
    yield f"**{_escaped(summary.verdict(report))}**"
    for title, entries in summary.sections(report):
        if entries:
            yield from ("", f"### {title}", "", *(f"- {_escaped(entry)}" for entry in entries))
    yield from ("", _escaped("; ".join(summary.closing(report))), "", f"Next: `{summary.next_command(report)}`")


def _markdown(report: ChangeReport) -> str:
    if report.counts:
        return "\n".join(_pulled_markdown(report))
    lines = [f"**{report.summary}**"]
    for name, group in _by_operation(report.changes).items():
        lines += ["", f"### {_code(name)}", "", "| | what changed |", "|---|---|"]
        lines += [f"| {_mark(change)} | {_escaped(change.words)} |" for change in group]
    if report.unfit:
        lines += ["", f"### {_UNFIT}", "", *(f"- action {_escaped(action)}" for action in report.unfit)]
    return "\n".join(lines)


def _mark(change: DocumentChange) -> str:
    return change.level if change.level == HARMLESS else f"**{change.level}**"


def _code(text: str) -> str:
    return f"`{_plain(text).replace('`', '')}`"


def _escaped(text: str) -> str:
    """Names in a document are the vendor's: none of them is to become markup, a mention or a link in a pull request."""
    return _plain(text).translate(_MARKUP)


def _plain(text: str) -> str:
    """One line, without what a terminal would obey; indentation stays."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _json(report: ChangeReport) -> str:
    said = {"summary": report.summary, "status": report.status, **asdict(report)}
    if report.counts:
        said |= {"status": UNCHANGED if report.fits else BREAKING, "verdict": summary.verdict(report)}
    return json.dumps(said, indent=2, ensure_ascii=False, default=str)


_RENDERERS: Final[Mapping[Format, Callable[[ChangeReport], str]]] = {
    "text": _text,
    "markdown": _markdown,
    "json": _json,
}
