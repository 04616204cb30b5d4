"""Sessions and their participants, takeaways and transcripts, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
PLAN = {
    "name": "Kick-off",
    "startAt": "2026-03-04T10:00:00.000Z",
    "plannedEnd": "2026-03-04T11:00:00.000Z",
    "timeZone": "Europe/Bucharest",
}


async def test_a_session_is_planned_read_changed_and_deleted(user: httpx.AsyncClient) -> None:
    """The answer has a link and the host; times come back in UTC with milliseconds and Z."""
    answer = await user.post("/api/sessions", json={**PLAN, "startAt": "2026-03-04T12:00:00+02:00"})
    session = answer.json()
    assert answer.status_code == 201
    assert {name: session[name] for name in PLAN} == PLAN
    assert session["sessionLink"].startswith("https://")
    assert (session["description"], session["quickSession"], session["createdAt"]) == (
        "",
        False,
        "2026-03-02T06:00:00.000Z",
    )
    empty = ("room", "booking", "event", "actualStart", "endedAt")
    assert [session[name] for name in empty] == [None] * 5
    assert [(each["isOwner"], each["guest"]) for each in session["participants"]] == [(True, None)]
    assert (await user.get("/api/sessions")).json()[0] == session
    changed = await user.put(
        f"/api/sessions/{session['id']}", json={"name": "Start", "plannedEnd": "2026-03-04T12:00:00Z"}
    )
    assert changed.status_code == 200
    assert changed.json() == {**session, "name": "Start", "plannedEnd": "2026-03-04T12:00:00.000Z"}
    assert (await user.get(f"/api/sessions/{session['id']}")).json() == changed.json()
    assert (await user.delete(f"/api/sessions/{session['id']}")).status_code == 204
    assert (await user.get(f"/api/sessions/{session['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 12}, "name must be a string"),
        ({"name": " "}, "name should not be empty"),
        ({"startAt": "tomorrow"}, "startAt must be a valid ISO 8601 date string"),
        ({"startAt": 12}, "startAt must be a valid ISO 8601 date string"),
        ({"plannedEnd": "2026-03-04T09:59:59Z"}, "plannedEnd must not be before startAt"),
        ({"timeZone": "Europe/Atlantis"}, "timeZone must be a valid IANA time-zone"),
        ({"timeZone": "../UTC"}, "timeZone must be a valid IANA time-zone"),
    ],
)
async def test_wrong_fields_are_named(user: httpx.AsyncClient, change: dict[str, object], message: str) -> None:
    """400 with an array of messages, on creating and on changing; nothing is created."""
    before = (await user.get("/api/sessions")).json()
    answer = await user.post("/api/sessions", json={**PLAN, **change})
    assert (answer.status_code, answer.json()["message"]) == (400, [message])
    assert (await user.get("/api/sessions")).json() == before
    session = next(each for each in before if each["startAt"])
    update = await user.put(f"/api/sessions/{session['id']}", json={"startAt": PLAN["startAt"], **change})
    assert (update.status_code, update.json()["message"]) == (400, [message])


async def test_a_new_start_moves_the_end_along(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """By as much, forth and back, unless the end is given too; of a booking as well."""
    session = (await user.post("/api/sessions", json={**PLAN, "startAt": "2026-03-04T10:00:00.000Z"})).json()
    path = f"/api/sessions/{session['id']}"
    for start, end in (("2027-03-04T10:30", "2027-03-04T11:30"), ("2026-03-04T09:00", "2026-03-04T10:00")):
        changed = (await user.put(path, json={"startAt": f"{start}:00.000Z"})).json()
        assert (changed["startAt"], changed["plannedEnd"]) == (f"{start}:00.000Z", f"{end}:00.000Z")
    both = {"startAt": "2026-03-05T10:00:00.000Z", "plannedEnd": "2026-03-05T10:10:00.000Z"}
    changed = (await user.put(path, json=both)).json()
    assert {name: changed[name] for name in both} == both
    late = await user.put(path, json={"startAt": "9998-12-31T23:55:00.000Z"})
    assert (late.status_code, "plannedEnd, which moves along" in late.text) == (400, True)
    booked = {"bookingPageId": sandbox.team_page_id, "startAt": "2026-03-04T10:00:00.000Z"}
    booking = (await user.post("/api/bookings", json=booked)).json()
    moved = await user.put(f"/api/sessions/{booking['sessionId']}", json={"startAt": "2026-03-04T12:00:00.000Z"})
    assert (moved.status_code, moved.json()["plannedEnd"]) == (200, "2026-03-04T12:30:00.000Z")


@pytest.mark.parametrize("start", ["9990-01-01T00:00:00Z", "9995-01-01T00:00:00Z"])
async def test_an_end_that_would_be_no_moment_is_refused(user: httpx.AsyncClient, start: str) -> None:
    """It moves along with the start, and calendars end with the year 9999."""
    plan = {"name": "Far away", "startAt": "8990-01-01T00:00:00Z", "plannedEnd": "8999-06-01T00:00:00Z"}
    session = (await user.post("/api/sessions", json=plan)).json()
    answer = await user.put(f"/api/sessions/{session['id']}", json={"startAt": start})
    assert answer.status_code == 400
    assert "plannedEnd, which moves along, would be no valid" in answer.text


async def test_null_is_taken_for_absent(user: httpx.AsyncClient) -> None:
    """Nothing is known to refuse it; but a description can be taken away."""
    nothing = dict.fromkeys(("startAt", "plannedEnd", "timeZone"))
    session = (await user.post("/api/sessions", json={**PLAN, "plannedEnd": None, "timeZone": None})).json()
    changed = await user.put(f"/api/sessions/{session['id']}", json={"name": None, "description": None, **nothing})
    assert (changed.status_code, changed.json()) == (200, {**session, "description": None})
    page = await user.post(
        "/api/booking-pages", json={"name": "Intro", "duration": None, "timeZone": None, "slug": None}
    )
    assert (page.status_code, page.json()["duration"], page.json()["timeZone"]) == (201, 30, "UTC")
    assert (await user.post("/api/rooms", json={"name": None})).status_code == 400


async def test_name_and_start_are_required(user: httpx.AsyncClient) -> None:
    """Both are named at once; the rest has defaults, and the older spelling of the time zone is understood."""
    missing = await user.post("/api/sessions", json={})
    assert [message.partition(" ")[0] for message in missing.json()["message"]] == ["name", "name", "startAt"]
    least = {"name": "Kick-off", "startAt": PLAN["startAt"], "timezone": "Asia/Tokyo"}
    assert (await user.post("/api/sessions", json=least)).json()["timeZone"] == "Asia/Tokyo"


async def test_participants_are_added_changed_and_removed(user: httpx.AsyncClient) -> None:
    """By addresses, by ids; an address that is there already is not added twice; members keep their own names."""
    session = (await user.post("/api/sessions", json=PLAN)).json()
    path = f"/api/sessions/{session['id']}/participants"
    emails = ["ada@example.org", "alan@example.com", "ada@example.org"]
    added = await user.post(path, json={"emails": emails})
    host, ada, alan = added.json()
    assert added.status_code == 201
    assert (host["isOwner"], ada["isOwner"], ada["user"], alan["guest"]) == (True, False, None, None)
    assert alan["user"]["lastName"] == "Turing"
    changes = [
        {"id": ada["id"], "firstName": "Ada", "lastName": "King"},
        {"email": "alan@example.com", "firstName": "Al"},
    ]
    changed = await user.put(path, json={"participants": changes})
    assert changed.status_code == 200
    assert changed.json() == [host, {**ada, "guest": {**ada["guest"], "firstName": "Ada", "lastName": "King"}}, alan]
    gone = await user.request("DELETE", path, json={"participantIds": [ada["id"]], "emails": ["alan@example.com"]})
    assert gone.status_code == 204
    assert (await user.get(path)).json() == [host]


async def test_the_host_stays_and_strangers_are_unknown(user: httpx.AsyncClient) -> None:
    """400 for removing the owner or naming nobody, 404 for an unknown id; the query does for a DELETE; nobody is lost."""
    session = (await user.post("/api/sessions", json=PLAN)).json()
    path = f"/api/sessions/{session['id']}/participants"
    present = (await user.post(path, json={"emails": ["ada@example.org"]})).json()
    owner, ada = present[0]["id"], present[1]["id"]
    assert (await user.delete(path, params={"participantIds": [owner]})).status_code == 400
    assert (await user.delete(path, params={"participantIds": [ada, "nobody"]})).status_code == 404
    assert (await user.put(path, json={"participants": [{"id": "nobody"}]})).status_code == 404
    assert (await user.put(path, json={"participants": [{"id": ada, "firstName": 5}]})).status_code == 400
    for method in ("POST", "PUT", "DELETE"):
        assert (await user.request(method, path)).status_code == 400
    assert (await user.get(path)).json() == present
    assert (await user.delete(path, params={"participantIds": [ada]})).status_code == 204


async def test_a_body_goes_before_the_query(user: httpx.AsyncClient) -> None:
    """Of a DELETE, whose identities may travel in either."""
    session = (await user.post("/api/sessions", json=PLAN)).json()
    path = f"/api/sessions/{session['id']}/participants"
    ada = (await user.post(path, json={"emails": ["ada@example.org"]})).json()[1]["id"]
    answer = await user.request("DELETE", path, params={"participantIds": "nobody"}, json={"participantIds": [ada]})
    assert answer.status_code == 204


async def test_ended_sessions_have_takeaways_and_transcripts(user: httpx.AsyncClient) -> None:
    """Takeaways are text and a rich document of the same text; utterances name a participant of the session."""
    sessions = [row for page in (1, 2, 3, 4) for row in (await user.get("/api/sessions", params={"page": page})).json()]
    ended = next(each for each in sessions if each["endedAt"] and each["startAt"])
    notes = (await user.get(f"/api/sessions/{ended['id']}/takeaways")).json()
    lines = [paragraph["content"][0]["text"] for paragraph in notes["takeawaysRaw"]["content"]]
    assert notes["takeawaysText"].splitlines() == lines
    spoken = (await user.get(f"/api/sessions/{ended['id']}/transcripts")).json()
    assert {each["participantId"] for each in spoken} <= {each["id"] for each in ended["participants"]}
    assert spoken[0]["content"] == [{"text": "Good morning, everyone.", "language": "en"}]
    assert ended["actualStart"] < spoken[0]["sourceTimestamp"] < ended["endedAt"]


async def test_a_planned_session_has_neither(user: httpx.AsyncClient) -> None:
    """null and an empty array."""
    session = (await user.post("/api/sessions", json=PLAN)).json()
    notes = await user.get(f"/api/sessions/{session['id']}/takeaways")
    assert (notes.status_code, notes.content) == (200, b"null")
    assert (await user.get(f"/api/sessions/{session['id']}/transcripts")).json() == []


async def test_deleting_the_session_of_an_event_deletes_the_event(user: httpx.AsyncClient) -> None:
    """An event does not outlive its session."""
    event = (await user.get("/api/events")).json()[0]
    assert (await user.delete(f"/api/sessions/{event['session']['id']}")).status_code == 204
    assert (await user.get("/api/events")).json()[0] != event
    assert (await user.post(f"/api/events/{event['id']}/publish")).status_code == 404


async def test_every_kind_of_session_is_seeded(user: httpx.AsyncClient) -> None:
    """Planned, ended and quick ones, in rooms, for bookings and for events."""
    kinds: set[str] = set()
    number = 1
    while rows := (await user.get("/api/sessions", params={"page": number})).json():
        number += 1
        for row in rows:
            kinds |= {name for name in ("quickSession", "room", "booking", "event", "endedAt") if row[name]}
            kinds |= {"planned"} if not row["actualStart"] else set()
    assert kinds == {"quickSession", "room", "booking", "event", "endedAt", "planned"}
