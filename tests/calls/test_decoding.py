"""Tolerant decoding: the payloads that were seen on the wire, and what happens to everything else."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions_us_api.types import Model

from sessions_us import Booking, Event, Participant, Session, Takeaways, Transcript, Webhook, WebhookTrigger
from sessions_us._calls.decoding import Decoder, NotUnderstood
from sessions_us._calls.envelopes import rows_of, unwrapped

OWNER: dict[str, Any] = {
    "id": "2021014e-5e28-498f-9fe3-3428ce40c9c4",
    "isOwner": True,
    "guest": None,
    "user": {
        "id": "9090bd7c-1111-4111-8111-111111111111",
        "email": "example@gmail.com",
        "firstName": "Active",
        "lastName": "Pieces",
    },
}
GUEST: dict[str, Any] = {
    "id": "d98f984f-2222-4222-8222-222222222222",
    "isOwner": False,
    "guest": {
        "id": "529e6bc0-af38-4365-a0b2-5530d8207ecb",
        "email": "example@gmail.com",
        "firstName": "Active Pieces",
        "lastName": None,
    },
    "user": None,
}
BOOKED_SESSION: dict[str, Any] = {
    "id": "5645d810-4e29-4c2c-b9a5-84d71a6429dd",
    "name": "Talk with Active Pieces",
    "description": "",
    "quickSession": False,
    "room": None,
    "createdAt": "2023-11-30T10:21:41.372Z",
    "startAt": "2023-11-30T10:30:00.000Z",
    "actualStart": "2023-11-30T10:34:37.799Z",
    "endedAt": None,
    "booking": {
        "id": "3df6dbdb-9a6c-41e6-89b2-d7a38233163e",
        "name": "Talk with Active Pieces",
        "participantName": "Active Pieces",
        "participantEmail": "example@gmail.com",
        "guests": [],
    },
    "event": None,
    "participants": [OWNER, GUEST],
}
EVENT_SESSION: dict[str, Any] = {
    "id": "2f8547a5-3333-4333-8333-333333333333",
    "name": "My Best Event",
    "description": None,
    "quickSession": False,
    "room": None,
    "createdAt": "2023-11-30T10:46:10.000Z",
    "startAt": "2023-11-30T10:50:00.000Z",
    "actualStart": None,
    "endedAt": None,
    "booking": None,
    "event": {
        "id": "52259a5f-f706-41d9-8b58-1b8796bd0ffc",
        "slug": "f34bd8a5-a7d9-47f2-aee9-031d10a76b75-83897/my-best-event",
    },
    "participants": [OWNER],
}
TAKEAWAYS: dict[str, Any] = {
    "takeawaysText": "Hello",
    "takeawaysRaw": {
        "type": "doc",
        "content": [
            {
                "type": "paragraph",
                "attrs": {"textAlign": "left", "indent": 0},
                "content": [{"type": "text", "text": "Hello"}],
            }
        ],
    },
}
TRANSCRIPTS: list[dict[str, Any]] = [
    {
        "participantId": "d98f984f-2222-4222-8222-222222222222",
        "sourceTimestamp": "2023-11-30T10:50:26.363Z",
        "sourceLanguage": "en",
        "content": [{"text": "Hello, my name is...", "language": "en"}],
    }
]
BOOKING_ROW = {
    "id": "3df6dbdb-9a6c-41e6-89b2-d7a38233163e",
    "startAt": "2023-11-30T10:30:00.000Z",
    "sessionId": "2f8547a5-3333-4333-8333-333333333333",
}
EVENT_ROW = {"id": "52259a5f-f706-41d9-8b58-1b8796bd0ffc", "session": {"name": "My Best Event"}}

SAMPLES: list[tuple[type[Model], Any]] = [
    (Session, BOOKED_SESSION),
    (Session, EVENT_SESSION),
    (Participant, OWNER),
    (Participant, GUEST),
    (Takeaways, TAKEAWAYS),
    (Transcript, TRANSCRIPTS[0]),
    (Booking, BOOKING_ROW),
    (Event, EVENT_ROW),
    (Webhook, {"id": "w1", "url": "https://example.com/hook", "trigger": "SESSION_CREATED", "permission": "personal"}),
]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("model", "sample"), SAMPLES, ids=lambda value: getattr(value, "__name__", "sample"))
def test_what_was_seen_is_understood_whole(model, sample):
    """No drift, nothing left over, and to_dict gives back what came."""
    decoder = Decoder()

    result = decoder(sample, model)

    assert not decoder.drifts
    assert without_nulls(result.to_dict()) == without_nulls(sample)


def test_the_fields_of_a_booked_session():
    """Names, types and nesting as a reader uses them."""
    session = Decoder()(BOOKED_SESSION, Session)

    assert session.start_at == datetime(2023, 11, 30, 10, 30, tzinfo=UTC)
    assert session.ended_at is None
    assert session.booking is not None
    assert session.booking.participant_email == "example@gmail.com"
    assert session.participants is not None
    assert session.participants[0].user is not None
    assert session.participants[1].guest is not None
    assert session.participants[1].guest.last_name is None


ODD = [
    # field, value, attribute, what it becomes, problem
    ("quickSession", "false", "quick_session", False, "boolean as string"),
    ("quickSession", "True", "quick_session", True, "boolean as string"),
    ("quickSession", "no", "quick_session", None, "unexpected type"),
    ("quickSession", 0, "quick_session", None, "unexpected type"),
    ("name", 7, "name", None, "unexpected type"),
    ("name", {"en": "x"}, "name", None, "unexpected type"),
    ("startAt", "soon", "start_at", None, "no date-time"),
    ("startAt", 1700000000000, "start_at", None, "unexpected type"),
    ("startAt", "2023-11-30T10:30:00", "start_at", None, "date-time without a zone"),
    ("startAt", "2023-11-30", "start_at", None, "date-time without a zone"),
    ("room", "a-room", "room", None, "unexpected type"),
    ("room", {"slug": "no id"}, "room", None, "no id"),
    ("booking", [], "booking", None, "unexpected type"),
    ("participants", {}, "participants", None, "unexpected type"),
]


@pytest.mark.parametrize(("wire", "value", "name", "becomes", "problem"), ODD)
def test_an_odd_field_is_none_and_stays_raw(wire, value, name, becomes, problem):
    """Types never lie, the rest of the object is unharmed, and the surprise is told."""
    decoder = Decoder()

    session = decoder({**BOOKED_SESSION, wire: value}, Session)

    assert getattr(session, name) == becomes
    assert session.id == BOOKED_SESSION["id"]
    assert [said for _, said in decoder.drifts] == [problem]
    if becomes is None:
        assert session.additional_properties[wire] == value
        assert session.to_dict()[wire] == value


def test_an_odd_item_leaves_the_others():
    """The raw list is kept whole."""
    decoder = Decoder()

    session = decoder({**BOOKED_SESSION, "participants": [OWNER, "?", {"isOwner": True}, GUEST]}, Session)

    assert [participant.id for participant in session.participants or []] == [OWNER["id"], GUEST["id"]]
    assert session.additional_properties["participants"][1] == "?"
    assert {field for field, _ in decoder.drifts} == {"participants[]"}


def test_an_unknown_enum_value_stays_a_string():
    """A trigger that was invented yesterday breaks no subscriber."""
    decoder = Decoder()

    webhook = decoder({"id": "1", "trigger": "SESSION_CANCELLED"}, Webhook)
    known = decoder({"id": "1", "trigger": "SESSION_CREATED"}, Webhook)

    assert webhook.trigger == "SESSION_CANCELLED"
    assert known.trigger is WebhookTrigger.SESSION_CREATED
    assert list(decoder.drifts) == [("trigger", "unknown value")]


def test_guests_may_be_strings_or_objects():
    """Both were described, neither was seen."""
    booking = Decoder()({"id": "b", "guests": ["a@example.com", {"id": "g", "email": "b@example.com"}]}, Booking)

    assert booking.guests is not None
    assert booking.guests[0] == "a@example.com"
    assert getattr(booking.guests[1], "email", None) == "b@example.com"


def test_an_unknown_field_is_kept_and_told():
    """It is no loss, and still worth knowing."""
    decoder = Decoder()

    session = decoder({"id": "1", "novelty": {"deep": [1]}}, Session)

    assert session.additional_properties == {"novelty": {"deep": [1]}}
    assert list(decoder.drifts) == [("novelty", "unknown field")]


def test_another_spelling_of_a_field_is_read():
    """`timezone` was seen for `timeZone`; the proper spelling wins where both are there."""
    decoder = Decoder()

    assert decoder({"id": "1", "timezone": "Europe/Bucharest"}, Session).time_zone == "Europe/Bucharest"
    assert decoder({"id": "1", "timezone": "x", "timeZone": "UTC"}, Session).time_zone == "UTC"


def test_takeaways_may_be_a_string_of_json():
    """The rich text came as an object once and as a string once."""
    takeaways = Decoder()({**TAKEAWAYS, "takeawaysRaw": json.dumps(TAKEAWAYS["takeawaysRaw"])}, Takeaways)

    assert takeaways.takeaways_raw is not None
    assert takeaways.takeaways_raw.to_dict() == TAKEAWAYS["takeawaysRaw"]


@pytest.mark.parametrize("bad", [{}, {"id": None}, {"id": ""}, {"id": []}, {"id": True}, [], "x", 3, None])
def test_an_object_needs_an_id(bad):
    """Only an id is insisted on."""
    with pytest.raises(NotUnderstood):
        Decoder()(bad, Session)


def test_a_number_is_as_good_an_id():
    """No row is lost because ids turn out to be numbers."""
    assert Decoder()({"id": 17}, Session).id == "17"


ROWS = [{"id": "1"}, {"id": "2"}]


@pytest.mark.parametrize(
    "body",
    [
        ROWS,
        {"data": ROWS},
        {"items": ROWS},
        {"results": ROWS},
        {"pages": ROWS, "total": 2},
        {"bookingPages": ROWS},
        {"data": {"bookingPages": ROWS}},
        {"session": {"id": "s", "transcripts": ROWS}},
        {"data": ROWS, "errors": [{"message": "x"}]},
        {"rows": ROWS, "tags": ["a", "b"]},
        {"rows": [*ROWS[:1], None, ROWS[1]]},
    ],
)
def test_rows_come_bare_or_in_an_envelope(body):
    """In `data`, or else in the only array of objects, whatever its name is. An envelope is a drift."""
    decoder = Decoder()

    assert [row for row in rows_of(body, decoder) if row] == ROWS
    assert [problem for _, problem in decoder.drifts] == ([] if body is ROWS else ["envelope"])


def test_the_envelope_that_the_document_names_is_no_drift():
    """It goes before `data` and before anything that looks like rows; where it is missing, the rule is the usual one."""
    decoder = Decoder()

    assert rows_of(unwrapped({"data": [], "more": [{}], "found": ROWS}, ("found",)), decoder) == ROWS
    assert rows_of(unwrapped({"data": [], "found": {"rows": ROWS, "more": [{}]}}, ("found", "rows")), decoder) == ROWS
    assert not decoder.drifts
    assert rows_of(unwrapped({"data": ROWS}, ("found",)), decoder) == ROWS


def test_no_rows():
    """null is an empty list, as is an envelope around one; an object without any array of objects is not understood."""
    assert rows_of(None, Decoder()) == rows_of({"items": [], "total": 0}, Decoder()) == []
    for body in ({}, {"message": "x"}, {"tags": ["a"]}, "text", 3, True):
        with pytest.raises(NotUnderstood, match="no array"):
            rows_of(body, Decoder())


@pytest.mark.parametrize("body", [{"a": ROWS, "b": ROWS}, {"a": ROWS, "b": []}, {"x": {"a": ROWS}, "y": {"b": ROWS}}])
def test_two_arrays_are_no_guess(body):
    """Either may be the rows."""
    with pytest.raises(NotUnderstood, match="more than one array"):
        rows_of(body, Decoder())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value below its top."""
    found: list[tuple[Any, ...]] = []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += [(*path, key), *places(item, (*path, key))]
    return found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def well_typed(value: Any) -> None:
    """Fails where an attribute is not of a type that its annotation allows."""
    for field in type(value).wire_fields():
        given = getattr(value, field.name)
        if given is None:
            assert not field.required
        elif isinstance(given, Model):
            assert isinstance(given, field.shape)
            well_typed(given)
        elif isinstance(given, list):
            assert getattr(field.shape, "__origin__", None) is list
            for item in given:
                if isinstance(item, Model):
                    well_typed(item)
        else:
            assert isinstance(given, str if issubclass(field.shape, Enum) else field.shape)


@given(data=st.data())
def test_no_row_with_an_id_is_lost(data):
    """Drop, null, retype or enlarge any field at any depth, in one row of twenty."""
    model, sample = data.draw(st.sampled_from(SAMPLES))
    rows = [copy.deepcopy(sample) for _ in range(20)]
    row = rows[data.draw(st.integers(0, 19))]
    *parents, last = data.draw(st.sampled_from(places(row)))
    target = row
    for key in parents:
        target = target[key]
    if data.draw(st.booleans()) and isinstance(target, dict):
        del target[last]
    else:
        target[last] = data.draw(JSON)
    decoder = Decoder()

    result = decoder(rows, list[model])  # type: ignore[valid-type]

    lost = 20 - len(result)
    named = "id" not in sample or (isinstance(row.get("id"), str | int) and not isinstance(row.get("id"), bool))
    assert lost == (0 if named and row.get("id", "x") != "" else 1)
    for item in result:
        well_typed(item)
