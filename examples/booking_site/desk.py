"""What a worker has at hand while it serves, and how routes get it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, cast

from attrs import evolve
from fastapi import Depends, FastAPI, Request

from sessions_us import GuestClient, Quota, SQLiteStore, UserClient

from .diary import Diary
from .monitor import Board, Monitor
from .settings import settings

MAX_WAIT = 5.0  # seconds that a visitor waits for the quota


@dataclass(frozen=True)
class Desk:
    """One worker's clients and files."""

    user: UserClient
    guest: GuestClient
    diary: Diary
    monitor: Monitor
    board: Board


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Desk]]:
    path = settings().data
    monitor = Monitor(MAX_WAIT)

    def quota() -> Quota:
        return evolve(Quota.from_env(), store=SQLiteStore(path / "quota.db"))

    user = UserClient(max_wait=MAX_WAIT, quota=quota(), on_event=monitor.hear)
    guest = GuestClient(max_wait=MAX_WAIT, quota=quota(), on_event=monitor.hear)
    async with user, guest:
        desk = Desk(user, guest, Diary(path / "site.db"), monitor, Board(path / "board.db"))
        telling = asyncio.create_task(_tell(desk))
        yield {"desk": desk}
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
        await desk.board.leave()


async def _tell(desk: Desk) -> None:
    """Once a second, what this worker does."""
    while True:
        await desk.board.tell(desk.monitor.active_at, desk.monitor.state(desk.user, desk.guest))
        await asyncio.sleep(1.0)


def _desk(request: Request) -> Desk:
    return cast("Desk", request.state.desk)


AtDesk = Annotated[Desk, Depends(_desk)]


def _times(desk: AtDesk) -> UserClient:
    """For free times and bookings. They may be some seconds old: who takes a time that is gone is told so. While the quota is
    used up they stay on show for a quarter of an hour."""
    return desk.user.with_options(cache_ttl=10.0, stale_while_revalidate=60.0, stale_if_error=900.0)


def _facts(desk: AtDesk) -> UserClient:
    """For names, descriptions and events, which rarely change."""
    return desk.user.with_options(cache_ttl=300.0, stale_while_revalidate=3600.0, stale_if_error=24 * 3600.0)


Times = Annotated[UserClient, Depends(_times)]
Facts = Annotated[UserClient, Depends(_facts)]
