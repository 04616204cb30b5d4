"""Another process with the same key and the same shared copies, which does what a test tells it, line by line."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sessions_us import CacheHit, ClientEvent, GuestClient, Quota, RedisStore, SQLiteStore, UserClient

__all__ = ("Worker", "store_at")


def store_at(place: str) -> SQLiteStore | RedisStore:
    """A store that waits long for an answer, for a machine with much else to do."""
    return RedisStore(place, timeout=20) if "://" in place else SQLiteStore(place, timeout=20)


class Worker:
    """The process, as a test sees it. It has the clients of one test at a time."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        tests = str(Path(__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])},
        )

    def begin(self, what: str) -> None:
        """Begin `read`, `age`, `list`, `bookings`, `write`, `book` or `forget`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    async def end(self) -> Any:
        """What it came to."""
        assert self._process.stdout is not None
        return json.loads(await asyncio.to_thread(self._process.stdout.readline))

    async def do(self, what: str) -> Any:
        """Both."""
        self.begin(what)
        return await self.end()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        """Let it end."""
        self._process.communicate(timeout=60)

    @asynccontextmanager
    async def serving(self, url: str, key: str, place: str, **options: float) -> AsyncIterator[Worker]:
        """It has clients with these options meanwhile."""
        await self.do(json.dumps([url, key, place, options]))
        try:
            yield self
        except BaseException:  # it may have more to say, which is not for the next test
            self.kill()
            self._start()
            raise
        await self.do("close")


async def _work() -> None:
    while told := (await asyncio.to_thread(sys.stdin.readline)).strip():
        url, key, place, options = json.loads(told)
        hits: list[CacheHit] = []
        store = None if place == "none" else store_at(place)
        common: dict[str, Any] = {"base_url": url, "quota": Quota(limit=1000), "retries": 0, "cache_store": store}
        async with (
            UserClient(key, on_event=_hits_to(hits), **common, **options) as user,
            GuestClient(f"guest of {key}", **common) as guest,
        ):
            _say(None)
            while (what := (await asyncio.to_thread(sys.stdin.readline)).strip()) not in {"close", ""}:
                hits.clear()
                _say(await _done(what, user, guest, hits))
        _say(None)


def _say(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


def _hits_to(hits: list[CacheHit]) -> Callable[[ClientEvent], None]:
    return lambda event: hits.append(event) if isinstance(event, CacheHit) else None


async def _done(what: str, user: UserClient, guest: GuestClient, hits: list[CacheHit]) -> object:
    match what:
        case "read":
            return (await user.rooms.get("r1")).name
        case "age":
            return (await user.rooms.get("r1")).name, [hit.age for hit in hits]
        case "list":
            return [room.name for room in await user.rooms.list().collect()]
        case "bookings":
            return [booking.name for booking in await user.bookings.list().collect()]
        case "write":
            return str(await user.rooms.update("r1", name="new"))
        case "book":
            return str(await guest.bookings.cancel("b1"))
        case "forget":
            user.forget()
    return None


if __name__ == "__main__":
    asyncio.run(_work())
