"""A published document, however different from what our code was written with, made into one to generate from.

In order: mended, spelled like ours, overlaid, its operations and schemas named, filled where it leaves something out.
Pure, and the same documents always give the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regeneration.adopt.alignment import align, by_key, unmarked
from regeneration.adopt.class_names import name_models
from regeneration.adopt.grafting import graft
from regeneration.adopt.naming import name_operations
from regeneration.document import Document
from regeneration.overlay.actions import apply, apply_tolerantly
from regeneration.repair.mending import Mended, mend


@dataclass(frozen=True)
class Intake:
    """What to generate from.

    Attributes:
        document: with the overlay applied.
        defects: what was put right in it or left out of it, in words.
        notes: what was derived or filled, in words.
        unfit: the overlay actions that do not fit it.
        published: the document as published, sound and spelled like ours, before the overlay.
        mended: the same in its own spelling.
    """

    document: Document
    defects: tuple[str, ...]
    notes: tuple[str, ...]
    unfit: tuple[str, ...]
    published: Document
    mended: Mended


def take_in(published: Document, overlay: Any, reconstruction: Document) -> Intake:
    """Make a published document usable.

    Args:
        published: any OpenAPI 3 document.
        overlay: parsed.
        reconstruction: the document that our code was written with, without the overlay.

    Raises:
        InputError: the document has no operations or unresolvable references, or it or the overlay is beyond repair.
    """
    ours = apply(reconstruction, overlay)
    mended = mend(published)
    aligned = align(mended.document, ours)
    identifiers = {key: route.operation.get("operationId") for key, route in by_key(aligned.document).items()}
    document, unfit = apply_tolerantly(unmarked(aligned.document), overlay)
    defects = [*mended.defects, *aligned.notes]
    notes = name_operations(document, ours, identifiers)
    notes += name_models(document, ours)
    notes += graft(document, ours)
    return Intake(document, _once(defects), _once(notes), _once(unfit), aligned.document, mended)


def _once(words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
