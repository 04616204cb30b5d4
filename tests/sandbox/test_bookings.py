"""Bookings by users and by guests, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio
START = "2026-03-04T10:00:00.000Z"
ADA = {"participantName": "Ada Lovelace", "participantEmail": "ada@example.org"}


async def own_page(user: httpx.AsyncClient) -> str:
    page: str = (await user.post("/api/booking-pages", json={"name": "Intro call"})).json()["id"]
    return page


async def test_a_user_books_on_a_colleagues_page(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The booking is in the user's list and has a session with the colleague as its host, who comes second as in captured
    payloads."""
    answer = await user.post("/api/bookings", json={"bookingPageId": sandbox.team_page_id, "startAt": START})
    booking = answer.json()
    assert answer.status_code == 201
    assert (booking["startAt"], booking["participantName"], booking["guests"]) == (START, "Grace Hopper", [])
    assert (await user.get("/api/bookings")).json()[0] == booking
    session = (await user.get(f"/api/sessions/{booking['sessionId']}")).json()
    assert session["booking"]["id"] == booking["id"]
    assert (session["startAt"], session["plannedEnd"]) == (START, "2026-03-04T10:30:00.000Z")
    assert [each["isOwner"] for each in session["participants"]] == [False, True]
    assert [each["user"]["firstName"] for each in session["participants"]] == ["Grace", "Katherine"]


async def test_a_user_cannot_book_on_their_own_page(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """403, though a guest may."""
    wanted = {"bookingPageId": await own_page(user), "startAt": START, **ADA}
    refused = await user.post("/api/bookings", json=wanted)
    assert (refused.status_code, refused.json()["statusCode"], refused.json()["error"]) == (403, 403, "Forbidden")
    assert (await user.post("/api/guests/bookings", json=wanted)).status_code == 201


async def test_a_guests_whole_name_becomes_the_first_name(user: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    """As in captured payloads: lastName is null, user is null; invited guests are participants too."""
    wanted = {"bookingPageId": await own_page(user), "startAt": START, "guests": ["bob@example.org"], **ADA}
    booking = (await guest.post("/api/guests/bookings", json=wanted)).json()
    assert booking["guests"] == ["bob@example.org"]
    present = (await user.get(f"/api/sessions/{booking['sessionId']}/participants")).json()
    ada, bob = present[0], present[2]
    assert (ada["user"], ada["guest"]["firstName"], ada["guest"]["lastName"]) == (None, "Ada Lovelace", None)
    assert bob["guest"]["email"] == "bob@example.org"


async def test_a_booking_is_moved_by_user_and_guest(user: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    """Both PUTs change the same booking, and its session moves along."""
    booking = (
        await guest.post("/api/guests/bookings", json={"bookingPageId": await own_page(user), "startAt": START, **ADA})
    ).json()
    moved = await guest.put(f"/api/guests/bookings/{booking['id']}", json={"startAt": "2026-03-05T09:00:00+02:00"})
    assert (moved.status_code, moved.json()["startAt"]) == (200, "2026-03-05T07:00:00.000Z")
    renamed = await user.put(
        f"/api/bookings/{booking['id']}", json={"participantName": "Ada King", "guests": [{"email": "c@d.ef"}]}
    )
    assert renamed.json()["participantName"] == "Ada King"
    assert renamed.json()["guests"][0]["email"] == "c@d.ef"
    session = (await user.get(f"/api/sessions/{booking['sessionId']}")).json()
    assert (session["startAt"], session["plannedEnd"]) == ("2026-03-05T07:00:00.000Z", "2026-03-05T07:30:00.000Z")
    guests = [each["guest"]["firstName"] for each in session["participants"] if each["guest"]]
    assert guests == ["Ada King", None]


async def test_a_taken_slot_is_a_conflict(user: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    """409 for overlapping bookings of one page, on creating and on moving; touching ones are fine."""
    page = await own_page(user)
    wanted = {"bookingPageId": page, "startAt": START, **ADA}
    assert (await guest.post("/api/guests/bookings", json=wanted)).status_code == 201
    late = {**wanted, "startAt": "2026-03-04T10:29:00Z"}
    assert (await guest.post("/api/guests/bookings", json=late)).status_code == 409
    touching = await guest.post("/api/guests/bookings", json={**wanted, "startAt": "2026-03-04T10:30:00Z"})
    assert touching.status_code == 201
    path = f"/api/guests/bookings/{touching.json()['id']}"
    assert (await guest.put(path, json={"startAt": START})).status_code == 409
    assert (await guest.put(path, json={"startAt": "2026-03-04T10:45:00Z"})).status_code == 200


@pytest.mark.parametrize("prefix", ["/api/bookings", "/api/guests/bookings"])
async def test_a_bare_post_on_a_booking_cancels_it(user: httpx.AsyncClient, sandbox: Sandbox, prefix: str) -> None:
    """201 with the booking; a second time is a 409, so that a cancelling sent twice shows; the booking stays listed."""
    wanted = {"bookingPageId": sandbox.team_page_id, "startAt": START}
    booking = (await user.post("/api/bookings", json=wanted)).json()
    cancelled = await user.post(f"{prefix}/{booking['id']}")
    assert (cancelled.status_code, cancelled.json()) == (201, {**booking, "cancelledAt": "2026-03-02T06:00:00.000Z"})
    assert (await user.post(f"{prefix}/{booking['id']}")).status_code == 409
    assert (await user.put(f"{prefix}/{booking['id']}", json={"startAt": START})).status_code == 409
    assert (await user.get("/api/bookings")).json()[0] == cancelled.json()


async def test_a_deleted_booking_takes_its_session_along(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """204, then neither is found."""
    wanted = {"bookingPageId": sandbox.team_page_id, "startAt": START}
    booking = (await user.post("/api/bookings", json=wanted)).json()
    assert (await user.delete(f"/api/bookings/{booking['id']}")).status_code == 204
    assert (await user.delete(f"/api/bookings/{booking['id']}")).status_code == 404
    assert (await user.get(f"/api/sessions/{booking['sessionId']}")).status_code == 404


async def test_a_booking_is_handed_to_a_collaborator(user: httpx.AsyncClient) -> None:
    """The collaborator becomes the session's host, and the booking theirs; somebody else is a 404, nobody a 400."""
    page = (await user.get("/api/booking-pages")).json()[0]["id"]
    booking = (await user.get(f"/api/booking-pages/{page}/bookings")).json()[0]
    collaborator = (await user.get(f"/api/booking-pages/{page}/collaborators", params={"page": 2})).json()[-1]
    path = f"/api/bookings/{booking['id']}/collaborator"
    answer = await user.post(path, json={"collaboratorId": collaborator["id"]})
    assert (answer.status_code, answer.json()) == (201, booking)
    present = (await user.get(f"/api/sessions/{booking['sessionId']}/participants")).json()
    assert [each["user"] for each in present if each["isOwner"]] == [collaborator["user"]]
    assert (await user.post(path, json={"collaboratorId": collaborator["id"]})).status_code == 403
    other = (await user.get(f"/api/booking-pages/{page}/bookings")).json()[1]
    path = f"/api/bookings/{other['id']}/collaborator"
    assert (await user.post(path, json={"userId": "nobody"})).status_code == 404
    assert (await user.post(path)).status_code == 400


async def test_a_guest_says_who_they_are(guest: httpx.AsyncClient) -> None:
    """All that is missing is named at once, in an array."""
    answer = await guest.post("/api/guests/bookings", json={"participantEmail": "not an address"})
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
    assert answer.json()["message"] == [
        "bookingPageId should not be empty",
        "bookingPageId must be a string",
        "startAt must be a valid ISO 8601 date string",
        "participantName should not be empty",
        "participantName must be a string",
        "participantEmail must be an email",
    ]


async def test_more_is_told_on_demand(anyio_backend: str) -> None:
    """With all fields, those that are only inferred are sent as well."""
    async with Sandbox(fields="all", clock=lambda: 1_772_434_800.0) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            booking = (await user.get("/api/bookings")).json()[0]
            assert booking["cancelledAt"] is None
            cancelled = (await user.post(f"/api/bookings/{booking['id']}")).json()
            assert cancelled["cancelledAt"] == "2026-03-02T07:00:00.000Z"
            room = (await user.get("/api/rooms")).json()[0]["id"]
            emails = ["x@example.org", "alan@example.com", "x@example.org"]
            shared = (await user.post(f"/api/rooms/{room}/share", json={"emails": emails})).json()
            assert shared["sharedWith"] == emails[:2]
            event = (await user.post("/api/events", json={"name": "Launch", "startAt": START})).json()
            assert (event["isPublished"], event["isPublic"]) == (False, False)
            assert (await user.post(f"/api/events/{event['id']}/publish")).json()["isPublished"] is True
            assert (await user.post(f"/api/events/{event['id']}/toggle-public")).json()["isPublic"] is True
            assert (await user.post(f"/api/events/{event['id']}/toggle-public")).json()["isPublic"] is False


async def test_a_booking_has_another_zone(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """And so has its session."""
    wanted = {"bookingPageId": sandbox.team_page_id, "startAt": START}
    booking = (await user.post("/api/bookings", json=wanted)).json()
    changed = await user.put(f"/api/bookings/{booking['id']}", json={"timeZone": "Europe/Bucharest"})
    session = (await user.get(f"/api/sessions/{booking['sessionId']}")).json()
    assert (changed.json()["timeZone"], session["timeZone"]) == ("Europe/Bucharest",) * 2


@pytest.mark.parametrize("guests", ["bob@example.org", [4], [["bob@example.org"]]])
async def test_guests_are_strings_or_objects(user: httpx.AsyncClient, sandbox: Sandbox, guests: object) -> None:
    """400 naming the field, for whatever else."""
    wanted = {"bookingPageId": sandbox.team_page_id, "startAt": START, "guests": guests}
    answer = await user.post("/api/bookings", json=wanted)
    assert answer.status_code == 400
    assert "guests" in answer.json()["message"][0]
