"""The report on documents that differ from the reconstruction in one known way: that way is named, and nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.overlay.core_yaml import parse_yaml
from regeneration.report import between as drift
from regeneration.report import changes
from support.mutations import MUTATIONS, RECONSTRUCTION, Mutation, original

OVERLAY = parse_yaml((RECONSTRUCTION.parent / "overlay.yaml").read_bytes(), "overlay.yaml")
ORIGINAL = original()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_the_report_names_what_was_changed_and_nothing_else(mutation: Mutation) -> None:
    """Each change with its operation, kind, place and level; each slip where it is; each overlay action without a match."""
    report = drift.between(ORIGINAL, mutation(), OVERLAY, ORIGINAL)
    told = {(one.operation, one.kind, one.place, one.level) for one in report.changes if one.kind != "defect"}
    slips = [(one.operation, one.words) for one in report.changes if one.kind == "defect"]
    assert told == mutation.told
    assert len(slips) == len(mutation.slips)
    for (operation, words), (where, expected) in zip(sorted(slips), sorted(mutation.slips), strict=True):
        assert operation == where
        assert expected in words
    assert [action.partition(": ")[2] for action in report.unfit] == list(mutation.unfit)
    assert [risen.subject for risen in report.risen] == list(mutation.risen)
    levels = {level for *_, level in mutation.told}
    expected_status = 4 if levels - {"harmless"} else 3 if told or slips or report.risen else 0
    assert report.status == expected_status


@pytest.mark.parametrize(
    ("before", "after", "level"),
    [({"note": {}}, {}, "breaking for callers"), ({}, {"note": {}}, "harmless"), ({"note": {}}, {"note": {}}, None)],
)
def test_the_body_of_a_form_is_compared_too(
    before: dict[str, object], after: dict[str, object], level: str | None
) -> None:
    """Whatever both documents call its media type."""

    def document(properties: dict[str, object]) -> dict[str, object]:
        form = {"multipart/form-data": {"schema": {"type": "object", "properties": properties}}}
        operation = {"requestBody": {"content": form}, "responses": {"200": {"description": ""}}}
        return {"openapi": "3.0.3", "info": {"title": "", "version": ""}, "paths": {"/kites": {"post": operation}}}

    told = changes.compare(document(before), document(after)).changes
    assert [(one.operation, one.level) for one in told] == ([("POST /kites", level)] if level else [])
