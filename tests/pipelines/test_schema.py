"""Columns and the rows that fit them, checked against spec/openapi.json itself, which the library never reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_us.pipelines import RESOURCES, Column, columns
from sessions_us.pipelines.parquet import arrow_schema
from sessions_us.pipelines.rows import finite
from sessions_us.pipelines.schema import fit

SPEC = json.loads((Path(__file__).parents[2] / "spec" / "openapi.json").read_text(encoding="utf-8"))
NOUNS = {
    "booking_pages": "BookingPage",
    "bookings": "Booking",
    "rooms": "Room",
    "sessions": "Session",
    "events": "Event",
}
CHILDREN = {
    "booking_pages": {"bookings": ["Booking"], "collaborators": ["Collaborator"]},
    "sessions": {"participants": ["Participant"], "transcripts": ["Transcript"], "takeaways": "Takeaways"},
}


def documented(schema: dict[str, Any]) -> Any:
    """The type that the document gives, written down independently of the library."""
    for wrap in ("allOf", "anyOf"):  # the latter with null beside
        if wrap in schema:
            (schema,) = [each for each in schema[wrap] if each.get("enum") != [None]]
    if "$ref" in schema:
        schema = SPEC["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    match schema.get("type"), schema.get("format"):
        case "object", _ if "properties" in schema:
            fields = {name: documented(each) for name, each in schema["properties"].items()}
            return {**fields, "additional_properties": "json"}
        case "array", _:
            item = documented(schema["items"])
            return "json" if item == "json" else [item]
        case "string", "date-time":
            return "timestamp"
        case kind, None if kind in {"string", "boolean", "integer", "number"}:
            return "text" if kind == "string" else kind
    return "json"


def shown(column: Column) -> Any:
    match column.kind:
        case "object":
            return {each.name: shown(each) for each in column.fields}
        case "list":
            return [shown(column.item)]
        case kind:
            return kind


@pytest.mark.parametrize("resource", RESOURCES)
def test_columns_are_those_of_the_document(resource):
    """Each field of the document is a column of its type, down to the last nested object, and nothing else is."""
    schemas = SPEC["components"]["schemas"]
    expected = documented(schemas[NOUNS[resource]])
    for name, noun in CHILDREN.get(resource, {}).items():
        expected[name] = [documented(schemas[noun[0]])] if isinstance(noun, list) else documented(schemas[noun])

    assert {column.name: shown(column) for column in columns(resource)} == expected
    assert columns(resource)[0].name == "id"
    assert columns(resource)[-1].name == "additional_properties"


def test_columns_without_children_are_those_of_the_list():
    """Participants are in the list's own rows; transcripts and takeaways are not."""
    names = {column.name for column in columns("sessions", children=False)}

    assert "participants" in names
    assert not {"transcripts", "takeaways"} & names


def test_arrow_types():
    """Date-times are timestamps in milliseconds and UTC, objects are structs."""
    schema = arrow_schema("sessions")

    assert schema.field("startAt").type == pa.timestamp("ms", tz="UTC")
    assert schema.field("quickSession").type == pa.bool_()
    assert schema.field("room").type.field("slug").type == pa.string()
    assert schema.field("transcripts").type.value_type.field("sourceTimestamp").type == pa.timestamp("ms", tz="UTC")
    assert arrow_schema("booking_pages").field("duration").type == pa.int64()


def extra(row: dict[str, Any]) -> Any:
    return json.loads(row["additional_properties"])


def test_what_is_not_understood_is_null_and_raw():
    """A wrong type, a date-time without a zone, an unknown field: nothing is guessed, and nothing lost."""
    row = {"id": "1", "name": 5, "startAt": "2026-05-04T09:00:00", "quickSession": "maybe", "new": [1], "room": "none"}
    fitted = fit("sessions", row)

    assert (fitted["id"], fitted["name"], fitted["startAt"], fitted["quickSession"], fitted["room"]) == (
        "1",
        None,
        None,
        None,
        None,
    )
    assert extra(fitted) == {key: value for key, value in row.items() if key != "id"}


def test_what_a_column_can_not_hold_is_raw():
    """Microseconds, integers beyond 64 bits, half a surrogate pair."""
    page = fit(
        "booking_pages", {"id": "1", "duration": 2**63, "name": "\ud83d", "createdAt": "2026-05-04T09:00:00.123456Z"}
    )

    assert (page["duration"], page["name"]) == (None, None)
    assert page["createdAt"] == datetime(2026, 5, 4, 9, 0, 0, 123000, tzinfo=UTC)
    assert extra(page) == {"duration": 2**63, "name": "\ud83d", "createdAt": "2026-05-04T09:00:00.123456+00:00"}


def test_a_moment_that_is_none_in_utc_is_raw():
    """It is of the year 10000 there."""
    late = "9999-12-31T23:30:00-14:00"
    page = fit("booking_pages", {"id": "1", "createdAt": late})

    assert page["createdAt"] is None
    assert extra(page) == {"createdAt": late}


def test_children_are_typed_and_what_is_odd_in_them_is_raw():
    """A child of another shape is null; a list with an odd row keeps the others, and is raw as well."""
    transcripts = [{"sourceTimestamp": "2026-05-04T09:00:00Z", "content": [{"text": "Hi", "more": 1}]}, "odd"]
    row = fit("sessions", {"id": "1", "participants": {"a": 1}, "transcripts": transcripts, "takeaways": None})

    assert row["participants"] is None
    assert row["takeaways"] is None
    (utterance,) = row["transcripts"]
    assert utterance["sourceTimestamp"] == datetime(2026, 5, 4, 9, tzinfo=UTC)
    assert utterance["content"][0]["text"] == "Hi"
    assert extra(utterance["content"][0]) == {"more": 1}
    assert extra(row) == {"participants": {"a": 1}, "transcripts": transcripts}


def test_a_row_without_an_id_is_raw():
    """It has no place in the columns, and is not lost."""
    row = fit("rooms", {"name": "Studio"})

    assert row["id"] is None
    assert extra(row) == {"name": "Studio"}


def test_a_row_that_is_nested_too_deep_is_raw():
    """It keeps its id, by which it is merged."""
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    row = fit("rooms", {"id": "1", "odd": deep})

    assert row["id"] == "1"
    assert extra(row)["odd"] == deep


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("resource", ["sessions", "booking_pages"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_the_server_sends_fits(resource, data):
    """Any JSON in any field makes a row that Arrow takes; and what is not in a column is in `additional_properties`, by the
    name and with the value that the server gave it."""
    fields = [column.name for column in columns(resource)]
    names = st.sampled_from(fields) | st.sampled_from([each.upper() for each in fields]) | st.text(max_size=5)
    row = {"id": "1", **data.draw(st.dictionaries(names, JSON, max_size=6))}
    fitted = fit(resource, row)
    pa.Table.from_pylist([fitted], schema=arrow_schema(resource))

    kept = extra(fitted) if fitted["additional_properties"] else {}
    in_columns = {name for name, value in row.items() if value is not None and name not in kept}
    meant = {
        name: name if name in fields else {each.lower(): each for each in fields}[name.lower()] for name in in_columns
    }
    assert all(fitted[column] is not None for column in meant.values())
    assert len(set(meant.values())) == len(meant), "two spellings of one field, and only one of them kept"
    assert kept == {name: finite(row[name]) for name in kept}


def test_a_field_in_two_spellings_is_two_fields():
    """The column has the one that the document knows; the other is kept by the name that the server gave it."""
    row = fit(
        "sessions", {"id": "1", "NAME": "Other", "name": "Kick-off", "PARTICIPANTS": [{"id": "2"}], "participants": []}
    )

    assert (row["name"], row["participants"]) == ("Kick-off", [])
    assert extra(row) == {"NAME": "Other", "PARTICIPANTS": [{"id": "2"}]}


@pytest.mark.parametrize("value", ["\ud83d", 5, {"a": 1}])
def test_a_field_in_another_spelling_that_its_column_can_not_hold(value):
    """It is taken for the field, and where that can't hold it, it is kept as it came."""
    row = fit("rooms", {"id": "1", "NAME": value, "Slug": "blue", "SLUG": "red"})

    assert (row["name"], row["slug"]) == (None, "red"), "of two spellings it is the first in the alphabet, each time"
    assert extra(row) == {"NAME": value, "Slug": "blue"}
