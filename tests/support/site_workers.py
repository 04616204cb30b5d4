"""A small site in front of Sessions, as uvicorn serves it with several workers: one client for each process."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Self

import httpx
from fastapi import FastAPI, Request

from sessions_us import Quota, UserClient
from sessions_us.quota import RedisStore, SQLiteStore

__all__ = ("SiteProcesses", "app", "quota", "store")


def store(place: str) -> RedisStore | SQLiteStore:
    """What processes share, patient because the machine may be busy: by a URL, or in a file."""
    return RedisStore(place, timeout=20) if "://" in place else SQLiteStore(place, timeout=20)


def quota() -> Quota:
    """What the environment says."""
    told = Quota.parse(os.environ["SITE_QUOTA"])
    return Quota(told.limit, told.window, reserve=0, store=store(os.environ["SITE_STORE"]))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, UserClient]]:
    async with UserClient(
        quota=quota(), max_wait=60, cache_ttl=60, stale_while_revalidate=60, stale_if_error=60, timeout=60
    ) as user:
        yield {"user": user}


app = FastAPI(lifespan=_lifespan)


@app.get("/pages/{page}/slots")
async def slots(page: str, start: datetime, end: datetime, request: Request) -> dict[str, int]:
    """How many slots are free, and which worker says so."""
    user: UserClient = request.state.user
    return {"free": len(await user.booking_pages.slots(page, start=start, end=end)), "worker": os.getpid()}


@app.post("/pages/{page}/bookings")
async def book(page: str, start: datetime, request: Request) -> dict[str, str | None]:
    user: UserClient = request.state.user
    made = await user.bookings.create(
        booking_page_id=page, start_at=start, participant_name="Ada", participant_email="ada@example.com"
    )
    return {"id": made.id if made else None}


class SiteProcesses:
    """`async with SiteProcesses(environment, workers=4) as site:` serves the site in processes of its own."""

    def __init__(self, environment: dict[str, str], *, workers: int) -> None:
        self._environment = {**os.environ, **environment}
        self._workers = workers

    async def __aenter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        command = [sys.executable, "-m", "uvicorn", "support.site_workers:app", "--log-level", "warning"]
        command += ["--workers", str(self._workers), "--fd", str(self._socket.fileno())]
        self._process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, pass_fds=[self._socket.fileno()]
        )
        try:
            await self._until_it_answers()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _until_it_answers(self) -> None:
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=self.url, timeout=60) as http:
            await http.get("/openapi.json")  # it waits in the socket until a worker is there

    async def _end(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(20):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._socket.close()
