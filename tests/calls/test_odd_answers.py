"""Answers that are not as described, for every model: nothing with an id is lost, and no type lies."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin
from uuid import uuid4

import httpx
import pytest
import sessions_us_api.models as models
from hypothesis import given, settings
from hypothesis import strategies as st
from sessions_us_api.types import Model
from support.corpus import corpus
from support.further import further

from sessions_us import DecodeError, Quota, SchemaDrift, UserClient
from sessions_us._calls.decoding import Decoder, NotUnderstood

MODELS: list[type[Model]] = [
    each
    for each in (getattr(models, name) for name in models.__all__)
    if isinstance(each, type) and issubclass(each, Model) and each is not Model
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LARGE = st.sampled_from(["x" * 100_000, list(range(2000)), {str(n): n for n in range(500)}, 10**300, "[" * 5000, 1e308])


def valid(shape: Any, depth: int = 0) -> Any:
    """A value as the document describes it, in JSON."""
    origin = get_origin(shape)
    if origin is list:
        return [valid(get_args(shape)[0], depth + 1) for _ in range(2)]
    if origin in {Union, UnionType}:
        return valid(next(each for each in get_args(shape) if each is not type(None)), depth)
    if isinstance(shape, type) and issubclass(shape, Model):
        return {field.wire: valid(field.shape, depth + 1) for field in shape.wire_fields()}
    if isinstance(shape, type) and issubclass(shape, Enum):
        return next(iter(shape)).value
    known = {str: "text", bool: True, int: 3, float: 1.5, datetime: "2026-05-04T09:00:00.000Z"}
    return known.get(shape, {"any": ["thing"]})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += [(*path, key), *places(item, (*path, key))]
    return found


def honest(value: Model, raw: dict[str, Any]) -> None:
    """Fails where an attribute is of another type than it says, or a value that came can't be reached any more."""
    spelled = {wire.lower(): item for wire, item in raw.items()}
    for field in type(value).wire_fields():
        given = getattr(value, field.name)
        came = raw.get(field.wire, spelled.get(field.wire.lower()))
        if given is None:
            assert not field.required
            assert came is None or value.additional_properties[field.wire] == came
        elif isinstance(given, list):
            assert get_origin(field.shape) is list
            assert isinstance(came, list)
            assert len(given) == len(came) or value.additional_properties[field.wire] == came
            for item in given:
                assert is_a(item, get_args(field.shape)[0])
        else:
            assert is_a(given, field.shape)
        if isinstance(given, Model) and isinstance(came, dict):
            honest(given, came)


def is_a(value: object, shape: Any) -> bool:
    if get_origin(shape) in {Union, UnionType}:
        return any(is_a(value, each) for each in get_args(shape))
    if shape is Any or get_origin(shape) is not None or not isinstance(shape, type):
        return True
    if issubclass(shape, Enum):
        return isinstance(value, str)
    return isinstance(value, shape)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_is_described_is_understood(model):
    """The starting point of all that follows: no drift, nothing left over, and back again."""
    decoder = Decoder()
    sample = valid(model)

    result = decoder(sample, model)

    assert not decoder.drifts
    assert result.to_dict() == sample
    honest(result, sample)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_field_may_change_in_any_way(model, data):
    """At any depth, alone and in a page of twenty: no row with an id is lost, and each surprise is named."""
    row = valid(model)
    *parents, last = data.draw(st.sampled_from(places(row)))
    target: Any = row
    for key in parents:
        target = target[key]
    how = data.draw(st.sampled_from(["drop", "null", "retype", "rename", "enlarge"]))
    original = target[last]
    if how == "drop":
        del target[last]
    elif how == "rename" and isinstance(target, dict):
        target[data.draw(st.text(max_size=6).filter(lambda name: name not in target))] = target.pop(last)
    else:
        target[last] = data.draw({"null": st.none(), "enlarge": LARGE}.get(how, JSON))
    needs_id = any(field.required for field in model.wire_fields())
    name = row.get("id")
    named = not needs_id or (isinstance(name, str | int) and not isinstance(name, bool) and name != "")

    decoder = Decoder()
    try:
        alone = decoder(copy.deepcopy(row), model)
    except NotUnderstood:
        assert not named
    else:
        assert named
        honest(alone, row)
    rows = [valid(model) for _ in range(20)]
    rows[data.draw(st.integers(0, 19))] = row
    page_decoder = Decoder()
    page = page_decoder(rows, list[model])  # type: ignore[valid-type]
    assert len(page) == (20 if named else 19)
    shapes = {field.wire: field.shape for field in model.wire_fields()}
    if not parents and how in {"retype", "enlarge"} and shapes[last] in {str, bool, datetime}:
        now = target[last]
        if now is not None and type(now) is not type(original):
            assert (f"[].{last}" if named else "[]") in {field for field, _ in page_decoder.drifts}


class OtherObject(dict[str, Any]):
    """A JSON object of another class: an object that is looked at value by value, whatever it holds."""


def otherwise(value: Any) -> Any:
    if isinstance(value, dict):
        return OtherObject({wire: otherwise(item) for wire, item in value.items()})
    return [otherwise(item) for item in value] if isinstance(value, list) else value


def exactly(value: Any) -> Any:
    """A decoded value with the classes of all that is in it, for True is 1."""
    if isinstance(value, Model):
        names = [field.name for field in type(value).wire_fields()]
        return type(value), [exactly(getattr(value, each)) for each in (*names, "additional_properties")]
    if isinstance(value, dict):
        return {wire: exactly(item) for wire, item in value.items()}
    return [exactly(item) for item in value] if isinstance(value, list) else (type(value), value)


def read(value: Any, shape: Any) -> tuple[Any, set[tuple[str, str]]]:
    """What is made of a value, or why nothing is, and what surprised."""
    decoder = Decoder()
    try:
        made = exactly(decoder(value, shape))
    except NotUnderstood as error:
        made = str(error)
    return made, set(decoder.drifts)


TEXTS = ["", "true", "soon", "{}", '{"id": "x", "new": 1}', "2026-05-04", "2026-05-04T09:00:00", "2026-05-04t09:00:00z",
         "20260504T090000Z", "2026-W19-1T09:00Z", "2026-w19-1t09:00z", "2026-05-04\u00df09:00Z",
         "2026-05-04T09:00:00+03:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00",
         "SESSION_CREATED"]  # fmt: skip
SIMPLE: list[Any] = [None, True, 0, 3.0, 1.5, [], {}, [None], ["text"], ['{"id": "x"}'], {"id": ""},
                     [{"id": "x", "new": 1}]]  # fmt: skip
WIRES = sorted({field.wire for model in MODELS for field in model.wire_fields()})
WIRES += [wire.lower() for wire in WIRES] + ["new", ".", "time_zone"]
PIECES = st.recursive(
    st.sampled_from([*SIMPLE, *TEXTS]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WIRES), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_short_way_leads_to_the_same(model):
    """An object that is as described is read straight; a look at each of its values would have found the same."""
    for *parents, last in [*places(valid(model)), ("new",), ("ID",), ("time_zone",), (".",)]:
        for odd in [*SIMPLE, *TEXTS]:
            row = valid(model)
            target: Any = row
            for key in parents:
                target = target[key]
            target[last] = odd
            for value, shape in [(row, model), ([row, valid(model)], list[model])]:
                assert read(value, shape) == read(otherwise(value), shape)


def nearly(shape: Any) -> st.SearchStrategy[Any]:
    """Values of which most are as described: fields may be missing, null, odd, or more than the document names."""
    if get_origin(shape) is list:
        return st.lists(nearly(get_args(shape)[0]), max_size=2)
    if get_origin(shape) in {Union, UnionType}:
        return st.one_of([nearly(each) for each in get_args(shape)])
    if not (isinstance(shape, type) and issubclass(shape, Model)):
        return st.just(valid(shape))
    ids = {field.wire: st.just("text") for field in shape.wire_fields() if field.required}
    fields = {field.wire: nearly(field.shape) for field in shape.wire_fields() if not field.required}
    names = st.sampled_from([*ids, *fields]) | st.sampled_from(WIRES)
    odd = st.just({}) | st.dictionaries(names, PIECES, max_size=2)
    return st.builds(lambda usual, odd: usual | odd, st.fixed_dictionaries(ids, optional=fields), odd)


@pytest.mark.parametrize("model", [*MODELS[::2], *further(*MODELS[1::2])], ids=lambda model: model.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_short_way_leads_elsewhere(model, data):
    """Nor do several surprises, at any depth."""
    rows = data.draw(st.lists(nearly(model), min_size=1, max_size=2))

    for value, shape in [(rows[0], model), (rows, list[model])]:
        assert read(value, shape) == read(otherwise(value), shape)


@pytest.mark.parametrize("depth", [40, 60, 98, 99, 100])
@pytest.mark.parametrize("field", ["new", "guest"])
def test_a_short_way_is_no_deeper(field, depth):
    """What is nested too deep is found beside what is told, and within other objects too."""
    participant = {"id": "p", "new": 1, field: {"id": "g", "new": nested(depth - 2)}}
    for value in ({"id": "s", "more": 2, "participants": [participant]}, participant):
        assert read(value, models.Session) == read(otherwise(value), models.Session)


class Says(httpx.AsyncBaseTransport):
    def __init__(self, body: bytes) -> None:
        self.body = body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=self.body)


def user(body: object, **options: Any) -> UserClient:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return UserClient(
        f"k-{uuid4()}", base_url="https://x.test", transport=Says(raw), quota=Quota(limit=1000), **options
    )


SESSION = {"id": "s1", "name": "Kick-off", "quickSession": False}
ODD = [
    {"name": 7},
    {"quickSession": "yes"},
    {"startAt": "soon"},
    {"participants": {}},
    {"room": []},
    {"booking": {"id": "b", "guests": [3]}},
    {"participants": [{"id": "p", "guest": {"id": "g", "email": []}}]},
]


@pytest.mark.anyio
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: next(iter(odd)))
async def test_strict_is_a_decode_error(odd):
    """Tolerant, the same answer is an object and an event that names operation and field."""
    events: list[Any] = []
    tolerant = await user({**SESSION, **odd}, on_event=events.append).sessions.get("s1")
    with pytest.raises(DecodeError) as caught:
        await user({**SESSION, **odd}, strict=True).sessions.get("s1")

    assert tolerant.id == "s1"
    drifts = [event for event in events if isinstance(event, SchemaDrift)]
    assert {drift.operation for drift in drifts} == {"get_session"}
    assert all(drift.field.startswith(next(iter(odd))) for drift in drifts)
    assert json.loads(caught.value.body) == {**SESSION, **odd}
    assert next(iter(odd)) in str(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"data": rows}, lambda rows: {"items": rows},
                                  lambda rows: {"results": rows}, lambda rows: {"pages": rows, "total": 1},
                                  lambda rows: {"sessions": rows}, lambda rows: {"data": {"sessions": rows}}])  # fmt: skip
async def test_the_envelopes_of_a_list(wrap):
    """Bare, or under any name that a client of the API was ever written for."""
    rows = await user(wrap([SESSION])).sessions.list().collect()
    assert [row.id for row in rows] == ["s1"]


@pytest.mark.anyio
async def test_a_row_that_is_a_string_of_json_is_given():
    """By its id, as any other row."""
    rows = await user([json.dumps(SESSION), {"id": "s2"}]).sessions.list().collect()
    assert [row.id for row in rows] == ["s1", "s2"]


@pytest.mark.anyio
async def test_the_variants_that_were_seen():
    """`timezone`, booleans as strings, guests as strings or objects, an object as a string of JSON."""
    session = await user({**SESSION, "timezone": "Europe/Bucharest", "quickSession": "false"}).sessions.get("s1")
    assert (session.time_zone, session.quick_session) == ("Europe/Bucharest", False)

    (booking,) = await user([{"id": "b", "guests": ["a@x.y", {"id": "g", "email": "b@x.y"}]}]).bookings.list().collect()
    assert booking.guests is not None
    assert [getattr(guest, "email", guest) for guest in booking.guests] == ["a@x.y", "b@x.y"]

    text = {"type": "doc", "content": []}
    takeaways = {"takeawaysText": "Hello", "takeawaysRaw": text}
    for body in (
        takeaways,
        {"takeawaysText": "Hello", "takeawaysRaw": json.dumps(text)},
        json.dumps(takeaways),
        {"session": takeaways},
        {"takeaways": takeaways},
        {"data": takeaways},
        [takeaways],
    ):
        read = await user(body).sessions.takeaways("s1")
        assert read is not None, body
        assert read.takeaways_text == "Hello"
        assert read.takeaways_raw is not None
        assert read.takeaways_raw.to_dict() == text

    spoken = [{"participantId": "p", "content": [{"text": "Hello", "language": "en"}]}]
    for rows in (spoken, {"transcripts": spoken}, {"data": spoken}, {"session": {"transcripts": spoken}}):
        (said,) = await user(rows).sessions.transcripts("s1")
        assert said.content is not None
        assert said.content[0].text == "Hello"


@pytest.mark.anyio
@pytest.mark.parametrize("body", corpus("bodies"))
async def test_bodies_that_were_found(body):
    """Each either gives an object or a DecodeError, and nothing else."""
    for call in (lambda who: who.sessions.get("s1"), lambda who: who.sessions.list().collect(),
                 lambda who: who.sessions.transcripts("s1"), lambda who: who.rooms.create(name="x")):  # fmt: skip
        with suppress(DecodeError):
            result = await call(user(body.encode("utf-8", "surrogatepass")))
            assert result is None or isinstance(result, Model | list)


def test_a_moment_is_aware():
    """A date-time that is given is a moment."""
    session = Decoder()({**SESSION, "startAt": "2026-05-04T12:00:00+03:00"}, models.Session)
    assert session.start_at == datetime(2026, 5, 4, 9, tzinfo=UTC)


def nested(levels: int) -> Any:
    value: Any = 1
    for number in range(levels):
        value = [value] if number % 2 else {"type": "paragraph", "content": value}
    return value


@pytest.mark.anyio
@pytest.mark.parametrize("field", ["novelty", "name", "room", "participants"])
@pytest.mark.parametrize("levels", [100, 300, 900])
async def test_an_answer_that_is_nested_too_deep(field, levels):
    """It is told in our own words, where Python would give up later: in `to_dict`, or in a copy. The other rows stay."""
    odd = {"id": "odd", field: nested(levels)}
    async with user(odd) as client:
        with pytest.raises(DecodeError, match="nested more than 100 levels deep"):
            await client.sessions.get("odd")

    drifts: list[Any] = []
    async with user([{"id": "a"}, odd], on_event=drifts.append) as client:
        page = await anext(aiter(client.sessions.list().pages()))
    assert [each.id for each in page.items] == ["a"]
    assert page.raw[1] == odd
    assert [each.problem for each in drifts if isinstance(each, SchemaDrift)] == ["nested more than 100 levels deep"]


@pytest.mark.parametrize("field", ["novelty", "takeawaysRaw"])
def test_what_is_nested_deep_enough_for_anybody(field):
    """Up to a hundred levels everything that can be done with a model can be done."""
    takeaways = Decoder()({"takeawaysText": "x", field: nested(99)}, models.Takeaways)

    assert takeaways.to_dict() == copy.deepcopy(takeaways).to_dict() == {"takeawaysText": "x", field: nested(99)}


def test_an_object_nested_too_deep():
    """It stays the string that it was."""
    text = json.dumps(nested(400))
    takeaways = Decoder()({"takeawaysText": "x", "takeawaysRaw": text}, models.Takeaways)

    assert takeaways.takeaways_raw is None
    assert takeaways.to_dict() == {"takeawaysText": "x", "takeawaysRaw": text}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"])
def test_a_moment_beyond_the_calendar(text):
    """In UTC there is no such year, so `to_dict` could not tell it: it is not understood, and stays as it came."""
    decoder = Decoder()
    session = decoder({"id": "1", "startAt": text}, models.Session)

    assert session.start_at is None
    assert session.to_dict() == {"id": "1", "startAt": text}
    assert [problem for _, problem in decoder.drifts] == ["date-time beyond the calendar"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [[SESSION], {"data": SESSION}, {"result": SESSION}, {"session": SESSION, "message": "done"},
     {"data": SESSION, "user": {"id": "u"}}, {"id": None, "session": SESSION, "page": {"number": 1}}],
)  # fmt: skip
async def test_the_envelopes_of_an_object(body):
    """In `data`, or else the only object with an id, whatever its name is. An envelope is a drift."""
    events: list[Any] = []
    session = await user(body, on_event=events.append).sessions.get("s1")

    assert (session.id, session.name) == ("s1", "Kick-off")
    assert [event.problem for event in events if isinstance(event, SchemaDrift)] == ["envelope"]


@pytest.mark.anyio
@pytest.mark.parametrize("body", [{"session": SESSION, "user": {"id": "u"}}, [SESSION, SESSION]])
async def test_two_objects_are_no_guess(body):
    """Either may be the session."""
    with pytest.raises(DecodeError):
        await user(body).sessions.get("s1")


@pytest.mark.anyio
async def test_an_object_that_cannot_be_read_is_no_envelope():
    """What it holds is not taken for it."""
    with pytest.raises(DecodeError, match="nested more than 100 levels deep"):
        await user({"id": "s1", "novelty": nested(200), "user": {"id": "u"}}).sessions.get("s1")
