"""Failures and latency on demand."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.faults import Drop

pytestmark = pytest.mark.anyio
ROOM = {"name": "Studio"}


async def names(user: httpx.AsyncClient) -> list[str]:
    return [room["name"] for room in (await user.get("/api/rooms")).json()]


async def test_a_status_is_answered_as_often_as_asked_for(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With the usual body and the window's headers; nothing is carried out."""
    sandbox.fail(503, times=2, method="post", headers={"Retry-After": "1"})
    for _ in range(2):
        answer = await user.post("/api/rooms", json=ROOM)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json() == {"statusCode": 503, "message": "On demand", "error": "Service Unavailable"}
        assert "ratelimit-remaining" in answer.headers
    assert "Studio" not in await names(user)
    assert (await user.post("/api/rooms", json=ROOM)).status_code == 201


async def test_only_matching_requests_fail(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """By path, with `*`, and by method; a fault may be taken back."""
    sandbox.fail(500, times=9, path="/api/rooms/*")
    sandbox.fail(502, times=9, path="/api/events", method="GET")
    asked = [("GET", "/api/rooms"), ("GET", "/api/rooms/x"), ("GET", "/api/events"), ("POST", "/api/events")]
    assert [(await user.request(*each)).status_code for each in asked] == [200, 500, 502, 400]
    sandbox.heal()
    assert [(await user.request(*each)).status_code for each in asked] == [200, 404, 200, 400]


@pytest.mark.parametrize(
    ("path", "met", "missed"),
    [
        ("/api/rooms/{id}", ("/api/rooms/x", "/API/Rooms/X/"), ("/api/rooms", "/api/sessions/x/takeaways")),
        ("/api/sessions/{sessionId}/takeaways", ("/api/sessions/x/takeaways",), ("/api/sessions/x",)),
        ("/API/Rooms/aB/", ("/api/rooms/aB", "/Api/ROOMS/aB"), ("/api/rooms/ab", "/api/rooms/aBc")),
        ("*/TAKEAWAYS", ("/api/sessions/aB/takeaways",), ("/api/sessions/takeaway",)),
        ("*/aB", ("/api/rooms/aB", "/api/rooms/AB"), ("/api/rooms/x",)),
        ("/api/{what}", ("/api/rooms", "/api/events"), ("/api/rooms/x",)),
        ("/api/room[RS]", ("/api/rooms",), ("/api/rooms/x",)),
    ],
)
async def test_a_path_is_met_as_a_route_is(
    sandbox: Sandbox, path: str, met: tuple[str, ...], missed: tuple[str, ...]
) -> None:
    """In the document's spelling too, where a name in braces is one segment; the case of letters matters in an id alone."""
    sandbox.fail(500, times=None, path=path)
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
        assert [(await user.get(each)).status_code for each in met] == [500] * len(met)
        assert 500 not in [(await user.get(each)).status_code for each in missed]


async def test_something_in_front_fails_uncounted(sandbox: Sandbox) -> None:
    """A gateway's page of HTML: no headers of the window, nothing counted, no key needed."""
    sandbox.fail(502, counted=False, body="<h1>Bad</h1>", headers={"Content-Type": "text/html"})
    async with httpx.AsyncClient(base_url=sandbox.url) as anyone:
        answer = await anyone.get("/api/rooms")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (502, "<h1>Bad</h1>", "text/html")
    assert "ratelimit-remaining" not in answer.headers
    assert sandbox.limiter.admitted == 0


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize(("drop", "done"), [("reset", False), ("lost", True), ("cut", True)])
async def test_a_connection_is_dropped(sandbox: Sandbox, drop: Drop, done: bool, counted: bool) -> None:
    """The client sees a broken connection; whether the request was carried out depends on the kind; then all is well."""
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
        sandbox.fail(drop, counted=counted)
        broken = httpx.ReadError if drop == "reset" else httpx.RemoteProtocolError
        with pytest.raises(broken):
            await user.post("/api/rooms", json=ROOM)
        assert ("Studio" in await names(user)) is done
        assert [record.status for record in sandbox.requests] == [None, 200]


@pytest.mark.parametrize(("drop", "done"), [("reset", False), ("lost", True), ("cut", True)])
async def test_the_transport_drops_connections_too(sandbox: Sandbox, drop: Drop, done: bool) -> None:
    """The same errors without a socket."""
    headers = {"x-api-key": sandbox.user_key}
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="http://sandbox", headers=headers) as user:
        sandbox.fail(drop)
        broken = httpx.ReadError if drop == "reset" else httpx.RemoteProtocolError
        with pytest.raises(broken):
            await user.post("/api/rooms", json=ROOM)
        assert ("Studio" in await names(user)) is done


async def test_a_cut_answer_has_a_beginning_without_a_socket_too(sandbox: Sandbox) -> None:
    """The status and half of the body come, so that the caller knows what became of a write."""
    headers = {"x-api-key": sandbox.user_key}
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="http://sandbox", headers=headers) as user:
        sandbox.fail("cut")
        came = b""
        async with user.stream("POST", "/api/rooms", json=ROOM) as answer:
            assert answer.status_code == 201
            with pytest.raises(httpx.RemoteProtocolError):
                async for part in answer.aiter_raw():
                    came += part
        assert 0 < len(came) < int(answer.headers["content-length"])


async def test_a_fault_is_not_spent_on_a_refused_request() -> None:
    """A 429 comes first."""
    async with Sandbox(limit=1) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            assert (await user.get("/api/rooms")).status_code == 200
            sandbox.fail(500)
            assert (await user.get("/api/rooms")).status_code == 429
            sandbox.limiter.reset()
            assert (await user.get("/api/rooms")).status_code == 500


@pytest.mark.parametrize("status", ["gone", 99, 600])
async def test_a_fault_must_make_sense(sandbox: Sandbox, status: object) -> None:
    """ValueError naming it."""
    with pytest.raises(ValueError, match="status"):
        sandbox.fail(status)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="counted"):
        sandbox.fail(500, counted="no")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "headers", [{"x y": "1"}, {"x": "1\r\ny: 2"}, {"x": "é"}, {"Content-Length": "5"}, {"transfer-encoding": "chunked"}]
)
async def test_a_fault_has_headers_that_can_be_sent(
    user: httpx.AsyncClient, sandbox: Sandbox, headers: dict[str, str]
) -> None:
    """What would break the answer is refused at once, and the next request is answered."""
    with pytest.raises(ValueError, match="headers"):
        sandbox.fail(500, headers=headers)
    assert (await user.get("/api/rooms")).status_code == 200


async def test_a_header_of_a_fault_takes_the_place_of_the_usual_one(sandbox: Sandbox) -> None:
    """In whatever case it is written: there is one of each."""
    sandbox.fail(500, headers={"RATELIMIT-REMAINING": "0", "Date": "Mon, 02 Mar 2026 00:00:00 GMT"})
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
        answer = await user.get("/api/rooms")
    for name, value in {"ratelimit-remaining": "0", "date": "Mon, 02 Mar 2026 00:00:00 GMT"}.items():
        assert answer.headers.get_list(name) == [value]


@pytest.mark.parametrize("status", [299, 520, 599])
async def test_a_status_without_a_name_can_be_asked_for(sandbox: Sandbox, status: int) -> None:
    """Such as those of proxies."""
    sandbox.fail(status)
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
        answer = await user.get("/api/rooms")
    assert (answer.status_code, answer.json()["statusCode"]) == (status, status)


async def test_latency_delays_the_answer_and_not_the_deed() -> None:
    """A client that gives up waiting may have changed something; leaving the sandbox does not wait for the answer."""
    async with Sandbox(latency=(600.0, 900.0)) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            asking = asyncio.create_task(user.post("/api/rooms", json=ROOM))
            while not sandbox.requests:
                await asyncio.sleep(0.005)
            assert sandbox.requests[0].status is None
            assert sandbox.limiter.admitted == 1
            await sandbox.__aexit__()
            with pytest.raises(httpx.RemoteProtocolError):
                await asking
            assert not user.is_closed
