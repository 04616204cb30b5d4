"""What the drive makes of a schema is a value of it, and what its server refuses is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from openapi_schema_validator import OAS30ReadValidator, oas30_format_checker
from regeneration.drive.server import Answered, Api
from regeneration.drive.values import made

JSON = "application/json"
TEXT: dict[str, Any] = {"type": "string"}


def document(operation: dict[str, Any], path: str = "/kites", **more: Any) -> dict[str, Any]:
    paths = {path: {"post": {"operationId": "fly_kite", "responses": {"200": {"description": ""}}, **operation}}}
    return {"openapi": "3.0.3", "info": {"title": "", "version": ""}, "paths": paths, **more}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": "integer", "minimum": 5},
        {"type": "integer", "maximum": -3},
        {"type": "integer", "minimum": 5, "exclusiveMinimum": True},
        {"type": "integer", "maximum": 1, "exclusiveMaximum": True},
        {"type": "integer", "minimum": 5, "multipleOf": 4},
        {"type": "number", "minimum": 0.5, "exclusiveMinimum": False},
        {"type": "integer", "default": 7},
        {"type": "string", "minLength": 80},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^[a-z]+$", "minLength": 9},
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "email"},
        {"type": "string", "enum": ["a", "b"]},
        {"type": "boolean"},
        {},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3},
        {"type": "object", "additionalProperties": {"type": "integer", "minimum": 2}},
        {"type": "object", "properties": {"id": {"type": "integer"}}},
        {"type": "object", "properties": {"id": {"type": "object", "properties": {"part": TEXT}}}},
        {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "at": {"type": "boolean"}}},
        {"oneOf": [{"type": "integer"}, TEXT]},
    ],
    ids=json.dumps,
)
def test_what_is_made_of_a_schema_is_of_it(schema: dict[str, Any]) -> None:
    """Also where limits leave little room."""
    value = made((document({}), schema), 1)
    validator = OAS30ReadValidator(schema, format_checker=oas30_format_checker)
    assert [error.message for error in validator.iter_errors(value)] == []


def test_a_pattern_that_nothing_meets_gets_some_text() -> None:
    """The server says then why it is refused."""
    assert made((document({}), TEXT | {"pattern": "^never[0-9]{7}$"}), 1) == "text"


def test_what_requires_itself_has_an_end() -> None:
    """However deep it is, it can be sent as JSON."""
    within = {"type": "object", "required": ["in"], "properties": {"in": {"$ref": "#/components/schemas/Box"}}}
    boxes = document({}, components={"schemas": {"Box": within}})
    assert json.dumps(made((boxes, within), 1)).count("in") > 3


BODY = {"requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object", "required": ["name"]}}}}}
QUERY = {"parameters": [{"name": "size", "in": "query", "required": True, "schema": {"type": "integer"}}]}
STYLED = {"parameters": [{"name": "id", "in": "path", "required": True, "style": "matrix", "schema": TEXT}]}
SCHEMES = {"key": {"type": "apiKey", "in": "query", "name": "k"}, "bearer": {"type": "http", "scheme": "bearer"}}
LOCKED = {"security": [{"key": []}, {"bearer": []}]}
SENT = {"content-type": JSON}


def answered(api: dict[str, Any], target: str = "/kites", method: str = "POST", **request: Any) -> Answered:
    headers, body = request.get("headers", SENT), request.get("body", b"")
    return Api(api, api, frozenset()).answer(method, target, headers, body)


@pytest.mark.parametrize(
    ("api", "target", "request_", "status", "words"),
    [
        (document({}), "/boats", {}, 404, "the document has no path for POST /boats"),
        (document({}), "/kites", {"method": "GET"}, 405, "the document has no GET /kites, only POST"),
        (document(BODY), "/kites", {}, 400, "a body is required"),
        (document(BODY), "/kites", {"body": b"{}"}, 400, "the body: 'name' is a required property"),
        (
            document(BODY), "/kites", {"body": b"{}", "headers": {"content-type": "text/plain"}}, 415,
            f"the body has to be {JSON}, not text/plain",
        ),
        (
            document(BODY), "/kites", {"body": b"{}", "headers": {}}, 415,
            f"the body has to be {JSON}, not without a type",
        ),
        (document(QUERY), "/kites", {}, 400, "the query parameter size is required"),
        (document(QUERY), "/kites?size=x", {}, 400, "the query parameter size: 'x' is not of type 'integer'"),
        (document(STYLED, "/kites/{id}"), "/kites/1", {}, 400, "the path parameter id is wanted in the style matrix"),
        (
            document(LOCKED, components={"securitySchemes": SCHEMES}), "/kites", {}, 401,
            "the document wants the key as k in the query or Authorization: Bearer in the header",
        ),
    ],
)  # fmt: skip
def test_what_the_document_does_not_allow_is_refused(
    api: dict[str, Any], target: str, request_: dict[str, Any], status: int, words: str
) -> None:
    """With the status of such servers, and in words that name what is wrong."""
    answer = answered(api, target, **request_)
    assert (answer.status, answer.body["message"]) == (status, words)


@pytest.mark.parametrize(
    ("api", "target", "request_"),
    [
        (document(BODY), "/kites", {"body": b'{"name": 1}'}),
        (document(QUERY), "/kites?size=3", {}),
        (document(LOCKED, components={"securitySchemes": SCHEMES}), "/kites?k=secret", {}),
        (
            document(LOCKED, components={"securitySchemes": SCHEMES}),
            "/kites",
            {"headers": SENT | {"authorization": "Bearer secret"}},
        ),
        (
            document({"parameters": [{"name": "Accept", "in": "header", "required": True, "schema": TEXT}]}),
            "/kites",
            {},
        ),
    ],
)
def test_what_it_allows_is_answered(api: dict[str, Any], target: str, request_: dict[str, Any]) -> None:
    """With the status that it declares; where it says nothing of a body, without one."""
    answer = answered(api, target, **request_)
    assert (answer.status, answer.body) == (200, None)


def test_what_can_not_be_answered_is_no_crash() -> None:
    """A body that is no JSON, and whatever else nobody expects of a document."""
    answer = answered(document(BODY), body=b"{")
    assert answer.status == 500
    assert answer.body["message"].startswith("no answer can be made of the document: JSONDecodeError")


def test_fields_that_are_only_read_need_not_be_sent() -> None:
    """In 3.1 as in 3.0."""
    fields = {"id": TEXT | {"readOnly": True}, "name": TEXT}
    schema = {"type": "object", "required": ["id", "name"], "properties": fields}
    api = document({"requestBody": {"content": {JSON: {"schema": schema}}}}) | {"openapi": "3.1.0"}
    assert answered(api, body=b'{"name": "Red"}').status == 200
    assert answered(api, body=b'{"id": "1"}').status == 400
