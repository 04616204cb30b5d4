"""The report on documents that differ from the reconstruction in one known way: that way is named, and nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.overlay.core_yaml import parse_yaml
from regeneration.report import between as drift
from regeneration.report import changes
from support.further import further
from support.mutations import MUTATIONS, RECONSTRUCTION, Mutation, original

OVERLAY = parse_yaml((RECONSTRUCTION.parent / "overlay.yaml").read_bytes(), "overlay.yaml")
ORIGINAL = original()


@pytest.mark.parametrize("mutation", [*MUTATIONS[1::2], *further(*MUTATIONS[::2])], ids=lambda mutation: mutation.name)
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
    levels = {level for *_, level in mutation.told}
    expected_status = 4 if levels - {"harmless"} else 3 if told or slips else 0
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


def small(schema: dict[str, object], **more: object) -> dict[str, object]:
    """A document of one operation that takes and answers a schema."""
    content = {"content": {"application/json": {"schema": schema}}}
    operation = {
        "parameters": [{"name": "page", "in": "query", "schema": schema}],
        "requestBody": content,
        "responses": {"200": {"description": "", **content}},
    }
    return {"openapi": "3.0.3", "info": {"title": "", "version": ""}, "paths": {"/kites": {"post": operation}}, **more}


@pytest.mark.parametrize(
    ("before", "after", "words", "level"),
    [
        ({"maximum": 100}, {"maximum": 50}, "maximum 50, not 100", "breaking for callers"),
        ({"maximum": 50}, {"maximum": 100}, "maximum 100, not 50", "harmless"),
        ({"minimum": 0}, {"minimum": 1}, "minimum 1, not 0", "breaking for callers"),
        ({}, {"exclusiveMinimum": True, "minimum": 3}, "exclusiveMinimum 3", "breaking for callers"),
        ({"default": 20}, {"default": 10}, "default 10, not 20", "harmless"),
        ({"multipleOf": 2}, {}, "no multipleOf", "harmless"),
    ],
)
def test_limits_are_compared(before: dict[str, object], after: dict[str, object], words: str, level: str) -> None:
    """What may be sent gets narrower, or wider."""
    whole = {"type": "integer"}
    told = changes.compare(small(whole | before), small(whole | after)).changes
    assert [one.level for one in told if one.place == "query parameter page"] == [level]
    assert told[0].words == f"query parameter page: {words}"
    assert {one.level for one in told if one.place.startswith("answer")} == {"harmless"}


def test_lengths_patterns_and_closed_objects_are_compared() -> None:
    """Each by its own name."""
    text: dict[str, object] = {"type": "string"}
    narrow = text | {"maxLength": 5, "pattern": "^a"}
    open_ = {"type": "object", "properties": {"name": text}}
    closed = {"type": "object", "properties": {"name": narrow}, "additionalProperties": False}
    told = {one.words for one in changes.compare(small(open_), small(closed)).changes if one.level != "harmless"}
    assert {"body, name: maxLength 5", 'body, name: pattern "^a"', "body: additionalProperties false"} <= told
    assert changes.compare(small(open_ | {"additionalProperties": True}), small(open_)).changes == ()


def test_the_same_limit_in_words_of_another_version_is_no_change() -> None:
    """OpenAPI 3.1 has a number where 3.0 has a flag."""
    old = small({"type": "integer", "minimum": 0, "exclusiveMinimum": True})
    new = small({"type": "integer", "exclusiveMinimum": 0}) | {"openapi": "3.1.0"}
    assert changes.compare(old, new).changes == ()


def test_a_key_that_travels_otherwise_is_told_once() -> None:
    """Whatever kind of scheme it is; a further way beside the old one is harmless."""
    key = {"type": "apiKey", "in": "header", "name": "x-api-key"}
    schemes = {"securitySchemes": {"key": key, "bearer": {"type": "http", "scheme": "bearer"}}}
    documents = [
        small({}, components=schemes, security=asked)
        for asked in ([{"key": []}], [{"bearer": []}], [{"bearer": []}, {"key": []}])
    ]
    (one,) = changes.compare(documents[0], documents[1]).changes
    assert (one.operation, one.level) == ("every operation", "breaking for callers")
    assert one.words == "the key travels as http bearer, not as x-api-key in the header"
    (other,) = changes.compare(documents[0], documents[2]).changes
    assert other.level == "harmless"


def test_headers_of_answers_and_webhooks_are_compared() -> None:
    """Rate limits are headers; a webhook that is gone breaks those who wait for it."""
    old, new = small({}), small({})
    new["paths"]["/kites"]["post"]["responses"]["200"]["headers"] = {
        "X-RateLimit-Limit": {"schema": {"type": "integer"}}
    }  # type: ignore[index]
    new |= {"openapi": "3.1.0", "webhooks": {"flown": {"post": {"responses": {"200": {"description": ""}}}}}}
    told = [(one.operation, one.level, one.words) for one in changes.compare(old, new).changes]
    assert told == [
        ("webhook flown", "harmless", "a new webhook"),
        ("POST /kites", "harmless", "answer 200: has the headers X-RateLimit-Limit"),
    ]
    assert changes.compare(new, old).changes[0].level == "breaking for parsing"
