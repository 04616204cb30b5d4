"""From the document to the few forms that the generator gets right."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.document import InputError
from regeneration.generate.lowering import lower


def document(answer: dict[str, Any], components: dict[str, Any] | None = None, **operation: Any) -> dict[str, Any]:
    return {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "security": [{"key": []}],
        "paths": {"/a": {"post": {"operationId": "a", "tags": ["a"], "responses": answer, **operation}}},
        "components": {"schemas": components or {}},
    }


def json_answer(schema: Any) -> dict[str, Any]:
    return {"description": "ok", "headers": {"X": {}}, "content": {"application/json": {"schema": schema}}}


def lowered_property(schema: Any, **components: Any) -> Any:
    """What becomes of a schema that is a property of a component."""
    model = {"type": "object", "properties": {"it": schema}}
    known = {"Model": model, "Person": {"type": "object", "properties": {"id": {"type": "string"}}}, **components}
    answer = json_answer({"$ref": "#/components/schemas/Model"})
    result = lower(document({"200": answer}, known)).document
    return result["components"]["schemas"]["Model"]["properties"]["it"]


PERSON = {"$ref": "#/components/schemas/Person"}
STRING = {"type": "string"}
COLOURS = {"type": "string", "enum": ["red", "blue"], "x-enum-varnames": ["RED", "BLUE"]}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "format": "uuid", "pattern": "x", "default": "d", "example": "e"}, STRING),
        ({"type": "string", "format": "date"}, STRING),
        ({"type": "string", "format": "binary"}, STRING),
        ({"type": "string", "format": "date-time", "nullable": True}, {"type": "string", "format": "date-time"}),
        ({"type": "string", "nullable": True, "description": "d"}, {"type": "string", "description": "d"}),
        ({"type": ["string", "null"]}, STRING),
        ({"type": ["integer", "string"]}, {"anyOf": [{"type": "integer"}, STRING]}),
        ({"type": "string", "const": "x"}, {"type": "string", "enum": ["x"], "x-enum-varnames": ["X"]}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "array", "items": {"type": "integer", "nullable": True}}, {"type": "array", "items": {"type": "integer"}}),
        ({"type": "object"}, {}),
        ({"type": "object", "additionalProperties": STRING}, {}),
        ({}, {}),
        (True, {}),
        (PERSON, PERSON),
        ({**PERSON, "nullable": True}, PERSON),
        ({"allOf": [PERSON], "nullable": True, "description": "d"}, PERSON),
        ({"allOf": [PERSON, {"nullable": True}]}, PERSON),
        ({"allOf": [PERSON, {"type": "object", "properties": {"a": STRING}}]},
         {"type": "object", "properties": {"id": STRING, "a": STRING}, "required": []}),
        ({"oneOf": [PERSON, {"type": "null"}]}, PERSON),
        ({"anyOf": [PERSON, {"enum": [None]}]}, PERSON),
        ({"oneOf": [STRING, PERSON], "discriminator": {"propertyName": "k"}}, {"anyOf": [STRING, PERSON]}),
        ({"anyOf": [STRING, {"type": "string", "format": "uri"}]}, STRING),
        ({"anyOf": [STRING, {}]}, {}),
        ({"type": "string", "enum": ["red", "blue", None], "nullable": True, "default": "red"}, COLOURS),
        ({"enum": ["red", "blue"]}, COLOURS),
        ({"type": "string", "enum": ["1", "+"], "x-enum-varnames": ["one", "plus"]},
         {"type": "string", "enum": ["1", "+"], "x-enum-varnames": ["ONE", "PLUS"]}),
        ({"type": "string", "enum": ["1", "+"]},
         {"type": "string", "enum": ["1", "+"], "x-enum-varnames": ["VALUE_0", "VALUE_1"]}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer"}),
        ({"enum": ["a", 1]}, {}),
        ({"type": "object", "properties": {"id": STRING, "n": STRING}, "required": ["n", "id"]},
         {"type": "object", "properties": {"id": STRING, "n": STRING}, "required": ["id"]}),
        ({"$ref": "#/components/schemas/Person/properties/id"}, STRING),
    ],
)  # fmt: skip
def test_schemas_become_plain(schema: Any, expected: Any) -> None:
    """Null, formats, defaults and discriminators go; what is left says the same without them."""
    assert lowered_property(schema) == expected


@pytest.mark.parametrize("values", [["a-b", "a_b"], ["a_b", "a-b"], ["a", "A"]])
def test_enum_members_that_would_share_a_name_leave_a_string(values: list[str]) -> None:
    """The generator would stop, or lose a value in silence; a plain string loses nothing, and it is reported."""
    answer = json_answer({"$ref": "#/components/schemas/E"})
    result = lower(document({"200": answer}, {"E": {"type": "string", "enum": values}}))
    assert result.document["components"]["schemas"]["E"] == STRING
    assert result.notes == (
        f"E: several values would be called {values[0].replace('-', '_').upper()}, so it stays a plain string",
    )


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"201": json_answer(STRING), "200": json_answer({}), "400": json_answer(PERSON)}, STRING),
        ({"404": json_answer(STRING), "2XX": json_answer(STRING)}, STRING),
        (
            {"200": {"description": "", "content": {"text/html": {}, "application/vnd.x+json": {"schema": STRING}}}},
            STRING,
        ),
        ({"200": json_answer({"anyOf": [STRING, {"type": "integer"}]})}, {}),
        ({"204": {"description": "gone"}}, None),
        ({"200": {"description": "", "content": {"text/html": {"schema": STRING}}}}, None),
        ({"default": json_answer(STRING)}, STRING),
        ({"204": {"description": ""}, "default": json_answer(STRING)}, None),
        ({"200": {"$ref": "#/components/responses/Ok"}}, STRING),
    ],
)
def test_one_answer_is_left(answers: dict[str, Any], expected: Any) -> None:
    """The first 2xx with JSON is the result; errors, headers and other media types are not the generator's business."""
    source = document(answers, {"Person": {"type": "object"}})
    source["components"]["responses"] = {"Ok": json_answer(STRING)}
    (answer,) = lower(source).document["paths"]["/a"]["post"]["responses"].items()
    lowered = {"description": "the result", "content": {"application/json": {"schema": expected}}}
    assert answer == (("204", {"description": "nothing"}) if expected is None else ("200", lowered))


def test_requests_keep_their_place_and_lose_their_types() -> None:
    """A body and query parameters are optional, and lose types, defaults and enums; headers are left to the client."""
    source = document(
        {"200": json_answer({})},
        requestBody={"required": True, "content": {"application/json": {"schema": PERSON}}},
        parameters=[
            {
                "name": "sort",
                "in": "query",
                "required": True,
                "schema": {"type": "string", "enum": ["a"], "default": "a"},
            },
            {"name": "ids", "in": "query", "schema": {"type": "array", "items": {"type": "string", "format": "uuid"}}},
            {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
            {"name": "x-api-key", "in": "header", "schema": STRING},
        ],
    )
    result = lower(source)
    operation = result.document["paths"]["/a"]["post"]
    assert operation["requestBody"] == {"required": False, "content": {"application/json": {"schema": {}}}}
    assert operation["parameters"] == [
        {"name": "sort", "in": "query", "required": False, "schema": STRING},
        {"name": "ids", "in": "query", "required": False, "schema": {"type": "array", "items": STRING}},
        {"name": "id", "in": "path", "required": True, "schema": STRING},
    ]
    assert result.notes == ("POST /a: the header parameter 'x-api-key' is left to the client",)
    assert "security" not in result.document


def test_an_operations_parameter_wins_over_its_paths() -> None:
    """A parameter given on the path and on the operation is sent as the operation says."""
    source = document(
        {"200": json_answer({})}, parameters=[{"name": "q", "in": "query", "schema": {"type": "integer"}}]
    )
    source["paths"]["/a"]["parameters"] = [{"name": "q", "in": "query", "schema": STRING}]
    (parameter,) = lower(source).document["paths"]["/a"]["post"]["parameters"]
    assert parameter["schema"] == {"type": "integer"}


def test_only_what_answers_lead_to_gets_a_class() -> None:
    """Components that only requests or errors use are dropped, unless they say x-keep."""
    components = {
        "Used": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Nested"}}},
        "Nested": {"type": "object", "properties": {"back": {"$ref": "#/components/schemas/Used"}}},
        "Body": {"type": "object", "properties": {"a": STRING}},
        "Kept": {"type": "object", "x-keep": True, "properties": {"inner": {"$ref": "#/components/schemas/Inner"}}},
        "Inner": {"type": "object"},
    }
    source = document(
        {
            "200": json_answer({"$ref": "#/components/schemas/Used"}),
            "400": json_answer({"$ref": "#/components/schemas/Body"}),
        },
        components,
        requestBody={"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}},
    )
    assert list(lower(source).document["components"]["schemas"]) == ["Used", "Nested", "Kept", "Inner"]


def test_an_object_of_unknown_fields_keeps_its_class() -> None:
    """A named component of which no field is known is still a model."""
    result = lower(document({"200": json_answer({"$ref": "#/components/schemas/E"})}, {"E": {"type": "object"}}))
    assert result.document["components"]["schemas"]["E"] == {"type": "object"}


@pytest.mark.parametrize(
    ("operation", "components", "message"),
    [
        ({}, {"any": {"type": "object", "x-keep": True}}, "a component cannot be called 'any'"),
        ({}, {"Loop": {"properties": {"a": {"$ref": "#/components/schemas/Loop/properties/b"},
                                      "b": {"$ref": "#/components/schemas/Loop/properties/a"}}}}, "leads back to itself"),
    ],
)  # fmt: skip
def test_what_has_no_plain_form_is_an_error(
    operation: dict[str, Any], components: dict[str, Any], message: str
) -> None:
    """Nothing is dropped in silence because it could not be expressed."""
    with pytest.raises(InputError, match=message):
        lower(document({"200": json_answer({})}, components, **operation))


def test_a_body_that_is_not_json_is_told() -> None:
    """An upload has its operation and a note; what is sent is up to who calls."""
    upload = {"content": {"multipart/form-data": {"schema": {}}}}
    result = lower(document({"200": json_answer({})}, requestBody=upload))
    assert "requestBody" not in result.document["paths"]["/a"]["post"]
    assert result.notes == ("POST /a: takes no JSON body, only multipart/form-data; left to the client",)


def test_what_an_envelope_holds_is_the_answer() -> None:
    """Where the document says that rows come in an envelope, their type is that of the rows."""
    envelope = {
        "type": "object",
        "properties": {"data": {"type": "array", "items": PERSON}, "total": {"type": "integer"}},
    }
    source = document({"200": json_answer(envelope)}, {"Person": {"type": "object"}}, **{"x-envelope": "data"})
    (answer,) = lower(source).document["paths"]["/a"]["post"]["responses"].values()
    assert answer["content"]["application/json"]["schema"] == {"type": "array", "items": PERSON}


def test_fields_that_would_be_one_attribute_are_told() -> None:
    """The second arrives all the same, under its wire name in additional_properties."""
    model = {"type": "object", "properties": {"startAt": STRING, "start_at": STRING}}
    result = lower(document({"200": json_answer({"$ref": "#/components/schemas/M"})}, {"M": model}))
    assert list(result.document["components"]["schemas"]["M"]["properties"]) == ["startAt"]
    assert result.notes == ("M: 'startAt' and 'start_at' would be one attribute; the second stays raw",)


def test_the_document_is_left_as_it_is(upstream: dict[str, Any]) -> None:
    """Lowering is a function: what it was given stays as it was."""
    before = deepcopy(upstream)
    lower(upstream)
    assert upstream == before
