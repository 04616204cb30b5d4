"""What a worker has at hand while it serves, and how routes get it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from attrs import evolve
from fastapi import Depends, FastAPI, Request

from sessions_us import Quota, SQLiteStore, UserClient
from sessions_us.fastapi import Clients, UserDep, clients_of, sessions_lifespan

from .catalog import Catalog
from .diary import Diary
from .ending import ending
from .monitor import Board, Monitor
from .settings import settings
from .site_file import SiteFile

_log = logging.getLogger("booking_site")

MAX_WAIT = 5.0  # seconds that a visitor waits for the quota


@dataclass(frozen=True)
class Copies:
    """For how many seconds an answer is given again: `fresh` as it is, `renewed` more while it is asked for again, and `rescued`
    more than `fresh` where a new one can't be had."""

    fresh: float
    renewed: float
    rescued: float

    def of(self, user: UserClient) -> UserClient:
        return user.with_options(cache_ttl=self.fresh, stale_while_revalidate=self.renewed, stale_if_error=self.rescued)


# Free times may be some seconds old: who takes one that is gone is told so. They stay on show while the quota is used up.
TIMES = Copies(fresh=10.0, renewed=60.0, rescued=900.0)
# Names, descriptions and events rarely change.
FACTS = Copies(fresh=300.0, renewed=3600.0, rescued=24 * 3600.0)


@dataclass(frozen=True)
class Desk:
    """What one worker has beside its clients."""

    diary: Diary
    catalog: Catalog
    monitor: Monitor
    board: Board
    is_ending: Callable[[], bool]


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Opens the clients, with one quota and the same copies for all workers, and what this site keeps."""
    data, monitor = settings().data, Monitor(MAX_WAIT)
    quota = evolve(Quota.from_env(), store=SQLiteStore(data / "quota.db"))
    sessions = sessions_lifespan(
        user=True,
        guest=True,
        quota=quota,
        cache_store=SQLiteStore(data / "quota.db"),  # in a file of its own beside it
        max_wait=MAX_WAIT,
        on_event=monitor.hear,
    )
    file = SiteFile(data / "site.db")
    with ending() as told:
        async with sessions(app) as state:
            desk = Desk(Diary(file), Catalog(file), monitor, Board(data / "board.db"), told.is_set)
            telling = asyncio.create_task(_tell(desk, clients_of(app)))
            yield {**state, "desk": desk}
            telling.cancel()
            await asyncio.wait([telling])
            await desk.board.leave()


async def _tell(desk: Desk, clients: Clients) -> None:
    """Once a second, what this worker does."""
    while True:
        try:
            await desk.board.tell(desk.monitor.active_at, desk.monitor.state(clients.user, clients.guest))
        except sqlite3.Error as error:  # a full disk, say: no reason to stop serving, nor to stop trying
            _log.warning("the live page may be old: %s", error)
        await asyncio.sleep(1.0)


def _desk(request: Request) -> Desk:
    return cast("Desk", request.state.desk)


AtDesk = Annotated[Desk, Depends(_desk)]


def _times(user: UserDep) -> UserClient:
    return TIMES.of(user)


def _facts(user: UserDep) -> UserClient:
    return FACTS.of(user)


Times = Annotated[UserClient, Depends(_times)]
"""For free times and bookings."""

Facts = Annotated[UserClient, Depends(_facts)]
"""For names, descriptions and events."""
