"""Beside opentelemetry-instrumentation-httpx: each attempt is traced once, by one of the two."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.instrumentation.httpx import AsyncOpenTelemetryTransport, HTTPXClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from support.collecting import Collected
from support.rooms import QUICK, SESSION, client, read
from support.scripted import Say, Scripted

from sessions_us.telemetry import Telemetry

pytestmark = pytest.mark.anyio

OURS, THEIRS = "sessions_us", "opentelemetry.instrumentation.httpx"


@pytest.fixture
def collected() -> Collected:
    return Collected()


@pytest.fixture
def instrumented(collected: Collected) -> Iterator[None]:
    """All of httpx's own transports are instrumented."""
    HTTPXClientInstrumentor().instrument(**collected.providers)
    yield
    HTTPXClientInstrumentor().uninstrument()


def scope(span: ReadableSpan) -> str:
    return span.instrumentation_scope.name if span.instrumentation_scope else ""


def attempts(collected: Collected) -> list[str]:
    """Whose spans the attempts of the only call are."""
    (call,) = collected.calls()
    return [scope(span) for span in collected.children(call) if not span.name.startswith("wait")]


async def sent(
    collected: Collected, *, attempts: bool | None = None, transport: httpx.AsyncBaseTransport | None = None
) -> None:
    """A call of two attempts."""
    telemetry = Telemetry(**collected.providers, attempts=attempts)
    async with Scripted(Say(503), Say(body=SESSION)) as server:
        async with client(server, retries=QUICK, on_event=telemetry, transport=transport) as user:
            await read(user)


@pytest.mark.usefixtures("instrumented")
async def test_attempts_are_left_to_an_active_instrumentation(collected: Collected) -> None:
    """Its spans are the children of the call, and no span and no metric of an attempt comes from us."""
    await sent(collected)

    assert attempts(collected) == [THEIRS, THEIRS]
    assert "http.client.request.duration" not in collected.metrics()


async def test_attempts_are_ours_without_it(collected: Collected) -> None:
    """Also where it is installed, and even imported, but not active."""
    await sent(collected)

    assert attempts(collected) == [OURS, OURS]
    assert "http.client.request.duration" in collected.metrics()


async def test_attempts_are_ours_after_it_was_taken_back(collected: Collected) -> None:
    """It is looked at when an attempt begins."""
    HTTPXClientInstrumentor().instrument(**collected.providers)
    HTTPXClientInstrumentor().uninstrument()
    await sent(collected)

    assert attempts(collected) == [OURS, OURS]


async def test_a_transport_of_the_caller_that_is_instrumented(collected: Collected) -> None:
    """It can't be seen, so it has to be said."""
    transport = AsyncOpenTelemetryTransport(httpx.AsyncHTTPTransport(), collected.tracers)
    await sent(collected, attempts=False, transport=transport)
    await transport.aclose()

    assert attempts(collected) == [THEIRS, THEIRS]


@pytest.mark.usefixtures("instrumented")
async def test_a_transport_of_the_caller_that_is_not(collected: Collected) -> None:
    """httpx's own transports are instrumented, and this one is not."""
    answers = iter([httpx.Response(503), httpx.Response(200, json=SESSION)])
    await sent(collected, attempts=True, transport=httpx.MockTransport(lambda request: next(answers)))

    assert attempts(collected) == [OURS, OURS]
