"""What spec/openapi.json must hold before anything is generated from it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytest

pytest.importorskip("openapi_spec_validator", reason="needs the dependency group `regenerate`")

from regeneration.document import InputError
from regeneration.generate.validation import validate


def operation(**changes: Any) -> dict[str, Any]:
    return {
        "operationId": "get_a",
        "tags": ["a"],
        "x-key-role": "user",
        "responses": {"200": {"description": "ok"}},
        **changes,
    }


def document(paths: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths, **changes}


ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
PAGE = {"name": "page", "in": "query", "schema": {"type": "integer"}}
PAGINATION = {"parameter": "page", "base": 1, "size": 20}


def paged(**changes: Any) -> dict[str, Any]:
    return operation(parameters=[PAGE], **{"x-pagination": {**PAGINATION, **changes}})


def removing(method: str = "delete", removes: object = True, changed: Sequence[str] = ("a",)) -> dict[str, Any]:
    """A document whose one operation removes, and has these in x-invalidates."""
    return document({"/a": {method: operation(**{"x-removes": removes})}}, **{"x-invalidates": {"get_a": [*changed]}})


@pytest.mark.parametrize(
    "sound",
    [
        document({"/a": {"get": operation(), "x-note": 1}, "x-more": {}}),
        document({"/a/{id}": {"parameters": [ID], "get": operation()}}),
        document({"/a": {"get": paged()}}),
        document({"/a": {"get": paged(base=0)}}),
        document({"/a": {"get": operation(parameters=[PAGE], **{"x-pagination": {"parameter": "page"}})}}),
        removing(),
        removing(removes=False, changed=()),
        document({"/a": {"get": operation()}}, openapi="3.1.0"),
        document({"/a": {"get": operation(**{"x-repeatable": True, "x-observed": False})}}),
    ],
)
def test_a_sound_document_passes(sound: dict[str, Any]) -> None:
    """OpenAPI 3.0 and 3.1, with or without the optional facts: nothing is raised, and nothing is changed."""
    before = deepcopy(sound)
    validate(sound)

    assert sound == before


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (document({}), "no operations"),
        (document({"/a": {"get": operation()}}, openapi="2.0"), "must be OpenAPI 3.0 or 3.1, not '2.0'"),
        (document({"/a": {"get": operation()}}, info={}), "not valid OpenAPI at info"),
        (document({"/a": {"get": operation(parameters=[{"name": "q", "in": "query"}])}}), "'schema' is a required"),
        (document({"/a": {"get": operation(), "put": operation()}}), "get_a"),
        (document({"/a": {"get": operation(operationId="")}}), "GET /a: no operationId"),
        (document({"/a": {"get": operation(tags=[])}}), "exactly one tag"),
        (document({"/a": {"get": operation(tags=["a", "b"])}}), "exactly one tag"),
        (document({"/a": {"get": operation(**{"x-key-role": "admin"})}}), "x-key-role must be user or guest"),
        (document({"/a": {"get": operation(**{"x-repeatable": "no"})}}), "x-repeatable must be true or false"),
        (document({"/a/{id}": {"get": operation()}}), "'id'"),
        (document({"/a": {"get": operation(parameters=[ID])}}), "'id'"),
        (
            document({"/a/{i d}": {"get": operation(parameters=[{**ID, "name": "i d"}])}}),
            "no name for a path parameter",
        ),
        (document({"/a": {"get": operation()}, "x-more": 1}), "the validator stumbles"),
        (document({"/a/{id": {"get": operation()}}), "braces in the path do not pair"),
        (document({"/a": {"get": operation(parameters=[{**PAGE, "name": "body"}])}}), "cannot be called 'body'"),
        (
            document({"/a/{quote}": {"get": operation(parameters=[{**ID, "name": "quote"}])}}),
            "cannot be called 'quote'",
        ),
        (document({"/a": {"get": paged(parameter="offset")}}), "'offset', which is not declared"),
        *(
            (document({"/a": {"get": paged(base=base)}}), "base must be 0 or 1")
            for base in ("1", 2, -1, 1.0, True, None)
        ),
        *(
            (document({"/a": {"get": paged(size=size)}}), "size must be a number")
            for size in (0, "20", 2.5, True, None)
        ),
        (document({"/a": {"get": paged(**{"base-evidence": "wire"})}}), "x-pagination knows no 'base-evidence'"),
        (document({"/a": {"get": paged(counts="items")}}), "counts must be pages or rows, not 'items'"),
        (document({"/a": {"get": operation(**{"x-envelope": ["data", 5]})}}), "x-envelope must be a name, or a list"),
        (document({"/a": {"get": operation(**{"x-envelope": "data"})}}), "x-envelope says data, and the document's"),
        (removing(removes="yes"), "x-removes must be true or false"),
        (removing("get"), "GET /a: x-removes is for writes that have reads in x-invalidates"),
        (removing(changed=()), "x-removes is for writes that have reads in x-invalidates"),
        (document({"/a": {"delete": operation(**{"x-removes": True})}}), "x-removes is for writes"),
        (document({"/a": {"get": operation(**{"x-pagination": True})}}), "x-pagination must be an object"),
        (document({"/a": {"get": operation()}, "/b": {"$ref": "#/paths/~1a"}}), "get_a|a path that is a reference"),
        (document({"/a": {"get": operation(parameters=[{"$ref": "#/components/parameters/Q"}])}}), "leads nowhere"),
        (document({"/a": {"get": operation(parameters=[{"$ref": "http://h/p.json"}])}}), "leads out of the document"),
        (document({"/a": {"get": operation(parameters=[{"$ref": "p.json"}])}}), "leads out of the document"),
    ],
)
def test_an_unsound_document_is_refused_in_one_line(broken: dict[str, Any], message: str) -> None:
    """Whatever is missing or wrong is named with its place; nothing is fetched to find out."""
    with pytest.raises(InputError, match=message) as caught:
        validate(broken)
    assert "\n" not in str(caught.value)


def test_several_problems_are_counted() -> None:
    """The first problem is told and the others are counted."""
    with pytest.raises(InputError, match=r"\(and 1 more\)"):
        validate(document({"/a": {"get": operation(tags=[], **{"x-key-role": None})}}))


def test_the_small_project_is_sound_but_for_its_overlay(upstream: dict[str, Any]) -> None:
    """The document that the other tests generate from lacks exactly what an overlay adds."""
    with pytest.raises(InputError, match="no operationId"):
        validate(upstream)
