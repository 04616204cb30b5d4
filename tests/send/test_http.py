"""What leaves this machine, how often, and what comes of it: over real sockets, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from uuid import uuid4

import httpx
import pytest
from support.scripted import Reset, Say, Scripted, Silence, unused_port

from sessions_us import (
    ClientClosedError,
    ConfigurationError,
    DecodeError,
    NotFoundError,
    QuotaTimeoutError,
    RateLimitedError,
    RequestTimeoutError,
    RetryPolicy,
    RetryScheduled,
    SchemaDrift,
    ServerError,
    SessionsError,
    StatusError,
    TransportError,
    UserClient,
)

pytestmark = pytest.mark.anyio

SESSION = {"id": "s1", "name": "Kick-off"}
QUICK = RetryPolicy(attempts=3, backoff=0.001)


def client(server: Scripted | str, key: str | None = None, **options: Any) -> UserClient:
    url = server if isinstance(server, str) else server.url
    return UserClient(key or f"key-{uuid4()}", base_url=url, **{"retries": QUICK, **options})


async def read(user: UserClient) -> object:
    return await user.sessions.get("s1")


async def write(user: UserClient) -> object:
    return await user.rooms.create(name="Room")


async def delete(user: UserClient) -> object:
    return await user.rooms.delete("r1")


async def slots(user: UserClient) -> object:
    from datetime import UTC, datetime

    day = datetime(2026, 5, 4, tzinfo=UTC)
    return await user.booking_pages.slots("p1", start=day, end=day)


async def test_a_request_carries_the_key_and_no_more_than_it_must():
    """A call without a body sends neither body nor Content-Type."""
    async with Scripted(Say(body=SESSION)) as server, client(server, "the-key") as user:
        await read(user)

    (arrived,) = server.arrived
    assert (arrived.method, arrived.target, arrived.body) == ("GET", "/api/sessions/s1", b"")
    assert arrived.headers["x-api-key"] == "the-key"
    assert arrived.headers["accept"] == "application/json"
    assert "content-type" not in arrived.headers
    assert arrived.headers["user-agent"].startswith("sessions-us/")


AMBIGUOUS = {
    "reset after reading": Reset(),
    "closed without an answer": Say(raw=b"", close=True),
    "500": Say(500, {"message": "oops"}),
    "502 with HTML": Say(502, b"<html>bad gateway</html>"),
    "503 without Retry-After": Say(503),
    "504": Say(504),
    "cut in the midst of the body": Say(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", close=True),
}


@pytest.mark.parametrize("fault", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
@pytest.mark.parametrize("call", [read, slots, write, delete])
async def test_only_reads_are_repeated_after_an_ambiguous_failure(call, fault):
    """A write that may have happened is the caller's to look into: it was sent once, and the error says so."""
    good = Say(body=[] if call is slots else SESSION)
    async with Scripted(fault, good) as server, client(server) as user:
        if call in {read, slots}:
            await call(user)
            assert len(server.arrived) == 2
        else:
            with pytest.raises(SessionsError) as caught:
                await call(user)
            assert len(server.arrived) == 1
            assert isinstance(caught.value, ServerError) or (
                isinstance(caught.value, TransportError) and caught.value.sent == "unknown"
            )


HARMLESS = {
    "429": Say(429, {"message": "slow down"}, {"retry-after": "0"}),
    "503 with Retry-After": Say(503, None, {"retry-after": "0"}),
}


@pytest.mark.parametrize("refusal", HARMLESS.values(), ids=HARMLESS.keys())
@pytest.mark.parametrize("call", [read, write, delete])
async def test_everything_is_repeated_when_the_server_did_nothing(call, refusal):
    """429 and 503 with Retry-After say so."""
    async with Scripted(refusal, Say(body=SESSION)) as server, client(server) as user:
        await call(user)

    assert len(server.arrived) == 2


@pytest.mark.parametrize("call", [read, write, delete])
async def test_a_request_that_never_left_is_repeated_and_then_says_so(call):
    """Nobody listens: no attempt left this machine, and none is charged to the quota."""
    events: list[Any] = []
    async with client(f"http://127.0.0.1:{unused_port()}", on_event=events.append) as user:
        with pytest.raises(TransportError) as caught:
            await call(user)
        snapshot = user.quota.snapshot()

    assert caught.value.sent == "no"
    assert sum(isinstance(event, RetryScheduled) for event in events) == 2
    assert (snapshot.remaining, snapshot.in_flight) == (10, 0)


async def test_back_off_is_random():
    """Clients that failed together don't come back together."""
    delays: list[float] = []

    def hear(event: object) -> None:
        if isinstance(event, RetryScheduled):
            delays.append(event.delay)

    policy = RetryPolicy(attempts=4, backoff=0.001, backoff_max=0.001)
    async with Scripted(Say(502)) as server, client(server, retries=policy, on_event=hear) as user:
        for call in (read, slots):
            with pytest.raises(ServerError):
                await call(user)

    assert len(set(delays)) == len(delays) == 6
    assert max(delays) < 0.001


async def test_silence_ends_with_the_timeout():
    """An attempt is bounded as a whole; a write is not sent again."""
    async with Scripted(Silence()) as server, client(server, timeout=0.05) as user:
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
        async with client(server, timeout=0.05, retries=RetryPolicy(attempts=1)) as user:
            with pytest.raises(RequestTimeoutError):
                await read(user)


async def test_a_status_becomes_an_error_with_all_that_was_said():
    """The server's message, its body, headers and request id."""
    said = {"statusCode": 404, "message": ["no such session", "really"], "error": "Not Found"}
    async with Scripted(Say(404, said, {"X-Request-Id": "r-77"})) as server, client(server) as user:
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
async def test_any_other_status_is_an_error_too(status):
    """Also those that no standard knows; 5xx are ServerErrors."""
    async with Scripted(Say(status, b"<html>?</html>", {"location": "/elsewhere"})) as server, client(server) as user:
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
            client(server) as user,
        ):
            with pytest.raises(StatusError):
                await read(user)

    assert evil.arrived == []


async def test_what_a_server_echoes_of_the_key_is_redacted():
    """In the message, the body and the headers of the error."""
    key = f"canary-{uuid4()}"
    echo = Say(401, {"message": f"unknown key {key}"}, {"x-echo": key})
    async with Scripted(echo) as server, client(server, key) as user:
        with pytest.raises(StatusError) as caught:
            await read(user)

    error = caught.value
    assert key not in f"{error} {error!r} {error.body} {error.headers} {error.__dict__}"
    assert "[api key]" in str(error)


async def test_no_trace_of_the_key_in_logs_errors_and_events(caplog):
    """Everything at DEBUG, httpx's and httpcore's records included, and the locals of every frame of every error."""
    caplog.set_level(logging.DEBUG)
    key, events, errors = f"canary-{uuid4()}", list[Any](), list[BaseException]()
    for fault in (Reset(), Silence(), Say(500), Say(body=b"<html>"), Say(raw=b"garbage\r\n\r\n", close=True)):
        async with Scripted(fault) as server, client(server, key, timeout=0.05, on_event=events.append) as user:
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


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[]", b"<html>", b'"text"', b"{", b"\xff", b"[" * 100_000])
async def test_a_get_without_its_object_is_a_decode_error(body):
    """The body is kept for whoever has to find out."""
    async with Scripted(Say(body=body)) as server, client(server) as user:
        with pytest.raises(DecodeError) as caught:
            await read(user)

    assert (caught.value.body, caught.value.status_code) == (body, 200)
    assert len(server.arrived) == 1


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[]", b"<html>", b"{", b"[1]"])
async def test_a_write_that_happened_is_no_error_whatever_it_answers(body):
    """Any 2xx counts; what can't be understood is None, and told."""
    events: list[Any] = []
    async with Scripted(Say(201, body)) as server, client(server, on_event=events.append) as user:
        assert await write(user) is None

    assert body in {b"", b"null"} or any(isinstance(event, SchemaDrift) for event in events)


async def test_nothing_where_a_page_should_be_does_not_end_a_list_in_silence():
    """An empty body is an error, after which the Pager goes on with that page; null is told, and an error when strict."""
    full = Say(body=[{"id": f"s{number}"} for number in range(20)])
    async with Scripted(full, full, Say(body=b""), Say(body=[{"id": "last"}])) as server, client(server) as user:
        pager = user.sessions.list()
        with pytest.raises(DecodeError, match="no page"):
            await pager.collect()
        assert len(await pager.collect()) == 21
    events: list[Any] = []
    async with Scripted(full, full, Say(body=None)) as server, client(server, on_event=events.append) as user:
        assert len(await user.rooms.list().collect()) == 20
        with pytest.raises(DecodeError, match="null"):
            await user.with_options(strict=True).rooms.list(page=3).collect()

    assert [event.problem for event in events if isinstance(event, SchemaDrift)] == ["null", "null"]


async def test_takeaways_under_names_that_nobody_foresaw_are_kept():
    """The names are reconstructed; what comes instead stays in additional_properties."""
    async with Scripted(Say(body={"summary": "long"})) as server, client(server) as user:
        takeaways = await user.sessions.takeaways("s1")

    assert takeaways is not None
    assert takeaways.additional_properties == {"summary": "long"}


async def test_a_create_that_must_return_says_that_the_write_happened():
    """The caller must not simply try again."""
    async with Scripted(Say(201, b"<html>")) as server, client(server) as user:
        with pytest.raises(DecodeError, match="the write happened"):
            await user.webhooks.create(url="https://example.com", trigger="SESSION_CREATED")


@pytest.mark.parametrize(
    "headers", [{"content-encoding": "gzip"}, {"content-encoding": "deflate"}], ids=["gzip", "deflate"]
)
async def test_a_body_that_is_not_what_its_encoding_says(headers):
    """The server answered, so it is no transport error and no second request."""
    async with Scripted(Say(body=b"not compressed", headers=headers)) as server, client(server) as user:
        with pytest.raises(DecodeError):
            await read(user)

    assert len(server.arrived) == 1


async def test_a_body_without_end_is_cut_at_the_bound():
    """Memory is bounded whatever a server sends: 33 MiB of it here."""
    size = 33 * 1024 * 1024
    async with Scripted(Say(body=b" " * size)) as server, client(server) as user:
        with pytest.raises(DecodeError, match="33554432 bytes") as caught:
            await read(user)

    assert len(caught.value.body) == 32 * 1024 * 1024


async def test_max_wait_refuses_at_once_what_is_known_to_take_longer():
    """Nothing is sent, and the error says when it could have been."""
    spent = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "40"}
    async with Scripted(Say(body=SESSION, headers=spent)) as server, client(server, max_wait=5) as user:
        await read(user)
        with pytest.raises(QuotaTimeoutError) as caught:
            await read(user)

    assert len(server.arrived) == 1
    assert caught.value.retry_after is not None
    assert 39 < caught.value.retry_after < 42
    assert (caught.value.lane, caught.value.position) == ("interactive", 1)


async def test_max_wait_that_a_429_exceeds_gives_the_429():
    """It was sent, and that is what the caller must know."""
    async with Scripted(Say(429, None, {"retry-after": "30"})) as server, client(server, max_wait=1) as user:
        with pytest.raises(RateLimitedError) as caught:
            await read(user)

    assert caught.value.retry_after == 30
    assert len(server.arrived) == 1


async def test_a_retry_after_beyond_an_hour_is_an_error_at_once():
    """Nobody wants to wait for that, with or without max_wait."""
    async with Scripted(Say(503, None, {"retry-after": "999999999"})) as server, client(server) as user:
        with pytest.raises(ServerError) as caught:
            await read(user)

    assert caught.value.retry_after == 999999999
    assert len(server.arrived) == 1


async def test_cancelling_a_call_leaves_nothing_behind():
    """No lease, no connection, and the next call goes out."""
    async with Scripted(Silence(), Say(body=SESSION)) as server, client(server) as user:
        call = asyncio.create_task(read(user))
        while not server.arrived:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert user.quota.snapshot().in_flight == 0
        assert (await user.sessions.get("s1")).id == "s1"


async def test_a_client_that_was_closed_says_so():
    """Twice closing is harmless; a copy closes nothing."""
    async with Scripted(Say(body=SESSION)) as server:
        user = client(server)
        copy = user.with_options(timeout=3)
        await copy.aclose()
        await read(user)
        await user.aclose()
        await user.aclose()
        for each in (user, copy):
            with pytest.raises(ClientClosedError):
                await read(each)


async def test_closing_fails_what_waits_and_only_its_own():
    """Another client of the same key goes on waiting."""
    spent = Say(body=SESSION, headers={"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "40"})
    async with Scripted(spent) as server:
        one, other = client(server, "shared-key"), client(server, "shared-key")
        await read(one)
        waiting = [asyncio.create_task(each.sessions.get(name)) for each, name in ((one, "s2"), (other, "s3"))]
        while one.quota.snapshot().waiting["interactive"] < 2:
            await asyncio.sleep(0)

        await one.aclose()

        with pytest.raises(ClientClosedError):
            await waiting[0]
        assert one.quota.snapshot().waiting["interactive"] == 1
        assert not waiting[1].done()
        await other.aclose()
        with pytest.raises(ClientClosedError):
            await waiting[1]


async def test_closing_while_a_call_backs_off_is_said_clearly():
    """Never "the client has been closed" from somewhere deep below."""
    backing_off = asyncio.Event()

    def hear(event: object) -> None:
        if isinstance(event, RetryScheduled):
            backing_off.set()

    policy = RetryPolicy(backoff=60, backoff_max=60)
    async with Scripted(Say(503, None, {"retry-after": "0.05"})) as server:
        user = client(server, retries=policy, on_event=hear)
        call = asyncio.create_task(read(user))
        await backing_off.wait()
        await user.aclose()
        with pytest.raises(ClientClosedError):
            await call

    assert len(server.arrived) == 1


async def test_cookies_are_not_kept():
    """An API client has no sessions; what one answer sets must not travel with the next request."""
    async with Scripted(Say(body=SESSION, headers={"set-cookie": "a=b"})) as server, client(server) as user:
        await read(user)
        await read(user)

    assert ["cookie" in arrived.headers for arrived in server.arrived] == [False, False]


def test_one_client_in_two_event_loops():
    """The second `asyncio.run` gets connections of its own; what is known of the quota stays."""

    async def once(server: Scripted, user: UserClient | None) -> UserClient:
        async with server:
            user = user or client(server)
            await read(user)
            http = user._calls.transport._http
            assert http is not None
            await http.aclose()  # leave no socket to the garbage collector
        return user

    headers = {"ratelimit-limit": "10", "ratelimit-remaining": "7", "ratelimit-reset": "40"}
    server = Scripted(Say(body=SESSION, headers=headers))
    user = asyncio.run(once(server, None))
    port = server.port

    async def again() -> int:
        server._server = await asyncio.start_server(server._serve, "127.0.0.1", port)
        await read(user)
        remaining = user.quota.snapshot().remaining
        await user.aclose()
        await server.__aexit__(None, None, None)
        return remaining

    assert asyncio.run(again()) == 7
    assert len(server.arrived) == 2


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_gets_a_clear_error(anyio_backend):
    """The client is for asyncio."""
    with pytest.raises(ConfigurationError, match="trio"):
        await read(client("http://127.0.0.1:9"))


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
    async with client("https://api.test", transport=own) as user:
        with pytest.raises(TransportError) as caught:
            await write(user)

    assert caught.value.sent == "unknown"
    assert len(seen) == 1
    assert not own.closed


@pytest.mark.parametrize(
    "url",
    ["", "api.test", "ftp://api.test", "https://", "https://u:p@api.test", "https://api.test/?x=1", "https://api.test#f",
     "http://api.test", "http://10.0.0.1:8000", "https://api.test/../x", "https://api.test:x",
     "https://exa mple.com", "https://api.test:0"],
)  # fmt: skip
def test_a_base_url_that_would_expose_the_key_is_refused(url, monkeypatch):
    """https, or http to this machine; nothing that hides where it leads."""
    monkeypatch.delenv("SESSIONS_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="base_url"):
        UserClient("k", base_url=url)


def test_http_elsewhere_only_if_it_is_asked_for():
    """allow_http is for networks of one's own."""
    assert "http://10.0.0.1:8000" in repr(UserClient("k", base_url="http://10.0.0.1:8000", allow_http=True))


HOSTILE = [
    "//evil.test/api", "https://evil.test/api", "/api/../admin", "/api/%2e%2e/admin", "/api/%2E./x", "/./api", "/api\\..\\x",
    "/api/x?key=1", "/api#x", "/api/x\r\nHost: evil", "/api/\x00", "/api/%00", "/api/%0d%0a", "api/sessions", "",
    "/api/%5c..", "/api/x%2f..%2fadmin", "/api/%2e%2e%2fadmin",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
async def test_a_path_cant_lead_elsewhere(path):
    """`request` takes paths of the API and nothing else; nothing is sent."""
    async with Scripted(Say(body={})) as server, client(server) as user:
        with pytest.raises(ValueError, match="path"):
            await user.request("GET", path)

    assert server.arrived == []


async def test_request_reaches_any_path_and_returns_json():
    """With the same errors, quota and retries; only GET is repeated."""
    async with Scripted(Say(body={"any": [1]})) as server, client(server) as user:
        params = {"a": 1, "b": None, "c": True, "d": ["x", "y"]}
        assert await user.request("get", "/api/new-things", params=params) == {"any": [1]}
        await user.request("POST", "/api/new-things", json={"ü": None})
    async with Scripted(Say(204, b"")) as empty, client(empty) as user:
        assert await user.request("DELETE", "/api/new-things/1") is None
    async with Scripted(Reset()) as broken, client(broken) as user:
        with pytest.raises(TransportError):
            await user.request("PUT", "/api/new-things/1", json={})

    assert [arrived.target for arrived in server.arrived] == ["/api/new-things?a=1&c=true&d=x&d=y", "/api/new-things"]
    assert json.loads(server.arrived[1].body) == {"ü": None}
    assert len(broken.arrived) == 1


async def test_what_is_no_json_is_refused_before_anything_is_sent():
    """NaN and objects would fail half-way or be read as something else."""
    async with Scripted(Say(body={})) as server, client(server) as user:
        for bad in (float("nan"), object(), {1, 2}):
            with pytest.raises((ValueError, TypeError)):
                await user.rooms.create(name="x", extra={"bad": bad})
        assert user.quota.snapshot().in_flight == 0

    assert server.arrived == []


async def test_a_base_url_with_a_path_keeps_it():
    """A mock or a gateway may sit below a path."""
    async with Scripted(Say(body=SESSION)) as server, client(f"{server.url}/mock/") as user:
        await read(user)

    assert server.arrived[0].target == "/mock/api/sessions/s1"


class Uncaught(BaseException):
    """Such as pytest's outcomes."""


@pytest.mark.parametrize("kind", [RuntimeError, asyncio.CancelledError, Uncaught])
async def test_a_listener_that_raises_breaks_no_call(caplog, kind):
    """It is logged, and the call goes on; what a cancelled future raises does not cancel it."""

    def raise_error(event: object) -> None:
        raise kind("listener")

    async with Scripted(Say(body=SESSION)) as server, client(server, on_event=raise_error) as user:
        await asyncio.wait_for(read(user), 10)

    assert "on_event raised" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", 0), ("timeout", -1), ("timeout", float("inf")), ("timeout", None), ("timeout", True), ("max_wait", -1),
     ("max_wait", float("nan")), ("max_wait", "5")],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_refused(name, value):
    """With one line that says what it takes."""
    with pytest.raises(ConfigurationError, match=f"{name} is a number of seconds"):
        UserClient("k", **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("quota", 5), ("quota", "10/60s"), ("retries", 5), ("on_event", 5), ("transport", 5), ("base_url", 5)],
)
def test_an_argument_of_the_wrong_kind_is_refused_at_once(name, value):
    """And not at the first call, far from its cause."""
    with pytest.raises(ConfigurationError, match=name):
        UserClient("k", **{name: value})


def test_options_of_a_copy_are_checked_too():
    """None is no retry policy; RetryPolicy(attempts=1) is."""
    with pytest.raises(ConfigurationError, match=r"RetryPolicy\(attempts=1\)"):
        UserClient("k").with_options(retries=None)  # type: ignore[arg-type]
