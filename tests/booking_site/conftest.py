from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from sessions_us.sandbox import Sandbox

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))  # as `--app-dir` does for the workers


@pytest.fixture
def serve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Sandbox], AbstractAsyncContextManager[httpx.AsyncClient]]:
    """One worker of the site in this process, before a sandbox on a socket; gives a visitor whose browser says where its
    forms come from."""
    from booking_site.app import app
    from booking_site.settings import settings

    @asynccontextmanager
    async def serving(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
        environment = {
            "SESSIONS_BASE_URL": sandbox.url,
            "SESSIONS_USER_KEY": sandbox.user_key,
            "SESSIONS_GUEST_KEY": sandbox.guest_key,
            "SESSIONS_QUOTA": f"{sandbox.limiter.limit}/{sandbox.limiter.window:g}s",
            "BOOKING_SITE_DATA": str(tmp_path),
            "BOOKING_SITE_SECRET": "not guessed",
            "BOOKING_SITE_ADMIN_PASSWORD": "open sesame",
            "BOOKING_SITE_EVENTS": ", ".join(each["id"] for each in sandbox.data["events"] if each["isPublished"]),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        async with app.router.lifespan_context(app) as state:

            async def served(scope: Scope, receive: Receive, send: Send) -> None:
                await app({**scope, "state": dict(state or {})}, receive, send)  # as servers do

            transport = httpx.ASGITransport(app=served)
            headers = {"Sec-Fetch-Site": "same-origin"}
            async with httpx.AsyncClient(transport=transport, base_url="http://site", headers=headers) as visitor:
                yield visitor
        settings.cache_clear()

    return serving
