"""What is known of a request that failed: whether it left this machine, and whether it was done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import respx
from pytest_httpx import HTTPXMock
from support.rooms import retrying
from support.scripted import Reset, Say, Scripted, unused_port

from sessions_us import DecodeError, NotFoundError, RetryPolicy, SchemaDrift, TransportError, UserClient

pytestmark = pytest.mark.anyio

FOUR = RetryPolicy(attempts=4, backoff=0)
HOST = "https://api.sessions.test"
START, END = datetime(2026, 5, 4, 9, tzinfo=UTC), datetime(2026, 5, 4, 10, tzinfo=UTC)
FAILURES = [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ConnectTimeout, httpx.ConnectError, httpx.RemoteProtocolError]


async def failed(call: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await call
    return caught.value


# -- in the place of httpx's transport ---------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", FAILURES)
async def test_under_respx_a_write_goes_out_once(failure):
    """respx says nothing of what left, and silence proves nothing. A read is repeated."""
    with respx.mock(base_url=HOST) as server:
        rooms = server.post("/api/rooms").mock(side_effect=failure("no answer"))
        room = server.get("/api/rooms/r1").mock(side_effect=failure("no answer"))
        async with UserClient(f"key-{uuid4()}", base_url=HOST, retries=FOUR) as user:
            errors = [await failed(user.rooms.create(name="Studio")), await failed(user.rooms.get("r1"))]

    assert [each.sent for each in errors] == ["unknown", "unknown"]
    assert (rooms.call_count, room.call_count) == (1, 4)


@pytest.mark.parametrize("failure", FAILURES)
async def test_under_pytest_httpx_a_write_goes_out_once(failure, httpx_mock: HTTPXMock):
    """The same."""
    httpx_mock.add_exception(failure("no answer"), is_reusable=True)
    async with UserClient(f"key-{uuid4()}", base_url=HOST, retries=FOUR) as user:
        errors = [await failed(user.rooms.create(name="Studio")), await failed(user.rooms.get("r1"))]

    assert [each.sent for each in errors] == ["unknown", "unknown"]
    assert [each.method for each in httpx_mock.get_requests()] == ["POST", *["GET"] * 4]


async def test_a_transport_of_httpx_is_as_good_as_ours():
    """Given as `transport=`, it tells what never left, and what may have."""
    nobody = f"http://127.0.0.1:{unused_port()}"
    async with httpx.AsyncHTTPTransport() as transport, Scripted(Reset()) as server:
        async with UserClient(f"key-{uuid4()}", base_url=nobody, retries=FOUR, transport=transport) as user:
            refused = await failed(user.rooms.create(name="Studio"))
            assert user.quota.snapshot().remaining == 10
        async with UserClient(f"key-{uuid4()}", base_url=server.url, retries=FOUR, transport=transport) as user:
            reset = await failed(user.rooms.create(name="Studio"))

    assert (refused.sent, reset.sent, len(server.arrived)) == ("no", "unknown", 1)


class Repeating(httpx.AsyncBaseTransport):
    """Sends each request once more than it is asked to, and the second time nobody listens."""

    def __init__(self, *, proxy: str | None) -> None:
        self.first = httpx.AsyncHTTPTransport()
        self.second = httpx.AsyncHTTPTransport(proxy=proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with pytest.raises(httpx.HTTPError):
            await self.first.handle_async_request(request)
        elsewhere = f"https://127.0.0.1:{unused_port()}"
        return await self.second.handle_async_request(
            httpx.Request(request.method, elsewhere, headers=request.headers, extensions=request.extensions)
        )


@pytest.mark.parametrize("behind_a_proxy", [False, True])
async def test_a_transport_that_repeats_by_itself(behind_a_proxy):
    """It ends with a connection that was refused, but the request had left before."""
    async with Scripted(Reset()) as server, Scripted(Say(502)) as proxy:
        transport = Repeating(proxy=proxy.url if behind_a_proxy else None)
        async with UserClient(f"key-{uuid4()}", base_url=server.url, retries=FOUR, transport=transport) as user:
            error = await failed(user.rooms.create(name="Studio"))

    assert (error.sent, len(server.arrived), len(proxy.arrived)) == ("unknown", 1, int(behind_a_proxy))


# -- a status came, and the body broke ---------------------------------------------------------------------------------


CUT = {
    "cut off": Say(raw=b'HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"id":', close=True),
    "too slow": Say(raw=b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"),
}


@pytest.mark.parametrize("said", CUT.values(), ids=CUT)
async def test_a_write_whose_answer_broke_off_happened(said):
    """The status says so: a delete returns, what may be None is None, and what must give an object says what is known."""
    events: list[Any] = []
    async with Scripted(said) as server, retrying(server, on_event=events.append) as client:
        user = client.with_options(timeout=1.0)
        assert await user.rooms.delete("r1") is None
        assert await user.rooms.create(name="Studio") is None
        with pytest.raises(DecodeError, match=r"answered 201 \(the write happened\).*the body broke off") as caught:
            await user.sessions.create(name="Kick-off", start_at=START, planned_end=END, time_zone="Europe/Bucharest")

    assert caught.value.status_code == 201
    assert len(server.arrived) == 3
    drifts = [each for each in events if isinstance(each, SchemaDrift)]
    assert ["the body broke off" in each.problem for each in drifts] == [True, True]


REFUSED = {
    "cut off": Say(raw=b"HTTP/1.1 404 X\r\ncontent-length: 100\r\n\r\n{", close=True),
    "too slow": Say(raw=b"HTTP/1.1 404 X\r\ncontent-length: 100\r\n\r\n{"),
}


@pytest.mark.parametrize("said", REFUSED.values(), ids=REFUSED)
async def test_a_refusal_whose_body_broke_off_is_a_refusal(said):
    """The status says what there is to know, of a read as of a write, and nothing is sent again."""
    async with Scripted(said) as server, retrying(server) as client:
        user = client.with_options(timeout=1.0)
        for call in (user.rooms.get("r1"), user.rooms.update("r1", name="Studio")):
            with pytest.raises(NotFoundError) as caught:
                await call
            assert caught.value.body == ""

    assert len(server.arrived) == 2


async def test_a_429_whose_body_broke_off_says_that_nothing_was_done():
    """So that a write is sent again."""
    refused = Say(raw=b"HTTP/1.1 429 X\r\nretry-after: 0\r\ncontent-length: 100\r\n\r\n{", close=True)
    async with Scripted(refused, Say(201, {"id": "r1"})) as server, retrying(server) as user:
        room = await user.rooms.create(name="Studio")

    assert (room and room.id, len(server.arrived)) == ("r1", 2)


# -- a proxy -----------------------------------------------------------------------------------------------------------


PROXIES: dict[str, tuple[Callable[[], Any], int]] = {
    "refuses": (lambda: Say(502, b"no way"), 4),
    "hangs up": (Reset, 4),
    "asks for a password": (lambda: Say(407, b"who are you?"), 1),
    "leads to no TLS": (lambda: Say(raw=b"HTTP/1.1 200 OK\r\n\r\nthis is no TLS", close=True), 4),
}


@pytest.mark.parametrize("behaves", PROXIES)
async def test_behind_a_proxy_that_does_not_connect_nothing_leaves(behaves, monkeypatch):
    """Not even a write: it is repeated, unless a password is missing, and nothing is charged to the quota."""
    script, times = PROXIES[behaves]
    async with Scripted(script()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with UserClient(f"key-{uuid4()}", base_url=HOST, retries=FOUR) as user:
            error = await failed(user.rooms.create(name="Studio"))
            assert user.quota.snapshot().remaining == 10

    assert error.sent == "no"
    assert proxy.requests == ["CONNECT api.sessions.test:443"] * times
