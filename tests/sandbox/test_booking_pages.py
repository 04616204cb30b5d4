"""Booking pages, slots and collaborators, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
WEEK = {"start": "2026-03-02T00:00:00.000Z", "end": "2026-03-09T00:00:00.000Z"}


async def make(user: httpx.AsyncClient, **fields: object) -> dict[str, object]:
    made: dict[str, object] = (await user.post("/api/booking-pages", json={"name": "Intro call", **fields})).json()
    return made


async def test_a_page_is_created_read_changed_and_deleted(user: httpx.AsyncClient) -> None:
    """POST answers 201 with the page; it leads the list; PUT changes what it names and no more; DELETE answers 204."""
    answer = await user.post(
        "/api/booking-pages", json={"name": "Intro call", "duration": 45, "timeZone": "Asia/Tokyo"}
    )
    page = answer.json()
    assert answer.status_code == 201
    assert (page["name"], page["slug"], page["duration"], page["timeZone"]) == (
        "Intro call",
        "intro-call",
        45,
        "Asia/Tokyo",
    )
    assert (await user.get("/api/booking-pages")).json()[0] == page
    changed = await user.put(f"/api/booking-pages/{page['id']}", json={"name": "First call", "description": "Hello"})
    assert changed.status_code == 200
    assert changed.json() == {**page, "name": "First call", "description": "Hello"}
    assert (await user.get(f"/api/booking-pages/{page['id']}")).json() == changed.json()
    gone = await user.delete(f"/api/booking-pages/{page['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await user.get(f"/api/booking-pages/{page['id']}")).status_code == 404


async def test_slugs_of_pages_are_unique(user: httpx.AsyncClient) -> None:
    """A slug that is taken gets a number, whether it was asked for or made from the name."""
    assert (await make(user, slug="hello"))["slug"] == "hello"
    assert (await make(user, slug="hello"))["slug"] == "hello-2"
    assert [(await make(user))["slug"], (await make(user))["slug"]] == ["intro-call", "intro-call-2"]


async def test_slots_follow_office_hours_in_the_pages_zone(user: httpx.AsyncClient) -> None:
    """Five days from 9 to 17 in Bucharest (UTC+2 in winter), in UTC, none in the past."""
    page = await make(user, duration=60, timeZone="Europe/Bucharest")
    answer = await user.post(f"/api/booking-pages/{page['id']}/slots", json=WEEK)
    slots = answer.json()
    assert answer.status_code == 201
    assert slots[0] == {"startAt": "2026-03-02T07:00:00.000Z", "endAt": "2026-03-02T08:00:00.000Z"}
    assert slots[-1] == {"startAt": "2026-03-06T14:00:00.000Z", "endAt": "2026-03-06T15:00:00.000Z"}
    assert len(slots) == 5 * 8


async def test_slots_follow_summer_time(user: httpx.AsyncClient) -> None:
    """After the last Sunday of March the same hours are an hour earlier in UTC."""
    page = await make(user, duration=60, timeZone="Europe/Bucharest")
    span = {"start": "2026-03-27", "end": "2026-03-30"}
    slots = (await user.post(f"/api/booking-pages/{page['id']}/slots", json=span)).json()
    assert (slots[0]["startAt"], slots[8]["startAt"]) == ("2026-03-27T07:00:00.000Z", "2026-03-30T06:00:00.000Z")
    assert len(slots) == 16


async def test_a_booked_slot_is_not_free_until_it_is_cancelled(
    user: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    """Existing bookings are left out of the slots; a cancelled one gives its slot back."""
    page = await make(user, duration=60)
    free = (await user.post(f"/api/booking-pages/{page['id']}/slots", json=WEEK)).json()
    wanted = {"bookingPageId": page["id"], "startAt": free[3]["startAt"]}
    booker = {"participantName": "Ada", "participantEmail": "ada@example.org"}
    booking = (await guest.post("/api/guests/bookings", json=wanted | booker)).json()
    left = (await user.post(f"/api/booking-pages/{page['id']}/slots", json=WEEK)).json()
    assert left == free[:3] + free[4:]
    await guest.post(f"/api/guests/bookings/{booking['id']}")
    assert (await user.post(f"/api/booking-pages/{page['id']}/slots", json=WEEK)).json() == free


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ({}, "start must be a valid ISO 8601 date string"),
        (
            {"start": "9999-12-31T23:59:59Z", "end": "9999-12-31T23:59:59Z"},
            "start must be a valid ISO 8601 date string",
        ),
        (
            {"start": "0001-01-01T00:00:00Z", "end": "0001-01-02T00:00:00Z"},
            "start must be a valid ISO 8601 date string",
        ),
        ({"start": "2026-03-02", "end": "soon"}, "end must be a valid ISO 8601 date string"),
        ({"start": "2026-03-09", "end": "2026-03-02"}, "end must be after start, by 92 days at most"),
        ({"start": "2026-01-01", "end": "2027-01-01"}, "end must be after start, by 92 days at most"),
        ({**WEEK, "timeZone": "Mars/Base"}, "timeZone must be a valid IANA time-zone"),
    ],
)
async def test_slots_need_two_dates_in_order(user: httpx.AsyncClient, span: dict[str, str], message: str) -> None:
    """A missing, wrong, reversed or too wide span is a 400 whose messages name the field."""
    page = await make(user)
    answer = await user.post(f"/api/booking-pages/{page['id']}/slots", json=span)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


async def test_a_pages_bookings_are_those_that_have_not_started(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """34 seeded bookings lie ahead: pages of 20 and 14, newest first; a cancelled one leaves the list."""
    page = (await user.get("/api/booking-pages")).json()[0]
    path = f"/api/booking-pages/{page['id']}/bookings"
    first, second = (await user.get(path)).json(), (await user.get(path, params={"page": 2})).json()
    assert [len(first), len(second)] == [20, 14]
    assert all(booking["startAt"] > "2026-03-02" and booking["sessionId"] for booking in first + second)
    await user.post(f"/api/bookings/{first[0]['id']}")
    assert (await user.get(path)).json()[0] == first[1]
    assert sandbox.requests[-1].path == path


async def test_collaborators_are_added_changed_and_removed_on_one_path(user: httpx.AsyncClient) -> None:
    """The body says who: by e-mail address on POST, by any identity on PUT and DELETE."""
    page = await make(user)
    path = f"/api/booking-pages/{page['id']}/collaborators"
    answer = await user.post(path, json={"email": "alan@example.com", "role": "Editor", "priority": 2})
    added = answer.json()
    assert answer.status_code == 201
    assert (added["email"], added["role"], added["priority"]) == ("alan@example.com", "Editor", 2)
    assert added["user"] == {
        "id": added["userId"],
        "email": "alan@example.com",
        "firstName": "Alan",
        "lastName": "Turing",
    }
    assert (await user.post(path, json={"userId": added["userId"]})).status_code == 409
    changed = await user.put(path, json={"collaboratorId": added["id"], "priority": 0})
    assert (changed.status_code, changed.json()) == (200, {**added, "priority": 0})
    assert (await user.get(path)).json() == [changed.json()]
    gone = await user.request("DELETE", path, json={"userId": added["userId"]})
    assert (gone.status_code, (await user.get(path)).json()) == (204, [])


async def test_a_collaborator_may_be_named_in_the_query_of_a_delete(user: httpx.AsyncClient) -> None:
    """Where the identity of a DELETE travels is unknown, so the query does as well as the body."""
    page = await make(user)
    path = f"/api/booking-pages/{page['id']}/collaborators"
    added = (await user.post(path, json={"email": "stranger@example.org"})).json()
    assert added["user"] is None
    assert (await user.delete(path, params={"collaboratorId": added["id"]})).status_code == 204
    assert (await user.get(path)).json() == []


async def test_a_collaborator_must_be_named_and_known(user: httpx.AsyncClient) -> None:
    """400 without an identity, 404 with an unknown one."""
    page = await make(user)
    path = f"/api/booking-pages/{page['id']}/collaborators"
    for method in ("POST", "PUT", "DELETE"):
        assert (await user.request(method, path, json={})).status_code == 400
        assert (await user.request(method, path, json={"userId": "nobody"})).status_code == 404


async def test_seeded_collaborators_fill_more_than_a_page(user: httpx.AsyncClient) -> None:
    """22 collaborators on the newest page."""
    page = (await user.get("/api/booking-pages")).json()[0]
    path = f"/api/booking-pages/{page['id']}/collaborators"
    assert [len((await user.get(path, params={"page": number})).json()) for number in (1, 2, 3)] == [20, 2, 0]


async def test_a_page_gets_another_link(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """One that nobody else has."""
    page = (await user.post("/api/booking-pages", json={"name": "Advice"})).json()
    changed = await user.put(f"/api/booking-pages/{page['id']}", json={"slug": "ask-me"})
    assert changed.status_code == 200
    assert next(row for row in sandbox.data["booking_pages"] if row["id"] == page["id"])["slug"].endswith("ask-me")
