"""Data beside the API: what is there can be read, changed, added and removed without a request."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sandbox.conftest import Clock

from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
async def empty(anyio_backend: str, clock: Clock):
    async with Sandbox(limit=1000, clock=clock, empty=True, fields="all") as serving:
        yield serving


@pytest.fixture
async def asking(empty: Sandbox, checked: dict[str, list[Any]]):
    headers = {"x-api-key": empty.user_key}
    async with httpx.AsyncClient(base_url=empty.url, headers=headers, event_hooks=checked, verify=False) as client:
        yield client


async def pages(client: httpx.AsyncClient, path: str) -> list[Any]:
    rows: list[Any] = []
    number = 1
    while page := (await client.get(path, params={"page": number})).json():
        rows += page
        number += 1
    return rows


async def test_data_is_what_the_api_sends(sandbox: Sandbox, user: httpx.AsyncClient) -> None:
    """Every list, in its order, with what belongs to each row and its owner; the colleague's page alone is in no list."""
    beside = {"ownerId", "bookerId"}

    def sent(rows: list[dict[str, Any]], *more: str) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name not in beside | set(more)} for row in rows]

    data = sandbox.data

    assert await pages(user, "/api/rooms") == sent(data["rooms"])
    assert await pages(user, "/api/bookings") == sent(data["bookings"])
    assert await pages(user, "/api/events") == sent(data["events"])
    assert sent(await pages(user, "/api/sessions")) == sent(data["sessions"], "transcripts", "takeaways")
    assert [row["id"] for row in await pages(user, "/api/booking-pages")] == [
        row["id"] for row in data["booking_pages"] if row["id"] != sandbox.team_page_id
    ]
    noted = next(row for row in data["sessions"] if row["transcripts"])
    for part in ("participants", "transcripts", "takeaways"):
        assert (await user.get(f"/api/sessions/{noted['id']}/{part}")).json() == noted[part]
    page = next(row for row in data["booking_pages"] if row["collaborators"])
    assert await pages(user, f"/api/booking-pages/{page['id']}/collaborators") == page["collaborators"]


async def test_data_that_is_loaded_again_changes_nothing(sandbox: Sandbox) -> None:
    """What one does to the copy does nothing either, until it is loaded."""
    data = sandbox.data
    ids = sandbox.load(data)

    assert ids == {name: [row["id"] for row in rows] for name, rows in data.items()}
    assert sandbox.data == data
    data["sessions"][0]["participants"].clear()
    data["rooms"].clear()
    assert sandbox.data != data


async def test_one_sandbox_becomes_a_copy_of_another(sandbox: Sandbox, empty: Sandbox) -> None:
    """Ids, order and links included. Only slugs have another namespace."""
    empty.load(sandbox.data)

    def without_namespace(rows: Any) -> Any:
        match rows:
            case dict():
                return {
                    name: value.rpartition("/")[2] if name == "slug" else without_namespace(value)
                    for name, value in rows.items()
                }
            case list():
                return [without_namespace(row) for row in rows]
            case _:
                return rows

    here, there = without_namespace(sandbox.data), without_namespace(empty.data)
    here["booking_pages"] = [row for row in here["booking_pages"] if row["id"] != sandbox.team_page_id]
    there["booking_pages"] = [row for row in there["booking_pages"] if row["id"] != empty.team_page_id]
    assert there == here


async def test_new_rows_need_little(empty: Sandbox, asking: httpx.AsyncClient) -> None:
    """The rest is as the API would make it; the first row is the newest; nothing was sent or announced."""
    ids = empty.load(
        {
            "webhooks": [{"url": f"{empty.url}/hook", "trigger": "SESSION_CREATED"}],
            "rooms": [{"name": "Blue"}, {"id": "my room", "name": "Green room"}],
            "booking_pages": [{"name": "Intro", "duration": 45, "collaborators": [{"email": "ann@example.com"}]}],
            "sessions": [{"name": "Kick-off", "room": {"id": "my room"}}, {"id": "s", "name": "Wrapped"}],
            "events": [{"session": {"name": "Webinar"}}, {"id": "own", "session": {"id": "s"}, "isPublished": True}],
        }
    )
    (page,) = ids["booking_pages"]
    booked = {
        "bookingPageId": page,
        "startAt": "2026-03-04T09:00:00+01:00",
        "participantName": "Ada",
        "guests": ["b@x.org"],
    }
    ids |= empty.load({"bookings": [booked]})

    assert empty.requests == []
    assert [row["name"] for row in await pages(asking, "/api/rooms")] == ["Blue", "Green room"]
    room = (await asking.get("/api/rooms/my%20room")).json()
    assert room["slug"].endswith("/green-room")
    names = [row["name"] for row in await pages(asking, "/api/sessions")]
    assert sorted(names) == ["Intro with Ada", "Kick-off", "Webinar", "Wrapped"]
    kickoff = (await asking.get(f"/api/sessions/{ids['sessions'][0]}")).json()
    assert kickoff["room"] == {"id": "my room", "slug": room["slug"]}
    assert [each["isOwner"] for each in kickoff["participants"]] == [True]
    assert (await asking.get("/api/sessions/s")).json()["event"]["id"] == "own"
    (booking,) = await pages(asking, "/api/bookings")
    assert (booking["id"], booking["startAt"]) == (ids["bookings"][0], "2026-03-04T08:00:00.000Z")
    session = (await asking.get(f"/api/sessions/{booking['sessionId']}")).json()
    assert (session["plannedEnd"], session["booking"]["id"]) == ("2026-03-04T08:45:00.000Z", booking["id"])
    assert len(session["participants"]) == 3
    (collaborator,) = await pages(asking, f"/api/booking-pages/{page}/collaborators")
    assert collaborator["email"] == "ann@example.com"
    await empty.settle()
    assert empty.deliveries == []
    await asking.post("/api/sessions", json={"name": "Told", "startAt": "2026-03-03T09:00:00Z"})
    await empty.settle()
    assert [each.webhook_id for each in empty.deliveries] == ids["webhooks"]


async def test_a_row_of_what_exists_changes_its_own_fields(sandbox: Sandbox) -> None:
    """All else stays, its place in the list too."""
    before = sandbox.data
    session = next(row for row in before["sessions"] if row["transcripts"])
    spoken = [
        {
            "participantId": session["participants"][0]["id"],
            "sourceTimestamp": "2026-03-01T10:00:00.000Z",
            "sourceLanguage": "en",
            "content": [{"text": "Hello", "language": "en"}],
        }
    ]
    changes = {"name": "Renamed", "endedAt": None, "transcripts": spoken, "takeaways": "One line"}
    sandbox.load({"sessions": [{"id": session["id"], **changes}]})
    after = sandbox.data

    text = {
        "type": "paragraph",
        "attrs": {"textAlign": "left", "indent": 0},
        "content": [{"type": "text", "text": "One line"}],
    }
    notes = {"takeawaysText": "One line", "takeawaysRaw": {"type": "doc", "content": [text]}}
    assert next(row for row in after["sessions"] if row["id"] == session["id"]) == {
        **session,
        **changes,
        "takeaways": notes,
    }
    session |= changes
    session["takeaways"] = notes
    assert after == before


async def test_a_booking_and_its_session_start_together(sandbox: Sandbox) -> None:
    """Whichever of the two is loaded; where both are, each has its own start."""
    booking = sandbox.data["bookings"][0]

    def starts() -> tuple[str, str]:
        data = sandbox.data
        session = next(row for row in data["sessions"] if row["id"] == booking["sessionId"])
        return next(row for row in data["bookings"] if row["id"] == booking["id"])["startAt"], session["startAt"]

    monday, tuesday = "2026-04-06T09:00:00.000Z", "2026-04-07T09:00:00.000Z"
    sandbox.load({"bookings": [{"id": booking["id"], "startAt": monday}]})
    assert starts() == (monday, monday)
    sandbox.load({"sessions": [{"id": booking["sessionId"], "startAt": tuesday}]})
    assert starts() == (tuesday, tuesday)
    both = {"bookings": [{"id": booking["id"], "startAt": monday}]}
    sandbox.load({**both, "sessions": [{"id": booking["sessionId"], "startAt": tuesday}]})
    assert starts() == (monday, tuesday)


async def test_a_booking_and_an_event_keep_their_sessions(sandbox: Sandbox) -> None:
    """A row may leave the session out; it can't name another one."""
    booking, other = sandbox.data["bookings"][:2]
    event = sandbox.data["events"][0]
    sandbox.load({"events": [{"id": event["id"], "isPublic": not event["isPublic"]}]})
    changed = next(row for row in sandbox.data["events"] if row["id"] == event["id"])
    assert changed == {**event, "isPublic": not event["isPublic"]}

    with pytest.raises(ValueError, match=r"sessionId can't become another"):
        sandbox.load({"bookings": [{"id": booking["id"], "sessionId": other["sessionId"]}]})
    with pytest.raises(ValueError, match=r"session\.id can't become another"):
        sandbox.load({"events": [{"id": event["id"], "session": {"id": booking["sessionId"]}}]})


async def test_what_is_removed_is_gone(sandbox: Sandbox, user: httpx.AsyncClient) -> None:
    """Sessions with their bookings and events, and these with their sessions."""
    (hook,) = sandbox.load({"webhooks": [{"url": "https://example.org/", "trigger": "EVENT_CREATED"}]})["webhooks"]
    data = sandbox.data
    plain = next(row for row in data["sessions"] if not row["booking"] and not row["event"])
    booking, other = data["bookings"][:2]
    event = data["events"][0]
    sandbox.remove("sessions", plain["id"])
    sandbox.remove("bookings", booking["id"])
    sandbox.remove("sessions", other["sessionId"])
    sandbox.remove("events", event["id"])
    sandbox.remove("rooms", data["rooms"][0]["id"])
    sandbox.remove("booking_pages", data["booking_pages"][0]["id"])
    sandbox.remove("webhooks", hook)

    after = sandbox.data
    gone = {plain["id"], booking["sessionId"], other["sessionId"], event["session"]["id"]}
    assert {row["id"] for row in after["sessions"]} == {row["id"] for row in data["sessions"]} - gone
    assert after["bookings"] == data["bookings"][2:]
    assert after["events"] == data["events"][1:]
    assert after["rooms"] == data["rooms"][1:]
    assert after["booking_pages"] == data["booking_pages"][1:]
    assert (len(data["webhooks"]), after["webhooks"]) == (1, [])
    assert (await user.get(f"/api/sessions/{plain['id']}")).status_code == 404
    with pytest.raises(KeyError):
        sandbox.remove("sessions", plain["id"])
    with pytest.raises(ValueError, match="resource must be one of rooms, booking_pages"):
        sandbox.remove("participants", plain["id"])
    with pytest.raises(ValueError, match="the user of the sandbox's keys can't be removed"):
        sandbox.remove("users", data["users"][0]["id"])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "it must be an object that maps resources to arrays"),
        ({"sesions": []}, "'sesions' is none of rooms, booking_pages, sessions, bookings, events, webhooks"),
        ({"rooms": {}}, "rooms must be an array"),
        ({"rooms": ["Blue"]}, r"rooms\[0\] must be an object"),
        ({"rooms": [{"name": "a"}, {"nmae": "b"}]}, r"rooms\[1\]: there is no field 'nmae'; rooms\[1\]: name should"),
        ({"rooms": [{"id": 7, "name": "a"}]}, r"rooms\[0\]: id must be a string"),
        ({"rooms": [{"id": "r", "name": "a"}, {"id": "r", "name": "b"}]}, r"rooms\[1\]: id must be a string of its own"),
        ({"rooms": [{"name": "a", "slug": "x"}, {"name": "b", "slug": "x"}]}, r"rooms\[1\]: slug 'x' is already in use"),
        ({"rooms": [{"name": "half \ud800"}]}, "it is not JSON in UTF-8"),
        ({"rooms": [{"name": float("nan")}]}, "it is not JSON in UTF-8"),
        ({"rooms": [{"name": object()}]}, "it is not JSON in UTF-8"),
        ({"booking_pages": [{"name": "a", "duration": 0}]}, r"booking_pages\[0\]: duration must be an integer number"),
        ({"booking_pages": [{"name": "a", "timeZone": "Mars"}]}, r"booking_pages\[0\]: timeZone must be a valid IANA"),
        ({"booking_pages": [{"name": "a", "collaborators": [{"email": "b"}]}]}, r"collaborators\[0\]: email must be an email"),
        ({"booking_pages": [{"name": "a", "collaborators": [{"userId": "b"}]}]}, "userId must be the id of somebody"),
        ({"sessions": [{"name": "a", "startAt": "soon"}]}, r"sessions\[0\]: startAt must be a valid ISO 8601"),
        ({"sessions": [{"name": "a", "room": {"id": "r"}}]}, r"sessions\[0\]: room must be null or have the id of a room"),
        ({"sessions": [{"name": "a", "takeaways": 4}]}, r"sessions\[0\]: takeaways must be null, a text"),
        ({"sessions": [{"name": "a", "booking": {"id": "b"}}]}, r"sessions\[0\]: booking must be null, or one of the bookings"),
        ({"sessions": [{"name": "a", "participants": [{}]}]}, r"participants\[0\]: one of user and guest is required"),
        ({"sessions": [{"name": "a", "participants": [{"user": {"email": 1}}]}]}, r"participants\[0\].user: email must be"),
        ({"sessions": [{"name": "a", "transcripts": [{}]}]}, r"transcripts\[0\]: participantId should not be empty"),
        ({"bookings": [{}]}, r"bookings\[0\]: bookingPageId should not be empty"),
        ({"bookings": [{"bookingPageId": "p", "startAt": "2026-03-03", "participantName": "A"}]}, "the id of a booking page"),
        ({"rooms": [{"name": "a", "extra": 4}]}, r"rooms\[0\]: extra must be an object"),
        ({"bookings": [{"bookingPageId": "p", "startAt": "2026-03-03", "sessionId": "s"}]}, "sessionId must be the id of a"),
        ({"sessions": ["Kick-off"]}, r"sessions\[0\] must be an object"),
        ({"events": [{}]}, r"events\[0\].session must be an object"),
        ({"events": [{"session": {"id": []}}]}, r"events\[0\].session: id must be a string"),
        ({"events": [{"session": {"id": "s", "name": "a"}}, {"session": {"id": "s"}}]}, "session of another booking or event"),
        ({"webhooks": [{"url": "nowhere", "trigger": "NEVER"}]}, r"webhooks\[0\]: url must be a URL address; .*trigger must be"),
    ],
)  # fmt: skip
async def test_bad_data_is_one_error_and_changes_nothing(sandbox: Sandbox, data: Any, said: str) -> None:
    """The good rows beside the bad one are not loaded either, and ids are drawn as if nothing had happened."""
    before, other = sandbox.data, Sandbox(clock=lambda: sandbox.clock.now())
    good = {"rooms": [{"id": "good", "name": "Good"}]}
    whole = data if isinstance(data, list) else {**good, **data}
    with pytest.raises(ValueError, match=f"the data can't be loaded: .*{said}"):
        sandbox.load(whole)

    assert sandbox.data == before
    assert sandbox.load({"rooms": [{"name": "New"}]}) == other.load({"rooms": [{"name": "New"}]})


async def test_many_problems_are_one_short_error(empty: Sandbox) -> None:
    """Ten are named, the others counted."""
    with pytest.raises(ValueError, match=r"rooms\[4\]: name must be a string; and 30 more$"):
        empty.load({"rooms": [{} for _ in range(20)]})
