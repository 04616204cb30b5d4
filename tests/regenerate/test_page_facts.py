"""What a generated list says of its pages: what the document declares, else the overlay, else nothing."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.adopt.intake import take_in
from regeneration.document import routes
from regeneration.generate import catalogue
from regeneration.generate.page_facts import ListFacts, left_open, page_facts
from regeneration.overlay.core_yaml import parse_yaml
from support import nestjs
from support.further import further

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = parse_yaml((ROOT / "spec/overlay.yaml").read_bytes(), "overlay.yaml")
WHOLE: dict[str, Any] = json.loads((ROOT / "spec/reconstructed.json").read_bytes())
NUMBER = {"type": "integer"}


def listed(
    page: dict[str, Any] | None = None, said: dict[str, Any] | None = None, **others: dict[str, Any]
) -> dict[str, Any]:
    """A document of one list: the schema of `page`, what the overlay says, and the schemas of further parameters."""
    schemas = {"page": NUMBER if page is None else page, **others}
    return {
        "openapi": "3.0.3",
        "paths": {
            "/a": {
                "get": {
                    "operationId": "list_a",
                    "tags": ["a"],
                    "x-key-role": "user",
                    "x-pagination": {"parameter": "page", **(said or {})},
                    "parameters": [{"name": name, "in": "query", "schema": each} for name, each in schemas.items()],
                    "responses": {"200": {"description": "ok"}},
                }
            }
        },
        "components": {"schemas": {"Page": {"type": "integer", "default": 1}}},
    }


def facts(document: dict[str, Any]) -> ListFacts:
    (route,) = routes(document)
    found = page_facts(document, route)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("page", "base"),
    [
        ({"default": 1}, 1),
        ({"default": 0}, 0),
        ({"default": 1.0}, 1),
        ({"default": 1, "minimum": 0}, 1),
        ({"minimum": 1}, 1),
        ({"minimum": 0}, 0),
        ({"minimum": 0, "exclusiveMinimum": True}, 1),
        ({"exclusiveMinimum": 0}, 1),
        ({"default": 7, "minimum": 1}, 1),
        ({"$ref": "#/components/schemas/Page"}, 1),
        ({"allOf": [{"$ref": "#/components/schemas/Page"}]}, 1),
        ({"allOf": [{"$ref": "#/components/schemas/Page"}], "default": 0}, 0),
    ],
)
def test_the_base_is_what_the_document_declares(page: dict[str, Any], base: int) -> None:
    """The default of the page parameter, else its minimum; both come before what the overlay says."""
    assert facts(listed({**NUMBER, **page})).base == base
    assert facts(listed({**NUMBER, **page}, {"base": 1 - base})).base == base
    assert type(facts(listed({**NUMBER, **page})).base) is int


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"default": 2},
        {"default": None},
        {"default": "1"},
        {"default": True},
        {"minimum": -1},
        {"minimum": 0.5},
        {"minimum": 1, "exclusiveMinimum": True},
        {"example": 1, "maximum": 1},
    ],
)
def test_a_base_that_nobody_says_is_unknown(page: dict[str, Any]) -> None:
    """Anything but a 0 or 1 declares no first page; then it is the overlay's, and without that there is none."""
    assert facts(listed({**NUMBER, **page})).base is None
    assert [facts(listed({**NUMBER, **page}, {"base": base})).base for base in (0, 1)] == [0, 1]


@pytest.mark.parametrize(
    "name", ["limit", "pageSize", "perPage", "per_page", "size", "take", "page_size", "page[size]"]
)
@pytest.mark.parametrize("kind", ["integer", "number", ["integer", "null"]])
def test_the_size_is_the_default_of_the_size_parameter(name: str, kind: object) -> None:
    """The document's default comes before the overlay's size; without one, only the parameter is known."""
    declared = listed(None, {"size": 20}, **{name: {"type": kind, "default": 50}})
    assert facts(declared) == ListFacts("page", None, name, 50)
    silent = listed(None, {"size": 20}, **{name: {"type": kind, "maximum": 100}})
    assert facts(silent) == ListFacts("page", None, name, None)
    assert facts(listed(None, None, **{name: {"type": kind}})) == ListFacts("page", None, name, None)


@pytest.mark.parametrize("default", [0, -5, 2.5, "50", True, None])
def test_a_default_that_is_no_number_of_rows_is_no_size(default: object) -> None:
    """The size is unknown then, whatever the overlay says of a list without such a parameter."""
    assert facts(listed(None, {"size": 20}, limit={**NUMBER, "default": default})).size is None
    assert facts(listed(None, None, limit={**NUMBER, "default": default})).size is None


def test_without_a_size_parameter_the_size_is_the_overlays() -> None:
    """A text, a filter and a parameter elsewhere are no size parameters."""
    others = {"size": {"type": "string", "default": "large"}, "status": NUMBER, "limited": {"type": "boolean"}}
    assert facts(listed(None, {"size": 20}, **others)) == ListFacts("page", None, None, 20)
    assert facts(listed(None, None, **others)) == ListFacts("page", None, None, None)


def test_of_several_size_parameters_the_surest_name_counts() -> None:
    """`size` may filter by the size of what is listed; `pageSize` cannot."""
    both = listed(None, None, size={**NUMBER, "default": 3}, pageSize={**NUMBER, "default": 30})
    assert facts(both) == ListFacts("page", None, "pageSize", 30)


def test_an_operation_without_pagination_has_no_facts() -> None:
    """Only what the overlay calls paginated is."""
    document = listed({"default": 1})
    del document["paths"]["/a"]["get"]["x-pagination"]
    (route,) = routes(document)
    assert page_facts(document, route) is None


def test_the_generated_entry_has_exactly_the_facts() -> None:
    """What is unknown is None in the source too."""
    said = "Pagination(parameter='page',base=None,size_parameter='limit',size=None,)"
    assert said in catalogue.source(listed(None, None, limit=NUMBER)).replace(" ", "")


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The arguments of each generated Operation, by operationId; those of its Pagination as a dict."""

    def value(node: ast.expr) -> Any:
        return arguments(node) if isinstance(node, ast.Call) else ast.literal_eval(node)

    def arguments(call: ast.Call) -> dict[str, Any]:
        return {str(each.arg): value(each.value) for each in call.keywords}

    calls = [node for node in ast.walk(ast.parse(catalogue.source(document))) if isinstance(node, ast.Call)]
    entries = [arguments(call) for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Operation"]
    return {entry["id"]: entry for entry in entries}


def test_of_our_own_document_only_the_size_is_known() -> None:
    """The vendor says 20 at a time; whether the first page is 0 or 1, nobody does."""
    found = operations(json.loads((ROOT / "spec/openapi.json").read_bytes()))
    paged = {name: entry["pagination"] for name, entry in found.items() if entry["pagination"]}
    assert set(paged) == {
        "list_booking_pages", "list_booking_page_bookings", "list_booking_page_collaborators", "list_bookings",
        "list_rooms", "list_sessions", "list_events",
    }  # fmt: skip
    assert list(paged.values()) == [{"parameter": "page", "base": None, "size_parameter": None, "size": 20}] * 7


def test_what_deletes_or_cancels_removes() -> None:
    """All of it, for users and guests, but for webhooks, of which there is no list, and for participants, whose list has no
    pages; and nothing else does."""
    found = operations(json.loads((ROOT / "spec/openapi.json").read_bytes()))
    removing = {name for name, entry in found.items() if entry["removes"]}
    assert removing == {name for name in found if name.startswith(("delete_", "cancel_"))} - {
        "delete_webhook",
        "delete_session_participants",
    }
    assert all(found[name]["invalidates"] for name in removing)


def test_a_pulled_document_brings_its_own_facts() -> None:
    """Default, minimum and size parameter of a published document arrive; without a page parameter a list has no pages."""
    document = nestjs.document()
    paths = document["paths"]
    paths["/bookings"]["get"]["parameters"] = []
    paths["/sessions"]["get"]["parameters"] = [
        {"name": "page", "in": "query", "schema": {"type": "number", "minimum": 0}},
        {"name": "take", "in": "query", "schema": {"type": "number", "default": 50}},
    ]
    found = operations(take_in(document, OVERLAY, WHOLE).document)
    pages = {name: tuple(entry["pagination"].values()) for name, entry in found.items() if entry["pagination"]}
    assert pages["list_booking_pages"] == ("page", 1, "limit", None)
    assert pages["list_sessions"] == ("page", 0, "take", 50)
    assert pages["list_events"] == ("page", 1, None, 20)
    assert "list_bookings" not in pages
    assert found["delete_session"]["removes"]
    assert found["cancel_booking"]["removes"]


@pytest.mark.parametrize(
    "name",
    [
        "pageNumber",
        "page[number]",
        *further("page_no", "Page", "pageIndex"),
    ],
)
def test_a_page_parameter_of_another_name_is_found_and_told(name: str) -> None:
    """The document's own parameter is sent, not ours, which the server would ignore; and its default is the base."""
    document = nestjs.document()
    schema = {"type": "number", "default": 0}
    document["paths"]["/sessions"]["get"]["parameters"] = [{"name": name, "in": "query", "schema": schema}]
    taken = take_in(document, OVERLAY, WHOLE)
    declared = [each["name"] for each in taken.document["paths"]["/api/sessions"]["get"]["parameters"]]
    assert declared == [name]
    found = operations(taken.document)["list_sessions"]["pagination"]
    assert found == {"parameter": name, "base": 0, "size_parameter": None, "size": 20}
    assert f"GET /api/sessions: the parameter of its pages is called {name!r}, not 'page'" in taken.notes


NUMBER = {"type": "integer"}


@pytest.mark.parametrize(
    ("declared", "page", "open_"),
    [
        ({"page": NUMBER}, "page", ""),
        ({"page": NUMBER, "limit": NUMBER}, "page", ""),
        ({"offset": NUMBER, "limit": NUMBER}, "offset", ""),
        ({"page": {"type": "object", "properties": {"number": NUMBER}}}, "page", "something else than a number"),
        ({"page": NUMBER, "limit": {"type": "boolean"}}, "page", "'limit' of its pages is declared as something else"),
        ({"page": NUMBER, "part": NUMBER}, "page", "the parameter 'part' may be one of its pages"),
        ({"page": NUMBER, "filter": {"type": "object"}}, "page", "the parameter 'filter' may be one of its pages"),
        ({"offset": NUMBER}, "offset", "'offset' counts rows, and no parameter for the rows of a page is declared"),
        ({"cursor": {"type": "string"}}, "page", "its pages are followed by a cursor, 'cursor'"),
        ({"part": NUMBER}, "page", "no parameter for the number of a page"),
    ],
)
def test_what_the_parameters_of_a_list_leave_open_is_told(declared: dict[str, Any], page: str, open_: str) -> None:
    """Whatever could make a list lose rows in silence."""
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in declared.items()]
    told = left_open({"openapi": "3.0.3", "paths": {}}, parameters, page)
    assert open_ in told
    assert bool(open_) == bool(told)


def test_a_parameter_in_a_form_of_its_own_may_count() -> None:
    """As JSON, or as a deep object: the client could not send the number of a page in it."""
    for form in ({"content": {"application/json": {"schema": {"type": "string"}}}}, {"style": "deepObject"}):
        beside = {"name": "page", "in": "query", "schema": NUMBER}
        told = left_open(
            {"openapi": "3.0.3", "paths": {}}, [beside, {"name": "options", "in": "query", **form}], "page"
        )
        assert told == "the parameter 'options' may be one of its pages"
