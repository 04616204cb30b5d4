"""When requests are called for, and the process that calls for them.

`python -m benchmarks.patterns STRATEGY` says when it is ready, reads its cells as one line of JSON, tells what became of each in
a line of JSON, and ends by itself. All times are epoch seconds: the servers are on the same machine.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import NamedTuple

import httpx

from benchmarks.strategies import STRATEGIES, Destination, Lost, Send
from sessions_us.quota import Lane

__all__ = ("INTERACTIVE_AT", "PATTERNS", "TAKEN", "Cell", "Done", "Timing", "arrivals")

PATTERNS = ("burst", "sequential", "half-used", "exhausted", "interactive", "two processes", "two, one store")
REQUESTS = 3  # limits' worth of them
TAKEN = {"half-used": 0.5, "exhausted": 1.0}
"""Which part of the limit somebody else has taken, half a window before the start."""
INTERACTIVE_AT = (0.5, 1.5)  # windows after the start: in the middle of one


class Cell(NamedTuple):
    """One strategy against one server in one pattern.

    Attributes:
        place: the server, the key, and the file that processes share.
        start: when it begins, epoch seconds.
        part: which of how many processes this is.
    """

    server: str
    strategy: str
    pattern: str
    place: Destination
    start: float
    part: int = 0
    parts: int = 1


class Timing(NamedTuple):
    """What became of one request: when it was called for and answered, epoch seconds, and whether its caller got an error."""

    called: float
    answered: float
    lost: bool
    lane: Lane


class Done(NamedTuple):
    """A cell, and what became of its requests in one process."""

    server: str
    strategy: str
    pattern: str
    calls: list[Timing]


def arrivals(pattern: str, start: float, limit: int, window: float) -> list[tuple[float, Lane]]:
    """When each request is called for, in order, and in which lane. One by one, only the first moment counts."""
    if pattern != "interactive":
        return [(start, "interactive")] * (REQUESTS * limit)
    background: list[tuple[float, Lane]] = [(start, "background")] * (REQUESTS * limit)
    return background + [(start + windows * window, "interactive") for windows in INTERACTIVE_AT]


async def run(cell: Cell) -> Done:
    """Run one process's part of a cell."""
    place = cell.place
    if share := TAKEN.get(cell.pattern):
        await _until(cell.start - place.window / 2)
        async with httpx.AsyncClient(base_url=place.url, headers={"x-api-key": place.key}, timeout=60) as other:
            taken = round(share * place.limit)
            await asyncio.gather(*(other.get(f"/api/others/{number}") for number in range(taken)))
    planned = list(enumerate(arrivals(cell.pattern, cell.start, place.limit, place.window)))[cell.part :: cell.parts]
    await _until(cell.start - 1)
    async with STRATEGIES[cell.strategy](place) as send:
        await _until(cell.start)
        if cell.pattern == "sequential":
            calls = [await _call(send, number, lane) for number, (_, lane) in planned]
        else:
            calls = await asyncio.gather(*(_call(send, number, lane, at) for number, (at, lane) in planned))
    return Done(cell.server, cell.strategy, cell.pattern, calls)


async def _call(send: Send, number: int, lane: Lane, at: float = 0.0) -> Timing:
    await _until(at)
    called = time.time()
    try:
        await send(number, lane)
    except (Lost, httpx.HTTPError):
        return Timing(called, time.time(), True, lane)
    return Timing(called, time.time(), False, lane)


async def _until(moment: float) -> None:
    if (left := moment - time.time()) > 0:
        await asyncio.sleep(left)


async def _main(strategy: str) -> None:
    async with STRATEGIES[strategy](Destination("http://127.0.0.1:9", "warm-up", 1, 60)):
        pass  # what is imported and loaded once, is now
    print("ready", flush=True)
    line = await asyncio.to_thread(sys.stdin.readline)
    cells = [Cell(*cell)._replace(place=Destination(*cell[3])) for cell in json.loads(line)]
    for done in asyncio.as_completed([run(cell) for cell in cells]):
        print(json.dumps(await done), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
