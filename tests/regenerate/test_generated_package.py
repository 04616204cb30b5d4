"""The package that comes out, made from a small document with every trap in it."""

from __future__ import annotations

import ast
import copy
import hashlib
import importlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

NAME = "sessions_us_api_of_a_small_document"


@pytest.fixture(scope="module")
def package(generated_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The generated package, importable under a name of its own beside the real one."""
    folder = tmp_path_factory.mktemp("importable")
    (folder / NAME).symlink_to(generated_once / "generated/sessions_us_api")
    sys.path.insert(0, str(folder))
    yield folder / NAME
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def types(package: Path) -> Any:
    return importlib.import_module(f"{NAME}.types")


@pytest.fixture(scope="module")
def models(package: Path) -> Any:
    return importlib.import_module(f"{NAME}.models")


def endpoint(tag: str, name: str) -> Any:
    return importlib.import_module(f"{NAME}.api.{tag}.{name}")


def test_wire_fields_say_how_each_field_travels(models: Any, types: Any) -> None:
    """Wire name, attribute, runtime type and whether it is required, in document order, made once per class."""
    thing, person = models.Thing, models.Person
    person_or_text: Any = person | str
    assert thing.wire_fields() == (
        ("id", "id", str, True),
        ("startAt", "start_at", datetime, False),
        ("colour", "colour", models.Colour, False),
        ("colours", "colours", list[models.Colour], False),
        ("owner", "owner", person, False),
        ("guests", "guests", list[person_or_text], False),
        ("parent", "parent", thing, False),
        ("size", "size", str, False),
        ("free", "free", Any, False),
        ("additionalProperties", "additional_properties_", bool, False),
        ("toDict", "to_dict_", float, False),
        ("class", "class_", str, False),
        ('in"jec\\t', "injec_t", str, False),
        ("x-day", "x_day", str, False),
    )
    assert isinstance(thing.wire_fields()[0], types.Field)
    assert thing.wire_fields() is thing.wire_fields()
    assert [field.wire for field in person.wire_fields()] == ["id", "email"]


def test_fields_are_declared_for_people(package: Path) -> None:
    """Only id is required; an enum stands beside str; None appears once; UNSET never."""
    (thing,) = (
        node for node in ast.parse((package / "models/thing.py").read_text()).body if isinstance(node, ast.ClassDef)
    )
    declared = {ast.unparse(item.target): item for item in thing.body if isinstance(item, ast.AnnAssign)}
    assert {name: ast.unparse(item.annotation) for name, item in declared.items()} == {
        "id": "str",
        "start_at": "datetime.datetime | None",
        "colour": "Colour | str | None",
        "colours": "list[Colour | str] | None",
        "owner": "Person | None",
        "guests": "list[str | Person] | None",
        "parent": "Thing | None",
        "size": "str | None",
        "free": "Any | None",
        "additional_properties_": "bool | None",
        "to_dict_": "float | None",
        "class_": "str | None",
        "injec_t": "str | None",
        "x_day": "str | None",
        "additional_properties": "dict[str, Any]",
    }
    assert [name for name, item in declared.items() if item.value is None] == ["id"]


def test_a_model_is_a_plain_attrs_class(models: Any) -> None:
    """Keyword arguments only, slots, equality by value, a dictionary of its own for what is no field."""
    person = models.Person(id="1")
    assert person == models.Person(id="1", email=None)
    assert person.additional_properties == {}
    assert person.additional_properties is not models.Person(id="2").additional_properties
    with pytest.raises(TypeError):
        models.Person("1")
    with pytest.raises(TypeError):
        models.Person()
    with pytest.raises(AttributeError):
        person.misspelt = 1
    assert copy.deepcopy(person) == person == pickle.loads(pickle.dumps(person))


def test_to_dict_gives_json_back(models: Any) -> None:
    """Wire names, None left out, everything nested turned into JSON values, date-times in UTC with Z."""
    thing = models.Thing(
        id="1",
        start_at=datetime(2026, 1, 2, 5, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2))),
        colour=models.Colour.RED,
        colours=[models.Colour.DARK_BLUE, "unknown"],
        owner=models.Person(id="2"),
        guests=["ada@example.com", models.Person(id="3", email="x")],
        free={"when": datetime(2026, 1, 1, tzinfo=UTC)},
        additional_properties_=False,
        to_dict_=1.5,
    )
    expected = {
        "id": "1",
        "startAt": "2026-01-02T03:04:05.678901Z",
        "colour": "red",
        "colours": ["dark blue", "unknown"],
        "owner": {"id": "2"},
        "guests": ["ada@example.com", {"id": "3", "email": "x"}],
        "free": {"when": "2026-01-01T00:00:00.000Z"},
        "additionalProperties": False,
        "toDict": 1.5,
    }
    assert thing.to_dict() == expected
    assert json.loads(json.dumps(thing.to_dict())) == expected


def test_what_is_as_described_is_read_straight(models: Any, types: Any) -> None:
    """With what is more than described, told by path. Anything else is left to the client's own, tolerant decoding."""
    read, told = types.reader(list[models.Thing]), []
    described = {
        "id": "1",
        "startAt": "2026-01-02T03:04:05.678Z",
        "colour": "red",
        "colours": ["dark blue"],
        "owner": {"id": "2", "email": None, "age": 7},
        "guests": [],
        "size": "XL",
        "additionalProperties": False,
        "toDict": 1.5,
        "class": "first",
        'in"jec\\t': "v",
        "news": {"deep": []},
    }
    expected = models.Thing(
        id="1",
        start_at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        colour=models.Colour.RED,
        colours=[models.Colour.DARK_BLUE],
        owner=models.Person(id="2", additional_properties={"age": 7}),
        guests=[],
        size="XL",
        additional_properties_=False,
        to_dict_=1.5,
        class_="first",
        injec_t="v",
        additional_properties={"news": {"deep": []}},
    )
    assert read([described, {"id": "3", "startAt": None}], told, "rows") == [expected, models.Thing(id="3")]
    assert told == ["rows[].news", "rows[].owner.age"]

    for odd in (
        *({"id": ""}, {"id": 1}, {"size": 1}, {"toDict": 1}, {"additionalProperties": 0}, {"ID": "1"}, {"free": 1}),
        *({"startAt": "tomorrow"}, {"startAt": "2026-01-01"}, {"startAt": "0001-01-01T00:00:00+05:00"}, {"startAt": 3}),
        *({"colour": "beige"}, {"colours": "red"}, {"owner": "Ada"}, {"owner": {}}, {"guests": ["Ada"]}, {"guests": 1}),
        {"parent": {"id": "a thing may hold itself, to any depth"}},
    ):
        with pytest.raises(ValueError):
            read([{**described, **odd}], [], "")


def test_what_was_not_understood_comes_back_raw(models: Any) -> None:
    """Raw values fill in for fields that are None, and never replace one that is set."""
    raw = {"startAt": "tomorrow", "id": "other", "news": [1, {"a": None}]}
    thing = models.Thing(id="1", additional_properties=raw)
    assert thing.to_dict() == {"id": "1", "startAt": "tomorrow", "news": [1, {"a": None}]}
    thing.to_dict()["news"].append(2)
    assert raw["news"] == [1, {"a": None}]


def test_a_date_time_without_a_zone_is_refused(models: Any) -> None:
    """Which instant it means would be a guess."""
    with pytest.raises(ValueError, match="has no time zone"):
        models.Thing(id="1", start_at=datetime(2026, 1, 1)).to_dict()


def test_unset_is_one_object(types: Any) -> None:
    """Copies and pickles of UNSET are UNSET; it is false and prints its name."""
    unset = types.UNSET
    for other in (copy.copy(unset), copy.deepcopy([unset])[0], types.Unset(), pickle.loads(pickle.dumps(unset))):
        assert other is unset
    assert not unset
    assert repr(unset) == "UNSET"


def test_importing_one_model_imports_no_other(package: Path) -> None:
    """A model costs its own import, the package's front door none, and neither httpx nor a client comes along."""
    script = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
        f"import {NAME}.models.thing\n"
        f"from {NAME}.models import Thing; Thing(id='1')\n"
        f"print(sorted(m.rpartition('.')[2] for m in sys.modules if m.startswith('{NAME}.models.')), 'httpx' in sys.modules)\n"
        f"Thing.wire_fields()\n"
        f"print(sorted(m.rpartition('.')[2] for m in sys.modules if m.startswith('{NAME}.models.')))\n"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert process.stdout.splitlines() == ["['thing'] False", "['colour', 'person', 'thing']"]


def test_the_models_are_found_by_name(models: Any) -> None:
    """The lazy package lists every model, gives the same class each time, and knows no other name."""
    names = {"Thing", "Person", "Colour", "Payload", "Inner"}
    assert set(models.__all__) == names
    assert names <= set(dir(models))
    assert models.Thing is importlib.import_module(f"{NAME}.models.thing").Thing
    assert "Thing" in vars(models), "looked up once only"
    with pytest.raises(AttributeError, match="no attribute 'Things'"):
        _ = models.Things


def test_a_request_holds_what_was_given_and_nothing_else(types: Any, package: Path) -> None:
    """No default is sent, no Content-Type is set, null and falsy bodies are bodies, and ids are percent-encoded."""
    things, create = endpoint("things", "list_things"), endpoint("things", "create_thing")
    assert things._get_kwargs() == {"method": "get", "url": "/api/things", "params": {}}
    assert things._get_kwargs(page=0)["params"] == {"page": 0}
    assert create._get_kwargs() == {"method": "post", "url": "/api/things"}
    assert create._get_kwargs(body=types.UNSET) == {"method": "post", "url": "/api/things"}
    assert create._get_kwargs(body=None) == {"method": "post", "url": "/api/things", "json": None}
    assert create._get_kwargs(body={}) == {"method": "post", "url": "/api/things", "json": {}}
    get = endpoint("things", "get_thing")
    assert get._get_kwargs("a/b?c#d{e}")["url"] == "/api/things/a%2Fb%3Fc%23d%7Be%7D"


def test_a_response_asks_for_its_type(models: Any) -> None:
    """_parse_response hands the body and the type to the decoder, and returns what it says."""

    def decode(value: object, shape: type, /) -> Any:
        return value, shape

    assert endpoint("things", "list_things")._parse_response("body", decode) == ("body", list[models.Thing])
    assert endpoint("things", "get_thing")._parse_response("body", decode) == ("body", models.Thing)
    assert endpoint("things", "create_thing")._parse_response("body", decode) == ("body", models.Thing)
    assert endpoint("odd_ones", "get_anything")._parse_response("body", decode) == ("body", object)
    assert endpoint("things", "delete_thing")._parse_response("body", decode) is None


def test_operations_say_what_the_overlay_says(types: Any, package: Path) -> None:
    """One immutable entry per operation in document order; only a GET is repeatable unless the overlay says.

    That pages count from 1 is the default that the document declares.
    """
    operations = importlib.import_module(f"{NAME}.operations").OPERATIONS
    assert list(operations) == ["list_things", "create_thing", "get_thing", "delete_thing", "get_anything"]
    assert operations["list_things"] == types.Operation(
        id="list_things",
        method="GET",
        path="/api/things",
        tag="things",
        key_role="user",
        repeatable=True,
        pagination=types.Pagination(parameter="page", base=1, size_parameter=None, size=20),
        invalidates=(),
        removes=False,
        observed=False,
    )
    assert [(name, entry.key_role, entry.repeatable, entry.observed) for name, entry in operations.items()][1:] == [
        ("create_thing", "guest", False, True),
        ("get_thing", "user", True, False),
        ("delete_thing", "user", False, False),
        ("get_anything", "user", False, False),
    ]
    assert operations["delete_thing"].pagination is None
    assert operations["delete_thing"].invalidates == ("list_things", "get_thing")
    assert [name for name, entry in operations.items() if entry.removes] == ["delete_thing"]
    with pytest.raises(TypeError):
        operations["new"] = operations["get_thing"]


def test_text_from_the_document_stays_text(package: Path, models: Any, evil: str) -> None:
    """Descriptions, names and values that try to break out of a literal arrive as text and run nothing."""
    assert "INJECTED" not in os.environ
    for path in sorted(package.rglob("*.py")):
        importlib.import_module(
            ".".join([NAME, *path.relative_to(package).with_suffix("").parts]).removesuffix(".__init__")
        )
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Import) and node.names[0].name == "os"), path
    assert "INJECTED" not in os.environ
    assert models.Colour('q"uote').value == 'q"uote'
    assert 'os.environ["INJECTED"]' in models.Thing.__doc__
    assert 'os.environ["INJECTED"]' in endpoint("things", "list_things").__doc__
    assert models.Thing(id="1", injec_t="v").to_dict() == {"id": "1", 'in"jec\\t': "v"}


def test_the_generators_own_client_is_gone(package: Path) -> None:
    """What nobody uses is not there, what type checkers need is, and every file says where it comes from."""
    top = sorted(path.name for path in package.iterdir() if path.name != "__pycache__")
    assert top == ["__init__.py", "api", "models", "operations.py", "py.typed", "types.py"]
    for path in [*package.rglob("*.py"), package / "py.typed"]:
        assert path.read_text().splitlines()[0] == "# Generated by scripts/regenerate.py; do not edit."


def test_provenance_names_every_input(generated_once: Path) -> None:
    """Digests of the documents, exact versions of the tools, counts; nothing of the time or the machine."""
    record = json.loads((generated_once / "generated/PROVENANCE.json").read_text())
    assert record["notice"] == "Generated by scripts/regenerate.py; do not edit."
    assert record["counts"] == {"operations": 5, "models": 5}
    assert set(record["tools"]) == {"openapi-python-client", "ruff"}
    for name in ("spec/upstream.json", "spec/overlay.yaml", "spec/openapi.json"):
        assert record["sha256"][name] == hashlib.sha256((generated_once / name).read_bytes()).hexdigest()
    assert set(record) == {"notice", "tools", "counts", "sha256"}
    assert str(generated_once) not in json.dumps(record)
