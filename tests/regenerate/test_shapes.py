"""Documents in the shape of this API, through the command: each works, or the report says first what does not.

There is no third outcome: 0 and every method of the client works, or 4 or 2 and the first lines name what does not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.document import dump_json
from regeneration.drive.calls import METHODS
from sessions_us_api.operations import OPERATIONS
from support.documents import BREAKS, RECONSTRUCTION
from support.frameworks import all_of_them, made
from support.further import further

Regenerate = Callable[..., "CompletedProcess[str]"]
ROOT = RECONSTRUCTION.parents[1]

#: What documents may say, each with the exit status and words of the report's first lines.
TABLE = {
    "page_required": (4, "needs a page, and the document does not say whether the first is 0 or 1"),
    "page_required_from_1": (0, "works: 47 of 47"),
    "limit_required": (0, "works: 47 of 47"),
    "workspace_required": (4, "the query parameter workspaceId is required"),
    "per_page_10": (0, "works: 47 of 47"),
    "offset_limit": (0, "works: 47 of 47"),
    "page_number": (0, "works: 47 of 47"),
    "cursor": (4, "is not paginated"),
    "size_without_default": (0, "works: 47 of 47"),
    "take_up_to_15": (0, "works: 47 of 47"),
    **dict.fromkeys(
        (
            *("offset_alone", "limit_alone", "page_and_count", "last_key", "limit_as_text", "page_as_json"),
            *("page_in_an_object", "page_not_declared"),
        ),
        (4, "user.bookings.list and 3 more: is not paginated"),
    ),
    "participants_may_be_cut": (4, "user.sessions.participants.list: lists"),
    "rows_in_docs": (0, "works: 47 of 47"),
    "rows_in_data_items": (0, "works: 47 of 47"),
    "rows_beside_others": (4, "more than one array that may be the rows"),
    "components_empty": (0, "works: 47 of 47"),
    "mongo_ids": (4, "has no id, which the client reads; it has _id"),
    "ids_objects": (4, "user.rooms.get: its answer is not understood: no id"),
    "ids_in_bodies_integers": (4, "Id: '1' is not of type 'integer'"),
    "time_zones_numbers": (4, "timeZone: '1' is not of type 'integer'"),
    "same_but_for_case": (0, "works: 47 of 47"),
    "property_of_all_of": (0, "works: 47 of 47"),
    "event_is_an_array_and_nothing_else": (0, "works: 47 of 47"),
    "patch_for_put": (4, "the document has no PUT there, only"),
    "under_api_v1": (2, "45 of its paths are ours under /api/v1"),
    "bodies_required": (0, "works: 47 of 47"),
    "body_with_more": (4, "'hostId' is a required property"),
    "bearer": (4, "all 47 methods: the document wants the key as Authorization: Bearer"),
    "prefix_missing": (0, "works: 47 of 47"),
    "prefix_in_the_server": (0, "works: 47 of 47"),
    "prefix_missing_below_the_server": (4, "and 41 more: the document has it under /, not /api"),
    "server_under_api_v1": (4, "and 41 more: the document has it under /api/v1, not /api"),
    "server_with_variables": (4, "and 41 more: the document has it under /public/v2, not /api"),
    "server_with_variables_of_ours": (0, "works: 47 of 47"),
    "server_above_ours": (4, "and 41 more: the document has it under /v3/api, not /api"),
    "rooms_on_another_server": (4, "user.rooms.list, user.rooms.create, user.rooms.get, user.rooms.update and 3 more"),
    "trailing_slashes": (4, "the document has it with a slash at its end"),
    "cookie_required": (4, "and 41 more: the cookie parameter sid is required"),
    "authorization_required": (4, "user.bookings.list: the header parameter Authorization is required"),
    "bodies_of_another_json": (4, "the body has to be application/vnd.api+json, not application/json"),
    "three_names_but_for_case": (0, "works: 47 of 47"),
    "rooms_of_two_kinds": (4, "user.rooms.get: it returns dict, not Room"),
    "bodies_with_dates_without_times": (4, "startAt: '2030-01-07T10:00:00.000Z' is not a 'date'"),
    "bodies_closed_without_descriptions": (4, "('description' was unexpected)"),
    "creates_answer_nothing": (4, "user.sessions.create, user.events.create: the document answers nothing"),
    "answers_by_default": (0, "works: 47 of 47"),
    "rows_beside_others_by_default": (4, "more than one array that may be the rows"),
    "answers_of_xml": (4, "user.rooms.list, user.rooms.get: the document answers application/xml"),
    "updates_answer_text": (0, "works: 47 of 47"),
    "lists_are_maps": (4, "there is no array of rows"),
    "bodies_are_models": (0, "works: 47 of 47"),
    "keys_not_declared": (0, "works: 47 of 47"),
    "bearer_not_declared": (4, "and 41 more: the document wants the key as Authorization: Bearer"),
    "guests_with_another_key": (4, "the document wants the key as x-guest-key in the header"),
    "filters_in_objects": (0, "works: 47 of 47"),
    "ids_as_labels": (4, "the path parameter id is wanted in the style label"),
    "components_that_name_others": (0, "works: 47 of 47"),
    "links_alone": (4, "is not paginated"),
    "relay": (4, "is not paginated"),
    "json_api": (4, "user.booking_pages.get: it returns BookingPage4, not BookingPage"),
    "bodies_never_empty": (4, "guest.events.register: the body: {} should be non-empty"),
    "moments_are_integers_in_bodies": (4, "'2030-01-07T10:00:00.000Z' is not of type 'integer'"),
    "models_that_contain_each_other": (0, "works: 47 of 47"),
    "a_tenth_is_missing": (4, "user.rooms.share, user.sessions.transcripts: the document has no such path"),
    "two_keys_together": (4, "wants the key as x-api-key in the header and x-tenant in the header"),
    "extensions_of_the_vendor": (0, "works: 47 of 47"),
    "nulls_of_31_in_30": (0, "works: 47 of 47"),
    "paths_with_spaces": (0, "works: 47 of 47"),
    "everything_by_reference": (0, "works: 47 of 47"),
    "another_api": (2, "this is another API: it has 0 of the 45 operations"),
}
LONG = os.environ.get("SESSIONS_LONG_TESTS") == "1"


def pull(regenerate: Regenerate, folder: Path, *names: str) -> CompletedProcess[str]:
    """Drive the document with these changes."""
    (folder / "document.json").write_bytes(dump_json(made(*names)))
    return regenerate(ROOT, "--drive", str(folder / "document.json"))


@pytest.mark.parametrize("name", ["page_required", *further(*(name for name in TABLE if name != "page_required"))])
def test_what_a_document_may_say(name: str, regenerate: Regenerate, tmp_path: Path) -> None:
    """Required parameters, other pages, envelopes, empty models, other names, methods, paths, bodies and keys."""
    status, words = TABLE[name]
    process = pull(regenerate, tmp_path, name)
    assert process.returncode == status, process.stdout + process.stderr
    first = process.stderr.splitlines()[-1:] if status == 2 else process.stdout.splitlines()[:6]
    assert words in "\n".join(first)
    assert process.stdout.startswith("DOES NOT WORK") == (status == 4)


@pytest.mark.skipif(not LONG, reason="takes minutes: run `nox -s shapes`")
@pytest.mark.parametrize(
    ("names", "has_to_work"), list(all_of_them()), ids=lambda value: "+".join(value) if isinstance(value, tuple) else ""
)
def test_there_is_no_third_outcome(
    names: tuple[str, ...], has_to_work: bool, regenerate: Regenerate, tmp_path: Path
) -> None:
    """All single changes, and some together."""
    process = pull(regenerate, tmp_path, *names)
    lines = process.stdout.splitlines()
    if process.returncode == 0:
        assert lines[0].startswith("works: 47 of 47 methods")
        assert has_to_work
    elif process.returncode == 4:
        assert lines[0].startswith("DOES NOT WORK")
        assert lines[1] == "Broken"
        assert not has_to_work
    else:
        assert process.returncode == 2
        assert "another API" in process.stderr.splitlines()[-1]
        assert set(names) & BREAKS.keys()
    assert len(lines) <= 60


@pytest.mark.further
def test_the_committed_document_drives_every_method(regenerate: Regenerate) -> None:
    """And what is not in it, nor on the vendor's page, is listed."""
    process = regenerate(ROOT, "--drive")
    assert process.returncode == 0, process.stdout
    assert process.stdout.startswith("works: 47 of 47 methods of the client; no changes\n")
    assert "create_webhook, delete_webhook" in process.stdout


def test_every_operation_is_driven() -> None:
    """A method that is new to the client is not forgotten."""
    assert METHODS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize(("names", "most"), [((), 25), *further((("nest",), 60))])
def test_a_report_of_what_works_fits_a_screen(
    names: tuple[str, ...], most: int, regenerate: Regenerate, tmp_path: Path
) -> None:
    """The verdict comes first, the next command last; and Markdown has it all, warnings included."""
    (tmp_path / "document.json").write_bytes(dump_json(made(*names)))
    process = regenerate(ROOT, "--drive", str(tmp_path / "document.json"), "--format", "markdown")
    lines = process.stdout.splitlines()
    assert process.returncode == 0, process.stdout
    assert len(lines) <= most
    assert lines[0].startswith("**works: 47 of 47 methods")
    assert lines[-1].startswith("Next: `python scripts/regenerate.py")


def test_what_breaks_methods_is_put_in_place_only_if_it_is_accepted(
    whole: Path, regenerate: Regenerate, snapshot: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    """Without --accept nothing is written; with it the report still says what is broken, and so does the exit status."""
    (tmp_path / "document.json").write_bytes(dump_json(made("body_with_more")))
    before = snapshot(whole)
    process = regenerate(whole, "--pull", str(tmp_path / "document.json"))
    assert process.returncode == 4, process.stderr
    assert "nothing is written in place" in process.stdout.splitlines()[0]
    assert snapshot(whole) == before
    process = regenerate(whole, "--pull", str(tmp_path / "document.json"), "--accept")
    assert process.returncode == 4
    assert "45 of 47 methods of the client work; written all the same" in process.stdout.splitlines()[0]
    assert "user.rooms.create" in process.stdout.splitlines()[2]
    changed = {path for path, data in snapshot(whole).items() if before.get(path) != data}
    assert {"spec/upstream.json", "spec/upstream.toml", "spec/openapi.json"} <= changed


@pytest.mark.further
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("body_with_more", "nothing is written in place", "EDITOR"), ("nest", "works: 47 of 47", "--pull FROM")],
)
def test_what_is_put_elsewhere_is_not_in_place(
    name: str, first: str, last: str, regenerate: Regenerate, tmp_path: Path
) -> None:
    """The report does not say that it was written, nor to look at what did not change."""
    (tmp_path / "document.json").write_bytes(dump_json(made(name)))
    process = regenerate(ROOT, "--pull", str(tmp_path / "document.json"), "--output", str(tmp_path / "out"))
    lines = process.stdout.splitlines()
    assert first in lines[0]
    assert last in lines[-1]
    assert lines[-1].startswith("Next: ")


@pytest.mark.further
def test_what_was_left_out_of_requests_is_warned_of_at_once(regenerate: Regenerate, tmp_path: Path) -> None:
    """The methods work with what remains; whether the server asks for more, nobody can know."""
    document = made()
    body = document["paths"]["/api/rooms"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body["properties"]["name"]["type"] = "text"
    (tmp_path / "document.json").write_bytes(dump_json(document))
    process = regenerate(ROOT, "--drive", str(tmp_path / "document.json"))
    assert process.returncode == 0, process.stdout
    lines = process.stdout.splitlines()
    assert "POST /api/rooms: requestBody/content/application/json/schema/properties/name/type: left out" in "".join(
        lines[lines.index("Warnings") : lines.index("Warnings") + 2]
    )
    assert lines.index("Warnings") < 6


@pytest.mark.further
def test_a_client_that_cannot_be_imported_breaks_every_method(whole: Path, regenerate: Regenerate) -> None:
    """Whatever the cause: it is named, and every method with it."""
    (whole / "src/sessions_us/resources/rooms.py").write_text("from sessions_us_api.models import Lobby\n")
    process = regenerate(whole, "--drive")
    assert process.returncode == 4
    assert "all 47 methods: import sessions_us fails: ImportError: cannot import name 'Lobby'" in process.stdout


def test_a_large_document_of_another_api_is_refused_in_no_time(regenerate: Regenerate, tmp_path: Path) -> None:
    """Megabytes of schemas are not validated to find out that it is not ours."""
    answer = {"description": "ok", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}
    fields = {f"field_{number}": {"type": "string", "description": "words " * 20} for number in range(20)}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "another", "version": "1"},
        "paths": {f"/v1/things-{number}": {"get": {"responses": {"200": answer}}} for number in range(300)},
        "components": {"schemas": {f"S{number}": {"type": "object", "properties": fields} for number in range(1000)}},
    }
    (tmp_path / "document.json").write_bytes(dump_json(document))
    assert (tmp_path / "document.json").stat().st_size > 3_400_000
    process = regenerate(ROOT, "--drive", str(tmp_path / "document.json"))
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("regenerate: this is another API: it has 0 of the 45 operations")


@pytest.mark.parametrize(
    ("reference", "cure"),
    [("rooms.yaml#/Room", "with any bundler of OpenAPI"), ("#/components/schemas/Gone", "correct it in a copy")],
)
def test_a_refusal_is_in_the_report_too(reference: str, cure: str, regenerate: Regenerate, tmp_path: Path) -> None:
    """As Markdown and JSON, which somebody reads instead of stderr; and it says what to do."""
    document = made()
    document["components"]["schemas"]["Room"]["properties"]["owner"] = {"$ref": reference}
    (tmp_path / "document.json").write_bytes(dump_json(document))
    process = regenerate(ROOT, "--drive", str(tmp_path / "document.json"), "--format", "markdown")
    assert process.returncode == 2
    assert process.stdout.startswith("**REFUSED: ")
    assert cure in process.stdout
    process = regenerate(ROOT, "--drive", str(tmp_path / "document.json"), "--format", "json")
    assert json.loads(process.stdout)["status"] == 2
    assert cure in process.stderr


@pytest.mark.further
def test_the_overlay_can_say_which_other_method_is_meant(whole: Path, regenerate: Regenerate, tmp_path: Path) -> None:
    """An action gives the operationId to what the document has instead; then the client calls that."""
    document = made()
    document["paths"]["/api/rooms/{id}"]["patch"] = document["paths"]["/api/rooms/{id}"].pop("put")
    (tmp_path / "document.json").write_bytes(dump_json(document))
    assert regenerate(whole, "--drive", str(tmp_path / "document.json")).returncode == 4
    with (whole / "spec/overlay.yaml").open("a") as file:
        file.write(PATCH)
    process = regenerate(whole, "--drive", str(tmp_path / "document.json"))
    assert process.returncode == 0, process.stdout


PATCH = """
  - target: $.paths['/api/rooms/{id}'].patch
    description: rooms are updated by PATCH
    x-optional: true
    update: {operationId: update_room, tags: [rooms], x-key-role: user, x-repeatable: false}
"""
