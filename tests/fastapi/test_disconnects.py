"""Visitors who leave: over real sockets, counted by who waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from support.serving import Upstream, Visitor, eventually, serving

from sessions_us import CallAbandonedError, RetryPolicy, UserClient
from sessions_us.fastapi import (
    BackgroundUserDep,
    DisconnectMiddleware,
    UserDep,
    clients_of,
    install_error_handlers,
    sessions_lifespan,
)
from sessions_us.fastapi.disconnects import disconnect_of
from sessions_us.quota import Quota

pytestmark = pytest.mark.anyio


@dataclass
class Site:
    """An application before a held upstream, with a quota of so many requests an hour."""

    app: FastAPI
    upstream: Upstream
    url: str = ""
    ended: list[str] = field(default_factory=list)
    visitors: list[Visitor] = field(default_factory=list)

    def waiting(self, lane: str = "interactive") -> int:
        return dict(clients_of(self.app).user.quota.snapshot().waiting)[lane]  # type: ignore[arg-type]

    def in_flight(self) -> int:
        return clients_of(self.app).user.quota.snapshot().in_flight

    async def visitor(self, path: str, **request: Any) -> Visitor:
        visitor = await Visitor(self.url).asks(path, **request)
        self.visitors.append(visitor)
        return visitor

    async def warm_up(self) -> None:
        """The first request goes alone, to learn the quota."""
        self.upstream.gate.set()
        await (await self.visitor("/rooms/first")).hears()
        self.upstream.gate.clear()
        self.upstream.arrived.clear()
        self.ended.clear()

    async def leave(self) -> None:
        self.upstream.gate.set()
        for visitor in self.visitors:
            await visitor.leaves()
        await clients_of(self.app).user.aclose()  # fails what would wait for an hour


@asynccontextmanager
async def site(limit: int = 100, middleware: str = "") -> AsyncIterator[Site]:
    upstream = Upstream(limit)
    async with serving(upstream, lifespan="off") as api:
        app = FastAPI()
        told = Site(app, upstream)
        app.router.lifespan_context = sessions_lifespan(
            user_key=f"k-{uuid4()}",
            base_url=api,
            max_wait=None,
            quota=Quota(limit, 3600.0),
            retries=RetryPolicy(attempts=1),
        )
        if middleware == "inside":
            app.middleware("http")(_passes_on)
        if middleware != "none":
            app.add_middleware(DisconnectMiddleware)
        if middleware == "outside":
            app.middleware("http")(_passes_on)
        install_error_handlers(app)
        _routes(app, told)
        async with serving(app) as told.url:
            if limit > 1:
                await told.warm_up()
            try:
                yield told
            finally:
                await told.leave()


async def _passes_on(request: Request, go_on: Any) -> Any:
    return await go_on(request)


def _routes(app: FastAPI, told: Site) -> None:
    @app.get("/rooms/{name}")
    async def read(name: str, user: UserDep) -> str:
        return await ended(name, user.rooms.get(name))

    @app.put("/rooms/{name}")
    async def write(name: str, user: UserDep) -> str:
        return await ended(name, user.rooms.update(name, name="n"))

    @app.get("/background/{name}")
    async def later(name: str, user: BackgroundUserDep, tasks: BackgroundTasks) -> str:
        async def work() -> None:
            await ended(name, user.rooms.get(name))

        tasks.add_task(work)
        return "later"

    @app.get("/order/{name}")
    async def order(name: str, user: UserDep, later: BackgroundUserDep, tasks: BackgroundTasks) -> str:
        await ended(name, user.rooms.update(name, name="n"))
        tasks.add_task(read_both, name, user, later)
        return "ordered"

    async def read_both(name: str, user: UserClient, later: UserClient) -> None:
        await ended(f"{name} in the background", later.rooms.get("later"))
        await ended(f"{name} for the visitor", user.rooms.get("now"))

    @app.post("/upload/{name}")
    async def upload(name: str, user: UserDep, request: Request) -> str:
        """Asks Sessions before it reads what is sent."""
        before = asyncio.create_task(ended(name, user.rooms.get(name)))
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        told.ended.append(f"{name}: {size} bytes")
        return await before

    @app.get("/twice/{name}")
    async def twice(name: str, user: UserDep) -> str:
        await ended(name, user.rooms.update(name, name="n"))
        await ended(f"{name} again", user.rooms.get("again"))
        return await ended(f"{name} once more", user.rooms.update("more", name="n"))

    @app.get("/watch/{name}")
    async def watch(name: str, user: UserDep, request: Request) -> str:
        while not await request.is_disconnected():
            await asyncio.sleep(0.005)
        told.ended.append(f"{name}: noticed")
        return ""

    @app.get("/stream/{name}")
    async def stream(name: str, user: UserDep) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            try:
                yield "data: 1\n\n"
                await asyncio.Event().wait()
            finally:
                told.ended.append(f"{name}: closed")

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def ended(name: str, call: Any) -> str:
        try:
            await call
        except asyncio.CancelledError:
            told.ended.append(f"{name}: cancelled")
            raise
        except CallAbandonedError:
            told.ended.append(f"{name}: given up")
            raise
        told.ended.append(f"{name}: done")
        return "done"


@pytest.mark.parametrize("middleware", ["", "inside", "outside"])
async def test_visitors_who_leave_while_waiting_leave_the_queue(middleware: str) -> None:
    """Of five who wait three leave: two are left in the queue, and nothing was sent. The same with a BaseHTTPMiddleware on either
    side."""
    async with site(limit=1, middleware=middleware) as told:
        first = await told.visitor("/rooms/first")
        await eventually(lambda: told.upstream.arrived)
        waiting = [await told.visitor(f"/rooms/r{number}") for number in range(5)]
        await eventually(lambda: told.waiting() == 5)
        for visitor in waiting[1:4]:
            await visitor.leaves()
        await eventually(lambda: len(told.ended) == 3)

        assert told.waiting() == 2
        assert sorted(told.ended) == ["r1: given up", "r2: given up", "r3: given up"]
        told.upstream.gate.set()
        assert (await first.hears())[0] == 200
        assert told.upstream.arrived == ["GET /api/rooms/first"]


async def test_a_queued_write_is_not_sent_for_nobody() -> None:
    """A visitor who leaves before the turn of a write leaves it unsent."""
    async with site(limit=1) as told:
        await told.visitor("/rooms/first")
        await eventually(lambda: told.upstream.arrived)
        visitor = await told.visitor("/rooms/r1", method="PUT")
        await eventually(lambda: told.waiting() == 1)
        await visitor.leaves()
        await eventually(lambda: told.ended)

        assert (told.ended, told.waiting()) == (["r1: given up"], 0)
        assert told.upstream.arrived == ["GET /api/rooms/first"]


async def test_a_write_that_was_sent_goes_on_to_its_end() -> None:
    """The endpoint hears what became of it, though the browser has gone; then nothing more is sent for that visitor."""
    async with site() as told:
        visitor = await told.visitor("/twice/r1")
        await eventually(lambda: told.upstream.arrived)
        await visitor.leaves()
        gone = await told.visitor("/rooms/r2")
        await eventually(lambda: len(told.upstream.arrived) == 2)
        await gone.leaves()
        # So that a server which looks has seen the first one go.
        await eventually(lambda: told.ended == ["r2: given up"])
        told.upstream.gate.set()
        await eventually(lambda: len(told.ended) == 3)

        assert told.ended[1:] == ["r1: done", "r1 again: given up"]
        assert told.upstream.arrived == ["PUT /api/rooms/r1", "GET /api/rooms/r2"]
        assert told.upstream.gone == 1


async def test_a_read_in_flight_is_broken_off() -> None:
    """The upstream connection is closed, and no lease is left."""
    async with site() as told:
        visitor = await told.visitor("/rooms/r1")
        await eventually(lambda: told.upstream.arrived)
        assert told.in_flight() == 1
        await visitor.leaves()
        await eventually(lambda: told.upstream.gone)
        await eventually(lambda: told.in_flight() == 0)

        assert told.ended == ["r1: given up"]


async def test_a_read_that_others_wait_for_goes_on() -> None:
    """Three ask for the same; the one who began it and another leave, and the third gets the answer of the one request."""
    async with site() as told:
        visitors = [await told.visitor("/rooms/r1") for _ in range(3)]
        await eventually(lambda: told.upstream.arrived)
        await visitors[0].leaves()
        await visitors[1].leaves()
        await eventually(lambda: len(told.ended) == 2)
        told.upstream.gate.set()

        assert await visitors[2].hears() == (200, b'"done"')
        assert told.ended == ["r1: given up", "r1: given up", "r1: done"]
        assert (told.upstream.arrived, told.upstream.gone) == (["GET /api/rooms/r1"], 0)


async def test_background_work_does_not_need_its_visitor() -> None:
    """A task waits in the background lane, whoever has left."""
    async with site(limit=1) as told:
        first = await told.visitor("/rooms/first")
        await eventually(lambda: told.upstream.arrived)
        visitor = await told.visitor("/background/r1")
        assert await visitor.hears() == (200, b'"later"')
        await eventually(lambda: told.waiting("background") == 1)
        await visitor.leaves()
        other = await told.visitor("/rooms/r2")
        await eventually(lambda: told.waiting() == 1)
        await other.leaves()
        await eventually(lambda: told.ended)

        assert (told.waiting("background"), told.waiting(), told.ended) == (1, 0, ["r2: given up"])
        told.upstream.gate.set()
        assert (await first.hears())[0] == 200


async def test_background_work_goes_on_for_whoever_left_before_the_answer() -> None:
    """`BackgroundUserDep` does not care; `UserDep` is still the visitor's, who has gone."""
    async with site() as told:
        visitor = await told.visitor("/order/r1")
        await eventually(lambda: told.upstream.arrived)
        await visitor.leaves()
        gone = await told.visitor("/rooms/r2")
        await eventually(lambda: len(told.upstream.arrived) == 2)
        await gone.leaves()
        await eventually(lambda: told.ended == ["r2: given up"])
        told.upstream.gate.set()
        await eventually(lambda: len(told.ended) == 4)

        assert told.ended[1:] == ["r1: done", "r1 in the background: done", "r1 for the visitor: given up"]


async def test_a_visitor_who_was_answered_has_not_left() -> None:
    """The end of an answer, and hanging up after it, is no disconnect for the work that follows."""
    async with site() as told:
        visitor = await told.visitor("/order/r1")
        await eventually(lambda: told.upstream.arrived)
        told.upstream.gate.set()
        assert await visitor.hears() == (200, b'"ordered"')
        await visitor.leaves()
        await eventually(lambda: len(told.ended) == 3)

        assert told.ended == ["r1: done", "r1 in the background: done", "r1 for the visitor: done"]


async def test_a_server_is_asked_by_one_at_a_time() -> None:
    """Watching and reading a body go on together, and the server sees one who asks; each message arrives once."""
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    asking, read = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal asking
        asking += 1
        assert asking == 1
        try:
            return await messages.get()
        finally:
            asking -= 1

    async def send(message: Any) -> None: ...

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        gone = disconnect_of(HTTPConnection(scope))
        assert gone is not None
        while True:
            message = await receive()
            read.append(message.get("body", b"gone"))
            if message["type"] == "http.disconnect":
                break
        await gone

    running = asyncio.create_task(DisconnectMiddleware(endpoint)({"type": "http"}, receive, send))
    for chunk in (b"a", b"b", b""):
        await asyncio.sleep(0)
        messages.put_nowait({"type": "http.request", "body": chunk, "more_body": chunk != b""})
    await eventually(lambda: messages.empty())
    messages.put_nowait({"type": "http.disconnect"})
    async with asyncio.timeout(20):
        await running

    assert read == [b"a", b"b", b"", b"gone"]


@pytest.mark.parametrize("size", [0, 10, 64 * 1024 + 1, 1_000_000])
async def test_a_body_arrives_whole_though_somebody_listened_before(size: int) -> None:
    """What came before the endpoint asked is neither lost nor doubled, whatever its size."""
    async with site() as told:
        visitor = await told.visitor("/upload/r1", method="POST", body=b"x" * (size // 2), length=size)
        await eventually(lambda: told.upstream.arrived)
        await visitor.sends(b"x" * (size - size // 2))
        await eventually(lambda: told.ended)
        told.upstream.gate.set()

        assert await visitor.hears() == (200, b'"done"')
        assert told.ended == [f"r1: {size} bytes", "r1: done"]


async def test_leaving_after_a_long_body_is_noticed() -> None:
    """More came than is held, so the watch had to pause; it goes on when the endpoint has read it."""
    async with site() as told:
        visitor = await told.visitor("/upload/r1", method="POST", body=b"x" * 1_000_000)
        await eventually(lambda: told.ended == ["r1: 1000000 bytes"])
        await visitor.leaves()
        await eventually(lambda: told.upstream.gone == 1)

        assert told.ended[1:] == ["r1: given up"]


async def test_endpoints_can_still_ask_by_themselves() -> None:
    """`request.is_disconnected()` and streams that end with their listener work beside the watch."""
    async with site() as told:
        watching, listening = await told.visitor("/watch/r1"), await told.visitor("/stream/r2")
        assert await listening.hears_of(b"data: 1") == 200
        await watching.leaves()
        await eventually(lambda: told.ended == ["r1: noticed"])
        await listening.leaves()
        await eventually(lambda: told.ended == ["r1: noticed", "r2: closed"])


async def test_a_connection_that_is_kept_serves_further_requests() -> None:
    """The watch over one request says nothing of the next on the same connection."""
    async with site() as told:
        told.upstream.gate.set()
        visitor = await told.visitor("/rooms/r0")
        for number in range(1, 4):
            assert await visitor.hears() == (200, b'"done"')
            await visitor.sends(f"GET /rooms/r{number} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert await visitor.hears() == (200, b'"done"')

        assert told.ended == [f"r{number}: done" for number in range(4)]


async def test_without_the_middleware_nobody_watches() -> None:
    """The dependencies work all the same; the call of a visitor who left goes on."""
    async with site(middleware="none") as told:
        visitor = await told.visitor("/rooms/r1")
        await eventually(lambda: told.upstream.arrived)
        await visitor.leaves()
        async with serving(
            told.app, lifespan="off"
        ) as told.url:  # a round trip, in which the first server could have noticed
            second = await told.visitor("/rooms/r2")
            await eventually(lambda: len(told.upstream.arrived) == 2)
            told.upstream.gate.set()
            await second.hears()
        await eventually(lambda: len(told.ended) == 2)

        assert sorted(told.ended) == ["r1: done", "r2: done"]
