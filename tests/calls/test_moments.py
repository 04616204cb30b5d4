"""Arguments that are moments, time zones, and dates in bodies that somebody wrote by hand."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from sessions_us import FormAnswer, GuestClient, Quota, UserClient

pytestmark = pytest.mark.anyio

NINE = datetime(2026, 5, 4, 9, tzinfo=UTC)
PLAN: dict[str, Any] = {"name": "Kick-off", "start_at": NINE, "planned_end": NINE, "time_zone": "UTC"}
SLOTS: dict[str, Any] = {"start": NINE, "end": NINE}

ARGUMENTS: dict[str, Callable[[UserClient, GuestClient, Any], Awaitable[object]]] = {
    "sessions.create start_at": lambda user, _, at: user.sessions.create(**PLAN | {"start_at": at}),
    "sessions.create planned_end": lambda user, _, at: user.sessions.create(**PLAN | {"planned_end": at}),
    "sessions.update start_at": lambda user, _, at: user.sessions.update("s1", start_at=at),
    "sessions.update planned_end": lambda user, _, at: user.sessions.update("s1", planned_end=at),
    "events.create start_at": lambda user, _, at: user.events.create(**PLAN | {"start_at": at}),
    "events.create planned_end": lambda user, _, at: user.events.create(**PLAN | {"planned_end": at}),
    "bookings.create start_at": lambda user, _, at: user.bookings.create(start_at=at),
    "bookings.update start_at": lambda user, _, at: user.bookings.update("b1", start_at=at),
    "guest.bookings.create start_at": lambda _, guest, at: guest.bookings.create(start_at=at),
    "guest.bookings.update start_at": lambda _, guest, at: guest.bookings.update("b1", start_at=at),
    "booking_pages.slots start": lambda user, _, at: user.booking_pages.slots("p1", **SLOTS | {"start": at}),
    "booking_pages.slots end": lambda user, _, at: user.booking_pages.slots("p1", **SLOTS | {"end": at}),
}
WIRE = {"start_at": "startAt", "planned_end": "plannedEnd", "start": "start", "end": "end"}


class Server(httpx.AsyncBaseTransport):
    """Answers with an object, and keeps the bodies that came."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        return httpx.Response(200, json=[] if request.url.path.endswith("/slots") else {"id": "x1"})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def user(server: Server) -> UserClient:
    return UserClient(f"key-{uuid4()}", transport=server, quota=Quota(limit=1000))


@pytest.fixture
def guest(server: Server) -> GuestClient:
    return GuestClient(f"key-{uuid4()}", transport=server, quota=Quota(limit=1000))


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize(
    "at",
    [
        "2026-05-04T09:00:00",
        "2026-05-04",
        "tomorrow",
        "",
        datetime(2026, 5, 4, 9),
        date(2026, 5, 4),
        1777885200,
        1777885200.0,
        True,
        timedelta(hours=1),
        [NINE],
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),  # in UTC, of the year 10000
    ],
    ids=repr,
)
async def test_what_is_no_moment_is_refused(argument, at, server, user, guest):
    """Nobody knows which moment it means, and a server would guess. The error names the argument; nothing is sent."""
    with pytest.raises(ValueError, match=rf"^{argument.split()[1]} "):
        await ARGUMENTS[argument](user, guest, at)

    assert server.bodies == []


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize(
    "at",
    [
        NINE,
        datetime(2026, 5, 4, 12, tzinfo=timezone(timedelta(hours=3))),
        datetime(2026, 5, 4, 12, tzinfo=ZoneInfo("Europe/Bucharest")),
        "2026-05-04T09:00:00Z",
        "2026-05-04T12:00:00.000+03:00",
        "2026-05-04 12:00+03:00",
    ],
    ids=repr,
)
async def test_a_moment_goes_out_in_utc(argument, at, server, user, guest):
    """An aware date-time, or what JSON has for one."""
    await ARGUMENTS[argument](user, guest, at)

    assert [body[WIRE[argument.split()[1]]] for body in server.bodies] == ["2026-05-04T09:00:00.000Z"]


async def test_a_zone_goes_out_as_its_name(server, user):
    """One of zoneinfo's is as good as its name."""
    await user.sessions.create(**PLAN | {"time_zone": ZoneInfo("Europe/Bucharest")})

    assert server.bodies[0]["timeZone"] == "Europe/Bucharest"


async def test_what_json_has_not_is_named(server, user):
    """Where it stands, before anything is sent."""
    with pytest.raises(TypeError, match=r"^timeZone can't be sent: it is a timezone"):
        await user.sessions.create(**PLAN | {"time_zone": UTC})
    with pytest.raises(TypeError, match=r"^json\.at\[\] can't be sent: it is a set"):
        await user.request("POST", "/api/rooms", json={"at": [{1}]})

    assert server.bodies == []


async def test_a_body_by_hand_is_converted_as_extra_is(server, user):
    """Date-times, dates, zones and models, wherever they are."""
    given = {
        "at": [NINE],
        "day": date(2026, 5, 4),
        "zone": ZoneInfo("Europe/Bucharest"),
        "form": FormAnswer(question="Name", answer="Ada"),
        "nothing": None,
    }
    await user.request("POST", "/api/rooms", json=given)
    await user.rooms.update("r1", extra=given)
    with pytest.raises(ValueError, match=r"^json\[\] has no time zone"):
        await user.request("POST", "/api/rooms", json=[datetime(2026, 5, 4, 9)])

    expected = {
        "at": ["2026-05-04T09:00:00.000Z"],
        "day": "2026-05-04",
        "zone": "Europe/Bucharest",
        "form": {"question": "Name", "answer": "Ada"},
        "nothing": None,
    }
    assert server.bodies == [expected, expected]


@pytest.mark.parametrize(("now", "told"), [(NINE.replace(second=7), 1), (NINE.replace(microsecond=9000), 1), (NINE, 0)])
async def test_slots_from_now_are_told_once(now, told, server, user, caplog):
    """No copy ever serves them, though copies were asked for."""
    for _ in range(3):
        await user.with_options(cache_ttl=60).booking_pages.slots("p1", start=now, end=NINE)
        await user.booking_pages.slots("p1", start=now, end=NINE)

    assert [each.name for each in caplog.records if "Round it" in each.message] == ["sessions_us"] * told
