"""Spans: one call whole, whose children they are, and what they never say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from support.clock import run
from support.collecting import Collected, named
from support.rooms import QUICK, SESSION, client, read
from support.scripted import Numbered, Reset, Say, Scripted
from support.waiting import cancelled, outcome, start, until

from sessions_us import Quota, RateLimitedError, RetryPolicy, UserClient
from sessions_us.pipelines import NDJSONSink, export
from sessions_us.quota.clock import LoopClock
from sessions_us.sandbox import Sandbox
from sessions_us.telemetry import Telemetry, instrument, uninstrument

pytestmark = pytest.mark.anyio

SERVER = {"server.address": "127.0.0.1", "server.port": 80}
HTTP = {"http.request.method": "GET", "url.template": "/api/sessions/{id}", **SERVER}


@pytest.fixture
def collected() -> Iterator[Collected]:
    """What is collected; nothing listens to all clients after the test."""
    yield Collected()
    uninstrument()


def virtual(call: Callable[[UserClient], Coroutine[Any, Any, Any]], *answers: httpx.Response, **options: Any) -> Any:
    """A call in virtual time, of a client that gets these answers, each after 3 seconds."""
    left = list(answers)

    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3)
        return left.pop(0)

    async def main() -> Any:
        clock = LoopClock(asyncio.get_running_loop().time)
        defaults: dict[str, Any] = {"clock": clock, "transport": httpx.MockTransport(answer)}
        async with client("http://127.0.0.1", **{**defaults, **options}) as user:
            return await outcome(call(user))

    return run(main())


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return {name: value for name, value in (span.attributes or {}).items() if name != "sessions_us.call"}


def events(span: ReadableSpan) -> list[tuple[str, dict[str, Any]]]:
    return [(event.name, dict(event.attributes or {})) for event in span.events]


# -- one call ------------------------------------------------------------------------------------------------------------


def test_a_failed_call_whole(collected: Collected) -> None:
    """Its waits for the quota and for retries, its attempts, why each failed, what it took, and what came of it."""

    async def call(user: UserClient) -> object:
        return await asyncio.gather(user.rooms.get("first"), outcome(read(user)))

    answers = (
        httpx.Response(200, json={"id": "first"}),
        httpx.Response(503, headers={"retry-after": "10"}),
        httpx.Response(429, headers={"retry-after": "20"}),
        httpx.Response(500),
    )
    policy = RetryPolicy(attempts=3, backoff=0.001)
    virtual(call, *answers, quota=Quota(limit=1, window=60), retries=policy, on_event=Telemetry(**collected.providers))

    span = next(span for span in collected.calls() if span.name == "get_session")
    assert (span.kind, span.parent, span.status.status_code) == (SpanKind.INTERNAL, None, StatusCode.ERROR)
    found = attributes(span)
    waited = found.pop("sessions_us.waited")
    assert found == {
        **HTTP,
        "sessions_us.operation": "get_session",
        "sessions_us.role": "USER",
        "sessions_us.outcome": "status_error",
        "sessions_us.attempts": 3,
        "http.response.status_code": 500,
        "error.type": "ServerError",
    }
    assert waited > 120
    assert events(span) == [
        ("sessions_us.retry", {"sessions_us.attempt": 2, "sessions_us.delay": 10.0, "sessions_us.reason": "503"}),
        ("sessions_us.throttled", {"sessions_us.retry_after": 20.0}),
        ("sessions_us.retry", {"sessions_us.attempt": 3, "sessions_us.delay": 21.0, "sessions_us.reason": "429"}),
    ]

    children = collected.children(span)
    attempt = "GET /api/sessions/{id}"
    assert [each.name for each in children] == [
        "wait for the quota",
        attempt,
        "wait for a retry",
        "wait for the quota",
        attempt,
        "wait for the quota",  # it asked for a pause, which the quota knows of
        attempt,
    ]
    first, retry = attributes(children[0]), attributes(children[2])
    assert (first["sessions_us.lane"], first["sessions_us.position"]) == ("interactive", 1)
    assert retry == {"sessions_us.delay": 10.0, "sessions_us.reason": "503"}
    sent = [each for each in children if each.name == attempt]
    assert {(each.kind, each.status.status_code) for each in sent} == {(SpanKind.CLIENT, StatusCode.ERROR)}
    assert [attributes(each) for each in sent] == [
        {**HTTP, "http.response.status_code": 503, "error.type": "503"},
        {**HTTP, "http.response.status_code": 429, "error.type": "429", "http.request.resend_count": 1},
        {**HTTP, "http.response.status_code": 500, "error.type": "500", "http.request.resend_count": 2},
    ]

    metrics = collected.metrics()
    operation = {"sessions_us.operation": "get_session"}
    ended = {**operation, "sessions_us.outcome": "status_error"}
    assert ({**ended, "error.type": "ServerError"}, 1) in metrics["sessions_us.calls"]
    durations = {point["sessions_us.outcome"]: value for point, value in metrics["sessions_us.call.duration"]}
    flights = {point["sessions_us.outcome"]: value for point, value in metrics["sessions_us.call.in_flight"]}
    assert flights["status_error"] == (1, 9.0)
    assert durations["status_error"] == (1, round(waited + 9, 3))
    assert metrics["sessions_us.throttled"] == [(operation, 1)]
    assert metrics["sessions_us.retries"] == [
        ({**operation, "sessions_us.reason": "503"}, 1),
        ({**operation, "sessions_us.reason": "429"}, 1),
    ]
    took = metrics["http.client.request.duration"]
    assert ({**HTTP, "http.response.status_code": 429, "error.type": "429"}, (1, 3.0)) in took


async def test_a_call_is_a_child_of_what_its_caller_does(collected: Collected) -> None:
    """Of the current span; afterwards that is the current one again, whatever became of the call."""
    tracer = collected.tracers.get_tracer("test")
    async with Scripted(Say(body=SESSION), Say(404)) as server:
        async with client(server, on_event=Telemetry(**collected.providers)) as user:
            with tracer.start_as_current_span("page") as page:
                await read(user)
                assert trace.get_current_span() is page
                await outcome(read(user))
                assert trace.get_current_span() is page
            assert not trace.get_current_span().is_recording()

    (parent,) = (span for span in collected.spans if span.name == "page")
    assert named(collected.children(parent)) == ["get_session", "get_session"]


async def test_joined_reads_are_children_of_their_own_callers(collected: Collected) -> None:
    """One request for two callers: each has its span, and the attempt belongs to the one that began it."""
    tracer = collected.tracers.get_tracer("test")

    async def visit(user: UserClient, name: str) -> None:
        with tracer.start_as_current_span(name):
            await user.rooms.get("r1")

    async with Numbered() as server, client(server, on_event=Telemetry(**collected.providers)) as user:
        server.hold()
        visits = start(visit(user, "first"), visit(user, "second"))
        await until(lambda: server.arrived)
        server.release()
        await asyncio.gather(*visits)

    pages = {span.name: span for span in collected.spans if span.name in {"first", "second"}}
    (one,), (other,) = collected.children(pages["first"]), collected.children(pages["second"])
    assert (attributes(one)["sessions_us.outcome"], attributes(other)["sessions_us.outcome"]) == ("answered", "shared")
    assert named(collected.children(one)) == ["GET /api/rooms/{id}"]
    assert named(collected.children(other)) == []
    assert events(other) == [("sessions_us.shared", {"sessions_us.joined": (one.attributes or {})["sessions_us.call"]})]


async def test_an_attempt_goes_on_when_the_caller_that_began_it_leaves(collected: Collected) -> None:
    """It stays a child of that call, and ends with the answer that the other caller gets."""
    async with Numbered() as server, client(server, on_event=Telemetry(**collected.providers)) as user:
        server.hold()
        first, second = start(user.rooms.get("r1"), user.rooms.get("r1"))
        await until(lambda: server.arrived)
        await cancelled(first)
        assert named(collected.spans) == ["get_room"]
        server.release()
        await second

    one, other = collected.calls()
    assert (attributes(one)["sessions_us.outcome"], attributes(one)["error.type"]) == ("cancelled", "CancelledError")
    assert attributes(other)["sessions_us.outcome"] == "shared"
    (attempt,) = collected.children(one)
    assert attributes(attempt)["http.response.status_code"] == 200


async def test_a_copy_and_its_renewal(collected: Collected) -> None:
    """A copy is an event of its call. The renewal is a call of its own, beside the one that found the copy old."""
    async with Scripted(Say(body=SESSION)) as server:
        options: dict[str, Any] = {"cache_ttl": 0.001, "stale_while_revalidate": 600}
        async with client(server, on_event=Telemetry(**collected.providers), **options) as user:
            await read(user)
            await asyncio.sleep(0.01)
            with collected.tracers.get_tracer("test").start_as_current_span("page"):
                await read(user)
            await until(lambda: len(collected.calls()) == 3)

    (page,) = (span for span in collected.spans if span.name == "page")
    copied, renewed = sorted(collected.children(page), key=lambda span: attributes(span)["sessions_us.attempts"])
    ((name, why),) = events(copied)
    assert (name, why["sessions_us.why"]) == ("sessions_us.cache_hit", "stale-while-revalidate")
    assert attributes(copied)["sessions_us.attempts"] == 0
    assert named(collected.children(renewed)) == ["GET /api/sessions/{id}"]
    assert attributes(renewed)["sessions_us.outcome"] == "answered"


def test_a_refusal(collected: Collected) -> None:
    """Says its place, and that nothing was sent."""

    async def call(user: UserClient) -> None:
        await asyncio.gather(user.rooms.get("first"), outcome(user.with_options(max_wait=1).rooms.get("second")))

    answer = httpx.Response(200, json={"id": "first"})
    virtual(call, answer, quota=Quota(limit=1, window=60), on_event=Telemetry(**collected.providers))

    (span,) = (span for span in collected.calls() if attributes(span)["sessions_us.outcome"] == "refused")
    assert (attributes(span)["error.type"], attributes(span)["sessions_us.attempts"]) == ("QuotaTimeoutError", 0)
    assert "http.response.status_code" not in attributes(span)
    assert events(span)[-1][0] == "sessions_us.refused"
    assert "GET /api/rooms/{id}" not in named(collected.children(span))
    flown = [point["sessions_us.outcome"] for point, _ in collected.metrics()["sessions_us.call.in_flight"]]
    assert flown == ["answered"]


async def test_an_export_names_its_operations(collected: Collected, tmp_path: Path) -> None:
    """Also of what belongs to a row; and no span has the id of one."""
    wide = Quota(limit=100_000, window=1.0)
    async with Sandbox(limit=100_000, window=1.0) as sandbox:
        listens = Telemetry(**collected.providers)
        async with UserClient(sandbox.user_key, base_url=sandbox.url, quota=wide, on_event=listens) as user:
            await export(user, ["sessions"], NDJSONSink(tmp_path / "out"), state=tmp_path / "state")
        ids = [row["id"] for row in sandbox.data["sessions"]]

    children = {"get_session_transcripts", "get_session_takeaways"}
    assert {span.name for span in collected.calls()} == {"list_sessions", *children}
    assert all("url.template" in attributes(span) for span in collected.calls())
    assert not [each for each in ids if each in collected.everything()]


async def test_an_answer_that_breaks_off(collected: Collected) -> None:
    """The attempt has its status, and the call says that its body broke off."""
    cut = Say(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", close=True)
    async with Scripted(cut, Say(body=SESSION)) as server:
        async with client(server, retries=QUICK, on_event=Telemetry(**collected.providers)) as user:
            await read(user)

    (call,) = collected.calls()
    assert [name for name, _ in events(call)] == ["sessions_us.failed", "sessions_us.retry"]
    assert [attributes(each)["http.response.status_code"] for each in collected.children(call)[::2]] == [200, 200]
    assert call.status.status_code is StatusCode.UNSET


# -- what they never say -------------------------------------------------------------------------------------------------


async def test_nothing_that_is_exported_has_a_key_a_body_or_an_id(collected: Collected) -> None:
    """Whatever is asked for and answered, also by method and path, and also with names that the server chose."""
    said = {"id": "canary-id", "name": "canary-body", "canary-field": 1, "startAt": "canary-value"}
    headers = {"x-request-id": "canary-request", "retry-after": "0"}
    script = (
        Say(429, said, headers),
        Say(body=said, headers=headers),
        Say(404, said, headers),
        Reset(),
        Say(200, b"canary", headers),
        Say(200, [said], headers),
    )
    instrument(**collected.providers)
    async with Scripted(*script) as server:
        async with client(server, "canary-key", retries=QUICK, cache_ttl=60) as user:
            await user.sessions.get("canary-1")
            await user.sessions.get("canary-1")
            await outcome(user.rooms.update("canary-2", name="canary-name"))
            await outcome(user.rooms.create(name="canary-name"))
            await outcome(user.request("GET", "/api/canary-path", params={"canary": "canary"}))
            await outcome(user.request("DELETE", "/api/rooms/canary-path"))
            await outcome(user.sessions.participants.list("canary-3"))
            everything = collected.everything()

    assert len(collected.calls()) >= 7
    assert "canary" not in everything


async def test_a_call_by_method_and_path_is_named_by_its_method(collected: Collected) -> None:
    """Its path may have ids."""
    async with Scripted(Say(body={})) as server:
        async with client(server, on_event=Telemetry(**collected.providers)) as user:
            await user.request("GET", "/api/private")

    (call,) = collected.calls()
    (attempt,) = collected.children(call)
    assert (call.name, attempt.name) == ("GET", "GET")
    assert "url.template" not in attributes(attempt)


# -- all clients ---------------------------------------------------------------------------------------------------------


async def test_all_clients_of_the_process(collected: Collected) -> None:
    """Those that were made before, too. What began before it is taken back is traced to its end, and nothing after it."""
    async with Numbered() as server, client(server) as before:
        instrument(**collected.providers)
        async with client(server) as after:
            await before.rooms.get("r1")
            await after.rooms.get("r2")
            server.hold()
            in_flight = start(before.rooms.get("r3"))
            await until(lambda: len(server.arrived) == 3)
            uninstrument()
            assert collected.metrics().get("sessions_us.quota.limit", []) == []
            server.release()
            await asyncio.gather(*in_flight)
            await after.rooms.get("r4")

    assert named(collected.calls()) == ["get_room"] * 3
    assert not trace.get_current_span().is_recording()


async def test_a_second_call_takes_the_place_of_the_first(collected: Collected) -> None:
    """So that nothing is measured twice."""
    second = Collected()
    instrument(**collected.providers)
    instrument(**second.providers)
    async with Scripted(Say(body=SESSION)) as server, client(server) as user:
        await read(user)

    assert (len(collected.calls()), len(second.calls())) == (0, 1)


async def test_beside_a_listener_of_the_client(collected: Collected) -> None:
    """Both get every event, and one that raises is no matter of the other."""
    heard: list[str] = []

    def hear(event: object) -> None:
        heard.append(type(event).__name__)
        raise RuntimeError

    instrument(**collected.providers)
    async with Scripted(Say(429)) as server, client(server, on_event=hear) as user:
        assert isinstance(await outcome(read(user)), RateLimitedError)

    assert (heard[0], heard[-1]) == ("CallStarted", "CallEnded")
    assert len(collected.calls()) == 1
