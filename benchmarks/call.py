"""What one call costs beside raw httpx: the same server, the same pool settings, interleaved, in one run.

`python benchmarks/call.py [--rounds 400]`. Only the ratios mean anything; machines differ and are shared.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import httpx

from sessions_us import Quota, UserClient

Call = Callable[[], Awaitable[object]]
Numbered = Callable[[int], Awaitable[object]]
BODY = {"id": "s1", "name": "Kick-off", "startAt": "2026-05-04T09:00:00.000Z", "participants": []}
PAGE = [{**BODY, "id": f"s{number}"} for number in range(20)]
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=2.0)


async def serve() -> tuple[asyncio.Server, int]:
    """A server that does next to nothing, so that the clients are what is measured."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                body = json.dumps(PAGE if line.startswith(b"GET /api/sessions ") else BODY).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(body))
                writer.write(b"ratelimit-limit: 1000000\r\nratelimit-remaining: 999999\r\nratelimit-reset: 60\r\n\r\n")
                writer.write(body)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the benchmark is over
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def measure(calls: dict[str, Call], rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and CPU microseconds of each call, in turns, so that noise hits all alike."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(30):
            await call()
    gc.disable()
    for _ in range(rounds):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            await call()
            samples[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    gc.enable()
    return {
        name: (statistics.median(w for w, _ in each) * 1e6, statistics.median(c for _, c in each) * 1e6)
        for name, each in samples.items()
    }


async def in_process(rounds: int) -> None:
    server, port = await serve()
    url = f"http://127.0.0.1:{port}"
    key = "benchmark"
    async with (
        httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, limits=LIMITS, timeout=None) as raw,
        httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, timeout=30) as plain,
        UserClient(key, base_url=url, quota=Quota(limit=1_000_000, window=60)) as user,
    ):

        async def raw_one() -> object:
            return (await raw.get("/api/sessions/s1")).json()

        async def raw_page() -> object:
            return (await raw.get("/api/sessions")).json()

        async def plain_one() -> object:
            return (await plain.get("/api/sessions/s1")).json()

        calls: dict[str, Call] = {
            "httpx, one object": raw_one,
            "httpx with its own timeouts": plain_one,
            "sessions-us, one object": lambda: user.sessions.get("s1"),
            "httpx, page of 20": raw_page,
            "sessions-us, page of 20": lambda: user.sessions.list().collect(limit=20),
        }
        results = await measure(calls, rounds)
        crowd = await many(lambda n: raw.get(f"/api/sessions/s{n}"), lambda n: user.sessions.get(f"s{n}"))
    server.close()
    installed = importlib.util.find_spec("sniffio") is not None
    print(f"Python {sys.version.split()[0]}, sniffio {'installed' if installed else 'missing'}, {rounds} rounds")
    print(f"{'':32}{'wall µs':>10}{'ratio':>8}{'CPU µs':>10}{'ratio':>8}")
    for name, (wall, cpu) in results.items():
        base = results["httpx, page of 20" if "page" in name else "httpx, one object"]
        print(f"{name:32}{wall:10.0f}{wall / base[0]:8.2f}{cpu:10.0f}{cpu / base[1]:8.2f}")
    theirs, mine = (seconds * 1e6 / 200 for seconds in crowd)
    print(f"{'200 calls, 10 at a time':32}{mine:10.0f}{mine / theirs:8.2f}")


async def many(raw: Numbered, ours: Numbered) -> tuple[float, float]:
    """Seconds for 200 different calls, ten at a time, the medians of five turns."""

    async def run(call: Numbered) -> float:
        gate = asyncio.Semaphore(10)

        async def one(number: int) -> None:
            async with gate:
                await call(number)

        started = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(200)))
        return time.perf_counter() - started

    turns = [(await run(raw), await run(ours)) for _ in range(5)]
    return statistics.median(t[0] for t in turns), statistics.median(t[1] for t in turns)


def import_time() -> None:
    """Milliseconds to import the clients, beside httpx and attrs alone; the best of seven processes each."""

    def best(code: str) -> float:
        timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
        runs = (
            subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True) for _ in range(7)
        )
        return min(float(run.stdout) for run in runs) * 1e3

    base, ours = best("import httpx, attrs"), best("from sessions_us import UserClient; UserClient('k')")
    print(
        f"import httpx, attrs: {base:.0f} ms; from sessions_us import UserClient: {ours:.0f} ms; ratio {ours / base:.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    asyncio.run(in_process(parser.parse_args().rounds))
    import_time()
