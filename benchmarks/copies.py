"""What copies that processes share cost: CPU time of a read that is answered by a copy.

`python benchmarks/copies.py [--redis redis://localhost]`. Each figure is the least of twenty
turns, of this process (the database server's own work is not in it).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx

from sessions_us import Quota, RedisStore, SQLiteStore, UserClient

ROWS = json.dumps(
    [
        {"startAt": f"2030-01-07T{number // 60:02}:{number % 60:02}:00.000Z", "endAt": "2030-01-08T00:00:00.000Z"}
        for number in range(320)
    ]
).encode()
DAY, NEXT = datetime(2030, 1, 7, tzinfo=UTC), datetime(2030, 1, 8, tzinfo=UTC)
TURNS, READS = 20, 100


def answer(request: httpx.Request) -> httpx.Response:
    """25 kB of free times, or a room."""
    body = ROWS if request.url.path.endswith("slots") else b'{"id": "r1"}'
    return httpx.Response(200, content=body, headers={"ratelimit-limit": "100000", "ratelimit-remaining": "99999"})


def client(key: str, place: SQLiteStore | RedisStore | None) -> UserClient:
    return UserClient(
        key,
        base_url="https://api.test",
        transport=httpx.MockTransport(answer),
        quota=Quota(limit=100_000, window=1.0),
        cache_ttl=600,
        cache_store=place,
    )


async def least(step: Callable[[], Awaitable[object]], times: int = READS) -> float:
    """Microseconds of CPU for one step."""
    found = []
    for _ in range(TURNS):
        began = time.process_time()
        for _ in range(times):
            await step()
        found.append((time.process_time() - began) / times * 1e6)
    return min(found)


async def main(url: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        places: dict[str, SQLiteStore | RedisStore | None] = {
            "memory alone": None,
            "SQLiteStore": SQLiteStore(Path(folder) / "copies.db"),
        }
        if url:
            places["RedisStore"] = RedisStore(url)
        print(
            f"{'µs of CPU for one read':24}{'a room, from a copy':>22}{'25 kB, from a copy':>22}{'a room, asked for':>22}"
        )
        for name, place in places.items():
            async with client(f"key of {name}", place) as user:
                fresh = user.with_options(cache_ttl=0)
                room = await least(partial(user.rooms.get, "r1"))
                slots = await least(partial(user.booking_pages.slots, "p1", start=DAY, end=NEXT))
                asked = await least(partial(fresh.rooms.get, "r1"))
            print(f"{name:24}{room:22.0f}{slots:22.0f}{asked:22.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", help="the URL of a Redis or Valkey server to measure too")
    asyncio.run(main(parser.parse_args().redis))
