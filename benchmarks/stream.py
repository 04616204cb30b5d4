"""Whether memory stays flat while a long list is read, and how fast that is beside raw httpx.

`python benchmarks/stream.py [--items 50000] [--few 1000]`. A server in another process makes pages of 20 rows as they are asked
for, with a quota so high that nobody waits. Each measurement is a fresh process: the peak of its resident memory after few items
and after many, and items per second. Only differences and ratios mean anything.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from sessions_us import Quota, UserClient

LIMIT = 10_000_000
QUOTA = f"{LIMIT}/60s"
HEADERS = f"content-type: application/json\r\nratelimit-limit: {LIMIT}\r\nratelimit-remaining: {LIMIT - 1}\r\nratelimit-reset: 60"


# -- the server ------------------------------------------------------------------------------------------------------


def row(number: int) -> dict[str, object]:
    """A session as the API tells it, every one another."""
    person = {
        "id": f"u{number}",
        "firstName": "Ada",
        "lastName": f"Lovelace {number}",
        "email": f"a{number}@example.com",
    }
    return {
        "id": f"{number:024x}",
        "name": f"Kick-off {number}",
        "startAt": "2026-05-04T09:00:00.000Z",
        "plannedEnd": "2026-05-04T09:30:00.000Z",
        "timezone": "Europe/Bucharest",
        "sessionLink": f"https://example.com/s/{number}",
        "participants": [{"id": f"p{number}", "isHost": True, "user": person}],
    }


async def serve(items: int) -> None:
    """Tells its port, then serves until its standard input is closed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                page = int(parse_qs(urlsplit(line.split()[1].decode()).query).get("page", ["1"])[0])
                body = json.dumps([row(n) for n in range((page - 1) * 20, min(page * 20, items))]).encode()
                writer.write(f"HTTP/1.1 200 OK\r\n{HEADERS}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


# -- what is measured ------------------------------------------------------------------------------------------------


async def raw(url: str) -> int:
    count, page = 0, 1
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": "key"}) as http:
        while True:
            rows = (await http.get("/api/sessions", params={"page": page})).json()
            count, page = count + len(rows), page + 1
            if len(rows) < 20:
                return count


async def stream(url: str) -> int:
    count = 0
    async with UserClient("key", base_url=url, quota=Quota.parse(QUOTA)) as user:
        async for _ in user.sessions.list():
            count += 1
    return count


async def export_ndjson(url: str) -> int:
    pipelines = importlib.import_module("sessions_us.pipelines")  # only where it is there
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sessions.ndjson"
        async with UserClient("key", base_url=url, quota=Quota.parse(QUOTA)) as user:
            await pipelines.export(
                user, ["sessions"], pipelines.NDJSONSink(out), state=Path(folder) / "state", children=False
            )
        with out.open("rb") as lines:
            return sum(1 for _ in lines)


WAYS: dict[str, Callable[[str], Awaitable[int]]] = {
    "raw httpx": raw,
    "async for": stream,
    "export to NDJSON": export_ndjson,
}


def available() -> list[str]:
    """The ways that are there."""
    there = importlib.util.find_spec("sessions_us.pipelines") is not None
    return [way for way in WAYS if there or not way.startswith("export")]


def peak() -> float:
    """The most resident memory that this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # the other figure counts what the parent had before this program was loaded
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 1024)


def measure_here(way: str, url: str) -> None:
    """In the process that is measured."""
    wall, cpu = time.perf_counter(), time.process_time()

    async def read() -> int:
        return await WAYS[way](url)

    count = asyncio.run(read())
    print(json.dumps([count, peak(), time.perf_counter() - wall, time.process_time() - cpu]))


@contextmanager
def serving(items: int) -> Iterator[str]:
    command = [sys.executable, __file__, "--serve", str(items)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.stdin.close()


def measure(way: str, items: int) -> tuple[float, float, float]:
    """Peak memory in MB, and seconds of wall and CPU time, of a fresh process that reads so many items."""
    with serving(items) as url:
        command = [sys.executable, __file__, "--measure", way, "--url", url]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    count, memory, wall, cpu = json.loads(told)
    if count != items:
        raise RuntimeError(f"{way} gave {count} of {items} items")
    return memory, wall, cpu


def main(few: int, many: int) -> None:
    print(f"{'':24}{f'MB, {few}':>12}{f'MB, {many}':>12}{'more':>8}{'items/s':>10}{'CPU, ratio':>12}")
    base = 0.0
    for way in available():
        little, _, _ = measure(way, few)
        much, wall, cpu = measure(way, many)
        base = base or cpu
        print(
            f"{way:24}{little:12.1f}{much:12.1f}{much - little:8.1f}{many / wall:10.0f}{cpu / base:12.2f}", flush=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.serve))
    elif given.measure is not None:
        measure_here(given.measure, given.url)
    else:
        main(given.few, given.items)
