"""No more is sent than the evidence shows, unless all fields are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS30Validator
from support.contract import document

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.state import TRIGGERS

from .conftest import Clock

pytestmark = pytest.mark.anyio
START = "2026-03-04T10:00:00.000Z"
PLAN = {"name": "Kick-off", "startAt": START, "plannedEnd": "2026-03-04T11:00:00.000Z", "timeZone": "Europe/Bucharest"}

PERSON = {"id", "email", "firstName", "lastName"}
CAPTURED_SESSION = {
    *("id", "name", "description", "quickSession", "room", "createdAt", "startAt", "actualStart", "endedAt"),
    *("booking", "event", "participants"),
}
CAPTURED_BOOKING = {"id", "name", "participantName", "participantEmail", "guests"}
KNOWN = {
    "/api/booking-pages": {"id", "name"},
    "/api/bookings": CAPTURED_BOOKING | {"startAt", "sessionId"},
    "/api/rooms": {"id", "name", "slug"},
    "/api/sessions": CAPTURED_SESSION | {"sessionLink"},
    "/api/events": {"id", "slug", "session"},
}
ALL = {
    "/api/booking-pages": {"slug", "description", "duration", "timeZone", "createdAt", "updatedAt"},
    "/api/bookings": {"bookingPageId", "timeZone", "cancelledAt"},
    "/api/rooms": {"description", "sharedWith"},
    "/api/sessions": {"plannedEnd", "timeZone"},
    "/api/events": {"isPublished", "isPublic"},
}


def told_by_the_document() -> dict[str, Any]:
    """The schema of what each trigger says, by trigger."""
    found = {}
    for callback in document()["paths"]["/api/webhooks"]["post"]["callbacks"].values():
        schema = callback["{$request.body#/url}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        for trigger in schema["properties"]["trigger"]["enum"]:
            assert trigger not in found
            found[trigger] = schema
    return found


def closed(schema: Any) -> Any:
    """The schema, with no other fields than it names."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {"additionalProperties": False} if "properties" in schema else {}
    return {**{name: closed(each) for name, each in schema.items()}, **shut}


@pytest.fixture
async def default(anyio_backend: str, clock: Clock) -> AsyncIterator[Sandbox]:
    async with Sandbox(limit=1000, clock=clock) as serving:
        yield serving


@pytest.fixture
async def asking(default: Sandbox, checked: dict[str, list[Any]]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": default.user_key}
    async with httpx.AsyncClient(base_url=default.url, headers=headers, event_hooks=checked) as client:
        yield client


@pytest.mark.parametrize("path", KNOWN)
async def test_rows_have_the_known_fields_and_no_other(asking: httpx.AsyncClient, path: str) -> None:
    """In lists, and where there is one object."""
    rows = (await asking.get(path)).json()
    assert {frozenset(row) for row in rows} == {frozenset(KNOWN[path])}
    if path not in ("/api/bookings", "/api/events"):
        assert (await asking.get(f"{path}/{rows[0]['id']}")).json() == rows[0]


@pytest.mark.parametrize("path", KNOWN)
async def test_all_fields_are_sent_on_request(user: httpx.AsyncClient, path: str) -> None:
    """Those that are only inferred, beside the known ones."""
    rows = (await user.get(path)).json()
    assert {frozenset(row) for row in rows} == {frozenset(KNOWN[path] | ALL[path])}


async def test_what_belongs_to_an_object_has_the_known_fields(asking: httpx.AsyncClient) -> None:
    """The session of an event, collaborators, slots, and the answer to a new webhook."""
    event = (await asking.get("/api/events")).json()[0]
    page = (await asking.get("/api/booking-pages")).json()[0]["id"]
    collaborator = (await asking.get(f"/api/booking-pages/{page}/collaborators")).json()[0]
    week = {"start": "2026-03-02", "end": "2026-03-08"}
    slot = (await asking.post(f"/api/booking-pages/{page}/slots", json=week)).json()[0]
    hook = {"url": "https://example.org/hook", "trigger": "SESSION_CREATED"}
    webhook = (await asking.post("/api/webhooks", json=hook)).json()
    assert set(event["session"]) == {"id", "name"}
    assert set(collaborator) == {"id", "email", "user"}
    assert set(slot) == {"startAt", "endAt"}
    assert set(webhook) == {"id"}


async def test_what_is_not_sent_is_kept(asking: httpx.AsyncClient, default: Sandbox) -> None:
    """A test of an application sees in `data` what the application sent."""
    made = (await asking.post("/api/sessions", json=PLAN)).json()
    assert not {"plannedEnd", "timeZone"} & set(made)
    row = default.data["sessions"][0]
    assert {name: row[name] for name in PLAN} == PLAN


async def test_unknown_fields_are_kept_and_given_back(asking: httpx.AsyncClient, default: Sandbox) -> None:
    """By every kind of object, after a change too; what the sandbox knows better is its own."""
    odd = {"passcode": {"is": [1, None]}, "id": "mine", "createdAt": "2020-01-01T00:00:00.000Z"}
    for path in ("/api/rooms", "/api/sessions", "/api/events", "/api/booking-pages"):
        made = (await asking.post(path, json={**PLAN, **odd})).json()
        assert (made["passcode"], made["id"] == "mine") == ({"is": [1, None]}, False)
        assert (await asking.get(path)).json()[0] == made
        if path != "/api/events":
            changed = await asking.put(f"{path}/{made['id']}", json={"colour": "red"})
            assert changed.json() == {**made, "colour": "red"}
    assert default.data["rooms"][0]["extra"] == {"passcode": {"is": [1, None]}, "colour": "red"} | {
        name: PLAN[name] for name in ("startAt", "plannedEnd", "timeZone")
    }


async def test_the_captured_payloads_have_the_captured_keys_and_no_other(
    asking: httpx.AsyncClient, default: Sandbox
) -> None:
    """Of all 13 triggers of which a payload was captured, whatever fields the answers have."""
    told = {}
    for name in ("SESSION", "BOOKING", "EVENT"):
        for moment in ("CREATED", "STARTED", "ENDED", *(["PUBLISHED"] if name == "EVENT" else [])):
            told[f"{name}_{moment}"] = default.trigger(f"{name}_{moment}")
    for trigger, payload in told.items():
        assert set(payload) == {"trigger", "data"}
        assert set(payload["data"]) == {"session"}
        session = payload["data"]["session"]
        assert set(session) == CAPTURED_SESSION
        family = trigger.partition("_")[0]
        assert (session["booking"] is not None, session["event"] is not None) == (
            family == "BOOKING",
            family == "EVENT",
        )
        assert set(session["booking"] or CAPTURED_BOOKING) == CAPTURED_BOOKING
        assert set(session["event"] or {"id", "slug"}) == {"id", "slug"}
        for participant in session["participants"]:
            assert set(participant) == {"id", "isOwner", "guest", "user"}
            assert set(participant["guest"] or participant["user"]) == PERSON
    guest, host = told["BOOKING_CREATED"]["data"]["session"]["participants"][:2]
    assert (guest["isOwner"], guest["user"], host["isOwner"], host["guest"]) == (False, None, True, None)

    registration = default.trigger("EVENT_NEW_REGISTRATION")["data"]
    takeaways = default.trigger("TAKEAWAY_READY")["data"]
    transcripts = default.trigger("TRANSCRIPT_READY")["data"]
    assert set(registration) == {"eventId", "sessionId", "registeredParticipant"}
    assert set(registration["registeredParticipant"]) == {"id", "email", "firstName", "form"}
    assert [set(each) for each in registration["registeredParticipant"]["form"]] == [{"question", "answer"}] * 2
    assert set(takeaways) == set(transcripts) == {"session"}
    assert set(takeaways["session"]) == {"id", "takeawaysText", "takeawaysRaw"}
    assert set(transcripts["session"]) == {"id", "transcripts"}
    for utterance in transcripts["session"]["transcripts"]:
        assert set(utterance) == {"participantId", "sourceTimestamp", "sourceLanguage", "content"}


@pytest.mark.parametrize("trigger", sorted(TRIGGERS))
def test_webhooks_say_what_the_document_says(trigger: str) -> None:
    """Every trigger has a schema of its own there, and no payload has a field that it does not name."""
    schemas = told_by_the_document()
    assert set(schemas) == TRIGGERS
    validator = OAS30Validator(closed(schemas[trigger]))
    payload = Sandbox(fields="all").trigger(trigger)
    assert [error.message for error in validator.iter_errors(payload)] == []


@pytest.mark.parametrize(
    "content", [b'{"name": "\\ud800"}', b'{"name": "a", "x": ["\\udfff"]}', b'{"name": "a", "\\ud83d": 1}']
)
async def test_what_utf8_can_not_hold_is_refused(asking: httpx.AsyncClient, content: bytes) -> None:
    """Half a surrogate pair, in a value or a name, known or not: 400, nothing changes, and every list is still there."""
    before = (await asking.get("/api/rooms")).json()
    answer = await asking.post("/api/rooms", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert (await asking.get("/api/rooms")).json() == before


@pytest.mark.parametrize("content", [b'{"name": "a", "x": NaN}', b'{"name": "a", "x": 1e999}', b"[" * 50_000])
async def test_what_json_can_not_hold_is_refused(asking: httpx.AsyncClient, content: bytes) -> None:
    """Numbers that are none, and nesting without end: 400."""
    headers = {"content-type": "application/json"}
    assert (await asking.post("/api/rooms", content=content, headers=headers)).status_code == 400
    assert (await asking.get("/api/rooms")).status_code == 200


async def test_what_nothing_refuses_is_accepted(asking: httpx.AsyncClient) -> None:
    """A session that ends as it starts, and a second event of one name, which gets another slug."""
    short = {**PLAN, "plannedEnd": START}
    assert (await asking.post("/api/sessions", json=short)).status_code == 201
    events = [(await asking.post("/api/events", json={**short, "slug": "kick-off"})).json() for _ in range(2)]
    assert [event["slug"].rpartition("/")[2] for event in events] == ["kick-off", "kick-off-2"]


@pytest.mark.parametrize("path", ["/api/rooms/", "/API/Rooms", "/api/ROOMS/?page=1"])
async def test_paths_are_read_as_express_reads_them(default: Sandbox, path: str) -> None:
    """One slash at the end and the case of letters do not matter."""
    async with httpx.AsyncClient(base_url=default.url, headers={"x-api-key": default.user_key}) as client:
        assert (await client.get(path)).json() == (await client.get("/api/rooms")).json()
        room = (await client.get("/api/rooms")).json()[0]
        assert (await client.get(f"/api/rooms/{room['id']}/")).json() == room


async def test_the_document_is_open(default: Sandbox) -> None:
    """Without a key, uncounted and unrecorded, as at the vendor's."""
    async with httpx.AsyncClient(base_url=default.url) as anyone:
        document = (await anyone.get("/api-docs-json")).json()
        page = await anyone.get("/api-docs/")
    assert len([method for item in document["paths"].values() for method in item if method in item]) >= 47
    assert "/api/booking-pages/{id}/slots" in document["paths"]
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "/api/booking-pages/{id}/slots" in page.text
    assert (default.requests, default.limiter.admitted) == ([], 0)
