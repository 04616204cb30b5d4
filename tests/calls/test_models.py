"""Models as values: to JSON and back, and through pydantic and FastAPI."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter, ValidationError

from sessions_us import Booking, BookingPage, Room, Session, Takeaways, Webhook

SESSION = {
    "id": "s1",
    "name": "Kick-off",
    "startAt": "2026-05-04T09:00:00.000Z",
    "participants": [{"id": "p1", "email": "ada@example.com"}, {"email": "has no id"}],
    "room": {"id": "r1", "name": "Studio"},
    "news": {"deep": [1, 2.5, None, True]},
}


def again(model: Any) -> Any:
    return type(model).from_dict(json.loads(json.dumps(model.to_dict())))


@pytest.mark.parametrize(
    "model",
    [
        Room.from_dict({"id": "r1", "name": "Studio", "colour": "red"}),
        Session.from_dict(SESSION),
        Session.from_dict({"id": "s1", "startAt": "tomorrow", "plannedEnd": "2026-05-04T09:00:00.123456+02:00"}),
        Session.from_dict({"id": 5, "participants": {"not": "a list"}, "timezone": "Europe/Bucharest"}),
        Webhook.from_dict({"id": "w1", "trigger": "NEW_ONE", "permission": "personal"}),
        Webhook.from_dict({"id": "w1", "trigger": "SESSION_CREATED"}),
        Takeaways.from_dict({"takeawaysText": "x", "takeawaysRaw": {"type": "doc", "content": [{"a": None}]}}),
        Booking(id="b1", start_at=datetime(2026, 5, 4, 9, 0, 0, 1, tzinfo=UTC)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_to_dict_and_from_dict_are_inverse(model):
    """What was understood, what was not, what is unknown, moments to the microsecond."""
    assert again(model) == model
    assert again(model).to_dict() == model.to_dict()


def test_what_was_not_understood_of_a_list_comes_back():
    """A participant without an id is no participant, but it is in what is written; a list that was set since is as set."""
    session = Session.from_dict(SESSION)
    assert [each.id for each in session.participants or ()] == ["p1"]
    assert session.to_dict() == SESSION
    session.participants = []
    assert session.to_dict()["participants"] == []


@pytest.mark.parametrize("data", [{}, {"name": "Studio"}, {"id": ""}, {"id": None}, {"id": ["r1"]}, "r1", [], None])
def test_what_has_no_id_is_refused(data):
    """In one line that names the model."""
    with pytest.raises(ValueError, match="this is no Room: "):
        Room.from_dict(data)


def test_models_are_answers_of_fastapi():
    """They are returned and taken as they are, alone, in lists and in models of one's own; OpenAPI shows their fields."""
    app = FastAPI()

    @app.get("/rooms/{room_id}")
    async def room(room_id: str) -> Room:
        return Room.from_dict({"id": room_id, "name": "Studio", "colour": "red"})

    @app.get("/sessions")
    async def sessions() -> list[Session]:
        return [Session.from_dict(SESSION)]

    @app.post("/rooms", status_code=201)
    async def take(room: Annotated[Room, Body()]) -> dict[str, str | None]:
        return {"name": room.name}

    client = TestClient(app)
    assert client.get("/rooms/r1").json() == {"id": "r1", "name": "Studio", "colour": "red"}
    assert client.get("/sessions").json() == [SESSION]
    assert client.post("/rooms", json={"id": "r1", "name": "Studio"}).json() == {"name": "Studio"}
    refused = client.post("/rooms", json={"name": "Studio"})
    assert (refused.status_code, "this is no Room" in refused.text) == (422, True)
    answers = client.get("/openapi.json").json()["paths"]["/rooms/{room_id}"]["get"]["responses"]
    schema = answers["200"]["content"]["application/json"]["schema"]
    assert schema["properties"]["name"] == {"type": "string"}
    assert schema["required"] == ["id"]


def test_models_are_fields_of_pydantic():
    """With validation, JSON and a schema that ends where a model contains itself."""

    class Meeting(BaseModel):
        session: Session
        rooms: list[Room] = []

    meeting = Meeting(session=SESSION, rooms=[Room(id="r1")])
    assert isinstance(meeting.session, Session)
    assert Meeting.model_validate_json(meeting.model_dump_json()) == meeting
    assert meeting.model_dump()["rooms"] == [{"id": "r1"}]
    with pytest.raises(ValidationError, match="no Session, and no object"):
        Meeting(session=7)
    for model in (Booking, BookingPage, Session, Takeaways, Webhook):
        assert TypeAdapter(model).json_schema()["title"] == model.__name__
