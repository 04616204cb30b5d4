"""Two documents of one API, spelled alike: which operations are the same, and where the document's server has them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.adopt.alignment import align, elsewhere
from regeneration.document import routes

REFERENCE = {"/api/kites": ("get", "post"), "/api/kites/{id}": ("get",), "/api/strings": ("get",)}


def document(paths: dict[str, tuple[str, ...]], **more: Any) -> dict[str, Any]:
    def operation(path: str) -> dict[str, Any]:
        names = [part[1:-1] for part in path.split("/") if part[:1] == "{"]
        parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
        return {"parameters": parameters, "responses": {"200": {"description": ""}}}

    items = {path: {method: operation(path) for method in methods} for path, methods in paths.items()}
    return {"openapi": "3.0.3", "info": {"title": "", "version": ""}, "paths": items, **more}


def places(aligned: dict[str, Any]) -> dict[str, str]:
    return {str(route): elsewhere(route) for route in routes(aligned)}


def test_names_of_parameters_are_those_of_the_reference() -> None:
    """An operation is its method and the template of its path."""
    theirs = document({"/api/kites/{kiteId}": ("get",)})
    aligned = align(theirs, document(REFERENCE))

    assert places(aligned.document) == {"GET /api/kites/{id}": ""}
    assert aligned.renamed == {("get", "/api/kites/{}"): {"id": "kiteId"}}
    (route,) = routes(aligned.document)
    assert [each["name"] for each in route.operation["parameters"]] == ["id"]


def test_a_slash_at_the_end_is_told_and_no_other_path() -> None:
    """The server has it there; of two spellings of one operation, the first counts."""
    theirs = document({"/api/strings/": ("get",), "/api/kites": ("get",)})
    theirs["paths"]["/api/kites/"] = theirs["paths"]["/api/kites"] | {"summary": "All kites"}
    aligned = align(theirs, document(REFERENCE))

    assert places(aligned.document) == {"GET /api/strings": "with a slash at its end", "GET /api/kites": ""}
    assert aligned.notes == ("GET /api/kites/: there under another spelling too; this one is left out",)
    assert aligned.document["paths"]["/api/kites"]["summary"] == "All kites"


@pytest.mark.parametrize(
    "server",
    [
        {"url": "https://kites.example/v2"},
        {"url": "https://kites.example/{version}/", "variables": {"version": {"default": "v2"}}},
    ],
)
def test_where_the_server_has_it_is_told(server: dict[str, Any]) -> None:
    """By server and path together, whatever the address of the server is made of."""
    paths = {path.removeprefix("/api"): methods for path, methods in REFERENCE.items()}
    aligned = align(document(paths, servers=[server]), document(REFERENCE))

    assert set(places(aligned.document).values()) == {"under /v2, not /api (servers and paths together)"}
