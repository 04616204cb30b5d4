"""The comparison of two documents, one difference at a time: what is told, where, and whether it breaks somebody."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.report import changes

JSON = "application/json"
TEXT: dict[str, Any] = {"type": "string"}
OK: dict[str, Any] = {"responses": {"200": {"description": ""}}}


def document(operation: dict[str, Any], **more: Any) -> dict[str, Any]:
    paths = {"/kites": {"post": {**OK, **operation}}}
    return {"openapi": "3.0.3", "info": {"title": "", "version": ""}, "paths": paths, **more}


def answers(*statuses: str) -> dict[str, Any]:
    return {"responses": {status: {"description": ""} for status in statuses}}


def answering(content: dict[str, Any]) -> dict[str, Any]:
    return {"responses": {"200": {"description": "", "content": content}}}


def taking(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"content": {JSON: {"schema": schema}}}}


def returning(schema: dict[str, Any]) -> dict[str, Any]:
    return answering({JSON: {"schema": schema}})


def either(*types: str) -> dict[str, Any]:
    return {"oneOf": [{"type": each} for each in types]}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, taking(TEXT), [("body-added", "harmless", "takes a body")]),
        (
            {},
            {"requestBody": {**taking(TEXT)["requestBody"], "required": True}},
            [("body-added", "breaking for callers", "takes a body, required")],
        ),
        (taking(TEXT), {}, [("body-removed", "breaking for callers", "takes no body")]),
        (
            answers("200", "201"),
            answers("200"),
            [("status-removed", "breaking for parsing", "no longer answers 201")],
        ),
        (answers("200"), answers("200", "202"), [("status-added", "harmless", "may answer 202")]),
        (
            answering({JSON: {"schema": TEXT}}),
            answering({JSON: {}}),
            [("schema-removed", "breaking for parsing", "answer 200: no longer says what is in it")],
        ),
        (
            answering({JSON: {}}),
            answering({JSON: {"schema": TEXT}}),
            [("schema-added", "harmless", "answer 200: says what is in it")],
        ),
        (
            answering({JSON: {}}),
            answering({"text/plain": {}}),
            [
                ("media-removed", "breaking for parsing", f"answer 200: no {JSON}"),
                ("media-added", "harmless", "answer 200: text/plain instead"),
            ],
        ),
        (answering({JSON: {}}), answering({"application/hal+json": {}}), []),
        (
            answering({JSON: {}}),
            answering({JSON: {}, "text/csv": {}}),
            [("media-added", "harmless", "answer 200: text/csv as well")],
        ),
        (
            returning(TEXT),
            returning(TEXT | {"format": "uri"}),
            [("format-changed", "harmless", "answer 200: of the format uri")],
        ),
        (
            returning(TEXT | {"format": "uri"}),
            returning(TEXT),
            [("format-changed", "harmless", "answer 200: no longer of the format uri")],
        ),
        (
            taking(TEXT | {"enum": ["a", "b"]}),
            taking(TEXT | {"enum": ["a"]}),
            [("enum-value-removed", "breaking for callers", 'body: is never "b"')],
        ),
        (
            returning(TEXT | {"enum": ["a", "b"]}),
            returning(TEXT | {"enum": ["a"]}),
            [("enum-value-removed", "harmless", 'answer 200: is never "b"')],
        ),
        (
            returning(either("string", "integer")),
            returning(either("string", "boolean")),
            [
                ("variant-removed", "harmless", "answer 200: never integer"),
                ("variant-added", "breaking for parsing", "answer 200: may be boolean"),
            ],
        ),
        (
            {"parameters": [{"name": "a", "in": "query", "content": {JSON: {"schema": TEXT}}}]},
            {"parameters": [{"name": "a", "in": "query", "content": {JSON: {"schema": {"type": "integer"}}}}]},
            [("type-changed", "breaking for callers", "query parameter a: integer, not string")],
        ),
    ],
)  # fmt: skip
def test_a_difference_is_told_with_its_level(
    before: dict[str, Any], after: dict[str, Any], told: list[tuple[str, str, str]]
) -> None:
    """That one, and nothing else."""
    found = changes.compare(document(before), document(after)).changes
    assert [(one.kind, one.level, one.words) for one in found] == told


def test_another_server_is_told() -> None:
    """By its address, whatever slash is at its end."""
    old, new, same = (
        document({}, servers=[{"url": url}]) for url in ("https://a.example", "https://b.example", "https://a.example/")
    )
    (told,) = changes.compare(old, new).changes
    assert (told.kind, told.words) == ("server-changed", "the server is https://b.example, not https://a.example")
    assert changes.compare(old, same).changes == ()


def test_the_body_of_a_webhook_is_compared() -> None:
    """It is what somebody parses."""

    def told_of(schema: dict[str, Any]) -> dict[str, Any]:
        return document({}, webhooks={"made": {"post": taking(schema)}}) | {"openapi": "3.1.0"}

    (told,) = changes.compare(told_of(TEXT), told_of({"type": "integer"})).changes
    assert (told.operation, told.kind, told.level) == ("webhook made", "type-changed", "breaking for parsing")
