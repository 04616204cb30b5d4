"""Two documents and the overlay: everything that a report says of them without generating anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regeneration.document import Document, read_bytes
from regeneration.overlay.actions import apply_tolerantly
from regeneration.pull import published
from regeneration.repair.mending import Mended
from regeneration.report.changes import compare
from regeneration.report.render import ChangeReport


def between(old: Document | Mended, new: Document | Mended, overlay: Any, reference: Document | None) -> ChangeReport:
    """What differs, and which overlay actions fitted the older document only.

    Args:
        reference: whose spelling of paths the overlay uses.

    Raises:
        InputError: a document or the overlay is unusable.
    """
    comparison = compare(old, new, reference)
    before, after = (apply_tolerantly(document, overlay)[1] for document in (comparison.old, comparison.new))
    unfit = tuple(action for action in after if action not in before)
    return ChangeReport(comparison.changes, unfit)


def read(path: Path) -> Document:
    """A document from a file, JSON or YAML."""
    text = published.decode(read_bytes(path), "", str(path))
    return published.read(text, "json" if text.lstrip().startswith(("{", "[")) else "yaml", str(path)).document
