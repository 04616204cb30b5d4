"""HTTP: one attempt, over real sockets. Every failure becomes one of our errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest
from support.clock import HandClock
from support.rooms import SESSION, read, retrying, write
from support.scripted import Behaviour, Reset, Say, Scripted, Silence, unused_port
from support.stages import read as reading
from support.waiting import cancelled, outcome, until

from sessions_us import (
    DecodeError,
    NotFoundError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    SessionsError,
    StatusError,
    TransportError,
    UserKey,
)
from sessions_us._send.call import Answer, Call
from sessions_us._send.connections import Connections
from sessions_us._send.http import Http
from sessions_us._send.origin import Origin

pytestmark = pytest.mark.anyio


async def test_a_request_carries_what_it_must():
    """A call without a body sends neither body nor Content-Type."""
    async with Scripted(Say(body=SESSION)) as server, retrying(server, "the-key") as user:
        await read(user)

    (arrived,) = server.arrived
    assert (arrived.method, arrived.target, arrived.body) == ("GET", "/api/sessions/s1", b"")
    assert arrived.headers["x-api-key"] == "the-key"
    assert arrived.headers["accept"] == "application/json"
    assert "content-type" not in arrived.headers
    assert arrived.headers["user-agent"].startswith("sessions-us/")


async def test_silence_ends_with_the_timeout():
    """An attempt is bounded as a whole; a write is not sent again."""
    async with Scripted(Silence()) as server, retrying(server, timeout=0.4) as user:
        with pytest.raises(RequestTimeoutError) as caught:
            await write(user)
        assert len(server.arrived) == 1
        with pytest.raises(RequestTimeoutError):
            await read(user)

    assert caught.value.sent == "unknown"
    assert len(server.arrived) == 4


async def test_a_slow_trickle_is_no_progress():
    """A byte now and then doesn't keep an attempt alive."""
    async with Scripted(Say(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1")) as server:
        async with retrying(server, timeout=0.05, retries=RetryPolicy(attempts=1)) as user:
            with pytest.raises(RequestTimeoutError):
                await read(user)


async def test_an_error_tells_what_the_server_said():
    """The server's message, its body, headers and request id."""
    said = {"statusCode": 404, "message": ["no such session", "really"], "error": "Not Found"}
    async with Scripted(Say(404, said, {"X-Request-Id": "r-77"})) as server, retrying(server) as user:
        with pytest.raises(NotFoundError) as caught:
            await read(user)

    error = caught.value
    assert str(error) == "GET /api/sessions/s1 answered 404: no such session; really (request r-77)"
    assert (error.status_code, error.body, error.request_id, error.method, error.path) == (
        404, said, "r-77", "GET", "/api/sessions/s1"
    )  # fmt: skip
    assert error.headers["x-request-id"] == "r-77"
    assert error.retry_after is None


@pytest.mark.parametrize("status", [300, 301, 304, 399, 402, 418, 451, 499, 501, 505, 520, 599])
async def test_any_other_status_is_an_error(status):
    """Also those that no standard knows; 5xx are ServerErrors."""
    async with Scripted(Say(status, b"<html>?</html>", {"location": "/elsewhere"})) as server, retrying(server) as user:
        with pytest.raises(StatusError) as caught:
            await read(user)

    assert caught.value.status_code == status
    assert isinstance(caught.value, ServerError) == (status >= 500)
    assert len(server.arrived) == 1


async def test_redirects_are_not_followed():
    """The key would go wherever the server points."""
    async with Scripted(Say(body=SESSION)) as evil:
        async with (
            Scripted(Say(307, None, {"location": f"{evil.url}/api/sessions/s1"})) as server,
            retrying(server) as user,
        ):
            with pytest.raises(StatusError):
                await read(user)

    assert evil.arrived == []


async def test_an_echo_of_the_key_is_redacted():
    """In the message, the body and the headers of the error."""
    key = f"canary-{uuid4()}"
    echo = Say(401, {"message": f"unknown key {key}"}, {"x-echo": key})
    async with Scripted(echo) as server, retrying(server, key) as user:
        with pytest.raises(StatusError) as caught:
            await read(user)

    error = caught.value
    assert key not in f"{error} {error!r} {error.body} {error.headers} {error.__dict__}"
    assert "[api key]" in str(error)


async def test_the_key_is_in_no_log_error_or_event(caplog):
    """Everything at DEBUG, httpx's and httpcore's records included, and the locals of every frame of every error."""
    caplog.set_level(logging.DEBUG)
    key, events, errors = f"canary-{uuid4()}", list[Any](), list[BaseException]()
    for fault in (Reset(), Silence(), Say(500), Say(body=b"<html>"), Say(raw=b"garbage\r\n\r\n", close=True)):
        async with Scripted(fault) as server, retrying(server, key, timeout=0.05, on_event=events.append) as user:
            for method in ("GET", "POST"):
                with pytest.raises(SessionsError) as caught:
                    await user.request(method, "/api/rooms", json={"name": "x"})
                errors.append(caught.value)
            shown = f"{user!r} {user.quota.snapshot()!r} {vars(user)!r}"
            assert key not in shown

    seen = [*caplog.messages, *map(repr, events)]
    for error in errors:
        assert error.__cause__ is None
        assert error.__context__ is None
        trace = error.__traceback__
        while trace is not None:
            if "sessions_us" in trace.tb_frame.f_code.co_filename:
                seen.append(repr(trace.tb_frame.f_locals))
            assert "httpx" not in trace.tb_frame.f_code.co_filename
            trace = trace.tb_next
        seen += [str(error), repr(error), repr(error.__dict__)]
    assert len(seen) > 50
    assert not [text for text in seen if key in text]


@pytest.mark.parametrize(
    "headers", [{"content-encoding": "gzip"}, {"content-encoding": "deflate"}], ids=["gzip", "deflate"]
)
async def test_a_wrong_encoding_is_a_decode_error(headers):
    """The server answered, so it is no transport error and no second request."""
    async with Scripted(Say(body=b"not compressed", headers=headers)) as server, retrying(server) as user:
        with pytest.raises(DecodeError):
            await read(user)

    assert len(server.arrived) == 1


async def test_a_long_body_is_cut_at_the_bound():
    """Memory is bounded whatever a server sends: 33 MiB of it here."""
    size = 33 * 1024 * 1024
    async with Scripted(Say(body=b" " * size)) as server, retrying(server) as user:
        with pytest.raises(DecodeError, match="33554432 bytes") as caught:
            await read(user)

    assert len(caught.value.body) == 32 * 1024 * 1024


async def test_cookies_are_not_kept():
    """An API client has no sessions; what one answer sets must not travel with the next request."""
    async with Scripted(Say(body=SESSION, headers={"set-cookie": "a=b"})) as server, retrying(server) as user:
        await read(user)
        await read(user)

    assert ["cookie" in arrived.headers for arrived in server.arrived] == [False, False]


async def test_a_transport_of_the_callers_own():
    """It is used, and stays open; nothing can be proven about what left through it, so a write is not repeated."""
    seen: list[httpx.Request] = []

    class Own(httpx.AsyncBaseTransport):
        closed = False

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request)
            raise httpx.ReadError("broken")

        async def aclose(self) -> None:
            self.closed = True

    own = Own()
    async with retrying("https://api.test", transport=own) as user:
        with pytest.raises(TransportError) as caught:
            await write(user)

    assert caught.value.sent == "unknown"
    assert len(seen) == 1
    assert not own.closed


async def test_a_base_url_keeps_its_path():
    """A mock or a gateway may sit below a path."""
    async with Scripted(Say(body=SESSION)) as server, retrying(f"{server.url}/mock/") as user:
        await read(user)

    assert server.arrived[0].target == "/mock/api/sessions/s1"


# -- the stage alone -----------------------------------------------------------------------------------------------------


class Ending:
    """Notes how a lease ends. As of a lease, only the first end counts."""

    def __init__(self) -> None:
        self.how = ""

    async def done(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        told = dict(headers).get("ratelimit-remaining", "nothing")
        self.how = self.how or f"done {status}, {told}"

    async def unknown(self) -> None:
        self.how = self.how or "unknown"

    async def refund(self) -> None:
        self.how = self.how or "refund"


def stage(url: str, transport: httpx.AsyncBaseTransport | None = None, **options: Any) -> Http:
    key = UserKey("key")
    return Http(Connections(Origin.of(url, allow_http=False), key, transport), key, HandClock().now, **options)


def leased(**options: Any) -> tuple[Call, Ending]:
    call, lease = reading(HandClock(), **options), Ending()
    call.lease = lease  # type: ignore[assignment]
    return call, lease


ENDS = {
    "an answer": (Say(body=SESSION, headers={"ratelimit-remaining": "7"}), "done 200, 7"),
    "a refusal": (Say(404), "done 404, nothing"),
    "half an answer": (Say(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", close=True), "done 200, nothing"),
    "a reset": (Reset(), "unknown"),
    "silence": (Silence(), "unknown"),
}


@pytest.mark.parametrize(("does", "end"), ENDS.values(), ids=ENDS.keys())
async def test_alone_it_ends_the_lease(does: Behaviour, end: str) -> None:
    """The headers go to the lease as soon as they are there. Without an answer the request may have counted."""
    call, lease = leased(timeout=0.4 if isinstance(does, Silence) else 30)
    async with Scripted(does) as server:
        http = stage(server.url)
        came = await outcome(http.send(call))
        await http.aclose()

    assert isinstance(came, Answer | SessionsError)
    assert lease.how == end
    assert len(server.arrived) == 1


async def test_alone_what_never_left_is_refunded() -> None:
    """Nobody listens."""
    call, lease = leased()
    http = stage(f"http://127.0.0.1:{unused_port()}")
    came = await outcome(http.send(call))
    await http.aclose()

    assert isinstance(came, TransportError)
    assert (came.sent, lease.how) == ("no", "refund")


async def test_alone_a_cancelled_attempt_is_unknown() -> None:
    """The server may have counted it."""
    call, lease = leased()
    async with Scripted(Silence()) as server:
        http = stage(server.url)
        sending = asyncio.create_task(http.send(call))
        await until(lambda: server.arrived)
        await cancelled(sending)
        await until(lambda: not server.open_connections)
        await http.aclose()

    assert lease.how == "unknown"


async def test_alone_a_bug_of_a_transport_comes_through() -> None:
    """As it is. Nothing can be proven about what left."""

    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise KeyError("a bug")

    call, lease = leased()
    http = stage("https://api.test", Broken())
    with pytest.raises(KeyError, match="a bug"):
        await http.send(call)
    await http.aclose()

    assert lease.how == "unknown"


async def test_alone_its_bound_can_be_set() -> None:
    """A body that is longer is cut, and the answer says so."""
    call, _ = leased()
    async with Scripted(Say(body=b"123456789")) as server:
        http = stage(server.url, max_body=8)
        came = await http.send(call)
        await http.aclose()

    assert (came.body, came.flaw) == (b"12345678", "the body is longer than 8 bytes")
