"""Events and registrations, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
PLAN = {
    "name": "Spring webinar",
    "slug": "spring-webinar",
    "startAt": "2026-03-04T10:00:00.000Z",
    "plannedEnd": "2026-03-04T11:00:00.000Z",
    "timeZone": "Europe/Bucharest",
}


async def test_an_event_wraps_a_session(user: httpx.AsyncClient) -> None:
    """The event holds its session in the list, and the session refers to the event; its description is null."""
    answer = await user.post("/api/events", json=PLAN)
    event = answer.json()
    assert answer.status_code == 201
    assert event["slug"].endswith("/spring-webinar")
    assert event["session"] == {"id": event["session"]["id"], **{name: PLAN[name] for name in PLAN if name != "slug"}}
    assert (await user.get("/api/events")).json()[0] == event
    session = (await user.get(f"/api/sessions/{event['session']['id']}")).json()
    assert session["event"] == {"id": event["id"], "slug": event["slug"]}
    assert session["description"] is None


async def test_slugs_of_events_are_unique(user: httpx.AsyncClient) -> None:
    """One that is asked for twice gets a number, since nothing shows that it is refused; 400 for one with other letters."""
    made = [(await user.post("/api/events", json=PLAN)).json() for _ in range(3)]
    assert [each["slug"].rpartition("/")[2] for each in made] == [
        "spring-webinar",
        "spring-webinar-2",
        "spring-webinar-3",
    ]
    wrong = await user.post("/api/events", json={**PLAN, "slug": "two words"})
    assert wrong.json()["message"] == ["slug must contain only letters, numbers, underscores and hyphens"]


@pytest.mark.parametrize("action", ["publish", "toggle-public"])
async def test_an_event_is_reached_by_its_own_id_and_its_sessions(user: httpx.AsyncClient, action: str) -> None:
    """Both ids do; the answer is the event; no body is needed."""
    event = (await user.post("/api/events", json=PLAN)).json()
    for name in (event["id"], event["session"]["id"]):
        answer = await user.post(f"/api/events/{name}/{action}")
        flags = {name: answer.json()[name] for name in ("isPublished", "isPublic")}
        assert (answer.status_code, answer.json()) == (201, {**event, **flags})
    plain = (await user.post("/api/sessions", json={name: PLAN[name] for name in ("name", "startAt")})).json()
    assert (await user.post(f"/api/events/{plain['id']}/{action}")).status_code == 404


async def test_an_event_is_cloned_with_a_session_of_its_own(user: httpx.AsyncClient) -> None:
    """Same times, other ids, nobody registered; a body may name the copy."""
    event = (await user.post("/api/events", json=PLAN)).json()
    await user.post(f"/api/events/{event['id']}/register")
    answer = await user.post(f"/api/events/{event['id']}/clone")
    copy = answer.json()
    assert answer.status_code == 201
    assert copy["slug"] == event["slug"] + "-2"
    assert copy["session"] == {**event["session"], "id": copy["session"]["id"]}
    assert not {event["id"], event["session"]["id"]} & {copy["id"], copy["session"]["id"]}
    assert len((await user.get(f"/api/sessions/{copy['session']['id']}/participants")).json()) == 1
    named = (await user.post(f"/api/events/{event['id']}/clone", json={"name": "Autumn", "slug": "fall"})).json()
    assert (named["session"]["name"], named["slug"].rpartition("/")[2]) == ("Autumn", "fall")


async def test_a_guest_registers_with_answers(user: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    """The form begins with name and address; the guest becomes a participant; a second time is a 409."""
    event = (await user.post("/api/events", json=PLAN)).json()
    body = {
        "email": "ada@example.org",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "form": [{"question": "Company", "answer": "Engines"}],
    }
    path = f"/api/guests/events/{event['session']['id']}/register"
    answer = await guest.post(path, json=body)
    registered = answer.json()
    assert answer.status_code == 201
    assert (registered["email"], registered["firstName"]) == ("ada@example.org", "Ada")
    assert [(each["question"], each["answer"]) for each in registered["form"]] == [
        ("Name", "Ada"),
        ("Email", "ada@example.org"),
        ("Company", "Engines"),
    ]
    present = (await user.get(f"/api/sessions/{event['session']['id']}/participants")).json()
    assert (present[1]["id"], present[1]["guest"]["lastName"]) == (registered["id"], "Lovelace")
    assert (await guest.post(path, json=body)).status_code == 409


async def test_a_guest_needs_a_name_and_an_address(guest: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """400 naming both; 404 for an unknown event."""
    event = (await user.get("/api/events")).json()[0]["id"]
    answer = await guest.post(f"/api/guests/events/{event}/register", json={"form": ["x"]})
    assert answer.status_code == 400
    assert {message.partition(" ")[0] for message in answer.json()["message"]} == {"email", "firstName", "each"}
    unknown = await guest.post("/api/guests/events/none/register", json={"email": "a@b.cd", "firstName": "A"})
    assert unknown.status_code == 404


async def test_a_user_registers_as_themselves(user: httpx.AsyncClient) -> None:
    """No body is needed, because the key says who it is."""
    event = (await user.post("/api/events", json=PLAN)).json()
    answer = await user.post(f"/api/events/{event['id']}/register")
    assert (answer.status_code, answer.json()["email"]) == (201, "grace@example.com")
    assert (await user.post(f"/api/events/{event['id']}/register")).status_code == 409


async def test_a_trigger_tells_of_the_last_registration(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """On demand; where nobody has registered, of one that is made up."""
    event = (await user.post("/api/events", json=PLAN)).json()
    assert sandbox.trigger("EVENT_NEW_REGISTRATION", id=event["id"])["data"]
    await user.post(f"/api/events/{event['id']}/register")
    told = sandbox.trigger("EVENT_NEW_REGISTRATION", id=event["id"])
    assert "grace@example.com" in str(told["data"])
