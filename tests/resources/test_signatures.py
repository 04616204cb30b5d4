"""The methods of the resources against the document: a newer document shows here where they are behind."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SPEC: dict[str, Any] = json.loads((Path(__file__).parents[2] / "spec" / "openapi.json").read_text(encoding="utf-8"))

RESOURCES = {
    "user.booking_pages": ("booking_pages", "BookingPages"),
    "user.booking_pages.collaborators": ("collaborators", "Collaborators"),
    "user.bookings": ("bookings", "Bookings"),
    "user.events": ("events", "Events"),
    "user.rooms": ("rooms", "Rooms"),
    "user.sessions": ("sessions", "Sessions"),
    "user.sessions.participants": ("participants", "Participants"),
    "user.webhooks": ("webhooks", "Webhooks"),
    "guest.bookings": ("guests", "GuestBookings"),
    "guest.events": ("guests", "GuestEvents"),
}

PLAN = {"name", "start_at", "planned_end", "time_zone"}

# The public contract: the method of each operation, and its required keyword arguments.
METHODS: dict[str, tuple[str, set[str]]] = {
    "list_booking_pages": ("user.booking_pages.list", set()),
    "create_booking_page": ("user.booking_pages.create", {"name"}),
    "get_booking_page": ("user.booking_pages.get", set()),
    "update_booking_page": ("user.booking_pages.update", set()),
    "delete_booking_page": ("user.booking_pages.delete", set()),
    "list_booking_page_slots": ("user.booking_pages.slots", {"start", "end"}),
    "list_booking_page_bookings": ("user.booking_pages.bookings", set()),
    "list_booking_page_collaborators": ("user.booking_pages.collaborators.list", set()),
    "create_booking_page_collaborator": ("user.booking_pages.collaborators.create", set()),
    "update_booking_page_collaborator": ("user.booking_pages.collaborators.update", set()),
    "delete_booking_page_collaborator": ("user.booking_pages.collaborators.delete", set()),
    "list_bookings": ("user.bookings.list", set()),
    "create_booking": ("user.bookings.create", set()),
    "update_booking": ("user.bookings.update", set()),
    "cancel_booking": ("user.bookings.cancel", set()),
    "delete_booking": ("user.bookings.delete", set()),
    "change_booking_collaborator": ("user.bookings.change_collaborator", set()),
    "create_guest_booking": ("guest.bookings.create", set()),
    "update_guest_booking": ("guest.bookings.update", set()),
    "cancel_guest_booking": ("guest.bookings.cancel", set()),
    "register_guest_to_event": ("guest.events.register", set()),
    "list_rooms": ("user.rooms.list", set()),
    "create_room": ("user.rooms.create", {"name"}),
    "get_room": ("user.rooms.get", set()),
    "update_room": ("user.rooms.update", set()),
    "delete_room": ("user.rooms.delete", set()),
    "clone_room": ("user.rooms.clone", set()),
    "share_room": ("user.rooms.share", set()),
    "list_sessions": ("user.sessions.list", set()),
    "create_session": ("user.sessions.create", PLAN),
    "get_session": ("user.sessions.get", set()),
    "update_session": ("user.sessions.update", set()),
    "delete_session": ("user.sessions.delete", set()),
    "list_session_participants": ("user.sessions.participants.list", set()),
    "add_session_participants": ("user.sessions.participants.add", set()),
    "update_session_participants": ("user.sessions.participants.update", set()),
    "delete_session_participants": ("user.sessions.participants.delete", set()),
    "get_session_takeaways": ("user.sessions.takeaways", set()),
    "get_session_transcripts": ("user.sessions.transcripts", set()),
    "list_events": ("user.events.list", set()),
    "create_event": ("user.events.create", PLAN),
    "publish_event": ("user.events.publish", set()),
    "toggle_event_public": ("user.events.toggle_public", set()),
    "clone_event": ("user.events.clone", set()),
    "register_to_event": ("user.events.register", set()),
    "create_webhook": ("user.webhooks.create", {"url", "trigger"}),
    "delete_webhook": ("user.webhooks.delete", set()),
}

IDS = {"id": "id", "eventIdOrSessionId": "event_or_session_id"}
CREATES_SURELY = {"create_session", "create_event", "create_webhook"}
DEFAULTS: dict[tuple[str, str], object] = {("create_webhook", "permission"): "personal"}
PAGING = {"page": None, "verify_end": False}
ANNOTATIONS = {"integer": "int", "boolean": "bool", "array": "Sequence[", "string": "str"}


class Documented(NamedTuple):
    """What the document says of one operation."""

    verb: str
    path: str
    operation: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        return [IDS[name] for name in re.findall(r"{(\w+)}", self.path)]

    @property
    def fields(self) -> dict[str, dict[str, Any]]:
        content = self.operation.get("requestBody", {}).get("content", {})
        properties: dict[str, dict[str, Any]] = (
            content.get("application/json", {}).get("schema", {}).get("properties", {})
        )
        return properties

    @property
    def answer(self) -> dict[str, Any]:
        (success,) = (answer for status, answer in self.operation["responses"].items() if status.startswith("2"))
        schema: dict[str, Any] = success.get("content", {}).get("application/json", {}).get("schema", {})
        return schema


OPERATIONS = {
    operation["operationId"]: Documented(verb.upper(), path, operation)
    for path, item in SPEC["paths"].items()
    for verb, operation in item.items()
    if isinstance(operation, dict) and "operationId" in operation
}

each_operation = pytest.mark.parametrize("name", OPERATIONS)


def _camel(argument: str) -> str:
    first, *rest = argument.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _method(name: str) -> Callable[..., Any]:
    home, _, method = METHODS[name][0].rpartition(".")
    module, resource = RESOURCES[home]
    found: Callable[..., Any] = getattr(getattr(import_module(f"sessions_us.resources.{module}"), resource), method)
    return found


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    parameters = dict(inspect.signature(_method(name)).parameters)
    del parameters["self"]
    return parameters


def _keywords(name: str) -> dict[str, inspect.Parameter]:
    return {key: one for key, one in _parameters(name).items() if one.kind is inspect.Parameter.KEYWORD_ONLY}


def _typed(name: str) -> dict[str, inspect.Parameter]:
    return {key: one for key, one in _keywords(name).items() if key not in {"extra", *PAGING}}


def test_operations_and_methods_are_the_same_set() -> None:
    """Each operation of the document has a method, and no method is left over."""
    assert set(OPERATIONS) == set(METHODS)


def test_no_public_method_is_without_an_operation() -> None:
    """The resources offer nothing beyond the operations."""
    offered = {
        f"{home}.{method}"
        for home, (module, resource) in RESOURCES.items()
        for method, value in vars(getattr(import_module(f"sessions_us.resources.{module}"), resource)).items()
        if inspect.isfunction(value) and not method.startswith("_")
    }
    assert offered == {method for method, _ in METHODS.values()}


@each_operation
def test_ids_are_positional_and_come_first(name: str) -> None:
    """The path's ids are the only positional arguments, by the names of the contract, as strings, without defaults."""
    positional = [one for one in _parameters(name).values() if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert [one.name for one in positional] == OPERATIONS[name].ids
    assert all(one.annotation == "str" and one.default is inspect.Parameter.empty for one in positional)


@each_operation
def test_arguments_are_the_documents_fields(name: str) -> None:
    """Each field of the request body is a typed argument by its snake_case name, and each such argument is a field."""
    assert {_camel(argument) for argument in _typed(name)} == set(OPERATIONS[name].fields)


@each_operation
def test_arguments_have_the_documents_types(name: str) -> None:
    """A date-time is a datetime, a number of minutes an int, a list any sequence."""
    for argument, parameter in _typed(name).items():
        schema = OPERATIONS[name].fields[_camel(argument)]
        expected = "datetime" if schema.get("format") == "date-time" else ANNOTATIONS[schema.get("type", "string")]
        kinds = [kind.strip() for kind in str(parameter.annotation).split("|")]
        assert any(kind.startswith(expected) for kind in kinds), argument


@each_operation
def test_required_arguments_are_the_contracts(name: str) -> None:
    """What the contract shows is required; everything else is optional and None unless the contract says otherwise."""
    typed = _typed(name)
    required = {argument for argument, one in typed.items() if one.default is inspect.Parameter.empty}
    assert required == METHODS[name][1]
    for argument in typed.keys() - required:
        default = DEFAULTS.get((name, argument))
        assert typed[argument].default == default
        assert default is not None or str(typed[argument].annotation).endswith("| None")


@each_operation
def test_every_write_takes_extra_last(name: str) -> None:
    """Any operation but a GET takes further fields, as its last argument; a GET has no body to put them in."""
    last = list(_parameters(name).values())[-1:]
    if OPERATIONS[name].verb == "GET":
        assert "extra" not in _parameters(name)
    else:
        assert [(one.name, one.default, one.annotation) for one in last] == [("extra", None, "Extra | None")]


@each_operation
def test_lists_take_the_pagers_arguments(name: str) -> None:
    """Exactly the paginated lists take page and verify_end, and are no coroutines."""
    paginated = "x-pagination" in OPERATIONS[name].operation
    expected = PAGING if paginated else {}
    assert {key: one.default for key, one in _keywords(name).items() if key in PAGING} == expected
    assert inspect.iscoroutinefunction(_method(name)) is not paginated


@each_operation
def test_results_are_those_of_the_document(name: str) -> None:
    """What a method returns is the model of the answer: surely, perhaps, as a list or as a Pager."""
    verb, _, operation = documented = OPERATIONS[name]
    schema = documented.answer
    reference = json.dumps(schema)
    model = reference.rpartition("/")[2].partition('"')[0]
    surely = name in CREATES_SURELY or (verb == "GET" and not schema.get("nullable"))
    if not schema:
        expected = "None"
    elif schema.get("type") != "array":
        expected = model if surely else f"{model} | None"
    elif "x-pagination" in operation:
        expected = f"Pager[{model}]"
    else:
        expected = f"list[{model}]" if surely or operation["x-repeatable"] else f"list[{model}] | None"
    assert str(inspect.signature(_method(name)).return_annotation).replace("builtins.", "") == expected


@each_operation
def test_docstrings_name_each_argument(name: str) -> None:
    """A reader learns which request it is, how that is known, and what each argument means that is not every method's."""
    verb, path, _ = OPERATIONS[name]
    text = inspect.getdoc(_method(name)) or ""
    assert f"Endpoint: {verb} {path}\n" in text
    assert re.search(r"^Known from: .", text, re.MULTILINE)
    own = [argument for argument in _parameters(name) if argument not in {"extra", *PAGING}]
    arguments = text.partition("Args:")[2].partition("\n\n")[0]
    assert re.findall(r"^    (\w+): ", arguments, re.MULTILINE) == own


def test_what_holds_for_every_method_is_said_once() -> None:
    """The arguments and errors that no method explains are explained where the resources are."""
    text = inspect.getdoc(import_module("sessions_us.resources")) or ""
    for word in ("`extra`", "`page`", "`verify_end`", "`ValueError`", "`DecodeError`", "`sessions_us.errors`"):
        assert word in text


class Recorder:
    """Stands where `Calls` stands and keeps what a method hands on, so that no field can travel under another's name."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.path: tuple[object, ...] = ()
        self.arguments: Mapping[str, object] = {}

    def pages(self, endpoint: object, *path: object, **arguments: object) -> None:
        self.endpoint = str(getattr(endpoint, "__name__", "")).rpartition(".")[2]
        self.path = path
        self.arguments = arguments

    async def one(self, endpoint: object, *path: object, **arguments: object) -> None:
        self.pages(endpoint, *path, **arguments)

    maybe = nothing = rows = maybe_rows = one


@pytest.mark.anyio
@each_operation
async def test_arguments_go_out_under_wire_names(name: str) -> None:
    """A method calls its own operation, its ids in the path and each argument in the body under its wire name."""
    home, _, method = METHODS[name][0].rpartition(".")
    module, resource = RESOURCES[home]
    recorder = Recorder()
    ids = [f"id-{number}" for number, _ in enumerate(OPERATIONS[name].ids)]
    given: dict[str, object] = {
        argument: [object()] for argument in _keywords(name)
    }  # a list passes for all but moments
    for minute, argument in enumerate(_typed(name)):
        if OPERATIONS[name].fields[_camel(argument)].get("format") == "date-time":
            given[argument] = f"2026-05-04T09:{minute:02}:00.000Z"
    result = getattr(getattr(import_module(f"sessions_us.resources.{module}"), resource)(recorder), method)(
        *ids, **given
    )
    if inspect.isawaitable(result):
        await result
    assert recorder.endpoint == name
    assert recorder.path == tuple(ids)
    body = {_camel(argument): given[argument] for argument in _typed(name)}
    around = {argument: given[argument] for argument in given if argument in {"extra", *PAGING}}
    assert recorder.arguments == ({"body": body} if body else {}) | around


@pytest.mark.anyio
async def test_an_event_gets_a_slug_of_its_name() -> None:
    """The slug of an event is made of its name unless it is given."""
    from sessions_us.resources.events import Events

    recorder = Recorder()
    create: Callable[..., Any] = Events(recorder).create  # type: ignore[arg-type]
    await create(name="My Best Event!", start_at=None, planned_end=None, time_zone=None)
    body = recorder.arguments["body"]
    assert isinstance(body, dict)
    assert body["slug"] == "my-best-event"


def test_importing_the_resources_imports_no_model() -> None:
    """Models are imported when the first answer is decoded, so that a client is there at once."""
    modules = sorted({module for module, _ in RESOURCES.values()})
    code = (
        "import sys, importlib\n"
        f"for name in {modules}: importlib.import_module('sessions_us.resources.' + name)\n"
        "print([name for name in sys.modules if name.startswith('sessions_us_api.models')])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
