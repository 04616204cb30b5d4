"""Applications mounted in another one, whose own lifespan never runs: webhooks are handled, and clients are found or missed."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from support.serving import eventually, serving

from sessions_us import ConfigurationError
from sessions_us.fastapi import GuestDep, UserDep, install_error_handlers, sessions_lifespan, webhook_router
from sessions_us.sandbox import Sandbox
from sessions_us.webhooks import WebhookDelivery

pytestmark = pytest.mark.anyio

SECRET = "a-fixed-one-so-that-test-ids-are-the-same-43"
URL = f"/inner/hooks/{SECRET}"


def mounted(handler: Any, **options: Any) -> FastAPI:
    inner, outer = FastAPI(), FastAPI()
    inner.include_router(webhook_router("/hooks", secret=SECRET, on={"*": handler}, **options))
    outer.mount("/inner", inner)
    return outer


def body(name: str = "a") -> dict[str, Any]:
    return {"trigger": "SESSION_CREATED", "data": {"session": {"id": "s1", "name": name}}}


class Slow:
    """A handler that goes on after the answer, or until its gate opens, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.begun = self.done = 0
        self._failures = failures
        self.gate: asyncio.Event | None = None

    async def __call__(self, webhook: WebhookDelivery) -> None:
        self.begun += 1
        if self.gate is not None:
            await self.gate.wait()
        else:
            await asyncio.sleep(0.05)  # longer than an event loop that nothing holds
        if self.begun <= self._failures:
            raise RuntimeError
        self.done += 1


@pytest.mark.parametrize("ack", ["before", "after"])
def test_a_test_client_sees_the_handlers_end(ack: str) -> None:
    """The whole run of a handler, with its retry; a repetition is no second run."""
    slow = Slow(failures=1)
    with TestClient(mounted(slow, ack=ack, pauses=[0.0])) as visitor:
        answers = [visitor.post(URL, json=body(name)) for name in ("a", "a", "b")]
    assert [answer.status_code for answer in answers] == [202 if ack == "before" else 200] * 3
    assert slow.done == 2


@pytest.mark.parametrize("ack", ["before", "after"])
def test_each_request_may_have_an_event_loop_of_its_own(ack: str) -> None:
    """As those of a TestClient have that is not entered."""
    slow = Slow(failures=1)
    visitor = TestClient(mounted(slow, ack=ack, pauses=[0.0]))
    answers = [visitor.post(URL, json=body(name)) for name in ("a", "a", "b")]
    assert [answer.status_code for answer in answers] == [202 if ack == "before" else 200] * 3
    assert slow.done == 2


async def test_in_process_over_httpx() -> None:
    """httpx.ASGITransport runs no lifespan either."""
    slow = Slow()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(mounted(slow)), base_url="http://x") as sender:
        assert (await sender.post(URL, json=body())).status_code == 202
    assert slow.done == 1


async def test_a_server_that_ends_waits_for_the_handlers(caplog: pytest.LogCaptureFixture) -> None:
    """Under uvicorn the answer comes at once, and the process ends after the handler, which is retried as ever."""
    slow = Slow(failures=1)
    slow.gate = gate = asyncio.Event()

    def opens(record: logging.LogRecord) -> bool:
        if "Waiting for background tasks" in record.getMessage():
            gate.set()
        return True

    caplog.set_level(logging.INFO, "uvicorn.error")
    server_log = logging.getLogger("uvicorn.error")
    server_log.addFilter(opens)
    try:
        async with (
            serving(mounted(slow, pauses=[0.0]), timeout_graceful_shutdown=60) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as sender,
        ):
            assert (await sender.post(URL, json=body())).status_code == 202
            await eventually(lambda: slow.begun == 1)
    finally:
        server_log.removeFilter(opens)
    assert (slow.begun, slow.done) == (2, 1)


async def test_the_secret_of_a_mounted_router_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn's access log shows the place and not the secret."""
    caplog.set_level(logging.INFO, "uvicorn.access")
    async with serving(mounted(print)) as url, httpx.AsyncClient(base_url=url) as sender:
        assert (await sender.post(URL, json=body())).status_code == 202
        assert (await sender.get(URL)).status_code == 405
    lines = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert len(lines) == 2
    assert all("/inner/hooks/" in line and SECRET not in line for line in lines)


def with_endpoints(app: FastAPI) -> FastAPI:
    @app.get("/rooms")
    async def rooms(user: UserDep) -> int:
        return len(await user.rooms.list().collect(limit=1))

    @app.post("/guests")
    async def register(guest: GuestDep) -> None:
        await guest.events.register("..", email="ada@example.com")

    install_error_handlers(app)
    return app


async def test_endpoints_of_a_mounted_application_have_the_outer_clients(sessions_sandbox: Sandbox) -> None:
    """Two levels deep, over a real server; the error handlers are the mounted application's own."""
    innermost, inner = with_endpoints(FastAPI()), FastAPI()
    inner.mount("/b", innermost)
    options: Any = {"user_key": sessions_sandbox.user_key, "guest_key": "g", "base_url": sessions_sandbox.url}
    outer = FastAPI(lifespan=sessions_lifespan(**options))
    outer.mount("/a", inner)
    async with serving(outer) as url, httpx.AsyncClient(base_url=url) as visitor:
        assert (await visitor.get("/a/b/rooms")).json() == 1
        answer = await visitor.post("/a/b/guests")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_clients_of_a_mounted_application_are_missed_at_once() -> None:
    """Given to the inner application, the lifespan opens nothing: the first request says where it belongs."""
    outer = FastAPI()
    outer.mount("/inner", with_endpoints(FastAPI(lifespan=sessions_lifespan(user_key="k"))))
    with (
        TestClient(outer) as visitor,
        pytest.raises(ConfigurationError, match="mounted application never runs: give it"),
    ):
        visitor.get("/inner/rooms")
