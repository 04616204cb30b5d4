"""What visitors are told when a call fails: the right status, when to come back, and nothing else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio.to_thread
import httpx
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.websockets import WebSocketDisconnect
from support.scripted import Behaviour, Reset, Say, Scripted, Silence, unused_port
from support.serving import serving

from sessions_us import (
    ConfigurationError,
    NotFoundError,
    PagingError,
    Quota,
    QuotaTimeoutError,
    RetryPolicy,
    SessionsError,
    SQLiteStore,
)
from sessions_us.fastapi import Problem, UserDep, clients_of, install_error_handlers, problem_of, sessions_lifespan

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)


def application(url: str, key: str = "", **options: Any) -> FastAPI:
    app = FastAPI(
        lifespan=sessions_lifespan(
            user_key=key or f"k-{uuid4()}", guest=False, base_url=url, **{"retries": ONCE, **options}
        )
    )
    install_error_handlers(app)

    @app.get("/room")
    async def read(user: UserDep) -> str | None:
        return (await user.rooms.get("r1")).name

    @app.put("/room")
    async def write(user: UserDep) -> None:
        await user.rooms.update("r1", name="n")

    @app.post("/room")
    async def subscribe(user: UserDep) -> None:
        await user.webhooks.create(url="https://example.com", trigger="SESSION_ENDED")

    @app.get("/odd")
    async def odd(user: UserDep) -> None:
        await user.rooms.update("r1")

    @app.get("/any/{room_id}")
    async def any_room(room_id: str, user: UserDep) -> None:
        await user.rooms.get(room_id)

    @app.websocket("/live")
    async def live(socket: WebSocket, user: UserDep) -> None:
        await socket.accept()
        await user.rooms.get("r1")

    return app


@asynccontextmanager
async def visited(*script: Behaviour, key: str = "", **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor of a site before a server that does what it is told."""
    async with (
        Scripted(*script) as server,
        serving(application(server.url, key, **options)) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as visitor,
    ):
        yield visitor


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        (400, 400),
        (401, 502),
        (402, 502),
        (403, 502),
        (404, 404),
        (405, 502),
        (409, 409),
        (418, 502),
        (422, 422),
        (500, 502),
        (502, 502),
        (503, 502),
        (302, 502),
    ],
)
async def test_what_sessions_answers(status: int, seen: int) -> None:
    """What is the visitor's to know keeps its status; all else is a bad gateway. The body is RFC 9457's, and ours alone."""
    async with visited(
        Say(status, {"message": "canary of the upstream"}, {"x-up": "canary", "location": "/canary"})
    ) as visitor:
        answer = await visitor.get("/room")

    assert answer.status_code == seen
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"type", "title", "status", "detail"}
    assert (answer.json()["type"], answer.json()["status"]) == ("about:blank", seen)
    assert "canary" not in answer.text + repr(answer.headers)
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    ("behaviour", "method", "seen", "detail"),
    [
        (Reset(), "GET", 502, "not known what was done"),
        (Silence(), "GET", 504, "not known what was done"),
        (Silence(), "PUT", 504, "not known what was done"),
        (Say(200, b"canary, and no JSON"), "GET", 502, "The answer of Sessions could not be understood."),
        (Say(200, b"canary, and no JSON"), "POST", 502, "Sessions did this, but its answer could not be understood."),
    ],
)
async def test_what_is_no_answer(behaviour: Behaviour, method: str, seen: int, detail: str) -> None:
    """502, and 504 for one that took too long; whether anything was done is said."""
    async with visited(behaviour, timeout=0.3 if isinstance(behaviour, Silence) else 30) as visitor:
        answer = await visitor.request(method, "/room")

    assert (answer.status_code, answer.json()["status"]) == (seen, seen)
    assert detail in answer.json()["detail"]
    assert "canary" not in answer.text


async def test_a_server_that_can_not_be_reached() -> None:
    """Nothing was done, and the visitor is told so."""
    async with (
        serving(application(f"http://127.0.0.1:{unused_port()}")) as url,
        httpx.AsyncClient(base_url=url) as visitor,
    ):
        answer = await visitor.put("/room")

    assert (answer.status_code, answer.json()["detail"]) == (
        502,
        "Sessions could not be reached, so nothing was done.",
    )


async def test_who_would_wait_too_long_is_told_when_to_come_back() -> None:
    """503 at once, with whole seconds: the reset that the server told, and no fraction earlier."""
    spent = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "40"}
    async with visited(Say(200, {"id": "r1", "name": "n"}, spent), quota=Quota(10, 60.0)) as visitor:
        first = await visitor.get("/room")
        second = await visitor.get("/room")

    assert (first.status_code, second.status_code) == (200, 503)
    assert second.headers["retry-after"] in {"39", "40", "41"}
    assert second.json()["detail"].endswith(f"try again in {second.headers['retry-after']} seconds.")
    assert "waiting" not in second.text  # nobody is


async def test_a_queue_is_told_where_there_is_one() -> None:
    """The same wait with somebody ahead: only then are too many waiting."""
    spent = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "40"}
    async with visited(Say(200, {"id": "r1", "name": "n"}, spent), quota=Quota(10, 60.0), max_wait=45) as visitor:
        await visitor.get("/room")
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(visitor.put("/room")) for _ in range(12)]
            refused = next(asyncio.as_completed(waiting))
            answer = await refused
            for each in waiting:
                each.cancel()
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("Too many are waiting. Nothing was done; try again in ")


async def test_a_store_that_is_down_is_no_queue(tmp_path: Path) -> None:
    """Nobody waits: the count can't be had."""
    place = tmp_path / "away" / "quota.db"
    place.parent.mkdir()
    store = SQLiteStore(place, on_store_failure="refuse", timeout=0.2)
    place.parent.rmdir()
    place.parent.write_text("no directory")
    async with visited(Say(200, {"id": "r1"}), quota=Quota(store=store)) as visitor:
        answer = await visitor.get("/room")
    wait = answer.headers["retry-after"]
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        f"Sessions can't be asked now. Nothing was done; try again in {wait} seconds.",
    )


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (401, "Sessions refused this."),
        (409, "This is not possible as things stand."),
        (500, "Sessions failed, so it is not known what was done."),
        (503, "Sessions failed, so it is not known what was done."),
    ],
)
async def test_the_words_say_no_more_than_is_known(status: int, detail: str) -> None:
    """A server that failed may have done what was asked; one that refused has not."""
    async with visited(Say(status, {})) as visitor:
        answer = await visitor.put("/room")
    assert answer.json()["detail"] == detail


async def test_a_list_without_an_end_is_a_bad_gateway() -> None:
    """Not a mistake of the application."""
    problem = problem_of(PagingError("…"))
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/")
    async def read() -> None:
        raise PagingError("…")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as visitor:
        assert (await visitor.get("/")).json()["detail"] == problem.detail == "A list of Sessions has no end."
    assert problem.status == 502


@pytest.mark.parametrize(("told", "seen"), [({"retry-after": "17"}, "17"), ({"retry-after": "0.2"}, "1"), ({}, "60")])
async def test_a_429_is_a_503_with_its_retry_after(told: dict[str, str], seen: str) -> None:
    """Rounded up; where the server does not say, the window that is documented."""
    async with visited(Say(429, {"message": "canary"}, told), max_wait=0) as visitor:
        answer = await visitor.get("/room")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, seen)


@pytest.mark.parametrize(
    ("seconds", "seen"),
    [(None, 1), (0.0, 1), (0.01, 1), (1.0, 1), (1.001, 2), (59.5, 60), (float("inf"), 1), (86400.0, 86400)],
)
def test_retry_after_is_whole_and_never_too_early(seconds: float | None, seen: int) -> None:
    """Rounded up, and 1 at least."""
    error = QuotaTimeoutError("…", retry_after=seconds, lane="interactive", position=1)

    assert problem_of(error).retry_after == seen


def test_every_error_has_a_problem() -> None:
    """Also those that come later, and those that no handler is installed for."""
    kinds: list[type[SessionsError]] = [SessionsError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    attributes = {"retry_after": None, "status_code": 404, "sent": "unknown", "position": 1, "method": "GET"}
    for kind in kinds:
        error = kind.__new__(kind)
        error.__dict__.update(attributes)
        problem = problem_of(error)
        assert problem.status in {404, 500, 502, 503, 504}
        assert problem.title
        assert problem.detail


def test_a_client_that_was_closed() -> None:
    """503: the application is on its way out."""

    async def close(app: FastAPI) -> None:
        await clients_of(app).user.aclose()

    app = application("http://localhost:1")

    @app.get("/close")
    async def closing() -> None:
        await close(app)

    with TestClient(app) as visitor:
        visitor.get("/close")
        answer = visitor.get("/room")

    assert (answer.status_code, answer.json()["detail"]) == (503, "This service is shutting down.")


def test_mistakes_of_the_application_are_not_hidden() -> None:
    """A ValueError for a bad argument and a ConfigurationError are raised as they are."""
    with TestClient(application("http://localhost:1")) as visitor:
        with pytest.raises(ValueError, match="at least one field"):
            visitor.get("/odd")
    with pytest.raises(ConfigurationError):
        TestClient(application("http://localhost:1")).get("/room")


@pytest.mark.parametrize("id", ["%00", "%2e%2e", "a%0ab"])
async def test_an_id_that_no_path_can_hold_is_not_found(id: str) -> None:
    """Visitors write URLs: that is no bug of the application, and nothing is sent."""
    async with Scripted(Say(500)) as server:
        with TestClient(application(server.url)) as visitor:
            answer = visitor.get(f"/any/{id}")

    assert (answer.status_code, server.arrived) == (404, [])


async def test_a_handler_of_ones_own_takes_the_place() -> None:
    """`problem_of` gives it what to say."""
    async with Scripted(Say(404)) as server:
        app = application(server.url)

        @app.exception_handler(NotFoundError)
        async def page(request: Request, error: NotFoundError) -> PlainTextResponse:
            problem = problem_of(error)
            return PlainTextResponse(f"<h1>{problem.title}</h1>", problem.status)

        async with serving(app) as url, httpx.AsyncClient(base_url=url) as visitor:
            answer = await visitor.get("/room")

    assert (answer.status_code, answer.text) == (404, "<h1>Not Found</h1>")


@pytest.mark.parametrize(("status", "code"), [(404, 1011), (429, 1013)])
async def test_an_open_websocket_is_closed(status: int, code: int) -> None:
    """1013 asks to come back later, 1011 says that it failed."""
    async with Scripted(Say(status)) as server:

        def connect() -> int:
            with TestClient(application(server.url, max_wait=0)) as visitor:
                with visitor.websocket_connect("/live") as socket, pytest.raises(WebSocketDisconnect) as caught:
                    socket.receive_text()
            return caught.value.code

        assert await anyio.to_thread.run_sync(connect) == code


async def test_failures_of_sessions_are_logged_for_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    """Where it was and what came of it in a line, without an id; what is the visitor's own is not worth one."""
    said = Say(401, {"message": "canary"}, {"x-request-id": "abc"})
    with caplog.at_level(logging.INFO, "sessions_us"):
        async with visited(said, Say(404), Silence(), timeout=0.3) as visitor:
            for _ in range(3):
                await visitor.get("/any/canary")

    assert [record.getMessage() for record in caplog.records if record.name == "sessions_us"] == [
        "AuthenticationError in GET /any/{room_id}: 401 answered a GET (request abc)",
        "RequestTimeoutError in GET /any/{room_id}: no usable answer to a GET, sent: unknown",
    ]


async def test_no_answer_and_no_log_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """A server that echoes the key in every place it has: no body, header or log line of the site holds it."""
    key = f"canary-{uuid4()}"
    said = [
        *(
            Say(status, {"message": key, key: key}, {"x-request-id": key, "x-up": key})
            for status in (400, 401, 404, 409, 422)
        ),
        *(Say(status, key.encode(), {"retry-after": "9", "x-up": key}) for status in (429, 500, 503)),
        Say(200, f"not JSON {key}".encode()),
        Reset(),
    ]
    heard: list[str] = []
    with caplog.at_level(logging.INFO), caplog.at_level(logging.DEBUG, "sessions_us"):
        async with visited(*said, key=key, max_wait=0) as visitor:
            for _ in said:
                answer = await visitor.get("/room")
                heard += [answer.text, repr(answer.headers.raw)]
                assert answer.status_code >= 400
            logging.getLogger("test").error("%r %r", application("http://localhost:1", key), visitor)

    assert json.loads(heard[0])["status"] == 400
    assert not [each for each in [*heard, caplog.text] if "canary-" in each]


def test_a_problem_is_a_value() -> None:
    """It can be compared, and made by hand."""
    assert Problem(503, "Later.", 5) == Problem(503, "Later.", 5)
    response = Problem(503, "Later.", 5).response()
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
