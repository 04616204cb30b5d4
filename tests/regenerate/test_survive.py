"""Documents unlike ours become a package that the client goes on working with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.adopt.intake import Intake, take_in
from regeneration.document import InputError, routes
from regeneration.generate import catalogue, generator
from regeneration.generate.lowering import lower
from regeneration.generate.validation import validate
from regeneration.overlay.actions import apply
from regeneration.overlay.core_yaml import parse_yaml
from regeneration.report.fit import unknown_arguments
from support import nestjs
from support.further import further
from support.mutations import KEPT, MUTATIONS, RECONSTRUCTION, Mutation, answer, fields, moved, original

ROOT = RECONSTRUCTION.parents[1]
OVERLAY = parse_yaml((ROOT / "spec/overlay.yaml").read_bytes(), "overlay.yaml")
WHOLE: dict[str, Any] = json.loads(RECONSTRUCTION.read_bytes())


def part_of_the_overlay() -> dict[str, Any]:
    """The overlay for the part of the reconstruction that the mutations change."""

    def fits(action: dict[str, Any]) -> bool:
        path = re.match(r"\$\.paths\['([^']+)'\]", action["target"])
        return path is None or path[1] in KEPT

    return {**OVERLAY, "actions": [action for action in OVERLAY["actions"] if fits(action)]}


PART = part_of_the_overlay()
OURS = apply(original(), PART)
NAMES = {str(route): route.operation["operationId"] for route in routes(OURS)}
MODELS = set(lower(OURS).document["components"]["schemas"])


def sound(taken: Intake) -> dict[str, Any]:
    """The generator's input made of a document that was taken in."""
    validate(taken.document)
    return lower(taken.document).document


@pytest.mark.parametrize("mutation", [*MUTATIONS[::2], *further(*MUTATIONS[1::2])], ids=lambda mutation: mutation.name)
def test_each_mutated_document_goes_through(mutation: Mutation) -> None:
    """Whatever was changed, each operation and model that the client knows is there under its name."""
    taken = take_in(mutation(), PART, original())
    lowered = sound(taken)
    names = {str(route): route.operation["operationId"] for route in routes(taken.document)}
    assert {route: names.get(route) for route in NAMES} == NAMES
    assert len(set(names.values())) == len(names)
    assert set(lowered["components"]["schemas"]) >= MODELS
    assert bool([note for note in taken.notes if "filled" in note]) == (
        mutation.name in {"operation_dropped", "operation_moved", "answer_left_out"}
    )
    unpaged = [note for note in taken.notes if "how its pages are counted is not established" in note]
    assert bool(unpaged) == (mutation.name in {"page_dropped", "parameter_as_in_swagger_2"})


def package_of(taken: Intake) -> dict[str, bytes]:
    package = generator.generate(sound(taken), {"operations.py": catalogue.source(taken.document)})
    catalogue.check_nothing_lost(taken.document, package)
    return package


def laid_out(package: dict[str, bytes], folder: Path) -> Path:
    for path, data in package.items():
        target = folder / generator.PACKAGE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


def run(folder: Path, code: str) -> str:
    """Run code with a generated package that is found before the committed one, and with the client of this repository."""
    path = os.pathsep.join([str(folder), str(ROOT / "src")])
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


SMOKE = """
import importlib, json, pkgutil, sys
import sessions_us, sessions_us.resources as resources, sessions_us_api.api as api
from sessions_us_api.operations import OPERATIONS
from sessions_us._calls.operation import request_for

for name in sessions_us.__all__:
    getattr(sessions_us, name)
for module in pkgutil.iter_modules(resources.__path__):
    importlib.import_module(f"sessions_us.resources.{module.name}")
made = {}
for operation in OPERATIONS.values():
    endpoint = importlib.import_module(f"sessions_us_api.api.{operation.tag}.{operation.id}")
    ids = [f"id{number}" for number in range(operation.path.count("{"))]
    request = request_for(endpoint, tuple(ids))
    made[operation.id] = f"{request.method} {request.path}"
print(json.dumps({"from": api.__path__[0], "made": made}))
"""


@pytest.fixture(scope="module")
def nest() -> tuple[Intake, dict[str, bytes]]:
    """What a NestJS application would publish, taken in, and the package made from it."""
    taken = take_in(nestjs.document(), OVERLAY, WHOLE)
    return taken, package_of(taken)


Nest = tuple[Intake, dict[str, bytes]]


def test_a_nestjs_document_gives_a_package_that_the_client_works_with(nest: Nest, tmp_path: Path) -> None:
    """Other names, paths, ids and DTOs: each resource imports, each request is built, each old one as it was."""
    taken, package = nest
    result = json.loads(run(laid_out(package, tmp_path), SMOKE))
    assert result["from"].startswith(str(tmp_path))
    ours = apply(WHOLE, OVERLAY)
    expected = {}
    for route in routes(ours):
        numbers = iter(range(9))
        path = re.sub(r"\{\w+\}", lambda _, numbers=numbers: f"id{next(numbers)}", route.path)  # type: ignore[misc]
        expected[route.operation["operationId"]] = f"{route.method.upper()} {path}"
    made = result["made"]
    assert {name: made[name] for name in expected} == expected
    assert made["get_session_recording"] == "GET /api/sessions/id0/recordings/id1"
    assert set(made) - set(expected) == {
        "get_session_recording", "get_session_recordings", "get_webhooks", "get_health", "patch_booking_page",
    }  # fmt: skip
    assert next(unknown_arguments(taken.document, ours)).startswith("create_booking_page: has arguments for fields")


DECODE = """
import json, sys
from sessions_us_api.api.sessions import list_sessions
from sessions_us_api.api.booking_pages import list_booking_pages
from sessions_us._calls.decoding import Decoder
from sessions_us._calls.envelopes import rows_of
decoder = Decoder()
rows = rows_of({"data": [{"id": "1", "createdAt": "2026-01-01T00:00:00Z", "minutes": 5}], "total": 1}, decoder)
(page,) = list_booking_pages._parse_response(rows, decoder)
(session,) = list_sessions._parse_response([{"id": "2", "status": "new one", "host": {"id": "3"}}], decoder)
print(type(page).__name__, page.minutes, page.created_at.year)
print(type(session).__name__, session.status, type(session.host).__name__)
"""


def test_answers_are_read_as_the_new_document_has_them(nest: Nest, tmp_path: Path) -> None:
    """Our class names with their fields, rows out of an envelope, several schemas at once, one that contains itself."""
    assert run(laid_out(nest[1], tmp_path), DECODE).split() == [
        "BookingPage",
        "5.0",
        "2026",
        "Session",
        "new",
        "one",
        "User",
    ]


@pytest.mark.further
def test_every_slip_at_once_gives_a_whole_package() -> None:
    """The slips of a real document come together; the generator writes a module for each operation all the same."""
    document = original()
    for mutation in MUTATIONS:
        if mutation.slips and mutation.name not in {"path_as_express_writes_it", "path_without_a_slash"}:
            try:
                document = mutation.apply(document) or document
            except KeyError:  # an earlier slip took away what this one spoils
                continue
    taken = take_in(document, OVERLAY, WHOLE)
    package = package_of(taken)
    assert sum(path.startswith("api/") and not path.endswith("__init__.py") for path in package) == 47
    assert len(taken.defects) == 11


def names_of(document: dict[str, Any]) -> tuple[Intake, dict[str, Any]]:
    taken = take_in(document, PART, original())
    return taken, sound(taken)


def test_what_is_missing_is_filled_and_marked() -> None:
    """An operation, an answer and a model that the document leaves out are ours, and say so."""
    document = original()
    del document["paths"]["/api/rooms/{id}/share"]
    del document["paths"]["/api/rooms/{id}"]["get"]["responses"]["200"]["content"]
    answer(document, "get", "/api/sessions/{id}/takeaways")["schema"] = {"type": "object"}
    taken, lowered = names_of(document)
    paths, mark = taken.document["paths"], "x-filled-from"
    assert paths["/api/rooms/{id}/share"]["post"][mark] == "reconstruction"
    assert paths["/api/rooms/{id}"]["get"]["responses"]["200"][mark] == "reconstruction"
    assert paths["/api/sessions/{id}/takeaways"]["get"]["responses"]["200"][mark] == "reconstruction"
    assert mark not in paths["/api/rooms"]["get"]
    assert mark not in taken.document["components"]["schemas"]["Room"]
    assert len([note for note in taken.notes if "filled" in note]) == 3
    shared = lowered["paths"]["/api/rooms/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert shared == {"$ref": "#/components/schemas/Room"}


def test_one_schema_for_two_of_ours_keeps_both_names() -> None:
    """Where the vendor has one DTO for guests and users, our two models both have its fields."""
    document = moved(moved(original(), "Guest", "PersonDto"), "User", "PersonDto")
    fields(document, "PersonDto")["nickname"] = {"type": "string"}
    _, lowered = names_of(document)
    for name in ("Guest", "User"):
        if name in MODELS:
            assert "nickname" in lowered["components"]["schemas"][name]["properties"]
    assert "PersonDto" not in lowered["components"]["schemas"]


def test_two_schemas_for_one_of_ours_are_told() -> None:
    """Where one answer has another schema than the others, the others keep the name."""
    document = original()
    schemas = document["components"]["schemas"]
    schemas["RoomSummary"] = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string"}, "short": {"type": "string"}},
    }
    answer(document, "get", "/api/rooms")["schema"] = {
        "type": "array",
        "items": {"$ref": "#/components/schemas/RoomSummary"},
    }
    taken, lowered = names_of(document)
    assert "name" in lowered["components"]["schemas"]["Room"]["properties"]
    assert "short" in lowered["components"]["schemas"]["RoomSummary"]["properties"]
    assert "GET /api/rooms: answers RoomSummary, which is another schema than the one called Room" in taken.notes


def test_an_unknown_operation_gets_a_name_of_its_own() -> None:
    """Derived from method and path, never one that is taken, and in the folder of its noun."""
    document = original()
    ok = {"responses": {"200": {"description": "ok"}}}
    document["paths"]["/api/room-s"] = {"get": json.loads(json.dumps(ok))}
    document["paths"]["/api/sessions/{sessionId}/class"] = {"post": json.loads(json.dumps(ok))}
    document["paths"]["/api/guests/me"] = {"get": {**json.loads(json.dumps(ok)), "operationId": "list_rooms"}}
    taken, _ = names_of(document)
    found = {str(route): route.operation for route in routes(taken.document)}
    assert found["GET /api/rooms"]["operationId"] == "list_rooms"
    assert found["GET /api/guests/me"]["operationId"] == "get_guests_me"
    assert (found["GET /api/guests/me"]["x-key-role"], found["GET /api/guests/me"]["tags"]) == ("guest", ["guests"])
    assert found["POST /api/sessions/{sessionId}/class"]["operationId"] == "post_session_class"
    assert found["POST /api/sessions/{sessionId}/class"]["tags"] == ["sessions"]


@pytest.mark.parametrize(
    "field",
    [
        {"type": "string", "format": "date-time", "default": "not a date"},
        {"type": "string", "maxLength": 2, "default": "long"},
        {"type": "integer", "minimum": 5, "default": 1},
    ],
)
def test_a_default_that_its_own_schema_refuses_is_left_out_and_told(field: dict[str, Any]) -> None:
    """Nothing else of the document suffers for it."""
    document = original()
    fields(document, "Room")["odd"] = dict(field)
    taken, _ = names_of(document)
    del field["default"]
    assert any("default" in defect and "left out" in defect for defect in taken.defects)
    assert fields(taken.document, "Room")["odd"] == field


def test_taking_in_what_we_have_changes_nothing() -> None:
    """The reconstruction itself comes out as it does without all this, but for what is kept by name."""
    taken = take_in(WHOLE, OVERLAY, WHOLE)
    assert (taken.defects, taken.notes, taken.unfit) == ((), (), ())
    assert lower(taken.document).document == lower(apply(WHOLE, OVERLAY)).document


def test_the_reconstruction_is_the_upstream_document_until_one_is_pulled() -> None:
    """What gaps are filled from is what the client was written with."""
    if 'origin = "reconstructed"' in (ROOT / "spec/upstream.toml").read_text(encoding="utf-8"):
        assert RECONSTRUCTION.read_bytes() == (ROOT / "spec/upstream.json").read_bytes()


def test_a_document_without_operations_is_refused() -> None:
    """Filling everything from ours would hide that nothing was published."""
    with pytest.raises(InputError, match="no operations"):
        take_in({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}, OVERLAY, WHOLE)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda document: document.pop("info"), "not valid OpenAPI at the document: 'info' is a required property"),
        (
            lambda document: document["info"].update(title=5),
            "not valid OpenAPI at info: 'title' is a required property",
        ),
    ],
)
def test_what_cannot_be_left_out_is_refused_with_the_cure(
    spoil: Callable[[dict[str, Any]], object], message: str
) -> None:
    """Without a guess, and at once: the line says where it is and what to do."""
    document = original()
    spoil(document)
    with pytest.raises(InputError, match=f"{message}.*correct it in a copy of the document, and give that instead"):
        take_in(document, PART, original())
