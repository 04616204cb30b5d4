"""The clients of an application: opened once, closed at its end, one budget for several workers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from support.scripted import unused_port
from support.serving import eventually, serving

from sessions_us import (
    ClientClosedError,
    ClientEvent,
    ConfigurationError,
    DecodeError,
    GuestClient,
    NotFoundError,
    Quota,
    QuotaTimeoutError,
    RequestGranted,
    RequestTimeoutError,
    RetryPolicy,
    UserClient,
)
from sessions_us.fastapi import (
    BackgroundGuestDep,
    BackgroundUserDep,
    GuestDep,
    UserDep,
    clients_of,
    get_guest,
    get_user,
    sessions_lifespan,
)
from sessions_us.quota import Lane
from sessions_us.sandbox import Sandbox


@pytest.fixture(autouse=True)
def environment(sessions_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONS_BASE_URL", sessions_sandbox.url)
    monkeypatch.setenv("SESSIONS_USER_KEY", sessions_sandbox.user_key)
    monkeypatch.setenv("SESSIONS_GUEST_KEY", sessions_sandbox.guest_key)
    monkeypatch.delenv("SESSIONS_QUOTA", raising=False)


def with_routes(app: FastAPI) -> FastAPI:
    @app.get("/rooms")
    async def rooms(user: UserDep) -> list[str]:
        return [room.id for room in await user.rooms.list().collect()]

    @app.post("/events/{event_id}")
    async def register(event_id: str, guest: GuestDep) -> None:
        await guest.events.register(event_id, email="ada@example.com", first_name="Ada")

    return app


def test_one_client_of_each_kind_lives_as_long_as_the_application(sessions_sandbox: Sandbox) -> None:
    """The same two serve all requests, and are closed at the end; a second start opens new ones."""
    app = with_routes(FastAPI(lifespan=sessions_lifespan()))
    with TestClient(app) as visitor:
        clients = clients_of(app)
        first = visitor.get("/rooms")
        assert (first.status_code, first.json()) == (200, visitor.get("/rooms").json())
        assert clients_of(app) is clients
        assert (type(clients.user), type(clients.guest)) == (UserClient, GuestClient)
    with pytest.raises(ClientClosedError):
        asyncio.run(clients.user.rooms.get("r1"))
    with pytest.raises(ConfigurationError, match="No clients are open"):
        clients_of(app)
    with TestClient(app) as visitor:
        assert visitor.get("/rooms").json() == first.json()
        assert clients_of(app) is not clients


def test_it_goes_around_a_lifespan_of_ones_own() -> None:
    """The own one is entered when clients are there and left before they close, and its state is kept."""
    told: list[str] = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        told.append(type(clients_of(app).user).__name__)
        yield {"database": "open"}
        await clients_of(app).user.rooms.list().collect(limit=1)
        told.append("left")

    app = with_routes(FastAPI(lifespan=sessions_lifespan(lifespan=own)))

    @app.get("/state")
    async def state(request: Request) -> str:
        return str(request.state.database)

    with TestClient(app) as visitor:
        assert visitor.get("/state").json() == "open"
        assert visitor.get("/rooms").status_code == 200
    assert told == ["UserClient", "left"]


@pytest.mark.parametrize("hands_on", [True, False])
def test_it_works_inside_a_lifespan_of_ones_own(hands_on: bool) -> None:
    """`async with sessions_lifespan()(app):`, whether or not what it yields is handed on."""

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with sessions_lifespan()(app) as state:
            yield {"database": "open", **(state if hands_on else {})}

    with TestClient(with_routes(FastAPI(lifespan=own))) as visitor:
        assert visitor.get("/rooms").status_code == 200


def test_a_mounted_application_has_the_clients_of_the_outer_one() -> None:
    """Its own lifespan is never entered, but the state reaches it."""
    inner = with_routes(FastAPI())
    outer = FastAPI(lifespan=sessions_lifespan())
    outer.mount("/inner", inner)

    with TestClient(outer) as visitor:
        assert visitor.get("/inner/rooms").status_code == 200


def test_a_websocket_has_them_too() -> None:
    """The dependencies ask for no more than a connection."""
    app = FastAPI(lifespan=sessions_lifespan())

    @app.websocket("/live")
    async def live(socket: WebSocket, user: UserDep) -> None:
        await socket.accept()
        await socket.send_json(len(await user.rooms.list().collect(limit=3)))
        await socket.close()

    with TestClient(app) as visitor, visitor.websocket_connect("/live") as socket:
        assert socket.receive_json() == 3


@pytest.mark.parametrize("absent", [None, ""])
def test_a_key_that_is_not_there_is_not_missed_until_it_is_used(
    absent: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other role works; using this one says which variable was not set."""
    if absent is None:
        monkeypatch.delenv("SESSIONS_GUEST_KEY")
    else:
        monkeypatch.setenv("SESSIONS_GUEST_KEY", absent)
    with TestClient(with_routes(FastAPI(lifespan=sessions_lifespan()))) as visitor:
        assert visitor.get("/rooms").status_code == 200
        with pytest.raises(ConfigurationError, match="no client of the role GUEST: SESSIONS_GUEST_KEY was not set"):
            visitor.post("/events/e1")


def test_a_key_that_is_needed_is_missed_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """`guest=True` says so before anybody is served; without any key there is nothing to start for."""
    monkeypatch.delenv("SESSIONS_GUEST_KEY")
    with (
        pytest.raises(ConfigurationError, match="No usable GUEST key: there is none"),
        TestClient(FastAPI(lifespan=sessions_lifespan(guest=True))),
    ):
        pass
    with (
        pytest.raises(ConfigurationError, match="There is no key: set SESSIONS_USER_KEY or SESSIONS_GUEST_KEY"),
        TestClient(FastAPI(lifespan=sessions_lifespan(user=False))),
    ):
        pass


def test_a_role_can_be_left_out() -> None:
    """`user=False` opens no client though there is a key."""
    app = FastAPI(lifespan=sessions_lifespan(user=False))
    with TestClient(app), pytest.raises(ConfigurationError, match="role USER"):
        _ = clients_of(app).user


@pytest.mark.parametrize("role", ["user", "guest"])
def test_whether_to_open_a_client_is_true_or_false(role: str) -> None:
    """Or None. Another word would count as True, where the application is made; an option, where it starts."""
    with pytest.raises(ConfigurationError, match=f"{role} is True or False, not 'no'"):
        sessions_lifespan(**{role: "no"})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="strict is True or False, not 'no'"):
        TestClient(FastAPI(lifespan=sessions_lifespan(user_key="key", strict="no"))).__enter__()  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["user_key", "guest_key"])
def test_a_key_that_can_not_be_used_is_refused_and_not_shown(role: str) -> None:
    """Where the application is made, and in no frame of the traceback that is ours."""
    key = f"canary-{uuid4()}\n"
    with pytest.raises(ConfigurationError, match="more than one line") as caught:
        sessions_lifespan(**{role: key})  # type: ignore[arg-type]

    shown = [str(caught.value)]
    for frame, _ in traceback.walk_tb(caught.value.__traceback__):
        if "/tests/" not in frame.f_code.co_filename:
            shown += [repr(value) for value in frame.f_locals.values()]
    assert not [each for each in shown if "canary" in each]


def test_options_reach_both_clients() -> None:
    """Each by what it does: the timeout and `strict` in an error, `max_wait` (5 seconds unless given) in a refusal. A bad one
    stops the start."""
    answers = iter([httpx.ReadTimeout("slow"), {"id": "1", "name": 7}] * 2)

    def answer(request: httpx.Request) -> httpx.Response:
        match next(answers):
            case httpx.ReadTimeout() as error:
                raise error
            case body:
                return httpx.Response(200, json=body)

    async def ask(call: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(RequestTimeoutError, match="took longer than 7 s"):
            await call()
        with pytest.raises(DecodeError, match="name"):
            await call()
        with pytest.raises(QuotaTimeoutError, match=r"5\.0 s of max_wait left"):
            await call()

    app = FastAPI(
        lifespan=sessions_lifespan(
            timeout=7,
            strict=True,
            transport=httpx.MockTransport(answer),
            quota=Quota(limit=2, window=3600),
            retries=RetryPolicy(attempts=1),
            clock=Sandbox(clock=lambda: 0.0, empty=True).clock,
        )
    )
    with TestClient(app) as visitor:
        there = clients_of(app)
        assert visitor.portal is not None
        visitor.portal.call(ask, lambda: there.user.sessions.get("1"))
        visitor.portal.call(ask, lambda: there.guest.bookings.cancel("1"))
    assert list(answers) == []
    with (
        pytest.raises(ConfigurationError, match="timeout is a number of seconds"),
        TestClient(FastAPI(lifespan=sessions_lifespan(timeout=-1))),
    ):
        pass


async def patiently(sandbox: Sandbox, client: UserClient | GuestClient, lane: Lane, call: Awaitable[object]) -> None:
    """A call waits for an hour in this lane, and is sent after it."""
    waiting = asyncio.ensure_future(call)
    async with asyncio.timeout(30):
        while not client.quota.snapshot().waiting[lane]:
            await asyncio.sleep(0.001)
        sandbox.advance(3_500)
        await asyncio.sleep(0.02)
        assert not waiting.done()
        sandbox.advance(101)
        with suppress(NotFoundError):
            await waiting


@pytest.mark.sessions_sandbox(limit=1, window=3_600, time="runs", clock=lambda: 1_772_434_800.0)
def test_no_max_wait_is_as_long_as_it_takes(sessions_sandbox: Sandbox) -> None:
    """None takes the place of the 5 seconds."""
    app = FastAPI(
        lifespan=sessions_lifespan(max_wait=None, quota=Quota(limit=1, window=3_600), clock=sessions_sandbox.clock)
    )

    async def ask() -> None:
        user = clients_of(app).user
        await user.rooms.list().collect(limit=1)
        await patiently(sessions_sandbox, user, "interactive", user.rooms.create(name="Late"))

    with TestClient(app) as visitor:
        assert visitor.portal is not None
        visitor.portal.call(ask)
    assert sessions_sandbox.limiter.refused == 0


@pytest.mark.sessions_sandbox(limit=20, window=3_600, time="runs", clock=lambda: 1_772_434_800.0)
def test_requests_are_urgent_and_background_work_is_patient(sessions_sandbox: Sandbox) -> None:
    """`UserDep` is interactive for every page, and waits for 5 seconds; `BackgroundUserDep` is background for every page, without
    a limit to its wait or a visitor."""
    granted: list[str] = []

    def note(event: ClientEvent) -> None:
        if isinstance(event, RequestGranted):
            granted.append(event.lane)

    app = FastAPI(
        lifespan=sessions_lifespan(
            quota=Quota(limit=20, window=3_600),
            clock=sessions_sandbox.clock,
            on_event=note,
            retries=RetryPolicy(attempts=1),
        )
    )

    async def cancel(guest: GuestClient) -> None:
        with pytest.raises(NotFoundError):
            await guest.bookings.cancel("none")

    async def lanes_of(call: Awaitable[object]) -> set[str]:
        granted.clear()
        await call
        return set(granted)

    @app.get("/")
    async def both(user: UserDep, later: BackgroundUserDep, guest: GuestDep, guest_later: BackgroundGuestDep) -> None:
        assert await lanes_of(user.rooms.list().collect()) == {"interactive"}
        assert len(granted) > 1
        assert await lanes_of(later.rooms.list().collect()) == {"background"}
        assert len(granted) > 1
        assert await lanes_of(cancel(guest)) == {"interactive"}
        assert await lanes_of(cancel(guest_later)) == {"background"}

        while user.quota.snapshot().remaining:
            await user.rooms.create(name="One more")
        while guest.quota.snapshot().remaining:
            await cancel(guest)
        for urgent in (lambda: user.rooms.create(name="Now"), lambda: guest.bookings.cancel("none")):
            with pytest.raises(QuotaTimeoutError, match=r"lane interactive, and 5\.0 s of max_wait left"):
                await urgent()
        await patiently(sessions_sandbox, later, "background", later.rooms.create(name="Late"))
        while guest.quota.snapshot().remaining:
            await cancel(guest)
        await patiently(sessions_sandbox, guest_later, "background", guest_later.bookings.cancel("none"))

    with TestClient(app) as visitor:
        assert visitor.get("/").status_code == 200
    assert sessions_sandbox.limiter.refused == 0


def test_tests_can_put_their_own_clients_in(sessions_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dependency_overrides[get_user]` serves `UserDep` and `BackgroundUserDep`, without a lifespan; the same for guests."""
    for name in ("SESSIONS_BASE_URL", "SESSIONS_USER_KEY", "SESSIONS_GUEST_KEY"):
        monkeypatch.delenv(name)
    app = with_routes(FastAPI(lifespan=sessions_lifespan()))

    @app.get("/later")
    async def later(user: BackgroundUserDep, guest: BackgroundGuestDep) -> int:
        return len(await user.rooms.list().collect(limit=2))

    options = {"base_url": "http://localhost", "transport": sessions_sandbox.transport}
    app.dependency_overrides[get_user] = lambda: UserClient(sessions_sandbox.user_key, **options)
    app.dependency_overrides[get_guest] = lambda: GuestClient(sessions_sandbox.guest_key, **options)

    visitor = TestClient(app)
    assert visitor.get("/rooms").status_code == 200
    assert visitor.get("/later").json() == 2


def test_without_a_start_the_error_says_what_to_do() -> None:
    """A TestClient that is not entered starts no lifespan."""
    visitor = TestClient(with_routes(FastAPI(lifespan=sessions_lifespan())))
    with pytest.raises(ConfigurationError, match="start it, as `with TestClient"):
        visitor.get("/rooms")


@pytest.mark.sessions_sandbox(limit=3, window=3600)
def test_a_quota_is_each_keys_own(sessions_sandbox: Sandbox) -> None:
    """Given once for both clients, it is no common budget: what the user spent, the guest still has."""
    app = FastAPI(lifespan=sessions_lifespan(quota=Quota(3, 3600.0), max_wait=0))

    @app.get("/")
    async def spend(user: UserDep, guest: GuestDep) -> int:
        for _ in range(3):
            await user.rooms.list().collect(limit=1)
        return guest.quota.snapshot().remaining

    with TestClient(app) as visitor:
        assert visitor.get("/").json() == 3


@pytest.mark.anyio
async def test_the_application_does_not_end_before_those_who_wait_are_told(sessions_sandbox: Sandbox) -> None:
    """At the end of an application what still waits fails, and nothing hangs."""
    app = FastAPI(lifespan=sessions_lifespan(max_wait=None, quota=Quota(1, 3600.0)))
    outcomes: list[str] = []

    async def work() -> None:
        for _ in range(2):
            try:
                await clients_of(app).user.rooms.list().collect(limit=1)
            except ClientClosedError as error:
                outcomes.append(type(error).__name__)

    sessions_sandbox.limiter.limit = 1
    async with serving(app):
        task = asyncio.create_task(work())
        await eventually(lambda: clients_of(app).user.quota.snapshot().waiting["interactive"])
    await task

    assert outcomes == ["ClientClosedError"]


WORKER = """
import os
from fastapi import FastAPI
from sessions_us import Quota, SQLiteStore
from sessions_us.fastapi import UserDep, install_error_handlers, sessions_lifespan

app = FastAPI(lifespan=sessions_lifespan(max_wait=60, quota=Quota(5, 3.0, store=SQLiteStore(os.environ["QUOTA_FILE"]))))
install_error_handlers(app)


@app.get("/rooms/{name}")
async def room(name: str, user: UserDep) -> dict[str, int]:
    await user.request("GET", "/api/rooms", params={"n": name})
    return {"pid": os.getpid()}
"""


@pytest.mark.anyio
@pytest.mark.sessions_sandbox(limit=5, window=3, headers="none")
async def test_several_workers_share_one_budget(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """Two uvicorn processes, eight different questions to each at once, 5 requests per 3 s, a server that says nothing of its
    limit: both answer, and nobody is served a 429."""
    (tmp_path / "site_of_workers.py").write_text(WORKER)
    environment = {**os.environ, "QUOTA_FILE": str(tmp_path / "quota.db")}
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "site_of_workers:app",
        "--app-dir",
        str(tmp_path),
        "--log-level",
        "warning",
    ]
    ports = [
        unused_port(),
        unused_port(),
    ]  # of their own: which worker takes a connection to a shared one is the system's whim
    servers = [
        subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=subprocess.DEVNULL) for port in ports
    ]
    try:
        places = [httpx.URL(f"http://127.0.0.1:{port}") for port in ports]
        for place, server in zip(places, servers, strict=True):
            async with httpx.AsyncClient(base_url=place, timeout=60) as visitor:
                await _answers(visitor, server)
        answers = await asyncio.gather(*(_one(places[number % 2], number) for number in range(16)))
    finally:
        for server in servers:
            server.terminate()
            server.wait(20)

    assert [answer.status_code for answer in answers] == [200] * 16
    assert len({answer.json()["pid"] for answer in answers}) == 2
    assert (sessions_sandbox.limiter.admitted, sessions_sandbox.limiter.refused) == (16, 0)


async def _one(url: httpx.URL, number: int) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, timeout=60) as visitor:
        return await visitor.get(f"/rooms/{number}")


async def _answers(visitor: httpx.AsyncClient, server: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(60):
        while server.poll() is None:
            try:
                await visitor.get("/")
                return
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    raise AssertionError("uvicorn did not start")
