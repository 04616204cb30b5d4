"""Errors that callers have dealt with: no reference cycle keeps them, and what they hold, alive."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from support.further import further
from support.rooms import client, spend, warm
from support.scripted import Numbered, Reset, Say, Scripted, Silence
from support.waiting import outcome, start, until

from sessions_us import (
    CallAbandonedError,
    ClientClosedError,
    DecodeError,
    NotFoundError,
    QuotaTimeoutError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    SessionsError,
    TransportError,
    UserClient,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def dealt_with(call: Awaitable[Any], kind: type[Exception]) -> weakref.ref[Exception]:
    """What is left of an error that the caller caught."""
    with pytest.raises(kind) as caught:
        await call
    left = weakref.ref(caught.value)
    del caught, call
    return left


Make = Callable[[UserClient], Awaitable[Any]]
CALLS: dict[str, Make] = {
    "read": lambda user: user.rooms.get("r1"),
    "write": lambda user: user.rooms.update("r1", name="n"),
    "list": lambda user: user.rooms.list().collect(),
    "by path": lambda user: user.request("POST", "/api/anything"),
}


async def freed(make: Make, user: UserClient, kind: type[Exception]) -> bool:
    left = [await dealt_with(make(user), kind) for _ in range(3)]
    await asyncio.sleep(0)  # the tasks that sent them have ended
    return [error() for error in left] == [None] * 3


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(("status", "kind"), [(404, NotFoundError), (500, ServerError)])
@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_status(make, status, kind, attempts):
    """After the first attempt, or the last of several."""
    async with Numbered() as server, client(server, retries=RetryPolicy(attempts=attempts, backoff=0)) as user:
        server.status = status
        assert await freed(make, user, kind)


async def test_an_answer_that_is_no_json():
    """Its body is kept by the error alone."""
    async with Numbered() as server, client(server) as user:
        server.then(Say(body=b"<html>"))
        assert await freed(CALLS["read"], user, DecodeError)
        assert await freed(CALLS["list"], user, DecodeError)


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS.keys())
async def test_a_timeout(make):
    """The server says nothing."""
    async with Numbered(held=True) as server, client(server, timeout=0.05) as user:
        assert await freed(make, user, RequestTimeoutError)


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS.keys())
async def test_a_lost_server(make):
    """Nobody listens."""
    async with Numbered() as server:
        user = client(server)
    async with user:
        assert await freed(make, user, TransportError)


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS.keys())
async def test_a_closed_client(make):
    """It was closed before the call."""
    async with Numbered() as server:
        user = client(server)
        await user.aclose()
        assert await freed(make, user, ClientClosedError)


@pytest.mark.parametrize("make", [CALLS["read"], CALLS["write"]], ids=["read", "write"])
async def test_a_refusal(make):
    """The quota is spent."""
    async with Numbered() as server, client(server, max_wait=1) as user:
        await spend(user, server)
        assert await freed(make, user, QuotaTimeoutError)


@pytest.mark.parametrize("make", [CALLS["read"], CALLS["write"]], ids=["read", "write"])
async def test_nobody_waits(make):
    """The visitor left before the call."""
    async with Numbered() as server, client(server) as user:
        gone = asyncio.get_running_loop().create_future()
        gone.set_result(None)
        assert await freed(make, user.with_options(abort_on=gone), CallAbandonedError)


async def test_shared_errors():
    """Of all who joined."""
    async with Numbered() as server, client(server) as user:
        await warm(user, server)
        server.status = 404
        calls = start(*(dealt_with(user.rooms.get("r1"), NotFoundError) for _ in range(5)))
        await until(lambda: server.arrived)
        server.release()
        left = await asyncio.gather(*calls)
        await asyncio.sleep(0)

    assert len(server.arrived) == 1
    assert [error() for error in left] == [None] * 5


async def test_errors_of_those_who_give_up():
    """A caller that joined waits no longer, and the call goes on."""
    async with Numbered() as server, client(server) as user:
        await warm(user, server)
        patient = start(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        hasty = user.with_options(timeout=0.05)
        left = await asyncio.gather(*(dealt_with(hasty.rooms.get("r1"), RequestTimeoutError) for _ in range(3)))
        await asyncio.sleep(0)
        assert [error() for error in left] == [None] * 3
        server.release()
        await patient[0]


async def test_a_client_that_is_closed_meanwhile():
    """The read was in flight."""
    async with Numbered(held=True) as server:
        user = client(server)
        calls = start(*(dealt_with(user.rooms.get("r1"), ClientClosedError) for _ in range(3)))
        await until(lambda: server.arrived)
        await user.aclose()
        left = await asyncio.gather(*calls)
        await asyncio.sleep(0)

    assert [error() for error in left] == [None] * 3


class Odd(Exception):
    """What the caller's own transport raises."""


class Raises(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise Odd


def alive() -> list[object]:
    """Errors of any kind, the caller's own or what they are made of, and requests with their bodies."""
    kinds = (SessionsError, httpx.HTTPError, TimeoutError, Odd, httpx.Request)
    return [each for each in gc.get_objects() if isinstance(each, kinds)]


async def leaves_nothing(make: Make, user: UserClient) -> bool:
    """Whether all that three calls made is freed, once the event loop and the server have let go of it."""
    others = alive()
    known = set(map(id, others))
    for _ in range(3):
        await outcome(make(user))
    try:
        await until(lambda: all(id(each) in known for each in alive()), 10)
    except TimeoutError:
        return False
    return True


HALF = Say(raw=b'HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{"id":', close=True)


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("step", [Reset(), *further(HALF), Silence()], ids=["reset", "half", "silence"])
async def test_an_attempt_that_broke_off(make, step):
    """Neither what httpx raised, nor the request with its body."""
    async with Scripted(step) as server, client(server, timeout=0.05) as user:
        assert await leaves_nothing(make, user)


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS.keys())
async def test_an_error_of_the_callers_own_transport(make):
    """It is the caller's, and no frame of ours keeps it."""
    async with client("http://localhost", transport=Raises()) as user:
        assert await leaves_nothing(make, user)


@pytest.mark.parametrize("make", [CALLS["read"], CALLS["write"]], ids=["read", "write"])
async def test_calls_in_tasks_of_their_own(make):
    """The visitor leaves while they wait. The tasks are dropped with their errors."""
    async with Numbered() as server, client(server) as user:
        await spend(user, server)
        gone = asyncio.get_running_loop().create_future()
        calls = [asyncio.ensure_future(make(user.with_options(abort_on=gone))) for _ in range(3)]
        await until(lambda: sum(user.quota.snapshot().waiting.values()))
        gone.set_result(None)
        await asyncio.wait(calls)
        assert {type(call.exception()) for call in calls} == {CallAbandonedError}
        tasks_left = [weakref.ref(call) for call in calls]
        del calls
        await asyncio.sleep(0)
        assert [task() for task in tasks_left] == [None] * 3
