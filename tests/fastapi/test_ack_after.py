"""`webhook_router(ack="after")`: a delivery is answered when its handlers have ended, and as they did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from support.serving import Visitor, eventually, serving

from sessions_us import ConfigurationError
from sessions_us.fastapi import DisconnectMiddleware, webhook_router
from sessions_us.webhooks import WebhookDelivery

pytestmark = pytest.mark.anyio

SECRET = "a-fixed-one-so-that-test-ids-are-the-same-43"
URL = f"/hooks/{SECRET}"


class Handler:
    """A handler that waits for its gate, if it has one, and then fails as often as it is told."""

    def __init__(self, failures: int = 0, *, gated: bool = False) -> None:
        self.begun = self.ended = 0
        self.stopped = False
        self.names: list[Any] = []
        self.gate = asyncio.Event()
        self._failures = failures
        if not gated:
            self.gate.set()

    async def __call__(self, webhook: WebhookDelivery) -> None:
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        self.ended += 1
        if self.ended <= self._failures:
            raise RuntimeError("canary")
        self.names.append(webhook.raw["data"]["session"].get("name"))


def application(*handlers: Any, **options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(DisconnectMiddleware)
    app.include_router(
        webhook_router("/hooks", secret=SECRET, on={"SESSION_CREATED": handlers}, ack="after", **options)
    )
    return app


@asynccontextmanager
async def receiving(*handlers: Any, **options: Any) -> AsyncIterator[Callable[..., Any]]:
    async with serving(application(*handlers, **options)) as url, httpx.AsyncClient(base_url=url, timeout=60) as sender:

        async def send(name: str = "a", trigger: str = "SESSION_CREATED") -> int:
            return (await sender.post(URL, json=body(name, trigger))).status_code

        yield send


def body(name: str = "a", trigger: str = "SESSION_CREATED") -> dict[str, Any]:
    return {"trigger": trigger, "data": {"session": {"id": "s1", "name": name}}}


async def test_the_answer_waits_for_the_handlers() -> None:
    """Not before all of them have ended; what none is for is taken at once; a plain function counts as well."""
    slow, plain = Handler(gated=True), []
    async with receiving(slow, plain.append) as send:
        assert await send(trigger="SESSION_ENDED") == 200
        answer = asyncio.ensure_future(send())
        await eventually(lambda: slow.begun and plain)
        assert await send(trigger="SESSION_STARTED") == 200  # a round trip, in which the other gets no answer
        assert not answer.done()
        slow.gate.set()
        assert await answer == 200
    assert slow.names == ["a"]


async def test_a_failure_is_told_and_the_repetition_is_handled(caplog: pytest.LogCaptureFixture) -> None:
    """500 at the first failure, without a retry of our own; all handlers get the repetition, and after that it is known."""
    failing, working = Handler(failures=1), Handler()
    async with receiving(failing, working) as send:
        assert [await send() for _ in range(3)] == [500, 200, 200]
    assert (failing.begun, working.begun) == (2, 2)
    assert [record.levelname for record in caplog.records if record.name == "sessions_us"] == ["ERROR"]


async def test_the_answer_to_a_failure_is_a_problem() -> None:
    """In words of our own."""
    async with (
        serving(application(Handler(failures=1))) as url,
        httpx.AsyncClient(base_url=url) as sender,
    ):
        answer = await sender.post(URL, json=body())
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "canary" not in answer.text


async def test_pauses_that_are_given_are_made() -> None:
    """The sender waits for the retries then."""
    failing = Handler(failures=2)
    async with receiving(failing, pauses=[0.0, 0.0]) as send:
        assert await send() == 200
    assert failing.begun == 3


@pytest.mark.parametrize(("failures", "status"), [(0, 200), (1, 500)])
async def test_the_same_delivery_meanwhile_gets_the_same_answer(failures: int, status: int) -> None:
    """The handler runs once for five at a time; after a failure the next one is handled."""
    slow = Handler(failures=failures, gated=True)
    async with receiving(slow) as send:
        answers = [asyncio.ensure_future(send()) for _ in range(5)]
        await eventually(lambda: slow.begun)
        assert await send(trigger="SESSION_ENDED") == 200
        slow.gate.set()
        assert await asyncio.gather(*answers) == [status] * 5
        assert slow.begun == 1
        assert await send() == 200
    assert slow.begun == 1 + failures


async def test_a_repetition_waits_for_every_handler_of_the_first() -> None:
    """While one handler has failed and the other still works, the same delivery starts neither again."""
    failing, slow = Handler(failures=1), Handler(gated=True)
    async with receiving(failing, slow) as send:
        first = asyncio.ensure_future(send())
        await eventually(lambda: failing.ended and slow.begun)
        second = asyncio.ensure_future(send())
        assert await send(trigger="SESSION_ENDED") == 200
        slow.gate.set()
        assert [await first, await second] == [500, 500]
        assert (failing.begun, slow.begun) == (1, 1)
        assert await send() == 200
    assert (failing.names, slow.names) == (["a"], ["a", "a"])


async def test_a_state_that_comes_back_meanwhile_is_handled() -> None:
    """Only the latest delivery of an object counts as known: to and fro are three."""
    slow = Handler(gated=True)
    async with receiving(slow) as send:
        answers = []
        for number, name in enumerate("aba", 1):
            answers.append(asyncio.ensure_future(send(name)))
            await eventually(lambda number=number: slow.begun == number)
        slow.gate.set()
        assert await asyncio.gather(*answers) == [200] * 3
    assert sorted(slow.names) == ["a", "a", "b"]


async def test_a_sender_that_hangs_up_stops_no_handler() -> None:
    """The handler goes on to its end, and the repetition gets its outcome without a second run."""
    slow = Handler(gated=True)
    async with serving(application(slow)) as url, httpx.AsyncClient(base_url=url, timeout=60) as sender:
        visitor = await Visitor(url).asks(URL, method="POST", body=json.dumps(body()).encode())
        await eventually(lambda: slow.begun)
        await visitor.leaves()
        again = asyncio.ensure_future(
            sender.post(URL, content=json.dumps(body()), headers={"content-type": "application/json"})
        )
        assert (await sender.post(URL, json=body(trigger="SESSION_ENDED"))).status_code == 200
        slow.gate.set()
        assert (await again).status_code == 200
    assert (slow.begun, slow.names, slow.stopped) == (1, ["a"], False)


async def test_a_request_that_is_cancelled_stops_no_handler() -> None:
    """Some servers and middlewares cancel the endpoint when the sender hangs up."""
    slow = Handler(gated=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application(slow)), base_url="http://x") as sender:
        first = asyncio.ensure_future(sender.post(URL, json=body()))
        await eventually(lambda: slow.begun)
        first.cancel()
        await asyncio.wait([first])
        slow.gate.set()
        assert (await sender.post(URL, json=body())).status_code == 200
    assert (slow.begun, slow.names, slow.stopped) == (1, ["a"], False)


async def test_a_handler_that_is_stopped_at_the_end_was_not_handled() -> None:
    """The sender is told, and the next start of the application takes the repetition."""
    slow = Handler(gated=True)
    app = application(slow, drain=0.01)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as sender:
        async with app.router.lifespan_context(app):
            first = asyncio.ensure_future(sender.post(URL, json=body()))
            await eventually(lambda: slow.begun)
        assert ((await first).status_code, slow.stopped) == (500, True)
        slow.gate.set()
        async with app.router.lifespan_context(app):
            assert (await sender.post(URL, json=body())).status_code == 200
    assert slow.names == ["a"]


@pytest.mark.parametrize("wrong", ["later", "", None, True, "After"])
def test_another_word_is_refused(wrong: Any) -> None:
    """When the router is made."""
    with pytest.raises(ConfigurationError, match="'before' or 'after'"):
        webhook_router("/hooks", secret=SECRET, on={"*": print}, ack=wrong)
