"""Health and quota as JSON, for operators and probes."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter
from support.scripted import Numbered, unused_port
from support.serving import serving

from sessions_us import Quota, RedisStore
from sessions_us.fastapi import BackgroundUserDep, QuotaHealth, UserDep, quota_router, sessions_lifespan

pytestmark = pytest.mark.anyio


def application(url: str, **options: Any) -> FastAPI:
    """A site with one client of each kind, or fewer."""
    options = {"user_key": "canary-user", "guest_key": "canary-guest", "base_url": url, **options}
    app = FastAPI(lifespan=sessions_lifespan(**options))
    app.include_router(quota_router())

    @app.get("/rooms/{room_id}")
    async def room(room_id: str, user: UserDep) -> None:
        await user.rooms.get(room_id)

    @app.get("/later/{room_id}")
    async def later(room_id: str, user: BackgroundUserDep) -> None:
        await user.rooms.get(room_id)

    return app


async def test_what_is_left_and_who_waits() -> None:
    """As the server told it, without a request of its own, a key or an id."""
    async with (
        Numbered() as server,
        serving(application(server.url)) as url,
        httpx.AsyncClient(base_url=url) as visitor,
    ):
        server.headers = {"ratelimit-limit": "9", "ratelimit-remaining": "0", "ratelimit-reset": "40"}
        await visitor.get("/rooms/canary")
        waiting = asyncio.create_task(visitor.get("/later/canary", timeout=60))

        async def waits() -> Any:
            return (await visitor.get("/quota")).json()["user"]["waiting"]["background"]

        while not await waits():
            await asyncio.sleep(0.01)
        answer = await visitor.get("/quota")
        waiting.cancel()

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    told = TypeAdapter(QuotaHealth).validate_json(answer.content)
    assert told.status == "ok"
    assert told.user is not None
    assert told.guest is not None
    assert (told.user.limit, told.user.remaining, told.user.window, told.user.store) == (9, 0, 60.0, "up")
    assert 30 < (told.user.resets_in or 0) <= 41
    assert (told.user.waiting.interactive, told.user.waiting.background, told.user.in_flight) == (0, 1, 0)
    assert (told.guest.limit, told.guest.remaining) == (10, 10)
    assert "canary" not in answer.text
    assert len(server.arrived) == 1


@pytest.mark.parametrize(
    ("policy", "status", "code", "store"), [("local", "degraded", 200, "alone"), ("refuse", "down", 503, "refusing")]
)
async def test_a_store_that_is_down(policy: Any, status: str, code: int, store: str) -> None:
    """It goes on alone, which works; or nothing is sent, which a probe has to see."""
    quota = Quota(store=RedisStore(f"redis://127.0.0.1:{unused_port()}", on_store_failure=policy))
    async with Numbered() as server:
        app = application(server.url, guest=False, quota=quota)
        async with serving(app) as url, httpx.AsyncClient(base_url=url) as visitor:
            await visitor.get("/rooms/r1")
            answer = await visitor.get("/quota")

    assert (answer.status_code, answer.json()["status"]) == (code, status)
    assert answer.json()["user"]["store"] == store
    assert answer.json()["guest"] is None


async def test_a_store_that_is_down_promises_its_share() -> None:
    """What is left is what the share leaves of the limit, and nothing where nothing may be sent."""
    async with Numbered() as server:
        left = []
        for policy in ("local", "refuse"):
            store = RedisStore(f"redis://127.0.0.1:{unused_port()}", on_store_failure=policy, share=0.2)
            app = application(server.url, guest=False, quota=Quota(limit=10, store=store), max_wait=0)
            async with serving(app) as url, httpx.AsyncClient(base_url=url) as visitor:
                for _ in range(3):
                    await visitor.get("/rooms/r1")
                    left.append((await visitor.get("/quota")).json()["user"]["remaining"])

    assert left == [1, 0, 0, 0, 0, 0]
    assert len(server.arrived) == 2


async def test_a_probe_may_ask_by_head() -> None:
    """With the same status, and no body."""
    async with Numbered() as server, serving(application(server.url)) as url, httpx.AsyncClient() as visitor:
        answer = await visitor.head(f"{url}/quota")

    assert (answer.status_code, answer.content) == (200, b"")


def test_it_is_described() -> None:
    """In the OpenAPI of the application, with both answers, at the path that was given."""
    app = FastAPI()
    app.include_router(quota_router("/-/health"))
    answers = app.openapi()["paths"]["/-/health"]["get"]["responses"]

    assert answers.keys() == {"200", "503"}
    assert answers["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/QuotaHealth"}
