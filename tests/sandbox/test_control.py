"""The control API: what Python can ask of a sandbox, over HTTP and without a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.clock import Time

from .conftest import Clock

pytestmark = pytest.mark.anyio
START = "2026-03-04T10:00:00.000Z"


@pytest.fixture
async def control(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/_sandbox") as client:
        yield client


async def test_it_says_where_it_is_and_how(
    sandbox: Sandbox, control: httpx.AsyncClient, user: httpx.AsyncClient
) -> None:
    """Keys, settings, the time, and what is left of each key's quota; nothing is counted or recorded."""
    await user.get("/api/rooms")
    about = (await control.get("/")).json()
    assert (about["url"], about["userKey"], about["guestKey"]) == (sandbox.url, sandbox.user_key, sandbox.guest_key)
    assert (about["limit"], about["window"], about["fields"]) == (1000, 60.0, "all")
    assert (about["now"], about["time"]) == (1772431200.0, "runs")
    assert about["quota"] == {"user": {"remaining": 999, "resetsIn": 60}, "guest": {"remaining": 1000, "resetsIn": 0}}
    assert len(sandbox.requests) == 1


async def test_data_is_loaded_read_and_removed(sandbox: Sandbox, control: httpx.AsyncClient) -> None:
    """The same rows as in Python, and the same errors."""
    loaded = await control.post("/data", json={"rooms": [{"id": "a b", "name": "Blue"}]})
    assert (loaded.status_code, loaded.json()) == (200, {"rooms": ["a b"]})
    assert (await control.get("/data")).json() == sandbox.data
    assert sandbox.data["rooms"][0]["name"] == "Blue"
    assert (await control.delete("/data/rooms/a%20b")).status_code == 204
    assert (await control.delete("/data/rooms/a%20b")).status_code == 404
    assert (await control.delete("/data/halls/a")).status_code == 400
    wrong = await control.post("/data", json={"rooms": [{"nmae": "Blue"}]})
    assert wrong.status_code == 400
    assert "rooms[0]: there is no field 'nmae'" in wrong.json()["message"]


async def test_time_is_advanced(sandbox: Sandbox, control: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """By seconds; or it stands still from now on."""
    answer = await control.post("/clock", json={"seconds": 90, "time": "still"})
    assert answer.json() == {"now": 1772431290.0, "time": "still"}
    assert (await control.get("/clock")).json() == answer.json()
    assert (await control.post("/clock", json={"time": "still"})).json() == answer.json()
    made = (await user.post("/api/rooms", json={"name": "Blue"})).headers["date"]
    assert made == "Mon, 02 Mar 2026 06:01:30 GMT"
    for wrong in ({"seconds": -1}, {"seconds": "many"}, {"time": "backwards"}, {"seconds": 1e12}, {"seconds": 1e300}):
        assert (await control.post("/clock", json=wrong)).status_code == 400
    assert (await user.get("/api/rooms")).status_code == 200


async def test_faults_are_asked_for_and_taken_back(
    sandbox: Sandbox, control: httpx.AsyncClient, user: httpx.AsyncClient
) -> None:
    """With the arguments of `fail`."""
    fault = {"status": 500, "path": "/api/rooms", "method": "GET", "times": 2, "headers": {"X-Odd": "1"}}
    assert (await control.post("/faults", json=fault)).status_code == 204
    answer = await user.get("/api/rooms")
    assert (answer.status_code, answer.headers["x-odd"]) == (500, "1")
    assert (await user.get("/api/events")).status_code == 200
    assert (await control.delete("/faults")).status_code == 204
    assert (await user.get("/api/rooms")).status_code == 200
    await control.post("/faults", json={"status": 503, "times": None})
    assert [(await user.get("/api/rooms")).status_code for _ in range(3)] == [503] * 3
    for wrong in (
        {},
        {"status": 500, "headers": {"X-Odd": 1}},
        {"status": 99},
        {"status": True},
        {"status": 500, "path": "/rooms"},
        {"status": 500, "times": 0},
    ):
        assert (await control.post("/faults", json=wrong)).status_code == 400


async def test_triggers_and_sessions(sandbox: Sandbox, control: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """A webhook on demand; a session that starts, and ends with takeaways; the deliveries can be read."""
    await control.post("/data", json={"webhooks": [{"url": "http://sessions.invalid/", "trigger": "TAKEAWAY_READY"}]})
    told = await control.post("/triggers", json={"name": "TAKEAWAY_READY"})
    assert told.json()["trigger"] == "TAKEAWAY_READY"
    session = (await user.post("/api/sessions", json={"name": "Kick-off", "startAt": START})).json()["id"]
    assert (await control.post(f"/sessions/{session}/start")).status_code == 204
    assert (await control.post(f"/sessions/{session}/start")).status_code == 400
    assert (await control.post(f"/sessions/{session}/end", json={"takeaways": "Hello"})).status_code == 204
    assert (await user.get(f"/api/sessions/{session}/takeaways")).json()["takeawaysText"] == "Hello"
    assert (await control.post("/sessions/none/start")).status_code == 404
    row = {"id": session, "name": "Kick-off", "startAt": START, "phase": "over"}
    assert row in (await control.get("/sessions")).json()
    await sandbox.settle()
    deliveries = (await control.get("/deliveries")).json()
    assert deliveries[0]["payload"] == told.json()
    assert deliveries[1]["payload"]["data"]["session"]["takeawaysText"] == "Hello"
    assert deliveries[0]["error"].startswith("not delivered")
    for wrong in ({}, {"name": "SESSION_EATEN"}):
        assert (await control.post("/triggers", json=wrong)).status_code == 400
    booked = {"name": "SESSION_ENDED", "id": sandbox.data["bookings"][0]["sessionId"]}
    answer = await control.post("/triggers", json=booked)
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "SESSION_ENDED does not tell of the session of a booking; BOOKING_ENDED tells of it",
    )
    assert (await control.post("/triggers", json={**booked, "id": "none"})).status_code == 404
    assert (await control.get("")).json()["subscribed"] == ["TAKEAWAY_READY"]


async def test_requests_can_be_read(sandbox: Sandbox, control: httpx.AsyncClient, user: httpx.AsyncClient) -> None:
    """With the quota that was left, and without the key; those after a number, for who follows them."""
    await user.post("/api/rooms", params={"x": "1"}, json={"name": "Blue"})
    await user.get("/api/rooms/none")
    (first, second) = (await control.get("/requests")).json()
    assert first == {
        "number": 0, "at": 1772431200.0, "method": "POST", "path": "/api/rooms", "route": "/api/rooms", "query": "x=1",
        "body": '{"name":"Blue"}', "keyRole": "user", "status": 201, "remaining": 999, "resetsIn": 60,
    }  # fmt: skip
    assert (second["path"], second["route"], second["status"]) == ("/api/rooms/none", "/api/rooms/{id}", 404)
    assert (await control.get("/requests", params={"after": 0})).json() == [second]
    assert sandbox.user_key not in (await control.get("/requests")).text


async def test_reading_on_after_the_last_request_misses_none(sandbox: Sandbox, control: httpx.AsyncClient) -> None:
    """An answer has 200 at most: the first after a number, and the newest where no number is given."""
    for _ in range(250):
        await control.get(f"{sandbox.url}/api/rooms")
    read: list[int] = []
    while page := (await control.get("/requests", params={"after": read[-1] if read else -1})).json():
        assert len(page) <= 200
        read += [each["number"] for each in page]
    assert read == list(range(250))
    newest = (await control.get("/requests")).json()
    assert [each["number"] for each in newest] == read[-200:]


async def test_a_reset_begins_again(clock: Clock) -> None:
    """Data, faults, windows, time and the record are as at the beginning; the keys are not touched."""
    extra = {"rooms": [{"name": "Ours"}], "users": [{"id": "kim", "email": "k@example.org", "key": "kims"}]}
    async with Sandbox(clock=clock, data=extra, faults=[{"status": 500, "path": "/api/events", "times": 1}]) as sandbox:
        before = sandbox.data
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            for path in ("/api/rooms", "/api/events"):
                await user.post(path, json={"name": "New", "startAt": START})
            sandbox.fail(502)
            sandbox.advance(90)
            assert sandbox.data != before
            assert (await user.post("/_sandbox/reset")).status_code == 204
            assert {name: len(rows) for name, rows in sandbox.data.items()} == {
                name: len(rows) for name, rows in before.items()
            }
            assert [row["name"] for row in sandbox.data["rooms"]] == [row["name"] for row in before["rooms"]]
            assert (sandbox.requests, sandbox.clock.now()) == ([], clock.now)
            answer = await user.get("/api/rooms")
            assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (200, "9")
            assert (await user.get("/api/events")).status_code == 500
            assert (await user.get("/api/events", headers={"x-api-key": "kims"})).json() == []


@pytest.mark.parametrize("time", ["runs", "still", "skips"])
async def test_a_reset_brings_back_the_time(clock: Clock, time: Time) -> None:
    """It is the present, moves as the sandbox was told to at the start, and others use the keys from now on."""
    async with Sandbox(clock=clock, time=time, empty=True, noise=(6, 60)) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            await user.post(
                "/_sandbox/clock", json={"time": "runs" if time == "still" else "still", "seconds": 864_000}
            )
            await user.get("/api/rooms")
            clock.now += 7
            assert (await user.post("/_sandbox/reset")).status_code == 204
            assert (await user.get("/_sandbox/clock")).json() == {"now": clock.now, "time": time}
            clock.now += 20
            assert sandbox.clock.now() == clock.now - (20 if time == "still" else 0)
            left = int((await user.get("/api/rooms")).headers["ratelimit-remaining"])
            assert left == (9 if time == "still" else 7)
            await user.post("/api/sessions", json={"name": "Soon", "startAt": _iso(sandbox.clock.now() + 60)})
            sandbox.advance(60)
            assert sandbox.data["sessions"][0]["actualStart"] == _iso(sandbox.clock.now())


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_what_is_not_there_is_a_404(control: httpx.AsyncClient, method: str) -> None:
    """Named as it was asked for."""
    answer = await control.request(method, "/nothing")
    assert (answer.status_code, answer.json()["message"]) == (404, f"Cannot {method} /_sandbox/nothing")


async def test_the_page_is_read_and_not_written(sandbox: Sandbox) -> None:
    """The root of the sandbox is a page for people, and so is the documentation."""
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        for path in ("/", "/api-docs"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
            refused = await client.post(path)
            assert (refused.status_code, refused.json()["message"]) == (404, f"Cannot POST {path}")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            ("POST", path)
            for path in ("/reset", "/clock", "/faults", "/triggers", "/sessions/s/start", "/sessions/s/end")
        ),
        *(("GET", path) for path in ("/requests", "/data", "/clock", "/deliveries")),
        *(("DELETE", path) for path in ("/faults", "/data/rooms/s")),
    ],
)
async def test_a_misspelt_argument_is_refused(control: httpx.AsyncClient, method: str, path: str) -> None:
    """And named; in silence it would have no effect."""
    given: dict[str, Any] = {"params": {"secs": "60"}} if method == "GET" else {"json": {"secs": 60}}
    answer = await control.request(method, path, **given)
    assert (answer.status_code, "there is no argument 'secs'" in answer.text) == (400, True)


@pytest.mark.parametrize("after", ["x", "-2", "1.5", "9" * 5000])
async def test_after_is_the_number_of_a_request(control: httpx.AsyncClient, after: str) -> None:
    """400 for anything else."""
    answer = await control.get("/requests", params={"after": after})
    assert (answer.status_code, "after must be" in answer.text) == (400, True)


@pytest.mark.parametrize("field", ['"takeaways": "\\ud800"', '"transcript": ["\\ud800"]'])
async def test_what_utf8_can_not_hold_does_not_end_a_session(
    sandbox: Sandbox, control: httpx.AsyncClient, user: httpx.AsyncClient, field: str
) -> None:
    """Over HTTP or in Python: it is refused, and the session can be read."""
    sandbox.load({"sessions": [{"id": "s", "name": "Kick-off"}]})
    assert (await control.post("/sessions/s/end", content=f"{{{field}}}")).status_code == 400
    with pytest.raises(ValueError, match="half a surrogate pair"):
        sandbox.end_session("s", takeaways="\ud800")
    with pytest.raises(ValueError, match="half a surrogate pair"):
        sandbox.end_session("s", transcript=["\udfff"])
    assert (await user.get("/api/sessions/s/takeaways")).json() is None
    assert (await user.get("/api/sessions/s")).json()["endedAt"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"takeaways": 5},
        {"takeaways": ["Hello"]},
        {"transcript": "Hello"},
        {"transcript": 5},
        {"transcript": ["Hello", 5]},
    ],
)
async def test_what_was_said_is_text_in_turns(
    sandbox: Sandbox, control: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    """Over HTTP or in Python: one error that names the argument, and the session goes on."""
    sandbox.load({"sessions": [{"id": "s", "name": "Kick-off"}]})
    (name,) = wrong
    answer = await control.post("/sessions/s/end", json=wrong)
    assert (answer.status_code, answer.json()["message"][0].startswith((name, f"each value in {name}"))) == (400, True)
    with pytest.raises(TypeError, match=f"{name} must be a"):
        sandbox.end_session("s", **wrong)
    assert sandbox.data["sessions"][0]["endedAt"] is None


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
async def test_a_body_must_be_an_object(control: httpx.AsyncClient, content: bytes) -> None:
    """400, whatever it says that it is."""
    assert (await control.post("/data", content=content)).status_code == 400


async def test_a_page_of_another_origin_is_refused(sandbox: Sandbox, control: httpx.AsyncClient) -> None:
    """A website that a developer visits can't use the sandbox; the sandbox's own page can."""
    for origin, status in (("https://example.org", 403), ("null", 403), (sandbox.url, 204)):
        answer = await control.post("/reset", headers={"origin": origin})
        assert answer.status_code == status


async def test_keys_may_be_chosen(clock: Clock) -> None:
    """For programs that can't read what is printed."""
    async with Sandbox(clock=clock, user_key="u", guest_key="g") as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url) as client:
            statuses: list[Any] = [
                (await client.get("/api/rooms", headers={"x-api-key": key})).status_code for key in ("u", "g", "x")
            ]
    assert statuses == [200, 403, 401]
    with pytest.raises(ValueError, match="must differ"):
        Sandbox(user_key="u", guest_key="u")


async def test_everything_is_delivered_to_one_url(anyio_backend: str) -> None:
    """Of the whole workspace, without a subscription; the host of the URL may be any."""
    async with Sandbox(empty=True, deliver_to="http://sessions.invalid/hook") as sandbox:
        sandbox.load({"sessions": [{"id": "s", "name": "Kick-off"}]})
        sandbox.end_session("s")
        await sandbox.settle()
        assert [each.payload["trigger"] for each in sandbox.deliveries][:2] == ["SESSION_STARTED", "SESSION_ENDED"]
        assert {each.url for each in sandbox.deliveries} == {"http://sessions.invalid/hook"}
        assert (sandbox.deliveries[0].error or "").startswith("ConnectError")
    for wrong in ("nowhere", "http://localhost:99999", "ftp://localhost/"):
        with pytest.raises(ValueError, match="deliver_to must be a URL"):
            Sandbox(deliver_to=wrong)
